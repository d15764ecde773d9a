//! The process under load: started here or elsewhere; its CPU time and memory, as the kernel tells them.

use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use crate::options::Options;

pub(crate) struct Peer {
    child: Option<Child>,
    pid: Option<u32>,
}

/// What the kernel knows of a process.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Usage {
    /// Seconds of CPU time, of all threads.
    pub(crate) cpu: f64,
    /// Of these, in the kernel.
    pub(crate) system: f64,
    /// Resident now, in KiB.
    pub(crate) rss: u64,
    /// The most that ever was, in KiB.
    pub(crate) peak: u64,
}

impl Peer {
    pub(crate) fn start(options: &Options) -> Result<Self, String> {
        let Some((program, arguments)) = options.command.split_first() else {
            return Ok(Peer { child: None, pid: options.pid });
        };
        let mut command = match options.cpu {
            Some(cpu) => {
                // It becomes the program, so the process is the same.
                let mut pinned = Command::new("taskset");
                pinned.arg("-c").arg(cpu.to_string()).arg(program);
                pinned
            }
            None => Command::new(program),
        };
        let started = command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).spawn();
        let child = started.map_err(|e| format!("{program}: {e}"))?;
        Ok(Peer { pid: Some(child.id()), child: Some(child) })
    }

    /// How it ended, if it did.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.as_mut()?.try_wait().ok().flatten()
    }

    pub(crate) fn usage(&self) -> Usage {
        self.pid.map_or_else(Usage::default, usage)
    }

    /// Asks it to end (SIGTERM), if it was started here.
    pub(crate) fn ask_to_end(&self) {
        if let Some(child) = &self.child
            && let Some(pid) = rustix::process::Pid::from_raw(child.id().cast_signed())
        {
            // It may be gone already.
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
    }

    /// How it ended; `None` if it had to be killed, or was not started here.
    pub(crate) fn wait(&mut self, patience: Duration) -> Option<ExitStatus> {
        let until = Instant::now() + patience;
        while self.child.is_some() && Instant::now() < until {
            if let Some(status) = self.ended() {
                return Some(status);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        None
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// What this process has used.
pub(crate) fn own_usage() -> Usage {
    usage(std::process::id())
}

fn usage(pid: u32) -> Usage {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    // The name in parentheses may hold anything; behind it, fields 3 and on (proc(5)).
    let fields: Vec<&str> =
        stat.rsplit_once(')').map(|(_, rest)| rest.split_whitespace().collect()).unwrap_or_default();
    let ticks = rustix::param::clock_ticks_per_second() as f64;
    let seconds = |field: usize| {
        fields.get(field - 3).and_then(|text| text.parse::<f64>().ok()).unwrap_or_default() / ticks
    };
    let kib = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or_default()
    };
    let (user, system) = (seconds(14), seconds(15));
    Usage { cpu: user + system, system, rss: kib("VmRSS:"), peak: kib("VmHWM:") }
}

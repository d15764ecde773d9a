//! The command line: `--name value` pairs, then `--` and the component's own command.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

pub(crate) const HELP: &str = "\
courant-load [OPTIONS] [-- COMMAND ARGUMENTS…]

Listens, starts COMMAND (or waits for a component that was told to connect), sends publishes, checks what
comes back, prints a line of JSON on standard output and a summary on standard error. Exits 1 when a message
or a result is missing, wrong, extra or an error.

  --listen ADDRESS        where the component connects        127.0.0.1:5347 (loopback only)
  --domain NAME           the component's domain              energy.localhost
  --secret TEXT           shared secret                       bench
  --records N             records per pack                    48
  --series N              series, taken in turn               1000
  --recipients N          recipients of each series           1 (at most 128)
  --window N              publishes outstanding, closed loop  64
  --rate N                publishes per second, open loop     0 (closed loop)
  --spin yes|no           never sleep, on a core of its own: waking up is not part of what is measured  no
  --warmup SECONDS        not measured                        1
  --seconds SECONDS       measured                            4
  --count N               publishes at most, warm-up included 50000000
  --first N               number of the first publish         1
  --terms yes|no          every message bears the terms of the consent that was seeded for it  no
  --name TEXT             what the report calls the component peer
  --pid PID               a component that runs already, to measure its CPU and memory
  --cpu N                 pin COMMAND to this core (taskset)
  --clean-exit yes|no     SIGTERM must end COMMAND with status 0  no
  --interval SECONDS      print a line of JSON each so often  0 (never)
  --sample FILE           write messages there, one a line, for a second opinion
  --sample-every N        each so many publishes              100
  --start-timeout SECONDS until the component is connected    120
  --stall SECONDS         without progress, then it failed    30
";

#[derive(Debug, Clone)]
pub(crate) struct Options {
    pub(crate) listen: SocketAddr,
    pub(crate) domain: String,
    pub(crate) secret: String,
    pub(crate) records: usize,
    pub(crate) series: u64,
    pub(crate) recipients: usize,
    pub(crate) window: usize,
    /// Publishes per second; `None` for a closed loop.
    pub(crate) rate: Option<f64>,
    pub(crate) spin: bool,
    pub(crate) warmup: Duration,
    pub(crate) measured: Duration,
    pub(crate) count: u64,
    pub(crate) first: u64,
    pub(crate) terms: bool,
    pub(crate) name: String,
    pub(crate) pid: Option<u32>,
    pub(crate) cpu: Option<u32>,
    pub(crate) clean_exit: bool,
    pub(crate) interval: Option<Duration>,
    pub(crate) sample: Option<PathBuf>,
    pub(crate) sample_every: u64,
    pub(crate) start_timeout: Duration,
    pub(crate) stall: Duration,
    pub(crate) command: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            listen: SocketAddr::from(([127, 0, 0, 1], 5347)),
            domain: "energy.localhost".into(),
            secret: "bench".into(),
            records: 48,
            series: 1000,
            recipients: 1,
            window: 64,
            rate: None,
            spin: false,
            warmup: Duration::from_secs(1),
            measured: Duration::from_secs(4),
            count: 50_000_000,
            first: 1,
            terms: false,
            name: "peer".into(),
            pid: None,
            cpu: None,
            clean_exit: false,
            interval: None,
            sample: None,
            sample_every: 100,
            start_timeout: Duration::from_secs(120),
            stall: Duration::from_secs(30),
            command: Vec::new(),
        }
    }
}

impl Options {
    /// `None` when help was asked for.
    pub(crate) fn from_args(args: impl Iterator<Item = String>) -> Result<Option<Self>, String> {
        let mut options = Options::default();
        let mut args = args;
        while let Some(name) = args.next() {
            if name == "--" {
                options.command = args.collect();
                break;
            }
            if matches!(&*name, "--help" | "-h") {
                return Ok(None);
            }
            let value = args.next().ok_or_else(|| format!("{name} needs a value"))?;
            options.set(&name, &value).map_err(|why| format!("{name} {value}: {why}"))?;
        }
        options.check()?;
        Ok(Some(options))
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        match name {
            "--listen" => self.listen = parsed(value)?,
            "--domain" => self.domain = value.into(),
            "--secret" => self.secret = value.into(),
            "--records" => self.records = parsed(value)?,
            "--series" => self.series = parsed(value)?,
            "--recipients" => self.recipients = parsed(value)?,
            "--window" => self.window = parsed(value)?,
            "--rate" => self.rate = Some(parsed(value)?).filter(|rate| *rate > 0.0),
            "--spin" => self.spin = yes(value)?,
            "--warmup" => self.warmup = seconds(value)?,
            "--seconds" => self.measured = seconds(value)?,
            "--count" => self.count = parsed(value)?,
            "--first" => self.first = parsed(value)?,
            "--terms" => self.terms = yes(value)?,
            "--name" => self.name = value.into(),
            "--pid" => self.pid = Some(parsed(value)?),
            "--cpu" => self.cpu = Some(parsed(value)?),
            "--clean-exit" => self.clean_exit = yes(value)?,
            "--interval" => self.interval = Some(seconds(value)?).filter(|every| !every.is_zero()),
            "--sample" => self.sample = Some(value.into()),
            "--sample-every" => self.sample_every = parsed(value)?,
            "--start-timeout" => self.start_timeout = seconds(value)?,
            "--stall" => self.stall = seconds(value)?,
            _ => return Err("there is no such option (--help lists them)".into()),
        }
        Ok(())
    }

    fn check(&self) -> Result<(), String> {
        if !self.listen.ip().is_loopback() {
            return Err("--listen: only loopback addresses; this is no server to reach from elsewhere".into());
        }
        if !(1..=128).contains(&self.recipients) {
            return Err("--recipients must be within 1..128".into());
        }
        if self.records == 0 || self.series == 0 || self.window == 0 || self.sample_every == 0 {
            return Err("--records, --series, --window and --sample-every must be at least 1".into());
        }
        Ok(())
    }
}

fn parsed<T: std::str::FromStr>(value: &str) -> Result<T, String>
where
    T::Err: std::fmt::Display,
{
    value.parse().map_err(|why: T::Err| why.to_string())
}

fn seconds(value: &str) -> Result<Duration, String> {
    Duration::try_from_secs_f64(parsed(value)?).map_err(|why| why.to_string())
}

fn yes(value: &str) -> Result<bool, String> {
    match value {
        "yes" => Ok(true),
        "no" => Ok(false),
        _ => Err("yes or no".into()),
    }
}

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
  --burst N               publishes per second for a while instead of --rate  0 (never)
  --burst-from SECONDS    from when on, warm-up included      0
  --burst-seconds SECONDS for how long                        0
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

/// More than the rate, for a while.
#[derive(Debug, Clone, Default)]
pub(crate) struct Burst {
    /// Publishes per second.
    pub(crate) rate: Option<f64>,
    pub(crate) from: Duration,
    pub(crate) long: Duration,
}

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
    pub(crate) burst: Burst,
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
            burst: Burst::default(),
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
            "--rate" => self.rate = per_second(value)?,
            "--burst" => self.burst.rate = per_second(value)?,
            "--burst-from" => self.burst.from = seconds(value)?,
            "--burst-seconds" => self.burst.long = seconds(value)?,
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

    /// How long after a publish the next one is due, at that time since the start. `None` for a closed loop.
    pub(crate) fn pause(&self, at: Duration) -> Option<Duration> {
        let Burst { rate, from, long } = self.burst;
        let burst = rate.filter(|_| (from..from + long).contains(&at));
        burst.or(self.rate).map(|rate| Duration::from_secs_f64(1.0 / rate))
    }

    fn check(&self) -> Result<(), String> {
        if !self.listen.ip().is_loopback() {
            return Err("--listen: only loopback addresses; this is no server to reach from elsewhere".into());
        }
        if !(1..=128).contains(&self.recipients) {
            return Err("--recipients must be within 1..128".into());
        }
        if self.burst.rate.is_some() && self.rate.is_none() {
            return Err("--burst needs a --rate to return to".into());
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

fn per_second(value: &str) -> Result<Option<f64>, String> {
    Ok(Some(parsed(value)?).filter(|rate: &f64| *rate > 0.0))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_faster_for_a_while() {
        let args = "--rate 100 --burst 1000 --burst-from 2 --burst-seconds 3".split(' ').map(str::to_owned);
        let options = Options::from_args(args).unwrap().unwrap();
        let pause = |at| options.pause(Duration::from_secs_f64(at)).unwrap();
        let (slow, quick) = (Duration::from_millis(10), Duration::from_millis(1));
        assert_eq!([1.9, 2.0, 4.9, 5.0].map(pause), [slow, quick, quick, slow]);
        assert!(Options::from_args(["--burst".to_owned(), "1".to_owned()].into_iter()).is_err());
        assert!(Options::default().pause(Duration::ZERO).is_none());
    }
}

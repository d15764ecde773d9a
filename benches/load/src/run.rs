//! One measurement: start, warm up, measure, let everything arrive, end.

use std::io::Write as _;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use crate::ledger::{Counts, Ledger};
use crate::options::Options;
use crate::peer::{self, Peer, Usage};
use crate::report::{self, Report, Waits};
use crate::server::{self, Server, Stanza};
use crate::wire;

/// No more is published while so much waits to be written.
const UNWRITTEN_MAX: usize = 1024 * 1024;

/// How long to look out for what should not come, once all is there.
const QUIET: Duration = Duration::from_millis(300);

/// How long a component may take to end.
const END: Duration = Duration::from_secs(15);

/// Usage of both, and how far things had got.
struct Mark {
    at: Instant,
    peer: Usage,
    own: Usage,
    complete: u64,
    counts: Counts,
}

struct Run<'a> {
    options: &'a Options,
    server: Server,
    ledger: Ledger,
    peer: Peer,
    started: Instant,
    /// When the next publish is due, for the open loop.
    due: Instant,
    pings: u64,
    next_interval: Option<Instant>,
}

pub(crate) fn run(options: &Options) -> Result<Report, String> {
    let listener = TcpListener::bind(options.listen).map_err(|e| format!("{}: {e}", options.listen))?;
    let ledger = Ledger::new(options)?;
    let launched = Instant::now();
    let mut peer = Peer::start(options)?;
    let server =
        Server::accept(&listener, &options.domain, &options.secret, &mut peer, options.start_timeout)?;
    let connected = launched.elapsed();
    let at_start = peer.usage();
    let started = Instant::now();
    let next_interval = options.interval.map(|every| started + every);
    let mut run = Run { options, server, ledger, peer, started, due: started, pings: 0, next_interval };

    let begin = started + options.warmup;
    run.load(begin, false)?;
    let before = run.mark();
    run.load(begin + options.measured, true)?;
    let after = run.mark();
    run.drain()?;
    let at_end = run.peer.usage();
    let drained = run.ledger.complete;
    let clean = run.end()?;
    run.ledger.close()?;

    let elapsed = (after.at - before.at).as_secs_f64();
    let (publishes, messages) =
        (after.complete - before.complete, after.counts.messages - before.counts.messages);
    Ok(Report {
        options: options.clone(),
        elapsed,
        publishes,
        messages,
        bytes: after.counts.bytes - before.counts.bytes,
        peer_cpu: after.peer.cpu - before.peer.cpu,
        peer_system: after.peer.system - before.peer.system,
        own_cpu: after.own.cpu - before.own.cpu,
        startup: connected.as_secs_f64(),
        startup_cpu: at_start.cpu,
        rss_start: at_start.rss,
        rss_peak: at_end.peak,
        latencies: run.ledger.latencies.clone(),
        counts: run.ledger.counts.clone(),
        complete: drained,
        pings: run.pings,
        clean_exit: clean,
        complaints: run.ledger.complaints.clone(),
    })
}

impl Run<'_> {
    fn mark(&self) -> Mark {
        Mark {
            at: Instant::now(),
            peer: self.peer.usage(),
            own: peer::own_usage(),
            complete: self.ledger.complete,
            counts: self.ledger.counts.clone(),
        }
    }

    /// Publishes and takes in, until then.
    fn load(&mut self, until: Instant, measured: bool) -> Result<(), String> {
        let mut progress = (Instant::now(), self.ledger.complete);
        loop {
            let now = Instant::now();
            if now >= until || self.ledger.counts.sent >= self.options.count {
                return Ok(());
            }
            let next_due = self.publish(now, measured);
            self.server.write()?;
            let wait = next_due.min(until).saturating_duration_since(now);
            self.server.wait(if self.options.spin { Duration::ZERO } else { wait })?;
            self.take_in()?;
            self.tell_interval();
            if self.ledger.complete != progress.1 || self.ledger.outstanding() == 0 {
                progress = (now, self.ledger.complete);
            } else if now - progress.0 > self.options.stall {
                return self.stalled();
            }
        }
    }

    /// Publishes what is due; returns when the next one is.
    fn publish(&mut self, now: Instant, measured: bool) -> Instant {
        let tick = now + Duration::from_millis(50);
        let mut more = self.options.count - self.ledger.counts.sent;
        if self.options.rate.is_none() {
            while more > 0
                && self.ledger.outstanding() < self.options.window
                && self.server.unwritten() < UNWRITTEN_MAX
            {
                self.ledger.publish(now, measured, &mut self.server.output);
                more -= 1;
            }
            return tick;
        }
        while self.due <= now && more > 0 {
            // What the component is too slow to take waits here, and that counts as latency.
            if self.server.unwritten() >= UNWRITTEN_MAX {
                return tick;
            }
            self.ledger.publish(self.due, measured, &mut self.server.output);
            self.due += self.options.pause(self.due - self.started).unwrap_or_default();
            more -= 1;
        }
        self.due.min(tick)
    }

    /// Reads once and looks at every stanza.
    fn take_in(&mut self) -> Result<(), String> {
        self.server.read()?;
        let now = Instant::now();
        let mut answers = Vec::new();
        while let Some(stanza) = self.server.next()? {
            match stanza {
                Stanza::Message(message) => self.ledger.message(message, now),
                Stanza::Iq(iq) => match wire::attribute(wire::start_tag(iq), b"type") {
                    Some(b"get" | b"set") => {
                        self.pings += 1;
                        server::answer(iq, &mut answers);
                    }
                    type_ => self.ledger.result(iq, type_.unwrap_or_default(), now),
                },
                Stanza::Other => {}
            }
        }
        self.server.output.extend_from_slice(&answers);
        Ok(())
    }

    /// Everything that was published arrives; and then nothing more.
    fn drain(&mut self) -> Result<(), String> {
        let mut progress = (Instant::now(), 0);
        let mut quiet_since = None;
        loop {
            let now = Instant::now();
            self.server.write()?;
            self.server.wait(Duration::from_millis(20))?;
            self.take_in()?;
            if self.server.ended {
                return self.stalled();
            }
            if self.ledger.outstanding() == 0 {
                if now - *quiet_since.get_or_insert(now) > QUIET {
                    return Ok(());
                }
            } else if self.ledger.complete != progress.1 {
                progress = (now, self.ledger.complete);
            } else if now - progress.0 > self.options.stall {
                return Ok(()); // What is missing is counted.
            }
        }
    }

    /// Asks the component to end, and listens to what it still says. Whether it ended well.
    fn end(&mut self) -> Result<bool, String> {
        self.peer.ask_to_end();
        let until = Instant::now() + END;
        while !self.server.ended && !self.options.command.is_empty() && Instant::now() < until {
            self.server.write()?;
            self.server.wait(Duration::from_millis(20))?;
            self.take_in()?;
        }
        let status = self.peer.wait(until.saturating_duration_since(Instant::now()));
        Ok(!self.options.clean_exit || status.is_some_and(|status| status.success()))
    }

    fn stalled(&mut self) -> Result<(), String> {
        let how = match (self.peer.ended(), self.server.ended) {
            (Some(status), _) => format!("the component ended: {status}"),
            (None, true) => "the component hung up".to_owned(),
            (None, false) => "the component does not get on".to_owned(),
        };
        let (sent, complete) = (self.ledger.counts.sent, self.ledger.complete);
        let complaints = self.ledger.complaints.join("\n  ");
        Err(format!("{how}; {sent} published, {complete} complete\n  {complaints}"))
    }

    fn tell_interval(&mut self) {
        let (Some(due), Some(every)) = (self.next_interval, self.options.interval) else { return };
        let now = Instant::now();
        if now < due {
            return;
        }
        self.next_interval = Some(due + every);
        let latencies = std::mem::take(&mut self.ledger.interval);
        let line = report::interval(now - self.started, &latencies, &self.waits(now), self.peer.usage());
        println!("{line}");
        let _ = std::io::stdout().flush();
    }

    fn waits(&self, now: Instant) -> Waits {
        let late = now.saturating_duration_since(self.due);
        let pause = self.options.pause(self.due - self.started).filter(|pause| !pause.is_zero());
        let counts = &self.ledger.counts;
        Waits {
            unsent: pause.map_or(0, |pause| (late.as_nanos() / pause.as_nanos()) as u64),
            unanswered: counts.sent.saturating_sub(counts.results + counts.errors),
            undelivered: self.ledger.outstanding() as u64,
        }
    }
}

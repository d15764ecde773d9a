//! What was found, as one line of JSON and for people.

use std::fmt::Write as _;
use std::time::Duration;

use crate::histogram::Histogram;
use crate::ledger::Counts;
use crate::options::Options;
use crate::peer::Usage;

pub(crate) struct Report {
    pub(crate) options: Options,
    pub(crate) elapsed: f64,
    /// Complete, and messages, in the measured time.
    pub(crate) publishes: u64,
    pub(crate) messages: u64,
    pub(crate) bytes: u64,
    pub(crate) peer_cpu: f64,
    pub(crate) peer_system: f64,
    pub(crate) own_cpu: f64,
    pub(crate) startup: f64,
    pub(crate) startup_cpu: f64,
    pub(crate) rss_start: u64,
    pub(crate) rss_peak: u64,
    pub(crate) latencies: Histogram,
    pub(crate) counts: Counts,
    pub(crate) complete: u64,
    pub(crate) pings: u64,
    pub(crate) clean_exit: bool,
    pub(crate) complaints: Vec<String>,
}

impl Report {
    /// Nothing missing, wrong, extra or in error, and something done at all.
    pub(crate) fn is_right(&self) -> bool {
        let c = &self.counts;
        let amiss = c.missing + c.extra + c.wrong + c.disordered + c.errors;
        amiss == 0 && self.clean_exit && self.complete == c.sent && c.sent > 0
    }

    fn cpu_per(&self, count: u64) -> Option<f64> {
        (count > 0).then(|| self.peer_cpu * 1e6 / count as f64)
    }

    pub(crate) fn json(&self) -> String {
        let (o, c, l) = (&self.options, &self.counts, &self.latencies);
        let mut out = Json::new();
        out.text("peer", &o.name);
        out.whole("records", o.records as u64);
        out.whole("series", o.series);
        out.whole("recipients", o.recipients as u64);
        out.whole("window", if o.rate.is_some() { 0 } else { o.window as u64 });
        out.number("rate", o.rate);
        out.number("seconds", Some(self.elapsed));
        out.whole("publishes", self.publishes);
        out.whole("messages", self.messages);
        out.number("publishes_per_s", Some(self.publishes as f64 / self.elapsed));
        out.number("messages_per_s", Some(self.messages as f64 / self.elapsed));
        out.number("megabytes_per_s", Some(self.bytes as f64 / self.elapsed / 1e6));
        out.number("cpu_us_per_publish", self.cpu_per(self.publishes));
        out.number("cpu_us_per_message", self.cpu_per(self.messages));
        out.number("cpu_use", Some(self.peer_cpu / self.elapsed));
        out.number("cpu_system_share", (self.peer_cpu > 0.0).then(|| self.peer_system / self.peer_cpu));
        out.number("generator_cpu_use", Some(self.own_cpu / self.elapsed));
        out.whole("latencies", l.total());
        out.number("p50_ms", l.quantile(0.5));
        out.number("p90_ms", l.quantile(0.9));
        out.number("p99_ms", l.quantile(0.99));
        out.number("p999_ms", l.quantile(0.999));
        out.number("max_ms", l.max_ms());
        out.number("startup_s", Some(self.startup));
        out.number("startup_cpu_s", Some(self.startup_cpu));
        out.whole("rss_start_kib", self.rss_start);
        out.whole("rss_peak_kib", self.rss_peak);
        out.whole("pings", self.pings);
        out.whole("sent", c.sent);
        out.whole("complete", self.complete);
        out.whole("missing", c.missing);
        out.whole("extra", c.extra);
        out.whole("wrong", c.wrong);
        out.whole("disordered", c.disordered);
        out.whole("errors", c.errors);
        out.truth("clean_exit", self.clean_exit);
        out.truth("ok", self.is_right());
        out.texts("complaints", &self.complaints);
        out.done()
    }

    pub(crate) fn text(&self) -> String {
        let (o, c, l) = (&self.options, &self.counts, &self.latencies);
        let ms = |q| l.quantile(q).unwrap_or(f64::NAN);
        let how = match o.rate {
            Some(rate) => format!("{rate} publishes/s"),
            None => format!("{} outstanding", o.window),
        };
        let mut out = String::new();
        let _ = writeln!(
            out,
            "{}: {} records x {} recipients, {} series, {how}, {:.1} s",
            o.name, o.records, o.recipients, o.series, self.elapsed
        );
        let _ = writeln!(
            out,
            "  {:.0} publishes/s, {:.0} messages/s; CPU {:.1} us a publish, {:.2} us a message ({:.0} % of a core; \
             generator {:.0} %)",
            self.publishes as f64 / self.elapsed,
            self.messages as f64 / self.elapsed,
            self.cpu_per(self.publishes).unwrap_or(f64::NAN),
            self.cpu_per(self.messages).unwrap_or(f64::NAN),
            self.peer_cpu / self.elapsed * 100.0,
            self.own_cpu / self.elapsed * 100.0,
        );
        let _ = writeln!(
            out,
            "  latency ms: p50 {:.2}, p99 {:.2}, p99.9 {:.2}; memory {:.1} MiB at the start, {:.1} MiB at most",
            ms(0.5),
            ms(0.99),
            ms(0.999),
            self.rss_start as f64 / 1024.0,
            self.rss_peak as f64 / 1024.0
        );
        if !self.is_right() {
            let _ = writeln!(
                out,
                "  WRONG: {} missing, {} extra, {} wrong, {} out of order, {} errors; {} of {} complete; {}",
                c.missing,
                c.extra,
                c.wrong,
                c.disordered,
                c.errors,
                self.complete,
                c.sent,
                if self.clean_exit { "ended well" } else { "did not end well" }
            );
        }
        for complaint in &self.complaints {
            let _ = writeln!(out, "  {complaint}");
        }
        out
    }
}

/// How many publishes wait for what.
#[derive(Debug)]
pub(crate) struct Waits {
    /// Due, and not written: about as many, at the rate of that time.
    pub(crate) unsent: u64,
    /// Written, their result not there.
    pub(crate) unanswered: u64,
    /// Written, not all there: the result, or a message.
    pub(crate) undelivered: u64,
}

/// The line that is printed each so often.
pub(crate) fn interval(at: Duration, latencies: &Histogram, waits: &Waits, peer: Usage) -> String {
    let mut out = Json::new();
    out.number("at_s", Some(at.as_secs_f64()));
    out.whole("publishes", latencies.total());
    out.number("p50_ms", latencies.quantile(0.5));
    out.number("p99_ms", latencies.quantile(0.99));
    out.number("p999_ms", latencies.quantile(0.999));
    out.number("max_ms", latencies.max_ms());
    out.whole("unsent", waits.unsent);
    out.whole("unanswered", waits.unanswered);
    out.whole("undelivered", waits.undelivered);
    out.number("cpu_s", Some(peer.cpu));
    out.whole("rss_kib", peer.rss);
    out.done()
}

/// A flat JSON object, field by field.
struct Json(String);

impl Json {
    fn new() -> Self {
        Json("{".to_owned())
    }

    fn name(&mut self, name: &str) {
        if self.0.len() > 1 {
            self.0.push_str(", ");
        }
        let _ = write!(self.0, "\"{name}\": ");
    }

    fn whole(&mut self, name: &str, value: u64) {
        self.name(name);
        let _ = write!(self.0, "{value}");
    }

    fn number(&mut self, name: &str, value: Option<f64>) {
        self.name(name);
        let _ = match value.filter(|v| v.is_finite()) {
            Some(value) => write!(self.0, "{value:.4}"),
            None => write!(self.0, "null"),
        };
    }

    fn truth(&mut self, name: &str, value: bool) {
        self.name(name);
        let _ = write!(self.0, "{value}");
    }

    fn text(&mut self, name: &str, value: &str) {
        self.name(name);
        self.string(value);
    }

    fn texts(&mut self, name: &str, values: &[String]) {
        self.name(name);
        self.0.push('[');
        for (place, value) in values.iter().enumerate() {
            if place > 0 {
                self.0.push_str(", ");
            }
            self.string(value);
        }
        self.0.push(']');
    }

    fn string(&mut self, value: &str) {
        self.0.push('"');
        for c in value.chars() {
            match c {
                '"' | '\\' => {
                    self.0.push('\\');
                    self.0.push(c);
                }
                c if c < ' ' => {
                    let _ = write!(self.0, "\\u{:04x}", c as u32);
                }
                c => self.0.push(c),
            }
        }
        self.0.push('"');
    }

    fn done(mut self) -> String {
        self.0.push('}');
        self.0
    }
}

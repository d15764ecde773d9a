//! What happens to two installations: made from a seed, shortened when it fails, printed line by line.

use std::fmt;

use super::rng::Rng;

/// Milliseconds of the world's own time.
pub(crate) type Millis = u64;

/// Servers: 0 and 1 have an installation each, 2 and 3 have recipients only.
pub(crate) const SERVERS: usize = 4;

/// Installations.
pub(crate) const SITES: usize = 2;

/// Recipients of each installation.
pub(crate) const RECIPIENTS: usize = 10;

/// Nodes of each installation.
pub(crate) const NODES: usize = 3;

/// Where in its work the relay's process dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Point {
    /// A publish is taken in, nothing written.
    Published,
    /// The batch is taken from the relay, not yet with the disk.
    BatchTaken,
    /// The disk writes: the batch becomes durable as a whole, or not.
    Committing,
    /// The batch is durable, the relay does not know.
    Durable,
    /// The relay knows, nobody was answered.
    Committed,
    /// Deliveries are rendered, not written to the socket.
    Pumped,
    /// Written to the socket.
    Written,
    /// A ping's answer was taken in.
    Ponged,
    /// Rows are asked of the journal.
    Loading,
    /// Right after the start.
    Started,
    /// Changes of consents were taken in.
    Informed,
}

impl Point {
    const ALL: [Point; 11] = [
        Point::Published,
        Point::BatchTaken,
        Point::Committing,
        Point::Durable,
        Point::Committed,
        Point::Pumped,
        Point::Written,
        Point::Ponged,
        Point::Loading,
        Point::Started,
        Point::Informed,
    ];
}

/// What a ping to a server's domain is answered with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pings {
    /// A result.
    Answers,
    /// `service-unavailable`: its own word.
    Unavailable,
    /// Nothing, ever.
    Silent,
}

/// One thing that happens. `site` is an installation, `server` a server, `who` a recipient.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Act {
    /// The gateway publishes so many items in one stanza; `both`: with records of a second series.
    Publish {
        site: usize,
        node: usize,
        items: usize,
        both: bool,
        bulk: usize,
    },
    /// The meter has so many more packs for its gateway.
    Measure {
        site: usize,
        packs: usize,
    },
    /// It repeats one of its publishes, so many back.
    Repeat {
        site: usize,
        back: usize,
    },
    /// It publishes the items of one of its publishes again, with other values: each `turn` has its own.
    Correct {
        site: usize,
        back: usize,
        turn: usize,
    },
    /// A consent is given: for a node, a node and below, or all.
    Give {
        site: usize,
        who: usize,
        scope: usize,
        lasts: Option<Millis>,
        windowed: bool,
    },
    /// A standing consent ends.
    End {
        site: usize,
        pick: usize,
    },
    /// A consent is paused, or goes on.
    Suspend {
        site: usize,
        pick: usize,
    },
    Resume {
        site: usize,
        pick: usize,
    },
    /// An edit narrows which measurements a consent covers.
    Narrow {
        site: usize,
        pick: usize,
    },
    /// Subscriptions go and come.
    Unsubscribe {
        site: usize,
        pick: usize,
    },
    Subscribe {
        site: usize,
        who: usize,
        scope: usize,
    },
    /// A series becomes open data, or ceases to be.
    Open {
        site: usize,
        node: usize,
    },
    Close {
        site: usize,
        node: usize,
    },
    /// `kill -9`, the next time the process is there (after passing it `skip` times).
    Crash {
        site: usize,
        point: Point,
        skip: usize,
        down: Millis,
    },
    /// Commits take long, fail; the journal cannot be read.
    SlowDisk {
        site: usize,
        lasts: Millis,
    },
    FailingDisk {
        site: usize,
        lasts: Millis,
    },
    FailingReads {
        site: usize,
        lasts: Millis,
    },
    /// The component's connection breaks.
    CutLink {
        site: usize,
        down: Millis,
    },
    /// A server stops orderly: for a moment it answers in other domains' names.
    Stop {
        server: usize,
        takes: Millis,
        down: Millis,
    },
    /// A server dies with all it held.
    Die {
        server: usize,
        down: Millis,
    },
    /// A server hangs (SIGSTOP), then goes on, or dies with all it held.
    Hang {
        server: usize,
        lasts: Millis,
        dies: Option<Millis>,
    },
    /// One's own server cannot reach the other for a while: refused, no such name.
    Unreachable {
        site: usize,
        server: usize,
        lasts: Millis,
    },
    /// The stream between them breaks: what was on its way comes back, what follows takes a fresh one.
    Reconnect {
        site: usize,
        server: usize,
        after: usize,
    },
    /// Connecting takes long: what is queued arrives in the end, or all comes back.
    Stall {
        site: usize,
        server: usize,
        lasts: Millis,
        arrives: bool,
    },
    /// Answers to pings come late, or twice.
    LatePongs {
        site: usize,
        server: usize,
        lasts: Millis,
        late: Millis,
    },
    DoublePongs {
        site: usize,
        server: usize,
        lasts: Millis,
    },
    /// A recipient answers the ping that went to its server, or another domain does.
    ForgedPong {
        site: usize,
        server: usize,
        domain: bool,
    },
    /// A recipient says that a message did not reach it, or did not reach its neighbour.
    ForgedBounce {
        site: usize,
        who: usize,
        neighbour: bool,
        last: bool,
    },
    /// A recipient's account is full for a while: its server says so, and answers pings.
    Full {
        site: usize,
        who: usize,
        lasts: Millis,
    },
    /// One's own server cannot bear the next item: it ends the stream whenever it is written it.
    Unbearable {
        site: usize,
    },
    /// The wall clock steps.
    Clock {
        site: usize,
        step: i64,
    },
}

impl Act {
    /// The kind, to be counted and to be left out as a whole.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Act::Publish { .. } => "publish",
            Act::Measure { .. } => "meter read",
            Act::Repeat { .. } => "publish repeated",
            Act::Correct { .. } => "publish corrected",
            Act::Give { .. } => "consent given",
            Act::End { .. } => "consent ended",
            Act::Suspend { .. } => "consent suspended",
            Act::Resume { .. } => "consent resumed",
            Act::Narrow { .. } => "consent narrowed",
            Act::Unsubscribe { .. } => "subscription removed",
            Act::Subscribe { .. } => "subscription added",
            Act::Open { .. } => "series opened",
            Act::Close { .. } => "series closed",
            Act::Crash { .. } => "crash",
            Act::SlowDisk { .. } => "disk slow",
            Act::FailingDisk { .. } => "disk fails",
            Act::FailingReads { .. } => "journal reads fail",
            Act::CutLink { .. } => "link cut",
            Act::Stop { .. } => "server stops",
            Act::Die { .. } => "server dies",
            Act::Hang { dies: None, .. } => "server hangs",
            Act::Hang { .. } => "server hangs and dies",
            Act::Unreachable { .. } => "domain unreachable",
            Act::Reconnect { .. } => "stream breaks",
            Act::Stall { .. } => "stream stalls",
            Act::LatePongs { .. } => "pongs late",
            Act::DoublePongs { .. } => "pongs doubled",
            Act::ForgedPong { .. } => "pong forged",
            Act::ForgedBounce { .. } => "bounce forged",
            Act::Full { .. } => "account full",
            Act::Unbearable { .. } => "item ends the stream",
            Act::Clock { .. } => "clock steps",
        }
    }
}

/// An act at its time.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Event {
    pub(crate) at: Millis,
    pub(crate) act: Act,
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>9.3} s  ** {:?}", self.at as f64 / 1000.0, self.act)
    }
}

/// A whole story.
#[derive(Debug, Clone)]
pub(crate) struct Story {
    pub(crate) seed: u64,
    pub(crate) pings: [Pings; SERVERS],
    pub(crate) time_to_live: Millis,
    pub(crate) queue_packs: usize,
    pub(crate) pump_limit: usize,
    /// Bytes of items kept in memory.
    pub(crate) window: usize,
    pub(crate) events: Vec<Event>,
}

impl Story {
    /// The story of a seed.
    pub(crate) fn of(seed: u64) -> Self {
        let mut rng = Rng::new(seed, 1);
        let other = |rng: &mut Rng| match rng.below(10) {
            0 => Pings::Unavailable,
            1 | 2 => Pings::Silent,
            _ => Pings::Answers,
        };
        let pings = [Pings::Answers, Pings::Answers, other(&mut rng), other(&mut rng)];
        let length = rng.within(20_000, 120_000);
        let count = rng.within(10, 90);
        // Not every story has everything: a calm one lets a rare fault show what it does.
        let wild = rng.within(5, 45);
        let chosen: Vec<u64> = (0..rng.within(1, 8)).map(|_| rng.below(19)).collect();
        let mut events = Vec::new();
        for site in 0..SITES {
            for who in 0..RECIPIENTS {
                if rng.percent(60) {
                    let scope = rng.below(7) as usize;
                    let act = Act::Give { site, who, scope, lasts: None, windowed: false };
                    events.push(Event { at: rng.below(300), act });
                }
            }
        }
        for _ in 0..count {
            let at = rng.within(300, length);
            let act = if rng.percent(wild) {
                let fault = *rng.pick(&chosen);
                fault_of(fault, &mut rng)
            } else {
                ordinary(&mut rng)
            };
            events.push(Event { at, act });
        }
        events.sort_by_key(|event| event.at);
        Story {
            seed,
            pings,
            time_to_live: if rng.percent(10) { rng.within(5_000, 40_000) } else { 7 * 86_400_000 },
            queue_packs: if rng.percent(10) { rng.within(10, 60) as usize } else { 100_000 },
            pump_limit: rng.within(600, 40_000) as usize,
            window: if rng.percent(50) { rng.within(1_000, 30_000) as usize } else { 24 << 20 },
            events,
        }
    }
}

impl Story {
    /// How long what is delivered everywhere is remembered, and how many rows take others with them.
    pub(crate) fn keeps(&self) -> (Millis, u64) {
        if self.seed.is_multiple_of(2) { (2_000, 1) } else { (90_000, 256) }
    }
}

fn ordinary(rng: &mut Rng) -> Act {
    let site = rng.below(SITES as u64) as usize;
    let node = rng.below(NODES as u64) as usize;
    let who = rng.below(RECIPIENTS as u64) as usize;
    let pick = rng.below(100) as usize;
    let scope = rng.below(7) as usize;
    match rng.below(100) {
        0..=3 => Act::Measure { site, packs: rng.within(1, 12) as usize },
        4..=49 => Act::Publish {
            site,
            node,
            items: if rng.percent(20) { rng.within(2, 4) as usize } else { 1 },
            both: rng.percent(30),
            bulk: if rng.percent(20) { rng.within(2, 12) as usize } else { 1 },
        },
        50..=58 => Act::Repeat { site, back: distance(rng) },
        59..=62 => Act::Correct { site, back: distance(rng), turn: rng.below(3) as usize },
        63..=72 => Act::Give {
            site,
            who,
            scope,
            lasts: rng.percent(25).then(|| rng.within(2_000, 40_000)),
            windowed: rng.percent(25),
        },
        73..=80 => Act::End { site, pick },
        81..=83 => Act::Suspend { site, pick },
        84..=86 => Act::Resume { site, pick },
        87..=88 => Act::Narrow { site, pick },
        89..=91 => Act::Unsubscribe { site, pick },
        92..=95 => Act::Subscribe { site, who, scope },
        96..=97 => Act::Open { site, node },
        _ => Act::Close { site, node },
    }
}

/// How far back somebody goes: often to what was last, now and then anywhere.
fn distance(rng: &mut Rng) -> usize {
    let most = if rng.percent(50) { 6 } else { 300 };
    rng.below(most) as usize
}

fn fault_of(kind: u64, rng: &mut Rng) -> Act {
    let site = rng.below(SITES as u64) as usize;
    let server = rng.below(SERVERS as u64) as usize;
    let who = rng.below(RECIPIENTS as u64) as usize;
    let lasts = rng.within(500, 25_000);
    let down = rng.within(3_000, 20_000);
    match kind {
        0..=2 => Act::Crash {
            site,
            point: *rng.pick(&Point::ALL),
            skip: rng.below(6) as usize,
            down: rng.within(50, 6_000),
        },
        3 => Act::SlowDisk { site, lasts },
        4 => Act::FailingDisk { site, lasts },
        5 => Act::FailingReads { site, lasts },
        6 => Act::CutLink { site, down: rng.within(50, 5_000) },
        7 => Act::Stop { server, takes: rng.within(50, 1_500), down },
        8 => Act::Die { server, down },
        9 => Act::Hang { server, lasts, dies: None },
        10 => Act::Hang { server, lasts, dies: Some(down) },
        11 => Act::Unreachable { site, server, lasts },
        12 => Act::Reconnect { site, server, after: rng.below(6) as usize },
        13 => Act::Stall { site, server, lasts, arrives: rng.percent(50) },
        14 if rng.percent(50) => Act::LatePongs { site, server, lasts, late: rng.within(100, 20_000) },
        14 => Act::DoublePongs { site, server, lasts },
        15 if rng.percent(50) => Act::ForgedPong { site, server, domain: rng.percent(50) },
        15 => Act::ForgedBounce { site, who, neighbour: rng.percent(50), last: rng.percent(50) },
        16 => Act::Full { site, who, lasts },
        17 => Act::Unbearable { site },
        _ => {
            let step = *rng.pick(&[-3_600_000, -5_000, -500, 2_000, 60_000, 3_600_000, 9 * 86_400_000]);
            Act::Clock { site, step }
        }
    }
}

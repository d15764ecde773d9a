//! Servers, streams between them, installations, and time: all that happens, happens here, in one order.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};

use courant::relay::delivery::Answer;
use jiff::Timestamp;

use super::oracle;
use super::people;
use super::rng::Rng;
use super::site::{Sabotage, Site};
use super::story::{Act, Millis, Pings, Point, SERVERS, SITES, Story};
use super::wire::{Back, Message, Stanza, domain_of, server_of};

/// How often the relay is told that time passes.
const TICK: Millis = 250;

/// The longest a story may take to come to rest after all is healed.
const REST: Millis = 900_000;

/// What comes next.
#[derive(Debug)]
pub(crate) enum What {
    Act(usize),
    Tick(usize),
    /// A server hears its component.
    ServerHears {
        server: usize,
        epoch: u64,
        /// Over which of its links.
        link: u64,
        stanza: Stanza,
    },
    /// A stanza arrives at the other end of a stream between servers.
    StreamArrives {
        site: usize,
        server: usize,
        generation: u64,
    },
    /// Its own server hands something to the component.
    ComponentHears {
        site: usize,
        link: u64,
        back: Back,
    },
    /// A remote server's answer reaches one's own server.
    ServerGets {
        site: usize,
        epochs: (u64, u64),
        server: usize,
        back: Back,
    },
    CommitDone {
        site: usize,
        run: u64,
    },
    Loaded {
        site: usize,
        run: u64,
        number: usize,
    },
    News {
        site: usize,
    },
    Connect {
        site: usize,
        run: u64,
    },
    Start {
        site: usize,
    },
    ServerUp {
        server: usize,
        epoch: u64,
    },
    ServerGoesOn {
        server: usize,
        epoch: u64,
    },
    ServerDies {
        server: usize,
        epoch: u64,
        down: Millis,
    },
    StallEnds {
        site: usize,
        server: usize,
        generation: u64,
        arrives: bool,
    },
    Republish {
        site: usize,
        request: usize,
        unasked: bool,
    },
}

#[derive(Debug)]
struct Due {
    at: Millis,
    number: u64,
    what: What,
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}
impl Eq for Due {}
impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Due {
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.number).cmp(&(self.at, self.number))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ServerState {
    Up,
    Hung,
    Stopping,
    Down,
}

/// One XMPP server: everything it holds is in memory.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) state: ServerState,
    /// Rises with each death: what was on its way to or from a dead one is lost.
    pub(crate) epoch: u64,
    /// What reached it while it hung.
    held: VecDeque<What>,
}

/// The stream from an installation's domain to a server's, in order.
#[derive(Debug, Default)]
struct Stream {
    generation: u64,
    on_the_way: VecDeque<Stanza>,
    last_arrival: Millis,
    last_answer: Millis,
    unreachable_until: Millis,
    stalled: bool,
    late_until: Millis,
    late: Millis,
    doubled_until: Millis,
    /// Breaks when so many more stanzas are on their way.
    breaks_after: Option<usize>,
}

/// The world.
pub(crate) struct World {
    pub(crate) story: Story,
    pub(crate) now: Millis,
    due: BinaryHeap<Due>,
    numbers: u64,
    pub(crate) rng: Rng,
    pub(crate) servers: Vec<Server>,
    streams: Vec<Vec<Stream>>,
    pub(crate) sites: Vec<Site>,
    /// Accounts that are full, and until when.
    full: BTreeMap<String, Millis>,
    pub(crate) healed: bool,
    pub(crate) log: Option<Vec<String>>,
    pub(crate) counts: BTreeMap<&'static str, u64>,
    /// What went wrong, the first thing.
    pub(crate) failure: Option<String>,
}

/// The name of a server.
pub(crate) fn server_name(server: usize) -> String {
    format!("s{server}.test")
}

impl World {
    pub(crate) fn new(story: Story, sabotage: Sabotage, tells: bool) -> Self {
        let servers = (0..SERVERS)
            .map(|_| Server { state: ServerState::Up, epoch: 0, held: VecDeque::new() })
            .collect();
        let streams = (0..SITES).map(|_| (0..SERVERS).map(|_| Stream::default()).collect()).collect();
        let mut world = World {
            now: 0,
            due: BinaryHeap::new(),
            numbers: 0,
            rng: Rng::new(story.seed, 2),
            servers,
            streams,
            sites: (0..SITES).map(|site| Site::new(site, sabotage)).collect(),
            full: BTreeMap::new(),
            healed: false,
            log: tells.then(Vec::new),
            counts: BTreeMap::new(),
            failure: None,
            story,
        };
        for (index, event) in world.story.events.iter().enumerate() {
            world.numbers += 1;
            world.due.push(Due { at: event.at, number: world.numbers, what: What::Act(index) });
        }
        for site in 0..SITES {
            world.after(0, What::Start { site });
            world.after(TICK, What::Tick(site));
        }
        world
    }

    /// Tells the whole story; says what went wrong, if anything.
    pub(crate) fn run(&mut self) -> Result<(), String> {
        let end = self.story.events.last().map_or(0, |event| event.at) + 1000;
        self.run_until(end)?;
        self.heal();
        let rest = self.now + REST;
        while !self.is_at_rest() {
            if self.now > rest {
                return Err(self.unrest());
            }
            let next = self.now + 500;
            self.run_until(next)?;
        }
        for site in 0..SITES {
            // What ended at this very moment.
            self.reconsider(site);
            self.sites[site].oracle.finish(&self.sites[site].disk.ever)?;
            self.sites[site].meter.finish()?;
        }
        self.check_pruned()
    }

    fn run_until(&mut self, end: Millis) -> Result<(), String> {
        while self.due.peek().is_some_and(|due| due.at <= end) {
            let Some(due) = self.due.pop() else { break };
            self.now = self.now.max(due.at);
            self.happen(due.what);
            if let Some(failure) = self.failure.take() {
                return Err(failure);
            }
        }
        self.now = end;
        Ok(())
    }

    fn is_at_rest(&self) -> bool {
        self.sites.iter().all(Site::is_at_rest)
            && self.streams.iter().flatten().all(|stream| stream.on_the_way.is_empty())
    }

    fn unrest(&self) -> String {
        let mut text = "nothing is wrong any more, and yet it does not come to rest:".to_owned();
        for site in &self.sites {
            text += &format!(" {}", site.describe());
        }
        text
    }

    /// Rows go once nobody needs them.
    fn check_pruned(&mut self) -> Result<(), String> {
        let end = self.now + self.story.keeps().0 + 35_000;
        self.run_until(end)?;
        for site in &self.sites {
            let kept = site.rows_left();
            if !kept.is_empty() {
                return Err(format!("rows that nobody needs are never pruned: {kept:?} at {}", site.name()));
            }
        }
        Ok(())
    }

    fn heal(&mut self) {
        self.healed = true;
        self.tell(|| "** all is healed".into());
        self.full.clear();
        for server in 0..SERVERS {
            match self.servers[server].state {
                ServerState::Hung => self.go_on(server),
                ServerState::Stopping => self.server_down(server, 3_000),
                _ => {}
            }
        }
        for site in 0..SITES {
            for server in 0..SERVERS {
                let stream = &mut self.streams[site][server];
                stream.unreachable_until = 0;
                stream.late_until = 0;
                stream.doubled_until = 0;
                if stream.stalled {
                    self.end_stall(site, server, true);
                }
            }
            self.sites[site].heal();
        }
    }

    // Time.

    pub(crate) fn after(&mut self, wait: Millis, what: What) {
        self.numbers += 1;
        self.due.push(Due { at: self.now + wait, number: self.numbers, what });
    }

    fn at(&mut self, at: Millis, what: What) {
        self.numbers += 1;
        self.due.push(Due { at, number: self.numbers, what });
    }

    pub(crate) fn wall(&self, site: usize) -> Timestamp {
        let at = 1_780_000_000_000 + self.now as i64 + self.sites[site].wall_offset;
        Timestamp::from_millisecond(at).unwrap_or(Timestamp::UNIX_EPOCH)
    }

    pub(crate) fn tell(&mut self, line: impl FnOnce() -> String) {
        if let Some(log) = &mut self.log {
            log.push(format!("{:>9.3} s  {}", self.now as f64 / 1000.0, line()));
        }
    }

    pub(crate) fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }

    pub(crate) fn fail(&mut self, outcome: Result<(), String>) {
        if let Err(why) = outcome
            && self.failure.is_none()
        {
            self.tell(|| format!("!! {why}"));
            self.failure = Some(why);
        }
    }

    // What happens.

    fn happen(&mut self, what: What) {
        match what {
            What::Act(index) => {
                let act = self.story.events[index].act.clone();
                self.tell(|| format!("** {act:?}"));
                self.act(act);
            }
            What::Tick(site) => {
                self.tick(site);
                let outcome = self.sites[site].check_memory(self.story.window);
                self.fail(outcome);
                self.after(TICK, What::Tick(site));
            }
            What::ServerHears { server, epoch, link, stanza } => {
                self.server_hears(server, epoch, link, stanza);
            }
            What::StreamArrives { site, server, generation } => self.stream_arrives(site, server, generation),
            What::ServerGets { site, epochs, server, back } => {
                self.server_gets(site, epochs, server, back);
            }
            What::ComponentHears { site, link, back } => self.component_hears(site, link, back),
            What::CommitDone { site, run } => self.commit_done(site, run),
            What::Loaded { site, run, number } => self.rows_read(site, run, number),
            What::News { site } => self.news(site),
            What::Connect { site, run } => self.connect(site, run),
            What::Start { site } => self.start(site),
            What::Republish { site, request, unasked } => self.republish(site, request, unasked),
            What::ServerUp { server, epoch } => self.server_up(server, epoch),
            What::ServerGoesOn { server, epoch } => {
                if self.servers[server].epoch == epoch && self.servers[server].state == ServerState::Hung {
                    self.go_on(server);
                }
            }
            What::ServerDies { server, epoch, down } => {
                if self.servers[server].epoch == epoch && self.servers[server].state != ServerState::Down {
                    self.server_down(server, down);
                }
            }
            What::StallEnds { site, server, generation, arrives } => {
                let stream = &self.streams[site][server];
                if stream.stalled && stream.generation == generation {
                    self.end_stall(site, server, arrives);
                }
            }
        }
    }

    fn act(&mut self, act: Act) {
        let happened = match act {
            Act::Crash { site, point, skip, down } => {
                self.sites[site].crash_at = Some((point, skip, down));
                // Counted when it strikes.
                false
            }
            Act::SlowDisk { site, lasts } => {
                self.sites[site].slow_until = self.now + lasts;
                true
            }
            Act::FailingDisk { site, lasts } => {
                self.sites[site].failing_until = self.now + lasts;
                true
            }
            Act::FailingReads { site, lasts } => {
                self.sites[site].unreadable_until = self.now + lasts;
                true
            }
            Act::CutLink { site, down } => self.cut_link(site, down),
            Act::Stop { server, takes, down } => {
                let up = self.servers[server].state == ServerState::Up;
                if up {
                    self.servers[server].state = ServerState::Stopping;
                    let epoch = self.servers[server].epoch;
                    self.after(takes, What::ServerDies { server, epoch, down });
                }
                up
            }
            Act::Die { server, down } => {
                let up = self.servers[server].state != ServerState::Down;
                if up {
                    self.server_down(server, down);
                }
                up
            }
            Act::Hang { server, lasts, dies } => self.hang(server, lasts, dies),
            Act::Unreachable { site, server, lasts } => {
                self.streams[site][server].unreachable_until = self.now + lasts;
                server != site
            }
            Act::Reconnect { site, server, after } => {
                // Counted when it strikes.
                self.streams[site][server].breaks_after = Some(after);
                false
            }
            Act::Stall { site, server, lasts, arrives } => {
                let stream = &mut self.streams[site][server];
                let fresh = stream.on_the_way.is_empty() && !stream.stalled && server != site;
                if fresh {
                    stream.stalled = true;
                    let generation = stream.generation;
                    self.after(lasts, What::StallEnds { site, server, generation, arrives });
                }
                fresh
            }
            Act::LatePongs { site, server, lasts, late } => {
                self.streams[site][server].late_until = self.now + lasts;
                self.streams[site][server].late = late;
                true
            }
            Act::DoublePongs { site, server, lasts } => {
                self.streams[site][server].doubled_until = self.now + lasts;
                true
            }
            Act::ForgedPong { site, server, domain } => {
                let other = server_name((server + 1) % SERVERS);
                let from = if domain { other } else { format!("u0@{}", server_name(server)) };
                match self.sites[site].last_pings.get(&server_name(server)).cloned() {
                    Some(id) => {
                        self.hand_to_component(site, Back::Pong { id, from, answer: Answer::Taken }, 20);
                        true
                    }
                    None => false,
                }
            }
            Act::ForgedBounce { site, who, neighbour, last } => self.forge_bounce(site, who, neighbour, last),
            Act::Full { site, who, lasts } => {
                self.full.insert(people::recipient(site, who), self.now + lasts);
                true
            }
            Act::Unbearable { site } => {
                let next = format!("i{}", self.sites[site].items + 1);
                self.sites[site].unbearable.insert(next)
            }
            Act::Clock { site, step } => {
                let site_ = &mut self.sites[site];
                site_.wall_offset += step;
                site_.wall_most = site_.wall_most.max(site_.wall_offset);
                self.reconsider(site);
                true
            }
            _ => people::act(self, &act),
        };
        if happened {
            self.count(act.kind());
        }
    }

    fn forge_bounce(&mut self, site: usize, who: usize, neighbour: bool, last: bool) -> bool {
        let from = people::recipient(site, who);
        let written = &self.sites[site].last_messages;
        let domain = domain_of(&from);
        let about = written.iter().rev().find(|message| {
            if neighbour {
                message.to != from && domain_of(&message.to) == domain
            } else {
                message.to == from
            }
        });
        let Some(about) = about.cloned() else { return false };
        let condition = if last { "service-unavailable" } else { "remote-server-timeout" };
        self.hand_to_component(site, Message { to: from, ..about }.refused(condition), 20);
        true
    }

    // Servers.

    fn hang(&mut self, server: usize, lasts: Millis, dies: Option<Millis>) -> bool {
        if self.servers[server].state != ServerState::Up {
            return false;
        }
        self.servers[server].state = ServerState::Hung;
        let epoch = self.servers[server].epoch;
        let end = match dies {
            Some(down) => What::ServerDies { server, epoch, down },
            None => What::ServerGoesOn { server, epoch },
        };
        self.after(lasts, end);
        true
    }

    fn go_on(&mut self, server: usize) {
        self.tell(|| format!("{} goes on", server_name(server)));
        self.servers[server].state = ServerState::Up;
        let held = std::mem::take(&mut self.servers[server].held);
        for what in held {
            self.happen(what);
        }
    }

    fn server_down(&mut self, server: usize, down: Millis) {
        let mut lost = 0;
        self.servers[server].state = ServerState::Down;
        self.servers[server].epoch += 1;
        let epoch = self.servers[server].epoch;
        for what in std::mem::take(&mut self.servers[server].held) {
            if let What::ServerHears { stanza: Stanza::Message(message), .. } = what {
                lost += 1;
                self.lost(server, &message);
            }
        }
        for site in 0..SITES {
            for to in 0..SERVERS {
                if to == server || site == server {
                    let stream = &mut self.streams[site][to];
                    stream.generation += 1;
                    stream.stalled = false;
                    let gone = std::mem::take(&mut stream.on_the_way);
                    for stanza in gone {
                        if let Stanza::Message(message) = stanza {
                            lost += 1;
                            self.lost(site, &message);
                        }
                    }
                }
            }
        }
        *self.counts.entry("(messages lost in silence)").or_default() += lost;
        self.tell(|| format!("{} is down, {lost} messages lost in silence", server_name(server)));
        if server < SITES {
            self.unlink(server);
        }
        self.after(down, What::ServerUp { server, epoch });
    }

    /// What one's own server vouches for in the end proves little; what is answered itself is no worse for it.
    fn lost(&mut self, site: usize, message: &Message) {
        if message.weak && !message.answered && site < SITES {
            self.sites[site].oracle.lost(message);
        }
    }

    fn server_up(&mut self, server: usize, epoch: u64) {
        if self.servers[server].epoch != epoch || self.servers[server].state != ServerState::Down {
            return;
        }
        // A batch whose beginning was lost on the old stream while its end waits in a server that hangs,
        // for the new one, is what no barrier can see.
        if (0..SITES).any(|own| self.servers[own].state == ServerState::Hung) {
            self.after(500, What::ServerUp { server, epoch });
            return;
        }
        self.tell(|| format!("{} is up", server_name(server)));
        self.servers[server].state = ServerState::Up;
    }

    fn server_hears(&mut self, server: usize, epoch: u64, link: u64, stanza: Stanza) {
        let site = server;
        let (state, now_epoch) = (self.servers[server].state, self.servers[server].epoch);
        let deaf = server < SITES && self.sites[site].ended_link == Some(link);
        if epoch != now_epoch || state == ServerState::Down || deaf {
            if let Stanza::Message(message) = &stanza {
                self.lost(site, message);
            }
            return;
        }
        if state == ServerState::Hung {
            self.servers[server].held.push_back(What::ServerHears { server, epoch, link, stanza });
            return;
        }
        if let Stanza::Message(message) = &stanza
            && self.sites[site].unbearable.contains(&message.item)
        {
            self.lost(site, message);
            return self.end_stream(site, link);
        }
        let to = match &stanza {
            Stanza::Reply { request, done, again } => {
                let (request, done, again) = (*request, *done, *again);
                return self.gateway_hears(site, request, done, again);
            }
            Stanza::Message(Message { to, .. }) | Stanza::Ping { to, .. } => domain_of(to).to_owned(),
        };
        let Some(target) = (0..SERVERS).find(|s| server_name(*s) == server_of(&to)) else { return };
        if target == server {
            return self.arrive(site, target, stanza);
        }
        if state == ServerState::Stopping {
            self.count("(answers in another's name)");
            return self.bounce(site, stanza, "not-allowed");
        }
        let down = self.servers[target].state == ServerState::Down;
        let stream = &mut self.streams[site][target];
        if down || stream.unreachable_until > self.now {
            // One server says not found, the other timeout.
            let why = if site == 0 { "remote-server-not-found" } else { "remote-server-timeout" };
            return self.bounce(site, stanza, why);
        }
        stream.on_the_way.push_back(stanza);
        if stream.stalled {
            return;
        }
        let breaks = stream.breaks_after.is_some_and(|after| stream.on_the_way.len() > after);
        if breaks && self.servers[target].state == ServerState::Up && !self.healed {
            return self.break_stream(site, target);
        }
        let wait = self.rng.within(1, 40);
        self.send_on(site, target, wait);
    }

    fn send_on(&mut self, site: usize, server: usize, wait: Millis) {
        let at = (self.now + wait).max(self.streams[site][server].last_arrival);
        self.streams[site][server].last_arrival = at;
        let generation = self.streams[site][server].generation;
        self.at(at, What::StreamArrives { site, server, generation });
    }

    fn bounce(&mut self, site: usize, stanza: Stanza, condition: &'static str) {
        match stanza {
            Stanza::Message(message) => {
                self.sites[site].oracle.came_back(&message);
                if !self.healed {
                    self.lost(site, &message);
                }
                self.count("(messages bounced)");
                self.hand_to_component(site, message.refused(condition), 5);
            }
            Stanza::Ping { id, to } => {
                self.hand_to_component(site, Back::Pong { id, from: to, answer: Answer::NotReached }, 5);
            }
            Stanza::Reply { .. } => {}
        }
    }

    /// What is on its way comes back; the next takes a fresh stream.
    fn break_stream(&mut self, site: usize, server: usize) {
        let stream = &mut self.streams[site][server];
        stream.breaks_after = None;
        stream.generation += 1;
        let back = std::mem::take(&mut stream.on_the_way);
        self.count("stream breaks");
        self.tell(|| format!("{} stanzas come back from the stream to {}", back.len(), server_name(server)));
        for stanza in back {
            self.bounce(site, stanza, "remote-server-timeout");
        }
    }

    fn end_stall(&mut self, site: usize, server: usize, arrives: bool) {
        self.streams[site][server].stalled = false;
        if arrives {
            for _ in 0..self.streams[site][server].on_the_way.len() {
                self.send_on(site, server, 5);
            }
        } else {
            self.streams[site][server].generation += 1;
            for stanza in std::mem::take(&mut self.streams[site][server].on_the_way) {
                self.bounce(site, stanza, "remote-server-not-found");
            }
        }
    }

    fn stream_arrives(&mut self, site: usize, server: usize, generation: u64) {
        if self.streams[site][server].generation != generation {
            return;
        }
        match self.servers[server].state {
            ServerState::Hung => {
                self.servers[server].held.push_back(What::StreamArrives { site, server, generation });
            }
            ServerState::Down => {}
            _ => {
                if let Some(stanza) = self.streams[site][server].on_the_way.pop_front() {
                    self.arrive(site, server, stanza);
                }
            }
        }
    }

    /// A server takes a stanza of an installation's, and answers for itself.
    fn arrive(&mut self, site: usize, server: usize, stanza: Stanza) {
        match stanza {
            Stanza::Message(message) if self.full.get(&message.to).is_some_and(|until| *until > self.now) => {
                self.count("(messages refused, account full)");
                self.sites[site].oracle.came_back(&message);
                self.lost(site, &message);
                self.answer(site, server, message.refused("resource-constraint"), false);
            }
            Stanza::Message(message) => {
                self.tell(|| format!("{} takes {} for {}", server_name(server), message.id, message.to));
                let (now, place) = (self.now, &mut self.sites[site]);
                let outcome = place.oracle.arrived(&message);
                // Where one's own server vouches for it, it may have been delivered before.
                if let Some((seq, _)) = oracle::numbers(&message.id).filter(|_| !message.weak) {
                    place.repeats.arrived(seq, now);
                }
                self.fail(outcome);
                if message.to.starts_with("ghost@") {
                    self.answer(site, server, message.refused("service-unavailable"), false);
                } else if message.answered {
                    self.count("(publishes to services answered)");
                    let back = Back::Answered { id: message.id, from: message.to, refused: None };
                    if self.streams[site][server].doubled_until > self.now {
                        self.answer(site, server, back.clone(), true);
                    }
                    self.answer(site, server, back, true);
                }
            }
            Stanza::Ping { id, to } => {
                if self.story.pings[server] == Pings::Silent {
                    return self.count("(pings left unanswered)");
                }
                let back = Back::Pong { id, from: to, answer: Answer::Taken };
                if self.streams[site][server].doubled_until > self.now {
                    self.answer(site, server, back.clone(), true);
                }
                self.answer(site, server, back, true);
            }
            Stanza::Reply { .. } => {}
        }
    }

    /// An answer on its way back to one's own server.
    fn answer(&mut self, site: usize, server: usize, back: Back, pong: bool) {
        let wait = self.rng.within(1, 40);
        let stream = &mut self.streams[site][server];
        let late = if pong && stream.late_until > self.now { stream.late } else { 0 };
        let at = if late > 0 {
            self.now + wait + late
        } else {
            stream.last_answer = (self.now + wait).max(stream.last_answer);
            stream.last_answer
        };
        let epochs = (self.servers[site].epoch, self.servers[server].epoch);
        self.at(at, What::ServerGets { site, epochs, server, back });
    }

    fn server_gets(&mut self, site: usize, epochs: (u64, u64), server: usize, back: Back) {
        if epochs != (self.servers[site].epoch, self.servers[server].epoch) {
            return;
        }
        match self.servers[site].state {
            ServerState::Hung => {
                let what = What::ServerGets { site, epochs, server, back };
                self.servers[site].held.push_back(what);
            }
            ServerState::Down => {}
            _ => self.hand_to_component(site, back, 2),
        }
    }

    /// One's own server writes to the component, if it is there.
    pub(crate) fn hand_to_component(&mut self, site: usize, back: Back, wait: Millis) {
        let Some(link) = self.sites[site].link else { return };
        if matches!(self.servers[site].state, ServerState::Down | ServerState::Hung) {
            return;
        }
        let at = (self.now + wait).max(self.sites[site].last_heard);
        self.sites[site].last_heard = at;
        self.at(at, What::ComponentHears { site, link, back });
    }

    /// Whether the process dies here.
    pub(crate) fn point(&mut self, site: usize, point: Point) -> bool {
        let Some((at, skip, down)) = self.sites[site].crash_at else { return false };
        if at != point || self.sites[site].alive.is_none() || self.healed {
            return false;
        }
        if skip > 0 {
            self.sites[site].crash_at = Some((at, skip - 1, down));
            return false;
        }
        self.sites[site].crash_at = None;
        self.tell(|| format!("** the process of site {site} dies ({point:?})"));
        self.count("crash");
        self.crash(site, down);
        true
    }
}

//! What people are told beside their data, at least once: that a consent ended.
//!
//! As for deliveries, a ping to the domain behind what was written proves, once answered, that its server
//! took it; and where a domain has never answered one, one's own server is asked. What is not proved is
//! written again, with the same ids. Nobody waits for a notice, so a domain's are kept in one queue without
//! further ado.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::delivery::{Answer, Patience, wait_after};
use crate::protocol::outbox::Outbox;

/// How many notices are written before a ping.
const BATCH: usize = 64;

#[derive(Debug, Default)]
enum State {
    /// What waits may be written.
    #[default]
    Idle,
    /// The first so many are written, and a ping behind them.
    Asked { number: u64, count: usize, sent: Duration },
    /// It is down; try again then.
    Waits { until: Duration },
}

#[derive(Debug, Default)]
struct Domain {
    state: State,
    waiting: VecDeque<(u64, Vec<u8>)>,
    failures: usize,
    /// It has answered a ping of ours.
    answers_pings: bool,
    /// It let one go unanswered, and has never answered any: ask one's own server.
    falls_back: bool,
}

/// See the module.
#[derive(Debug)]
pub struct Notices {
    patience: Patience,
    domains: BTreeMap<Arc<str>, Domain>,
    /// Domains with something to write, in the order of their notices.
    ready: VecDeque<Arc<str>>,
    /// By number, how much of it has not been taken.
    open: HashMap<u64, usize>,
    pings: HashMap<u64, Arc<str>>,
    last_ping: u64,
    done: Vec<u64>,
    link: bool,
}

impl Notices {
    /// None yet; the link is down.
    pub fn new(patience: Patience) -> Self {
        Notices {
            patience,
            domains: BTreeMap::new(),
            ready: VecDeque::new(),
            open: HashMap::new(),
            pings: HashMap::new(),
            last_ping: 0,
            done: Vec::new(),
            link: false,
        }
    }

    /// Has these stanzas written, each to a domain. `answers_pings`: whether it is known to.
    pub fn tell(
        &mut self,
        key: u64,
        stanzas: Vec<(Arc<str>, Vec<u8>)>,
        answers_pings: impl Fn(&str) -> bool,
    ) {
        if stanzas.is_empty() {
            self.done.push(key);
            return;
        }
        if self.open.insert(key, stanzas.len()).is_some() {
            return;
        }
        for (domain, stanza) in stanzas {
            let held = self.domains.entry(Arc::clone(&domain)).or_default();
            held.answers_pings |= answers_pings(&domain);
            held.waiting.push_back((key, stanza));
            self.ready.push_back(domain);
        }
    }

    /// How many are held.
    pub fn held(&self) -> usize {
        self.open.len()
    }

    /// Whether something is written and not yet answered for.
    pub fn is_under_way(&self) -> bool {
        self.domains.values().any(|domain| matches!(domain.state, State::Asked { .. }))
    }

    /// Those of which everything was taken, since the last call.
    pub fn take_done(&mut self) -> Vec<u64> {
        std::mem::take(&mut self.done)
    }

    /// Writes what is due; `ping` is given the domain, or none for one's own server, and a number.
    pub fn write(
        &mut self,
        now: Duration,
        out: &mut Outbox,
        mut ping: impl FnMut(&mut Vec<u8>, Option<&str>, u64),
    ) {
        if !self.link {
            return;
        }
        while let Some(name) = self.ready.pop_front() {
            let Some(domain) = self.domains.get_mut(&name) else { continue };
            match domain.state {
                State::Waits { until } if until > now => continue,
                State::Asked { .. } => continue,
                _ if domain.waiting.is_empty() => continue,
                State::Idle | State::Waits { .. } => {}
            }
            let count = domain.waiting.len().min(BATCH);
            for (_, stanza) in domain.waiting.iter().take(count) {
                // What is too large to be told to anybody is in the log, and counts as told.
                let _fits = out.stanza(|out| out.extend_from_slice(stanza));
            }
            self.last_ping += 1;
            domain.state = State::Asked { number: self.last_ping, count, sent: now };
            let own = domain.falls_back && !domain.answers_pings;
            let number = self.last_ping;
            let _fits = out.stanza(|out| ping(out, (!own).then_some(&*name), number));
            self.pings.insert(self.last_ping, name);
        }
    }

    /// Where the ping of this number went: the domain, or none for one's own server.
    pub fn ping_target(&self, number: u64) -> Option<Option<Arc<str>>> {
        let name = self.pings.get(&number)?;
        let domain = self.domains.get(name)?;
        let own = domain.falls_back && !domain.answers_pings;
        Some((!own).then(|| Arc::clone(name)))
    }

    /// A ping was answered, from where it went.
    pub fn answered(&mut self, number: u64, answer: Answer, now: Duration) {
        let Some(name) = self.pings.remove(&number) else { return };
        let Some(domain) = self.domains.get_mut(&name) else { return };
        let State::Asked { number: asked, count, .. } = domain.state else { return };
        if asked != number {
            return;
        }
        if answer == Answer::NotReached {
            self.fail(&name, now);
            return;
        }
        domain.answers_pings |= !domain.falls_back;
        domain.failures = 0;
        domain.state = State::Idle;
        for (key, _) in domain.waiting.drain(..count) {
            if let Some(left) = self.open.get_mut(&key) {
                *left -= 1;
                if *left == 0 {
                    self.open.remove(&key);
                    self.done.push(key);
                }
            }
        }
        if domain.waiting.is_empty() && !domain.falls_back {
            self.domains.remove(&name);
        } else {
            self.ready.push_back(name);
        }
    }

    fn fail(&mut self, name: &Arc<str>, now: Duration) {
        let Some(domain) = self.domains.get_mut(name) else { return };
        let wait = wait_after(domain.failures, self.patience.retry_max, self.last_ping);
        domain.failures += 1;
        domain.state = State::Waits { until: now + wait };
    }

    /// Time passed.
    pub fn tick(&mut self, now: Duration) {
        // Without a link nobody is asked, and nobody taken from the list; with the next one all are on it.
        if !self.link {
            return;
        }
        let late = |domain: &Domain| matches!(domain.state, State::Asked { sent, .. } if sent + self.patience.ping <= now);
        let late: Vec<Arc<str>> = self
            .domains
            .iter()
            .filter(|(_, domain)| late(domain))
            .map(|(name, _)| Arc::clone(name))
            .collect();
        for name in late {
            self.fail(&name, now);
            if let Some(domain) = self.domains.get_mut(&name) {
                domain.falls_back = true;
            }
            self.pings.retain(|_, to| *to != name);
        }
        for (name, domain) in &self.domains {
            if matches!(domain.state, State::Waits { until } if until <= now) {
                self.ready.push_back(Arc::clone(name));
            }
        }
    }

    /// The link to one's own server is there.
    pub fn link_up(&mut self) {
        self.link = true;
        self.ready = self.domains.keys().cloned().collect();
    }

    /// The link is lost, and with it what no ping proved.
    pub fn link_down(&mut self) {
        self.link = false;
        self.pings.clear();
        for domain in self.domains.values_mut() {
            if matches!(domain.state, State::Asked { .. }) {
                domain.state = State::Idle;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn notices() -> Notices {
        let mut notices =
            Notices::new(Patience { ping: SECOND * 30, retry_max: SECOND * 60, first_contact: SECOND * 900 });
        notices.link_up();
        notices
    }

    /// What is written, as one text: `?domain` for a ping; the last ping's number.
    fn write(notices: &mut Notices, now: Duration) -> (String, u64) {
        let (mut out, mut last) = (Outbox::default(), 0);
        notices.write(now, &mut out, |out, to, number| {
            out.extend_from_slice(format!("?{} ", to.unwrap_or("own")).as_bytes());
            last = number;
        });
        (String::from_utf8(out.to_vec()).unwrap(), last)
    }

    fn tell(notices: &mut Notices, key: u64, to: &[&str]) {
        let stanzas = to.iter().map(|to| (Arc::from(*to), format!("{key} ").into_bytes())).collect();
        notices.tell(key, stanzas, |_| false);
    }

    #[test]
    fn it_is_told_once_all_have_taken_it() {
        let mut notices = notices();
        tell(&mut notices, 1, &["b", "a"]);
        let (text, last) = write(&mut notices, SECOND);
        assert_eq!(text, "1 ?b 1 ?a ");
        assert_eq!(notices.ping_target(last), Some(Some("a".into())));
        tell(&mut notices, 2, &["a"]);
        assert_eq!(write(&mut notices, SECOND).0, "", "what was asked is waited for");
        notices.answered(last, Answer::Taken, SECOND);
        assert!(notices.take_done().is_empty());
        assert_eq!(write(&mut notices, SECOND).0, "2 ?a ");
        notices.answered(last - 1, Answer::Taken, SECOND);
        assert_eq!((notices.take_done(), notices.held()), (vec![1], 1));
        notices.tell(3, vec![], |_| false);
        assert_eq!(notices.take_done(), [3], "nobody has an address");
    }

    #[test]
    fn what_is_not_proved_is_written_again() {
        let mut notices = notices();
        tell(&mut notices, 1, &["a"]);
        let (_, first) = write(&mut notices, SECOND);
        notices.link_down();
        assert_eq!(write(&mut notices, SECOND).0, "");
        notices.link_up();
        let (text, second) = write(&mut notices, SECOND);
        assert_eq!(text, "1 ?a ");
        notices.answered(first, Answer::Taken, SECOND);
        notices.answered(second, Answer::NotReached, SECOND);
        assert_eq!((write(&mut notices, SECOND).0.as_str(), notices.held()), ("", 1));
        notices.tick(SECOND * 5);
        let (text, third) = write(&mut notices, SECOND * 5);
        assert_eq!(text, "1 ?a ");
        notices.answered(third, Answer::Taken, SECOND * 5);
        assert_eq!((notices.take_done(), notices.held(), notices.domains.len()), (vec![1], 0, 0));
    }

    #[test]
    fn without_a_link_nothing_piles_up() {
        let mut notices = notices();
        tell(&mut notices, 1, &["a"]);
        let (_, ping) = write(&mut notices, SECOND);
        notices.answered(ping, Answer::NotReached, SECOND);
        notices.link_down();
        (0..1000).for_each(|tick| notices.tick(SECOND * (60 + tick)));
        assert!(notices.ready.len() <= 1, "{}", notices.ready.len());
        notices.link_up();
        assert_eq!(write(&mut notices, SECOND * 2000).0, "1 ?a ");
    }

    #[test]
    fn who_never_answers_is_vouched_for() {
        let mut notices = notices();
        tell(&mut notices, 1, &["a"]);
        write(&mut notices, SECOND);
        notices.tick(SECOND * 31);
        notices.tick(SECOND * 60);
        let (text, ping) = write(&mut notices, SECOND * 60);
        assert_eq!((&*text, notices.ping_target(ping)), ("1 ?own ", Some(None)));
        notices.answered(ping, Answer::Taken, SECOND * 60);
        assert_eq!(notices.take_done(), [1]);
        tell(&mut notices, 2, &["a"]);
        assert_eq!(write(&mut notices, SECOND * 60).0, "2 ?own ");
    }

    #[test]
    fn who_is_known_to_answer_is_waited_for() {
        let mut notices = notices();
        notices.tell(1, vec![("a".into(), b"1 ".to_vec())], |_| true);
        write(&mut notices, SECOND);
        notices.tick(SECOND * 31);
        notices.tick(SECOND * 60);
        assert_eq!(write(&mut notices, SECOND * 60).0, "1 ?a ");
    }
}

//! Who is in the middle of which command. Sessions belong to a full address; they are bounded in number for
//! each person and for all, and forgotten after a while.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use jid::BareJid;

use super::answers::Answers;
use crate::protocol::forms::Form;

/// How long a session waits for its next form.
pub const PATIENCE: Duration = Duration::from_secs(15 * 60);

/// Open sessions of one person: with more, the oldest ends.
pub const EACH_MAX: usize = 32;

/// Open sessions at one clerk's: with more, the oldest ends.
pub const ALL_MAX: usize = 4096;

/// How many that have ended by themselves are remembered, to tell their owners so.
const EXPIRED_MAX: usize = 4096;

/// One.
#[derive(Debug, Clone)]
pub struct Session {
    /// Whose, with the resource.
    pub full: String,
    /// The same without.
    pub bare: BareJid,
    /// Of which command.
    pub node: &'static str,
    /// The forms shown, the last of them waiting; whether each was the last of the command.
    pub forms: Vec<(Form, bool)>,
    /// What was filled in so far.
    pub answers: Answers,
    /// What was filled into forms that were left by going back, the last one left first to come again: with
    /// what had been answered before each, as it means nothing after another answer.
    pub left: Vec<(Answers, Answers)>,
    /// When it was last used, by the clock that only grows.
    pub used: Duration,
}

/// All of them.
#[derive(Debug, Default)]
pub struct Sessions {
    open: HashMap<String, Session>,
    /// In the order in which they were opened.
    order: VecDeque<String>,
    expired: VecDeque<String>,
}

/// Where a session is.
#[derive(Debug)]
pub enum Found {
    /// Here; it is taken out, to be put back if it goes on.
    Open(Box<Session>),
    /// It has ended by itself.
    Expired,
    /// There is none, or it is somebody else's.
    Unknown,
}

impl Sessions {
    /// Takes out a session of this person's and command's.
    pub fn take(&mut self, id: &str, full: &str, node: &str, now: Duration) -> Found {
        self.expire(now);
        match self.open.get(id) {
            Some(session) if session.full == full && session.node == node => {}
            Some(_) => return Found::Unknown,
            None if self.expired.iter().any(|expired| expired == id) => return Found::Expired,
            None => return Found::Unknown,
        }
        match self.open.remove(id) {
            Some(session) => Found::Open(Box::new(session)),
            None => Found::Unknown,
        }
    }

    /// Opens a session, or puts it back.
    pub fn put(&mut self, id: String, session: Session) {
        let theirs = self.open.values().filter(|held| held.bare == session.bare).count();
        if theirs >= EACH_MAX {
            let oldest =
                self.order.iter().find(|id| self.open.get(*id).is_some_and(|held| held.bare == session.bare));
            if let Some(oldest) = oldest.cloned() {
                self.end(&oldest);
            }
        }
        self.order.retain(|held| *held != id);
        self.order.push_back(id.clone());
        self.open.insert(id, session);
        while self.open.len() > ALL_MAX {
            let Some(oldest) = self.order.front().cloned() else { break };
            self.end(&oldest);
        }
    }

    fn expire(&mut self, now: Duration) {
        let over: Vec<String> = self
            .open
            .iter()
            .filter(|(_, session)| now.saturating_sub(session.used) >= PATIENCE)
            .map(|(id, _)| id.clone())
            .collect();
        over.iter().for_each(|id| self.end(id));
        // What was taken out and not put back.
        self.order.retain(|id| self.open.contains_key(id));
    }

    fn end(&mut self, id: &str) {
        self.open.remove(id);
        self.order.retain(|held| held != id);
        self.expired.push_back(id.to_owned());
        if self.expired.len() > EXPIRED_MAX {
            self.expired.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(full: &str, used: u64) -> Session {
        Session {
            full: full.into(),
            bare: BareJid::new(full.split('/').next().unwrap()).unwrap(),
            node: "ping",
            forms: Vec::new(),
            answers: Answers::default(),
            left: Vec::new(),
            used: Duration::from_secs(used),
        }
    }

    #[test]
    fn a_session_is_its_owners_alone() {
        let mut sessions = Sessions::default();
        sessions.put("1".into(), session("a@b/x", 0));
        let now = Duration::from_secs(1);
        assert!(matches!(sessions.take("1", "a@b/y", "ping", now), Found::Unknown));
        assert!(matches!(sessions.take("1", "a@b/x", "help", now), Found::Unknown));
        assert!(matches!(sessions.take("2", "a@b/x", "ping", now), Found::Unknown));
        assert!(matches!(sessions.take("1", "a@b/x", "ping", now), Found::Open(_)));
        assert!(matches!(sessions.take("1", "a@b/x", "ping", now), Found::Unknown), "used once");
    }

    #[test]
    fn who_waits_too_long_is_told() {
        let mut sessions = Sessions::default();
        sessions.put("1".into(), session("a@b/x", 10));
        let late = Duration::from_secs(10) + PATIENCE;
        assert!(matches!(sessions.take("1", "a@b/x", "ping", late), Found::Expired));
    }

    #[test]
    fn ten_thousand_sessions_of_one_person_are_a_few() {
        let mut sessions = Sessions::default();
        for id in 0..10_000 {
            sessions.put(id.to_string(), session("a@b/x", 0));
        }
        sessions.put("other".into(), session("c@d/x", 0));
        assert_eq!((sessions.open.len(), sessions.order.len()), (EACH_MAX + 1, EACH_MAX + 1));
        assert!(sessions.expired.len() <= EXPIRED_MAX);
        assert!(matches!(sessions.take("9999", "a@b/x", "ping", Duration::ZERO), Found::Open(_)));
        assert!(matches!(sessions.take("9000", "a@b/x", "ping", Duration::ZERO), Found::Expired));
    }

    #[test]
    fn all_of_them_are_bounded_too() {
        let mut sessions = Sessions::default();
        for id in 0..=ALL_MAX {
            sessions.put(id.to_string(), session(&format!("p{id}@b/x"), 0));
        }
        assert_eq!(sessions.open.len(), ALL_MAX);
        assert!(matches!(sessions.take("0", "p0@b/x", "ping", Duration::ZERO), Found::Expired));
    }
}

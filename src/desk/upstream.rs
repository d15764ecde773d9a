//! Questions that are put to others: to the sources that keep the history of their series themselves.
//!
//! What waits for an answer waits beside the clerks. How many do is bounded, in all and for each asker; an
//! answer counts only if it has the id of the question and comes from the very address that was asked.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jid::{BareJid, Jid};
use minidom::Element;
use tokio::sync::{mpsc, oneshot, watch};

use super::Outgoing;
use crate::protocol::error::{Condition, StanzaError};
use crate::protocol::outside::Outside;
use crate::protocol::reply::Kind;

/// How the ids of questions begin.
const ID: &str = "up-";

/// How many may be under way, and for how long.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// In all.
    pub questions: usize,
    /// For one bare address.
    pub per_asker: usize,
    /// Until an asker is answered, whatever happens.
    pub timeout: Duration,
}

/// Who is asked what; shared by the clerks and the loop that reads the socket.
#[derive(Debug, Clone)]
pub struct Upstream {
    bounds: Bounds,
    table: Arc<Mutex<Table>>,
    link: Arc<watch::Sender<bool>>,
}

#[derive(Debug, Default)]
struct Table {
    waiting: HashMap<String, Waiting>,
    askers: HashMap<BareJid, usize>,
    seats: usize,
}

#[derive(Debug)]
struct Waiting {
    asked: Jid,
    came: oneshot::Sender<Came>,
}

/// What came of a question.
#[derive(Debug)]
pub enum Came {
    /// An IQ of type result or error.
    Answer(Box<Element>),
    /// An answer too large to be read.
    TooLarge,
    /// An answer that is no XML as stanzas have it.
    Unreadable,
    /// Nothing in time.
    Nothing,
    /// The link to the server ended meanwhile; it is there again, or time is up.
    LinkLost,
}

impl Upstream {
    /// Nothing asked, and no link yet.
    pub fn new(bounds: Bounds) -> Self {
        Upstream { bounds, table: Arc::default(), link: Arc::new(watch::channel(false).0) }
    }

    /// A place for one asker's question. `resource-constraint` if there is none.
    pub fn seat(&self, asker: &BareJid) -> Result<Seat, StanzaError> {
        let mut table = self.table();
        let theirs = table.askers.get(asker).copied().unwrap_or(0);
        let busy = |text: String, french: String| {
            Err(StanzaError::new(Condition::ResourceConstraint, text).or_in_french(french))
        };
        if theirs >= self.bounds.per_asker {
            return busy(
                format!(
                    "{theirs} questions of yours wait for the answer of a source already; ask again when one is answered"
                ),
                format!(
                    "{theirs} de vos questions attendent déjà la réponse d’une source ; redemandez quand il y en aura une"
                ),
            );
        }
        if table.seats >= self.bounds.questions {
            return busy(
                "too many questions wait for the answers of sources; ask again in a moment".into(),
                "trop de questions attendent la réponse de sources ; redemandez dans un moment".into(),
            );
        }
        table.seats += 1;
        *table.askers.entry(asker.clone()).or_default() += 1;
        let until = tokio::time::Instant::now() + self.bounds.timeout;
        Ok(Seat { upstream: self.clone(), asker: asker.clone(), until })
    }

    /// Takes the answer to a question; a stanza that is none comes back.
    pub fn take(&self, outside: &Outside, stanza: Element) -> Option<Element> {
        if !is_answer(outside) {
            return Some(stanza);
        }
        self.settle(outside, Came::Answer(Box::new(stanza)));
        None
    }

    /// An answer, if that is what it is, was too large to be read.
    pub fn too_large(&self, outside: &Outside) {
        if is_answer(outside) {
            self.settle(outside, Came::TooLarge);
        }
    }

    /// An answer, if that is what it is, could not be read.
    pub fn unreadable(&self, outside: &Outside) {
        if is_answer(outside) {
            self.settle(outside, Came::Unreadable);
        }
    }

    /// From now on questions reach the server.
    pub fn link_up(&self) {
        self.link.send_replace(true);
    }

    /// Whatever was asked will not be answered any more.
    pub fn link_down(&self) {
        self.link.send_replace(false);
        // Whoever waits on the other end of a channel that is dropped learns that the link was lost.
        self.table().waiting.clear();
    }

    fn settle(&self, outside: &Outside, came: Came) {
        let (Some(id), Ok(from)) = (&outside.id, Jid::new(&outside.from)) else { return };
        let mut table = self.table();
        // Only the one who was asked answers; others change nothing.
        if table.waiting.get(id).is_none_or(|waiting| waiting.asked != from) {
            tracing::debug!("an answer that nobody waits for, or from somebody else, was passed over");
            return;
        }
        if let Some(waiting) = table.waiting.remove(id) {
            // Who asked may have given up.
            let _ = waiting.came.send(came);
        }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        // Counts and maps are right after every step, so a panic elsewhere leaves nothing half done.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_answer(outside: &Outside) -> bool {
    outside.kind == Kind::Iq
        && matches!(&*outside.type_, "result" | "error")
        && outside.id.as_deref().is_some_and(|id| id.starts_with(ID))
}

/// One asker's place among those who wait; free again when it is dropped.
#[derive(Debug)]
pub struct Seat {
    upstream: Upstream,
    asker: BareJid,
    until: tokio::time::Instant,
}

impl Seat {
    /// Puts a question, which `write` writes under the id that it is given, and waits for what comes of it.
    pub async fn ask(
        &self,
        out: &mpsc::Sender<Outgoing>,
        whom: &Jid,
        write: impl FnOnce(&mut Vec<u8>, &str),
    ) -> Came {
        let id = format!("{ID}{}", uuid::Uuid::new_v4().simple());
        let answer = tokio::time::timeout_at(self.until, self.answer(out, whom, &id, write)).await;
        self.upstream.table().waiting.remove(&id);
        match answer {
            Ok(Some(came)) => came,
            Ok(None) => {
                // An answer that is written before the link is there again would be lost.
                let mut link = self.upstream.link.subscribe();
                let _ = tokio::time::timeout_at(self.until, link.wait_for(|up| *up)).await;
                Came::LinkLost
            }
            Err(_) => Came::Nothing,
        }
    }

    async fn answer(
        &self,
        out: &mpsc::Sender<Outgoing>,
        whom: &Jid,
        id: &str,
        write: impl FnOnce(&mut Vec<u8>, &str),
    ) -> Option<Came> {
        let (came, answer) = oneshot::channel();
        let waiting = Waiting { asked: whom.clone(), came };
        self.upstream.table().waiting.insert(id.to_owned(), waiting);
        if !*self.upstream.link.borrow() {
            return None;
        }
        let mut question = Vec::new();
        write(&mut question, id);
        out.send(question.into()).await.ok()?;
        answer.await.ok()
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut table = self.upstream.table();
        table.seats = table.seats.saturating_sub(1);
        if let Some(held) = table.askers.get_mut(&self.asker) {
            *held = held.saturating_sub(1);
            if *held == 0 {
                table.askers.remove(&self.asker);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upstream() -> Upstream {
        patient(Duration::from_secs(600))
    }

    fn patient(timeout: Duration) -> Upstream {
        let upstream = Upstream::new(Bounds { questions: 3, per_asker: 2, timeout });
        upstream.link_up();
        upstream
    }

    fn who(jid: &str) -> BareJid {
        jid.parse().unwrap()
    }

    /// An answer under this id from this address.
    fn answer(upstream: &Upstream, id: &str, from: &str) -> bool {
        let outside = Outside {
            kind: Kind::Iq,
            type_: "result".into(),
            id: Some(id.into()),
            from: from.into(),
            to: "energy.x".into(),
        };
        upstream.take(&outside, Element::bare("iq", "jabber:component:accept")).is_none()
    }

    /// Asks, and gives the id of the question as it was written.
    async fn asked(
        upstream: &Upstream,
        outgoing: &mut mpsc::Receiver<Outgoing>,
        out: mpsc::Sender<Outgoing>,
    ) -> (tokio::task::JoinHandle<Came>, String) {
        let seat = upstream.seat(&who("a@x")).unwrap();
        let whom = Jid::new("proxy@y/1").unwrap();
        let waits = tokio::spawn(async move {
            seat.ask(&out, &whom, |bytes, id| bytes.extend_from_slice(id.as_bytes())).await
        });
        let id = String::from_utf8(outgoing.recv().await.unwrap().stanzas.concat()).unwrap();
        (waits, id)
    }

    #[tokio::test]
    async fn seats_are_bounded_for_each_and_for_all_and_come_free() {
        let upstream = upstream();
        let (a, b) = (who("a@x"), who("b@x"));
        let held = (upstream.seat(&a).unwrap(), upstream.seat(&a).unwrap());
        assert!(upstream.seat(&a).unwrap_err().text.contains("of yours"));
        let other = upstream.seat(&b).unwrap();
        assert!(upstream.seat(&b).unwrap_err().text.contains("too many"));
        drop(held);
        assert!(upstream.seat(&a).is_ok());
        drop(other);
        assert!(upstream.table().askers.is_empty() && upstream.table().seats == 0);
    }

    #[tokio::test]
    async fn only_who_was_asked_answers() {
        let (upstream, (out, mut outgoing)) = (upstream(), mpsc::channel(4));
        let (waits, id) = asked(&upstream, &mut outgoing, out).await;
        assert!(!answer(&upstream, "k-1", "proxy@y/1"), "that is no answer to a question");
        assert!(answer(&upstream, &id, "proxy@y"));
        assert!(answer(&upstream, &id, "proxy@y/2"));
        assert!(answer(&upstream, &format!("{id}0"), "proxy@y/1"));
        assert!(!waits.is_finished());
        assert!(answer(&upstream, &id, "Proxy@Y/1"));
        assert!(matches!(waits.await.unwrap(), Came::Answer(_)));
        assert!(upstream.table().waiting.is_empty());
    }

    #[tokio::test]
    async fn who_never_answers_is_waited_for_so_long_and_no_longer() {
        let (upstream, (out, mut outgoing)) = (patient(Duration::from_millis(20)), mpsc::channel(4));
        let (waits, _) = asked(&upstream, &mut outgoing, out).await;
        assert!(matches!(waits.await.unwrap(), Came::Nothing));
        assert!(upstream.table().waiting.is_empty() && upstream.table().seats == 0);
    }

    #[tokio::test]
    async fn a_link_that_ends_is_told_when_there_is_one_again() {
        let (upstream, (out, mut outgoing)) = (upstream(), mpsc::channel(4));
        let (waits, id) = asked(&upstream, &mut outgoing, out).await;
        upstream.link_down();
        tokio::task::yield_now().await;
        assert!(answer(&upstream, &id, "proxy@y/1"), "it is an answer, but too late");
        tokio::task::yield_now().await;
        assert!(!waits.is_finished());
        upstream.link_up();
        assert!(matches!(waits.await.unwrap(), Came::LinkLost));
    }
}

//! What comes back: answers to pings and to publishes, and what could not be delivered.

use std::sync::Arc;

use super::super::delivery::{Answer, PingTo, Published, Refused, Suspect};
use super::super::disclosure;
use super::super::notice::SUBSCRIPTION;
use super::terms::Lane;
use super::{Bounce, Relay, ping_mark};
use crate::domain::clock::Now;
use crate::domain::disclosure::Why;
use crate::domain::subscription::SubscriptionKey;
use crate::store::journal::DeadLetter;

impl Relay {
    /// The item and subscription that a message id stands for.
    fn parse_message_id(&self, id: &str) -> Option<(u64, u64)> {
        let rest = id.strip_prefix(&*self.settings.installation)?.strip_prefix('-')?;
        let mut numbers = rest.split('-').map(|text| u64::from_str_radix(text, 16).ok());
        let (seq, subscription) = (numbers.next()??, numbers.next()??);
        // Items are counted from 1: whoever names another one made it up.
        (seq > 0).then_some((seq, subscription))
    }

    /// The publish that a stanza id stands for, if it can be one.
    fn parse_publish_id(&self, id: &str) -> Option<Published> {
        let (seq, subscription) = self.parse_message_id(id)?;
        let rest = id.strip_prefix(&*self.settings.installation)?;
        let (rest, part) = match rest.split_once('~') {
            Some((rest, part)) => (rest, part.parse::<usize>().ok()?.checked_sub(1)?),
            None => (rest, 0),
        };
        let mut numbers = rest.split('-').skip(3);
        let place = usize::from_str_radix(numbers.next()?, 16).ok()?;
        let mark = numbers.next().map_or(Some(0), |mark| u64::from_str_radix(mark, 16).ok())?;
        Some(Published { seq, subscription, place, mark, part })
    }

    /// The number of a ping of this run with this id.
    fn ping_number(&self, id: &str, prefix: &str) -> Option<u64> {
        let rest = id.strip_prefix(prefix)?.strip_prefix(&*self.settings.run)?.strip_prefix('-')?;
        let number = rest.split_once('-').map_or(rest, |(number, _)| number);
        u64::from_str_radix(number, 16).ok()
    }

    /// Which lane's ping of this run this is the id of, and its number.
    fn ping_lane(&self, id: &str) -> Option<(Lane, u64)> {
        let of = |lane: Lane| Some((lane, self.ping_number(id, lane.prefix())?));
        of(Lane::Items).or_else(|| of(Lane::Notices))
    }

    /// Whether an id is that of a ping of this run.
    pub fn is_ping(&self, id: &str) -> bool {
        self.ping_lane(id).is_some()
    }

    /// An IQ result or error came: if it answers one of our pings, the barrier is passed or failed.
    ///
    /// `from` must be where the ping went: an answer from elsewhere proves nothing.
    pub fn iq_answer(&mut self, id: &str, from: &str, answer: Answer, now: Now) {
        let Some((lane, number)) = self.ping_lane(id) else { return };
        let expected = match self.lane(lane).ping_target(number) {
            Some(PingTo::Destination(domain)) => domain,
            Some(PingTo::OwnServer) => Arc::from(self.settings.own_server.as_str()),
            None if id.ends_with(&format!("-{:x}", ping_mark(from))) => {
                return self.lane(lane).heard(from, number, answer);
            }
            None => return,
        };
        if *expected == *from {
            self.lane(lane).answered(number, answer, now.mono);
            self.bury(now);
            self.release(now);
        }
    }

    /// An IQ result or error came: if it answers one of our publishes, that one is settled. Only the address it
    /// was sent to can say so.
    pub fn publish_answered(&mut self, id: &str, from: &str, refused: Option<Refused>, now: Now) {
        let Some(published) = self.parse_publish_id(id) else { return };
        let Some(subscriber) = self.rights.subscriber(SubscriptionKey(published.subscription)) else {
            return;
        };
        if **subscriber.address != *from {
            return;
        }
        let domain = Arc::clone(subscriber.domain);
        self.deliveries.publish_answered(&domain, published, refused, now.mono);
        self.bury(now);
        self.release(now);
    }

    /// A message came back. Only the address it was sent to can say so.
    pub fn bounced(&mut self, bounce: &Bounce) {
        let Some((seq, subscription)) = self.parse_message_id(&bounce.id) else { return };
        let condition = &*bounce.condition;
        let not_reached = matches!(condition, "remote-server-not-found" | "remote-server-timeout");
        // The recipient's own server may say that it cannot take it just now.
        let full = matches!(condition, "resource-constraint" | "recipient-unavailable");
        let transient = not_reached || full;
        if subscription == SUBSCRIPTION {
            return self.notice_bounced(seq, bounce, not_reached, transient);
        }
        let Some(subscriber) = self.rights.subscriber(SubscriptionKey(subscription)) else { return };
        if **subscriber.recipient != *bounce.from.as_str() {
            return;
        }
        let domain = Arc::clone(subscriber.domain);
        let suspect = Suspect { seq, subscription, condition: condition.to_owned(), transient };
        if not_reached {
            self.deliveries.not_reached(&domain, suspect);
        } else {
            self.deliveries.came_back(&domain, suspect);
        }
    }

    /// What came back is kept where the operator can see it.
    pub(super) fn bury(&mut self, now: Now) {
        for Suspect { seq, subscription, condition, transient } in self.deliveries.take_given_up() {
            self.dead_letter(seq, subscription, condition, transient, now);
        }
        self.bury_notices(now);
    }

    pub(super) fn dead_letter(
        &mut self,
        seq: u64,
        subscription: u64,
        condition: String,
        transient: bool,
        now: Now,
    ) {
        let Some(subscriber) = self.rights.subscriber(SubscriptionKey(subscription)) else { return };
        self.counts.dead += 1;
        let entry = self.window.get(seq);
        let key = SubscriptionKey(subscription);
        let why = Why::Undeliverable(condition.as_str().into());
        let line = match entry.and_then(|e| e.owed.iter().find(|owed| owed.subscription == key)) {
            Some(owed) => disclosure::dropped(seq, owed, why),
            None => disclosure::dropped_from(seq, key, None, why),
        };
        self.next.batch.disclosures.push(line);
        let known = entry.map(|e| (e.node.to_string(), e.item.to_string()));
        // It may not be in memory any more.
        let tried = self.tried.as_ref().filter(|(tried, _)| *tried == seq);
        let (node, item) = known
            .or_else(|| tried.map(|(_, (node, item))| (node.to_string(), item.to_string())))
            .unwrap_or_default();
        let retry_max = self.settings.patience.retry_max;
        let wait = transient.then(|| self.postponed.postpone(subscription, now.mono, retry_max));
        let at = now.wall.as_millisecond();
        self.next.batch.dead_letters.push(DeadLetter {
            seq,
            subscription,
            jid: subscriber.address.to_string(),
            node,
            item,
            condition,
            at,
            retry_at: wait.map(|wait| at.saturating_add(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX))),
        });
    }
}

//! What a move does: a series gets another holder from some time on (the *border*), and what rested on the former
//! holder is bounded, closed or ended (DESIGN §4, "At a move").
//!
//! Plain data in, plain data out. What the former holder keeps is asked of the caller, who knows the tenures as they
//! are after the move.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::consent::Consent;
use super::name::Scope;
use super::node::NodeSettings;
use super::party::Subject;
use super::state::State;
use super::tenure::Settings;

/// Why a consent is fulfilled, and a request cancelled, whose series has another holder.
pub const MOVED: &str = "moved";

/// What becomes of a consent of the former holder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Becomes {
    /// It covers what was measured before the border, and other series of the same person as before.
    Bounded,
    /// The same, and as its subject holds nothing of it any more it ends once late records had their time to come.
    Fulfilled,
}

/// A series, or all below a prefix, gets another holder.
#[derive(Debug, Clone, PartialEq)]
pub struct Move {
    /// The registration.
    pub series: Scope,
    /// The measuring time from which the next holder counts.
    pub from: Timestamp,
    /// Who held it until then; nobody where it was vacant or not registered.
    pub former: Option<Subject>,
    /// Who holds it from then on; nobody where it is vacant or removed.
    pub holder: Option<Subject>,
}

impl Move {
    /// Whether a consent or a request names something of what moves.
    fn touches(&self, scope: &Scope) -> bool {
        self.series.covers_scope(scope) || scope.covers_scope(&self.series)
    }

    /// What becomes of a consent of the former holder; nothing where the move does not concern it. `keeps`: whether
    /// the former holder holds this very series at the border or later.
    pub fn consent(&self, consent: &Consent, keeps: impl Fn(&str) -> bool) -> Option<Becomes> {
        // Measurements from the border on were never meant.
        if consent.data_until.is_some_and(|until| until <= self.from) {
            return None;
        }
        let loses = |scope: &Scope| {
            self.touches(scope)
                && match scope {
                    Scope::Exact(name) => !keeps(name),
                    Scope::Prefix(_) => true,
                }
        };
        if !consent.scope.iter().any(loses) {
            return None;
        }
        let keeps_some = consent.scope.iter().any(|scope| match scope {
            Scope::Exact(name) => keeps(name),
            // What of it the person gets later is covered too.
            Scope::Prefix(_) => true,
        });
        Some(if keeps_some { Becomes::Bounded } else { Becomes::Fulfilled })
    }

    /// Whether a request that waits with the former holder is closed: they hold nothing of what it names any more.
    /// `keeps`: whether they hold something of this scope at the border or later.
    pub fn closes(&self, request: &Consent, keeps: impl Fn(&Scope) -> bool) -> bool {
        request.scope.iter().any(|scope| self.touches(scope)) && !request.scope.iter().any(keeps)
    }

    /// The next revision of a consent that is bounded. Where its subject holds nothing of it any more, the record says
    /// so itself, as far as its data window has room for it.
    pub fn bounded(&self, consent: &Consent, becomes: Becomes) -> Consent {
        let mut next = consent.clone();
        next.revision = consent.revision.saturating_add(1);
        let begins_before = consent.data_from.is_none_or(|from| from < self.from);
        if becomes == Becomes::Fulfilled && begins_before {
            next.data_until = Some(self.from);
        }
        next
    }

    /// What is noted of it with the consent.
    pub fn note(&self) -> String {
        format!("{MOVED}: {} until {}", self.series, self.from)
    }

    /// Whether a subscription of the former holder's own rested on holding what moves.
    pub fn ends_subscription(&self, node: &Scope) -> bool {
        self.series.covers_scope(node)
    }
}

/// What the next holder begins with: access model `authorize`, not open, the registered producers, empty lists.
/// What says how the node works, and who made it, is the operator's and stays.
pub fn begin_anew(settings: &Settings) -> Settings {
    let node = NodeSettings {
        whitelist: false,
        members: Vec::new(),
        outcasts: Vec::new(),
        owners: Vec::new(),
        publish_only: Vec::new(),
        anyone_publishes: false,
        ..settings.node.clone()
    };
    Settings { open: false, node }
}

/// What is told of a consent that became something else by a move.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MovedConsent {
    /// Which.
    pub id: Uuid,
    /// Who receives under it.
    pub recipient: String,
    /// What became of it.
    pub becomes: Becomes,
}

/// What left of a time that changes hands, to one recipient.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Left {
    /// To whom.
    pub recipient: String,
    /// The measuring time of the first record, or the border.
    pub from: Timestamp,
    /// Behind that of the last one.
    pub until: Timestamp,
    /// How many records, at most: a line of the log that reaches over the border counts whole.
    pub records: u64,
}

/// What a move did, or would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The registration.
    pub series: String,
    /// The border.
    pub from: Timestamp,
    /// Who held it.
    pub former: Option<String>,
    /// Who holds it.
    pub holder: Option<String>,
    /// Requests that were closed.
    pub requests: Vec<Uuid>,
    /// Consents that were bounded.
    pub consents: Vec<MovedConsent>,
    /// How many subscriptions end with it, now or with their consents.
    pub subscriptions: usize,
    /// What left already of what is not the former holder's any more.
    pub left: Vec<Left>,
    /// Registrations below it that have tenures of their own, and keep them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unchanged: Vec<String>,
    /// The same for registrations below it that were to move too.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub below: Vec<Report>,
}

impl Report {
    /// Of a move that did nothing yet.
    pub fn of(moved: &Move) -> Self {
        let text = |subject: &Option<Subject>| subject.as_ref().map(ToString::to_string);
        Report {
            series: moved.series.to_string(),
            from: moved.from,
            former: text(&moved.former),
            holder: text(&moved.holder),
            requests: Vec::new(),
            consents: Vec::new(),
            subscriptions: 0,
            left: Vec::new(),
            unchanged: Vec::new(),
            below: Vec::new(),
        }
    }
}

/// Whether a request was closed by a move, which is the operator's to know.
pub fn is_closed_by_move(consent: &Consent) -> bool {
    consent.state == State::Cancelled && consent.end_reason.as_deref() == Some(MOVED)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::consent::tests::sample;

    fn scope(text: &str) -> Scope {
        Scope::parse(text).unwrap()
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn moved(series: &str) -> Move {
        Move {
            series: scope(series),
            from: at("2026-06-01T00:00:00Z"),
            former: Some("ann@home.example".parse().unwrap()),
            holder: Some("carol@home.example".parse().unwrap()),
        }
    }

    fn consent(scopes: &[&str]) -> Consent {
        Consent { scope: scopes.iter().map(|text| scope(text)).collect(), ..sample() }
    }

    #[test]
    fn a_consent_is_bounded_or_fulfilled_by_what_its_subject_keeps() {
        use Becomes::{Bounded, Fulfilled};
        // Ann keeps what is named `kept`, and nothing else.
        let keeps = |name: &str| name.ends_with("kept");
        for (series, scopes, becomes) in [
            ("urn:a", &["urn:a"][..], Some(Fulfilled)),
            ("urn:a*", &["urn:a"], Some(Fulfilled)),
            ("urn:a*", &["urn:a/1", "urn:a/2"], Some(Fulfilled)),
            ("urn:a*", &["urn:a/1", "urn:b:kept"], Some(Bounded)),
            ("urn:a*", &["urn:a/1", "urn:b"], Some(Fulfilled)),
            // A registration below with a tenure of its own did not move.
            ("urn:a*", &["urn:a/kept"], None),
            ("urn:a*", &["urn:a/kept", "urn:a/1"], Some(Bounded)),
            // A prefix stays, be it wider, the same or narrower.
            ("urn:a", &["urn:*"], Some(Bounded)),
            ("urn:a*", &["urn:a*"], Some(Bounded)),
            ("urn:a*", &["urn:a/b*"], Some(Bounded)),
            ("urn:a", &["urn:a", "urn:x*"], Some(Bounded)),
            // What it does not name does not concern it.
            ("urn:a", &["urn:b"], None),
            ("urn:a", &["urn:a/1"], None),
            ("urn:a", &["urn:b*"], None),
            ("urn:a/1", &["urn:a"], None),
        ] {
            assert_eq!(moved(series).consent(&consent(scopes), keeps), becomes, "{series} {scopes:?}");
        }
    }

    #[test]
    fn what_was_measured_before_the_border_is_not_concerned() {
        let moved = moved("urn:a");
        let mut past = consent(&["urn:a"]);
        past.data_until = Some(moved.from);
        assert_eq!(moved.consent(&past, |_| false), None);
        past.data_until = Some(at("2026-06-01T00:00:01Z"));
        assert_eq!(moved.consent(&past, |_| false), Some(Becomes::Fulfilled));
    }

    #[test]
    fn a_bounded_consent_is_a_revision_that_permits_no_more() {
        let moved = moved("urn:a");
        let held = consent(&["urn:a"]);
        let next = moved.bounded(&held, Becomes::Fulfilled);
        assert_eq!((next.revision, next.data_until), (2, Some(moved.from)));
        assert_eq!(crate::domain::edit::widened(&held, &next), None);
        let next = moved.bounded(&held, Becomes::Bounded);
        assert_eq!((next.revision, next.data_until), (2, None), "other series go on");
        // Its window begins behind the border: there is nothing to cut off.
        let later = Consent { data_from: Some(at("2026-07-01T00:00:00Z")), ..held };
        assert_eq!(moved.bounded(&later, Becomes::Fulfilled).data_until, None);
    }

    #[test]
    fn a_request_is_closed_when_nothing_of_it_is_the_persons_any_more() {
        let keeps = |scope: &Scope| scope.to_string().contains("kept");
        for (series, scopes, closed) in [
            ("urn:a", &["urn:a"][..], true),
            ("urn:a", &["urn:a", "urn:kept"], false),
            ("urn:a", &["urn:a", "urn:others"], true),
            ("urn:a*", &["urn:a/1*"], true),
            ("urn:a/1", &["urn:a*"], true),
            ("urn:a/1", &["urn:kept*"], false),
            ("urn:a", &["urn:b"], false),
        ] {
            assert_eq!(moved(series).closes(&consent(scopes), keeps), closed, "{series} {scopes:?}");
        }
    }

    #[test]
    fn the_next_holder_begins_with_empty_lists() {
        let who = |text: &str| text.parse().unwrap();
        let node = NodeSettings {
            max_items: Some(7),
            whitelist: true,
            members: vec![who("m@x.example")],
            outcasts: vec![who("o@x.example")],
            owners: vec![who("w@x.example")],
            publish_only: vec![who("p@x.example")],
            anyone_publishes: true,
            creator: Some(who("c@x.example")),
            description: Some("roof".into()),
            ..NodeSettings::default()
        };
        let next = begin_anew(&Settings { open: true, node });
        let stays = NodeSettings {
            max_items: Some(7),
            creator: Some(who("c@x.example")),
            description: Some("roof".into()),
            ..NodeSettings::default()
        };
        assert_eq!(next, Settings { open: false, node: stays });
    }

    #[test]
    fn a_report_names_its_parts_as_the_contract_does() {
        let mut report = Report::of(&moved("urn:a"));
        report.consents.push(MovedConsent {
            id: Uuid::from_u128(1),
            recipient: "app@coop.example".into(),
            becomes: Becomes::Fulfilled,
        });
        report.left.push(Left {
            recipient: "app@coop.example".into(),
            from: at("2026-06-01T00:00:00Z"),
            until: at("2026-06-02T00:00:00Z"),
            records: 48,
        });
        let vacant = Report { holder: None, left: Vec::new(), consents: Vec::new(), ..report.clone() };
        assert_eq!(
            serde_json::to_value(&report).unwrap(),
            serde_json::json!({
                "series": "urn:a", "from": "2026-06-01T00:00:00Z", "former": "ann@home.example",
                "holder": "carol@home.example", "requests": [],
                "consents": [{"id": Uuid::from_u128(1), "recipient": "app@coop.example", "becomes": "fulfilled"}],
                "subscriptions": 0,
                "left": [{"recipient": "app@coop.example", "from": "2026-06-01T00:00:00Z",
                          "until": "2026-06-02T00:00:00Z", "records": 48}],
            })
        );
        assert!(serde_json::to_value(&vacant).unwrap()["holder"].is_null());
    }
}

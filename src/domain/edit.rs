//! Changes of a consent that keep its id: what narrows it, and what corrects the evidence.
//!
//! A grant may narrow a request, an edit a consent; neither widens. What is wider is a new record under the
//! same arrangement, which the person concerned gives again.

use jiff::Timestamp;
use serde_json::Value;

use super::consent::{Consent, ConsentError, Modes};
use super::name::Scope;
use super::period::Period;

/// What is to be different; `None` leaves a field as it is.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Edit {
    /// Fewer series.
    pub scope: Option<Vec<Scope>>,
    /// Delivery from later on.
    pub valid_from: Option<Timestamp>,
    /// Delivery until earlier.
    pub valid_until: Option<Timestamp>,
    /// Measurements from later on.
    pub data_from: Option<Timestamp>,
    /// Measurements until earlier.
    pub data_until: Option<Timestamp>,
    /// Coarser.
    pub granularity: Option<Period>,
    /// Fewer ways.
    pub modes: Option<Modes>,
    /// Kept for a shorter time.
    pub retention: Option<Period>,
    /// Not passed on any more.
    pub onward: Option<bool>,
    /// Corrected: by whom recorded, reference of the proof.
    pub evidence: Option<String>,
    /// Corrected: where the recipient can be asked.
    pub recipient_contact: Option<String>,
}

impl Edit {
    /// Whether nothing is to be different.
    pub fn is_empty(&self) -> bool {
        *self == Edit::default()
    }

    /// The consent as it would be, with the next revision; refused where it would be wider.
    pub fn apply(&self, consent: &Consent, maximum: &Period) -> Result<Consent, ConsentError> {
        let mut next = consent.clone();
        let edit = self.clone();
        set(&mut next.scope, edit.scope);
        set(&mut next.valid_from, edit.valid_from);
        set(&mut next.valid_until, edit.valid_until);
        next.data_from = edit.data_from.or(next.data_from);
        next.data_until = edit.data_until.or(next.data_until);
        next.granularity = edit.granularity.or(next.granularity);
        set(&mut next.modes, edit.modes);
        set(&mut next.retention, edit.retention);
        set(&mut next.onward, edit.onward);
        next.evidence = edit.evidence.or(next.evidence).filter(|text| !text.is_empty());
        next.recipient_contact = edit.recipient_contact.or(next.recipient_contact).filter(|t| !t.is_empty());
        next.revision = consent.revision.saturating_add(1);
        next.validate(maximum)?;
        match widened(consent, &next) {
            Some(field) => Err(ConsentError::Wider(field)),
            None => Ok(next),
        }
    }
}

fn set<T>(field: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *field = value;
    }
}

/// The first field by which `next` would permit something that `held` does not.
pub fn widened(held: &Consent, next: &Consent) -> Option<&'static str> {
    let later = |held: Option<Timestamp>, next: Option<Timestamp>| held.is_none_or(|held| next >= Some(held));
    let earlier = |held: Option<Timestamp>, next: Option<Timestamp>| {
        held.is_none_or(|held| next.is_some_and(|next| next <= held))
    };
    let coarser = held
        .granularity
        .as_ref()
        .is_none_or(|held| next.granularity.as_ref().is_some_and(|next| next.nominal() >= held.nominal()));
    let within = |scope: &Scope| held.scope.iter().any(|wider| wider.covers_scope(scope));
    let checks = [
        ("subject", next.subject == held.subject),
        ("recipient", next.recipient == held.recipient),
        ("scope", next.scope.iter().all(within)),
        ("purpose", next.purpose == held.purpose && next.purpose_code == held.purpose_code),
        ("lawful_basis", next.lawful_basis == held.lawful_basis),
        ("valid_from", next.valid_from >= held.valid_from),
        ("valid_until", next.valid_until <= held.valid_until),
        ("data_from", later(held.data_from, next.data_from)),
        ("data_until", earlier(held.data_until, next.data_until)),
        ("granularity", coarser),
        ("modes", (held.modes.notify || !next.modes.notify) && (held.modes.history || !next.modes.history)),
        ("retention", next.retention.nominal() <= held.retention.nominal()),
        ("onward", held.onward || !next.onward),
    ];
    checks.into_iter().find(|(_, narrow)| !narrow).map(|(field, _)| field)
}

/// A field that is not the same in two revisions, as people read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Its name.
    pub field: String,
    /// What it was; empty where there was nothing.
    pub before: String,
    /// What it is; empty where there is nothing.
    pub after: String,
}

/// What two revisions of a consent say differently.
pub fn differences(before: &Consent, after: &Consent) -> Vec<Difference> {
    let fields = |consent: &Consent| match serde_json::to_value(consent) {
        Ok(Value::Object(fields)) => fields,
        _ => serde_json::Map::new(),
    };
    let (before, after) = (fields(before), fields(after));
    let mut names: Vec<&String> = before.keys().chain(after.keys()).collect();
    names.sort_unstable();
    names.dedup();
    names
        .into_iter()
        .filter(|name| before.get(*name) != after.get(*name))
        .map(|name| Difference {
            field: name.clone(),
            before: readable(before.get(name)),
            after: readable(after.get(name)),
        })
        .collect()
}

fn readable(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(list)) => {
            list.iter().map(|value| readable(Some(value))).collect::<Vec<_>>().join(", ")
        }
        Some(other) => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::access::{Setting, Situation};
    use super::super::consent::tests::sample;
    use super::super::decision::{Question, decide};
    use super::super::tenure::Holding;
    use super::*;
    use crate::domain::consent::Mode;
    use proptest::prelude::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn limit() -> Period {
        "P3Y".parse().unwrap()
    }

    #[test]
    fn narrowing_is_taken_and_widening_named() {
        let mut held = sample();
        held.scope = vec![Scope::parse("urn:dev:prm:*").unwrap()];
        held.data_until = Some(at("2026-12-01T00:00:00Z"));
        held.granularity = Some("PT1H".parse().unwrap());
        let narrow = Edit {
            scope: Some(vec![Scope::parse("urn:dev:prm:1").unwrap()]),
            valid_until: Some(at("2026-07-01T00:00:00Z")),
            granularity: Some("P1D".parse().unwrap()),
            retention: Some("P6M".parse().unwrap()),
            evidence: Some("form 12".into()),
            ..Edit::default()
        };
        let next = narrow.apply(&held, &limit()).unwrap();
        assert_eq!((next.id, next.revision), (held.id, 2));
        let fields: Vec<String> = differences(&held, &next).into_iter().map(|d| d.field).collect();
        assert_eq!(fields, ["evidence", "granularity", "retention", "revision", "scope", "valid_until"]);

        let wider = [
            ("scope", Edit { scope: Some(vec![Scope::parse("urn:dev:*").unwrap()]), ..Edit::default() }),
            ("valid_from", Edit { valid_from: Some(at("2025-12-01T00:00:00Z")), ..Edit::default() }),
            ("valid_until", Edit { valid_until: Some(at("2027-02-01T00:00:00Z")), ..Edit::default() }),
            ("data_until", Edit { data_until: Some(at("2026-12-02T00:00:00Z")), ..Edit::default() }),
            ("granularity", Edit { granularity: Some("PT30M".parse().unwrap()), ..Edit::default() }),
            ("retention", Edit { retention: Some("P2Y".parse().unwrap()), ..Edit::default() }),
            ("onward", Edit { onward: Some(true), ..Edit::default() }),
        ];
        for (field, edit) in wider {
            assert_eq!(edit.apply(&held, &limit()), Err(ConsentError::Wider(field)), "{field}");
        }
        held.modes = Modes { notify: false, history: true };
        let both = Edit { modes: Some(Modes::BOTH), ..Edit::default() };
        assert_eq!(both.apply(&held, &limit()), Err(ConsentError::Wider("modes")));
        held.data_from = Some(at("2026-06-01T00:00:00Z"));
        let earlier = Edit { data_from: Some(at("2026-05-01T00:00:00Z")), ..Edit::default() };
        assert_eq!(earlier.apply(&held, &limit()), Err(ConsentError::Wider("data_from")));
    }

    #[test]
    fn an_edit_that_makes_no_sense_is_refused_as_a_record_would_be() {
        let edit = Edit { valid_until: Some(at("2025-01-01T00:00:00Z")), ..Edit::default() };
        assert!(matches!(edit.apply(&sample(), &limit()), Err(ConsentError::Window { .. })));
        let edit = Edit { scope: Some(Vec::new()), ..Edit::default() };
        assert_eq!(edit.apply(&sample(), &limit()), Err(ConsentError::NoScope));
    }

    fn instant() -> impl Strategy<Value = Timestamp> {
        (1_735_689_600i64..1_830_297_600).prop_map(|s| Timestamp::from_second(s).unwrap())
    }

    fn scope() -> impl Strategy<Value = Scope> {
        prop::sample::select(vec!["urn:a", "urn:ab", "urn:a*", "urn:ab*", "urn:*", "urn:b"])
            .prop_map(|text| Scope::parse(text).unwrap())
    }

    fn edit() -> impl Strategy<Value = Edit> {
        let times = || prop::option::of(instant());
        (prop::option::of(prop::collection::vec(scope(), 1..3)), times(), times(), times(), times()).prop_map(
            |(scope, valid_from, valid_until, data_from, data_until)| Edit {
                scope,
                valid_from,
                valid_until,
                data_from,
                data_until,
                ..Edit::default()
            },
        )
    }

    proptest! {
        /// Whatever an edit does: what it permits, the consent permitted before.
        #[test]
        fn an_edit_never_permits_what_was_not_permitted(
            scopes in prop::collection::vec(scope(), 1..3), edit in edit(), now in instant(), time in instant(),
            series in prop::sample::select(vec!["urn:a", "urn:ab", "urn:abc", "urn:b", "urn:x"]),
        ) {
            let mut held = sample();
            held.scope = scopes;
            let Ok(next) = edit.apply(&held, &limit()) else { return Ok(()) };
            let question = Question {
                series,
                time: time.as_duration().as_secs_f64(),
                recipient: &held.recipient,
                mode: Mode::Notify,
                now,
                is_reduced: false,
            };
            let situation = Situation {
                holder: Holding::Held(&held.subject),
                given_since: None,
                setting: Setting::CLOSED,
                is_present: true,
            };
            if decide([&next], question, &situation).is_ok() {
                prop_assert!(decide([&held], question, &situation).is_ok());
            }
        }
    }
}

//! Whether somebody consents to what they hold. A consent permits records of its own subject and of nobody else; one
//! that names an exact series which its subject at no time of its data window holds can permit nothing, and is a slip:
//! it is refused where it is recorded. A prefix covers what of it the subject holds, be it nothing yet.

use std::fmt;

use jiff::Timestamp;

use super::consent::{Consent, State};
use super::name::Scope;
use super::party::Subject;
use super::tenure::Tenures;

/// The most holders that are named.
const NAMED_MAX: usize = 3;

/// A series that the subject of a consent at no time of its data window holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotHeld {
    /// The person whose consent names it.
    pub subject: Subject,
    /// Which.
    pub name: String,
    /// Who holds it in that time; nobody, where it is vacant or not registered, or where it is not to be told.
    pub holders: Vec<Subject>,
    /// The data window, where there is one.
    pub window: Option<(Option<Timestamp>, Option<Timestamp>)>,
    /// Whose it is instead is told to operators alone.
    pub veiled: bool,
}

impl NotHeld {
    /// What a consent names and its subject does not hold, with nothing of whose it is.
    pub fn of(consent: &Consent, name: String) -> Self {
        let window = (consent.data_from, consent.data_until);
        NotHeld {
            subject: consent.subject.clone(),
            name,
            holders: Vec::new(),
            window: (window != (None, None)).then_some(window),
            veiled: false,
        }
    }

    /// The same for who is no operator: nothing of whose it is, nor whether it is there.
    pub fn veiled(self) -> Self {
        NotHeld { holders: Vec::new(), veiled: true, ..self }
    }

    /// Who holds it, in one line.
    pub fn holders_shown(&self) -> String {
        self.holders.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    }

    /// The data window, as it is written.
    pub fn window_shown(&self) -> Option<String> {
        let (from, until) = self.window?;
        let text = |at: Option<Timestamp>| at.map_or_else(|| "…".to_owned(), |at| at.to_string());
        Some(format!("{} – {}", text(from), text(until)))
    }
}

impl fmt::Display for NotHeld {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let NotHeld { subject, name, .. } = self;
        let when = self.window_shown().map(|window| format!(" in the time measured ({window})"));
        let when = when.unwrap_or_default();
        if self.veiled {
            return write!(f, "{subject} does not hold {name}{when}; name series of their own");
        }
        match self.holders.is_empty() {
            true => write!(
                f,
                "{subject} does not hold {name}{when}, and nobody else does; register it first: \
                 `courant series add {name} --owner {subject} --producer ADDRESS`"
            ),
            false => write!(
                f,
                "{subject} does not hold {name}{when}: it is {}'s; record the consent of its holder, or correct \
                 the holder with `courant series edit {name} --owner {subject}`",
                self.holders_shown()
            ),
        }
    }
}

impl std::error::Error for NotHeld {}

/// Whether this person holds a series at some time from `from` until before `until`.
pub fn holds(
    tenures: Option<&Tenures>,
    who: &Subject,
    (from, until): (Option<Timestamp>, Option<Timestamp>),
) -> bool {
    tenures.is_some_and(|held| held.between(from, until).any(|span| span.tenure.holder.holder() == Some(who)))
}

/// Whether the rule asks anything of a consent: what has ended permits nothing, and what is asked for is looked at when
/// it is answered.
pub fn is_to_be_held(consent: &Consent) -> bool {
    matches!(consent.state, State::Active | State::Suspended)
}

/// The first series that the consent names and its subject does not hold. `tenures`: who holds a name when, by all
/// registrations that cover it.
pub fn first_not_held<'t>(
    consent: &Consent,
    tenures: impl Fn(&str) -> Option<&'t Tenures>,
) -> Option<NotHeld> {
    let window = (consent.data_from, consent.data_until);
    let exact = consent.scope.iter().filter_map(|scope| match scope {
        Scope::Exact(name) => Some(&**name),
        Scope::Prefix(_) => None,
    });
    let name = exact.into_iter().find(|name| !holds(tenures(name), &consent.subject, window))?;
    let mut holders: Vec<Subject> = Vec::new();
    for span in tenures(name).into_iter().flat_map(|held| held.between(window.0, window.1)) {
        let other = span.tenure.holder.holder().filter(|holder| !holders.contains(holder));
        holders.extend(other.filter(|_| holders.len() < NAMED_MAX).cloned());
    }
    Some(NotHeld { holders, ..NotHeld::of(consent, name.to_owned()) })
}

#[cfg(test)]
mod tests {
    use super::super::consent::tests::sample;
    use super::super::tenure::{Holding, Tenure};
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    /// Ann until March, nobody in March, Carol from April on.
    fn moved() -> Tenures {
        let person = |who: &str| Holding::Held(who.parse().unwrap());
        let (march, april) = (at("2026-03-01T00:00:00Z"), at("2026-04-01T00:00:00Z"));
        Tenures::new(vec![
            Tenure::always(person("ann@home.example")),
            Tenure::since(Holding::Vacant, march, march),
            Tenure::since(person("carol@home.example"), april, april),
        ])
        .unwrap()
    }

    fn refused(subject: &str, scope: &[&str], from: Option<&str>, until: Option<&str>) -> Option<NotHeld> {
        let consent = Consent {
            subject: subject.parse().unwrap(),
            scope: scope.iter().map(|name| Scope::parse(name).unwrap()).collect(),
            data_from: from.map(at),
            data_until: until.map(at),
            ..sample()
        };
        let tenures = moved();
        let found = first_not_held(&consent, |name| (name == "urn:a").then_some(&tenures));
        found.map(|why| NotHeld { holders: why.holders.clone(), ..why })
    }

    #[test]
    fn what_is_named_is_held_at_some_time_of_the_data_window() {
        let (march, april) = (Some("2026-03-01T00:00:00Z"), Some("2026-04-01T00:00:00Z"));
        for (subject, from, until, holders) in [
            ("ann@home.example", None, None, None),
            ("carol@home.example", None, None, None),
            ("ann@home.example", None, march, None),
            ("ann@home.example", Some("2026-02-28T23:59:59Z"), None, None),
            ("ann@home.example", march, None, Some("carol@home.example")),
            ("ann@home.example", march, april, Some("")),
            ("carol@home.example", None, april, Some("ann@home.example")),
            ("carol@home.example", april, None, None),
            ("bob@home.example", None, None, Some("ann@home.example, carol@home.example")),
            ("ref:file 7", april, None, Some("carol@home.example")),
        ] {
            let why = refused(subject, &["urn:a"], from, until);
            let shown = why.as_ref().map(NotHeld::holders_shown);
            assert_eq!(shown.as_deref(), holders, "{subject} {from:?} {until:?}");
        }
    }

    #[test]
    fn a_prefix_covers_what_there_is_and_what_is_not_registered_is_nobodys() {
        assert_eq!(refused("bob@home.example", &["urn:*"], None, None), None);
        let why = refused("ann@home.example", &["urn:*", "urn:a", "urn:b"], None, None).unwrap();
        assert_eq!((&*why.name, why.holders.len()), ("urn:b", 0));
        let said = why.to_string();
        assert!(
            said.contains("urn:b") && said.contains("nobody else does") && said.contains("series add"),
            "{said}"
        );
    }

    #[test]
    fn the_operator_reads_whose_it_is_and_nobody_else_does() {
        let why = refused("bob@home.example", &["urn:a"], None, Some("2026-01-01T00:00:00Z")).unwrap();
        let said = why.to_string();
        for word in ["urn:a", "bob@home.example", "ann@home.example", "2026-01-01T00:00:00Z", "series edit"] {
            assert!(said.contains(word), "{word} in {said}");
        }
        let said = why.veiled().to_string();
        assert!(said.contains("urn:a") && !said.contains("ann@") && !said.contains("courant "), "{said}");
    }
}

//! Requests that the operator has prepared: what for, of which series, for how long, in which detail. Who asks
//! names one of them, and the rest follows.

use jiff::Timestamp;
use serde::Deserialize;
use thiserror::Error;

use super::consent::{Mode, PURPOSE_MAX};
use super::draft::Draft;
use super::name::{NameError, Scope};
use super::period::Period;
use super::wording::{check_line, is_url, one_line};

/// Where in a scope what the asker names goes.
pub const PLACE: &str = "{}";

/// Why a need makes no request.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NeedError {
    /// It is for what the asker names, and nothing is named.
    #[error("the data need '{id}' is for {scope}; name in scope what stands for {PLACE}")]
    NothingNamed {
        /// The need.
        id: String,
        /// Its scope.
        scope: String,
    },
    /// It names its series itself.
    #[error("the data need '{id}' says itself which series it is for; leave scope empty")]
    Named {
        /// The need.
        id: String,
    },
    /// What is named is a whole series, and not one of the need's.
    #[error("the data need '{id}' is for {scope}; name only what stands for {PLACE}, not '{name}'")]
    Whole {
        /// The need.
        id: String,
        /// Its scope.
        scope: String,
        /// What was named.
        name: String,
    },
    /// What comes of it is no name of a series.
    #[error("the data need '{id}': '{name}' is no series: {why}; name only what stands for {PLACE}")]
    NoName {
        /// The need.
        id: String,
        /// What came of it.
        name: String,
        /// Why not.
        why: NameError,
    },
    /// Its windows end after the end of time.
    #[error("the data need '{id}' reaches beyond the end of time; choose an earlier beginning")]
    TooFar {
        /// The need.
        id: String,
    },
    /// There is none of this name.
    #[error("there is no data need '{id}': the configuration names none ([[data_needs]])")]
    NoneAtAll {
        /// What was asked for.
        id: String,
    },
    /// There are others.
    #[error("there is no data need '{id}'; there are {others}")]
    Unknown {
        /// What was asked for.
        id: String,
        /// Those that are there.
        others: String,
    },
}

/// One of them (`[[data_needs]]`). What it says counts, whatever else is said in the request.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataNeed {
    /// By what it is named.
    pub id: String,
    /// What people read in a list; the purpose, where it is absent.
    pub title: Option<String>,
    /// What for, in words.
    pub purpose: String,
    /// What for, as a term of the Data Privacy Vocabulary.
    pub purpose_code: Option<String>,
    /// Which series: names, or prefixes ending in `*`; `{}` stands for what the asker names.
    pub scope: Vec<String>,
    /// How long delivery may happen, from when the consent begins.
    pub duration: Option<Period>,
    /// Measurements from so long before the request,
    pub data_before: Option<Period>,
    /// until so long after it.
    pub data_after: Option<Period>,
    /// The finest that may leave.
    pub granularity: Option<Period>,
    /// Be sent, fetch, or both.
    #[serde(default)]
    pub modes: Vec<Mode>,
    /// How long the recipient may keep what it gets.
    pub retention: Option<Period>,
    /// Where the recipient says what it does with data.
    pub policy_url: Option<String>,
}

impl DataNeed {
    /// What people read in a list.
    pub fn title(&self) -> &str {
        self.title.as_deref().unwrap_or(&self.purpose)
    }

    /// What is wrong with it, if anything.
    pub fn check(&self) -> Result<(), String> {
        let id = &self.id;
        if id.is_empty() || !id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
        {
            return Err(format!("[[data_needs]] id '{id}' is not made of letters, digits, '-', '_' and '.'"));
        }
        if self.purpose.trim().is_empty() || self.purpose.chars().count() > PURPOSE_MAX {
            return Err(format!(
                "[[data_needs]] {id}: purpose is empty or longer than {PURPOSE_MAX} characters"
            ));
        }
        for (key, line) in [
            ("title", self.title.as_deref()),
            ("purpose", Some(&*self.purpose)),
            ("purpose_code", self.purpose_code.as_deref()),
        ] {
            check_line(line.unwrap_or_default())
                .map_err(|why| format!("[[data_needs]] {id}: {key}: {why}"))?;
        }
        if let Some(url) = self.policy_url.as_ref().filter(|url| !is_url(url)) {
            return Err(format!(
                "[[data_needs]] {id}: policy_url '{}' is no address of a page",
                one_line(url)
            ));
        }
        if self.scope.is_empty() {
            return Err(format!("[[data_needs]] {id}: scope names no series"));
        }
        for name in &self.scope {
            Scope::parse(&name.replace(PLACE, "x"))
                .map_err(|e| format!("[[data_needs]] {id}: scope: {e}"))?;
        }
        match &self.granularity {
            Some(period) if period.nominal().is_zero() => {
                Err(format!("[[data_needs]] {id}: granularity '{period}' is no length of time"))
            }
            _ => Ok(()),
        }
    }

    /// The request that it makes: `draft` with what this says in it. What the draft names as its scope goes into
    /// the places of this one's.
    pub fn fill(&self, draft: Draft, now: Timestamp) -> Result<Draft, NeedError> {
        let id = || self.id.clone();
        let all = || self.scope.join(", ");
        let takes_names = self.scope.iter().any(|name| name.contains(PLACE));
        match (takes_names, draft.scope.is_empty()) {
            (true, true) => return Err(NeedError::NothingNamed { id: id(), scope: all() }),
            (false, false) => return Err(NeedError::Named { id: id() }),
            _ => {}
        }
        let named = draft.scope.iter().map(|name| self.place_of(&name.to_string()));
        let named = named.collect::<Result<Vec<String>, NeedError>>()?;
        let mut scope = Vec::new();
        for template in &self.scope {
            let filled: Vec<String> = match template.contains(PLACE) {
                true => named.iter().map(|name| template.replace(PLACE, name)).collect(),
                false => vec![template.clone()],
            };
            for name in filled {
                let parsed = Scope::parse(&name);
                scope.push(parsed.map_err(|why| NeedError::NoName { id: id(), name, why })?);
            }
        }
        let too_far = || NeedError::TooFar { id: id() };
        let after = |period: &Period, at| period.after(at).ok_or_else(too_far);
        let begins = draft.valid_from.unwrap_or(now);
        let valid_until = self.duration.as_ref().map(|period| after(period, begins)).transpose()?;
        let data_until = self.data_after.as_ref().map(|period| after(period, now)).transpose()?;
        let data_from =
            self.data_before.as_ref().map(|period| period.before(now).ok_or_else(too_far)).transpose()?;
        Ok(Draft {
            scope,
            purpose: Some(self.purpose.clone()),
            purpose_code: self.purpose_code.clone().or(draft.purpose_code),
            valid_until: valid_until.or(draft.valid_until),
            data_from: data_from.or(draft.data_from),
            data_until: data_until.or(draft.data_until),
            granularity: self.granularity.clone().or(draft.granularity),
            modes: if self.modes.is_empty() { draft.modes } else { self.modes.clone() },
            retention: self.retention.clone().or(draft.retention),
            policy_url: self.policy_url.clone().or(draft.policy_url),
            ..draft
        })
    }

    /// What stands for the place: as it was named, or out of the whole name of one of this need's series.
    fn place_of(&self, named: &str) -> Result<String, NeedError> {
        let mut whole = false;
        for (before, behind) in self.scope.iter().filter_map(|template| template.split_once(PLACE)) {
            let Some(rest) = named.strip_prefix(before).filter(|_| !before.is_empty()) else { continue };
            whole = true;
            if let Some(place) = rest.strip_suffix(behind).filter(|place| !place.is_empty()) {
                return Ok(place.to_owned());
            }
        }
        match whole {
            true => Err(NeedError::Whole {
                id: self.id.clone(),
                scope: self.scope.join(", "),
                name: named.to_owned(),
            }),
            false => Ok(named.to_owned()),
        }
    }
}

/// The one of this name, or what there is.
pub fn find<'a>(needs: &'a [DataNeed], id: &str) -> Result<&'a DataNeed, NeedError> {
    let shown: String = id.chars().take(100).collect();
    needs.iter().find(|need| need.id == id).ok_or_else(|| {
        let ids: Vec<&str> = needs.iter().map(|need| need.id.as_str()).collect();
        match ids.is_empty() {
            true => NeedError::NoneAtAll { id: shown },
            false => NeedError::Unknown { id: shown, others: ids.join(", ") },
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn advice() -> DataNeed {
        serde_json::from_value(serde_json::json!({
            "id": "advice", "purpose": "energy advice", "scope": ["urn:dev:prm:{}_consumption/power/active/raw"],
            "duration": "P6M", "data_before": "P1Y", "data_after": "P1M", "granularity": "P1D",
            "modes": ["history"], "retention": "P30D", "policy_url": "https://coop.example/data",
        }))
        .unwrap()
    }

    fn now() -> Timestamp {
        "2026-11-22T12:00:00Z".parse().unwrap()
    }

    fn naming(names: &[&str]) -> Draft {
        Draft { scope: names.iter().map(|name| Scope::parse(name).unwrap()).collect(), ..Draft::default() }
    }

    #[test]
    fn what_it_says_counts_relative_to_now() {
        let asked =
            Draft { retention: Some("P9Y".parse().unwrap()), onward: Some(true), ..naming(&["1", "2"]) };
        let filled = advice().fill(asked, now()).unwrap();
        let scope: Vec<String> = filled.scope.iter().map(ToString::to_string).collect();
        assert_eq!(scope, [1, 2].map(|n| format!("urn:dev:prm:{n}_consumption/power/active/raw")));
        let time = |at: Option<Timestamp>| at.unwrap().to_string();
        assert_eq!(time(filled.valid_until), "2027-05-22T12:00:00Z");
        assert_eq!(time(filled.data_from), "2025-11-22T12:00:00Z");
        assert_eq!(time(filled.data_until), "2026-12-22T12:00:00Z");
        assert_eq!(filled.granularity.unwrap().as_str(), "P1D");
        assert_eq!(filled.retention.unwrap().as_str(), "P30D", "not what the request says");
        assert_eq!((filled.modes, filled.onward), (vec![Mode::History], Some(true)));
        assert_eq!(filled.purpose.as_deref(), Some("energy advice"));
    }

    #[test]
    fn the_whole_name_of_a_series_is_known_again() {
        let whole =
            advice().fill(naming(&["urn:dev:prm:7_consumption/power/active/raw", "8"]), now()).unwrap();
        let scope: Vec<String> = whole.scope.iter().map(ToString::to_string).collect();
        assert_eq!(scope, [7, 8].map(|n| format!("urn:dev:prm:{n}_consumption/power/active/raw")));
        for other in ["urn:dev:prm:1001_consumption/power*", "urn:dev:prm:_consumption/power/active/raw"] {
            let told = advice().fill(naming(&[other]), now()).unwrap_err().to_string();
            assert!(told.contains("name only what stands for {}") && told.contains(other), "{told}");
        }
    }

    #[test]
    fn what_does_not_fit_is_told() {
        assert!(advice().fill(naming(&[]), now()).unwrap_err().to_string().contains("name in scope"));
        let fixed = DataNeed { scope: vec!["urn:a".into()], ..advice() };
        assert!(fixed.fill(naming(&["1"]), now()).unwrap_err().to_string().contains("leave scope empty"));
        assert!(fixed.fill(naming(&[]), now()).is_ok());
        assert_eq!(find(&[advice()], "advice").unwrap(), &advice());
        assert!(find(&[advice()], "other").unwrap_err().to_string().contains("there are advice"));
        assert!(find(&[], "other").unwrap_err().to_string().contains("data_needs"));
    }

    #[test]
    fn a_wrong_one_is_not_taken() {
        assert_eq!(advice().check(), Ok(()));
        for (wrong, word) in [
            (DataNeed { id: "two words".into(), ..advice() }, "letters"),
            (DataNeed { purpose: " ".into(), ..advice() }, "purpose"),
            (DataNeed { scope: Vec::new(), ..advice() }, "no series"),
            (DataNeed { scope: vec!["urn a".into()], ..advice() }, "scope"),
            (DataNeed { scope: vec!["*".into()], ..advice() }, "scope"),
            (DataNeed { granularity: Some("PT0S".parse().unwrap()), ..advice() }, "granularity"),
        ] {
            let error = wrong.check().unwrap_err();
            assert!(error.contains(word), "{error}");
        }
    }
}

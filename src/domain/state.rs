//! Where a consent stands, and which steps lead from there.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Where a consent stands. End states never change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Asked for, not answered.
    Requested,
    /// Given.
    Active,
    /// Paused by the person concerned.
    Suspended,
    /// The person said no.
    Refused,
    /// The recipient took its request back.
    Cancelled,
    /// Nobody answered in time.
    TimedOut,
    /// `valid_until` passed.
    Expired,
    /// Ended by the person concerned.
    Withdrawn,
    /// Ended by the operator.
    Revoked,
    /// Ended by the recipient.
    Terminated,
    /// `data_until` passed and everything was delivered.
    Fulfilled,
    /// Renewed or amended: a newer record of the same arrangement is active.
    Replaced,
}

impl State {
    /// Every state, and its name.
    pub const ALL: [(State, &'static str); 12] = [
        (State::Requested, "requested"),
        (State::Active, "active"),
        (State::Suspended, "suspended"),
        (State::Refused, "refused"),
        (State::Cancelled, "cancelled"),
        (State::TimedOut, "timed-out"),
        (State::Expired, "expired"),
        (State::Withdrawn, "withdrawn"),
        (State::Revoked, "revoked"),
        (State::Terminated, "terminated"),
        (State::Fulfilled, "fulfilled"),
        (State::Replaced, "replaced"),
    ];

    /// The name, in lower case.
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(state, _)| *state == self).map_or("", |(_, name)| name)
    }

    /// Whether this is an end state.
    pub fn is_end(self) -> bool {
        !matches!(self, State::Requested | State::Active | State::Suspended)
    }

    /// Whether the step is allowed.
    pub fn may_become(self, next: State) -> bool {
        match self {
            State::Requested => {
                matches!(next, State::Active | State::Refused | State::Cancelled | State::TimedOut)
            }
            State::Active => {
                matches!(next, State::Suspended) || next.is_end() && Self::ends_what_was_given(next)
            }
            State::Suspended => {
                matches!(next, State::Active) || next.is_end() && Self::ends_what_was_given(next)
            }
            _ => false,
        }
    }

    fn ends_what_was_given(next: State) -> bool {
        !matches!(next, State::Refused | State::Cancelled | State::TimedOut)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for State {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .iter()
            .find(|(_, name)| *name == text)
            .map(|(state, _)| *state)
            .ok_or_else(|| format!("'{text}' is not a consent state"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_step_only_as_drawn() {
        use State::*;
        let allowed: Vec<(State, State)> = State::ALL
            .iter()
            .flat_map(|(from, _)| State::ALL.iter().map(move |(to, _)| (*from, *to)))
            .filter(|(from, to)| from.may_become(*to))
            .collect();
        let mut expected = vec![
            (Requested, Active),
            (Requested, Refused),
            (Requested, Cancelled),
            (Requested, TimedOut),
            (Active, Suspended),
            (Suspended, Active),
        ];
        for from in [Active, Suspended] {
            for to in [Expired, Withdrawn, Revoked, Terminated, Fulfilled, Replaced] {
                expected.push((from, to));
            }
        }
        assert_eq!(allowed.len(), expected.len());
        assert!(expected.iter().all(|step| allowed.contains(step)));
        for (state, name) in State::ALL {
            assert_eq!(name.parse::<State>().unwrap(), state);
        }
    }
}

//! Commands that change where one consent stands: `suspend-consent`, `resume-consent`, `withdraw-consent` of the
//! person concerned, `end-access` of the recipient, `consent-suspend`, `consent-resume`, `consent-revoke` of the
//! operator. They are one command with different words.

use std::ops::ControlFlow;

use super::choose::{AFTER, ALL, Among, FIND};
use super::{Call, Coming, Command, Failure, Turn, Who, texts, views, wrong};
use crate::consents::together::{self, Act, By, NotDone, Which};
use crate::domain::consent::{Consent, State};
use crate::domain::decision;
use crate::domain::language::Text;
use crate::domain::name::Scope;
use crate::domain::party::Subject;
use crate::protocol::forms::{Field, Kind};
use crate::store::consent_steps::Stepped;

/// Whose consents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// Those that the asker gave.
    Subject,
    /// Those that the asker has.
    Recipient,
    /// All.
    Operator,
}

/// One of the commands.
#[derive(Debug)]
pub(super) struct Stepping {
    node: &'static str,
    name: Text,
    side: Side,
    from: &'static [State],
    to: State,
    /// What a request becomes instead.
    unanswered: Option<State>,
    done: Text,
    /// What is done with all of the asker's at once, and what is said then.
    all: Option<(Act, Text)>,
}

const STANDING: &[State] = &[State::Active, State::Suspended];
const WITH_REQUESTS: &[State] = &[State::Requested, State::Active, State::Suspended];

impl Stepping {
    const fn new(
        node: &'static str,
        name: Text,
        side: Side,
        from: &'static [State],
        to: State,
        done: Text,
    ) -> Self {
        Stepping { node, name, side, from, to, unanswered: None, done, all: None }
    }
}

pub(super) static SUSPEND: Stepping = Stepping {
    all: Some((Act::Suspend, texts::ALL_SUSPENDED)),
    ..Stepping::new(
        "suspend-consent",
        texts::SUSPEND_CONSENT,
        Side::Subject,
        &[State::Active],
        State::Suspended,
        texts::SUSPENDED,
    )
};
pub(super) static RESUME: Stepping = Stepping {
    all: Some((Act::Resume, texts::ALL_RESUMED)),
    ..Stepping::new(
        "resume-consent",
        texts::RESUME_CONSENT,
        Side::Subject,
        &[State::Suspended],
        State::Active,
        texts::RESUMED,
    )
};
pub(super) static WITHDRAW: Stepping = Stepping {
    all: Some((Act::Withdraw, texts::ALL_WITHDRAWN)),
    ..Stepping::new(
        "withdraw-consent",
        texts::WITHDRAW_CONSENT,
        Side::Subject,
        STANDING,
        State::Withdrawn,
        texts::WITHDRAWN,
    )
};
pub(super) static END_ACCESS: Stepping = Stepping {
    unanswered: Some(State::Cancelled),
    ..Stepping::new(
        "end-access",
        texts::END_ACCESS,
        Side::Recipient,
        WITH_REQUESTS,
        State::Terminated,
        texts::TERMINATED,
    )
};
pub(super) static OPERATOR_SUSPENDS: Stepping = Stepping::new(
    "consent-suspend",
    texts::CONSENT_SUSPEND,
    Side::Operator,
    &[State::Active],
    State::Suspended,
    texts::SUSPENDED,
);
pub(super) static OPERATOR_RESUMES: Stepping = Stepping::new(
    "consent-resume",
    texts::CONSENT_RESUME,
    Side::Operator,
    &[State::Suspended],
    State::Active,
    texts::RESUMED,
);
pub(super) static OPERATOR_REVOKES: Stepping = Stepping::new(
    "consent-revoke",
    texts::CONSENT_REVOKE,
    Side::Operator,
    STANDING,
    State::Revoked,
    texts::REVOKED,
);

impl Command for Stepping {
    fn node(&self) -> &'static str {
        self.node
    }

    fn name(&self) -> Text {
        self.name
    }

    fn who(&self) -> Who {
        if self.side == Side::Operator { Who::Admins } else { Who::Anyone }
    }

    fn turn<'a>(&'a self, call: &'a Call<'a>) -> Coming<'a> {
        Box::pin(async move {
            let among = match self.side {
                Side::Subject => Among::given_by(call, self.from),
                Side::Recipient => Among::held_by(call, self.from),
                Side::Operator => Among::all(self.from),
            };
            let reason = || {
                let label = texts::label("reason").of(call.language);
                vec![Field::new(Kind::TextSingle, "reason", label)]
            };
            if let Some(turn) = self.all_at_once(call).await? {
                return Ok(turn);
            }
            let mut choice = among.choice(call).await?;
            if self.all.is_some() {
                choice.offer_all(call, self.takes_recipient());
            }
            let beside = || {
                let mut fields = reason();
                if self.takes_recipient() {
                    let label = texts::label("recipient").of(call.language);
                    let desc = texts::ALL_WITH.of(call.language);
                    fields.insert(0, Field::new(Kind::JidSingle, "recipient", label).desc(desc));
                }
                fields
            };
            let consent = match choice.ask(call, self.name, None, beside) {
                ControlFlow::Continue(consent) => consent,
                ControlFlow::Break(turn) => return Ok(turn),
            };
            let next = match self.unanswered {
                Some(next) if consent.state == State::Requested => next,
                _ => self.to,
            };
            let reason = said_why(call);
            let stepped = call
                .context
                .store
                .step_consent(consent.id, next, call.asker.as_str(), reason.as_deref(), call.now)
                .await?;
            let consent = done(call, stepped)?;
            call.context.taken().await?;
            let said = match consent.state {
                State::Cancelled => texts::TAKEN_BACK,
                State::Terminated if still_covered(call, &consent).await? => texts::TERMINATED_COVERED,
                _ => self.done,
            };
            let who = views::recipient(&consent, call.language);
            let scope = views::scopes(&consent, call.language);
            let values = [("who", &*who), ("scope", &*scope), ("id", &*consent.id.to_string())]
                .map(|(n, v)| (n, v.to_owned()));
            let values: Vec<(&str, &str)> = values.iter().map(|(n, v)| (*n, v.as_str())).collect();
            Ok(Turn::said(said.fill(call.language, &values)))
        })
    }
}

impl Stepping {
    fn takes_recipient(&self) -> bool {
        self.to == State::Withdrawn
    }

    /// What is to be done with all of the asker's, or with all that they gave to one recipient; nothing where one is
    /// meant, or none yet.
    async fn all_at_once(&self, call: &Call<'_>) -> Result<Option<Turn>, Failure> {
        let Some((act, done)) = self.all else { return Ok(None) };
        let wrong = |why| {
            let said = call.answers.text("recipient").unwrap_or_default();
            Failure::Wrong(wrong::field("recipient", said, why, call.language))
        };
        let recipient = match self.takes_recipient() {
            true => call.answers.jid("recipient").map_err(wrong)?,
            false => None,
        };
        let looked_for = FIND.iter().any(|(var, _)| call.answers.text(var).is_some());
        let act = match (call.answers.text("id"), &recipient) {
            (Some(ALL), None) if !looked_for => act,
            (Some(ALL) | None, Some(_)) => Act::EndEverything,
            (Some(id), Some(_)) if !id.starts_with(AFTER) => {
                return Err(Failure::Wrong(texts::ONE_OR_ALL.of(call.language).to_owned()));
            }
            (None, None) if call.turn > 0 && !FIND.iter().any(|(var, _)| call.answers.has(var)) => {
                let said = texts::labelled_of("id", texts::MISSING, call.language);
                return Err(Failure::Wrong(said));
            }
            _ => return Ok(None),
        };
        let subject = Some(Subject::Jid(call.asker.clone()));
        let which = Which::All { subject, recipient: recipient.clone() };
        let reason = said_why(call);
        let by = By { actor: call.asker.as_str(), reason: reason.as_deref(), at: call.now };
        let count = match together::act(&call.context.store, &which, act, by, |_| {}).await {
            Ok(count) => count,
            Err(NotDone::Store(error)) => return Err(error.into()),
            Err(NotDone::Unfit(_)) => 0,
        };
        if count == 0 {
            let none = match &recipient {
                Some(who) => texts::NOTHING_WITH.fill(call.language, &[("who", who.as_str())]),
                None => texts::NO_CONSENT.of(call.language).to_owned(),
            };
            return Err(Failure::Wrong(none));
        }
        call.context.taken().await?;
        let count = count.to_string();
        Ok(Some(Turn::said(match &recipient {
            Some(who) => texts::ENDED_WITH.fill(call.language, &[("who", who.as_str()), ("count", &count)]),
            None => done.fill(call.language, &[("count", &count)]),
        })))
    }
}

fn said_why(call: &Call<'_>) -> Option<String> {
    call.answers.text("reason").map(|text| text.chars().take(1000).collect())
}

/// Whether another consent of the recipient's goes on that covers some of the same.
async fn still_covered(call: &Call<'_>, ended: &Consent) -> Result<bool, Failure> {
    let standing = call.context.store.consents_for(&ended.recipient).await?;
    let overlap = |one: &Scope, other: &Scope| one.covers_scope(other) || other.covers_scope(one);
    Ok(standing.iter().any(|(_, other)| {
        decision::stands_now(other, call.now).is_ok()
            && other.scope.iter().any(|one| ended.scope.iter().any(|scope| overlap(one, scope)))
    }))
}

/// The consent as it is now, or why not.
pub(super) fn done(call: &Call<'_>, stepped: Stepped) -> Result<Consent, Failure> {
    match stepped {
        Stepped::Done(consent) => Ok(*consent),
        Stepped::NotFound => Err(Failure::Wrong(texts::GONE.of(call.language).to_owned())),
        Stepped::Refused(why) => Err(Failure::Wrong(wrong::consent(&why, call.language))),
        Stepped::Stale(now) => {
            let revision = now.revision.to_string();
            Err(Failure::Wrong(texts::STALE.fill(call.language, &[("revision", &revision)])))
        }
    }
}

//! `courant consent revoke`: the operator ends consents, those that are named or all that match, with one act.

use clap::Args;
use jid::BareJid;
use uuid::Uuid;

use super::consent::{id, not_found, scopes};
use super::lines::plain;
use super::show::say;
use super::{Failure, actor, not_recorded, open, open_for_an_end, show, tell_service};
use crate::config::Config;
use crate::consents::together::{self, Act, By, NotDone, Which};
use crate::domain::clock;
use crate::domain::consent::{Consent, State};
use crate::domain::party::{Subject, parse_bare};
use crate::store::consents::Filter;
use crate::store::{Store, StoreError};

/// Lines printed for people; the sum stands below them.
const SHOWN_MAX: usize = 1000;

/// Ends consents.
#[derive(Debug, Args)]
pub struct Revoke {
    /// Their ids, as `courant consent list` prints them: all of them end, or none
    #[arg(value_name = "ID", value_parser = id, required_unless_present_any = ["subject", "recipient"],
          conflicts_with_all = ["subject", "recipient"])]
    ids: Vec<Uuid>,

    /// All that this person gave
    #[arg(long, value_name = "JID")]
    subject: Option<Subject>,

    /// All that this recipient was given; with --subject, by that person
    #[arg(long, value_name = "JID", value_parser = parse_bare)]
    recipient: Option<BareJid>,

    /// Why, for the record and for those concerned
    #[arg(long, value_name = "TEXT", value_parser = plain)]
    reason: Option<String>,

    /// Only say what would end; change nothing
    #[arg(long)]
    dry_run: bool,

    /// Print the records as JSON: one record for one id, else a list
    #[arg(long)]
    json: bool,
}

impl Revoke {
    pub(super) async fn run(self, config: &Config) -> Result<(), Failure> {
        let which = match self.ids.is_empty() {
            true => Which::All { subject: self.subject.clone(), recipient: self.recipient.clone() },
            false => Which::These(self.ids.clone()),
        };
        let store = match self.dry_run {
            true => open(config).await?,
            false => open_for_an_end(config).await?,
        };
        let mut list = Listed { keep: if self.json { usize::MAX } else { SHOWN_MAX }, ..Listed::default() };
        let each = |consent| list.add(consent);
        let done = match self.dry_run {
            true => together::would_act(&store, &which, Act::Revoke, each).await,
            false => {
                let name = actor();
                let by = By { actor: &name, reason: self.reason.as_deref(), at: clock::wall() };
                together::act(&store, &which, Act::Revoke, by, each).await
            }
        };
        // Also where it broke off: nothing leaves under what has ended by then.
        if !self.dry_run && list.count > 0 {
            tell_service(config).await?;
        }
        match done {
            Err(NotDone::Store(error @ StoreError::NotRecorded { .. })) => {
                return Err(not_recorded(config, error).await);
            }
            done => done.map_err(|why| self.not_done(why, list.count))?,
        };
        if list.count == 0 {
            return Err(Failure::Refused(self.nothing()));
        }
        if self.json {
            return match (&which, &*list.kept) {
                (Which::These(_), [only]) => show::json(only),
                _ => show::json(&list.kept),
            };
        }
        self.say(&list);
        if let Which::All { .. } = which {
            self.say_what_waits(&store).await?;
        }
        Ok(())
    }

    fn say(&self, list: &Listed) {
        if let ([_], [only], false) = (&*self.ids, &*list.kept, self.dry_run) {
            say!("Revoked {}: nothing leaves under it any more.", only.id);
            return;
        }
        for consent in &list.kept {
            let (id, subject, recipient) = (consent.id, &consent.subject, &consent.recipient);
            say!("  {id} {subject} -> {recipient} ({})", scopes(consent));
        }
        let (count, shown) = (list.count, list.kept.len());
        if count > shown {
            say!("  … and {} more", count - shown);
        }
        match self.dry_run {
            true => say!("{count} would end; nothing was changed."),
            false => say!("Revoked {count}: nothing leaves under them any more."),
        }
    }

    /// Requests are not the operator's to answer, and would give again what has just ended.
    async fn say_what_waits(&self, store: &Store) -> Result<(), Failure> {
        let filter = Filter {
            subject: self.subject.clone(),
            recipient: self.recipient.as_ref().map(ToString::to_string),
            state: Some(State::Requested),
            ..Filter::default()
        };
        let waiting = store.count_consents(&filter).await?;
        if waiting > 0 {
            say!(
                "{waiting} requests wait still, for the person concerned to answer; nothing leaves by them."
            );
        }
        Ok(())
    }

    fn nothing(&self) -> String {
        let of = self.subject.as_ref().map_or_else(String::new, |subject| format!(" of {subject}"));
        let to = self.recipient.as_ref().map_or_else(String::new, |recipient| format!(" for {recipient}"));
        format!("no consent{of}{to} stands; nothing was changed. `courant consent list` shows all")
    }

    fn not_done(&self, why: NotDone, done: usize) -> Failure {
        let unfit = match why {
            NotDone::Unfit(unfit) => unfit,
            NotDone::Store(error) if done > 0 => {
                return Failure::Refused(format!(
                    "{done} have ended, the others have not: {error}; try again"
                ));
            }
            NotDone::Store(error) => return error.into(),
        };
        if let ([_], [(id, why)]) = (&*self.ids, &*unfit) {
            return match why {
                Some(why) => Failure::Refused(why.to_string()),
                None => not_found(*id),
            };
        }
        let each = unfit.iter().map(|(id, why)| match why {
            Some(why) => format!("{id}: {why}"),
            None => format!("{id}: there is no such consent"),
        });
        Failure::Refused(format!("nothing was changed. {}", each.collect::<Vec<_>>().join("; ")))
    }
}

/// What ended, as far as it is shown.
#[derive(Default)]
struct Listed {
    kept: Vec<Consent>,
    count: usize,
    keep: usize,
}

impl Listed {
    fn add(&mut self, consent: Consent) {
        self.count += 1;
        if self.kept.len() < self.keep {
            self.kept.push(consent);
        }
    }
}

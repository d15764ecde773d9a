//! Asking for consent, and answering: a request waits at the person concerned, who answers by the form of
//! XEP-0060, by a command, or by a line of text.
//!
//! Who asks for a series that does not exist gets the same answer, and waits as long. Who may answer is the
//! person concerned alone, or for one without an address the operators.

use jid::{BareJid, Jid};
use jiff::{SignedDuration, Timestamp};
use minidom::Element;
use uuid::Uuid;

use super::notices::NOBODY;
use super::{Context, receipt};
use crate::consents::record;
use crate::domain::consent::{Consent, ConsentError, State, method};
use crate::domain::draft::{Draft, DraftError};
use crate::domain::edit::Edit;
use crate::domain::holding::NotHeld;
use crate::domain::language::{Language, text};
use crate::domain::name::Scope;
use crate::domain::party::Subject;
use crate::domain::subscription::Wish;
use crate::domain::wording;
use crate::protocol::authorization::Answer;
use crate::protocol::error::{Condition, StanzaError};
use crate::protocol::forms::Submission;
use crate::protocol::ns;
use crate::store::StoreError;
use crate::store::consent_steps::{Grant, Stepped};
use crate::store::consents::{Filter, Part};

/// The most requests of one asker that are looked through.
const LOOKED_AT: usize = 1000;

/// What became of asking.
#[derive(Debug)]
pub enum Asked {
    /// It waits for an answer, from now on.
    Pending(Box<Consent>),
    /// The same was asked before, and waits.
    Waiting(Box<Consent>),
    /// It was given before.
    Given(Box<Consent>),
    /// The asker needs no consent: it is their own.
    Own,
    /// So many of the asker's requests wait already.
    TooMany(usize),
    /// Something is wrong with the request itself.
    Wrong(DraftError),
}

/// Asks for consent, in the name of `asker`. Of the draft, its recipient, subject, state and method are passed
/// over. The person is told once it is stored. `wish`: what is to be subscribed when it is given, where somebody
/// asks by subscribing.
pub async fn ask(
    context: &Context,
    asker: &BareJid,
    mut draft: Draft,
    wish: Option<&Wish>,
    now: Timestamp,
) -> Result<Asked, StoreError> {
    let store = &context.store;
    let owner = owner_of(context, &draft.scope, now).await?;
    if owner.as_ref().is_some_and(|owner| owner.jid() == Some(asker)) {
        return Ok(Asked::Own);
    }
    draft.subject = Some(owner.unwrap_or_else(|| Subject::Reference(NOBODY.to_owned())));
    draft.recipient = Some(asker.clone());
    draft.state = Some(State::Requested);
    draft.method = Some(method::REQUEST.to_owned());
    (draft.id, draft.revision, draft.since) = (None, None, None);
    let request = match draft.complete(&context.config.consent.usual(), method::REQUEST, now) {
        Ok(request) if request.valid_until <= now => {
            return Ok(Asked::Wrong(ConsentError::Over(request.valid_until).into()));
        }
        Ok(request) => request,
        Err(why) => return Ok(Asked::Wrong(why)),
    };
    let filter = Filter { recipient: Some(asker.to_string()), standing: true, ..Filter::default() };
    let part = Part { max: LOOKED_AT, last: true, ..Part::default() };
    let (theirs, ..) = store.part_of_consents(&filter, &part).await?;
    if let Some(same) = theirs.iter().find(|held| is_same(held, &request, wish.is_some())) {
        let same = Box::new(same.clone());
        return Ok(if same.state == State::Requested { Asked::Waiting(same) } else { Asked::Given(same) });
    }
    let waiting = theirs.iter().filter(|held| held.state == State::Requested).count();
    let most = context.config.consent.requests_max;
    if most > 0 && waiting >= most {
        return Ok(Asked::TooMany(most));
    }
    match store.add_request(&request, wish, asker.as_str(), now).await {
        Ok(_) => {}
        Err(StoreError::Consent(why)) => return Ok(Asked::Wrong(why.into())),
        Err(error) => return Err(error),
    }
    Ok(Asked::Pending(Box::new(request)))
}

/// Whether a request asks for no more than another of the same asker's, and what was given is about whom this one is
/// for: what somebody gave of their own is nothing of another's, nor of what is not there. Who asks by subscribing says
/// nothing of modes and measurements.
fn is_same(held: &Consent, request: &Consent, by_subscribing: bool) -> bool {
    held.purpose == request.purpose
        && held.is_about(Some(&request.subject))
        && request.scope.iter().all(|scope| held.scope.iter().any(|wide| wide.covers_scope(scope)))
        && held.granularity.as_ref().map(ToString::to_string)
            == request.granularity.as_ref().map(ToString::to_string)
        && (held.state == State::Requested || request.valid_until <= held.valid_until)
        && (by_subscribing || is_within(held, request))
}

/// Whether a request asks for no other modes and measurements, nor to pass them on. How long they may be kept is left
/// out: what is usual there would make a new request of most repetitions.
fn is_within(held: &Consent, request: &Consent) -> bool {
    let modes =
        (held.modes.notify || !request.modes.notify) && (held.modes.history || !request.modes.history);
    // The window of a prepared request goes with the clock: the same again ends as much later as it comes later.
    let later = match held.state {
        State::Requested => request.valid_from.duration_since(held.valid_from),
        _ => SignedDuration::ZERO,
    };
    let begins = held.data_from.is_none_or(|first| request.data_from.is_some_and(|asked| asked >= first));
    let ends = held
        .data_until
        .is_none_or(|last| request.data_until.is_some_and(|asked| asked.duration_since(last) <= later));
    modes && (held.onward || !request.onward) && begins && ends
}

/// Whose series these are: of the first that is there. All are looked up whatever was found before: how long the
/// answer takes is not to tell what is there.
async fn owner_of(context: &Context, scope: &[Scope], now: Timestamp) -> Result<Option<Subject>, StoreError> {
    let mut found = None;
    for named in scope {
        let (name, below) = match named {
            Scope::Exact(name) => (name, false),
            Scope::Prefix(prefix) => (prefix, true),
        };
        let mut first = context.store.registrations_of(name).await?.into_iter().next();
        if below {
            first = first.or(context.store.series_below(name, 1).await?.into_iter().next());
        }
        found = found.or(first.and_then(|series| series.holder(now).cloned()));
    }
    Ok(found)
}

/// The reference that stands for somebody who is not named to who reads.
pub const VEILED: &str = "-";

/// Hides from the recipient who is asked, as long as nothing was given: whether anybody is, tells whether the
/// series is there.
pub fn veil(consent: &mut Consent) {
    if !consent.was_ever_given() {
        consent.subject = Subject::Reference(VEILED.to_owned());
    }
}

/// Whether this person may answer for the subject of a consent.
pub fn may_answer(context: &Context, who: &BareJid, consent: &Consent) -> bool {
    match &consent.subject {
        Subject::Jid(subject) => subject == who,
        Subject::Reference(reference) => reference != NOBODY && context.is_admin(who),
    }
}

/// The request is granted, narrowed as the edit says, and to what is the asked person's own. `way` is how it was
/// answered; who answers for somebody else is the evidence of it.
pub async fn grant(
    context: &Context,
    who: &BareJid,
    request: &Consent,
    mut edit: Edit,
    way: &'static str,
    language: Language,
    now: Timestamp,
) -> Result<Stepped, StoreError> {
    let mut seen = request.clone();
    context.store.narrow_request(&mut seen, now).await?;
    let within = |scope: &Scope| request.scope.iter().any(|asked| asked.covers_scope(scope));
    let wanted = edit.scope.take().unwrap_or_else(|| request.scope.clone());
    // What is wider than the request is refused below, by its name.
    edit.scope = Some(match wanted.iter().all(within) {
        true => {
            let window = (edit.data_from.or(request.data_from), edit.data_until.or(request.data_until));
            let asked = Consent { data_from: window.0, data_until: window.1, ..request.clone() };
            match held_part(context, &asked, wanted, now).await? {
                Ok(held) => held,
                Err(why) => {
                    let why = ConsentError::from(why).told_to(context.is_admin(who));
                    return Ok(Stepped::Refused(why));
                }
            }
        }
        false => wanted,
    });
    let mut method = way;
    if request.subject.jid() != Some(who) {
        method = method::OPERATOR_ANSWER;
        let by = answered_by(who, request, way, language);
        edit.evidence = Some(match edit.evidence.take().or_else(|| request.evidence.clone()) {
            Some(said) if !said.is_empty() => format!("{said} ({by})"),
            _ => by,
        });
    }
    let text = receipt::summary(&seen, language);
    let grant = Grant {
        edit,
        method: method.to_owned(),
        text_lang: Some(language.code().to_owned()),
        text_hash: Some(receipt::hash(&text)),
    };
    context.store.grant_consent(request.id, &grant, &context.config.consent.maximum, who.as_str(), now).await
}

/// What of these names the asked person holds, in the time of the measurements that are asked for; where it is nothing,
/// the first that is not theirs.
async fn held_part(
    context: &Context,
    asked: &Consent,
    wanted: Vec<Scope>,
    now: Timestamp,
) -> Result<Result<Vec<Scope>, NotHeld>, StoreError> {
    let own = context.store.own_part(&asked.subject, &wanted, now).await?;
    // A window that is none is refused by whoever stores it.
    if asked.data_from.zip(asked.data_until).is_some_and(|(from, until)| until <= from) {
        return Ok(Ok(own));
    }
    let asked_for = Consent { scope: wanted, ..asked.clone() };
    if own.is_empty() {
        return Ok(match asked_for.scope.first() {
            Some(first) => Err(NotHeld::of(&asked_for, first.to_string())),
            // That nothing is named is refused by whoever stores it.
            None => Ok(own),
        });
    }
    record::held_part(&context.store, &asked_for, own).await
}

/// Who answered for a person without an address, and how.
fn answered_by(who: &BareJid, request: &Consent, way: &str, language: Language) -> String {
    let how = match way {
        method::TEXT => text("by a line of text", "par une ligne de texte"),
        method::APPROVAL_FORM => text("by the form of the request", "par le formulaire de la demande"),
        _ => text("by a command", "par une commande"),
    };
    text("answered by {who} for {subject}, {how}", "réponse de {who} pour {subject}, {how}").fill(
        language,
        &[("who", who.as_str()), ("subject", &wording::subject(request)), ("how", how.of(language))],
    )
}

/// What somebody is told who has answered.
pub fn told(consent: &Consent, who: &BareJid, language: Language) -> String {
    let in_person = consent.subject.jid() == Some(who);
    match (consent.state, in_person) {
        (State::Active, true) => {
            text("Thank you. {who} may have the data.", "Merci. {who} peut recevoir les données.")
        }
        (State::Active, false) => text(
            "Recorded: {subject} agreed, and {who} may have the data.",
            "Enregistré : {subject} a accepté, et {who} peut recevoir les données.",
        ),
        (State::Refused, true) => text(
            "Refused: {who} gets nothing by this request.",
            "Refusé : {who} ne reçoit rien par cette demande.",
        ),
        (State::Refused, false) => text(
            "Recorded: {subject} refused, and {who} gets nothing by this request.",
            "Enregistré : {subject} a refusé, et {who} ne reçoit rien par cette demande.",
        ),
        (_, true) => text(
            "Withdrawn: nothing is sent to {who} under it any more.",
            "Retiré : plus rien n’est envoyé à {who} à ce titre.",
        ),
        (_, false) => text(
            "Ended for {subject}: nothing is sent to {who} under it any more.",
            "Terminé pour {subject} : plus rien n’est envoyé à {who} à ce titre.",
        ),
    }
    .fill(
        language,
        &[("who", &wording::recipient(consent, language)), ("subject", &wording::subject(consent))],
    )
}

/// Takes the form of XEP-0060 §8.6. One from somebody who may not answer, or about nothing that waits, is passed
/// over without a word. Gives what is to be said to who answered for somebody else; the person concerned gets a
/// receipt.
pub async fn take_form(
    context: &Context,
    who: &BareJid,
    stanza: &Element,
    language: Language,
) -> Result<Option<String>, StanzaError> {
    let Some(answer) = stanza
        .get_child("x", ns::DATA_FORMS)
        .and_then(Submission::read)
        .and_then(|submission| Answer::read(&submission))
    else {
        return Ok(None);
    };
    let failed = |error: StoreError| super::context::failed(&error);
    let Some(request) = meant(context, who, &answer).await.map_err(failed)? else { return Ok(None) };
    if !answer_request(context, who, &request, answer.allow, language).await? {
        return Ok(None);
    }
    context.taken().await?;
    if request.subject.jid() == Some(who) {
        return Ok(None);
    }
    let now = context.store.consent(request.id).await.map_err(failed)?;
    Ok(now.map(|now| told(&now, who, language)))
}

/// Answers a request as it was asked, by one of the ways of XEP-0060. Whether it still waited for an answer.
pub async fn answer_request(
    context: &Context,
    who: &BareJid,
    request: &Consent,
    allow: bool,
    language: Language,
) -> Result<bool, StanzaError> {
    let now = context.clock.now().wall;
    let stepped = if allow {
        grant(context, who, request, Edit::default(), method::APPROVAL_FORM, language, now).await
    } else {
        context.store.step_consent(request.id, State::Refused, who.as_str(), None, now).await
    };
    match stepped.map_err(|e| super::context::failed(&e))? {
        Stepped::Done(_) => Ok(true),
        Stepped::Refused(why) => Err(wrong(&why.into())),
        Stepped::NotFound | Stepped::Stale(_) => Ok(false),
    }
}

/// What is wrong with a request, in either language.
pub fn wrong(why: &DraftError) -> StanzaError {
    let french = super::commands::wrong::draft(why, Language::Fr);
    StanzaError::new(Condition::BadRequest, why.to_string()).or_in_french(french)
}

/// The requests for exactly this node of this owner that this person may answer and that ask to be subscribed,
/// oldest first.
pub async fn requests_for(
    context: &Context,
    who: &BareJid,
    owner: &Subject,
    node: &str,
) -> Result<Vec<Consent>, StanzaError> {
    let mut found = requests_naming(context, owner, node).await.map_err(|e| super::context::failed(&e))?;
    found.retain(|request| request.modes.notify && may_answer(context, who, request));
    Ok(found)
}

/// The requests for exactly this node of this owner, oldest first.
async fn requests_naming(context: &Context, owner: &Subject, node: &str) -> Result<Vec<Consent>, StoreError> {
    let filter = Filter { subject: Some(owner.clone()), state: Some(State::Requested), ..Filter::default() };
    let part = Part { max: LOOKED_AT, ..Part::default() };
    let (mut found, ..) = context.store.part_of_consents(&filter, &part).await?;
    found.retain(|request| request.scope.iter().any(|scope| scope.to_string() == node));
    Ok(found)
}

/// Closes the requests for this node and nothing else, which is deleted: nobody is to answer for what is not there.
/// Gives the addresses that wait to be subscribed.
pub async fn close_requests(
    context: &Context,
    who: &BareJid,
    owner: &Subject,
    node: &str,
) -> Result<Vec<Jid>, StoreError> {
    let mut requests = requests_naming(context, owner, node).await?;
    requests.retain(|request| request.scope.len() == 1);
    let ids: Vec<Uuid> = requests.iter().map(|request| request.id).collect();
    let mut wishes = context.store.wishes_of(&ids).await?;
    let now = context.clock.now().wall;
    let mut waited = Vec::new();
    for request in requests {
        let (store, why) = (&context.store, Some(super::notices::DELETED));
        let step = store.step_consent(request.id, State::TimedOut, who.as_str(), why, now).await?;
        if matches!(step, Stepped::Done(_)) && request.modes.notify {
            let wish = wishes.remove(&request.id).map(|wish| wish.jid);
            waited.push(wish.unwrap_or_else(|| Jid::from(request.recipient)));
        }
    }
    Ok(waited)
}

/// Whether a node that was answered for is of what was asked: the person asked may have seen a part of it.
fn names(asked: &Scope, node: &str) -> bool {
    Scope::parse(node).is_ok_and(|node| asked.covers_scope(&node))
}

async fn meant(context: &Context, who: &BareJid, answer: &Answer) -> Result<Option<Consent>, StoreError> {
    // The address that asked, or the one that the consent is for.
    let Some(subscriber) = Jid::new(&answer.subscriber).ok().map(|jid| jid.to_bare()) else {
        return Ok(None);
    };
    let fits = |consent: &Consent| {
        consent.state == State::Requested
            && may_answer(context, who, consent)
            && consent.recipient == subscriber
            && consent.scope.iter().any(|scope| names(scope, &answer.node))
    };
    if let Some(id) = answer.request.as_deref().and_then(|id| Uuid::parse_str(id).ok()) {
        return Ok(context.store.consent(id).await?.filter(fits));
    }
    let filter = Filter {
        recipient: Some(subscriber.to_string()),
        state: Some(State::Requested),
        ..Filter::default()
    };
    let part = Part { max: LOOKED_AT, last: true, ..Part::default() };
    let (found, ..) = context.store.part_of_consents(&filter, &part).await?;
    Ok(found.into_iter().find(fits))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::sync::mpsc;

    use super::*;
    use crate::config::Config;
    use crate::desk::upstream::{Bounds, Upstream};
    use crate::domain::clock::Clock;
    use crate::domain::consent::Modes;
    use crate::domain::consent::tests::sample;
    use crate::domain::series::Series;
    use crate::store::{Durability, Store};

    fn context(store: &Store) -> Context {
        let config: Config = serde_json::from_value(serde_json::json!({
            "component": {"jid": "energy.example.org", "server": "127.0.0.1:5347", "secret": "s"},
            "store": {"url": "sqlite:x.db"},
        }))
        .unwrap();
        let bounds = Bounds { questions: 1, per_asker: 1, timeout: std::time::Duration::from_secs(1) };
        Context {
            store: store.clone(),
            config: Arc::new(config),
            clock: Clock::start(),
            out: mpsc::channel(1).0,
            wishes: mpsc::channel(1).0,
            upstream: Upstream::new(bounds),
        }
    }

    #[test]
    fn who_asks_for_more_has_not_got_it_already() {
        let at = |text: &str| -> Option<Timestamp> { Some(text.parse().unwrap()) };
        let (first, last) = (at("2026-02-01T00:00:00Z"), at("2026-03-01T00:00:00Z"));
        let history = Modes { notify: false, history: true };
        let narrow = Consent { modes: history, data_from: first, data_until: last, ..sample() };
        let wide = Consent { onward: true, ..sample() };
        let more: [fn(&mut Consent); 6] = [
            |asked| asked.modes.notify = true,
            |asked| asked.onward = true,
            |asked| asked.data_from = None,
            |asked| asked.data_from = Some("2026-01-31T00:00:00Z".parse().unwrap()),
            |asked| asked.data_until = None,
            |asked| asked.data_until = Some("2026-03-02T00:00:00Z".parse().unwrap()),
        ];
        for state in [State::Active, State::Requested] {
            let held = |consent: &Consent| Consent { state, ..consent.clone() };
            assert!(is_same(&held(&narrow), &narrow, false) && is_same(&held(&wide), &narrow, false));
            for change in more {
                let mut asked = narrow.clone();
                change(&mut asked);
                assert!(!is_same(&held(&narrow), &asked, false), "{asked:?}");
                assert!(is_same(&held(&wide), &asked, false), "{asked:?}");
                // What a subscription does not say, it does not ask for.
                assert!(is_same(&held(&narrow), &asked, true), "{asked:?}");
            }
        }
        // A window that is counted from the request: the same again, a day later.
        let mut again = narrow.clone();
        again.valid_from = at("2026-01-02T00:00:00Z").unwrap();
        again.data_from = at("2026-02-02T00:00:00Z");
        again.data_until = at("2026-03-02T00:00:00Z");
        assert!(is_same(&Consent { state: State::Requested, ..narrow.clone() }, &again, false));
        assert!(!is_same(&narrow, &again, false));
    }

    /// Rows of every table.
    async fn rows(store: &Store) -> Vec<(String, i64)> {
        use sqlx::Row as _;
        let sql = "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name";
        let mut rows = Vec::new();
        for table in sqlx::query(sql).fetch_all(store.pool()).await.unwrap() {
            let table: String = table.get(0);
            let count = sqlx::AssertSqlSafe(format!("SELECT COUNT(*) FROM \"{table}\""));
            rows.push((table, sqlx::query(count).fetch_one(store.pool()).await.unwrap().get(0)));
        }
        rows
    }

    /// What is written for a request about a series that is there, and about one that is not: as many commits, as
    /// many rows of the same tables. Telling the person concerned adds nothing.
    #[tokio::test]
    async fn asking_is_as_much_work_whether_or_not_there_is_somebody_to_ask() {
        let dir = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}/t.db", dir.path().display());
        let store = Store::open(&url, Durability::Off).await.unwrap();
        let series = |name: &str| -> Series {
            serde_json::from_value(serde_json::json!({"name": name, "owner": "ann@home.example"})).unwrap()
        };
        let at = "2026-01-02T00:00:00Z".parse().unwrap();
        store.add_series(&series("urn:there"), at).await.unwrap();
        store.add_series(&series("urn:below:there"), at).await.unwrap();
        let context = context(&store);
        let commits = Arc::new(AtomicUsize::new(0));
        let mut held = Vec::new();
        for _ in 0..3 {
            let mut conn = store.pool().acquire().await.unwrap();
            let counted = Arc::clone(&commits);
            conn.lock_handle().await.unwrap().set_commit_hook(move || {
                counted.fetch_add(1, Ordering::Relaxed);
                true
            });
            held.push(conn);
        }
        drop(held);
        let asker = BareJid::new("app@coop.example").unwrap();
        let mut work = Vec::new();
        let wish = Wish { jid: Jid::from(asker.clone()), format: Default::default() };
        for name in ["urn:there", "urn:nowhere", "urn:below:*", "urn:nothing:*"] {
            let before = rows(&store).await;
            commits.store(0, Ordering::Relaxed);
            let draft = || Draft {
                scope: vec![Scope::parse(name).unwrap()],
                purpose: Some("advice".into()),
                ..Draft::default()
            };
            let asked = ask(&context, &asker, draft(), Some(&wish), at).await.unwrap();
            assert!(matches!(asked, Asked::Pending(_)));
            let asked = ask(&context, &asker, draft(), Some(&wish), at).await.unwrap();
            assert!(matches!(asked, Asked::Waiting(_)));
            assert_eq!(store.untold(0, 10).await.unwrap().len(), work.len() + 1);
            let rows: Vec<(String, i64)> = rows(&store)
                .await
                .into_iter()
                .zip(before)
                .map(|((table, after), (_, before))| (table, after - before))
                .filter(|(_, more)| *more != 0)
                .collect();
            work.push((commits.load(Ordering::Relaxed), rows));
        }
        assert_eq!(work[0].0, 1, "{work:?}");
        assert!(work.iter().all(|other| *other == work[0]), "{work:?}");
    }
}

//! A series changes hands, by whatever door somebody comes: the command line and the commands call these, and say what
//! came of it in the same words.

use jiff::Timestamp;

use crate::domain::language::{Language, Text, text};
use crate::domain::moving::{Becomes, Report};
use crate::domain::name::Scope;
use crate::domain::series::Series;
use crate::domain::tenure::TenureError;
use crate::domain::wording;
use crate::store::moving::{Handed, NextHolder, latest};
use crate::store::registering::Registered;
use crate::store::{Store, StoreError};

/// How many consents, recipients or registrations are named one by one; of more, they are counted.
const NAMED_MAX: usize = 20;

/// Why a series did not change hands.
#[derive(Debug)]
pub enum Refused {
    /// Nothing of that name is registered.
    NotFound(Scope),
    /// It is registered already.
    Exists(Scope),
    /// Somebody else changed it since it was looked at.
    ChangedMeanwhile(Scope),
    /// The border lies before the beginning of the last tenure.
    TooEarly(Scope, Timestamp),
    /// The border lies further ahead than this.
    TooFar(Timestamp),
    /// It has too many tenures.
    Tenures(TenureError),
    /// The store failed: nothing was done.
    Store(StoreError),
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        Refused::Store(error)
    }
}

impl Refused {
    /// In words, with what to do.
    pub fn text(&self, language: Language) -> String {
        let fill = |words: Text, name: &Scope, at: Timestamp| {
            words.fill(language, &[("name", &name.to_string()), ("at", &at.to_string())])
        };
        let epoch = Timestamp::UNIX_EPOCH;
        match self {
            Refused::NotFound(name) => fill(NOT_FOUND, name, epoch),
            Refused::Exists(name) => fill(EXISTS, name, epoch),
            Refused::ChangedMeanwhile(name) => fill(CHANGED, name, epoch),
            Refused::TooEarly(name, begins) => fill(TOO_EARLY, name, *begins),
            Refused::TooFar(latest) => TOO_FAR.fill(language, &[("at", &latest.to_string())]),
            Refused::Tenures(why) => why.to_string(),
            Refused::Store(why) => why.to_string(),
        }
    }
}

const NOT_FOUND: Text = text(
    "'{name}' is not registered; `courant series list` shows what is",
    "« {name} » n’est pas enregistrée ; `courant series list` montre ce qui l’est",
);
const EXISTS: Text = text(
    "the series {name} exists already; change it with `courant series edit`",
    "la série {name} existe déjà ; modifiez-la avec `courant series edit`",
);
const CHANGED: Text = text(
    "somebody else has just changed who holds {name}; nothing was changed. Look at it again (`courant series show`), then decide",
    "quelqu’un d’autre vient de changer le titulaire de {name} ; rien n’a été modifié. Regardez de nouveau (`courant series show`), puis décidez",
);
const TOO_EARLY: Text = text(
    "the last tenure of {name} begins at {at}; the next holder cannot begin before that. Name a later time, or rewrite the whole history with `courant series import` and `tenures`",
    "la dernière période de {name} commence le {at} ; le titulaire suivant ne peut pas commencer avant. Indiquez un moment ultérieur, ou réécrivez tout l’historique avec `courant series import` et `tenures`",
);
const TOO_FAR: Text = text(
    "the next holder may begin at most a year ahead (latest: {at}); name an earlier time",
    "le titulaire suivant peut commencer au plus dans un an (au plus tard : {at}) ; indiquez un moment plus proche",
);

/// Gives a series another holder, or none.
pub async fn hand_over(
    store: &Store,
    wish: &NextHolder,
    actor: &str,
    now: Timestamp,
) -> Result<Report, Refused> {
    let name = || wish.series.clone();
    match store.hand_over(wish, actor, now).await? {
        Handed::Done(report) => Ok(*report),
        Handed::NotFound => Err(Refused::NotFound(name())),
        Handed::ChangedMeanwhile => Err(Refused::ChangedMeanwhile(name())),
        Handed::TooEarly(series, begins) => Err(Refused::TooEarly(series, begins)),
        Handed::TooFar(latest) => Err(Refused::TooFar(latest)),
        Handed::Refused(why) => Err(Refused::Tenures(why)),
    }
}

/// Removes a registration.
pub async fn remove(
    store: &Store,
    name: &Scope,
    dry_run: bool,
    actor: &str,
    now: Timestamp,
) -> Result<Report, Refused> {
    let removed = store.end_series(name, dry_run, actor, now).await?;
    removed.ok_or_else(|| Refused::NotFound(name.clone()))
}

/// Registers a series. Says what the move did, where somebody held it until then by a wider registration.
pub async fn register(
    store: &Store,
    series: &Series,
    from: Option<Timestamp>,
    actor: &str,
    now: Timestamp,
) -> Result<Option<Report>, Refused> {
    if from.is_some_and(|from| from > latest(now)) {
        return Err(Refused::TooFar(latest(now)));
    }
    match store.register(series, from, false, actor, now).await? {
        Registered::Done(report) => Ok(report.map(|report| *report)),
        Registered::Exists => Err(Refused::Exists(series.name.clone())),
        Registered::TooEarly(begins) => Err(Refused::TooEarly(series.name.clone(), begins)),
        Registered::Refused(why) => Err(Refused::Tenures(why)),
    }
}

/// What is done with the registration itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    /// It has another holder.
    Moved,
    /// It is removed.
    Removed,
    /// It is new.
    Added,
}

/// What a move did, line by line, for the operator. `now`: what lies ahead is done later.
pub fn told(report: &Report, deed: Deed, now: Timestamp, language: Language) -> Vec<String> {
    let mut lines = Vec::new();
    about(report, deed, now, language, &mut lines);
    for below in &report.below {
        about(below, deed, now, language, &mut lines);
    }
    if !report.unchanged.is_empty() {
        let names = some(&report.unchanged, |name| name.clone(), language);
        lines.push(
            text(
                "These registrations below it have tenures of their own and keep them: {names}. To move them too, say so (--below).",
                "Ces enregistrements plus précis ont leurs propres titulaires et les gardent : {names}. Pour les transférer aussi, dites-le (--below).",
            )
            .fill(language, &[("names", &names)]),
        );
    }
    lines
}

fn about(report: &Report, deed: Deed, now: Timestamp, language: Language, lines: &mut Vec<String>) {
    let nobody = text("nobody", "personne").of(language);
    let former = report.former.as_deref().unwrap_or(nobody);
    let moment = wording::moment(report.from, language);
    let fill = |words: Text| {
        let holder = report.holder.as_deref().unwrap_or(nobody);
        words.fill(
            language,
            &[("series", &report.series), ("from", &moment), ("former", former), ("holder", holder)],
        )
    };
    lines.push(fill(match (deed, &report.holder) {
        (_, Some(holder)) if report.former.as_ref() == Some(holder) => {
            text("{series}: {holder} holds it already.", "{series} : {holder} en est déjà le titulaire.")
        }
        (Deed::Removed, None) => text(
            "{series} is not registered any more (holder until {from}: {former}). Its past stays theirs.",
            "{series} n’est plus enregistrée (titulaire jusqu’au {from} : {former}). Son passé reste à cette personne.",
        ),
        (_, Some(_)) => text(
            "{series}: from {from} on {holder} holds it, until then {former}.",
            "{series} : à partir du {from}, {holder} en est titulaire ; jusque-là, {former}.",
        ),
        (_, None) => text(
            "{series}: from {from} on nobody holds it, until then {former}. What is measured then is acknowledged, neither kept nor sent.",
            "{series} : à partir du {from}, personne n’en est titulaire ; jusque-là, {former}. Ce qui est mesuré alors est accusé de réception, ni conservé ni envoyé.",
        ),
    }));
    let count = |number: usize| number.to_string();
    if !report.consents.is_empty() {
        let one = |consent: &crate::domain::moving::MovedConsent| {
            let becomes = match consent.becomes {
                Becomes::Bounded => text("goes on for other series", "continue pour d’autres séries"),
                Becomes::Fulfilled => text("ends soon after", "prend fin peu après"),
            };
            format!("{} ({}: {})", consent.id, consent.recipient, becomes.of(language))
        };
        lines.push(
            text(
                "  Consents of {former} that cover what was measured before, and nothing later: {list}.",
                "  Consentements de {former} qui portent sur ce qui a été mesuré avant, et rien de plus : {list}.",
            )
            .fill(language, &[("former", former), ("list", &some(&report.consents, one, language))]),
        );
    }
    if !report.requests.is_empty() {
        lines.push(
            text(
                "  Requests that waited with {former} and are closed: {count}.",
                "  Demandes en attente chez {former}, maintenant closes : {count}.",
            )
            .fill(language, &[("former", former), ("count", &count(report.requests.len()))]),
        );
    }
    if report.subscriptions > 0 {
        lines.push(
            text("  Subscriptions that end: {count}.", "  Abonnements qui prennent fin : {count}.")
                .fill(language, &[("count", &count(report.subscriptions))]),
        );
    }
    if !report.left.is_empty() {
        let one = |left: &crate::domain::moving::Left| {
            text("{who} ({records} records)", "{who} ({records} mesures)")
                .fill(language, &[("who", &left.recipient), ("records", &left.records.to_string())])
        };
        lines.push(
            text(
                "  Left already, measured from {from} on, and to be erased by: {list}.",
                "  Déjà parti, mesuré à partir du {from}, et à effacer par : {list}.",
            )
            .fill(language, &[("from", &moment), ("list", &some(&report.left, one, language))]),
        );
    }
    if report.from > now {
        lines.push(
            text(
                "  This counts from now on; those concerned are told when the time comes.",
                "  Cela compte dès maintenant ; les personnes concernées seront averties le moment venu.",
            )
            .of(language)
            .to_owned(),
        );
    }
}

/// The first few, and how many others there are.
fn some<T>(list: &[T], one: impl Fn(&T) -> String, language: Language) -> String {
    let named: Vec<String> = list.iter().take(NAMED_MAX).map(one).collect();
    let mut line = named.join(", ");
    if list.len() > NAMED_MAX {
        let more = (list.len() - NAMED_MAX).to_string();
        line += &text(" and {count} more", " et {count} autres").fill(language, &[("count", &more)]);
    }
    line
}

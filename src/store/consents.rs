//! Consents as rows: what they say, what they said before, and how to find them. How they change is in
//! [`super::consent_steps`].

use std::collections::{BTreeMap, HashMap, HashSet};

use jid::BareJid;
use jiff::Timestamp;
use sqlx::Row;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use uuid::Uuid;

use super::{Store, StoreError, arrangements, millis, timestamp};
use crate::domain::consent::{Consent, ConsentError, ConsentKey, State};
use crate::domain::party::Subject;

/// The columns of [`read`], in its order.
pub(super) const COLUMNS: &str = "SELECT key, id, arrangement, revision, subject, recipient, recipient_name, \
    scope, purpose, purpose_code, lawful_basis, valid_from, valid_until, data_from, data_until, modes, \
    retention, onward, method, evidence, state, since, ended_by, end_reason, recipient_contact, policy_url, \
    granularity, subscribe, text_lang, text_hash FROM consent";

/// How many columns [`insert`] binds for each consent.
const BOUND: usize = 30;

/// Rows per statement: SQLite binds 32 766 values at most.
pub(super) const ROWS_AT_ONCE: usize = 500;

/// Which consents to list; every given part must match.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// The person concerned.
    pub subject: Option<Subject>,
    /// The recipient, a bare address.
    pub recipient: Option<String>,
    /// Where they stand.
    pub state: Option<State>,
    /// Only those that can still be used, or asked for.
    pub standing: bool,
    /// Only those that stand in one of these, if any is named.
    pub states: &'static [State],
    /// What they say somewhere.
    pub saying: Saying,
}

/// What a consent says somewhere, small or capital letters alike; an absent part matches all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Saying {
    /// Part of the address or reference of the person concerned.
    pub subject: Option<String>,
    /// Part of the recipient's address or name.
    pub recipient: Option<String>,
    /// Part of the name of a series.
    pub scope: Option<String>,
}

/// Which part of a list is wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Part {
    /// What comes after this one.
    pub after: Option<Uuid>,
    /// What comes right before this one.
    pub before: Option<Uuid>,
    /// The end of the list.
    pub last: bool,
    /// At most so many.
    pub max: usize,
}

/// Something that happened to a consent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Its number, rising.
    pub number: u64,
    /// Of which consent.
    pub consent: ConsentKey,
    /// When.
    pub at: Timestamp,
    /// Where it stood; nowhere if it is new.
    pub from: Option<State>,
    /// Where it stood then; the same as before if it was edited.
    pub to: State,
    /// Who did it.
    pub actor: String,
    /// In their words.
    pub note: Option<String>,
}

impl Store {
    /// One consent, by its id.
    pub async fn consent(&self, id: Uuid) -> Result<Option<Consent>, StoreError> {
        let sql = sqlx::AssertSqlSafe(format!("{COLUMNS} WHERE id = ?"));
        let row = sqlx::query(sql).bind(id.to_string()).fetch_optional(self.pool()).await?;
        Ok(row.as_ref().map(read).transpose()?.map(|(_, consent)| consent))
    }

    /// The consents of these numbers, as far as they are there, by their numbers.
    pub async fn consents_by_keys(&self, keys: &[u64]) -> Result<HashMap<u64, Consent>, StoreError> {
        let list = serde_json::to_string(keys).map_err(|e| StoreError::row(e.to_string()))?;
        let sql = format!("{COLUMNS} WHERE key IN (SELECT value FROM json_each(?))");
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(list).fetch_all(self.pool()).await?;
        rows.iter().map(|row| read(row).map(|(key, consent)| (key.0, consent))).collect()
    }

    /// Which of these are there.
    pub async fn consents_there(&self, ids: &[Uuid]) -> Result<HashSet<Uuid>, StoreError> {
        let ids: Vec<String> = ids.iter().map(Uuid::to_string).collect();
        let list = serde_json::to_string(&ids).map_err(|e| StoreError::row(e.to_string()))?;
        let rows = sqlx::query("SELECT id FROM consent WHERE id IN (SELECT value FROM json_each(?))")
            .bind(list)
            .fetch_all(self.pool())
            .await?;
        let id = |row: &SqliteRow| {
            Uuid::parse_str(row.try_get(0)?).map_err(|e| StoreError::row(format!("consent id: {e}")))
        };
        rows.iter().map(id).collect()
    }

    /// One consent, by its number.
    pub async fn consent_by_key(&self, key: u64) -> Result<Option<(ConsentKey, Consent)>, StoreError> {
        let sql = sqlx::AssertSqlSafe(format!("{COLUMNS} WHERE key = ?"));
        let row = sqlx::query(sql).bind(key.cast_signed()).fetch_optional(self.pool()).await?;
        row.as_ref().map(read).transpose()
    }

    /// What stands (requested, given, paused) for one recipient, oldest first.
    pub async fn consents_for(&self, recipient: &BareJid) -> Result<Vec<(ConsentKey, Consent)>, StoreError> {
        let sql = format!(
            "{COLUMNS} WHERE recipient = ? AND state IN ('requested', 'active', 'suspended') ORDER BY key"
        );
        let rows =
            sqlx::query(sqlx::AssertSqlSafe(sql)).bind(recipient.as_str()).fetch_all(self.pool()).await?;
        self.read_to_decide(&rows)
    }

    /// Consents by which it is decided what may leave: an end that could not be written counts.
    pub(super) fn read_to_decide(
        &self,
        rows: &[SqliteRow],
    ) -> Result<Vec<(ConsentKey, Consent)>, StoreError> {
        let applied = |(key, consent)| (key, self.unrecorded().applied(consent));
        rows.iter().map(|row| read(row).map(applied)).collect()
    }

    /// Requests to people without an address, oldest first: all but those under the reference `nobody`.
    pub async fn requests_to_operators(&self, nobody: &str, most: usize) -> Result<Vec<Consent>, StoreError> {
        let sql = format!(
            "{COLUMNS} WHERE state = 'requested' AND subject LIKE 'ref:%' AND subject <> ? ORDER BY key LIMIT ?"
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(Subject::Reference(nobody.to_owned()).to_string())
            .bind(i64::try_from(most).unwrap_or(i64::MAX))
            .fetch_all(self.pool())
            .await?;
        rows.iter().map(|row| read(row).map(|(_, consent)| consent)).collect()
    }

    /// The consents that match, oldest first.
    pub async fn list_consents(&self, filter: &Filter) -> Result<Vec<Consent>, StoreError> {
        let sql = format!("{COLUMNS} WHERE {} ORDER BY key", matching(filter));
        let rows = bind_filter(sqlx::query(sqlx::AssertSqlSafe(sql)), filter).fetch_all(self.pool()).await?;
        rows.iter().map(|row| read(row).map(|(_, consent)| consent)).collect()
    }

    /// Up to `limit` consents after `key`, whatever their state, oldest first.
    pub async fn consents_after(
        &self,
        key: u64,
        limit: u32,
    ) -> Result<Vec<(ConsentKey, Consent)>, StoreError> {
        let sql = sqlx::AssertSqlSafe(format!("{COLUMNS} WHERE key > ? ORDER BY key LIMIT ?"));
        let rows = sqlx::query(sql).bind(key.cast_signed()).bind(limit).fetch_all(self.pool()).await?;
        rows.iter().map(read).collect()
    }

    /// How many consents match.
    pub async fn count_consents(&self, filter: &Filter) -> Result<usize, StoreError> {
        let sql = format!("SELECT COUNT(*) FROM consent WHERE {}", matching(filter));
        let row = bind_filter(sqlx::query(sqlx::AssertSqlSafe(sql)), filter).fetch_one(self.pool()).await?;
        Ok(usize::try_from(row.try_get::<i64, _>(0)?).unwrap_or_default())
    }

    /// Whether this one is among those that match.
    pub async fn is_among(&self, filter: &Filter, id: Uuid) -> Result<bool, StoreError> {
        let sql = format!("SELECT 1 FROM consent WHERE {} AND id = ?7", matching(filter));
        let row = bind_filter(sqlx::query(sqlx::AssertSqlSafe(sql)), filter)
            .bind(id.to_string())
            .fetch_optional(self.pool())
            .await?;
        Ok(row.is_some())
    }

    /// A part of the consents that match, oldest first; how many come before it, and how many there are.
    /// Nothing where the part begins at a consent that is not there.
    pub async fn part_of_consents(
        &self,
        filter: &Filter,
        part: &Part,
    ) -> Result<(Vec<Consent>, usize, usize), StoreError> {
        let total = self.count_consents(filter).await?;
        let back = part.last || part.before.is_some();
        let order = if back { "DESC" } else { "ASC" };
        // A place in a list is one of those that are listed: whether there are others tells nobody.
        let matching = matching(filter);
        let place = match (part.after, part.before) {
            (Some(_), _) => format!("key > (SELECT key FROM consent WHERE id = ?7 AND {matching})"),
            (None, Some(_)) => format!("key < (SELECT key FROM consent WHERE id = ?7 AND {matching})"),
            (None, None) => "?7 IS NULL".to_owned(),
        };
        let sql = format!("{COLUMNS} WHERE {matching} AND {place} ORDER BY key {order} LIMIT ?8");
        let rows = bind_filter(sqlx::query(sqlx::AssertSqlSafe(sql)), filter)
            .bind(part.after.or(part.before).map(|id| id.to_string()))
            .bind(i64::try_from(part.max).unwrap_or(i64::MAX))
            .fetch_all(self.pool())
            .await?;
        let mut found = rows.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        if back {
            found.reverse();
        }
        let mut index = 0;
        if let Some((first, _)) = found.first() {
            let sql = format!("SELECT COUNT(*) FROM consent WHERE {matching} AND key < ?7");
            let row = bind_filter(sqlx::query(sqlx::AssertSqlSafe(sql)), filter)
                .bind(first.0.cast_signed())
                .fetch_one(self.pool())
                .await?;
            index = usize::try_from(row.try_get::<i64, _>(0)?).unwrap_or_default();
        }
        Ok((found.into_iter().map(|(_, consent)| consent).collect(), index, total))
    }

    /// Which of these records cannot be taken over, by their place, and why: there is another one with that
    /// id, or they renew what these two never had.
    pub async fn other_consents(
        &self,
        consents: &[(usize, Consent)],
    ) -> Result<Vec<(usize, String)>, StoreError> {
        let mut others = Vec::new();
        for (chunk, start) in consents.chunks(ROWS_AT_ONCE).zip((0..).step_by(ROWS_AT_ONCE)) {
            let marks = vec!["?"; chunk.len()].join(", ");
            let sql = format!("{COLUMNS} WHERE id IN ({marks})");
            let mut query = sqlx::query(sqlx::AssertSqlSafe(sql));
            for (_, consent) in chunk {
                query = query.bind(consent.id.to_string());
            }
            for row in &query.fetch_all(self.pool()).await? {
                let (_, held) = read(row)?;
                for (place, (_, consent)) in (start..).zip(chunk) {
                    if consent.id == held.id && !same(consent, &held) {
                        others.push((place, format!("there is another consent {} already", held.id)));
                    }
                }
            }
        }
        let mut conn = self.pool().acquire().await?;
        for place in arrangements::refused(&mut conn, consents.iter().map(|(_, consent)| consent)).await? {
            others.push((place, format!("arrangement: {}", ConsentError::Arrangement)));
        }
        others.sort_unstable();
        Ok(others)
    }

    /// What happened to a consent, in order.
    pub async fn events_of(&self, id: Uuid) -> Result<Vec<Event>, StoreError> {
        let rows = sqlx::query(
            "SELECT e.key, e.consent, e.at, e.from_state, e.to_state, e.actor, e.note FROM consent_event e \
             JOIN consent c ON c.key = e.consent WHERE c.id = ? ORDER BY e.key",
        )
        .bind(id.to_string())
        .fetch_all(self.pool())
        .await?;
        rows.iter().map(read_event).collect()
    }

    /// Up to `limit` events of any consent after `number`, in order.
    pub async fn events_after(&self, number: u64, limit: u32) -> Result<Vec<Event>, StoreError> {
        let rows = sqlx::query(
            "SELECT key, consent, at, from_state, to_state, actor, note FROM consent_event WHERE key > ? \
             ORDER BY key LIMIT ?",
        )
        .bind(number.cast_signed())
        .bind(limit)
        .fetch_all(self.pool())
        .await?;
        rows.iter().map(read_event).collect()
    }

    /// What a consent said before it was edited, by revision.
    pub async fn earlier_revisions(&self, id: Uuid) -> Result<BTreeMap<u32, Consent>, StoreError> {
        let rows = sqlx::query(
            "SELECT r.revision, r.record FROM consent_revision r JOIN consent c ON c.key = r.consent \
             WHERE c.id = ? ORDER BY r.revision",
        )
        .bind(id.to_string())
        .fetch_all(self.pool())
        .await?;
        rows.iter()
            .map(|row| {
                let revision =
                    u32::try_from(row.try_get::<i64, _>(0)?).map_err(|_| StoreError::row("a revision"))?;
                let record =
                    serde_json::from_str(row.try_get(1)?).map_err(|e| StoreError::row(e.to_string()))?;
                Ok((revision, record))
            })
            .collect()
    }
}

/// Whether a record says what is held, as far as the store keeps it: times to the millisecond.
pub(super) fn same(record: &Consent, held: &Consent) -> bool {
    let cut = |at: Timestamp| timestamp(millis(at)).unwrap_or(at);
    let mut record = record.clone();
    record.valid_from = cut(record.valid_from);
    record.valid_until = cut(record.valid_until);
    record.data_from = record.data_from.map(cut);
    record.data_until = record.data_until.map(cut);
    record.since = cut(record.since);
    record == *held
}

/// Not ended.
pub(super) const STANDING: &str = "state IN ('requested', 'active', 'suspended')";

/// The condition of a filter, on the first six values bound.
pub(super) fn matching(filter: &Filter) -> String {
    let part = |given: bool, condition: String, place: u8| match given {
        true => condition,
        false => format!("?{place} IS NULL"),
    };
    let is = |given: bool, column: &str, place: u8| part(given, format!("{column} = ?{place}"), place);
    let says = |text: &Option<String>, columns: &str, place: u8| {
        part(text.is_some(), format!("lower({columns}) LIKE ?{place} ESCAPE '!'"), place)
    };
    let saying = &filter.saying;
    let named = "recipient || ' ' || coalesce(recipient_name, '')";
    let states: Vec<String> = filter.states.iter().map(|state| format!("'{}'", state.as_str())).collect();
    [
        is(filter.subject.is_some(), "subject", 1),
        is(filter.recipient.is_some(), "recipient", 2),
        is(filter.state.is_some(), "state", 3),
        says(&saying.subject, "subject", 4),
        says(&saying.recipient, named, 5),
        says(&saying.scope, "scope", 6),
        if filter.standing { STANDING.to_owned() } else { "TRUE".to_owned() },
        if states.is_empty() { "TRUE".to_owned() } else { format!("state IN ({})", states.join(", ")) },
    ]
    .join(" AND ")
}

pub(super) fn bind_filter<'q>(query: Query<'q>, filter: &'q Filter) -> Query<'q> {
    let within = |text: &Option<String>| {
        let text = text.as_ref()?.to_ascii_lowercase();
        let plain = text.replace('!', "!!").replace('%', "!%").replace('_', "!_");
        Some(format!("%{plain}%"))
    };
    query
        .bind(filter.subject.as_ref().map(ToString::to_string))
        .bind(filter.recipient.as_deref())
        .bind(filter.state.map(State::as_str))
        .bind(within(&filter.saying.subject))
        .bind(within(&filter.saying.recipient))
        .bind(within(&filter.saying.scope))
}

/// Inserts consents under their numbers.
pub(super) async fn insert(
    conn: &mut SqliteConnection,
    consents: &[(i64, &Consent)],
) -> Result<(), StoreError> {
    for rows in consents.chunks(ROWS_AT_ONCE) {
        let values = vec![format!("({})", vec!["?"; BOUND].join(", ")); rows.len()].join(", ");
        let sql = format!(
            "INSERT INTO consent (key, id, arrangement, revision, subject, recipient, recipient_name, scope, \
             purpose, purpose_code, lawful_basis, valid_from, valid_until, data_from, data_until, modes, \
             retention, onward, method, evidence, state, since, ended_by, end_reason, recipient_contact, \
             policy_url, granularity, subscribe, text_lang, text_hash) VALUES {values}"
        );
        let mut query = sqlx::query(sqlx::AssertSqlSafe(sql));
        for (key, consent) in rows {
            query = bind(query.bind(*key), consent)?;
        }
        query.execute(&mut *conn).await?;
    }
    Ok(())
}

/// Writes a consent as it is now over what it was.
pub(super) async fn update(
    conn: &mut SqliteConnection,
    key: i64,
    consent: &Consent,
) -> Result<(), StoreError> {
    let query = sqlx::query(
        "UPDATE consent SET id = ?, arrangement = ?, revision = ?, subject = ?, recipient = ?, \
         recipient_name = ?, scope = ?, purpose = ?, purpose_code = ?, lawful_basis = ?, valid_from = ?, \
         valid_until = ?, data_from = ?, data_until = ?, modes = ?, retention = ?, onward = ?, method = ?, \
         evidence = ?, state = ?, since = ?, ended_by = ?, end_reason = ?, recipient_contact = ?, \
         policy_url = ?, granularity = ?, subscribe = ?, text_lang = ?, text_hash = ? WHERE key = ?",
    );
    bind(query, consent)?.bind(key).execute(conn).await?;
    Ok(())
}

pub(super) type Query<'q> = sqlx::query::Query<'q, sqlx::Sqlite, sqlx::sqlite::SqliteArguments>;

/// All fields but the number, in the order of both statements above.
fn bind<'q>(query: Query<'q>, consent: &'q Consent) -> Result<Query<'q>, StoreError> {
    let json = |e: serde_json::Error| StoreError::row(e.to_string());
    Ok(query
        .bind(consent.id.to_string())
        .bind(consent.arrangement.to_string())
        .bind(i64::from(consent.revision))
        .bind(consent.subject.to_string())
        .bind(consent.recipient.to_string())
        .bind(consent.recipient_name.as_deref())
        .bind(serde_json::to_string(&consent.scope).map_err(json)?)
        .bind(&consent.purpose)
        .bind(consent.purpose_code.as_deref())
        .bind(&consent.lawful_basis)
        .bind(millis(consent.valid_from))
        .bind(millis(consent.valid_until))
        .bind(consent.data_from.map(millis))
        .bind(consent.data_until.map(millis))
        .bind(serde_json::to_string(&consent.modes).map_err(json)?)
        .bind(consent.retention.as_str())
        .bind(consent.onward)
        .bind(&consent.method)
        .bind(consent.evidence.as_deref())
        .bind(consent.state.as_str())
        .bind(millis(consent.since))
        .bind(consent.ended_by.as_deref())
        .bind(consent.end_reason.as_deref())
        .bind(consent.recipient_contact.as_deref())
        .bind(consent.policy_url.as_deref())
        .bind(consent.granularity.as_ref().map(|g| g.as_str()))
        .bind(consent.subscribe)
        .bind(consent.text_lang.as_deref())
        .bind(consent.text_hash.as_deref()))
}

/// One consent by its id, within a transaction.
pub(super) async fn find(
    conn: &mut SqliteConnection,
    id: Uuid,
) -> Result<Option<(i64, Consent)>, StoreError> {
    let sql = sqlx::AssertSqlSafe(format!("{COLUMNS} WHERE id = ?"));
    let row = sqlx::query(sql).bind(id.to_string()).fetch_optional(conn).await?;
    Ok(row.as_ref().map(read).transpose()?.map(|(key, consent)| (key.0.cast_signed(), consent)))
}

pub(super) fn read(row: &SqliteRow) -> Result<(ConsentKey, Consent), StoreError> {
    let uuid = |text: &str| Uuid::parse_str(text).map_err(|e| StoreError::row(format!("consent id: {e}")));
    let json = |e: serde_json::Error| StoreError::row(e.to_string());
    let consent = Consent {
        id: uuid(row.try_get(1)?)?,
        arrangement: uuid(row.try_get(2)?)?,
        revision: u32::try_from(row.try_get::<i64, _>(3)?).map_err(|_| StoreError::row("a revision"))?,
        subject: row.try_get::<&str, _>(4)?.parse().map_err(StoreError::row)?,
        recipient: BareJid::new(row.try_get(5)?).map_err(|e| StoreError::row(format!("recipient: {e}")))?,
        recipient_name: row.try_get(6)?,
        scope: serde_json::from_str(row.try_get(7)?).map_err(json)?,
        purpose: row.try_get(8)?,
        purpose_code: row.try_get(9)?,
        lawful_basis: row.try_get(10)?,
        valid_from: timestamp(row.try_get(11)?)?,
        valid_until: timestamp(row.try_get(12)?)?,
        data_from: row.try_get::<Option<i64>, _>(13)?.map(timestamp).transpose()?,
        data_until: row.try_get::<Option<i64>, _>(14)?.map(timestamp).transpose()?,
        modes: serde_json::from_str(row.try_get(15)?).map_err(json)?,
        retention: row.try_get::<&str, _>(16)?.parse().map_err(StoreError::row)?,
        onward: row.try_get(17)?,
        method: row.try_get(18)?,
        evidence: row.try_get(19)?,
        state: row.try_get::<&str, _>(20)?.parse().map_err(StoreError::row)?,
        since: timestamp(row.try_get(21)?)?,
        ended_by: row.try_get(22)?,
        end_reason: row.try_get(23)?,
        recipient_contact: row.try_get(24)?,
        policy_url: row.try_get(25)?,
        granularity: row
            .try_get::<Option<&str>, _>(26)?
            .map(str::parse)
            .transpose()
            .map_err(StoreError::row)?,
        subscribe: row.try_get(27)?,
        text_lang: row.try_get(28)?,
        text_hash: row.try_get(29)?,
    };
    Ok((ConsentKey(row.try_get::<i64, _>(0)?.unsigned_abs()), consent))
}

fn read_event(row: &SqliteRow) -> Result<Event, StoreError> {
    let from: Option<&str> = row.try_get(3)?;
    Ok(Event {
        number: row.try_get::<i64, _>(0)?.unsigned_abs(),
        consent: ConsentKey(row.try_get::<i64, _>(1)?.unsigned_abs()),
        at: timestamp(row.try_get(2)?)?,
        from: from.map(str::parse).transpose().map_err(StoreError::row)?,
        to: row.try_get::<&str, _>(4)?.parse().map_err(StoreError::row)?,
        actor: row.try_get(5)?,
        note: row.try_get(6)?,
    })
}

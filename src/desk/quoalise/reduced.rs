//! History under consents with a granularity: read further than was asked, so that no period is cut, and answered
//! in whole periods that begin in the time asked for.

use super::answer::Gathered;
use super::history::Read;
use crate::desk::reducing::{Had, Reducing};
use crate::protocol::error::StanzaError;
use crate::senml::Resolved;

/// Records read from the store at once.
const AT_ONCE: usize = 8192;

/// So many read for one answer are many: the rest is for the next page.
const MANY: usize = 1_000_000;

/// Puts what may be had of a series and of this time into the answer; where the next page begins, if that is not
/// all.
pub(super) async fn gather(
    mut reducing: Reducing<'_>,
    read: Read<'_>,
    time: (f64, f64),
    room: usize,
    gathered: &mut Gathered,
) -> Result<Option<f64>, StanzaError> {
    if room == 0 {
        return Ok(Some(time.0));
    }
    let now = reducing.asker().now.as_millisecond();
    let asked = |at: f64| (time.0..time.1).contains(&at);
    let (mut from, until) = reducing.reach(time);
    let mut had: Vec<Had> = Vec::new();
    let mut count = 0;
    let mut rest = None;
    loop {
        let page = read.between(reducing.name(), (from, until), AT_ONCE, now).await?;
        count += page.records.len();
        had.extend(reducing.take(&page.records).into_iter().filter(|had| asked(had.at)));
        if reducing.has_fine() {
            had.extend(fine(&reducing, read, &page.records, asked, gathered));
        }
        let Some(next) = page.rest_from else { break };
        from = next;
        let settled = reducing.settled(from);
        if (count >= MANY || had.len() > room) && settled > time.0 {
            had.retain(|had| had.at < settled);
            rest = Some(settled);
            break;
        }
    }
    had.sort_by(|a, b| a.at.total_cmp(&b.at));
    // All of one instant come at once: the next page begins at a time.
    let last = had.get(room - 1).map(|had| had.at);
    let end = had.iter().take_while(|had| last.is_none_or(|last| had.at <= last)).count();
    if let Some(over) = had.get(end) {
        rest = Some(over.at);
        had.truncate(end);
    }
    if let Some(records) = reducing.records(&had, &mut gathered.tally) {
        records.iter().for_each(|record| gathered.records.push(&record));
    }
    // What lies behind the time asked for is no rest of it.
    Ok(rest.filter(|rest| *rest < time.1))
}

/// The records themselves, as far as another consent gives them.
fn fine(
    reducing: &Reducing<'_>,
    read: Read<'_>,
    records: &Resolved,
    asked: impl Fn(f64) -> bool,
    gathered: &mut Gathered,
) -> Vec<Had> {
    let mut of_it = Resolved::default();
    records.iter().filter(|record| asked(record.time())).for_each(|record| of_it.push(&record));
    let chosen = reducing.asker().select(reducing.name(), read.whose, &of_it, None, &mut gathered.tally);
    let had = |place: &u32| {
        let record = of_it.get(*place as usize)?;
        let unit = record.unit().map(Into::into);
        Some(Had { at: record.time(), value: record.number()?, unit, consent: None })
    };
    chosen.iter().filter_map(had).collect()
}

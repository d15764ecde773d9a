//! Whose data it is: who held a series over which time.
//!
//! A *tenure* is the time over which one person is the holder of a series, half-open in measuring time. A registration
//! keeps all its tenures, also after it was removed: what was measured then stays the data of who held it then.
//!
//! Registrations overlap (an exact series below a prefix). [`overlay`] turns the tenures of all registrations that
//! cover one name into one list, the most specific first: everything else is asked of that list.

use std::borrow::Cow;
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::node::NodeSettings;
use super::party::Subject;

/// The most tenures of one registration.
pub const TENURES_MAX: usize = 1000;

/// Who holds the series over a tenure. `S` is a [`Subject`], or the number that stands for one in the relay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holding<S = Subject> {
    /// This person.
    Held(S),
    /// Nobody: what is measured is acknowledged, neither kept nor sent.
    Vacant,
    /// This registration says nothing: it follows the next wider one (a node created below a prefix), or it was removed.
    Unregistered,
}

impl<S> Holding<S> {
    /// The same, of a holder that is borrowed.
    pub fn as_ref(&self) -> Holding<&S> {
        match self {
            Holding::Held(holder) => Holding::Held(holder),
            Holding::Vacant => Holding::Vacant,
            Holding::Unregistered => Holding::Unregistered,
        }
    }

    /// The holder, where there is one.
    pub fn holder(&self) -> Option<&S> {
        match self {
            Holding::Held(holder) => Some(holder),
            Holding::Vacant | Holding::Unregistered => None,
        }
    }
}

/// What a holder set, which counts for the data of their tenure alone.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Open data.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub open: bool,
    /// Access model, members, outcasts, further owners and the rest of the node.
    #[serde(skip_serializing_if = "NodeSettings::is_usual")]
    pub node: NodeSettings,
}

/// One tenure.
#[derive(Debug, Clone, PartialEq)]
pub struct Tenure<S = Subject> {
    /// Who holds the series.
    pub holder: Holding<S>,
    /// The measuring time from which it counts; `None`: without a beginning. It ends where the next one begins.
    pub from: Option<Timestamp>,
    /// When it was recorded, by the clock; `None`: before tenures were known.
    pub recorded: Option<Timestamp>,
    /// What the node was set to over this tenure; `None`: what the registration itself says.
    pub settings: Option<Box<Settings>>,
}

impl<S> Tenure<S> {
    /// A tenure without a beginning.
    pub fn always(holder: Holding<S>) -> Self {
        Tenure { holder, from: None, recorded: None, settings: None }
    }

    /// A tenure from this measuring time on.
    pub fn since(holder: Holding<S>, from: Timestamp, recorded: Timestamp) -> Self {
        Tenure { holder, from: Some(from), recorded: Some(recorded), settings: None }
    }

    /// When it was both begun and recorded: who gave something up knows of it from then on.
    fn known_from(&self) -> Option<Timestamp> {
        self.from.max(self.recorded)
    }
}

/// Why tenures are none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TenureError {
    /// There is none.
    #[error("a registration has at least one tenure")]
    None,
    /// There are too many.
    #[error("a registration has at most {TENURES_MAX} tenures")]
    TooMany,
    /// They are not in order.
    #[error("a tenure begins at {from}, which is not after the one before it; put them in the order of time")]
    Order {
        /// The beginning that is out of order.
        from: Instant,
    },
}

/// A beginning, as it is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instant(pub Option<Timestamp>);

impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(at) => at.fmt(f),
            None => f.write_str("no time"),
        }
    }
}

/// The tenures of a registration, in the order of their beginnings. There is at least one.
#[derive(Debug, Clone, PartialEq)]
pub struct Tenures<S = Subject>(Vec<Tenure<S>>);

/// A tenure with its end.
#[derive(Debug, PartialEq)]
pub struct Span<'a, S = Subject> {
    /// The tenure.
    pub tenure: &'a Tenure<S>,
    /// Where the next one begins; `None`: it has not ended.
    pub until: Option<Timestamp>,
}

impl<S> Clone for Span<'_, S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S> Copy for Span<'_, S> {}

impl<S> Span<'_, S> {
    /// Whether some time from `from` until before `until` lies in it.
    pub fn overlaps(&self, from: Option<Timestamp>, until: Option<Timestamp>) -> bool {
        let before = |start: Option<Timestamp>, end: Option<Timestamp>| match (start, end) {
            (Some(start), Some(end)) => start < end,
            _ => true,
        };
        before(self.tenure.from, until) && before(from, self.until) && before(from, until)
    }
}

/// Whether a measuring time (seconds since 1970) is at or after a beginning.
fn has_begun(from: Option<Timestamp>, time: f64) -> bool {
    from.is_none_or(|from| time >= from.as_duration().as_secs_f64())
}

impl<S: Clone + PartialEq> Tenures<S> {
    /// Of somebody who has always held it.
    pub fn of(holder: S) -> Self {
        Tenures(vec![Tenure::always(Holding::Held(holder))])
    }

    /// Of a registration that has no tenure of its own: it follows the next wider one.
    pub fn following() -> Self {
        Tenures(vec![Tenure::always(Holding::Unregistered)])
    }

    /// These, if they are in order: beginnings rise, and only the first may have none.
    pub fn new(list: Vec<Tenure<S>>) -> Result<Self, TenureError> {
        if list.is_empty() {
            return Err(TenureError::None);
        }
        if list.len() > TENURES_MAX {
            return Err(TenureError::TooMany);
        }
        match list.windows(2).find(|pair| pair[0].from >= pair[1].from) {
            Some(pair) => Err(TenureError::Order { from: Instant(pair[1].from) }),
            None => Ok(Tenures(list)),
        }
    }

    /// The same, of holders that are told apart in another way, without what they set.
    pub fn map<T>(&self, mut holder: impl FnMut(&S) -> T) -> Tenures<T> {
        let tenure = |tenure: &Tenure<S>| Tenure {
            holder: match &tenure.holder {
                Holding::Held(held) => Holding::Held(holder(held)),
                Holding::Vacant => Holding::Vacant,
                Holding::Unregistered => Holding::Unregistered,
            },
            from: tenure.from,
            recorded: tenure.recorded,
            settings: None,
        };
        Tenures(self.0.iter().map(tenure).collect())
    }

    /// Adds the tenure of the next holder.
    pub fn begin(&mut self, tenure: Tenure<S>) -> Result<(), TenureError> {
        if self.0.len() >= TENURES_MAX {
            return Err(TenureError::TooMany);
        }
        if self.last().from >= tenure.from {
            return Err(TenureError::Order { from: Instant(tenure.from) });
        }
        self.0.push(tenure);
        Ok(())
    }

    /// In the order of their beginnings.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Tenure<S>> + ExactSizeIterator {
        self.0.iter()
    }

    /// To change what was set over them.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Tenure<S>> {
        self.0.iter_mut()
    }

    /// The one that begins last.
    pub fn last(&self) -> &Tenure<S> {
        // There is at least one.
        &self.0[self.0.len() - 1]
    }

    /// The holder, if somebody has always held it: the ordinary case.
    pub fn only(&self) -> Option<&S> {
        match &*self.0 {
            [Tenure { holder: Holding::Held(holder), from: None, .. }] => Some(holder),
            _ => None,
        }
    }

    /// The tenure over this measuring time (seconds since 1970); `None` before the first begins.
    pub fn tenure_at(&self, time: f64) -> Option<&Tenure<S>> {
        Some(&self.0[self.place_at(time)?])
    }

    /// The place of the tenure over this measuring time in their order.
    pub fn place_at(&self, time: f64) -> Option<usize> {
        self.0.partition_point(|tenure| has_begun(tenure.from, time)).checked_sub(1)
    }

    /// Who held it at this measuring time (seconds since 1970).
    pub fn at(&self, time: f64) -> &Holding<S> {
        self.tenure_at(time).map_or(&Holding::Unregistered, |tenure| &tenure.holder)
    }

    /// Who holds it at this instant.
    pub fn present(&self, now: Timestamp) -> &Holding<S> {
        self.at(now.as_duration().as_secs_f64())
    }

    /// Each with its end.
    pub fn spans(&self) -> impl DoubleEndedIterator<Item = Span<'_, S>> {
        let until = |place: usize| self.0.get(place + 1).and_then(|next| next.from);
        self.0.iter().enumerate().map(move |(place, tenure)| Span { tenure, until: until(place) })
    }

    /// Those of which some time from `from` until before `until` is; either side may be open.
    pub fn between(
        &self,
        from: Option<Timestamp>,
        until: Option<Timestamp>,
    ) -> impl Iterator<Item = Span<'_, S>> {
        self.spans().filter(move |span| span.overlaps(from, until))
    }

    /// All who hold it, held it or will, each once, in the order of their first tenures.
    pub fn holders(&self) -> Vec<&S> {
        let mut found: Vec<&S> = Vec::new();
        for holder in self.0.iter().filter_map(|tenure| tenure.holder.holder()) {
            if !found.contains(&holder) {
                found.push(holder);
            }
        }
        found
    }

    /// Whether this person ever holds it.
    pub fn is_ever_held_by(&self, who: &S) -> bool {
        self.0.iter().any(|tenure| tenure.holder.holder() == Some(who))
    }

    /// For the tenure over this measuring time: from when on a consent of its holder must have been given to cover it.
    /// Who gave the series up and holds it again did not mean the later tenure with what they gave before. `None`:
    /// whenever it was given.
    pub fn given_since(&self, time: f64) -> Option<Timestamp> {
        let place = self.place_at(time)?;
        let holder = self.0[place].holder.holder()?;
        let is_theirs = |tenure: &Tenure<S>| tenure.holder.holder() == Some(holder);
        let earlier = &self.0[..place];
        let gap = earlier.iter().rposition(|tenure| !is_theirs(tenure))?;
        let last = earlier[..gap].iter().rposition(is_theirs)?;
        earlier[last + 1].known_from()
    }
}

/// The tenures of all registrations that cover one name, as one list: the most specific registration that says who
/// holds it counts. They are given the most specific first, removed ones too. `None` where nothing covers the name.
pub fn overlay<'a, S: Clone + PartialEq>(
    covering: impl IntoIterator<Item = &'a Tenures<S>>,
) -> Option<Cow<'a, Tenures<S>>> {
    let mut covering = covering.into_iter();
    let first = covering.next()?;
    let is_whole = |tenures: &Tenures<S>| {
        tenures.0[0].from.is_none() && tenures.0.iter().all(|t| t.holder != Holding::Unregistered)
    };
    if is_whole(first) {
        return Some(Cow::Borrowed(first));
    }
    let mut layers = vec![first];
    for tenures in covering {
        layers.push(tenures);
        if is_whole(tenures) {
            break;
        }
    }
    if layers.len() == 1 {
        return Some(Cow::Borrowed(first));
    }
    let mut borders: Vec<Option<Timestamp>> =
        layers.iter().flat_map(|tenures| tenures.0.iter().map(|tenure| tenure.from)).collect();
    borders.push(None);
    borders.sort_unstable();
    borders.dedup();
    let mut merged: Vec<Tenure<S>> = Vec::with_capacity(borders.len());
    for border in borders {
        let in_force = |tenures: &&'a Tenures<S>| -> Option<&'a Tenure<S>> {
            tenures.0[..tenures.0.partition_point(|tenure| tenure.from <= border)].last()
        };
        let counting = layers.iter().filter_map(in_force).find(|t| t.holder != Holding::Unregistered);
        let holder = counting.map_or(Holding::Unregistered, |tenure| tenure.holder.clone());
        if merged.last().is_some_and(|last| last.holder == holder) {
            continue;
        }
        // What was recorded at this border, in whichever layer: from then on the change is known.
        let changed = layers.iter().filter_map(in_force).filter(|tenure| tenure.from == border);
        let recorded = changed.map(|tenure| tenure.recorded).max().flatten();
        merged.push(Tenure { holder, from: border, recorded, settings: None });
    }
    Some(Cow::Owned(Tenures(merged)))
}

/// A tenure as it stands in JSON.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    holder: Option<String>,
    from: Option<Timestamp>,
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    registered: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    recorded: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    settings: Option<Box<Settings>>,
}

fn yes() -> bool {
    true
}

fn is_yes(value: &bool) -> bool {
    *value
}

impl Serialize for Tenures {
    fn serialize<Z: serde::Serializer>(&self, serializer: Z) -> Result<Z::Ok, Z::Error> {
        serializer.collect_seq(self.0.iter().map(|tenure| Written {
            holder: tenure.holder.holder().map(ToString::to_string),
            from: tenure.from,
            registered: tenure.holder != Holding::Unregistered,
            recorded: tenure.recorded,
            settings: tenure.settings.clone(),
        }))
    }
}

impl<'de> Deserialize<'de> for Tenures {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error;
        let read = |written: Written| {
            let holder = match written.holder {
                Some(holder) => Holding::Held(holder.parse().map_err(D::Error::custom)?),
                None if written.registered => Holding::Vacant,
                None => Holding::Unregistered,
            };
            let Written { from, recorded, settings, .. } = written;
            Ok(Tenure { holder, from, recorded, settings })
        };
        let list = Vec::<Written>::deserialize(deserializer)?;
        let list = list.into_iter().map(read).collect::<Result<_, D::Error>>()?;
        Tenures::new(list).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Holding::{Held, Unregistered, Vacant};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn tenure(holder: Holding<&'static str>, from: i64) -> Tenure<&'static str> {
        Tenure { holder, from: Some(at(from)), recorded: None, settings: None }
    }

    fn from_always(rest: Vec<Tenure<&'static str>>) -> Tenures<&'static str> {
        let list = std::iter::once(Tenure::always(Held("ann"))).chain(rest).collect();
        Tenures::new(list).unwrap()
    }

    #[test]
    fn a_border_is_half_open() {
        let tenures = from_always(vec![tenure(Held("carol"), 100)]);
        for (time, holder) in [
            (f64::NEG_INFINITY, "ann"),
            (-1e18, "ann"),
            (99.999, "ann"),
            (100.0, "carol"),
            (100.001, "carol"),
            (f64::MAX, "carol"),
        ] {
            assert_eq!(tenures.at(time), &Held(holder), "{time}");
        }
        let millis = Timestamp::from_millisecond(1_780_272_000_001).unwrap();
        let tenures = from_always(vec![Tenure::since(Held("carol"), millis, millis)]);
        assert_eq!(tenures.at(1_780_272_000.0), &Held("ann"));
        assert_eq!(tenures.at(1_780_272_000.001), &Held("carol"));
    }

    #[test]
    fn before_the_first_over_vacancy_and_after_removal_nobody_holds_it() {
        let list = vec![tenure(Held("ann"), 10), tenure(Vacant, 20), tenure(Held("bob"), 30)];
        let mut tenures = Tenures::new(list).unwrap();
        assert_eq!(tenures.at(9.0), &Unregistered);
        assert_eq!(tenures.at(10.0), &Held("ann"));
        assert_eq!(tenures.at(25.0), &Vacant);
        tenures.begin(tenure(Unregistered, 40)).unwrap();
        assert_eq!((tenures.at(39.0), tenures.at(40.0)), (&Held("bob"), &Unregistered));
        assert_eq!(tenures.present(at(25)).holder(), None);
        assert_eq!(tenures.holders(), [&"ann", &"bob"]);
        assert!(tenures.is_ever_held_by(&"bob") && !tenures.is_ever_held_by(&"eve"));
        let spans: Vec<_> =
            tenures.between(Some(at(15)), Some(at(20))).map(|s| (s.tenure.from, s.until)).collect();
        assert_eq!(spans, [(Some(at(10)), Some(at(20)))]);
        assert_eq!(tenures.between(Some(at(20)), None).count(), 3);
        assert_eq!(tenures.between(None, None).count(), 4);
        assert_eq!(tenures.between(Some(at(20)), Some(at(20))).count(), 0);
    }

    #[test]
    fn out_of_order_is_refused() {
        assert_eq!(Tenures::<&str>::new(vec![]), Err(TenureError::None));
        for list in [
            vec![tenure(Held("ann"), 10), tenure(Held("bob"), 10)],
            vec![tenure(Held("ann"), 10), tenure(Held("bob"), 9)],
            vec![Tenure::always(Held("ann")), Tenure::always(Held("bob"))],
            vec![tenure(Held("ann"), 10), Tenure::always(Held("bob"))],
        ] {
            assert!(matches!(Tenures::new(list), Err(TenureError::Order { .. })));
        }
        let mut tenures = from_always(vec![tenure(Held("bob"), 10)]);
        assert!(tenures.begin(tenure(Held("ann"), 10)).is_err());
        for second in 11..TENURES_MAX as i64 + 9 {
            tenures.begin(tenure(Vacant, second)).unwrap();
        }
        assert_eq!(tenures.begin(tenure(Vacant, 1 << 20)), Err(TenureError::TooMany));
        assert!(tenures.only().is_none());
        assert_eq!(Tenures::of("ann").only(), Some(&"ann"));
        assert_eq!(Tenures::<&str>::following().only(), None);
    }

    #[test]
    fn who_comes_back_gives_anew() {
        let recorded = |mut tenure: Tenure<&'static str>, when| {
            tenure.recorded = Some(at(when));
            tenure
        };
        let tenures = from_always(vec![
            recorded(tenure(Held("bob"), 100), 150),
            tenure(Vacant, 200),
            tenure(Held("ann"), 300),
            tenure(Held("ann"), 350),
            recorded(tenure(Held("bob"), 400), 390),
            tenure(Held("ann"), 500),
        ]);
        for (time, since) in [
            (50.0, None),
            (120.0, None),
            (250.0, None),
            // Recorded later than it counted from.
            (320.0, Some(150)),
            (360.0, Some(150)),
            (420.0, Some(200)),
            (520.0, Some(400)),
        ] {
            assert_eq!(tenures.given_since(time), since.map(at), "{time}");
        }
    }

    #[test]
    fn the_most_specific_that_says_who_holds_it_counts() {
        let prefix = from_always(vec![tenure(Held("carol"), 100)]);
        let below = Tenures::new(vec![tenure(Held("dora"), 50), tenure(Unregistered, 150)]).unwrap();
        let following = Tenures::following();
        let merged = overlay([&following, &below, &prefix]).unwrap();
        for (time, holder) in
            [(0.0, Held("ann")), (50.0, Held("dora")), (120.0, Held("dora")), (150.0, Held("carol"))]
        {
            assert_eq!(merged.at(time), &holder, "{time}");
        }
        assert_eq!(merged.iter().len(), 3);
        assert!(matches!(overlay([&prefix, &below]), Some(Cow::Borrowed(_))));
        assert_eq!(overlay([&below]).unwrap().at(0.0), &Unregistered);
        assert!(overlay::<&str>([]).is_none());
        // A vacancy is said, not passed over.
        let vacant = Tenures::new(vec![tenure(Vacant, 10)]).unwrap();
        assert_eq!(overlay([&vacant, &prefix]).unwrap().at(20.0), &Vacant);
        // By way of another registration one comes back too.
        let away = Tenures::new(vec![tenure(Held("bob"), 10), tenure(Unregistered, 20)]).unwrap();
        let merged = overlay([&away, &prefix]).unwrap().into_owned();
        assert_eq!(merged.given_since(30.0), Some(at(10)));
    }

    #[test]
    fn json_loses_nothing() {
        let text = r#"[{"holder":"ann@home.example","from":null,"settings":{"open":true}},{"holder":null,"from":"2026-01-01T00:00:00Z","recorded":"2026-01-02T00:00:00Z"},{"holder":null,"from":"2026-02-01T00:00:00Z","registered":false},{"holder":"ref:7","from":"2026-03-01T00:00:00Z"}]"#;
        let tenures: Tenures = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&tenures).unwrap(), text);
        let holders: Vec<_> = tenures.iter().map(|tenure| tenure.holder.clone()).collect();
        let held = |who: &str| Held(who.parse::<Subject>().unwrap());
        assert_eq!(holders, [held("ann@home.example"), Vacant, Unregistered, held("ref:7")]);
        for wrong in ["[]", r#"[{"holder":"@x","from":null}]"#, r#"[{"holder":null}]"#] {
            assert!(serde_json::from_str::<Tenures>(wrong).is_err() || wrong.contains("null}"), "{wrong}");
        }
    }

    mod properties {
        use super::*;
        use proptest::prelude::*;

        fn holding() -> impl Strategy<Value = Holding<u8>> {
            prop_oneof![(0u8..3).prop_map(Held), Just(Vacant), Just(Unregistered)]
        }

        fn tenures() -> impl Strategy<Value = Tenures<u8>> {
            let rest = prop::collection::btree_map(0i64..50, (holding(), prop::option::of(0i64..50)), 0..6);
            (prop::option::of(holding()), rest).prop_filter_map("at least one", |(first, rest)| {
                let rest = rest.into_iter().map(|(from, (holder, recorded))| Tenure {
                    holder,
                    from: Some(at(from)),
                    recorded: recorded.map(at),
                    settings: None,
                });
                Tenures::new(first.map(Tenure::always).into_iter().chain(rest).collect()).ok()
            })
        }

        proptest! {
            #[test]
            fn spans_cut_time_into_parts(tenures in tenures(), time in -5i64..60) {
                let here: Vec<_> =
                    tenures.between(Some(at(time)), Some(at(time + 1))).map(|span| span.tenure.clone()).collect();
                let held = tenures.tenure_at(time as f64);
                prop_assert_eq!(here.len(), usize::from(held.is_some()));
                prop_assert_eq!(here.first(), held);
            }

            #[test]
            fn the_overlay_says_what_its_layers_say(
                layers in prop::collection::vec(tenures(), 1..4), time in -5i64..60,
            ) {
                let merged = overlay(&layers).unwrap();
                let one_by_one = layers.iter().map(|layer| layer.at(time as f64)).find(|h| **h != Unregistered);
                prop_assert_eq!(merged.at(time as f64), one_by_one.unwrap_or(&Unregistered));
                prop_assert!(merged.iter().zip(merged.iter().skip(1)).all(|(one, next)| one.from < next.from));
            }

            #[test]
            fn a_later_tenure_changes_nothing_before_it(
                tenures in tenures(), holder in holding(), from in 50i64..60, time in -5i64..60,
            ) {
                let mut longer = tenures.clone();
                longer.begin(Tenure::since(holder, at(from), at(from))).unwrap();
                let expected = if time >= from { &holder } else { tenures.at(time as f64) };
                prop_assert_eq!(longer.at(time as f64), expected);
                if time < from {
                    prop_assert_eq!(longer.given_since(time as f64), tenures.given_since(time as f64));
                }
            }

            #[test]
            fn only_who_gave_it_up_gives_anew(tenures in tenures(), time in -5i64..60) {
                let Some(held) = tenures.at(time as f64).holder() else {
                    prop_assert_eq!(tenures.given_since(time as f64), None);
                    return Ok(());
                };
                let mut gave_up = false;
                let mut came_back = false;
                for second in -5..=time {
                    let is_theirs = tenures.at(second as f64).holder() == Some(held);
                    let was_theirs = (-5..second).any(|before| tenures.at(before as f64).holder() == Some(held));
                    gave_up |= was_theirs && !is_theirs;
                    came_back |= gave_up && is_theirs;
                }
                prop_assert_eq!(tenures.given_since(time as f64).is_some(), came_back);
            }
        }
    }
}

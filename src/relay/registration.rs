//! What the relay keeps of a registration: enough to decide, in little room, since there is one for each of a
//! hundred thousand meters. What is set on few of them is kept whole.

use std::time::Duration;

use jid::BareJid;

use super::parties::{Parties, Party};
use super::rows::Numbered;
use crate::domain::access::Setting;
use crate::domain::name::Scope;
use crate::domain::series::Series;
use crate::domain::tenure::{Holding, Settings, Tenure, Tenures};

/// As it is kept.
#[derive(Debug)]
pub(super) struct Kept {
    key: u64,
    /// Where its name is filed.
    pub(super) name: u32,
    /// Who has always held it, or [`Party::NOBODY`] where there is more to say (see [`More::tenures`]).
    holder: Party,
    /// Who alone may publish, or [`Party::NOBODY`].
    producer: Party,
    open: bool,
    /// What few have.
    more: Option<Box<More>>,
}

/// What is set on few registrations.
#[derive(Debug)]
struct More {
    /// All who may publish, where they are two or more.
    producers: Box<[Party]>,
    /// Who held it when, where that was not always the same person.
    tenures: Option<Box<Tenures<Party>>>,
    /// The registration as it is, where more of it is set than what is kept beside it.
    whole: Option<Box<Series>>,
}

impl Numbered for Kept {
    fn number(&self) -> u64 {
        self.key
    }
}

impl Kept {
    /// `name` is where its own is filed.
    pub(super) fn new(key: u64, series: Box<Series>, name: u32, parties: &mut Parties) -> Self {
        let only = series.tenures.only().filter(|_| series.tenures.last().settings.is_none());
        let is_usual = series.node.is_usual()
            && only.is_some()
            && series.meta.is_empty()
            && series.title.is_none()
            && series.source.is_none()
            // Written back it must read the same.
            && series.retention.is_none();
        let mut producers: Vec<Party> = series.producers.iter().map(|who| parties.number(who)).collect();
        let producer =
            if producers.len() < 2 { producers.pop().unwrap_or(Party::NOBODY) } else { Party::NOBODY };
        let (holder, tenures) = match only {
            Some(holder) => (parties.number_subject(holder), None),
            None => (Party::NOBODY, Some(Box::new(numbered(&series.tenures, parties)))),
        };
        let open = series.open;
        let is_more = !is_usual || !producers.is_empty();
        let whole = (!is_usual).then_some(series);
        let more = is_more.then(|| Box::new(More { producers: producers.into(), tenures, whole }));
        Kept { key, name, holder, producer, open, more }
    }

    fn whole(&self) -> Option<&Series> {
        self.more.as_ref()?.whole.as_deref()
    }

    /// Who held it when; nothing where it was always [`Kept::holder`].
    pub(super) fn tenures(&self) -> Option<&Tenures<Party>> {
        self.more.as_ref()?.tenures.as_deref()
    }

    /// Who has always held it.
    pub(super) fn holder(&self) -> Party {
        self.holder
    }

    /// Whether it was removed, and only says whose its past is.
    pub(super) fn is_removed(&self) -> bool {
        self.tenures().is_some() && self.whole().is_some_and(Series::is_removed)
    }

    /// Whether it says nothing of its own: who holds the next wider registration holds it too.
    pub(super) fn only_follows(&self) -> bool {
        let says_nothing = |series: &Series| {
            let mut tenures = series.tenures.iter();
            let first =
                tenures.next().is_some_and(|t| t.holder == Holding::Unregistered && t.settings.is_none());
            first && tenures.next().is_none()
        };
        self.tenures().is_some() && self.whole().is_some_and(says_nothing)
    }

    /// Whether nobody holds it at some time.
    pub(super) fn has_vacancy(&self) -> bool {
        self.tenures().is_some_and(|tenures| tenures.iter().any(|tenure| tenure.holder == Holding::Vacant))
    }

    /// Whether anybody was ever put off its node.
    pub(super) fn has_outcasts(&self) -> bool {
        self.whole().is_some_and(|series| {
            let put_off =
                |tenure: &Tenure| tenure.settings.as_ref().is_some_and(|s| !s.node.outcasts.is_empty());
            !series.node.outcasts.is_empty() || series.tenures.iter().any(put_off)
        })
    }

    /// Whether items are kept.
    pub(super) fn keeps(&self) -> bool {
        !self.is_removed() && self.retention().is_some_and(|retention| !retention.is_zero())
    }

    fn retention(&self) -> Option<Duration> {
        Some(self.whole()?.retention.as_ref()?.nominal())
    }

    /// Who may publish.
    pub(super) fn producers(&self) -> impl Iterator<Item = Party> {
        let only = (self.producer != Party::NOBODY).then_some(self.producer);
        only.into_iter().chain(self.more.iter().flat_map(|more| more.producers.iter().copied()))
    }
}

/// The same tenures, of people as numbers.
fn numbered(tenures: &Tenures, parties: &mut Parties) -> Tenures<Party> {
    tenures.map(|holder| parties.number_subject(holder))
}

/// A registration, to be asked.
#[derive(Debug, Clone, Copy)]
pub struct Registration<'a> {
    pub(super) name: &'a Scope,
    pub(super) kept: &'a Kept,
    pub(super) parties: &'a Parties,
}

impl<'a> Registration<'a> {
    /// Exact, or a prefix.
    pub fn name(&self) -> &'a Scope {
        self.name
    }

    /// Whether this address may publish here.
    pub fn may_publish(&self, sender: &BareJid) -> bool {
        match self.kept.whole() {
            Some(series) => series.may_publish(sender),
            None => self.parties.find(sender).is_some_and(|party| self.produces(party)),
        }
    }

    fn produces(&self, who: Party) -> bool {
        self.kept.producers().any(|producer| producer == who)
    }

    /// What its node is set to for this address; `settings`: of a tenure where they are not the present ones.
    pub(super) fn setting(&self, who: Party, settings: Option<&Settings>) -> Setting {
        let Some(series) = self.kept.whole() else {
            return Setting { open: self.kept.open, ..Setting::CLOSED };
        };
        let (open, node) = settings.map_or((series.open, &series.node), |set| (set.open, &set.node));
        let nobody = Setting { open, whitelist: node.whitelist, ..Setting::CLOSED };
        if !node.whitelist && node.outcasts.is_empty() && node.publish_only.is_empty() {
            return nobody;
        }
        self.asked(who, |series, who| Setting::of(series, settings, who)).unwrap_or(nobody)
    }

    /// What its node was set to for this address at this measuring time, if this registration says so.
    pub(super) fn setting_at(&self, who: Party, measured: f64) -> Option<Setting> {
        let Some(series) = self.kept.whole().filter(|_| self.kept.tenures().is_some()) else {
            return Some(self.setting(who, None));
        };
        let tenure = series.tenures.tenure_at(measured)?;
        let counts = tenure.holder != Holding::Unregistered || !series.is_removed();
        counts.then(|| self.setting(who, tenure.settings.as_deref()))
    }

    /// Whether it is open data, or its node has a list of those who may have it.
    pub fn rests_on_no_consent(&self) -> bool {
        self.kept.open || self.kept.whole().is_some_and(|series| series.node.whitelist)
    }

    /// Whether it is open data for everyone.
    pub(super) fn is_open_to_all(&self) -> bool {
        let lists =
            |series: &Series| !(series.node.outcasts.is_empty() && series.node.publish_only.is_empty());
        self.kept.open && !self.kept.whole().is_some_and(lists)
    }

    /// By how many seconds the time of a record lies behind its measuring time.
    pub(super) fn stamped_late_by(&self) -> f64 {
        self.kept.whole().map_or(0.0, Series::stamped_late_by)
    }

    /// What the registration says of an address, where it is kept whole.
    fn asked<T>(&self, who: Party, ask: impl FnOnce(&Series, &BareJid) -> T) -> Option<T> {
        let series = self.kept.whole()?;
        // Who has no address is on no list, of whatever kind.
        let who = self.parties.address(who).and_then(|(text, _)| BareJid::new(text).ok());
        who.map(|who| ask(series, &who))
    }

    /// Whether what is delivered of it is of type `headline`, where it says.
    pub fn headline(&self) -> Option<bool> {
        self.kept.whole()?.node.headline
    }

    /// How many items are kept at most, where it says.
    pub fn max_items(&self) -> Option<u32> {
        self.kept.whole()?.node.max_items
    }

    /// How long items are kept, where it says.
    pub fn retention(&self) -> Option<Duration> {
        self.kept.retention()
    }

    /// The registration as it was recorded.
    pub fn to_series(&self) -> Option<Series> {
        if let Some(series) = self.kept.whole() {
            return Some(series.clone());
        }
        let address = |party| self.parties.address(party).and_then(|(text, _)| BareJid::new(text).ok());
        Some(Series {
            name: self.name.clone(),
            tenures: Tenures::of(self.parties.subject(self.kept.holder)?),
            producers: self.kept.producers().filter_map(address).collect(),
            open: self.kept.open,
            retention: None,
            title: None,
            source: None,
            meta: serde_json::Map::default(),
            node: Default::default(),
        })
    }

    /// What more is recorded of what it measures, where there is anything.
    pub fn described(&self) -> Option<&'a Series> {
        self.kept.whole()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::access::Affiliation;

    fn series() -> Series {
        Series {
            name: Scope::parse("urn:a").unwrap(),
            tenures: Tenures::of("ann@home.example".parse().unwrap()),
            producers: vec!["gw@prod.example".parse().unwrap(), "b@prod.example".parse().unwrap()],
            open: true,
            retention: None,
            title: None,
            source: None,
            meta: Default::default(),
            node: Default::default(),
        }
    }

    #[test]
    fn it_says_what_the_registration_says() {
        let mut changes: Vec<Series> = vec![series()];
        changes.push(Series { producers: vec![], ..series() });
        changes.push(Series { producers: vec!["gw@prod.example".parse().unwrap()], ..series() });
        changes.push(Series { tenures: Tenures::of("ref:file 7".parse().unwrap()), open: false, ..series() });
        changes.push(Series { retention: Some("P1D".parse().unwrap()), ..series() });
        let mut unusual = series();
        unusual.node.whitelist = true;
        unusual.node.members = vec!["app@coop.example".parse().unwrap()];
        unusual.node.outcasts = vec!["out@coop.example".parse().unwrap()];
        changes.push(unusual.clone());
        unusual.node.publish_only = vec!["gw@prod.example".parse().unwrap()];
        changes.push(unusual.clone());
        unusual.node.whitelist = false;
        changes.push(unusual);
        for series in changes {
            let mut parties = Parties::default();
            let names = ["ann@home.example", "gw@prod.example", "app@coop.example", "out@coop.example"];
            let people = names.map(|name| BareJid::new(name).unwrap());
            let numbers = people.clone().map(|who| parties.number(&who));
            assert!(size_of::<Option<Kept>>() <= 32, "{}", size_of::<Option<Kept>>());
            let kept = Kept::new(1, Box::new(series.clone()), 0, &mut parties);
            let registration = Registration { name: &series.name, kept: &kept, parties: &parties };
            assert_eq!(registration.to_series().as_ref(), Some(&series));
            for (who, party) in people.iter().zip(numbers) {
                assert_eq!(registration.may_publish(who), series.may_publish(who), "{who}");
                let (told, right) = (registration.setting(party, None), Setting::of(&series, None, who));
                // Who publishes is asked only where it decides.
                let told_of = matches!(
                    right.affiliation,
                    Affiliation::Publisher | Affiliation::Owner | Affiliation::Member
                ) && told.affiliation == Affiliation::None;
                assert_eq!((told.open, told.whitelist), (right.open, right.whitelist), "{who}");
                assert!(told_of && !right.whitelist || told.affiliation == right.affiliation, "{who}");
            }
            assert!(!registration.may_publish(&BareJid::new("x@y").unwrap()));
            let retention = series.retention.as_ref().map(|retention| retention.nominal());
            assert_eq!(registration.retention(), retention);
        }
    }
}

//! People who publish, consent, subscribe, and change their minds.

use courant::domain::consent::{Consent, Modes, State};
use courant::domain::name::Scope;
use courant::domain::series::Series;
use courant::domain::tenure::Tenures;
use jid::BareJid;
use uuid::Uuid;

use super::disk::{Changed, Disk};
use super::meter;
use super::site::Request;
use super::story::{Act, NODES, SITES};
use super::world::{What, World, server_name};

/// The recipients of an installation: at the other's server, at two more, at its own; one account does
/// not exist, and two are services, which are published to.
pub(crate) fn recipient(site: usize, who: usize) -> String {
    let (other, own) = (server_name((site + 1) % SITES), server_name(site));
    match who {
        0 => format!("u0@{other}"),
        1 => format!("u1@{other}"),
        2 => "u0@s2.test".into(),
        3 => "u1@s2.test".into(),
        4 => "u0@s3.test".into(),
        5 => "u1@s3.test".into(),
        6 => format!("u0@{own}"),
        7 => format!("hub.{other}"),
        8 => "hub.s3.test".into(),
        _ => "ghost@s2.test".into(),
    }
}

/// A node's name.
pub(crate) fn node(node: usize) -> String {
    format!("urn:dev:m{node}")
}

fn scope(number: usize) -> Scope {
    let name = match number {
        0..=2 => node(number),
        3..=5 => format!("{}*", node(number - 3)),
        _ => "urn:dev:*".into(),
    };
    Scope::parse(&name).unwrap_or(Scope::Exact(name.into()))
}

fn address(text: &str) -> BareJid {
    BareJid::new(text).unwrap_or_else(|e| panic!("{text}: {e}"))
}

/// The gateway of an installation.
pub(crate) fn gateway(site: usize) -> BareJid {
    address(&format!("gw@{}", server_name(site)))
}

/// What is there from the beginning.
pub(crate) fn registrations(site: usize, disk: &mut Disk) {
    for number in 0..NODES {
        let owner = if number == 2 { recipient(site, 3) } else { "ann@home.test".into() };
        let series = Series {
            name: Scope::Prefix(node(number).into()),
            tenures: Tenures::of(owner.parse().unwrap_or_else(|e: String| panic!("{owner}: {e}"))),
            producers: vec![gateway(site)],
            open: false,
            retention: None,
            title: None,
            source: None,
            meta: Default::default(),
            node: Default::default(),
        };
        disk.people.series.insert(number as u64 + 1, series);
    }
    let since = jiff::Timestamp::from_second(1_770_000_000).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    let until = since + jiff::SignedDuration::from_hours(10_000);
    let consent = consent(Uuid::from_u128(u128::from(meter::CONSENT) << 8 | site as u128), since, until);
    meter::settle_in(disk, site, gateway(site).as_str(), consent);
}

/// What people do. Whether there was anything to do.
pub(crate) fn act(world: &mut World, act: &Act) -> bool {
    let changed = match *act {
        Act::Publish { site, node, items, both, bulk } => {
            publish(world, site, node, items, both, bulk);
            return true;
        }
        Act::Measure { site, packs } => {
            world.measure(site, packs);
            return true;
        }
        Act::Repeat { site, back } => {
            let Some(request) = earlier(world, site, back) else { return false };
            world.after(0, What::Republish { site, request, unasked: true });
            return true;
        }
        Act::Correct { site, back, turn } => {
            let Some(request) = earlier(world, site, back) else { return false };
            let requests = &mut world.sites[site].requests;
            let mut items = requests[request].items.clone();
            for record in items.iter_mut().flat_map(|(_, records)| records) {
                // Values are halves.
                record.2 = (record.2 * 2.0).floor() / 2.0 + turn as f64 / 8.0;
            }
            let node = requests[request].node.clone();
            requests.push(Request { node, items, acked: false, refused: false });
            let request = requests.len() - 1;
            world.after(0, What::Republish { site, request, unasked: false });
            return true;
        }
        Act::Give { site, who, scope: scopes, lasts, windowed } => {
            let now = world.wall(site);
            let place = &mut world.sites[site];
            place.consents += 1;
            let until = now + jiff::SignedDuration::from_millis(lasts.unwrap_or(300 * 86_400_000) as i64);
            let window = windowed.then(|| now - jiff::SignedDuration::from_secs(1800));
            let id = Uuid::from_u128(u128::from(place.consents) << 8 | site as u128);
            let consent = Consent {
                recipient: address(&recipient(site, who)),
                scope: vec![scope(scopes)],
                data_from: window,
                ..consent(id, now, until)
            };
            let key = place.consents;
            place.disk.give(key, consent);
            site
        }
        Act::End { site, pick } => {
            let Some(key) = standing(world, site, pick, &[State::Active, State::Suspended]) else {
                return false;
            };
            let place = &world.sites[site];
            // While nothing can be written the reserve serves every other one.
            if place.failing_until > world.now && pick % 2 == 1 {
                return world.halt(site, key);
            }
            world.sites[site].disk.end(key, State::Withdrawn);
            site
        }
        Act::Suspend { site, pick } => {
            let Some(key) = standing(world, site, pick, &[State::Active]) else { return false };
            edit(world, site, key, |consent| consent.state = State::Suspended)
        }
        Act::Resume { site, pick } => {
            let Some(key) = standing(world, site, pick, &[State::Suspended]) else { return false };
            edit(world, site, key, |consent| consent.state = State::Active)
        }
        Act::Narrow { site, pick } => {
            let Some(key) = standing(world, site, pick, &[State::Active]) else { return false };
            let from = world.wall(site) - jiff::SignedDuration::from_secs(600);
            edit(world, site, key, |consent| {
                consent.revision += 1;
                consent.data_from = Some(consent.data_from.map_or(from, |held| held.max(from)));
            })
        }
        Act::Unsubscribe { site, pick } => {
            let minutes = meter::recipient(site);
            let all = world.sites[site].disk.people.subscriptions.iter();
            let all = all.filter(|(_, subscription)| subscription.jid.as_str() != minutes);
            let keys: Vec<u64> = all.map(|(key, _)| *key).collect();
            if keys.is_empty() {
                return false;
            }
            world.sites[site].disk.unsubscribe(keys[pick % keys.len()]);
            site
        }
        Act::Subscribe { site, who, scope: number } => {
            world.sites[site].disk.subscribe(address(&recipient(site, who)), scope(number));
            site
        }
        Act::Open { site, node } | Act::Close { site, node } => {
            let key = node as u64 + 1;
            let disk = &mut world.sites[site].disk;
            if let Some(series) = disk.people.series.get_mut(&key) {
                series.open = matches!(act, Act::Open { .. });
            }
            disk.changes.push(Changed::Series(key));
            site
        }
        _ => return false,
    };
    world.reconsider(changed);
    let wait = world.rng.below(500);
    world.after(wait, What::News { site: changed });
    true
}

/// The publish so many back, of those that are not the meter's.
fn earlier(world: &World, site: usize, back: usize) -> Option<usize> {
    let requests = world.sites[site].requests.iter().enumerate();
    let theirs: Vec<usize> =
        requests.filter(|(_, r)| r.node != meter::NAME).map(|(place, _)| place).collect();
    (!theirs.is_empty()).then(|| theirs[theirs.len() - 1 - back % theirs.len()])
}

/// A consent of nobody's to anything yet.
fn consent(id: Uuid, since: jiff::Timestamp, until: jiff::Timestamp) -> Consent {
    Consent {
        id,
        arrangement: id,
        revision: 1,
        subject: "ann@home.test".parse().unwrap_or_else(|e: String| panic!("{e}")),
        recipient: address("nobody@s0.test"),
        recipient_name: None,
        recipient_contact: None,
        policy_url: None,
        scope: Vec::new(),
        purpose: "advice".into(),
        purpose_code: None,
        lawful_basis: "consent".into(),
        valid_from: since,
        valid_until: until,
        data_from: None,
        data_until: None,
        granularity: None,
        modes: Modes::BOTH,
        subscribe: true,
        retention: "P1Y".parse().unwrap_or_else(|_| panic!("a period")),
        onward: false,
        method: "cli".into(),
        evidence: None,
        text_lang: None,
        text_hash: None,
        state: State::Active,
        since,
        ended_by: None,
        end_reason: None,
    }
}

fn edit(world: &mut World, site: usize, key: u64, change: impl FnOnce(&mut Consent)) -> usize {
    let disk = &mut world.sites[site].disk;
    if let Some(consent) = disk.people.consents.get_mut(&key) {
        change(consent);
    }
    disk.changes.push(Changed::Consent(key));
    site
}

fn standing(world: &World, site: usize, pick: usize, states: &[State]) -> Option<u64> {
    let consents = world.sites[site].disk.people.consents.iter();
    let keys: Vec<u64> = consents
        .filter(|(key, c)| **key != meter::CONSENT && states.contains(&c.state))
        .map(|(k, _)| *k)
        .collect();
    (!keys.is_empty()).then(|| keys[pick % keys.len()])
}

fn publish(world: &mut World, site: usize, number: usize, items: usize, both: bool, bulk: usize) {
    let wall = world.wall(site).as_millisecond() / 1000;
    for _ in 0..bulk {
        let place = &mut world.sites[site];
        let mut list = Vec::with_capacity(items);
        for _ in 0..items {
            place.items += 1;
            let value = place.items;
            let at = wall - (value as i64 * 397 % 3600);
            let name = node(number);
            let mut records = vec![(name.clone(), at as f64, value as f64)];
            if both {
                records.push((format!("{name}/b"), at as f64, value as f64 + 0.5));
            }
            list.push((format!("i{value}"), records));
        }
        place.requests.push(Request { node: node(number), items: list, acked: false, refused: false });
        let request = place.requests.len() - 1;
        world.after(0, What::Republish { site, request, unasked: false });
    }
}

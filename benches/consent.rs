//! What a consent check costs with 100 000 consents and 1 000 prefix scopes in memory, and how long they take to
//! be there.

use courant::domain::access::{Access, Setting, Situation, decide};
use courant::domain::consent::{Consent, ConsentKey, Mode};
use courant::domain::decision::{Question, Standing};
use courant::domain::name::Scope;
use courant::domain::subscription::{Format, Subscription, SubscriptionKey};
use courant::domain::tenure::Holding;
use courant::relay::rights::{Rights, Update};
use divan::{Bencher, black_box};
use jid::Jid;

/// How many consents, and of how many of them the scope is a prefix.
const CONSENTS: u64 = 100_000;
const PREFIXES: u64 = 1_000;

fn main() {
    divan::main();
}

fn consent(number: u64) -> Consent {
    let scope = match number < PREFIXES {
        true => format!("urn:dev:meter:{}*", "7".repeat(1 + number as usize % 40) + &number.to_string()),
        false => format!("urn:dev:prm:{number}_consumption/power/active/raw"),
    };
    let json = serde_json::json!({
        "id": format!("01934000-0000-7000-8000-{number:012x}"),
        "arrangement": format!("01934000-0000-7000-8000-{number:012x}"),
        "revision": 1, "subject": "owner@home.localhost", "recipient": format!("app{}@coop.example", number % 500),
        "scope": [scope], "purpose": "energy advice", "lawful_basis": "consent",
        "valid_from": "2026-01-01T00:00:00Z", "valid_until": "2027-01-01T00:00:00Z",
        "modes": ["notify", "history"], "retention": "P1Y", "method": "cli", "state": "active",
        "since": "2026-01-01T00:00:00Z",
    });
    serde_json::from_value(json).expect("a consent")
}

fn all() -> Vec<Update> {
    (0..CONSENTS).map(|n| Update::Consent(ConsentKey(n + 1), Some(Box::new(consent(n))))).collect()
}

/// One record, one recipient: may it leave?
#[divan::bench]
fn check(bencher: Bencher) {
    let mut rights = Rights::default();
    all().into_iter().for_each(|update| rights.apply(update));
    let series = "urn:dev:prm:50007_consumption/power/active/raw";
    let wish = Subscription {
        jid: Jid::new("app7@coop.example").expect("an address"),
        node: Scope::parse(series).expect("a name"),
        format: Format::default(),
    };
    rights.apply(Update::Subscription(SubscriptionKey(1), Some(wish)));
    let now = "2026-06-01T00:00:00Z".parse().expect("a time");
    bencher.bench_local(|| {
        let found = rights.look_up(black_box(series));
        let subscriber = found.subscribers().next().expect("one who subscribed");
        let question = Question {
            series,
            time: 1_780_000_000.0,
            recipient: &subscriber.party,
            mode: Mode::Notify,
            now,
            is_reduced: false,
        };
        let (_, grant) = found.consents().next().expect("one that names it");
        let holder = Holding::Held(grant.subject());
        let situation = Situation { holder, given_since: None, setting: Setting::CLOSED, is_present: true };
        let answer = decide(found.consents().map(|(_, grant)| grant), question, &situation);
        assert!(matches!(answer, Access::Permit(_)));
    });
}

/// All of them into memory, once read.
#[divan::bench(sample_count = 5, sample_size = 1)]
fn load(bencher: Bencher) {
    bencher.with_inputs(all).bench_local_values(|updates| {
        let mut rights = Rights::default();
        updates.into_iter().for_each(|update| rights.apply(update));
        rights
    });
}

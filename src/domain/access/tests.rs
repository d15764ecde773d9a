use jiff::SignedDuration;
use proptest::prelude::*;
use uuid::Uuid;

use super::super::consent::tests::sample;
use super::super::consent::{Consent, Modes, State};
use super::super::name::Scope;
use super::super::party::Subject;
use super::super::tenure::{Tenure, Tenures};
use super::super::whose::Whose;
use super::*;

const NAME: &str = "urn:dev:prm:1";

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_780_000_000 + second).unwrap()
}

fn seconds(second: i64) -> f64 {
    1_780_000_000.0 + second as f64
}

fn subject(name: &str) -> Subject {
    format!("{name}@home.example").parse().unwrap()
}

fn jid(name: &str) -> jid::BareJid {
    jid::BareJid::new(&format!("{name}@home.example")).unwrap()
}

/// A consent of this person for `app`.
fn consent(of: &str) -> Consent {
    let mut consent = sample();
    consent.subject = subject(of);
    consent.recipient = jid("app");
    consent
}

fn question<'a>(who: &'a jid::BareJid, mode: Mode, time: f64, now: Timestamp) -> Question<'a> {
    Question { series: NAME, time, recipient: who, mode, now, is_reduced: false }
}

fn told(answer: Access<'_, Consent>) -> Result<&'static str, Denial> {
    match answer {
        Access::Permit(Basis::Own) => Ok("own"),
        Access::Permit(Basis::Producer) => Ok("producer"),
        Access::Permit(Basis::Listed) => Ok("listed"),
        Access::Permit(Basis::Open) => Ok("open"),
        Access::Permit(Basis::Consent(_)) => Ok("consent"),
        Access::Deny(denial) => Err(denial),
    }
}

/// Every basis by every affiliation and both modes: what leaves of a record that ann holds.
#[test]
fn every_basis_by_every_affiliation() {
    use Affiliation::{Member, None as Nothing, Outcast, Owner, PublishOnly, Publisher};
    let (ann, app) = (subject("ann"), jid("app"));
    let none: Result<&str, Denial> = Err(Denial::NoneRegistered);
    let out: Result<&str, Denial> = Err(Denial::Outcast);
    // Without a consent and with one: authorize, open, whitelist; sent, and fetched where that differs.
    let table = [
        (Owner, [none, Ok("open"), none], [Ok("consent"), Ok("open"), Ok("consent")]),
        (Publisher, [none, Ok("open"), Ok("listed")], [Ok("consent"), Ok("open"), Ok("listed")]),
        (PublishOnly, [none, none, none], [Ok("consent"), Ok("consent"), Ok("consent")]),
        (Member, [none, Ok("open"), Ok("listed")], [Ok("consent"), Ok("open"), Ok("listed")]),
        (Outcast, [out, out, out], [out, out, out]),
        (Nothing, [none, Ok("open"), none], [Ok("consent"), Ok("open"), Ok("consent")]),
    ];
    for (affiliation, without, with) in table {
        let (carol, own): (Subject, Subject) = (subject("carol"), app.to_string().parse().unwrap());
        for (model, (without, with)) in without.into_iter().zip(with).enumerate() {
            let setting = Setting { affiliation, open: model == 1, whitelist: model == 2 };
            let situation = |holder| Situation { holder, given_since: None, setting, is_present: true };
            let held = situation(Holding::Held(&ann));
            let given = [consent("ann")];
            for (mode, consents, right) in [
                (Mode::Notify, &given[..0], without),
                (Mode::Notify, &given[..], with),
                (Mode::History, &given[..0], without),
                (Mode::History, &given[..], with),
            ] {
                let fetches_its_own = affiliation == Publisher && mode == Mode::History;
                let right = if fetches_its_own { Ok("producer") } else { right };
                let question = question(&app, mode, seconds(0), at(0));
                let case = format!("{affiliation:?} {model} {mode:?} {}", consents.len());
                assert_eq!(told(decide(consents, question, &held)), right, "{case}");
                // What nobody holds is nobody's to have; what is another's rests on no consent of ann's.
                for nobody in [Holding::Vacant, Holding::Unregistered] {
                    let right = if affiliation == Outcast { out } else { none };
                    assert_eq!(told(decide(consents, question, &situation(nobody))), right, "{case}");
                }
                let answer = told(decide(consents, question, &situation(Holding::Held(&carol))));
                assert_ne!(answer, Ok("consent"), "{case}");
                // One's own needs nothing, whatever one is to the node.
                let answer = told(decide(consents, question, &situation(Holding::Held(&own))));
                assert_eq!(answer, Ok("own"), "{case}");
            }
        }
    }
}

#[test]
fn a_producer_fetches_of_the_present_tenure_alone() {
    let (ann, app) = (subject("ann"), jid("app"));
    let setting = Setting { affiliation: Affiliation::Publisher, ..Setting::CLOSED };
    for (is_present, right) in [(true, Ok("producer")), (false, Err(Denial::NoneRegistered))] {
        let situation = Situation { holder: Holding::Held(&ann), given_since: None, setting, is_present };
        let question = question(&app, Mode::History, seconds(0), at(0));
        assert_eq!(told(decide(&[], question, &situation)), right);
    }
}

/// Whose series: by the registrations of a prefix and of a name.
fn whose(json: serde_json::Value) -> Whose {
    let around: Vec<Series> = serde_json::from_value(json).unwrap();
    Whose::of(around, &Scope::parse(NAME).unwrap()).unwrap()
}

fn answer(
    whose: &Whose,
    consents: &[Consent],
    who: &str,
    time: f64,
    now: Timestamp,
) -> Result<&'static str, Denial> {
    let who = jid(who);
    let measured = whose.measured(time);
    let situation = whose.situation(&who, measured, now);
    told(decide(consents, question(&who, Mode::History, measured, now), &situation))
}

#[test]
fn settings_end_with_the_tenure_of_who_made_them() {
    let whose = whose(serde_json::json!([{
        "name": NAME,
        "tenures": [
            {"holder": "ann@home.example", "from": null,
             "settings": {"open": true, "node": {"outcasts": ["eve@home.example"]}}},
            {"holder": "carol@home.example", "from": at(100)},
        ],
        "node": {"outcasts": ["app@home.example"]},
    }]));
    let (of_ann, of_carol) = (seconds(50), seconds(100));
    let both = [consent("ann"), consent("carol")];
    for (who, of_anns, of_carols) in [
        ("ann", Ok("own"), Err(Denial::NoneRegistered)),
        ("carol", Ok("open"), Ok("own")),
        ("eve", Err(Denial::Outcast), Err(Denial::NoneRegistered)),
        ("app", Ok("open"), Err(Denial::Outcast)),
        ("zoe", Ok("open"), Err(Denial::NoneRegistered)),
    ] {
        assert_eq!(answer(&whose, &both, who, of_ann, at(200)), of_anns, "{who} of ann's");
        assert_eq!(answer(&whose, &both, who, of_carol, at(200)), of_carols, "{who} of carol's");
    }
}

#[test]
fn an_outcast_of_a_node_is_outcast_of_all_below_it_on_a_slash() {
    let below = |above: &str| {
        let around: Vec<Series> = serde_json::from_value(serde_json::json!([
            {"name": format!("{NAME}/power"), "owner": "ann@home.example", "open": true},
            {"name": above, "owner": "ann@home.example", "node": {"outcasts": ["app@home.example"]}},
        ]))
        .unwrap();
        Whose::of(around, &Scope::parse(&format!("{NAME}/power")).unwrap()).unwrap()
    };
    let app = jid("app");
    let of = |above: &str| below(above).situation_now(&app, at(0)).setting.affiliation;
    assert_eq!(of(NAME), Affiliation::Outcast);
    // What does not begin the name on a slash is not above it; a wider prefix is another registration.
    assert_eq!(of("urn:dev:prm:*"), Affiliation::None);
}

#[test]
fn with_stamps_of_the_end_the_measuring_time_is_before() {
    let whose = whose(serde_json::json!([{
        "name": NAME, "meta": {"stamp": "end", "sampling-interval": "PT60S"},
        "tenures": [
            {"holder": "ann@home.example", "from": null},
            {"holder": "carol@home.example", "from": at(600)},
        ],
    }]));
    assert_eq!(answer(&whose, &[], "ann", seconds(600), at(700)), Ok("own"));
    assert_eq!(answer(&whose, &[], "ann", seconds(659), at(700)), Ok("own"));
    assert_eq!(answer(&whose, &[], "carol", seconds(660), at(700)), Ok("own"));
}

#[test]
fn who_comes_back_is_not_bound_by_what_they_gave_before() {
    let recorded = at(0) + SignedDuration::from_secs(5);
    let whose = whose(serde_json::json!([{
        "name": NAME,
        "tenures": [
            {"holder": "ann@home.example", "from": null},
            {"holder": "carol@home.example", "from": at(0), "recorded": recorded},
            {"holder": "ann@home.example", "from": at(100), "recorded": at(100)},
        ],
    }]));
    let given = |when: Timestamp| {
        let mut consent = consent("ann");
        let millis = u128::from(when.as_millisecond().unsigned_abs());
        consent.id = Uuid::from_u128(millis << 80 | 7 << 76 | 2 << 62);
        assert_eq!(consent.given_at(), when);
        [consent]
    };
    for (when, right) in [(at(-1), false), (at(4), false), (recorded, true), (at(150), true)] {
        assert_eq!(answer(&whose, &given(when), "app", seconds(200), at(300)).is_ok(), right, "{when}");
        // What they held then is covered whenever it was given.
        assert_eq!(answer(&whose, &given(when), "app", seconds(-10), at(300)), Ok("consent"));
    }
}

/// Random consents, tenures and settings: nothing leaves that must not.
mod properties {
    use super::*;

    const PEOPLE: [&str; 3] = ["ann", "bob", "carol"];

    fn consent_of_anyone() -> impl Strategy<Value = Consent> {
        let state = prop::sample::select(State::ALL.map(|(state, _)| state).to_vec());
        let scope = prop::sample::select(vec![NAME, "urn:dev:prm:*", "urn:dev:other"]);
        let window = (prop::option::of(-50i64..150), 1i64..100);
        let modes = prop::sample::select(vec![(true, true), (true, false), (false, true)]);
        (0usize..3, state, scope, window, modes, any::<u64>(), -50i64..50).prop_map(
            |(of, state, scope, (from, length), (notify, history), id, begins)| {
                let mut consent = consent(PEOPLE[of]);
                consent.id = Uuid::from_u128(u128::from(id));
                consent.state = state;
                consent.scope = vec![Scope::parse(scope).unwrap()];
                consent.data_from = from.map(at);
                consent.data_until = from.map(|from| at(from + length));
                consent.modes = Modes { notify, history };
                consent.valid_from = at(begins);
                consent.valid_until = at(begins + 100);
                consent
            },
        )
    }

    fn tenures() -> impl Strategy<Value = Tenures> {
        let holder = || prop_oneof![3 => (0usize..3).prop_map(|of| Holding::Held(subject(PEOPLE[of]))), 1 => Just(Holding::Vacant)];
        let set = |outcast: Option<bool>, open| Settings {
            open,
            node: NodeSettings {
                outcasts: outcast.map(|_| jid("app")).into_iter().collect(),
                ..NodeSettings::default()
            },
        };
        let settings =
            (prop::option::of(any::<bool>()), any::<bool>()).prop_map(move |(out, open)| set(out, open));
        let rest = prop::collection::btree_map(-50i64..150, (holder(), prop::option::of(settings)), 0..5);
        (holder(), rest).prop_map(|(first, rest)| {
            let rest = rest.into_iter().map(|(from, (holder, settings))| Tenure {
                settings: settings.map(Box::new),
                ..Tenure::since(holder, at(from), at(from))
            });
            Tenures::new(std::iter::once(Tenure::always(first)).chain(rest).collect()).unwrap()
        })
    }

    fn series(tenures: Tenures) -> Whose {
        let json = serde_json::json!({"name": NAME, "owner": "ann@home.example"});
        let mut series: Series = serde_json::from_value(json).unwrap();
        series.tenures = tenures;
        Whose::of(vec![series], &Scope::parse(NAME).unwrap()).unwrap()
    }

    proptest! {
        #[test]
        fn nothing_leaves_that_must_not(
            consents in prop::collection::vec(consent_of_anyone(), 0..5), tenures in tenures(),
            time in -60i64..160, now in -60i64..160, which in 0usize..5, history in any::<bool>(),
        ) {
            let (who, measured) = (jid("app"), seconds(time));
            let mode = if history { Mode::History } else { Mode::Notify };
            let ask = |consents: &[Consent], tenures: &Tenures| {
                let whose = series(tenures.clone());
                let situation = whose.situation(&who, measured, at(now));
                match decide(consents, question(&who, mode, measured, at(now)), &situation) {
                    Access::Permit(Basis::Consent(consent)) => Ok(Some(consent.clone())),
                    Access::Permit(_) => Ok(None),
                    Access::Deny(denial) => Err(denial),
                }
            };
            let answer = ask(&consents, &tenures);
            let tenure = tenures.tenure_at(measured).unwrap();
            // Never under a consent of somebody who did not hold it.
            if let Ok(Some(consent)) = &answer {
                prop_assert_eq!(tenure.holder.holder(), Some(&consent.subject));
                prop_assert!(consent.is_live(at(now)) && consent.covers(NAME));
            }
            // An outcast never gets anything, and nobody anything of a vacancy.
            if tenure.settings.as_ref().is_some_and(|set| !set.node.outcasts.is_empty()) {
                prop_assert_eq!(&answer, &Err(Denial::Outcast));
            }
            if tenure.holder == Holding::Vacant {
                prop_assert!(answer.is_err());
            }
            // Ending or narrowing one never widens.
            if let Some(place) = (!consents.is_empty()).then(|| which % consents.len()) {
                let mut ended = consents.clone();
                ended[place].state = State::Withdrawn;
                prop_assert!(answer.is_ok() || ask(&ended, &tenures).is_err());
                let mut narrowed = consents.clone();
                narrowed[place].data_from = Some(at(time + 1));
                prop_assert!(answer.is_ok() || ask(&narrowed, &tenures).is_err());
            }
            // The tenure of a fourth person never lets out by a consent what stayed before.
            let dora = Holding::Held(subject("dora"));
            let mut longer = tenures.clone();
            longer.begin(Tenure::since(dora, at(155), at(155))).unwrap();
            let moved = ask(&consents, &longer);
            if time < 155 {
                prop_assert_eq!(moved, answer);
            } else {
                prop_assert!(moved.is_err());
            }
        }
    }
}

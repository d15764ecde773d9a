//! Forms as people fill them in: shown again, left and come back to, given up, half empty, twice.

use super::commands::{ADMIN, CAMILLE, answered, command, filled, refused, run};
use super::stage::{SERIES, Stage, nothing_else};
use crate::support::Peer;

const ADVISER: &str = "adviser@coop.example";

fn session_of(form: &str) -> String {
    form.split("sessionid='").nth(1).and_then(|rest| rest.split('\'').next()).expect("a session").to_owned()
}

fn with(session: &str, action: &str) -> String {
    format!("sessionid='{session}' action='{action}'")
}

/// Takes what comes until each of these words was in something, in any order.
async fn hears_all(peer: &mut Peer, words: &[&str]) -> String {
    let mut heard = String::new();
    while !words.iter().all(|word| heard.contains(word)) {
        heard += &peer.recv().await;
    }
    heard
}

/// What stands in a field of a form.
fn field<'f>(form: &'f str, var: &str) -> &'f str {
    let from = form.find(&format!("<field var='{var}'")).unwrap_or_else(|| panic!("{var} in {form}"));
    form[from..].split("</field>").next().unwrap_or_default()
}

fn valued(form: &str, var: &str, value: &str) -> bool {
    field(form, var).contains(&format!("<value>{value}</value>"))
}

#[tokio::test]
async fn a_form_shown_again_keeps_what_it_shows() {
    let mut stage = Stage::home("").await;
    let mut peer = stage.start().await;
    for (who, node) in [(CAMILLE, "give-consent"), (ADMIN, "consent-add")] {
        let session = session_of(&run(&mut peer, who, node, "", "").await);
        let first = filled(&[
            ("subject", "camille@home.example"),
            ("recipient", "@@"),
            ("granularity", "PT1H"),
            ("retention", "P1D"),
            ("scope", SERIES),
            ("purpose", node),
        ]);
        let again = run(&mut peer, who, node, &with(&session, "complete"), &first).await;
        assert!(again.contains("<note type='error'>Recipient"), "{again}");
        assert!(valued(&again, "granularity", "PT1H") && valued(&again, "retention", "P1D"), "{again}");
        // Only what was wrong is said again; the rest is what the form showed.
        let second = filled(&[("recipient", ADVISER)]);
        peer.send(&command(who, "run", node, &with(&session, "complete"), &second)).await;
        let done = hears_all(&mut peer, &["status='completed'", "You gave"]).await;
        assert!(valued(&done, "granularity", "PT1H") && valued(&done, "retention", "P1D"), "{done}");
    }
}

#[tokio::test]
async fn only_what_is_submitted_counts() {
    let mut stage = Stage::home("").await;
    let mut peer = stage.start().await;
    let of_type = |type_: &str| {
        filled(&[("recipient", ADVISER), ("scope", SERIES), ("purpose", "advice")])
            .replace("type='submit'", &format!("type='{type_}'"))
    };
    // XEP-0004: a form of type 'cancel' gives up.
    peer.ask(
        &command(CAMILLE, "c1", "give-consent", "action='execute'", &of_type("cancel")),
        &answered(CAMILLE, "c1", "give-consent", "canceled", "en", ""),
    )
    .await;
    let session = session_of(&run(&mut peer, CAMILLE, "give-consent", "", "").await);
    peer.ask(
        &command(CAMILLE, "c2", "give-consent", &with(&session, "complete"), &of_type("cancel")),
        &answered(CAMILLE, "c2", "give-consent", "canceled", "en", ""),
    )
    .await;
    peer.ask(
        &command(CAMILLE, "c3", "give-consent", &with(&session, "complete"), &of_type("submit")),
        &refused(CAMILLE, "c3", "bad-request", "modify", "en", "bad-sessionid"),
    )
    .await;
    // What asks or answers submits nothing; the session goes on.
    let session = session_of(&run(&mut peer, CAMILLE, "give-consent", "", "").await);
    for type_ in ["form", "result", "other"] {
        for attributes in [String::new(), with(&session, "complete")] {
            let said = peer
                .ask(
                    &command(CAMILLE, "c4", "give-consent", &attributes, &of_type(type_)),
                    &refused(CAMILLE, "c4", "bad-request", "modify", "en", "bad-payload"),
                )
                .await;
            assert!(said["text"].contains(type_) && said["text"].contains("type='submit'"), "{said:?}");
        }
    }
    assert!(stage.cli(&["consent", "list"]).contains("No consent"));
    peer.send(&command(CAMILLE, "c5", "give-consent", &with(&session, "complete"), &of_type("submit"))).await;
    hears_all(&mut peer, &["status='completed'", "You gave"]).await;
}

#[tokio::test]
async fn who_goes_back_finds_what_was_filled_in() {
    let mut stage = Stage::home("").await;
    let mut peer = stage.start().await;
    for purpose in ["advice", "research"] {
        let asked = filled(&[("scope", SERIES), ("purpose", purpose)]);
        peer.send(&command("adviser@coop.example/desk", "run", "request-access", "", &asked)).await;
        hears_all(&mut peer, &["status='completed'", "pubsub#subscribe_authorization"]).await;
    }
    let form = run(&mut peer, CAMILLE, "pending-requests", "", "").await;
    let session = session_of(&form);
    let ids: Vec<&str> = form.split("<option").skip(1).filter_map(|o| o.split("<value>").nth(1)).collect();
    let choose = |n: usize| filled(&[("id", ids[n].split('<').next().unwrap())]);
    run(&mut peer, CAMILLE, "pending-requests", &with(&session, "next"), &choose(0)).await;
    let half = filled(&[("answer", "yes"), ("granularity", "P1D")]);
    let back = run(&mut peer, CAMILLE, "pending-requests", &with(&session, "prev"), &half).await;
    assert!(back.contains("<next/>"), "{back}");
    let again = run(&mut peer, CAMILLE, "pending-requests", &with(&session, "next"), &choose(0)).await;
    assert!(valued(&again, "answer", "yes") && valued(&again, "granularity", "P1D"), "{again}");
    // Another request is another answer.
    run(&mut peer, CAMILLE, "pending-requests", &with(&session, "prev"), "").await;
    let other = run(&mut peer, CAMILLE, "pending-requests", &with(&session, "next"), &choose(1)).await;
    assert!(!valued(&other, "granularity", "P1D"), "{other}");
    let done = filled(&[("granularity", "")]);
    let wrong = run(&mut peer, CAMILLE, "pending-requests", &with(&session, "complete"), &done).await;
    assert!(wrong.contains("<note type='error'>Your answer"), "{wrong}");
}

#[tokio::test]
async fn an_edit_that_is_gone_back_to_is_read_anew() {
    let (_stage, consent, mut peer) = Stage::with_an_adviser("").await;
    let choice = filled(&[("id", &consent)]);
    let session = session_of(&run(&mut peer, ADMIN, "consent-edit", "", "").await);
    let form = run(&mut peer, ADMIN, "consent-edit", &with(&session, "next"), &choice).await;
    assert!(valued(&form, "revision", "1") && valued(&form, "retention", "P1Y"), "{form}");
    let faster = filled(&[("id", &consent), ("retention", "P30D")]);
    peer.send(&command("admin@example.org/phone", "run", "consent-edit", "", &faster)).await;
    hears_all(&mut peer, &["status='completed'", "was changed; it says now"]).await;
    let mine = filled(&[("retention", "P1Y"), ("granularity", "P1D"), ("revision", "1")]);
    let told = run(&mut peer, ADMIN, "consent-edit", &with(&session, "complete"), &mine).await;
    assert!(told.contains("somebody else changed it meanwhile"), "{told}");
    run(&mut peer, ADMIN, "consent-edit", &with(&session, "prev"), "").await;
    let anew = run(&mut peer, ADMIN, "consent-edit", &with(&session, "next"), &choice).await;
    assert!(valued(&anew, "revision", "2") && valued(&anew, "retention", "P30D"), "{anew}");
    assert!(valued(&anew, "granularity", "P1D"), "what was filled in stays: {anew}");
    // A revision that never was, and one that is no number.
    for (revision, said) in [("99", "there is no revision 99"), ("x", "Revision: ")] {
        let fields = filled(&[("id", &consent), ("retention", "P7D"), ("revision", revision)]);
        let answer = run(&mut peer, ADMIN, "consent-edit", "", &fields).await;
        assert!(answer.contains("bad-payload") && answer.contains(said), "{answer}");
        assert!(!answer.contains("invalid digit"), "{answer}");
    }
    nothing_else(&mut peer).await;
}

#[tokio::test]
async fn one_field_holds_one_value() {
    let mut stage = Stage::home("").await;
    let mut peer = stage.start().await;
    let twice = filled(&[("recipient", ADVISER), ("recipient", "other@coop.example"), ("purpose", "x")]);
    let said = peer
        .ask(
            &command(CAMILLE, "c", "give-consent", "", &twice),
            &refused(CAMILLE, "c", "bad-request", "modify", "en", "bad-payload"),
        )
        .await;
    assert!(said["text"].starts_with("Recipient: only one value"), "{said:?}");
    assert!(stage.cli(&["consent", "list"]).contains("No consent"));
}

#[tokio::test]
async fn no_way_at_all_is_not_every_way() {
    let (stage, consent, mut peer) = Stage::with_an_adviser("").await;
    let asked = filled(&[("scope", SERIES), ("purpose", "research")]);
    peer.send(&command("app@coop.example/1", "run", "request-access", "", &asked)).await;
    let request = hears_all(&mut peer, &["is pending", "pubsub#subscribe_authorization"]).await;
    let request = request.split("The request ").nth(1).unwrap()[..36].to_owned();
    let empty = "<field var='modes'/></x>";
    let given = [("recipient", "o@coop.example"), ("scope", SERIES), ("purpose", "x")];
    let added = [&given[..], &[("subject", "camille@home.example")]].concat();
    for (who, node, fields) in [
        (CAMILLE, "give-consent", &given[..]),
        (ADMIN, "consent-add", &added),
        (CAMILLE, "pending-requests", &[("id", &*request), ("answer", "yes")]),
        (ADMIN, "consent-edit", &[("id", &*consent), ("retention", "P1D")]),
    ] {
        for (language, words) in
            [("en", "How: choose at least one way"), ("fr", "Comment : choisissez au moins")]
        {
            let content = filled(fields).replace("</x>", empty);
            let answer = run(&mut peer, who, node, &format!("xml:lang='{language}'"), &content).await;
            assert!(answer.contains("bad-payload") && answer.contains(words), "{node}: {answer}");
        }
    }
    assert!(!stage.cli(&["consent", "show", &consent]).contains("P1D"));
}

#[tokio::test]
async fn what_is_given_away_is_chosen() {
    let mut stage = Stage::home("").await;
    stage.series("urn:dev:prm:gas", "gw@prod.example");
    let mut peer = stage.start().await;
    let form = run(&mut peer, CAMILLE, "give-consent", "", "").await;
    assert!(!field(&form, "scope").contains("<value>"), "{form}");
    let fields = filled(&[("recipient", ADVISER), ("purpose", "advice")]);
    for (language, words) in [("en", "Series: please fill this in"), ("fr", "Séries : à remplir")] {
        let answer =
            run(&mut peer, CAMILLE, "give-consent", &format!("xml:lang='{language}'"), &fields).await;
        for part in ["bad-payload", words, SERIES, "urn:dev:prm:gas"] {
            assert!(answer.contains(part), "{part} in {answer}");
        }
    }
    assert!(stage.cli(&["consent", "list"]).contains("No consent"));
}

#[tokio::test]
async fn a_name_is_a_line() {
    let mut stage = Stage::home("").await;
    stage.series("urn:dev:prm:gas", "gw@prod.example");
    let mut peer = stage.start().await;
    let two = format!("{SERIES}\n urn:dev:prm:gas ");
    for (scope, taken) in [("urn:dev prm", false), ("urn:dev,urn:prm", false), (&*two, true)] {
        let fields = filled(&[
            ("subject", "camille@home.example"),
            ("recipient", ADVISER),
            ("scope", scope),
            ("purpose", "advice"),
        ]);
        let answer = run(&mut peer, ADMIN, "consent-add", "", &fields).await;
        assert_eq!(answer.contains("status='completed'"), taken, "{answer}");
        assert!(taken || answer.contains("Series: "), "{answer}");
        assert!(!taken || answer.contains(&format!("<value>{SERIES}</value><value>urn:dev:prm:gas</value>")));
    }
    let fields = filled(&[("name", "urn:dev:x"), ("owner", "camille@home.example"), ("producers", "x y")]);
    let mut answer = run(&mut peer, ADMIN, "series-add", "", &fields).await;
    assert!(answer.contains("bad-payload") && answer.contains("Producers: "), "{answer}");
    let fields = fields.replace("x y", "gw@prod.example");
    answer = run(&mut peer, ADMIN, "series-add", "", &fields).await;
    assert!(answer.contains("status='completed'"), "{answer}");
}

#[tokio::test]
async fn what_no_edit_changes_is_named() {
    let (stage, consent, mut peer) = Stage::with_an_adviser("").await;
    let fields = filled(&[("id", &consent), ("purpose", "other"), ("retention", "P29D")]);
    for (language, words) in
        [("en", "Purpose: this stays as it is"), ("fr", "Finalité : ceci reste tel quel")]
    {
        let answer = run(&mut peer, ADMIN, "consent-edit", &format!("xml:lang='{language}'"), &fields).await;
        assert!(answer.contains("bad-payload") && answer.contains(words), "{answer}");
    }
    assert!(!stage.cli(&["consent", "show", &consent]).contains("P29D"));
}

#[tokio::test]
async fn a_recipient_is_somebody_else_and_somebody() {
    let mut stage = Stage::home("").await;
    let mut peer = stage.start().await;
    for (recipient, words, french) in [
        (
            "bob",
            "Recipient: 'bob' is neither an address nor a domain",
            "« bob » n’est pas une adresse XMPP nue ni un domaine",
        ),
        ("Camille@home.example", "Recipient: that is the person concerned", "c’est la personne concernée"),
        ("energy.example.org", "Recipient: that is this service itself", "c’est ce service lui-même"),
    ] {
        let given = [("recipient", recipient), ("scope", SERIES), ("purpose", "x")];
        let added = [&given[..], &[("subject", "camille@home.example")]].concat();
        for (who, node, fields) in [(CAMILLE, "give-consent", &given[..]), (ADMIN, "consent-add", &added)] {
            let answer = run(&mut peer, who, node, "", &filled(fields)).await.replace("&apos;", "'");
            assert!(answer.contains("bad-payload") && answer.contains(words), "{answer}");
            let answer = run(&mut peer, who, node, "xml:lang='fr'", &filled(fields)).await;
            assert!(answer.contains("bad-payload") && answer.contains(french), "{answer}");
        }
    }
    let add = ["consent", "add", "--subject", "camille@home.example", "--purpose", "x", "--scope", SERIES];
    stage.cli_fails(&[&add[..], &["--recipient", "energy.example.org"]].concat(), 1);
    stage.cli_fails(&[&add[..], &["--recipient", "bob"]].concat(), 2);
    assert!(stage.cli(&["consent", "list"]).contains("No consent"));
    // A service, by explicit choice.
    let fields = filled(&[("recipient", "coop.example"), ("scope", SERIES), ("purpose", "x")]);
    peer.send(&command(CAMILLE, "run", "give-consent", "", &fields)).await;
    hears_all(&mut peer, &["status='completed'", "You gave"]).await;
}

#[tokio::test]
async fn an_arrangement_that_is_not_there_is_not_renewed() {
    let (stage, consent, mut peer) = Stage::with_an_adviser("").await;
    let record: serde_json::Value =
        serde_json::from_str(&stage.cli(&["consent", "show", &consent, "--json"])).unwrap();
    let arrangement = record["arrangement"].as_str().unwrap();
    let nobodys = "00000000-0000-4000-8000-000000000000";
    let words = "no consent between this person and this recipient has that arrangement";
    let fields = [
        ("subject", "camille@home.example"),
        ("recipient", ADVISER),
        ("scope", SERIES),
        ("purpose", "x"),
        ("arrangement", nobodys),
    ];
    let answer = run(&mut peer, ADMIN, "consent-add", "", &filled(&fields)).await;
    assert!(answer.contains("bad-payload") && answer.contains(words), "{answer}");
    // A stranger cannot tell somebody's arrangement from nobody's.
    let mut told = Vec::new();
    for arrangement in [nobodys, arrangement] {
        let fields = filled(&[("scope", SERIES), ("purpose", "x"), ("arrangement", arrangement)]);
        told.push(run(&mut peer, "stranger@far.example/1", "request-access", "", &fields).await);
    }
    assert!(told[0].contains("bad-payload") && told[0].contains(words), "{told:?}");
    assert_eq!(told[0], told[1]);
    // Whose it is renews it.
    let fields = filled(&[("scope", SERIES), ("purpose", "x"), ("arrangement", arrangement)]);
    let asked = run(&mut peer, "adviser@coop.example/desk", "request-access", "", &fields).await;
    assert!(asked.contains("is pending"), "{asked}");
}

#[tokio::test]
async fn given_twice_is_given_once() {
    let mut stage = Stage::home("").await;
    let mut peer = stage.start().await;
    let given = [("recipient", ADVISER), ("scope", SERIES), ("purpose", "advice")];
    let added = [&given[..], &[("subject", "camille@home.example")]].concat();
    peer.send(&command(CAMILLE, "run", "give-consent", "", &filled(&given))).await;
    let first = hears_all(&mut peer, &["Receipt: ", "You gave", "subscription='subscribed'"]).await;
    let id = first.split("Receipt: ").nth(1).unwrap()[..36].to_owned();
    for (who, node, fields) in [(CAMILLE, "give-consent", &given[..]), (ADMIN, "consent-add", &added)] {
        let again = run(&mut peer, who, node, "", &filled(fields)).await;
        assert!(again.contains("status='completed'"), "{again}");
        assert!(again.contains(&format!("This consent is there already: {id} (active)")), "{again}");
        assert!(valued(&again, "id", &id), "{again}");
    }
    nothing_else(&mut peer).await;
    // What says something else is another one; what was ended is given again.
    let finer = [&given[..], &[("granularity", "PT1H")]].concat();
    peer.send(&command(CAMILLE, "run", "give-consent", "", &filled(&finer))).await;
    hears_all(&mut peer, &["Receipt: ", "You gave"]).await;
    peer.send(&command(CAMILLE, "run", "withdraw-consent", "", &filled(&[("id", &id)]))).await;
    hears_all(&mut peer, &["Withdrawn: ", "state='withdrawn'", "was withdrawn by you"]).await;
    peer.send(&command(CAMILLE, "run", "give-consent", "", &filled(&given))).await;
    hears_all(&mut peer, &["Receipt: ", "You gave"]).await;
}

#[tokio::test]
async fn what_a_person_gave_below_a_beginning_is_not_what_an_operator_records() {
    let mut stage = Stage::home("").await;
    let mut peer = stage.start().await;
    let given = [("recipient", ADVISER), ("scope", "urn:dev:prm:*"), ("purpose", "advice")];
    let added = [&given[..], &[("subject", "camille@home.example")]].concat();
    peer.send(&command(CAMILLE, "run", "give-consent", "", &filled(&given))).await;
    hears_all(&mut peer, &["Receipt: ", "You gave", "subscription='subscribed'"]).await;
    // Hers covers her own series alone, this one those of others too.
    peer.send(&command(ADMIN, "run", "consent-add", "", &filled(&added))).await;
    hears_all(&mut peer, &["The consent is recorded.", "You gave"]).await;
    for (who, node, fields) in [(CAMILLE, "give-consent", &given[..]), (ADMIN, "consent-add", &added)] {
        let again = run(&mut peer, who, node, "", &filled(fields)).await;
        assert!(again.contains("This consent is there already"), "{again}");
    }
}

#[tokio::test]
async fn times_and_lengths_have_bounds_and_their_labels() {
    let mut stage = Stage::home("").await;
    let mut peer = stage.start().await;
    for (wrong, english, french) in [
        (
            &[("valid_until", "9999-12-31")][..],
            "Delivery until: '9999-12-31' is too far ahead",
            "« 9999-12-31 » est trop loin",
        ),
        (
            &[("valid_until", "2027-03-28T02:30:00+25:00")],
            "Delivery until: '2027-03-28T02:30:00+25:00' is more than 14 hours",
            "plus de 14 heures",
        ),
        (
            &[("valid_until", "2020-01-01")],
            "Delivery until: the end has passed already",
            "Transmission jusqu’au : la fin est déjà passée",
        ),
        (
            &[("valid_until", "2099-01-01")],
            "Delivery until: a consent may last at most P3Y",
            "Transmission jusqu’au : un consentement dure au plus P3Y",
        ),
        (
            &[("valid_from", "2050-01-01"), ("valid_until", "2051-01-01")],
            "Delivery from: this is too far ahead",
            "Transmission à partir du : c’est trop loin",
        ),
        (
            &[("data_from", "2026-02-01"), ("data_until", "2026-01-01")],
            "Measurements until: ",
            "Mesures jusqu’au : ",
        ),
        (
            &[("retention", "P0D")],
            "May be kept for: 'P0D' is no length of time",
            "Conservation autorisée : « P0D »",
        ),
        (&[("retention", "P101Y")], "longer than a hundred years", "dépasse cent ans"),
        (
            &[("granularity", "P10000Y")],
            "Not finer than: 'P10000Y' is longer than a consent may last",
            "Pas plus fin que : « P10000Y »",
        ),
        (
            &[("granularity", "PT0S")],
            "Not finer than: 'PT0S' is no length of time",
            "Pas plus fin que : « PT0S »",
        ),
        (
            &[("granularity", "PT0.5H")],
            "Not finer than: 'PT0.5H' is not made of whole numbers",
            "nombres entiers",
        ),
        (
            &[("recipient_name", "a\u{202e}b")],
            "Recipient's name: there is a line end",
            "Nom du destinataire : il contient",
        ),
        (&[("purpose", "two\nlines")], "Purpose: there is a line end", "Finalité : il contient"),
        (&[("purpose", "\u{3164}")], "Purpose: there is nothing to read", "Finalité : il n’y a rien à lire"),
        (
            &[("policy_url", "javascript:alert(1)")],
            "Recipient's data policy: this is no address",
            "n’est pas l’adresse d’une page",
        ),
        (
            &[("policy_url", "https://bank.example@evil.example/")],
            "this is no address",
            "n’est pas l’adresse",
        ),
    ] {
        let given = [("recipient", ADVISER), ("scope", SERIES), ("purpose", "advice")];
        let mut fields: Vec<(&str, &str)> =
            given.into_iter().filter(|(var, _)| wrong.iter().all(|(name, _)| name != var)).collect();
        fields.extend(wrong);
        for (language, words) in [("en", english), ("fr", french)] {
            let answer =
                run(&mut peer, CAMILLE, "give-consent", &format!("xml:lang='{language}'"), &filled(&fields))
                    .await;
            let answer = answer.replace("&apos;", "'");
            assert!(answer.contains("bad-payload") && answer.contains(words), "{words} in {answer}");
        }
    }
    let long = "x".repeat(1001);
    let fields = [("recipient", ADVISER), ("scope", SERIES), ("purpose", "x"), ("recipient_name", &long)];
    for (language, words) in [("en", "longer than 1000 characters"), ("fr", "plus de 1000 caractères")] {
        let answer =
            run(&mut peer, CAMILLE, "give-consent", &format!("xml:lang='{language}'"), &filled(&fields))
                .await;
        assert!(answer.contains(words), "{answer}");
    }
    assert!(stage.cli(&["consent", "list"]).contains("No consent"));
}

#[tokio::test]
async fn who_answers_may_give_less_and_is_told_so() {
    let mut stage = Stage::home("").await;
    let mut peer = stage.start().await;
    let asked =
        filled(&[("scope", SERIES), ("purpose", "advice"), ("granularity", "PT1H"), ("retention", "P30D")]);
    peer.send(&command("adviser@coop.example/desk", "run", "request-access", "", &asked)).await;
    let request = hears_all(&mut peer, &["is pending", "pubsub#subscribe_authorization"]).await;
    let id = request.split("The request ").nth(1).unwrap()[..36].to_owned();
    for (var, value) in [("retention", "P1Y"), ("granularity", "PT10M"), ("granularity", "")] {
        for (language, words) in
            [("en", "you may give less than was asked, not more"), ("fr", "donner moins")]
        {
            let fields = filled(&[("id", &*id), ("answer", "yes"), (var, value)]);
            let language = format!("xml:lang='{language}'");
            let answer = run(&mut peer, CAMILLE, "pending-requests", &language, &fields).await;
            assert!(answer.contains("bad-payload") && answer.contains(words), "{answer}");
        }
    }
    nothing_else(&mut peer).await;
}

#[tokio::test]
async fn what_is_over_is_said_to_be_over() {
    let (stage, consent, mut peer) = Stage::with_an_adviser("").await;
    let id = filled(&[("id", &consent)]);
    let resumed = run(&mut peer, CAMILLE, "resume-consent", "", &id).await;
    assert!(resumed.contains("bad-payload") && resumed.contains("is active already"), "{resumed}");
    peer.send(&command(CAMILLE, "run", "withdraw-consent", "", &id)).await;
    hears_all(&mut peer, &["Withdrawn: ", "state='withdrawn'", "was withdrawn by you"]).await;
    for (who, node) in [(CAMILLE, "withdraw-consent"), (ADMIN, "consent-revoke"), (ADMIN, "consent-edit")] {
        let english = run(&mut peer, who, node, "", &id).await;
        assert!(english.contains("bad-payload") && english.contains("over already (withdrawn)"), "{english}");
        let french = run(&mut peer, who, node, "xml:lang='fr'", &id).await;
        assert!(french.contains("déjà terminé (retiré)"), "{french}");
    }
    // Somebody else's is no consent at all.
    let other = run(&mut peer, "mallory@evil.example/1", "withdraw-consent", "", &id).await;
    assert!(other.contains("my-consents shows them") && !other.contains("over already"), "{other}");
    let again = stage.cli_fails(&["consent", "revoke", &consent], 1);
    assert!(again.contains("withdrawn, which is for good"), "{again}");
}

#[tokio::test]
async fn what_stands_is_listed_first() {
    let mut stage = Stage::home("").await;
    let mut lines = String::new();
    for number in 0..120 {
        lines += &format!(
            "{{\"subject\":\"camille@home.example\",\"recipient\":\"r{number}@coop.example\",\"scope\":[\"{SERIES}\"],\"purpose\":\"x\"}}\n"
        );
    }
    let file = stage.courant.directory().join("many.jsonl");
    std::fs::write(&file, lines).unwrap();
    let ended = stage.consents("old@coop.example", &[SERIES], &[]);
    stage.cli(&["consent", "revoke", &ended]);
    stage.consents(ADVISER, &[SERIES], &[]);
    let mut peer = stage.start().await;
    let list = run(&mut peer, CAMILLE, "my-consents", "", "").await;
    let place = |text: &str| list.find(text).unwrap_or_else(|| panic!("{text} in {list}"));
    assert!(place("<value>active</value>") < place("<value>revoked</value>"), "{list}");
    let active = run(&mut peer, CAMILLE, "my-consents", "", &filled(&[("state", "revoked")])).await;
    assert!(active.contains("1 to 1 of 1") && !active.contains(ADVISER), "{active}");
    let wrong = run(&mut peer, CAMILLE, "my-consents", "", &filled(&[("state", "gone")])).await;
    assert!(wrong.contains("bad-payload") && wrong.contains("choose one of requested, active"), "{wrong}");
    // Too many to choose from: the form says where they are listed, for who would name the id.
    stage.cli(&["consent", "import", file.to_str().unwrap()]);
    let form = run(&mut peer, CAMILLE, "withdraw-consent", "", "").await;
    assert!(field(&form, "id").contains("my-consents shows them"), "{form}");
}

#[tokio::test]
async fn a_data_need_knows_its_own_series() {
    let need = "[[data_needs]]\nid = \"advice\"\npurpose = \"energy advice\"\nscope = [\"urn:dev:prm:{}_consumption/power/active/raw\"]\n";
    let mut stage = Stage::home(need).await;
    let mut peer = stage.start().await;
    let wrong = filled(&[("need", "advice"), ("scope", "urn:dev:prm:1001_consumption/power*")]);
    for (language, words) in
        [("en", "name only what stands for {}"), ("fr", "nommez seulement ce qui remplace")]
    {
        let language = format!("xml:lang='{language}'");
        let answer = run(&mut peer, "app@coop.example/1", "request-access", &language, &wrong).await;
        assert!(answer.contains("bad-payload") && answer.contains(words), "{answer}");
    }
    let whole = filled(&[("need", "advice"), ("scope", SERIES)]);
    let asked = run(&mut peer, "app@coop.example/1", "request-access", "", &whole).await;
    assert!(asked.contains("is pending") && valued(&asked, "scope", SERIES), "{asked}");
}

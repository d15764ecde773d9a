//! Commands (XEP-0050) as clients speak them: the list, the forms, and every way to get them wrong.

use super::stage::{SERIES, Stage, nothing_else};
use crate::support::Peer;

pub(crate) const ADMIN: &str = "admin@example.org/desk";
pub(crate) const CAMILLE: &str = "camille@home.example/phone";

/// Somebody sends a command; `attributes` and `content` as they stand in it.
pub(crate) fn command(from: &str, id: &str, node: &str, attributes: &str, content: &str) -> String {
    format!(
        "<iq type='set' from='{from}' to='energy.example.org' id='{id}'>
           <command xmlns='http://jabber.org/protocol/commands' node='{node}' {attributes}>{content}</command>
         </iq>"
    )
}

/// What somebody filled in.
pub(crate) fn filled(fields: &[(&str, &str)]) -> String {
    let fields: String = fields
        .iter()
        .map(|(var, value)| format!("<field var='{var}'><value>{value}</value></field>"))
        .collect();
    format!("<x xmlns='jabber:x:data' type='submit'>{fields}</x>")
}

/// The service answers a command.
pub(crate) fn answered(to: &str, id: &str, node: &str, status: &str, lang: &str, content: &str) -> String {
    format!(
        "<iq type='result' from='energy.example.org' to='{to}' id='{id}'>
           <command xmlns='http://jabber.org/protocol/commands' node='{node}' sessionid='{{session}}'
                    status='{status}' xml:lang='{lang}'>{content}</command>
         </iq>"
    )
}

/// The service refuses a command.
pub(crate) fn refused(to: &str, id: &str, condition: &str, type_: &str, lang: &str, detail: &str) -> String {
    let detail = match detail {
        "" => String::new(),
        name => format!("<{name} xmlns='http://jabber.org/protocol/commands'/>"),
    };
    format!(
        "<iq type='error' from='energy.example.org' to='{to}' id='{id}'>
           <error type='{type_}'>
             <{condition} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>
             <text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas' xml:lang='{lang}'>{{text}}</text>
             {detail}
           </error>
         </iq>"
    )
}

/// The whole answer to a command, as text: what a test looks into where the XML of it all would not fit on a
/// page.
pub(crate) async fn run(peer: &mut Peer, from: &str, node: &str, attributes: &str, content: &str) -> String {
    peer.send(&command(from, "run", node, attributes, content)).await;
    peer.recv_iq().await
}

#[tokio::test]
async fn ping_in_two_languages() {
    let (_stage, _, mut peer) = Stage::with_an_adviser("").await;
    peer.ask(
        &command("anyone@far.example/1", "c1", "ping", "action='execute'", ""),
        &answered(
            "anyone@far.example/1",
            "c1",
            "ping",
            "completed",
            "en",
            "<note type='info'>The service is there.</note>",
        ),
    )
    .await;
    peer.ask(
        &command("anyone@far.example/1", "c2", "ping", "xml:lang='fr'", ""),
        &answered(
            "anyone@far.example/1",
            "c2",
            "ping",
            "completed",
            "fr",
            "<note type='info'>Le service est là.</note>",
        ),
    )
    .await;
    nothing_else(&mut peer).await;
}

#[tokio::test]
async fn the_list_shows_what_the_asker_may_run() {
    let (_stage, _, mut peer) = Stage::with_an_adviser("").await;
    let list = |from: &str| {
        format!(
            "<iq type='get' from='{from}' to='energy.example.org' id='l'>
               <query xmlns='http://jabber.org/protocol/disco#items' node='http://jabber.org/protocol/commands'/>
             </iq>"
        )
    };
    peer.send(&list(ADMIN)).await;
    let admins = peer.recv().await;
    assert!(admins.contains("node='ping'") && admins.contains("node='consent-list'"), "{admins}");
    peer.send(&list(CAMILLE)).await;
    let camilles = peer.recv().await;
    assert!(camilles.contains("node='ping'") && !camilles.contains("consent-list"), "{camilles}");

    // What is not in the list is forbidden, and has no identity either.
    peer.ask(
        &command(CAMILLE, "c1", "consent-list", "", ""),
        &refused(CAMILLE, "c1", "forbidden", "auth", "en", ""),
    )
    .await;
    let info = |from: &str, node: &str| {
        format!(
            "<iq type='get' from='{from}' to='energy.example.org' id='i'>
               <query xmlns='http://jabber.org/protocol/disco#info' node='{node}'/>
             </iq>"
        )
    };
    let identity = |to: &str, node: &str, type_: &str| {
        format!(
            "<iq type='result' from='energy.example.org' to='{to}' id='i'>
               <query xmlns='http://jabber.org/protocol/disco#info' node='{node}'>
                 <identity category='automation' type='{type_}' name='{{name}}'/>
                 <feature var='http://jabber.org/protocol/commands'/>
                 <feature var='jabber:x:data'/>
               </query>
             </iq>"
        )
    };
    peer.ask(&info(ADMIN, "consent-list"), &identity(ADMIN, "consent-list", "command-node")).await;
    let commands = "http://jabber.org/protocol/commands";
    peer.ask(&info(CAMILLE, commands), &identity(CAMILLE, commands, "command-list")).await;
    peer.ask(
        &info(CAMILLE, "consent-list"),
        &super::stage::refused_to("iq", CAMILLE, "i", "item-not-found", "cancel", ""),
    )
    .await;
    peer.ask(
        &command(CAMILLE, "c2", "no-such-command", "", ""),
        &refused(CAMILLE, "c2", "item-not-found", "cancel", "en", ""),
    )
    .await;
}

/// Gajim before 1.8.2 waits for ever on a table; it gets the rows as fields, in words of its reader's language.
#[tokio::test]
async fn a_client_without_tables_gets_rows_as_fields() {
    let (_stage, consent, mut peer) = Stage::with_an_adviser("").await;
    let gajim = "camille@home.example/gajim.7Q1";
    peer.ask(
        &command(gajim, "c1", "my-consents", "action='execute' xml:lang='fr'", ""),
        &answered(
            gajim,
            "c1",
            "my-consents",
            "completed",
            "fr",
            &format!(
                "<note type='info'>1 à 1 sur 1.</note>
                 <x xmlns='jabber:x:data' type='result'>
                   <title>Ce que je partage</title>
                   <field var='row-1' type='text-multi' label='adviser@coop.example'>
                     <value>État : actif</value>
                     <value>Finalité : « advice »</value>
                     <value>{{until}}</value>
                     <value>Séries : {SERIES}</value>
                     <value>Identifiant : {consent}</value>
                   </field>
                 </x>"
            ),
        ),
    )
    .await;
    nothing_else(&mut peer).await;
}

#[tokio::test]
async fn what_is_wrong_is_said_in_french_to_who_reads_french() {
    let (_stage, _, mut peer) = Stage::with_an_adviser("").await;
    let wrong = |var: &'static str, value: &'static str| {
        let mut fields = vec![
            ("subject", "ref:117"),
            ("recipient", "app@coop.example"),
            ("scope", SERIES),
            ("purpose", "conseil"),
        ];
        fields.retain(|(name, _)| *name != var);
        fields.push((var, value));
        filled(&fields)
    };
    for (var, value, said) in [
        ("valid_until", "demain", "Transmission jusqu’au : « demain » n’est pas une date"),
        ("retention", "1 an", "Conservation autorisée : « 1 an » n’est pas une durée"),
        ("recipient", "a b@c d", "Destinataire : « a b@c d » n’est pas une adresse"),
        ("subject", "ref:", "Personne concernée : « ref: » n’est ni l’adresse"),
        ("scope", "*", "Séries : « * » n’est pas un nom de série"),
        ("arrangement", "x", "Arrangement : « x » n’est pas"),
        ("purpose", "", "Finalité : à remplir"),
        ("valid_until", "2020-01-01", "la fin est déjà passée"),
    ] {
        let answer = run(&mut peer, ADMIN, "consent-add", "xml:lang='fr'", &wrong(var, value)).await;
        assert!(answer.contains(said) && answer.contains("xml:lang='fr'"), "{said} in {answer}");
        assert!(answer.contains("<bad-payload"), "{answer}");
    }
    for (attributes, said) in [
        ("sessionid='none'", "cette session n’existe pas ; recommencez la commande"),
        ("action='prev'", "ce n’est pas possible à cet endroit"),
        ("action='dance'", "« dance » n’est pas une action"),
    ] {
        let attributes = format!("{attributes} xml:lang='fr'");
        let answer = run(&mut peer, CAMILLE, "give-consent", &attributes, "").await;
        assert!(answer.contains(said) && answer.contains("xml:lang='fr'"), "{said} in {answer}");
    }
    let asked = filled(&[("identifier", "a b")]);
    let answer = run(&mut peer, CAMILLE, "get_history", "xml:lang='fr'", &asked).await;
    assert!(answer.contains("« a b » n’est pas un nom de série"), "{answer}");
    nothing_else(&mut peer).await;
}

#[tokio::test]
async fn an_operator_lists_consents() {
    let (stage, consent, mut peer) = Stage::with_an_adviser("").await;
    let shown = peer
        .ask(
            &command(ADMIN, "c1", "consent-list", "action='execute'", ""),
            &answered(
                ADMIN,
                "c1",
                "consent-list",
                "completed",
                "en",
                &format!(
                    "<note type='info'>1 to 1 of 1.</note>
                     <x xmlns='jabber:x:data' type='result'>
                       <title>List consents</title>
                       <reported>
                         <field var='recipient' type='text-single' label='Recipient'/>
                         <field var='subject' type='text-single' label='Person concerned'/>
                         <field var='state' type='text-single' label='State'/>
                         <field var='purpose' type='text-single' label='Purpose'/>
                         <field var='valid_until' type='text-single' label='Delivery until'/>
                         <field var='scope' type='text-single' label='Series'/>
                         <field var='id' type='text-single' label='Id'/>
                       </reported>
                       <item>
                         <field var='recipient'><value>adviser@coop.example</value></field>
                         <field var='subject'><value>camille@home.example</value></field>
                         <field var='state'><value>active</value></field>
                         <field var='purpose'><value>advice</value></field>
                         <field var='valid_until'><value>{{until}}</value></field>
                         <field var='scope'><value>{SERIES}</value></field>
                         <field var='id'><value>{consent}</value></field>
                       </item>
                     </x>"
                ),
            ),
        )
        .await;
    assert!(shown["until"].ends_with('Z'), "{shown:?}");

    // More than fit at once: filters first, and then a part.
    let mut lines = String::new();
    for number in 0..60 {
        lines += &format!(
            "{{\"subject\":\"ref:{number}\",\"recipient\":\"r{number}@coop.example\",\"scope\":[\"urn:a*\"],\"purpose\":\"x\"}}\n"
        );
    }
    let file = stage.courant.directory().join("many.jsonl");
    std::fs::write(&file, lines).unwrap();
    stage.cli(&["consent", "import", file.to_str().unwrap()]);
    let form = run(&mut peer, ADMIN, "consent-list", "", "").await;
    assert!(form.contains("status='executing'") && form.contains("var='state'"), "{form}");
    let session = form.split("sessionid='").nth(1).unwrap().split('\'').next().unwrap().to_owned();
    let page = run(
        &mut peer,
        ADMIN,
        "consent-list",
        &format!("sessionid='{session}' action='complete'"),
        &filled(&[("max", "2"), ("state", "active")]),
    )
    .await;
    assert!(page.contains("status='completed'") && page.contains("1 to 2 of 61"), "{page}");
    assert_eq!(page.matches("<item>").count(), 2);
    // In one step, and by RSM.
    let one = run(&mut peer, ADMIN, "consent-list", "", &filled(&[("recipient", "r7@coop.example")])).await;
    assert!(one.contains("1 to 1 of 1") && one.contains("ref:7<"), "{one}");
    let set = "<set xmlns='http://jabber.org/protocol/rsm'><max>10</max><before/></set>";
    let last = run(&mut peer, ADMIN, "consent-list", "", set).await;
    assert!(last.contains("<first index='51'>") && last.contains("<count>61</count>"), "{last}");
    assert!(last.contains("ref:59<") && !last.contains("ref:49<"), "{last}");
}

#[tokio::test]
async fn sessions_are_their_owners_and_end() {
    let (stage, _, mut peer) = Stage::with_an_adviser("").await;
    let mut lines = String::new();
    for number in 0..60 {
        lines += &format!(
            "{{\"subject\":\"ref:{number}\",\"recipient\":\"r{number}@coop.example\",\"scope\":[\"urn:a*\"],\"purpose\":\"x\"}}\n"
        );
    }
    let file = stage.courant.directory().join("many.jsonl");
    std::fs::write(&file, lines).unwrap();
    stage.cli(&["consent", "import", file.to_str().unwrap()]);
    let session_of =
        |form: &str| form.split("sessionid='").nth(1).unwrap().split('\'').next().unwrap().to_owned();

    let form = run(&mut peer, ADMIN, "consent-list", "", "").await;
    let session = session_of(&form);
    let with = |session: &str, action: &str| format!("sessionid='{session}' action='{action}'");
    // Another resource, another command, another session.
    let other = "admin@example.org/phone";
    for (from, node, attributes) in [
        (other, "consent-list", with(&session, "complete")),
        (ADMIN, "ping", with(&session, "complete")),
        (ADMIN, "consent-list", with("nonsense", "complete")),
    ] {
        peer.ask(
            &command(from, "c", node, &attributes, ""),
            &refused(from, "c", "bad-request", "modify", "en", "bad-sessionid"),
        )
        .await;
    }
    // No way back from the first form, no action of that name, no form of another command.
    peer.ask(
        &command(ADMIN, "c", "consent-list", &with(&session, "prev"), ""),
        &refused(ADMIN, "c", "bad-request", "modify", "en", "bad-action"),
    )
    .await;
    peer.ask(
        &command(ADMIN, "c", "consent-list", &with(&session, "jump"), ""),
        &refused(ADMIN, "c", "bad-request", "modify", "en", "malformed-action"),
    )
    .await;
    let foreign = filled(&[("FORM_TYPE", "urn:courant:0#series-add"), ("max", "1")]);
    peer.ask(
        &command(ADMIN, "c", "consent-list", &with(&session, "complete"), &foreign),
        &refused(ADMIN, "c", "bad-request", "modify", "en", "bad-payload"),
    )
    .await;
    // A wrong value shows the form again, with a note; in one step it is refused.
    let again =
        run(&mut peer, ADMIN, "consent-list", &with(&session, "complete"), &filled(&[("max", "many")])).await;
    assert!(
        again.contains("status='executing'") && again.contains("<note type='error'>Rows at once"),
        "{again}"
    );
    assert!(again.contains("<value>many</value>"), "what was filled in is not lost: {again}");
    peer.ask(
        &command(ADMIN, "c", "consent-list", "", &filled(&[("max", "many")])),
        &refused(ADMIN, "c", "bad-request", "modify", "en", "bad-payload"),
    )
    .await;
    // Given up, it is gone; done twice, it is done once.
    peer.ask(
        &command(ADMIN, "c", "consent-list", &with(&session, "cancel"), ""),
        &answered(ADMIN, "c", "consent-list", "canceled", "en", ""),
    )
    .await;
    let session = session_of(&run(&mut peer, ADMIN, "consent-list", "", "").await);
    let done = run(&mut peer, ADMIN, "consent-list", &with(&session, "complete"), &filled(&[])).await;
    assert!(done.contains("status='completed'"), "{done}");
    peer.ask(
        &command(ADMIN, "c", "consent-list", &with(&session, "complete"), &filled(&[])),
        &refused(ADMIN, "c", "bad-request", "modify", "en", "bad-sessionid"),
    )
    .await;
    // Who opens session after session loses the oldest, and nobody else's.
    let mine = session_of(&run(&mut peer, other, "consent-list", "", "").await);
    for _ in 0..40 {
        run(&mut peer, ADMIN, "consent-list", "", "").await;
    }
    peer.ask(
        &command(other, "c", "consent-list", &with(&mine, "complete"), ""),
        &refused(other, "c", "not-allowed", "cancel", "en", "session-expired"),
    )
    .await;
    nothing_else(&mut peer).await;
}

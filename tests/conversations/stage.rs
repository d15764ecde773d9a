//! Where the stories play: Camille's home with its gateway, the adviser who may see its load curve, and the
//! few sentences that every story needs.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::support::{Courant, Peer, ScriptedServer};

/// The component.
pub(crate) const DOMAIN: &str = "energy.example.org";

/// What it shares with its server.
pub(crate) const SECRET: &str = "s3cret-of-the-stage";

/// Camille's load curve, published by `gw@prod.example`.
pub(crate) const SERIES: &str = "urn:dev:prm:30001610071843_consumption/power/active/raw";

/// Terms under a consent that was given by [`Stage::consents`].
pub(crate) const UNDER_CONSENT: &str =
    "<terms xmlns='urn:courant:0' consent='{any}' purpose='advice' retention='P1Y' expires='{any}'/>";

/// Little patience, where a story needs a pong to be late; still more than a busy machine needs for one.
pub(crate) const IMPATIENT: &str = "[delivery]\nping_timeout = \"PT3S\"\nretry_max = \"PT1S\"";

/// A server, and a service that is configured for it.
pub(crate) struct Stage {
    pub(crate) server: ScriptedServer,
    pub(crate) courant: Courant,
}

impl Stage {
    /// Nothing registered, nobody consented, nothing runs. `more` is TOML behind the usual sections.
    pub(crate) async fn empty(more: &str) -> Self {
        let server = ScriptedServer::bind(SECRET).await;
        let courant = Courant::configured(DOMAIN, &server.address(), SECRET, more);
        Stage { server, courant }
    }

    /// The same, with Camille's load curve registered.
    pub(crate) async fn home(more: &str) -> Self {
        let stage = Self::empty(more).await;
        stage.series(SERIES, "gw@prod.example");
        stage
    }

    /// The same, with the adviser's consent, and running: what most stories begin with.
    pub(crate) async fn with_an_adviser(more: &str) -> (Self, String, Peer) {
        let mut stage = Self::home(more).await;
        let consent = stage.consents("adviser@coop.example", &[SERIES], &[]);
        let peer = stage.start().await;
        (stage, consent, peer)
    }

    /// Start the service, and take it in.
    pub(crate) async fn start(&mut self) -> Peer {
        self.courant.start();
        self.server.accept().await
    }

    /// A verb of the command line, which must succeed; gives what it printed.
    #[track_caller]
    pub(crate) fn cli(&self, arguments: &[&str]) -> String {
        let output = self.courant.run(arguments);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "courant {arguments:?}: {}: {errors}", output.status);
        String::from_utf8(output.stdout).expect("text")
    }

    /// A verb that must fail with this exit code; gives its complaint.
    #[track_caller]
    pub(crate) fn cli_fails(&self, arguments: &[&str], code: i32) -> String {
        let output = self.courant.run(arguments);
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "courant {arguments:?}: {errors}");
        assert!(!errors.trim().is_empty(), "courant {arguments:?} failed without a word");
        errors
    }

    /// A series of Camille's.
    #[track_caller]
    pub(crate) fn series(&self, name: &str, producer: &str) {
        self.cli(&["series", "add", name, "--owner", "camille@home.example", "--producer", producer]);
    }

    /// Camille consents for a year; gives the consent's id.
    #[track_caller]
    pub(crate) fn consents(&self, recipient: &str, scopes: &[&str], more: &[&str]) -> String {
        let mut arguments = vec!["consent", "add", "--json", "--subject", "camille@home.example"];
        arguments.extend(["--recipient", recipient, "--purpose", "advice"]);
        for scope in scopes {
            arguments.extend(["--scope", scope]);
        }
        arguments.extend(more);
        let record: serde_json::Value = serde_json::from_str(&self.cli(&arguments)).expect("JSON");
        record["id"].as_str().expect("an id").to_owned()
    }
}

/// The gateway publishes: an item with these records, to Camille's load curve.
pub(crate) fn publish(id: &str, item: &str, records: &str) -> String {
    publish_to(SERIES, id, item, records)
}

/// The gateway publishes to another node.
pub(crate) fn publish_to(node: &str, id: &str, item: &str, records: &str) -> String {
    format!(
        "<iq type='set' from='gw@prod.example/1' to='energy.example.org' id='{id}'>
           <pubsub xmlns='http://jabber.org/protocol/pubsub'>
             <publish node='{node}'>
               <item id='{item}'><sensml xmlns='urn:ietf:params:xml:ns:senml'>{records}</sensml></item>
             </publish>
           </pubsub>
         </iq>"
    )
}

/// One record of Camille's load curve, at midnight.
pub(crate) fn watts(value: u32) -> String {
    format!("<senml bn='{SERIES}' bt='1763679600' bu='W' v='{value}'/>")
}

/// The gateway's publish is in safe hands.
pub(crate) fn accepted(id: &str, item: &str) -> String {
    accepted_at(SERIES, id, item)
}

/// The same for another node.
pub(crate) fn accepted_at(node: &str, id: &str, item: &str) -> String {
    format!(
        "<iq type='result' from='energy.example.org' to='gw@prod.example/1' id='{id}'>
           <pubsub xmlns='http://jabber.org/protocol/pubsub'>
             <publish node='{node}'><item id='{item}'/></publish>
           </pubsub>
         </iq>"
    )
}

/// A delivery of Camille's load curve; its id is captured as `id`.
pub(crate) fn event(to: &str, item: &str, records: &str, terms: &str) -> String {
    event_of(SERIES, to, item, records, terms)
}

/// A delivery of another node.
pub(crate) fn event_of(node: &str, to: &str, item: &str, records: &str, terms: &str) -> String {
    format!(
        "<message type='normal' from='energy.example.org' to='{to}' id='{{id}}'>
           <event xmlns='http://jabber.org/protocol/pubsub#event'>
             <items node='{node}'>
               <item id='{item}' publisher='gw@prod.example'>
                 <sensml xmlns='urn:ietf:params:xml:ns:senml'>{records}</sensml>
               </item>
             </items>
           </event>
           {terms}
           <origin-id xmlns='urn:xmpp:sid:0' id='{{id}}'/>
         </message>"
    )
}

/// A barrier; its id is captured as `ping`.
pub(crate) fn barrier(domain: &str) -> String {
    format!(
        "<iq type='get' from='energy.example.org' to='{domain}' id='{{ping}}'>
           <ping xmlns='urn:xmpp:ping'/>
         </iq>"
    )
}

/// What answers it.
pub(crate) fn pong(domain: &str, ping: &str) -> String {
    format!("<iq type='result' from='{domain}' to='energy.example.org' id='{ping}'/>")
}

/// An IQ of the gateway was refused: `condition` and its type, and what stands beside the text.
pub(crate) fn refused(id: &str, condition: &str, type_: &str, detail: &str) -> String {
    refused_to("iq", "gw@prod.example/1", id, condition, type_, detail)
}

/// A stanza of somebody's was refused.
pub(crate) fn refused_to(
    kind: &str,
    to: &str,
    id: &str,
    condition: &str,
    type_: &str,
    detail: &str,
) -> String {
    format!(
        "<{kind} type='error' from='energy.example.org' to='{to}' id='{id}'>
           <error type='{type_}'>
             <{condition} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>
             <text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas' xml:lang='en'>{{text}}</text>
             {detail}
           </error>
         </{kind}>"
    )
}

/// Those concerned are told that a consent ended, and with it the subscription to Camille's load curve.
pub(crate) async fn end_is_told(peer: &mut Peer, recipient: &str, consent: &str, reason: &str) {
    peer.expect(&format!(
        "<message type='normal' from='energy.example.org' to='{recipient}' id='{{id}}'>
           <event xmlns='http://jabber.org/protocol/pubsub#event'>
             <subscription node='{SERIES}' jid='{recipient}' subscription='none'/>
           </event>
           <ended xmlns='urn:courant:0' consent='{consent}' state='revoked' {reason}/>
         </message>"
    ))
    .await;
    let told = peer
        .expect(
            "<message type='normal' from='energy.example.org' to='camille@home.example' id='{id}' xml:lang='en'>
               <body>{sentence}</body>
             </message>",
        )
        .await;
    let sentence = &told["sentence"];
    for word in [recipient, "advice", SERIES, "Nothing is sent under it any more."] {
        assert!(sentence.contains(word), "{word} in {sentence}");
    }
}

static ASKED: AtomicU32 = AtomicU32::new(0);

/// The service answers a ping, and says nothing else before: what had to leave has left, and what must
/// not has not.
pub(crate) async fn nothing_else(peer: &mut Peer) {
    let id = ASKED.fetch_add(1, Ordering::Relaxed);
    peer.ask(
        &format!(
            "<iq type='get' from='admin@example.org/desk' to='energy.example.org' id='there-{id}'>
               <ping xmlns='urn:xmpp:ping'/>
             </iq>"
        ),
        &format!("<iq type='result' from='energy.example.org' to='admin@example.org/desk' id='there-{id}'/>"),
    )
    .await;
}

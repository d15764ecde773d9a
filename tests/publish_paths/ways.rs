//! The two ways of a publish, side by side.

use std::time::Duration;

use courant::domain::clock::Now;
use courant::domain::consent::ConsentKey;
use courant::domain::name::Scope;
use courant::domain::series::Series;
use courant::domain::subscription::{Subscription, SubscriptionKey};
use courant::domain::tenure::Tenures;
use courant::protocol::outbox::Outbox;
use courant::protocol::outside::Outside;
use courant::protocol::reply::Kind;
use courant::relay::delivery::Patience;
use courant::relay::repetitions::Key;
use courant::relay::rights::Update;
use courant::relay::{Relay, Settings};
use courant::router::{self, Router};
use courant::transport::envelope::{Envelope, StanzaKind};
use courant::transport::framer::{Frame, Framer, FramerLimits};
use courant::transport::parse::parse_element;

/// What servers pass on, and what is close to it.
pub(crate) const PUBLISHES: [&str; 6] = [
    "<iq xml:lang='en' type='set' id='p1' from='gw@prod.example/1' to='energy.example'>\
     <pubsub xmlns='http://jabber.org/protocol/pubsub'><publish node='urn:a'><item id='i1'>\
     <sensml xmlns='urn:ietf:params:xml:ns:senml'><senml bn='urn:a' bt='1763679600' bu='W' v='342'/>\
     <senml t='1800' v='311'/></sensml></item></publish></pubsub></iq>",
    "<iq from='gw@prod.example/1' id='p2' to='energy.example' type='set'>\
     <pubsub xmlns='http://jabber.org/protocol/pubsub'><publish node='urn:a/b'><item>\
     <sensml xmlns='urn:ietf:params:xml:ns:senml'><senml n='urn:a/b' t='1763679600' v='1.5' s='2' ut='60'/>\
     </sensml></item></publish></pubsub></iq>",
    "<iq type=\"set\" id=\"p3\" from=\"gw@prod.example\" to=\"energy.example\">\
     <pubsub xmlns=\"http://jabber.org/protocol/pubsub\"><publish node=\"urn:a\"><item id=\"x\">\
     <sensml xmlns=\"urn:ietf:params:xml:ns:senml\"><senml n=\"urn:a/c\" vs=\"on &amp; off\" t=\"1.7e9\"/>\
     <senml n=\"urn:a/d\" vb=\"true\" t=\"-5\"/></sensml></item></publish></pubsub></iq>",
    "<iq type='set' id='p4' from='gw@prod.example/2' to='energy.example'>\
     <s:pubsub xmlns:s='http://jabber.org/protocol/pubsub'><s:publish node='urn:a'><s:item id='1'>\
     <sensml xmlns='urn:ietf:params:xml:ns:senml'><senml n='urn:a' v='1'/></sensml></s:item></s:publish>\
     </s:pubsub></iq>",
    "<iq type='set' id='p5' from='gw@prod.example/1' to='energy.example'>\
     <pubsub xmlns='http://jabber.org/protocol/pubsub'><publish node='urn:a'><item id='1'>\
     <json xmlns='urn:xmpp:json:0'>[{\"n\":\"urn:a\",\"v\":1,\"t\":1.7e9}]</json></item></publish></pubsub></iq>",
    "<iq type='set' id='p6' from='gw@prod.example/1' to='energy.example/proxy'>\
     <pubsub xmlns='http://jabber.org/protocol/pubsub'><publish node='urn:a'><item id='1'>\
     <sensml xmlns='urn:ietf:params:xml:ns:senml'/></item></publish></pubsub></iq>",
];

/// Two relays that are given the same.
pub(crate) struct Ways {
    direct: Relay,
    other: Relay,
    router: Router,
    plain: Router,
    /// Inputs that the direct way took.
    pub(crate) taken: u64,
    /// Series under a consent with a granularity that were counted on.
    pub(crate) counted: usize,
}

impl Ways {
    pub(crate) fn new() -> Self {
        let router = || Router::new("energy.example");
        Ways { direct: relay(), other: relay(), router: router(), plain: router(), taken: 0, counted: 0 }
    }

    /// Octets of a stream: what the direct way takes of the first stanza, the ordinary way keeps as well.
    pub(crate) fn compare(&mut self, input: &[u8]) {
        let mut framer = Framer::new(FramerLimits::default());
        framer.feed(input);
        let Ok(Some(Frame::Stanza(stanza))) = framer.next() else { return };
        if !self.router.handle_direct(&stanza, &mut self.direct, now()) {
            return;
        }
        self.taken += 1;
        let shown = || input.escape_ascii().to_string();
        let said = ordinary(&self.plain, &mut self.other, &stanza);
        assert_eq!(said.as_deref(), Some(&b""[..]), "refused the ordinary way: {}", shown());
        let kept = outcome(&mut self.direct);
        self.counted += kept.0.as_ref().map_or(0, |batch| batch.reductions.len());
        assert_eq!(kept, outcome(&mut self.other), "{}", shown());
    }
}

pub(crate) fn now() -> Now {
    Now { wall: jiff::Timestamp::from_second(1_780_000_000).expect("a time"), mono: Duration::from_secs(1) }
}

pub(crate) fn relay() -> Relay {
    let settings = Settings {
        jid: "energy.example".into(),
        own_server: "example".into(),
        installation: "i".into(),
        run: "r".into(),
        headline: false,
        publishes_per_second: 0,
        pack_records: 100,
        queue_packs: usize::MAX,
        repetitions: 1_000_000,
        repetition_key: Key([1; 16]),
        time_to_live: Duration::from_secs(1000),
        retention: Duration::ZERO,
        patience: Patience {
            ping: Duration::from_secs(30),
            retry_max: Duration::from_secs(300),
            first_contact: Duration::from_secs(900),
        },
    };
    let mut relay = Relay::new(settings, 0);
    relay.limit_window(1);
    let series = Series {
        name: Scope::parse("urn:a*").expect("a prefix"),
        tenures: Tenures::of("ref:1".parse().expect("a reference")),
        producers: vec!["gw@prod.example".parse().expect("an address")],
        open: true,
        retention: None,
        title: None,
        source: None,
        node: Default::default(),
        meta: Default::default(),
    };
    relay.apply(Update::Series(1, Some(Box::new(series))));
    let wish = Subscription {
        jid: "app@coop.example".parse().expect("an address"),
        node: Scope::parse("urn:a/*").expect("a prefix"),
        format: Default::default(),
    };
    relay.apply(Update::Subscription(SubscriptionKey(1), Some(wish)));
    // Under this one records are counted, and leave as means.
    let consent = serde_json::json!({
        "id": "01934000-0000-7000-8000-000000000001", "arrangement": "01934000-0000-7000-8000-000000000001",
        "revision": 1, "subject": "ref:1", "recipient": "coarse@coop.example", "scope": ["urn:a*"], "purpose": "advice",
        "lawful_basis": "consent", "valid_from": "2026-01-01T00:00:00Z", "valid_until": "2027-01-01T00:00:00Z",
        "granularity": "PT1S", "modes": ["notify"], "retention": "P1Y", "method": "cli", "state": "active",
        "since": "2026-01-01T00:00:00Z",
    });
    let consent = serde_json::from_value(consent).expect("a consent");
    relay.apply(Update::Consent(ConsentKey(1), Some(Box::new(consent))));
    relay
}

/// What comes of a publish that was taken in: all that is stored and said.
fn outcome(relay: &mut Relay) -> (Option<courant::store::journal::Batch>, Vec<u8>) {
    let batch = relay.take_batch(now());
    relay.committed(true);
    let mut said = Outbox::default();
    for settled in relay.take_settled() {
        router::settle(&settled, &mut said);
    }
    (batch, said.to_vec())
}

/// Through the ordinary way; `None` if it does not go to the relay.
fn ordinary(router: &Router, relay: &mut Relay, stanza: &[u8]) -> Option<Vec<u8>> {
    let envelope = Envelope::read(stanza)?;
    let text = |part: Option<std::borrow::Cow<'_, str>>| part.unwrap_or_default().into_owned();
    let outside = Outside {
        kind: if envelope.kind == StanzaKind::Iq { Kind::Iq } else { Kind::Message },
        type_: text(envelope.type_),
        id: envelope.id.map(|id| id.into_owned()),
        from: text(envelope.from),
        to: text(envelope.to),
    };
    let element = parse_element(stanza, None).ok()?;
    let mut said = Outbox::default();
    router.handle(outside, element, relay, now(), &mut said).is_none().then(|| said.to_vec())
}

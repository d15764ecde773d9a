//! The same forwarding on tokio-xmpp as its documentation teaches it: a `Component`, typed stanzas in and
//! out, one `Message` for each recipient. No consent is checked, nothing is durable, records are not read.
//!
//!     tokio-component HOST:PORT JID SECRET RECIPIENTS
//!
//! It flushes only when there is no input ready (`feed`, not `send_stanza`): under load that is the better
//! way to use it.

use std::process::ExitCode;

use futures_util::{FutureExt, SinkExt, StreamExt};
use tokio_xmpp::connect::{DnsConfig, TcpServerConnector};
use tokio_xmpp::xmlstream::Timeouts;
use tokio_xmpp::{Component, Error, Stanza};
use xmpp_parsers::iq::Iq;
use xmpp_parsers::jid::Jid;
use xmpp_parsers::message::Message;
use xmpp_parsers::pubsub::event::{Item, Payload};
use xmpp_parsers::pubsub::{Event, PubSub};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [server, jid, secret, recipients] = &arguments[..] else {
        eprintln!("usage: tokio-component HOST:PORT JID SECRET RECIPIENTS");
        return ExitCode::from(2);
    };
    let recipients = (0..recipients.parse().unwrap_or(0))
        .filter_map(|number: usize| Jid::new(&format!("r{number}@sub.localhost")).ok())
        .collect();
    match serve(server, jid, secret, recipients).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tokio-component: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(server: &str, jid: &str, secret: &str, recipients: Vec<Jid>) -> Result<(), Error> {
    let server = DnsConfig::addr(server);
    let mut component: Component<TcpServerConnector> =
        Component::new_plaintext(jid, secret, server, Timeouts::tight()).await?;
    let own = Jid::from(component.jid.clone());
    loop {
        let ready = component.next().now_or_never();
        let stanza = match ready {
            Some(stanza) => stanza,
            None => {
                component.flush().await?;
                component.next().await
            }
        };
        let Some(stanza) = stanza else { return Ok(()) };
        let Stanza::Iq(Iq::Set { from, id, payload, .. }) = stanza else { continue };
        if let Ok(PubSub::Publish { publish, .. }) = PubSub::try_from(payload) {
            let published = publish
                .items
                .into_iter()
                .map(|item| Item { id: item.id, publisher: None, payload: item.payload })
                .collect();
            let event =
                Event { payload: Payload::Items { node: publish.node, published, retracted: vec![] } };
            let mut message = Message::headline(None).with_payload(event);
            message.from = Some(own.clone());
            for recipient in &recipients {
                message.to = Some(recipient.clone());
                component.feed(Stanza::Message(message.clone())).await?;
            }
        }
        let result = Iq::Result { from: Some(own.clone()), to: from, id, payload: None };
        component.feed(Stanza::Iq(result)).await?;
    }
}

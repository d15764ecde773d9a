//! The handshake of XEP-0114 with a scripted server, in all the ways in which it ends.

mod support;

use std::time::Duration;

use courant::transport::connect::{ConnectConfig, ConnectError, Link, connect};
use courant::transport::framer::{Frame, Framer, FramerLimits};
use courant::transport::secret::Secret;
use support::{Answer, Pings, ScriptedServer, matches};
use tokio::io::AsyncWriteExt;

const DOMAIN: &str = "energy.example.org";

fn config(server: &str, secret: &str) -> ConnectConfig {
    ConnectConfig {
        handshake_timeout: support::PATIENCE,
        ..ConnectConfig::new(DOMAIN, server, Secret::new(secret))
    }
}

/// Connect to a server that answers so.
async fn attempt(answer: Answer, secret: &str) -> Result<Link, ConnectError> {
    let server = ScriptedServer::bind("s3cret").await;
    let mut config = config(&server.address(), secret);
    if matches!(answer, Answer::Silence | Answer::HeaderOnly) {
        // Long enough for the header to arrive on a busy machine.
        config.handshake_timeout = Duration::from_secs(5);
    }
    let (link, _peer) = tokio::join!(connect(&config), server.answer(answer));
    link
}

async fn failure(answer: Answer, secret: &str) -> ConnectError {
    let error = attempt(answer, secret).await.expect_err("no link");
    println!("{error}");
    for leaked in ["s3cret", "wr0ng"] {
        assert!(!format!("{error} {error:?}").contains(leaked));
    }
    error
}

#[tokio::test]
async fn a_good_handshake_opens_the_stream() {
    let server = ScriptedServer::bind("s3cret").await;
    let config = config(&server.address(), "s3cret");
    let (link, mut peer) = tokio::join!(connect(&config), server.accept());
    let mut link = link.expect("a link");
    assert!(link.stream.nodelay().expect("nodelay"));
    assert_eq!((link.lang.as_deref(), &*link.stream_id, link.buffered.len()), (Some("en"), "3BF96D32", 0));
    assert_eq!(peer.domain(), DOMAIN);

    link.stream
        .write_all(b"<iq to='b.example' from='energy.example.org' type='get' id='p1'><ping xmlns='urn:xmpp:ping'/></iq><message id=\"x7\" to='a'>\n<body>hi 7</body></message>")
        .await
        .expect("write");
    let captures = peer.expect("<message to='a' id='x{n}'><body>{any} {n}</body></message>").await;
    assert_eq!(captures["n"], "7");

    let mut framer = Framer::new(FramerLimits::default());
    framer.read_from(&mut link.stream).await.expect("read");
    let Ok(Some(Frame::Stanza(pong))) = framer.next() else { panic!("no pong") };
    let pong = String::from_utf8_lossy(&pong).into_owned();
    matches("<iq type='result' id='p1' from='b.example' to='energy.example.org'/>", &pong).expect("a pong");

    peer.pings(Pings::Held);
    link.stream
        .write_all(b"<iq to='c.example' from='energy.example.org' type='get' id='p2'><ping xmlns='urn:xmpp:ping'/></iq><iq to='energy.example.org' type='get' id='p3'><ping xmlns='urn:xmpp:ping'/></iq>")
        .await
        .expect("write");
    peer.expect("<iq to='energy.example.org' type='get' id='p3'><ping xmlns='urn:xmpp:ping'/></iq>").await;
    assert_eq!(peer.held_pings(), 1);
    peer.expect_silence(Duration::from_millis(20)).await;
    peer.drop_link().await;
    assert_eq!(framer.read_from(&mut link.stream).await.expect("read"), 0);
}

#[tokio::test]
async fn bytes_right_behind_the_handshake_are_kept() {
    let link = attempt(Answer::AcceptAnd("<iq id='1'/> <message/><pres"), "s3cret").await.expect("a link");
    let mut framer = Framer::new(FramerLimits::default());
    framer.feed(&link.buffered);
    assert_eq!(framer.next(), Ok(Some(Frame::Stanza("<iq id='1'/>".into()))));
    assert_eq!(framer.next(), Ok(Some(Frame::Stanza("<message/>".into()))));
    assert_eq!(framer.next(), Ok(None));
    assert_eq!(framer.held(), 5);
}

#[tokio::test]
async fn a_wrong_secret_is_final() {
    let error = failure(Answer::Accept, "wr0ng").await;
    assert!(matches!(&error, ConnectError::WrongSecret { text, .. } if text.contains("does not match")));
    assert!(error.is_final_at_start());
    assert!(error.to_string().contains("secret_file"));
    // ejabberd, without a text.
    let error = failure(Answer::Refuse("not-authorized", ""), "s3cret").await;
    assert!(matches!(&error, ConnectError::WrongSecret { text, .. } if text.is_empty()));
}

#[tokio::test]
async fn an_unknown_host_is_final() {
    let error = failure(Answer::HostUnknown, "s3cret").await;
    assert!(matches!(error, ConnectError::HostUnknown { .. }) && error.is_final_at_start());
    assert!(error.to_string().contains("[component] jid"));
}

#[tokio::test]
async fn a_conflict_is_told_apart() {
    let error = failure(Answer::Refuse("conflict", "Component already connected"), "s3cret").await;
    assert!(matches!(error, ConnectError::Conflict { .. }) && error.is_final_at_start());
}

#[tokio::test]
async fn other_stream_errors_are_named() {
    let error = failure(Answer::Refuse("system-shutdown", ""), "s3cret").await;
    assert!(
        matches!(&error, ConnectError::StreamError { condition, passing: true, .. } if condition == "system-shutdown")
    );
    assert!(!error.is_final_at_start());
    let error = failure(Answer::Refuse("no-such-condition", "what"), "s3cret").await;
    assert!(matches!(error, ConnectError::StreamError { passing: false, .. }));
}

#[tokio::test]
async fn the_servers_words_are_read_though_it_resets() {
    for _ in 0..10 {
        let error = failure(Answer::RefuseAndReset("host-unknown", "no such host"), "s3cret").await;
        assert!(
            matches!(&error, ConnectError::HostUnknown { text, .. } if text == "no such host"),
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn silence_ends() {
    let error = failure(Answer::Silence, "s3cret").await;
    assert!(matches!(error, ConnectError::Silent { .. }) && !error.is_final_at_start());
    let error = failure(Answer::HeaderOnly, "s3cret").await;
    assert!(matches!(error, ConnectError::HandshakeTimedOut { .. }) && !error.is_final_at_start());
}

#[tokio::test]
async fn a_server_that_closes_or_is_none_is_told_apart() {
    let error = failure(Answer::Close, "s3cret").await;
    assert!(matches!(error, ConnectError::Closed { .. }) && !error.is_final_at_start());
    let error = failure(Answer::Raw("HTTP/1.1 400 Bad Request\r\n\r\n"), "s3cret").await;
    assert!(matches!(error, ConnectError::NotXmpp { .. }) && error.is_final_at_start());
}

#[tokio::test]
async fn a_server_that_is_not_there() {
    let server = ScriptedServer::bind("s3cret").await;
    let address = server.address();
    drop(server);
    let error = connect(&config(&address, "s3cret")).await.expect_err("nobody there");
    assert!(matches!(error, ConnectError::Unreachable { .. }) && !error.is_final_at_start(), "{error:?}");
    let error = connect(&config("nowhere.invalid:5347", "s3cret")).await.expect_err("no such name");
    assert!(
        matches!(error, ConnectError::NameNotResolved { .. } | ConnectError::ConnectTimedOut { .. }),
        "{error:?}"
    );
    for wrong in ["localhost", "localhost:", ":5347", "localhost:http", ""] {
        let error = connect(&config(wrong, "s3cret")).await.expect_err("no address");
        assert!(matches!(error, ConnectError::ServerAddress { .. }) && error.is_final_at_start(), "{wrong}");
    }
}

#[tokio::test]
async fn a_server_accepts_again() {
    let server = ScriptedServer::bind("s3cret").await;
    let config = config(&server.address(), "s3cret");
    for _ in 0..2 {
        let (link, peer) = tokio::join!(connect(&config), server.accept());
        let link = link.expect("a link");
        drop(link);
        assert!(peer.wait_closed().await.is_empty());
    }
}

#[test]
fn patterns_compare_as_xml() {
    let same =
        "<c:message xmlns:c='jabber:component:accept' to=\"b\" from='a'>\n  <x xmlns='u'/> </c:message>";
    matches("<message from='a' to='b'><x xmlns='u'/></message>", same).expect("the same");
    for other in [
        "<message from='a'><x xmlns='u'/></message>",
        "<message from='a' to='b'><x xmlns='v'/></message>",
        "<message from='a' to='b'><x xmlns='u'/><y/></message>",
        "<message from='a' to='b'>t<x xmlns='u'/></message>",
        "<iq from='a' to='b'><x xmlns='u'/></iq>",
    ] {
        assert!(matches(other, same).is_err(), "{other}");
    }
    matches("<a id='{x}-{y}'>{x} {\"n\":1}</a>", "<a id='1-2'>1 {\"n\":1}</a>").expect("captures");
    assert!(matches("<a id='{x}'>{x}</a>", "<a id='1'>2</a>").is_err());
    assert!(matches("<a id='{any}'/>", "<a id=''/>").is_err());
}

//! The server's side of XEP-0114, spoken by hand and by script: accepts or refuses the component, says
//! what the test wants said, and hands over what comes.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use courant::transport::envelope::Envelope;
use courant::transport::framer::{Frame, Framer, FramerLimits};
use courant::transport::parse::parse_element;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex as AsyncMutex, mpsc};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use xmpp_parsers::component::Handshake;

use super::canonical::{Captures, matches};

/// How long a test waits for what it expects: it comes when it comes, on a busy machine too.
pub(crate) const PATIENCE: Duration = Duration::from_secs(300);

/// What a test sees when the component closes its stream (RFC 6120 §4.4) rather than its socket alone.
pub(crate) const GOODBYE: &str = "</stream:stream>";

/// How the server answers a component.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    /// `<handshake/>` if the digest is right, `not-authorized` as Prosody says it if not.
    Accept,
    /// The same, with these bytes in the same packet behind `<handshake/>`.
    AcceptAnd(&'static str),
    /// A stream error in place of `<handshake/>`: its condition and its text.
    Refuse(&'static str, &'static str),
    /// `host-unknown` with an empty id, before the handshake, as Prosody does.
    HostUnknown,
    /// A stream error and a reset of the connection, so that the component's own writes fail.
    RefuseAndReset(&'static str, &'static str),
    /// Takes the connection and says nothing.
    Silence,
    /// The header, and then nothing.
    HeaderOnly,
    /// Closes at once.
    Close,
    /// These bytes, whatever the component says.
    Raw(&'static str),
}

/// What becomes of pings (XEP-0199) to any domain but the component's. Those behind notices (`n-…`) are
/// answered and not seen, whatever is said of the others, until [`Peer::stop_answering_notices`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pings {
    /// Answered at once, and not seen by the test.
    Answered,
    /// Kept until [`Peer::answer_held`].
    Held,
    /// Handed over like any other stanza.
    Received,
}

/// A listening server that knows one secret.
#[derive(Debug)]
pub(crate) struct ScriptedServer {
    listener: TcpListener,
    secret: String,
    /// Domains that are not reached, whoever is connected.
    gone: Gone,
}

type Gone = Arc<Mutex<Vec<String>>>;

impl ScriptedServer {
    pub(crate) async fn bind(secret: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        ScriptedServer { listener, secret: secret.to_owned(), gone: Gone::default() }
    }

    /// Takes components with another secret from now on: one that was made up for it later.
    pub(crate) fn learn(&mut self, secret: &str) {
        secret.clone_into(&mut self.secret);
    }

    /// This domain is not reached any more: what is sent there comes back at once, and the test does not see it.
    pub(crate) fn lose(&self, domain: &str) {
        held(&self.gone).push(domain.to_owned());
    }

    /// It is reached again.
    pub(crate) fn find(&self, domain: &str) {
        held(&self.gone).retain(|gone| gone != domain);
    }

    /// `host:port`, for the configuration.
    pub(crate) fn address(&self) -> String {
        self.listener.local_addr().expect("bound").to_string()
    }

    /// Take the next component in. Panics if it does not come, or does not get in.
    pub(crate) async fn accept(&self) -> Peer {
        self.answer(Answer::Accept).await.expect("a component with the right secret")
    }

    /// Answer the next connection; a peer comes back where the stream was opened.
    pub(crate) async fn answer(&self, answer: Answer) -> Option<Peer> {
        let (mut tcp, _) =
            timeout(PATIENCE, self.listener.accept()).await.expect("a connection in time").expect("accept");
        tcp.set_nodelay(true).expect("nodelay");
        match answer {
            Answer::Close => return None,
            Answer::Silence => {
                hold_open(tcp);
                return None;
            }
            Answer::Raw(bytes) => {
                say(&mut tcp, bytes).await;
                hold_open(tcp);
                return None;
            }
            _ => {}
        }
        let (domain, mut framer) = read_header(&mut tcp).await;
        let id = match answer {
            Answer::HostUnknown => "",
            _ => "3BF96D32",
        };
        let header = format!(
            "<?xml version='1.0'?><stream:stream xmlns:stream='http://etherx.jabber.org/streams' \
             xmlns='jabber:component:accept' from='{domain}' id='{id}' xml:lang='en'>"
        );
        say(&mut tcp, &header).await;
        match answer {
            Answer::HostUnknown => {
                let text = format!("{domain} does not match any configured external components");
                say(&mut tcp, &stream_error("host-unknown", &text)).await;
                return None;
            }
            Answer::RefuseAndReset(condition, text) => {
                // Closing with the component's bytes unread resets the connection.
                say(&mut tcp, &stream_error(condition, text)).await;
                tokio::time::sleep(Duration::from_millis(50)).await;
                return None;
            }
            Answer::HeaderOnly => {
                hold_open(tcp);
                return None;
            }
            _ => {}
        }
        let digest = loop {
            match framer.next().expect("well-formed") {
                Some(Frame::Stanza(bytes)) => break parse_element(&bytes, None).expect("a handshake").text(),
                Some(other) => panic!("wanted a handshake, got {other:?}"),
                None => assert!(
                    framer.read_from(&mut tcp).await.expect("read") > 0,
                    "closed before its handshake"
                ),
            }
        };
        let right =
            Handshake::from_stream_id_and_password(id.to_owned(), &self.secret).data.expect("a digest");
        let right: String = right.iter().map(|b| format!("{b:02x}")).collect();
        let (condition, text) = match answer {
            Answer::Refuse(condition, text) => (condition, text),
            _ if digest != right => ("not-authorized", "Given token does not match calculated token"),
            Answer::AcceptAnd(behind) => {
                say(&mut tcp, &format!("<handshake/>{behind}")).await;
                return Some(Peer::new(tcp, framer, domain, Arc::clone(&self.gone)));
            }
            _ => {
                say(&mut tcp, "<handshake/>").await;
                return Some(Peer::new(tcp, framer, domain, Arc::clone(&self.gone)));
            }
        };
        say(&mut tcp, &stream_error(condition, text)).await;
        None
    }
}

/// A server passes on no more than this; a stanza that is larger is shown to the test as one that was refused.
fn limits() -> FramerLimits {
    FramerLimits { stanza_bytes: 200 * 1024, token_bytes: 200 * 1024, ..FramerLimits::default() }
}

fn stream_error(condition: &str, text: &str) -> String {
    let ns = "urn:ietf:params:xml:ns:xmpp-streams";
    let text = if text.is_empty() { String::new() } else { format!("<text xmlns='{ns}'>{text}</text>") };
    format!("<stream:error><{condition} xmlns='{ns}'/>{text}</stream:error></stream:stream>")
}

/// Keep a connection open that nobody will speak on, until the test ends.
fn hold_open(tcp: TcpStream) {
    tokio::spawn(async move {
        let _tcp = tcp;
        std::future::pending::<()>().await;
    });
}

async fn say(tcp: &mut TcpStream, bytes: &str) {
    // The component may have gone already; then the test sees it elsewhere.
    let _ = tcp.write_all(bytes.as_bytes()).await;
}

/// Read the component's header; gives the domain it asks for, and a framer with what came behind.
async fn read_header(tcp: &mut TcpStream) -> (String, Framer) {
    let mut read = Vec::new();
    loop {
        let begin = read.windows(14).position(|w| w == b"<stream:stream");
        let end =
            begin.and_then(|begin| read[begin..].iter().position(|&b| b == b'>').map(|at| begin + at + 1));
        if let (Some(begin), Some(end)) = (begin, end) {
            let head = Envelope::read(&read[begin..end]).expect("a header");
            let domain = head.to.expect("the header's to").into_owned();
            let mut framer = Framer::new(limits());
            framer.feed(&read[end..]);
            return (domain, framer);
        }
        let mut block = [0; 1024];
        let count = timeout(PATIENCE, tcp.read(&mut block)).await.expect("a header in time").expect("read");
        assert!(count > 0, "closed before its header");
        read.extend_from_slice(&block[..count]);
    }
}

/// What becomes of pings.
#[derive(Debug)]
struct Pending {
    policy: Pings,
    answers: Vec<String>,
    /// Of those behind notices; none are answered or seen where there is nothing.
    notices: Option<Pings>,
}

/// The server's side of XEP-0114; nothing where the component goes away in the middle.
pub(crate) async fn take_in(tcp: &mut TcpStream, domain: &str, secret: &str) -> Option<Framer> {
    let mut read = Vec::new();
    let end = loop {
        let begin = read.windows(14).position(|w| w == b"<stream:stream");
        let end = begin.and_then(|at| read[at..].iter().position(|&b| b == b'>').map(|end| at + end + 1));
        if let Some(end) = end {
            break end;
        }
        let mut block = [0; 1024];
        let count = tcp.read(&mut block).await.ok().filter(|&count| count > 0)?;
        read.extend_from_slice(&block[..count]);
    };
    let mut framer = Framer::new(limits());
    framer.feed(&read[end..]);
    let header = format!(
        "<?xml version='1.0'?><stream:stream xmlns:stream='http://etherx.jabber.org/streams' \
         xmlns='jabber:component:accept' from='{domain}' id='3BF96D32'>"
    );
    tcp.write_all(header.as_bytes()).await.ok()?;
    let digest = loop {
        match framer.next().ok()? {
            Some(Frame::Stanza(bytes)) => break parse_element(&bytes, None).ok()?.text(),
            Some(_) => return None,
            None => {
                framer.read_from(tcp).await.ok().filter(|&count| count > 0)?;
            }
        }
    };
    let right = Handshake::from_stream_id_and_password("3BF96D32".into(), secret).data?;
    let right: String = right.iter().map(|b| format!("{b:02x}")).collect();
    assert_eq!(digest, right, "the component's digest");
    tcp.write_all(b"<handshake/>").await.ok()?;
    Some(framer)
}

/// A component whose stream is open, as its server sees it.
#[derive(Debug)]
pub(crate) struct Peer {
    domain: String,
    writer: Arc<AsyncMutex<OwnedWriteHalf>>,
    stanzas: mpsc::UnboundedReceiver<String>,
    /// Came, and was put back.
    held: Vec<String>,
    pings: Arc<Mutex<Pending>>,
    reading: JoinHandle<()>,
}

impl Peer {
    fn new(tcp: TcpStream, framer: Framer, domain: String, gone: Gone) -> Self {
        let (reader, writer) = tcp.into_split();
        let writer = Arc::new(AsyncMutex::new(writer));
        let pings = Arc::new(Mutex::new(Pending {
            policy: Pings::Answered,
            answers: Vec::new(),
            notices: Some(Pings::Answered),
        }));
        let (sender, stanzas) = mpsc::unbounded_channel();
        let reading = tokio::spawn(read(
            reader,
            framer,
            domain.clone(),
            Arc::clone(&writer),
            Arc::clone(&pings),
            gone,
            sender,
        ));
        Peer { domain, writer, stanzas, held: Vec::new(), pings, reading }
    }

    /// The component's domain.
    pub(crate) fn domain(&self) -> &str {
        &self.domain
    }

    /// Say something, as it is.
    pub(crate) async fn send(&self, xml: &str) {
        self.writer.lock().await.write_all(xml.as_bytes()).await.expect("the component reads");
    }

    /// The next stanza.
    pub(crate) async fn recv(&mut self) -> String {
        self.recv_within(PATIENCE).await.expect("a stanza in time")
    }

    /// The next stanza, if one comes in this time; `None` too when the component has closed.
    pub(crate) async fn recv_within(&mut self, patience: Duration) -> Option<String> {
        if let Some(held) = self.held.pop() {
            return Some(held);
        }
        timeout(patience, self.stanzas.recv()).await.ok().flatten()
    }

    /// The next IQ; what comes before it comes again behind it.
    pub(crate) async fn recv_iq(&mut self) -> String {
        let mut before = Vec::new();
        let iq = loop {
            let stanza = self.recv().await;
            if stanza.starts_with("<iq") {
                break stanza;
            }
            before.push(stanza);
        };
        self.held.extend(before.into_iter().rev());
        iq
    }

    /// The next stanza must match; gives what the pattern's words stood for.
    #[track_caller]
    pub(crate) fn expect(&mut self, pattern: &str) -> impl Future<Output = Captures> {
        let caller = std::panic::Location::caller();
        async move {
            let stanza = self.recv().await;
            match matches(pattern, &stanza) {
                Ok(captures) => captures,
                Err(error) => panic!("{caller}: {error}\nwanted {pattern}\n   got {stanza}"),
            }
        }
    }

    /// The next stanzas must match these patterns, in any order.
    pub(crate) async fn expect_all(&mut self, patterns: &[&str]) -> Vec<Captures> {
        let mut found = vec![None; patterns.len()];
        for _ in patterns {
            let stanza = self.recv().await;
            let hit = patterns
                .iter()
                .enumerate()
                .filter(|(at, _)| found[*at].is_none())
                .find_map(|(at, pattern)| matches(pattern, &stanza).ok().map(|captures| (at, captures)));
            match hit {
                Some((at, captures)) => found[at] = Some(captures),
                None => panic!("no pattern matches {stanza}"),
            }
        }
        found.into_iter().flatten().collect()
    }

    /// Nothing may come in this time.
    pub(crate) async fn expect_silence(&mut self, patience: Duration) {
        if let Some(stanza) = self.recv_within(patience).await {
            panic!("wanted silence, got {stanza}");
        }
    }

    /// Say something and expect the answer.
    pub(crate) async fn ask(&mut self, xml: &str, pattern: &str) -> Captures {
        self.send(xml).await;
        self.expect(pattern).await
    }

    /// What becomes of pings from now on.
    pub(crate) fn pings(&self, pings: Pings) {
        held(&self.pings).policy = pings;
    }

    /// Nobody says any more that notices were taken.
    pub(crate) fn stop_answering_notices(&self) {
        held(&self.pings).notices = None;
    }

    /// What becomes of the pings behind notices from now on.
    pub(crate) fn notice_pings(&self, pings: Pings) {
        held(&self.pings).notices = Some(pings);
    }

    /// How many pings wait for their answer.
    pub(crate) fn held_pings(&self) -> usize {
        held(&self.pings).answers.len()
    }

    /// Answer the pings that were held.
    pub(crate) async fn answer_held(&self) {
        let answers = std::mem::take(&mut held(&self.pings).answers);
        for answer in answers {
            self.send(&answer).await;
        }
    }

    /// Forget them: a server that lost what it was given.
    pub(crate) fn forget_held(&self) {
        held(&self.pings).answers.clear();
    }

    /// End the connection without a word, as a server does that dies.
    pub(crate) async fn drop_link(self) {
        self.reading.abort();
        let _ = self.reading.await;
        let _ = self.writer.lock().await.shutdown().await;
    }

    /// Read no more, so that the component's words pile up.
    pub(crate) async fn stop_reading(&mut self) {
        self.reading.abort();
        let _ = (&mut self.reading).await;
    }

    /// Say something over and over, until the component takes no more.
    pub(crate) async fn send_until_stuck(&self, xml: &str) {
        let mut writer = self.writer.lock().await;
        while timeout(Duration::from_secs(2), writer.write_all(xml.as_bytes())).await.is_ok_and(|w| w.is_ok())
        {
        }
    }

    /// Wait for the component to close; stanzas that still came are handed back.
    pub(crate) async fn wait_closed(mut self) -> Vec<String> {
        let mut late = Vec::new();
        while let Some(stanza) = timeout(PATIENCE, self.stanzas.recv()).await.expect("the component to close")
        {
            late.push(stanza);
        }
        late
    }
}

fn held<T>(what: &Mutex<T>) -> MutexGuard<'_, T> {
    what.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

async fn read(
    mut reader: OwnedReadHalf,
    mut framer: Framer,
    domain: String,
    writer: Arc<AsyncMutex<OwnedWriteHalf>>,
    pings: Arc<Mutex<Pending>>,
    gone: Gone,
    sender: mpsc::UnboundedSender<String>,
) {
    loop {
        match framer.next() {
            Ok(Some(Frame::Stanza(bytes))) => {
                let back = held(&gone).iter().find_map(|domain| not_reached(&bytes, domain));
                if let Some(back) = back {
                    let _ = writer.lock().await.write_all(back.as_bytes()).await;
                    continue;
                }
                if let Some(answer) = pong(&bytes, &domain) {
                    let id = Envelope::read(&bytes).and_then(|e| e.id);
                    let notice = id.is_some_and(|id| id.starts_with("n-"));
                    let policy = {
                        let pending = held(&pings);
                        if notice { pending.notices } else { Some(pending.policy) }
                    };
                    let Some(policy) = policy else { continue };
                    match policy {
                        Pings::Answered => {
                            let _ = writer.lock().await.write_all(answer.as_bytes()).await;
                            continue;
                        }
                        Pings::Held => {
                            held(&pings).answers.push(answer);
                            continue;
                        }
                        Pings::Received => {}
                    }
                }
                if sender.send(String::from_utf8_lossy(&bytes).into_owned()).is_err() {
                    return;
                }
            }
            Ok(Some(Frame::StreamEnd)) => {
                let _ = sender.send(GOODBYE.to_owned());
                return;
            }
            Ok(Some(frame)) => {
                // Shown where the test looks.
                let _ = sender.send(format!("<!-- {frame:?} -->"));
            }
            Ok(None) => match framer.read_from(&mut reader).await {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            },
            Err(error) => {
                let _ = sender.send(format!("<!-- {error} -->"));
                return;
            }
        }
    }
}

/// What one's own server says of a stanza to a domain that is gone, in its name.
fn not_reached(stanza: &[u8], gone: &str) -> Option<String> {
    let envelope = Envelope::read(stanza)?;
    let to = envelope.to.as_deref()?;
    let domain = to.split('/').next()?.rsplit('@').next()?;
    if domain != gone || matches!(envelope.type_.as_deref(), Some("error" | "result")) {
        return None;
    }
    let name = if stanza.starts_with(b"<iq") { "iq" } else { "message" };
    let (id, from) = (envelope.id.as_deref().unwrap_or_default(), envelope.from.as_deref()?);
    Some(format!(
        "<{name} type='error' from='{to}' to='{from}' id='{id}'><error type='cancel'>\
         <remote-server-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></{name}>"
    ))
}

/// The answer to a ping that is not for the component itself.
fn pong(stanza: &[u8], domain: &str) -> Option<String> {
    let envelope = Envelope::read(stanza)?;
    let to = envelope.to.as_deref().filter(|&to| to != domain)?;
    if !envelope.wants_answer() || envelope.type_.as_deref() != Some("get") {
        return None;
    }
    parse_element(stanza, None).ok()?.get_child("ping", "urn:xmpp:ping")?;
    let mut answer = minidom::Element::builder("iq", courant::transport::NS_COMPONENT)
        .attr(rxml::xml_ncname!("type").to_owned(), "result")
        .attr(rxml::xml_ncname!("from").to_owned(), to)
        .build();
    for (name, value) in [(rxml::xml_ncname!("id"), &envelope.id), (rxml::xml_ncname!("to"), &envelope.from)]
    {
        if let Some(value) = value {
            answer.set_attr(rxml::Namespace::NONE, name.to_owned(), &**value);
        }
    }
    Some(String::from(&answer))
}

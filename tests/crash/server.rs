//! The other end of the stream: one's own server, the recipients' servers behind it, and the gateways.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use courant::transport::envelope::{Envelope, StanzaKind};
use courant::transport::framer::{Frame, Framer};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, mpsc};

use super::ledger::{End, Ledger};
use super::support::server::take_in;

/// The recipients' servers; the last is a service itself, and is published to.
pub(crate) const DOMAINS: [&str; 4] = ["coop.example", "edu.example", "app.example", SERVICE];

/// It takes each item as a publish, and answers it.
pub(crate) const SERVICE: &str = "hub.example";

/// How many series are published, each by a gateway of its own.
pub(crate) const SERIES: usize = 8;

/// The name of a series.
pub(crate) fn series_name(number: usize) -> String {
    format!("urn:dev:prm:3000161007{number:04}_consumption/power/active/raw")
}

/// What a recipient's server is doing.
#[derive(Debug, Default)]
enum Remote {
    #[default]
    Up,
    /// It hangs: what is for it is held.
    Hanging(Vec<String>),
    /// It died with what it held; what follows is lost too, up to the next ping: no barrier can see a server
    /// that dies and is back within a batch.
    Losing,
}

#[derive(Debug, Default)]
struct State {
    ledger: Ledger,
    remotes: HashMap<&'static str, Remote>,
    /// Where to write, while there is a link.
    out: Option<mpsc::UnboundedSender<String>>,
    markers: u64,
    cuts: u64,
    links: u64,
    hangs: u64,
    lost: u64,
    failure: Option<String>,
}

/// A handle on it.
#[derive(Debug, Clone)]
pub(crate) struct Server {
    address: String,
    state: Arc<Mutex<State>>,
    cut: Arc<Notify>,
}

impl Server {
    pub(crate) async fn start(secret: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let names: Vec<String> = (0..SERIES).map(series_name).collect();
        let state = State { ledger: Ledger::new(&names), ..State::default() };
        let server = Server {
            address: listener.local_addr().expect("bound").to_string(),
            state: Arc::new(Mutex::new(state)),
            cut: Arc::new(Notify::new()),
        };
        tokio::spawn(server.clone().serve(listener, secret));
        server
    }

    pub(crate) fn address(&self) -> String {
        self.address.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A look into the book, or a word to it.
    pub(crate) fn book<T>(&self, look: impl FnOnce(&mut Ledger) -> T) -> T {
        look(&mut self.state().ledger)
    }

    /// Cuts the link with all that is under way on it.
    pub(crate) fn cut(&self) {
        let mut state = self.state();
        if state.out.take().is_some() {
            state.cuts += 1;
            self.cut.notify_one();
        }
    }

    /// A recipient's server hangs for a while; then it goes on, or `dies` with what it held.
    pub(crate) fn hang(&self, which: u64, lasts: Duration, dies: bool) {
        let domain = DOMAINS[which as usize % DOMAINS.len()];
        {
            let mut state = self.state();
            if !matches!(state.remotes.entry(domain).or_default(), Remote::Up) {
                return;
            }
            state.hangs += 1;
            state.remotes.insert(domain, Remote::Hanging(Vec::new()));
        }
        let server = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep(lasts).await;
            server.go_on(domain, dies);
        });
    }

    fn go_on(&self, domain: &'static str, dies: bool) {
        let mut state = self.state();
        let Some(Remote::Hanging(held)) = state.remotes.remove(domain) else { return };
        if !dies {
            for stanza in held {
                state.hear(&stanza);
            }
            return;
        }
        state.lost += held.iter().filter(|stanza| !is_ping(stanza)).count() as u64;
        // Whether the batch that it was in has ended.
        let ended = held.last().is_none_or(|stanza| is_ping(stanza));
        state.remotes.insert(domain, if ended { Remote::Up } else { Remote::Losing });
    }

    /// The component's process was killed.
    pub(crate) fn killed(&self) {
        self.state().ledger.turn_ends(|end| match end {
            End::WithTheNextProcess => End::BehindMarker(u64::MAX),
            end => end,
        });
    }

    /// The command line said that a consent has ended, and the running service knows: what it wrote before
    /// is in front of its answer to a ping that is sent now.
    pub(crate) fn ended(&self, consent: &str) {
        let mut state = self.state();
        state.markers += 1;
        let marker = state.markers;
        state.ledger.set_end(consent, End::BehindMarker(marker));
        if let Some(out) = &state.out {
            let _ = out.send(format!(
                "<iq type='get' from='admin@example.org/1' to='energy.example.org' id='m-{marker}'>\
                 <ping xmlns='urn:xmpp:ping'/></iq>"
            ));
        }
    }

    /// No new packs from now on; all servers go on.
    pub(crate) fn close(&self) {
        self.state().ledger.closed = true;
        for domain in DOMAINS {
            self.go_on(domain, false);
        }
    }

    /// Fails where anything was wrong so far.
    #[track_caller]
    pub(crate) fn check(&self) {
        if let Some(failure) = &self.state().failure {
            panic!("{failure}");
        }
    }

    pub(crate) fn unacknowledged(&self) -> Vec<(String, Vec<u64>)> {
        self.state().ledger.unacknowledged()
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.state().ledger.missing().is_empty()
    }

    pub(crate) fn missing(&self) -> String {
        self.state().ledger.missing().join("; ")
    }

    /// How often a component was taken in.
    pub(crate) fn links(&self) -> u64 {
        self.state().links
    }

    /// Changes while something goes on.
    pub(crate) fn progress(&self) -> (u64, u64) {
        let state = self.state();
        (state.ledger.packs, state.ledger.first_copies)
    }

    pub(crate) fn summary(&self) -> String {
        let state = self.state();
        let book = &state.ledger;
        format!(
            "{} packs acknowledged ({} publishes repeated), {} deliveries, {} duplicates, {} links, {} cuts, \
             {} servers hung, {} messages lost there in silence, {} consents of which {} ended",
            book.packs,
            book.repeated,
            book.first_copies,
            book.duplicates,
            state.links,
            state.cuts,
            state.hangs,
            state.lost,
            book.consents.len(),
            book.consents.iter().filter(|consent| consent.end != End::Not).count()
        )
    }

    async fn serve(self, listener: TcpListener, secret: &'static str) {
        while let Ok((mut tcp, _)) = listener.accept().await {
            let _ = tcp.set_nodelay(true);
            // It may be killed in the middle of it.
            let Some(framer) = take_in(&mut tcp, "energy.example.org", secret).await else { continue };
            self.talk(tcp, framer).await;
            self.state().out = None;
        }
    }

    async fn talk(&self, tcp: TcpStream, mut framer: Framer) {
        let (mut reader, mut writer) = tcp.into_split();
        let (out, mut words) = mpsc::unbounded_channel::<String>();
        let writing = tokio::spawn(async move {
            while let Some(word) = words.recv().await {
                if writer.write_all(word.as_bytes()).await.is_err() {
                    return;
                }
            }
        });
        {
            let mut state = self.state();
            state.links += 1;
            // What is read from now on was written after the change was known.
            state.ledger.turn_ends(|end| match end {
                End::BehindMarker(_) => End::Certain,
                end => end,
            });
            let _ = out.send(state.ledger.all_due());
            state.out = Some(out);
        }
        loop {
            match framer.next() {
                Ok(Some(Frame::Stanza(bytes))) => {
                    let stanza = String::from_utf8_lossy(&bytes).into_owned();
                    self.state().route(stanza);
                }
                Ok(None) => {
                    let count = tokio::select! {
                        biased;
                        () = self.cut.notified() => break,
                        count = framer.read_from(&mut reader) => count,
                    };
                    if !count.is_ok_and(|count| count > 0) {
                        break;
                    }
                }
                Ok(Some(_)) => break,
                Err(error) => {
                    self.state().fail(format!("not XML: {error}"));
                    break;
                }
            }
        }
        writing.abort();
    }
}

impl State {
    fn fail(&mut self, why: String) {
        self.failure.get_or_insert(why);
    }

    fn say(&self, word: String) {
        if let Some(out) = &self.out
            && !word.is_empty()
        {
            let _ = out.send(word);
        }
    }

    /// One stanza of the component's, to whom it is for.
    fn route(&mut self, stanza: String) {
        let Some(to) = Envelope::read(stanza.as_bytes()).and_then(|e| e.to.map(|to| to.into_owned())) else {
            return self.fail(format!("to nobody: {stanza}"));
        };
        let domain = to.split_once('@').map_or(&*to, |(_, domain)| domain);
        let Some(domain) = DOMAINS.iter().find(|known| **known == domain) else { return self.hear(&stanza) };
        if let Some(consent) = attribute(&stanza, "<terms", "consent")
            && let Err(why) = self.ledger.left(consent, &to)
        {
            self.fail(why);
        }
        match self.remotes.entry(domain).or_default() {
            Remote::Up => self.hear(&stanza),
            Remote::Hanging(held) => held.push(stanza),
            Remote::Losing if !is_ping(&stanza) => self.lost += 1,
            Remote::Losing => {
                self.remotes.insert(domain, Remote::Up);
            }
        }
    }

    /// It is where it is for.
    fn hear(&mut self, stanza: &str) {
        let Some(envelope) = Envelope::read(stanza.as_bytes()) else { return };
        let (id, to) =
            (envelope.id.as_deref().unwrap_or_default(), envelope.to.as_deref().unwrap_or_default());
        let outcome = match (envelope.kind, envelope.type_.as_deref()) {
            (StanzaKind::Iq, Some("get")) => {
                self.say(format!("<iq type='result' from='{to}' to='energy.example.org' id='{id}'/>"));
                Ok(())
            }
            (StanzaKind::Iq, Some("set")) => {
                let taken = self.delivery(id, to, "<publish", stanza);
                self.say(format!("<iq type='result' from='{to}' to='energy.example.org' id='{id}'/>"));
                taken
            }
            (StanzaKind::Iq, Some("result")) => match id.split_once('-') {
                Some(("p", pack)) => self.ledger.acknowledged(pack).map(|next| self.say(next)),
                Some(("m", marker)) => {
                    let marker = marker.parse().unwrap_or(0);
                    self.ledger.turn_ends(|end| match end {
                        End::BehindMarker(at) if at <= marker => End::Certain,
                        end => end,
                    });
                    Ok(())
                }
                _ => Err(format!("an answer to nothing: {stanza}")),
            },
            (StanzaKind::Message, Some("normal")) => self.message(id, to, stanza),
            _ => Err(format!("unwanted: {stanza}")),
        };
        if let Err(why) = outcome {
            self.fail(why);
        }
    }

    fn message(&mut self, id: &str, to: &str, stanza: &str) -> Result<(), String> {
        if let Some(consent) = attribute(stanza, "<ended", "consent") {
            return self.ledger.told(consent, to);
        }
        if stanza.contains("<body>") {
            return Ok(());
        }
        self.delivery(id, to, "<items", stanza)
    }

    fn delivery(&mut self, id: &str, to: &str, list: &str, stanza: &str) -> Result<(), String> {
        let read = || {
            let node = attribute(stanza, list, "node")?;
            let item = attribute(stanza, "<item ", "id")?.parse().ok()?;
            let value = attribute(stanza, "<senml", "v")?.parse().ok()?;
            Some((node, item, value, attribute(stanza, "<terms", "consent")?))
        };
        let (node, item, value, consent) = read().ok_or_else(|| format!("not a delivery: {stanza}"))?;
        self.ledger.arrived(id, to, node, item, value, consent)
    }
}

fn is_ping(stanza: &str) -> bool {
    stanza.contains("<ping ")
}

/// An attribute of the first element that begins so.
fn attribute<'a>(xml: &'a str, element: &str, name: &str) -> Option<&'a str> {
    let tag = &xml[xml.find(element)? + element.len() - 1..];
    let tag = &tag[..tag.find('>')?];
    let value = &tag[tag.find(&format!(" {name}="))? + name.len() + 2..];
    let quote = value.chars().next()?;
    value[1..].split(quote).next()
}

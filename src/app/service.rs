//! The loop that joins socket, relay and journal.
//!
//! One task owns the relay, the framer and both halves of the socket, so that nothing on the way of a
//! stanza is locked or handed over; the journal is written beside it. All that waits is bounded: when the
//! journal or the outgoing side is slower than what comes in, the socket is read no further, and the
//! server's own flow control does the rest.

mod balance;
mod link;

use std::collections::VecDeque;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::io::AsyncWriteExt;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::MissedTickBehavior;

use self::balance::Balance;
use self::link::{Connected, connect_after, read_some, write_some};
use super::checkpoints;
use super::control::{self, Socket};
use super::follow::{self, News};
use super::journal_writer::JournalWriter;
use super::notices::NoticeKeeper;
use super::{first_look, retention, start, sweep};
use crate::config::{Config, ConfigError, limit};
use crate::desk::upstream::{Bounds, Upstream};
use crate::desk::{Context as DeskContext, Desk, Outgoing};
use crate::desk::{move_notices, notices};
use crate::domain::clock::Clock;
use crate::domain::decision;
use crate::domain::language::Language;
use crate::protocol::outbox::Outbox;
use crate::protocol::ping;
use crate::relay::Relay;
use crate::relay::delivery::Patience;
use crate::relay::machine::{Load, Settings, Telling};
use crate::relay::repetitions::Key;
use crate::relay::rights::Update;
use crate::router::{self, Router};
use crate::store::journal::Row;
use crate::store::move_notices::Notice;
use crate::store::{Store, StoreError};
use crate::transport::backoff::Reconnect;
use crate::transport::connect::{ConnectConfig, ConnectError, Link};
use crate::transport::framer::FramerLimits;
use crate::transport::liveness::Action;

/// How often the relay is told that time passes.
const TICK: Duration = Duration::from_millis(100);

/// Deliveries are rendered while less than this waits to be written to the socket.
const OUT_ENOUGH: usize = 256 * 1024;

/// Nothing is read while more than this waits to be written to the socket.
const OUT_TOO_MUCH: usize = 1024 * 1024;

/// Nothing is read while so many items wait for the journal.
const UNCOMMITTED_TOO_MUCH: usize = 4096;

/// Nothing is read while what waits for the journal takes so much memory, in bytes: an item may be as large as a stanza.
const UNCOMMITTED_TOO_LARGE: usize = 8 * 1024 * 1024;

/// Answers of the desk that may wait to be written.
const OUTGOING: usize = 64;

/// Payloads read from the journal at once for one destination.
const LOAD_BYTES: u64 = 2 * 1024 * 1024;

/// How long a change may wait for what was rendered before it; then the link is given up, and with it
/// what was not written.
const FENCE: Duration = Duration::from_secs(5);

/// How long to go on for what is under way when the service is asked to stop.
const DRAIN: Duration = Duration::from_secs(4);

/// Why the service did not start or did not go on.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// The configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The server does not want us, and was never heard to.
    #[error(transparent)]
    Refused(#[from] ConnectError),
    /// Anything else.
    #[error("{0:#}")]
    Other(#[from] anyhow::Error),
}

/// Runs until `stop` says so, or the first handshake is refused.
pub async fn run(config: &Config, stop: impl Future<Output = ()>) -> Result<(), ServiceError> {
    let secret = config.secret()?;
    tokio::pin!(stop);
    // Either may take long: another process holds the database, or much is owed.
    let store = tokio::select! {
        store = Store::open(&config.store.url, config.delivery.durability) => store?,
        () = &mut stop => return Ok(()),
    };
    store.keep_reserve();
    let clock = Clock::start();
    let (wishes, wished) = mpsc::channel(16);
    let (link, link_state) = watch::channel("not connected yet".to_owned());
    let _socket: Option<Socket> = match control::path_of(&config.store.url) {
        Some(path) => {
            let socket = control::listen(&path, wishes.clone(), link_state, store.unrecorded().clone()).await;
            Some(socket.with_context(|| format!("the control socket {}", path.display()))?)
        }
        None => None,
    };
    let key = config.audit_key_file().map(|path| checkpoints::key(&path)).transpose()?.map(Arc::new);
    let zone = config.consent.time_zone()?;
    let settings = settings(config, store.installation(), store.repetition_key().await?);
    let (mut relay, known) = tokio::select! {
        started = start::relay(&store, settings, clock.now()) => started?,
        () = &mut stop => return Ok(()),
    };
    relay.set_time_zone(zone);
    tracing::info!(
        series = relay.rights().registered(),
        waiting = relay.waiting(),
        "{} {} is ready",
        env!("CARGO_PKG_NAME"),
        env!("CARGO_PKG_VERSION")
    );
    let journal = JournalWriter::start(&store).await?;
    let (news_out, news) = mpsc::channel(1);
    let follower = tokio::spawn(follow::follow(
        store.clone(),
        known,
        config.delivery.retry_max.nominal(),
        wished,
        news_out,
    ));
    let signer = key.clone().map(|key| {
        let (store, every) = (store.clone(), config.audit.checkpoint_every.nominal());
        tokio::spawn(async move { checkpoints::sign_now_and_then(&store, &key, every).await })
    });
    let keeper = tokio::spawn({
        let (store, usual) = (store.clone(), config.pubsub.retention.nominal());
        async move { retention::keep_to_it(&store, usual).await }
    });
    let first_look = tokio::spawn({
        let store = store.clone();
        async move { first_look::look(&store).await }
    });
    let sweeper = {
        let (store, clock, config) = (store.clone(), clock.clone(), config.consent.clone());
        tokio::spawn(async move { sweep::sweep_now_and_then(&store, &clock, &config).await })
    };
    let connection = ConnectConfig::new(config.jid(), &config.component.server, secret);
    let (out, outgoing) = mpsc::channel(OUTGOING);
    let context = DeskContext {
        store: store.clone(),
        config: Arc::new(config.clone()),
        clock,
        out,
        wishes: wishes.clone(),
        upstream: Upstream::new(Bounds {
            questions: config.upstream.questions,
            per_asker: config.upstream.questions_per_asker,
            timeout: config.upstream.timeout.nominal(),
        }),
    };
    let service = Service::new(context, relay, journal, connection, link);
    let outcome = service.run(news, outgoing, stop).await;
    follower.abort();
    keeper.abort();
    sweeper.abort();
    first_look.abort();
    drop(wishes);
    if let (Some(key), Some(signer)) = (key, signer) {
        signer.abort();
        if let Err(error) = checkpoints::sign(&store, &key).await {
            tracing::warn!(%error, "the end of the disclosure log could not be signed");
        }
    }
    store.close().await;
    outcome
}

fn settings(config: &Config, installation: &str, repetition_key: [u8; 16]) -> Settings {
    let run = uuid::Uuid::new_v4().simple().to_string();
    Settings {
        jid: config.jid(),
        own_server: config.server_domain(),
        installation: installation.to_owned(),
        run: run[..16].to_owned(),
        headline: config.pubsub.notification_type == crate::config::NotificationType::Headline,
        publishes_per_second: config.limits.publishes_per_second,
        pack_records: limit(config.limits.pack_records),
        queue_packs: limit(config.limits.queue_packs),
        repetitions: limit(config.limits.repetitions),
        repetition_key: Key(repetition_key),
        time_to_live: config.delivery.time_to_live.nominal(),
        retention: config.pubsub.retention.nominal(),
        patience: Patience {
            ping: config.delivery.ping_timeout.nominal(),
            retry_max: config.delivery.retry_max.nominal(),
            first_contact: config.delivery.first_contact.nominal(),
        },
    }
}

/// A change that waits until what was rendered before it is written.
struct Fence {
    at: u64,
    until: Duration,
    taken: oneshot::Sender<()>,
}

type Loaded = (Load, Result<Vec<Row>, StoreError>);

struct Service {
    store: Store,
    clock: Clock,
    relay: Relay,
    router: Router,
    journal: JournalWriter,
    desk: Desk,
    upstream: Upstream,
    connection: ConnectConfig,
    framer_limits: FramerLimits,
    server_domain: String,
    language: Language,
    /// Who answers for people without an address.
    admins: Vec<jid::BareJid>,
    ping_timeout: Duration,
    link: Option<Connected>,
    /// What a command line is told of it.
    link_state: watch::Sender<String>,
    was_connected: bool,
    reconnect: Reconnect,
    /// Connect again after so long.
    relink: Option<Duration>,
    linked_since: Duration,
    /// Rendered; from `written` on not written yet.
    out: Outbox,
    written: usize,
    /// How far it was rendered when deliveries had last been added.
    delivered: u64,
    balance: Balance,
    /// Bytes ever written or given up, to know when a fence is passed.
    gone: u64,
    fences: VecDeque<Fence>,
    loads: mpsc::Sender<Loaded>,
    notices: NoticeKeeper,
    keepalives: u64,
}

/// What woke the loop.
enum Woken {
    Stop,
    Read(std::io::Result<usize>),
    Wrote(std::io::Result<usize>),
    Committed(bool),
    News(Option<News>),
    Untold(Vec<Notice>),
    Loaded(Loaded),
    Desk(Outgoing),
    Linked(Box<Result<Link, ConnectError>>),
    Tick,
}

impl Service {
    fn new(
        context: DeskContext,
        relay: Relay,
        journal: JournalWriter,
        connection: ConnectConfig,
        link_state: watch::Sender<String>,
    ) -> Self {
        let desk = Desk::open(&context);
        let DeskContext { store, config, clock, upstream, .. } = context;
        Service {
            notices: NoticeKeeper::start(store.clone()),
            admins: config.access.admins.clone(),
            store,
            clock,
            relay,
            router: Router::new(&config.jid()).with_usual(&config.pubsub),
            journal,
            desk,
            upstream,
            connection,
            framer_limits: FramerLimits {
                stanza_bytes: config.limits.stanza_bytes,
                ..FramerLimits::default()
            },
            server_domain: config.server_domain(),
            language: Language::of(&config.service.language),
            ping_timeout: config.delivery.ping_timeout.nominal(),
            link: None,
            link_state,
            was_connected: false,
            reconnect: Reconnect::new(u64::from(std::process::id())),
            relink: None,
            linked_since: Duration::ZERO,
            out: Outbox::default(),
            written: 0,
            delivered: 0,
            balance: Balance::new(),
            gone: 0,
            fences: VecDeque::new(),
            loads: mpsc::channel(1).0,
            keepalives: 0,
        }
    }

    async fn run(
        mut self,
        mut news: mpsc::Receiver<News>,
        mut outgoing: mpsc::Receiver<Outgoing>,
        stop: impl Future<Output = ()>,
    ) -> Result<(), ServiceError> {
        let (loads, mut loaded) = mpsc::channel::<Loaded>(64);
        self.loads = loads;
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        tokio::pin!(stop);
        let mut linking = Box::pin(connect_after(Duration::ZERO, self.connection.clone()));
        let mut stopping: Option<Duration> = None;
        loop {
            let may_render = self.waiting_to_write() < OUT_TOO_MUCH;
            let may_read = may_render
                && self.relay.uncommitted() < UNCOMMITTED_TOO_MUCH
                && self.relay.uncommitted_bytes() < UNCOMMITTED_TOO_LARGE
                && self.balance.may_read(self.relay.is_behind(), self.relay.waiting());
            let woken = {
                let (out, link) = (&self.out[self.written..], &mut self.link);
                let broken = link.as_ref().is_some_and(|link| link.broken.is_some());
                let (linked, wants_write) = (link.is_some(), !out.is_empty() && !broken);
                let (read, write) = match link {
                    Some(link) => (Some((&mut link.framer, &mut link.read)), Some(&mut link.write)),
                    None => (None, None),
                };
                tokio::select! {
                    () = &mut stop, if stopping.is_none() => Woken::Stop,
                    kept = self.journal.outcome(), if self.journal.is_writing() => Woken::Committed(kept),
                    news = news.recv() => Woken::News(news),
                    untold = self.notices.fetched() => Woken::Untold(untold),
                    Some(rows) = loaded.recv() => Woken::Loaded(rows),
                    Some(said) = outgoing.recv(), if may_render => Woken::Desk(said),
                    wrote = write_some(write, out), if linked && wants_write => Woken::Wrote(wrote),
                    count = read_some(read), if linked && may_read => Woken::Read(count),
                    link = &mut linking, if !linked => Woken::Linked(Box::new(link)),
                    _ = tick.tick() => Woken::Tick,
                }
            };
            match woken {
                Woken::Stop => {
                    tracing::info!("stopping: finishing what is under way");
                    self.relay.stop_taking();
                    stopping = Some(self.clock.now().mono + DRAIN);
                }
                Woken::Committed(kept) => {
                    self.relay.committed(kept);
                    if !kept {
                        self.notices.failed(self.clock.now().mono);
                    }
                }
                Woken::News(Some(news)) => self.take_news(news),
                Woken::News(None) => return Err(anyhow::anyhow!("the store is not followed any more").into()),
                Woken::Untold(ends) => ends.iter().for_each(|news| self.tell(news)),
                Woken::Loaded((load, rows)) => {
                    self.balance.loaded();
                    self.take_rows(&load, rows);
                }
                Woken::Desk(said) => self.say(&said),
                Woken::Wrote(Ok(count)) if count > 0 => self.wrote(count),
                Woken::Wrote(Ok(_)) => self.unlink("the server closed the connection"),
                Woken::Wrote(Err(error)) => self.write_failed(&error),
                Woken::Read(Ok(count)) if count > 0 => {
                    self.balance.read();
                    self.read();
                }
                Woken::Read(Ok(_)) => self.unlink("the server closed the connection"),
                Woken::Read(Err(error)) => self.unlink(&error.to_string()),
                Woken::Linked(link) => match *link {
                    Ok(link) => self.linked(link),
                    Err(error) if !self.was_connected && error.is_final_at_start() => {
                        return Err(error.into());
                    }
                    Err(error) => self.try_again(&error.to_string()),
                },
                Woken::Tick => self.tick(),
            }
            self.settle();
            if let Some(wait) = self.relink.take() {
                linking = Box::pin(connect_after(wait, self.connection.clone()));
            }
            if let Some(until) = stopping
                && (self.is_quiet() || self.clock.now().mono >= until)
            {
                self.close().await;
                return Ok(());
            }
        }
    }

    /// Takes what the desk has to say, unless a consent that it rests on has ended meanwhile.
    fn say(&mut self, said: &Outgoing) {
        let (rights, now) = (self.relay.rights(), self.clock.now().wall);
        let still = |key| rights.consent(key).is_some_and(|c| decision::stands_now(c, now).is_ok());
        let stands = said.rests_on.iter().all(|key| still(*key));
        let stanzas = if stands { &said.stanzas[..] } else { std::slice::from_ref(&said.otherwise) };
        for stanza in stanzas {
            // Clerks measure their answers; what is too large here is in the log.
            let _fits = self.out.stanza(|out| out.extend_from_slice(stanza));
        }
        for removed in &said.removed {
            self.relay.forget(&removed.node, removed.item.as_deref());
        }
    }

    fn take_news(&mut self, news: News) {
        // What a move has people told beside its consents comes with a series.
        if news.updates.iter().any(|update| matches!(update, Update::Consent(..) | Update::Series(..))) {
            self.notices.look();
        }
        for update in news.updates {
            self.relay.apply(update);
        }
        let now = self.clock.now();
        for (letter, row) in news.replays {
            self.relay.revive(letter.key, letter.subscription, row, letter.replay, now);
        }
        if let Some(taken) = news.taken {
            let until = self.clock.now().mono + FENCE;
            self.fences.push_back(Fence { at: self.rendered_so_far(), until, taken });
        }
    }

    /// Has those concerned told what happened to a consent.
    fn tell(&mut self, news: &Notice) {
        let (about, step, notices) = match news {
            Notice::Consent(step) => (
                format!("consent {}", step.consent.id),
                step.step.as_str(),
                notices::notices(step, self.router.domain(), self.language, &self.admins),
            ),
            Notice::Move(moved) => (
                moved.news.about(),
                "moved",
                move_notices::notices(moved, self.router.domain(), self.language),
            ),
        };
        let (key, at) = (news.key(), news.at().as_millisecond());
        self.relay.take_notice(Telling { key, at, about: about.into(), step: step.into(), notices });
    }

    fn take_rows(&mut self, load: &Load, rows: Result<Vec<Row>, StoreError>) {
        match rows {
            Ok(rows) => self.relay.loaded(load, rows, self.clock.now()),
            Err(error) => {
                tracing::error!(%error, "the journal cannot be read");
                self.relay.load_failed(load, self.clock.now());
            }
        }
    }

    fn wrote(&mut self, count: usize) {
        self.written += count;
        self.balance.wrote(count);
        self.gone += count as u64;
        if self.written == self.out.len() {
            self.out.clear();
            self.written = 0;
        } else if self.written > OUT_ENOUGH {
            self.out.wrote(self.written);
            self.written = 0;
        }
    }

    fn waiting_to_write(&self) -> usize {
        self.out.len() - self.written
    }

    fn rendered_so_far(&self) -> u64 {
        self.gone + self.waiting_to_write() as u64
    }

    /// What waits to be written never will be: the link it was for is gone.
    fn give_up_writing(&mut self) {
        self.gone += self.waiting_to_write() as u64;
        self.out.clear();
        self.written = 0;
    }

    fn tick(&mut self) {
        let now = self.clock.now();
        self.relay.tick(now);
        self.give_up_broken();
        self.balance.tick();
        let action = match &mut self.link {
            Some(link) => link.liveness.on_tick(tokio::time::Instant::now()),
            None => Action::Nothing,
        };
        match action {
            Action::Nothing => {}
            Action::Ping => {
                self.keepalives += 1;
                let id = format!("k-{}", self.keepalives);
                let (from, to) = (self.router.domain(), &self.server_domain);
                let _fits = self.out.stanza(|out| ping::write(out, from, to, &id));
            }
            Action::Dead => self.unlink("the server says nothing any more"),
        }
        if self.fences.front().is_some_and(|fence| fence.until <= now.mono) {
            // What was rendered before the change cannot be written: it must not be written later either.
            self.unlink("the server takes nothing any more, and what was rendered is not right any more");
        }
    }

    /// After whatever happened: answers, the next batch, the next deliveries, fences.
    fn settle(&mut self) {
        let now = self.clock.now();
        for settled in self.relay.take_settled() {
            router::settle(&settled, &mut self.out);
        }
        if !self.journal.is_writing()
            && let Some(batch) = self.relay.take_batch(now)
        {
            self.journal.write(batch);
        }
        if self.link.is_some() {
            if self.rendered_so_far() != self.delivered {
                self.relay.wrote_beside();
            }
            for load in self.relay.pump(now, &mut self.out, self.written + OUT_ENOUGH) {
                self.load(load);
            }
            self.delivered = self.rendered_so_far();
        } else {
            // Whoever waits for an answer has given up on this link.
            self.give_up_writing();
        }
        self.notices.attend(&self.relay, now.mono);
        while self.fences.front().is_some_and(|fence| fence.at <= self.gone) {
            if let Some(fence) = self.fences.pop_front() {
                let _ = fence.taken.send(());
            }
        }
    }

    fn load(&mut self, mut load: Load) {
        self.balance.loads();
        let (store, loads) = (self.store.clone(), self.loads.clone());
        tokio::spawn(async move {
            let rows = rows_of(&store, &mut load).await;
            let _ = loads.send((load, rows)).await;
        });
    }

    /// Whether nothing is under way any more.
    fn is_quiet(&self) -> bool {
        self.link.is_none() && !self.journal.is_writing() && self.relay.uncommitted() == 0
            || self.out.is_empty()
                && !self.journal.is_writing()
                && self.relay.uncommitted() == 0
                && !self.relay.is_under_way()
    }

    /// What is durable stays; what is not was not acknowledged. Says goodbye to the server.
    async fn close(mut self) {
        if self.journal.is_writing() {
            let kept = self.journal.outcome().await;
            self.relay.committed(kept);
            for settled in self.relay.take_settled() {
                router::settle(&settled, &mut self.out);
            }
        }
        if let Some(mut link) = self.link.take() {
            let goodbye = async {
                link.write.write_all(&self.out[self.written..]).await?;
                link.write.write_all(b"</stream:stream>").await?;
                link.write.shutdown().await
            };
            let _ = tokio::time::timeout(Duration::from_secs(2), goodbye).await;
        }
        tracing::info!(counts = ?self.relay.counts(), waiting = self.relay.waiting(), "stopped");
    }
}

/// Reads what was asked for; only the first of it where it is large.
async fn rows_of(store: &Store, load: &mut Load) -> Result<Vec<Row>, StoreError> {
    let within = store.journal_rows_within(&load.seqs, LOAD_BYTES).await?;
    load.seqs.truncate(within);
    store.journal_rows(&load.seqs).await
}

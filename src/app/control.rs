//! How a command line tells the running service, and hears that it has taken a change.
//!
//! A Unix socket beside the database (`courant.db-control`). The one who connects writes a line `changes`;
//! the service answers `taken` once it has read all changes made so far and nothing that is against them
//! can be written to the server any more. `halt` and the ids of consents, whose ends could not be recorded, has
//! nothing leave under them any more, and is answered `taken` likewise. `status` asks for the state of the link to the server.
//! The socket is also the lock: one service per database.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot, watch};
use uuid::Uuid;

use super::follow::Wish;
use crate::store::unrecorded::Unrecorded;

/// How long a command line waits for the service.
const PATIENCE: Duration = Duration::from_secs(20);

/// Consents named in one line.
const HALTED_AT_ONCE: usize = 1000;

/// Bytes of a line.
const LINE_MAX: u64 = 40 * HALTED_AT_ONCE as u64;

/// Callers at a time.
const CALLERS_MAX: usize = 16;

/// Where the socket is, for a database.
pub fn path_of(store_url: &str) -> Option<PathBuf> {
    let path = store_url.strip_prefix("sqlite:")?;
    let path = path.strip_prefix("//").unwrap_or(path);
    let path = path.split('?').next().unwrap_or(path);
    (!path.is_empty() && path != ":memory:").then(|| PathBuf::from(format!("{path}-control")))
}

/// What became of telling the service.
#[derive(Debug, PartialEq, Eq)]
pub enum Told {
    /// It has taken the change.
    Taken,
    /// There is no service running on this database.
    NobodyThere,
    /// There is one, but it did not say that it has.
    NoAnswer(String),
}

/// Tells the service that something changed, and waits until it has taken it.
pub async fn tell(socket: &Path) -> Told {
    say(socket, "changes").await
}

/// Has the service send nothing more under consents whose ends could not be recorded, and waits until it does not.
pub async fn halt(socket: &Path, ids: &[Uuid]) -> Told {
    for ids in ids.chunks(HALTED_AT_ONCE) {
        let ids: String = ids.iter().map(|id| format!(" {id}")).collect();
        match say(socket, &format!("halt{ids}")).await {
            Told::Taken => {}
            otherwise => return otherwise,
        }
    }
    Told::Taken
}

async fn say(socket: &Path, what: &str) -> Told {
    match ask(socket, what).await {
        Ok(Some(answer)) if answer == "taken" => Told::Taken,
        Ok(Some(_)) => Told::NoAnswer("it closed the connection".into()),
        Ok(None) => Told::NobodyThere,
        Err(e) => Told::NoAnswer(e.to_string()),
    }
}

/// How the running service stands with the server: `connected`, or why not; `None` where none runs.
pub async fn status(socket: &Path) -> io::Result<Option<String>> {
    ask(socket, "status").await
}

/// Asks the service, if one runs.
async fn ask(socket: &Path, question: &str) -> io::Result<Option<String>> {
    let stream = match UnixStream::connect(socket).await {
        Ok(stream) => stream,
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
            return Ok(None);
        }
        Err(e) => return Err(e),
    };
    let silence = || {
        let text = format!("it said nothing for {} seconds", PATIENCE.as_secs());
        io::Error::new(io::ErrorKind::TimedOut, text)
    };
    let exchange = async {
        let mut stream = stream;
        stream.write_all(format!("{question}\n").as_bytes()).await?;
        let mut answer = String::new();
        BufReader::new(stream.take(1024)).read_line(&mut answer).await?;
        Ok(Some(answer.trim().to_owned()))
    };
    tokio::time::timeout(PATIENCE, exchange).await.unwrap_or_else(|_| Err(silence()))
}

/// Removes the socket when the service ends.
#[derive(Debug)]
pub struct Socket {
    path: PathBuf,
}

impl Drop for Socket {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Opens the socket, unless another service holds it, and passes wishes on.
pub async fn listen(
    path: &Path,
    wishes: mpsc::Sender<Wish>,
    link: watch::Receiver<String>,
    unrecorded: Unrecorded,
) -> io::Result<Socket> {
    if UnixStream::connect(path).await.is_ok() {
        let text = "another courant runs on this database; stop it first, or name another [store] url";
        return Err(io::Error::new(io::ErrorKind::AddrInUse, text));
    }
    // What is left of one that was killed.
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    let callers = std::sync::Arc::new(tokio::sync::Semaphore::new(CALLERS_MAX));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(place) = std::sync::Arc::clone(&callers).acquire_owned().await else { return };
            let (wishes, link, unrecorded) = (wishes.clone(), link.clone(), unrecorded.clone());
            tokio::spawn(async move {
                let _place = place;
                let _ = tokio::time::timeout(PATIENCE, answer(stream, wishes, link, unrecorded)).await;
            });
        }
    });
    Ok(Socket { path: path.to_owned() })
}

async fn answer(
    stream: UnixStream,
    wishes: mpsc::Sender<Wish>,
    link: watch::Receiver<String>,
    unrecorded: Unrecorded,
) -> io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut line = String::new();
    BufReader::new(read.take(LINE_MAX)).read_line(&mut line).await?;
    match line.trim() {
        "changes" => {}
        "status" => {
            let state = link.borrow().replace('\n', " ");
            return write.write_all(format!("{state}\n").as_bytes()).await;
        }
        line => {
            let ids = line.strip_prefix("halt ");
            let ids =
                ids.and_then(|ids| ids.split(' ').map(Uuid::parse_str).collect::<Result<Vec<_>, _>>().ok());
            let answer = match ids {
                Some(ids) if unrecorded.halt(&ids).await => "taken\n",
                Some(_) => "not yet\n",
                None => "what?\n",
            };
            return write.write_all(answer.as_bytes()).await;
        }
    }
    let (wish, taken) = oneshot::channel();
    if wishes.send(wish).await.is_ok() && taken.await.is_ok() {
        write.write_all(b"taken\n").await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_socket_lies_beside_the_database() {
        assert_eq!(path_of("sqlite:/var/lib/c/c.db"), Some("/var/lib/c/c.db-control".into()));
        assert_eq!(path_of("sqlite:///var/c.db?mode=rwc"), Some("/var/c.db-control".into()));
        assert_eq!(path_of("sqlite:c.db"), Some("c.db-control".into()));
        assert_eq!(path_of("sqlite::memory:"), None);
    }

    #[tokio::test]
    async fn a_change_is_told_and_taken() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("c.db-control");
        assert_eq!(tell(&path).await, Told::NobodyThere);
        let (wishes, mut wished) = mpsc::channel::<Wish>(1);
        let unrecorded = Unrecorded::default();
        let (_link, state) = watch::channel("connected".to_owned());
        let socket = listen(&path, wishes.clone(), state.clone(), unrecorded.clone()).await.unwrap();
        assert!(listen(&path, wishes, state, unrecorded.clone()).await.is_err(), "one service per database");
        assert_eq!(status(&path).await.unwrap().as_deref(), Some("connected"));
        tokio::spawn(async move {
            let first = wished.recv().await.unwrap();
            first.send(()).unwrap();
            drop(wished.recv().await);
        });
        // The look whether somebody is there counts as no wish.
        assert_eq!(tell(&path).await, Told::Taken);
        assert!(matches!(tell(&path).await, Told::NoAnswer(_)));
        let id = Uuid::now_v7();
        assert!(matches!(halt(&path, &[id]).await, Told::NoAnswer(_)), "nobody sends yet");
        let mut halts = unrecorded.followed();
        tokio::spawn(async move {
            let (halted, taken) = halts.recv().await.unwrap();
            assert_eq!(halted, [id]);
            taken.send(()).unwrap();
        });
        assert_eq!(halt(&path, &[id]).await, Told::Taken);
        drop(socket);
        assert_eq!(tell(&path).await, Told::NobodyThere);
    }
}

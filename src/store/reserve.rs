//! Room that is kept for the day when the disk is full: a file beside the database (`courant.db-reserve`) that is let
//! go so that ends of consents can still be recorded, and made anew when there is room again.
//!
//! From when it is let go until it is there again, nothing else of this process is written: it would take the room.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};

use rustix::fs::{FallocateFlags, OFlags, fallocate, statvfs};
use rustix::io::Errno;

/// How much room is kept: the ends of ten consents and more.
const SIZE: u64 = 1024 * 1024;

/// So much more must be free before it is made anew, so that others can go on too.
const MARGIN: u64 = SIZE / 4;

/// How it begins. A file that says something else is somebody's, and is left alone.
const TITLE: &[u8] = b"Room that courant keeps for ends of consents when the disk is full. Leave it here.\n";

/// Nobody keeps it here: a command line, or a place where it cannot be.
const NOT_KEPT: u8 = 0;
/// It is there.
const WHOLE: u8 = 1;
/// It was let go, or there was no room for it.
const LET_GO: u8 = 2;

/// See the module.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reserve(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// Nothing where the database is no file.
    path: Option<PathBuf>,
    state: AtomicU8,
    /// One at a time makes it or lets it go.
    hand: Mutex<()>,
}

impl Reserve {
    /// That of a database; nothing is made yet.
    pub(crate) fn of(database: &Path) -> Self {
        let is_file = !database.as_os_str().is_empty() && !database.starts_with(":memory:");
        let mut path = database.as_os_str().to_owned();
        path.push("-reserve");
        let path = is_file.then(|| path.into());
        Reserve(Arc::new(Inner { path, state: AtomicU8::new(NOT_KEPT), hand: Mutex::default() }))
    }

    /// Makes it, and keeps it from now on.
    pub(crate) fn keep(&self) {
        let Some(path) = &self.0.path else { return };
        let _hand = self.hand();
        let at = path.display();
        match make(path) {
            Ok(()) => self.0.state.store(WHOLE, Ordering::Release),
            Err(error) if is_full(&error) => {
                self.0.state.store(LET_GO, Ordering::Release);
                tracing::error!(
                    "the disk of the database is full: there is no room for {at}, and nothing but ends of consents is recorded; make room"
                );
            }
            Err(error) => tracing::error!(
                %error,
                "{at}, the room for ends of consents when the disk is full, cannot be kept; see that this user may write it and that nothing else has its name"
            ),
        }
    }

    /// Whether others than ends of consents may write.
    pub(crate) fn is_whole(&self) -> bool {
        self.0.state.load(Ordering::Acquire) != LET_GO || self.renew()
    }

    /// Makes it anew, if it was let go and there is room. Whether it is there.
    pub(crate) fn renew(&self) -> bool {
        let Some(path) = self.0.path.as_deref().filter(|path| has_room(path)) else { return false };
        let _hand = self.hand();
        if self.0.state.load(Ordering::Acquire) == LET_GO {
            if make(path).is_err() {
                return false;
            }
            self.0.state.store(WHOLE, Ordering::Release);
            tracing::info!("there is room on the disk of the database again");
        }
        true
    }

    /// Another process may have let it go.
    pub(crate) fn look(&self) {
        let Some(path) = &self.0.path else { return };
        let is_there = || path.symlink_metadata().is_ok_and(|file| file.is_file() && file.len() >= SIZE);
        if self.0.state.load(Ordering::Acquire) == WHOLE && !is_there() {
            self.0.state.store(LET_GO, Ordering::Release);
        }
        if self.0.state.load(Ordering::Acquire) == LET_GO {
            self.renew();
        }
    }

    /// Lets it go, for an end of a consent that is written next. Whether there was anything to let go.
    pub(crate) fn let_go(&self) -> bool {
        let Some(path) = &self.0.path else { return false };
        let _hand = self.hand();
        let given = give(path).unwrap_or(false);
        if given {
            // Where nobody keeps it, nobody is to miss it either.
            let kept = self.0.state.compare_exchange(WHOLE, LET_GO, Ordering::AcqRel, Ordering::Acquire);
            if kept.is_ok() {
                tracing::error!(
                    "the disk of the database is full: only ends of consents are recorded until there is room again"
                );
            }
        }
        given
    }

    fn hand(&self) -> std::sync::MutexGuard<'_, ()> {
        self.0.hand.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// Opens what is ours: never what a link leads to, nor a file of somebody else's.
fn open(path: &Path, create: bool) -> io::Result<File> {
    let flags = OFlags::NOFOLLOW.bits().cast_signed();
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(create).mode(0o600).custom_flags(flags);
    let mut file = options.open(path)?;
    let about = file.metadata()?;
    let mut title = Vec::new();
    let is_ours = about.is_file() && about.nlink() == 1 && {
        (&mut file).take(TITLE.len() as u64).read_to_end(&mut title)?;
        title.is_empty() || title == TITLE
    };
    if !is_ours {
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, "there is another file of this name"));
    }
    Ok(file)
}

/// Makes it, or makes it whole. Where there is no room for all of it, it takes none.
fn make(path: &Path) -> io::Result<()> {
    let mut file = open(path, true)?;
    // Whatever the umask says, and who made it earlier.
    file.set_permissions(std::fs::Permissions::from_mode(0o600))?;
    let filled = fill(&mut file);
    if filled.is_err() {
        let _ = file.set_len(0);
    }
    filled
}

fn fill(file: &mut File) -> io::Result<()> {
    match fallocate(&*file, FallocateFlags::empty(), 0, SIZE) {
        Ok(()) => {
            file.seek(SeekFrom::Start(0))?;
            file.write_all(TITLE)
        }
        // Where room cannot be reserved it is written to, with what cannot be made smaller.
        Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => {
            let mut content = vec![0; SIZE as usize];
            getrandom::fill(&mut content).map_err(io::Error::other)?;
            content[..TITLE.len()].copy_from_slice(TITLE);
            file.seek(SeekFrom::Start(0))?;
            file.write_all(&content)?;
            file.sync_all()
        }
        Err(error) => Err(error.into()),
    }
}

/// Gives its room back. `false` where it has none.
fn give(path: &Path) -> io::Result<bool> {
    let file = open(path, false)?;
    if file.metadata()?.len() == 0 {
        return Ok(false);
    }
    file.set_len(0)?;
    // Some file systems give it to others only then.
    let _ = file.sync_all();
    Ok(true)
}

fn has_room(path: &Path) -> bool {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // Where it cannot be asked it is tried.
    statvfs(folder).map_or(true, |of| of.f_bavail.saturating_mul(of.f_frsize) >= SIZE + MARGIN)
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_made_let_go_and_made_anew() {
        let dir = tempfile::tempdir().unwrap();
        let reserve = Reserve::of(&dir.path().join("c.db"));
        let path = dir.path().join("c.db-reserve");
        assert!(!reserve.let_go(), "there is none");
        assert!(reserve.is_whole(), "nobody keeps it");
        reserve.keep();
        let about = path.metadata().unwrap();
        assert_eq!((about.len(), about.mode() & 0o7777), (SIZE, 0o600));
        assert!(about.blocks() * 512 >= SIZE, "really allocated: {} blocks", about.blocks());
        // A file of an earlier run, which others may read, and cut short.
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        std::fs::File::options().write(true).open(&path).unwrap().set_len(4096).unwrap();
        reserve.keep();
        let about = path.metadata().unwrap();
        assert_eq!((about.len(), about.mode() & 0o7777), (SIZE, 0o600));
        assert!(reserve.let_go());
        assert_eq!(path.metadata().unwrap().blocks(), 0);
        assert!(!reserve.let_go(), "it has nothing left");
        assert!(reserve.is_whole(), "there is room, so it is made anew at once");
        assert_eq!(path.metadata().unwrap().len(), SIZE);
    }

    #[test]
    fn what_another_process_lets_go_is_seen() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("c.db");
        let (service, command_line) = (Reserve::of(&path), Reserve::of(&path));
        service.keep();
        assert!(command_line.let_go());
        service.look();
        assert_eq!(dir.path().join("c.db-reserve").metadata().unwrap().len(), SIZE);
        std::fs::remove_file(dir.path().join("c.db-reserve")).unwrap();
        service.look();
        assert!(service.let_go());
    }

    #[test]
    fn no_file_of_somebody_else_is_touched() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("c.db-reserve");
        let other = dir.path().join("other");
        std::fs::write(&other, TITLE).unwrap();
        let words = b"not ours";
        let ways: [&dyn Fn(); 3] = [
            &|| std::os::unix::fs::symlink(&other, &path).unwrap(),
            &|| std::fs::hard_link(&other, &path).unwrap(),
            &|| std::fs::write(&path, words).unwrap(),
        ];
        for way in ways {
            way();
            let before = std::fs::read(&path).unwrap();
            let reserve = Reserve::of(&dir.path().join("c.db"));
            reserve.keep();
            assert!(!reserve.let_go());
            assert!(reserve.is_whole(), "nobody waits for what cannot be");
            assert_eq!(std::fs::read(&path).unwrap(), before);
            assert_eq!(std::fs::read(&other).unwrap(), TITLE);
            std::fs::remove_file(&path).unwrap();
        }
        assert!(Reserve::of(Path::new(":memory:")).0.path.is_none());
    }
}

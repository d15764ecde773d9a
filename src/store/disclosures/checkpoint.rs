//! Signatures over the chain so far (Ed25519): who has no key can neither cut off the end of the log before
//! the last of them, nor write it anew.
//!
//! Signed is the text `courant checkpoint 1`, the installation, the number of the row, the time in
//! milliseconds and the row's hash in hexadecimal, each on a line of its own.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::super::{Store, StoreError};

/// A signed row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The last row that is signed.
    pub seq: u64,
    /// Its hash.
    pub hash: Vec<u8>,
    /// When, milliseconds since 1970.
    pub at: i64,
    /// By whom.
    pub public_key: Vec<u8>,
    /// The signature.
    pub signature: Vec<u8>,
}

impl Checkpoint {
    /// Whether the signature is right for this installation.
    pub fn is_signed(&self, installation: &str) -> bool {
        let key =
            <[u8; 32]>::try_from(&self.public_key[..]).ok().and_then(|k| VerifyingKey::from_bytes(&k).ok());
        let (Some(key), Ok(signature)) = (key, Signature::from_slice(&self.signature)) else { return false };
        key.verify_strict(&message(installation, self.seq, self.at, &self.hash), &signature).is_ok()
    }
}

fn message(installation: &str, seq: u64, at: i64, hash: &[u8]) -> Vec<u8> {
    format!("courant checkpoint 1\n{installation}\n{seq}\n{at}\n{}\n", hex(hash)).into_bytes()
}

/// The key of an installation. It never prints.
pub struct Key(SigningKey);

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Key(public {})", hex(&self.public()))
    }
}

impl Key {
    /// Reads the key, or makes one if there is no such file: 64 hexadecimal digits that only its owner may read.
    pub fn open(path: &Path) -> io::Result<Self> {
        match Self::read(path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Self::make(path),
            other => other,
        }
    }

    /// Reads the key.
    pub fn read(path: &Path) -> io::Result<Self> {
        let text = fs::read_to_string(path)?;
        let seed = unhex(text.trim()).ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidData, "it does not hold a key (64 hexadecimal digits)")
        })?;
        Ok(Key(SigningKey::from_bytes(&seed)))
    }

    /// Written beside and linked into its place, so that it is there whole or not at all, and never
    /// replaces another's.
    fn make(path: &Path) -> io::Result<Self> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(io::Error::other)?;
        let draft = PathBuf::from(format!("{}.{}", path.display(), std::process::id()));
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
        let linked = writeln!(file, "{}", hex(&seed))
            .and_then(|()| file.sync_all())
            .and_then(|()| fs::hard_link(&draft, path));
        fs::remove_file(&draft)?;
        match linked {
            // Another process was first: its key counts.
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Self::read(path),
            other => other.map(|()| Key(SigningKey::from_bytes(&seed))),
        }
    }

    /// The half that is told to others.
    pub fn public(&self) -> [u8; 32] {
        self.0.verifying_key().to_bytes()
    }
}

/// Where the key is, for a database, unless the operator says so: beside it.
pub fn key_file(store_url: &str) -> Option<PathBuf> {
    let path = store_url.strip_prefix("sqlite:")?;
    let path = path.strip_prefix("//").unwrap_or(path);
    let path = path.split('?').next().unwrap_or(path);
    (!path.is_empty() && path != ":memory:").then(|| PathBuf::from(format!("{path}-audit.key")))
}

/// Bytes in hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// 32 bytes back from hexadecimal.
pub fn unhex(text: &str) -> Option<[u8; 32]> {
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    let mut bytes = [0; 32];
    for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some(bytes)
}

impl Store {
    /// Signs the chain as it stands, unless nothing was added since the last signature.
    pub async fn add_checkpoint(&self, key: &Key, at: i64) -> Result<Option<Checkpoint>, StoreError> {
        let mut tx = self.write().await?;
        let head = sqlx::query("SELECT seq, hash FROM disclosure_block ORDER BY seq DESC LIMIT 1")
            .fetch_optional(&mut *tx)
            .await?;
        let Some(head) = head else { return Ok(None) };
        let (seq, hash): (i64, Vec<u8>) = (head.try_get(0)?, head.try_get(1)?);
        let signed = sqlx::query("SELECT 1 FROM audit_checkpoint WHERE seq >= ? LIMIT 1")
            .bind(seq)
            .fetch_optional(&mut *tx)
            .await?;
        if signed.is_some() {
            return Ok(None);
        }
        let signature = key.0.sign(&message(self.installation(), seq.unsigned_abs(), at, &hash));
        let checkpoint = Checkpoint {
            seq: seq.unsigned_abs(),
            hash,
            at,
            public_key: key.public().to_vec(),
            signature: signature.to_bytes().to_vec(),
        };
        sqlx::query(
            "INSERT INTO audit_checkpoint (seq, hash, at, public_key, signature) VALUES (?, ?, ?, ?, ?)",
        )
        .bind(seq)
        .bind(&checkpoint.hash)
        .bind(at)
        .bind(&checkpoint.public_key)
        .bind(&checkpoint.signature)
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(Some(checkpoint))
    }

    /// The first checkpoint after `seq`.
    pub(super) async fn next_checkpoint(&self, seq: u64) -> Result<Option<Checkpoint>, StoreError> {
        let row = sqlx::query(
            "SELECT seq, hash, at, public_key, signature FROM audit_checkpoint WHERE seq > ? ORDER BY seq LIMIT 1",
        )
        .bind(seq.cast_signed())
        .fetch_optional(self.pool())
        .await?;
        row.as_ref().map(read).transpose()
    }
}

/// A row as it stands. What is not even of the right kind reads as empty, which no signature fits.
fn read(row: &SqliteRow) -> Result<Checkpoint, StoreError> {
    Ok(Checkpoint {
        seq: row.try_get::<i64, _>(0)?.unsigned_abs(),
        hash: row.try_get(1).unwrap_or_default(),
        at: row.try_get(2).unwrap_or_default(),
        public_key: row.try_get(3).unwrap_or_default(),
        signature: row.try_get(4).unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_key_is_made_once_and_is_its_owners() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("c.db-audit.key");
        let key = Key::open(&path).unwrap();
        assert_eq!(Key::open(&path).unwrap().public(), key.public());
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        let written = fs::read_to_string(&path).unwrap();
        assert!(!format!("{key:?}").contains(written.trim()));
        fs::write(&path, "nonsense").unwrap();
        assert!(Key::open(&path).unwrap_err().to_string().contains("64"));
        assert_eq!(fs::read_to_string(&path).unwrap(), "nonsense", "left alone");
    }

    #[test]
    fn the_key_lies_beside_the_database() {
        assert_eq!(key_file("sqlite:/var/c.db?mode=rwc"), Some("/var/c.db-audit.key".into()));
        assert_eq!(key_file("sqlite::memory:"), None);
    }

    #[test]
    fn hexadecimal_and_back() {
        let bytes: [u8; 32] = std::array::from_fn(|n| n as u8 * 7);
        assert_eq!(unhex(&hex(&bytes)), Some(bytes));
        assert_eq!(unhex("ab"), None);
        assert_eq!(unhex(&"é".repeat(32)), None);
    }
}

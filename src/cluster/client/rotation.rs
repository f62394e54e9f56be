//! Certificate files that are replaced while we run: when that happened, and how often.
//!
//! A connection keeps the identity it was made with, so whoever pools connections has to know when the files
//! changed (client-go: `transport/cert_rotation.go` closes all connections then; it looks each five minutes, this
//! each half minute and after a 401). What is in the files is `tls`' business.

use std::hash::{DefaultHasher, Hasher};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How long the files are believed to be as they were.
const PERIOD: Duration = Duration::from_secs(30);

/// The certificate files of one connection.
pub(super) struct Rotation {
    files: Vec<PathBuf>,
    state: Mutex<Seen>,
}

struct Seen {
    /// A digest of what is in the files, not the content: there are keys among them.
    digest: u64,
    changes: u64,
    at: Instant,
}

impl Rotation {
    pub(super) fn new(files: Vec<PathBuf>) -> Self {
        let digest = digest(&files);
        Self { files, state: Mutex::new(Seen { digest, changes: 0, at: Instant::now() }) }
    }

    /// Whether there are no files that could change.
    pub(super) fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// How often the files have changed; looks at them where that is due.
    pub(super) fn changes(&self) -> u64 {
        let mut seen = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.at.elapsed() >= PERIOD {
            self.look(&mut seen);
        }
        seen.changes
    }

    /// Looks now: whether they have changed more often than `known`.
    pub(super) fn changed_since(&self, known: u64) -> bool {
        let mut seen = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        self.look(&mut seen);
        seen.changes != known
    }

    fn look(&self, seen: &mut Seen) {
        seen.at = Instant::now();
        if self.files.is_empty() {
            return;
        }
        let digest = digest(&self.files);
        if digest != seen.digest {
            seen.digest = digest;
            seen.changes += 1;
        }
    }
}

fn digest(files: &[PathBuf]) -> u64 {
    let mut hasher = DefaultHasher::new();
    for file in files {
        let content = std::fs::read(file).unwrap_or_default();
        hasher.write_usize(content.len());
        hasher.write(&content);
    }
    hasher.finish()
}

//! Which forwards run on this computer, told from one kdisco process to the others by small files.
//!
//! What it is: a directory with a file for each process (`PID.json`, readable by its owner alone, replaced as a
//! whole) and beside it a file that the process holds locked while it lives. So nobody has to wait, a crash leaves
//! nothing that is believed, and a process number that is used again means nothing. What it is not: it forwards
//! nothing and asks no cluster. `kdisco forward` and the explorer write, `kdisco env --local` reads.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::files;

/// Version of the files.
const VERSION: u32 = 1;
/// No process has so many forwards that its file is longer.
const LARGEST: u64 = 1 << 20;

/// What a forward leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Target {
    /// A Service.
    Service,
    /// A pod.
    Pod,
}

/// One running forward.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Entry {
    /// URL of the API server; with the namespace it says which cluster's Service this is.
    pub server: String,
    /// Name of the context, for people.
    pub context: String,
    /// Namespace of the target.
    pub namespace: String,
    /// Kind of the target.
    pub kind: Target,
    /// Name of the target.
    pub name: String,
    /// Port of the Service, or of the pod.
    pub port: u16,
    /// Where it listens.
    pub local: SocketAddr,
}

#[derive(Serialize, Deserialize)]
struct Contents {
    version: u32,
    pid: u32,
    forwards: Vec<Entry>,
}

/// Where the files are: `kdisco/forwards` in `$XDG_RUNTIME_DIR`, else in `$XDG_STATE_HOME` or `~/.local/state`
/// (Windows: `%LOCALAPPDATA%`). `None` where there is no home.
pub fn directory(variable: impl Fn(&str) -> Option<std::ffi::OsString>) -> Option<PathBuf> {
    // The specification says that relative paths are to be ignored.
    let path = |name: &str| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = path("XDG_RUNTIME_DIR")
        .or_else(|| path("XDG_STATE_HOME"))
        .or_else(|| path("LOCALAPPDATA"))
        .or_else(|| path("HOME").map(|home| home.join(".local").join("state")))?;
    Some(base.join("kdisco").join("forwards"))
}

/// This process' own file. Dropping it takes the file away.
#[derive(Debug)]
pub struct Registry {
    directory: PathBuf,
    pid: u32,
    /// Locked as long as this lives.
    _lock: File,
}

impl Registry {
    /// Opens the directory, makes it if there is none, and clears away what dead processes left.
    ///
    /// # Errors
    /// What the system says.
    pub fn open(directory: &Path) -> io::Result<Self> {
        files::directories().recursive(true).create(directory)?;
        for pid in processes(directory) {
            if !is_alive(directory, pid) {
                remove(directory, pid);
            }
        }
        let pid = std::process::id();
        let lock =
            files::options().write(true).create(true).truncate(false).open(lock_file(directory, pid))?;
        lock.lock()?;
        Ok(Self { directory: directory.to_owned(), pid, _lock: lock })
    }

    /// Tells the others which forwards run now: all of them, each time.
    ///
    /// # Errors
    /// What the system says; the former file stays then.
    pub fn publish(&self, forwards: &[Entry]) -> io::Result<()> {
        let contents = Contents { version: VERSION, pid: self.pid, forwards: forwards.to_vec() };
        let text = serde_json::to_vec(&contents).map_err(io::Error::other)?;
        files::replace(&json_file(&self.directory, self.pid), &text)
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        remove(&self.directory, self.pid);
    }
}

/// The forwards of all living processes, sorted. What can't be read is nobody's forward.
pub fn running(directory: &Path) -> Vec<Entry> {
    let alive = processes(directory).into_iter().filter(|pid| is_alive(directory, *pid));
    let mut all: Vec<Entry> = alive.filter_map(|pid| read(directory, pid)).flatten().collect();
    all.sort();
    all.dedup();
    all
}

fn read(directory: &Path, pid: u32) -> Option<Vec<Entry>> {
    let mut text = Vec::new();
    File::open(json_file(directory, pid)).ok()?.take(LARGEST).read_to_end(&mut text).ok()?;
    let contents: Contents = serde_json::from_slice(&text).ok()?;
    (contents.version == VERSION && contents.pid == pid).then_some(contents.forwards)
}

/// The processes that have a file here, dead or alive.
fn processes(directory: &Path) -> Vec<u32> {
    let Ok(entries) = fs::read_dir(directory) else { return vec![] };
    let pid = |name: std::ffi::OsString| name.to_str()?.strip_suffix(".lock")?.parse().ok();
    entries.filter_map(|entry| pid(entry.ok()?.file_name())).collect()
}

/// Whether the process holds its file locked.
fn is_alive(directory: &Path, pid: u32) -> bool {
    let Ok(file) = File::open(lock_file(directory, pid)) else { return false };
    matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock))
}

fn remove(directory: &Path, pid: u32) {
    // Whatever can't be removed is not believed without its lock.
    let _ = fs::remove_file(json_file(directory, pid));
    let _ = fs::remove_file(files::beside(&json_file(directory, pid), pid));
    let _ = fs::remove_file(lock_file(directory, pid));
}

fn json_file(directory: &Path, pid: u32) -> PathBuf {
    directory.join(format!("{pid}.json"))
}

fn lock_file(directory: &Path, pid: u32) -> PathBuf {
    directory.join(format!("{pid}.lock"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, local: &str) -> Entry {
        Entry {
            server: "https://10.0.0.1:6443".into(),
            context: "prod".into(),
            namespace: "shop".into(),
            kind: Target::Service,
            name: name.into(),
            port: 80,
            local: local.parse().unwrap(),
        }
    }

    #[test]
    fn what_one_process_publishes_others_see_until_it_ends() {
        let home = tempfile::tempdir().unwrap();
        let directory = home.path().join("kdisco/forwards");
        assert_eq!(running(&directory), []);
        let registry = Registry::open(&directory).unwrap();
        assert_eq!(running(&directory), []);
        let (web, db) = (entry("web", "127.0.0.1:8080"), entry("db", "[::1]:5432"));
        registry.publish(&[web.clone(), db.clone()]).unwrap();
        assert_eq!(running(&directory), [db, web.clone()]);
        registry.publish(std::slice::from_ref(&web)).unwrap();
        assert_eq!(running(&directory), [web]);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
            assert_eq!(mode(&json_file(&directory, std::process::id())), 0o600);
            assert_eq!(mode(&directory), 0o700);
        }
        drop(registry);
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 0, "nothing is left");
    }

    #[test]
    fn what_a_dead_process_left_is_not_believed_and_goes_with_the_next() {
        let home = tempfile::tempdir().unwrap();
        let directory = home.path();
        let dead = Contents { version: VERSION, pid: 7, forwards: vec![entry("web", "127.0.0.1:1")] };
        fs::write(json_file(directory, 7), serde_json::to_vec(&dead).unwrap()).unwrap();
        fs::write(lock_file(directory, 7), "").unwrap();
        assert_eq!(running(directory), []);
        let living = File::create(lock_file(directory, 7)).unwrap();
        living.lock().unwrap();
        assert_eq!(running(directory).len(), 1, "it is its lock that says that it lives");
        fs::write(json_file(directory, 7), "{\"version\":").unwrap();
        assert_eq!(running(directory), [], "half a file is none");
        drop(living);
        let _registry = Registry::open(directory).unwrap();
        assert!(!json_file(directory, 7).exists());
    }

    #[test]
    fn the_directory_is_where_the_desktop_says() {
        let at = |set: &[(&str, &str)]| {
            let set: Vec<(String, String)> =
                set.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
            directory(move |name| set.iter().find(|(k, _)| k == name).map(|(_, v)| v.into()))
        };
        let path = |text: &str| Some(PathBuf::from(text));
        assert_eq!(
            at(&[("XDG_RUNTIME_DIR", "/run/user/1"), ("HOME", "/h")]),
            path("/run/user/1/kdisco/forwards")
        );
        assert_eq!(
            at(&[("XDG_RUNTIME_DIR", "run"), ("HOME", "/h")]),
            path("/h/.local/state/kdisco/forwards")
        );
        assert_eq!(at(&[]), None);
    }
}

//! Files that are nobody else's business: read by their owner alone, and replaced as a whole.
//!
//! What it is: the one way in which this program writes files (profiles, the register of forwards, the log, the demo's
//! kubeconfig). What it is not: it knows no content; whether what is there may be written over is for the caller to
//! say, who has read it.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// So many links are followed from one to the next (Linux: `MAXSYMLINKS`).
const LINKS: usize = 40;

/// How such files are opened: a new one is its owner's alone (0600).
pub fn options() -> OpenOptions {
    #[cfg_attr(not(unix), expect(unused_mut, reason = "only Unix has modes"))]
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// How directories for them are made: their owner's alone (0700).
pub fn directories() -> DirBuilder {
    #[cfg_attr(not(unix), expect(unused_mut, reason = "only Unix has modes"))]
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
}

/// Opens a file for lines at its end. One that is there already becomes its owner's alone, as far as that is ours to
/// say.
///
/// # Errors
/// What the system says.
pub fn append(path: &Path) -> io::Result<File> {
    let file = options().create(true).append(true).open(path)?;
    #[cfg(unix)]
    if file.metadata().is_ok_and(|of| of.is_file()) {
        use std::os::unix::fs::PermissionsExt as _;
        // Another owner's file is theirs to open and to close.
        let _ = file.set_permissions(fs::Permissions::from_mode(0o600));
    }
    Ok(file)
}

/// Makes a new file.
///
/// # Errors
/// A file or link of that name, and what else the system says.
pub fn create(path: &Path, contents: &[u8]) -> io::Result<()> {
    let mut file = options().write(true).create_new(true).open(path)?;
    file.write_all(contents)
}

/// Replaces a file, or makes it: whoever reads it sees all of the old or all of the new, after a crash too. Behind a
/// symbolic link it is the file that the link leads to, and the link stays. The directory has to be there.
///
/// # Errors
/// Something of that name that is no file, and what else the system says; the former file stays then.
pub fn replace(path: &Path, contents: &[u8]) -> io::Result<()> {
    /// Two threads would write to the same file beside.
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let path = &followed(path)?;
    if fs::symlink_metadata(path).is_ok_and(|there| !there.is_file()) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file"));
    }
    let beside = beside(path, std::process::id());
    // What a former process of this number left half done may be there.
    let _ = fs::remove_file(&beside);
    let written = options().write(true).create_new(true).open(&beside).and_then(|mut file| {
        file.write_all(contents)?;
        file.sync_all()
    });
    let replaced = written.and_then(|()| fs::rename(&beside, path));
    if replaced.is_err() {
        let _ = fs::remove_file(&beside);
    }
    replaced
}

/// Where a process writes what is to replace a file.
pub fn beside(path: &Path, pid: u32) -> PathBuf {
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{pid}.new"));
    path.with_file_name(name)
}

/// The file at the end of links; it need not be there.
fn followed(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..LINKS {
        let Ok(link) = fs::read_link(&path) else { return Ok(path) };
        path.pop();
        path.push(link);
    }
    Err(io::Error::other("too many symbolic links"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).unwrap();
        let mut names: Vec<_> =
            entries.map(|e| e.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    #[cfg(unix)]
    fn mode(path: &Path) -> u32 {
        use std::os::unix::fs::PermissionsExt as _;
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_file_is_replaced_as_a_whole_and_nothing_stays_beside_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.toml");
        replace(&path, b"one").unwrap();
        let mut reader = File::open(&path).unwrap();
        fs::write(beside(&path, std::process::id()), "half").unwrap();
        replace(&path, b"two").unwrap();
        let mut old = String::new();
        io::Read::read_to_string(&mut reader, &mut old).unwrap();
        assert_eq!((old.as_str(), fs::read_to_string(&path).unwrap().as_str()), ("one", "two"));
        assert_eq!(names(directory.path()), ["a.toml"]);
    }

    #[test]
    fn what_cannot_be_replaced_stays() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("folder");
        fs::create_dir(&path).unwrap();
        assert!(replace(&path, b"x").is_err());
        assert!(replace(&directory.path().join("none").join("a"), b"x").is_err());
        assert_eq!(names(directory.path()), ["folder"]);
        assert!(create(&path, b"x").is_err());
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_reads_them_whatever_was_there() {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = tempfile::tempdir().unwrap();
        let [replaced, created, log] = ["r", "c", "l"].map(|name| directory.path().join(name));
        for path in [&replaced, &log] {
            fs::write(path, "before\n").unwrap();
            fs::set_permissions(path, fs::Permissions::from_mode(0o666)).unwrap();
        }
        replace(&replaced, b"x").unwrap();
        create(&created, b"x").unwrap();
        append(&log).unwrap().write_all(b"after\n").unwrap();
        assert_eq!([&replaced, &created, &log].map(|path| mode(path)), [0o600; 3]);
        assert_eq!(fs::read_to_string(&log).unwrap(), "before\nafter\n");
        let folder = directory.path().join("a").join("b");
        directories().recursive(true).create(&folder).unwrap();
        assert_eq!((mode(&folder), mode(folder.parent().unwrap())), (0o700, 0o700));
    }

    #[cfg(unix)]
    #[test]
    fn links_stay_and_lead_to_the_new_contents() {
        use std::os::unix::fs::symlink;
        let directory = tempfile::tempdir().unwrap();
        let [there, link, second, round] =
            ["there", "link", "second", "round"].map(|n| directory.path().join(n));
        symlink("there", &link).unwrap();
        symlink(&link, &second).unwrap();
        symlink("round", &round).unwrap();
        // Even where nothing is there yet.
        replace(&second, b"one").unwrap();
        assert_eq!(fs::read_to_string(&there).unwrap(), "one");
        replace(&second, b"two").unwrap();
        assert_eq!(fs::read_to_string(&there).unwrap(), "two");
        assert_eq!(fs::read_link(&link).unwrap(), Path::new("there"));
        assert!(replace(&round, b"x").is_err());
        // A device is no file of ours, and a link in the place of the new file leads nowhere.
        assert!(replace(Path::new("/dev/null"), b"x").is_err());
        let other = directory.path().join("other");
        symlink(&other, beside(&there, std::process::id())).unwrap();
        replace(&there, b"three").unwrap();
        assert!(!other.exists());
    }
}

//! Forwards that are kept under a name, for each context, in a file that people read and edit.
//!
//! What it is: a TOML file, read and replaced as a whole; fields that this version does not know and the comment at
//! its top stay as they are, a file that can't be read is never written over. What it is not: a start of anything.
//!
//! ```toml
//! [[profile]]
//! name = "work"
//! context = "prod"
//! autostart = true
//!
//! [[profile.forward]]
//! namespace = "shop"
//! target = "svc/web"
//! port = "8080:http"
//! ```

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use crate::model::session::profile::{Profile, ProfileAct};
use crate::model::session::{Choice, ForwardSpec, Listen};
use crate::model::target::{PortWish, Target};

/// The fields of a forward that are ours to write.
const FIELDS: [&str; 6] = ["namespace", "target", "port", "address", "choice", "pod"];
/// What a new file begins with.
const ABOUT: &str = "# Forwards that kdisco keeps under a name for a context. To be edited as well.\n\n";

/// Why a profile could not be read or kept.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// The file can't be read or written.
    #[error("{}: {error}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What happened.
        error: io::Error,
    },
    /// The file is no TOML, or something in it is not what it should be.
    #[error("{}: {what}", path.display())]
    Broken {
        /// The file.
        path: PathBuf,
        /// What is wrong, where.
        what: String,
    },
    /// There is no such profile in the context.
    #[error("there is no profile \"{name}\" for the context \"{context}\"")]
    Missing {
        /// The name.
        name: String,
        /// The context.
        context: String,
        /// The names that there are in the context.
        others: Vec<String>,
    },
}

/// The profiles of a context, in the file's order. One that makes no sense does not hide the others.
///
/// # Errors
/// A file that is there and can't be read.
pub fn list(path: &Path, context: &str) -> Result<Vec<Profile>, ProfileError> {
    let (_, file) = read(path)?;
    Ok(profiles(path, &file)?.iter().filter(|p| text(p, "context") == context).map(profile).collect())
}

/// The forwards of a profile.
///
/// # Errors
/// No such profile, or a file that can't be read.
pub fn load(path: &Path, context: &str, name: &str) -> Result<Vec<ForwardSpec>, ProfileError> {
    let all = list(path, context)?;
    let Some(profile) = all.iter().find(|profile| &*profile.name == name) else {
        return Err(missing(&all, context, name));
    };
    profile.forwards.clone().map_err(|what| ProfileError::Broken {
        path: path.to_owned(),
        what: format!("profile \"{name}\": {what}"),
    })
}

/// Does what is asked with the profiles of a context, and says what there is then. The file is replaced as a whole.
///
/// # Errors
/// A file that is there and can't be read, or can't be written; no profile of that name.
pub fn act(path: &Path, context: &str, act: &ProfileAct) -> Result<Vec<Profile>, ProfileError> {
    match act {
        ProfileAct::Read => {}
        ProfileAct::Save { name, forwards } => save(path, context, name, forwards)?,
        ProfileAct::Delete(name) => change(path, context, name, |list, at| drop(list.remove(at)))?,
        ProfileAct::Autostart(name, on) => change(path, context, name, |list, at| {
            if let Some(profile) = list[at].as_table_mut() {
                profile.insert("autostart".to_owned(), (*on).into());
            }
        })?,
    }
    list(path, context)
}

/// Keeps forwards under a name, in the place of those that had it before. The file is replaced as a whole.
///
/// # Errors
/// A file that is there and can't be read, or can't be written.
pub fn save(path: &Path, context: &str, name: &str, specs: &[ForwardSpec]) -> Result<(), ProfileError> {
    let (top, mut file) = read(path)?;
    profiles(path, &file)?;
    let list = file.entry("profile").or_insert_with(|| Value::Array(Vec::new()));
    let list = list.as_array_mut().ok_or_else(|| no_list(path))?;
    let at = list.iter().position(|p| text(p, "name") == name && text(p, "context") == context);
    let before = at.and_then(|at| list[at].get("forward")?.as_array().cloned()).unwrap_or_default();
    let forwards: Vec<Value> = specs.iter().map(|spec| Value::Table(kept(spec, &before))).collect();
    if let Some(profile) = at.and_then(|at| list[at].as_table_mut()) {
        profile.insert("forward".to_owned(), Value::Array(forwards));
    } else {
        let mut profile = Table::new();
        profile.insert("name".to_owned(), name.into());
        profile.insert("context".to_owned(), context.into());
        profile.insert("forward".to_owned(), Value::Array(forwards));
        list.push(Value::Table(profile));
    }
    replace(path, &top, &file)
}

/// Changes the list of profiles at the place of one of them.
fn change(
    path: &Path,
    context: &str,
    name: &str,
    change: impl FnOnce(&mut Vec<Value>, usize),
) -> Result<(), ProfileError> {
    let (top, mut file) = read(path)?;
    profiles(path, &file)?;
    let entries = file.get_mut("profile").and_then(Value::as_array_mut);
    let at = entries.and_then(|entries| {
        let at = entries.iter().position(|p| text(p, "name") == name && text(p, "context") == context);
        at.map(|at| (entries, at))
    });
    let Some((entries, at)) = at else { return Err(missing(&list(path, context)?, context, name)) };
    change(entries, at);
    replace(path, &top, &file)
}

fn missing(all: &[Profile], context: &str, name: &str) -> ProfileError {
    let others = all.iter().map(|profile| profile.name.to_string()).collect();
    ProfileError::Missing { name: name.to_owned(), context: context.to_owned(), others }
}

/// The comment at the top, and what the file says. A file that is not there says nothing.
fn read(path: &Path) -> Result<(String, Table), ProfileError> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((ABOUT.to_owned(), Table::new())),
        Err(error) => return Err(ProfileError::File { path: path.to_owned(), error }),
    };
    let table = text.parse().map_err(|error: toml::de::Error| ProfileError::Broken {
        path: path.to_owned(),
        what: error.to_string().trim().to_owned(),
    })?;
    let top = text.split_inclusive('\n').take_while(|line| {
        let line = line.trim_start();
        line.is_empty() || line.starts_with('#')
    });
    Ok((top.collect(), table))
}

fn profiles<'a>(path: &Path, file: &'a Table) -> Result<&'a [Value], ProfileError> {
    match file.get("profile") {
        None => Ok(&[]),
        Some(Value::Array(list)) if list.iter().all(Value::is_table) => Ok(list),
        Some(_) => Err(no_list(path)),
    }
}

fn no_list(path: &Path) -> ProfileError {
    let what = "`profile` is no list of tables ([[profile]])".to_owned();
    ProfileError::Broken { path: path.to_owned(), what }
}

fn profile(value: &Value) -> Profile {
    let forwards = match value.get("forward") {
        None => Ok(Vec::new()),
        Some(Value::Array(list)) => list.iter().map(|forward| spec(forward).map_err(Into::into)).collect(),
        Some(_) => Err("`forward` is no list of tables ([[profile.forward]])".into()),
    };
    Profile {
        name: text(value, "name").into(),
        autostart: value.get("autostart").and_then(Value::as_bool).unwrap_or(false),
        forwards,
    }
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// A forward as it is written, with what its former entry says besides.
fn kept(spec: &ForwardSpec, before: &[Value]) -> Table {
    let ours = table(spec);
    let same = |old: &&Value| ["namespace", "target", "port"].iter().all(|f| old.get(*f) == ours.get(*f));
    let mut entry = before.iter().find(same).and_then(Value::as_table).cloned().unwrap_or_default();
    for field in FIELDS {
        entry.remove(field);
    }
    entry.extend(ours);
    entry
}

fn table(spec: &ForwardSpec) -> Table {
    let mut table = Table::new();
    table.insert("namespace".to_owned(), spec.target.namespace.as_ref().into());
    table.insert("target".to_owned(), spec.target.to_string().into());
    table.insert("port".to_owned(), spec.port.to_string().into());
    let mut addresses: Vec<Value> = Vec::new();
    if spec.listen.localhost && !spec.listen.addresses.is_empty() {
        addresses.push("localhost".into());
    }
    addresses.extend(spec.listen.addresses.iter().map(|address| address.to_string().into()));
    if !addresses.is_empty() {
        table.insert("address".to_owned(), Value::Array(addresses));
    }
    if spec.choice != Choice::default() {
        table.insert("choice".to_owned(), spec.choice.word().into());
    }
    if let Choice::Pinned(pod) = &spec.choice {
        table.insert("pod".to_owned(), pod.as_ref().into());
    }
    table
}

fn spec(forward: &Value) -> Result<ForwardSpec, String> {
    let target = Target::parse(text(forward, "target"), text(forward, "namespace"));
    let port = PortWish::parse(text(forward, "port")).map_err(|error| error.to_string())?;
    let mut spec = ForwardSpec::new(target.map_err(|error| error.to_string())?, port);
    let addresses = forward.get("address").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    spec.listen = Listen::parse(addresses.iter().filter_map(Value::as_str))?;
    spec.choice = match text(forward, "choice") {
        "" | "round-robin" => Choice::RoundRobin,
        "least-connections" => Choice::LeastConnections,
        "kubectl" => Choice::Kubectl,
        "pinned" => Choice::Pinned(text(forward, "pod").into()),
        other => return Err(format!("\"{other}\" is no way to choose a pod")),
    };
    Ok(spec)
}

fn replace(path: &Path, top: &str, file: &Table) -> Result<(), ProfileError> {
    let failed = |error| ProfileError::File { path: path.to_owned(), error };
    // Whoever keeps the file elsewhere and a link here keeps the link.
    let real = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    write(&real, &format!("{top}{file}")).map_err(failed)
}

/// Writes beside it, for the owner's eyes alone, and puts it in its place.
fn write(path: &Path, text: &str) -> io::Result<()> {
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)?;
    }
    let beside = path.with_extension(format!("toml.{}", std::process::id()));
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options.open(&beside).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()
    });
    let replaced = written.and_then(|()| fs::rename(&beside, path));
    if replaced.is_err() {
        let _ = fs::remove_file(&beside);
    }
    replaced
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEFORE: &str = "# mine\n\ncolour = \"blue\"\n[[profile]]\nname = \"work\"\ncontext = \"prod\"\nautostart = true\n\
        [[profile.forward]]\nnamespace = \"shop\"\ntarget = \"svc/web\"\nport = \"8080:http\"\nchoice = \"kubectl\"\nwhy = \"the shop\"\n";

    fn port(text: &str) -> PortWish {
        PortWish::parse(text).unwrap()
    }

    fn specs() -> [ForwardSpec; 2] {
        let mut web = ForwardSpec::new(Target::service("shop", "web"), port("8080:http"));
        web.listen = Listen::parse(["localhost", "127.0.0.2"]).unwrap();
        let mut db = ForwardSpec::new(Target::pod("shop", "db-0"), port("5432"));
        db.choice = Choice::Pinned("db-0".into());
        [web, db]
    }

    #[test]
    fn what_is_kept_comes_back_and_what_is_unknown_stays() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("kdisco").join("forwards.toml");
        fs::create_dir(path.parent().unwrap()).unwrap();
        fs::write(&path, BEFORE).unwrap();
        let specs = specs();
        save(&path, "prod", "work", &specs).unwrap();
        save(&path, "test", "work", &specs[..1]).unwrap();
        assert_eq!(load(&path, "prod", "work").unwrap(), specs);
        assert_eq!(load(&path, "test", "work").unwrap().len(), 1);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("# mine\n"), "{text}");
        for kept in ["colour = \"blue\"", "autostart = true", "why = \"the shop\""] {
            assert!(text.contains(kept), "{kept} in {text}");
        }
        assert!(!text.contains("kubectl"), "what was chosen before is replaced: {text}");
        match load(&path, "prod", "play") {
            Err(ProfileError::Missing { others, .. }) => assert_eq!(others, ["work"]),
            other => panic!("{other:?}"),
        }
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn one_is_started_by_itself_or_deleted_and_the_others_stay() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("forwards.toml");
        let named = |name: &str| ProfileAct::Save { name: name.into(), forwards: specs().into() };
        for (context, name) in [("prod", "work"), ("prod", "play"), ("test", "work")] {
            act(&path, context, &named(name)).unwrap();
        }
        let all = act(&path, "prod", &ProfileAct::Autostart("work".into(), true)).unwrap();
        let shown: Vec<_> = all.iter().map(|p| (&*p.name, p.autostart)).collect();
        assert_eq!(shown, [("work", true), ("play", false)]);
        assert_eq!(all[0].words(), "svc/web 8080:http, pod/db-0 5432");
        assert!(!act(&path, "test", &ProfileAct::Read).unwrap()[0].autostart);
        let all = act(&path, "prod", &ProfileAct::Delete("work".into())).unwrap();
        assert_eq!(all.iter().map(|p| &*p.name).collect::<Vec<_>>(), ["play"]);
        assert_eq!(list(&path, "test").unwrap().len(), 1);
        let gone = act(&path, "prod", &ProfileAct::Delete("work".into()));
        assert!(matches!(gone, Err(ProfileError::Missing { .. })), "{gone:?}");
        assert!(fs::read_to_string(&path).unwrap().starts_with("# Forwards that kdisco keeps"));
    }

    #[test]
    fn one_that_makes_no_sense_does_not_hide_the_others() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("forwards.toml");
        let odd = "[[profile]]\nname = \"odd\"\ncontext = \"prod\"\nforward = [{ target = \"svc/a\", port = \"x:y:z\" }]\n";
        fs::write(&path, format!("{odd}{BEFORE}").replace("colour = \"blue\"\n", "")).unwrap();
        let all = list(&path, "prod").unwrap();
        assert_eq!(all.iter().map(|p| p.forwards.is_ok()).collect::<Vec<_>>(), [false, true]);
        assert!(matches!(load(&path, "prod", "odd"), Err(ProfileError::Broken { .. })));
        assert_eq!(load(&path, "prod", "work").unwrap().len(), 1);
    }

    #[test]
    fn a_broken_file_is_not_written_over() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("forwards.toml");
        for broken in ["profile = [", "profile = 3\n", "profile = [1]\n"] {
            fs::write(&path, broken).unwrap();
            assert!(matches!(save(&path, "c", "p", &[]), Err(ProfileError::Broken { .. })), "{broken}");
            let deleted = act(&path, "c", &ProfileAct::Delete("p".into()));
            assert!(matches!(deleted, Err(ProfileError::Broken { .. })), "{broken}");
            assert_eq!(fs::read_to_string(&path).unwrap(), broken);
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_link_stays_a_link() {
        let directory = tempfile::tempdir().unwrap();
        let (real, link) = (directory.path().join("dotfiles.toml"), directory.path().join("forwards.toml"));
        fs::write(&real, BEFORE).unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        save(&link, "prod", "more", &specs()).unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(list(&real, "prod").unwrap().len(), 2);
    }
}

//! Forwards that are kept under a name, for each context, in a file that people read and edit.
//!
//! What it is: a TOML file, read and replaced as a whole; fields that this version does not know stay as they are, a
//! file that can't be read is never written over. What it is not: a start of anything.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use crate::files;
use crate::model::session::{Choice, ForwardSpec, Listen};
use crate::model::target::{PortWish, Target};

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
    #[error("there is no profile \"{0}\" for the context \"{1}\"")]
    Missing(String, String),
}

/// Names of the profiles of a context, in the file's order.
///
/// # Errors
/// A file that is there and can't be read.
pub fn names(path: &Path, context: &str) -> Result<Vec<String>, ProfileError> {
    let file = read(path)?;
    let all = profiles(&file).iter().filter(|profile| text(profile, "context") == context);
    Ok(all.map(|profile| text(profile, "name").to_owned()).collect())
}

/// The forwards of a profile.
///
/// # Errors
/// No such profile, or a file that can't be read.
pub fn load(path: &Path, context: &str, name: &str) -> Result<Vec<ForwardSpec>, ProfileError> {
    let file = read(path)?;
    let is = |profile: &&Value| text(profile, "name") == name && text(profile, "context") == context;
    let profile = profiles(&file).iter().find(is);
    let profile = profile.ok_or_else(|| ProfileError::Missing(name.to_owned(), context.to_owned()))?;
    let broken = |what: String| ProfileError::Broken {
        path: path.to_owned(),
        what: format!("profile \"{name}\": {what}"),
    };
    let forwards = profile.get("forward").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    forwards.iter().map(|forward| spec(forward).map_err(broken)).collect()
}

/// Keeps forwards under a name, in the place of those that had it before. The file is replaced as a whole.
///
/// # Errors
/// A file that is there and can't be read, or can't be written.
pub fn save(path: &Path, context: &str, name: &str, specs: &[ForwardSpec]) -> Result<(), ProfileError> {
    let mut file = read(path)?;
    let forwards: Vec<Value> = specs.iter().map(|spec| Value::Table(table(spec))).collect();
    let list = file.entry("profile").or_insert_with(|| Value::Array(Vec::new()));
    let Some(list) = list.as_array_mut() else {
        let what = "`profile` is no list of tables".to_owned();
        return Err(ProfileError::Broken { path: path.to_owned(), what });
    };
    let is = |profile: &&mut Value| text(profile, "name") == name && text(profile, "context") == context;
    if let Some(Value::Table(profile)) = list.iter_mut().find(is) {
        profile.insert("forward".to_owned(), Value::Array(forwards));
    } else {
        let mut profile = Table::new();
        profile.insert("name".to_owned(), name.into());
        profile.insert("context".to_owned(), context.into());
        profile.insert("forward".to_owned(), Value::Array(forwards));
        list.push(Value::Table(profile));
    }
    let failed = |error| ProfileError::File { path: path.to_owned(), error };
    if let Some(directory) = path.parent() {
        files::directories().recursive(true).create(directory).map_err(failed)?;
    }
    files::replace(path, file.to_string().as_bytes()).map_err(failed)
}

fn read(path: &Path) -> Result<Table, ProfileError> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Table::new()),
        Err(error) => return Err(ProfileError::File { path: path.to_owned(), error }),
    };
    text.parse().map_err(|error: toml::de::Error| ProfileError::Broken {
        path: path.to_owned(),
        what: error.to_string().trim().to_owned(),
    })
}

fn profiles(file: &Table) -> &[Value] {
    file.get("profile").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_comes_back_and_what_is_unknown_stays() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("kdisco").join("forwards.toml");
        fs::create_dir(path.parent().unwrap()).unwrap();
        let before =
            "colour = \"blue\"\n[[profile]]\nname = \"work\"\ncontext = \"prod\"\nautostart = true\n";
        fs::write(&path, before).unwrap();
        let port = |text| PortWish::parse(text).unwrap();
        let mut web = ForwardSpec::new(Target::service("shop", "web"), port("8080:http"));
        web.listen = Listen::parse(["localhost", "127.0.0.2"]).unwrap();
        let mut db = ForwardSpec::new(Target::pod("shop", "db-0"), port("5432"));
        db.choice = Choice::Pinned("db-0".into());
        let specs = [web, db];
        save(&path, "prod", "work", &specs).unwrap();
        save(&path, "test", "work", &specs[..1]).unwrap();
        assert_eq!(load(&path, "prod", "work").unwrap(), specs);
        assert_eq!(load(&path, "test", "work").unwrap().len(), 1);
        assert_eq!(names(&path, "test").unwrap(), ["work"]);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains("colour = \"blue\"") && text.contains("autostart = true"), "{text}");
        assert!(matches!(load(&path, "prod", "play"), Err(ProfileError::Missing(..))));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn a_broken_file_is_not_written_over() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("forwards.toml");
        fs::write(&path, "profile = [").unwrap();
        assert!(matches!(save(&path, "c", "p", &[]), Err(ProfileError::Broken { .. })));
        assert_eq!(fs::read_to_string(&path).unwrap(), "profile = [");
    }
}

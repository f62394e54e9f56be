//! Where settings come from: defaults < configuration file < environment < flags, merged once at the start.
//!
//! What it is: the values with the place each one came from, and sentences about what is wrong with a file. What it
//! is not: it reads the environment and the disk only through [`World`], so that tests can stand in for both.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{Complaint, Keymap, Source, nearest};

/// Everything that can be set, each with where it was set.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Name of the theme; empty means that the terminal decides.
    pub theme: Value<String>,
    /// Whether colours are used at all.
    pub color: Value<bool>,
    /// Whether only ASCII is drawn.
    pub ascii: Value<bool>,
    /// Whether the mouse is listened to (which takes selecting text away from the terminal).
    pub mouse: Value<bool>,
    /// Namespaces to offer where the cluster does not let them be listed.
    pub namespaces: Value<Vec<String>>,
    /// The same for one context each.
    pub contexts: BTreeMap<String, Value<Vec<String>>>,
    /// File that logs are written to; without one there are no logs.
    pub log_file: Value<Option<PathBuf>>,
    /// What is logged (`warn`, `kdisco=debug,info`).
    pub log_level: Value<String>,
    /// Whether nothing may be changed in the cluster (restarts, deletions).
    pub read_only: Value<bool>,
    /// The keys.
    pub keymap: Keymap,
    /// Where keys other than the defaults come from, if there are any.
    pub keys_file: Option<PathBuf>,
    /// The configuration file that was read, or that would be if it were there.
    pub file: Option<PathBuf>,
    /// Names in the file that nothing is known of: worth telling, nothing to stop for.
    pub unknown: Vec<Complaint>,
}

/// A value and where it was set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value<T> {
    /// The value.
    pub value: T,
    /// Who said so.
    pub origin: Origin,
}

impl<T> Value<T> {
    fn default(value: T) -> Self {
        Self { value, origin: Origin::Default }
    }

    fn set(&mut self, value: T, origin: Origin) {
        *self = Self { value, origin };
    }
}

/// Who set a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nobody.
    Default,
    /// The configuration file, in this line.
    File(usize),
    /// This environment variable.
    Environment(&'static str),
    /// This flag.
    Flag(&'static str),
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(line) => write!(f, "line {line}"),
            Self::Environment(name) => write!(f, "${name}"),
            Self::Flag(name) => f.write_str(name),
        }
    }
}

/// What the command line sets; `None` and `false` leave a value as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// `--config`.
    pub config: Option<PathBuf>,
    /// `--theme`.
    pub theme: Option<String>,
    /// `--ascii`.
    pub ascii: bool,
    /// `--no-color`.
    pub no_color: bool,
    /// `--log-file`.
    pub log_file: Option<PathBuf>,
    /// `--read-only`.
    pub read_only: bool,
}

/// Why there are no settings.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// A file that was named can't be read.
    #[error("{}: {error}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: std::io::Error,
    },
    /// A file says something that it can't say.
    #[error(transparent)]
    Wrong(#[from] Complaint),
    /// An environment variable says something that it can't say.
    #[error("${name} is \"{value}\", which is neither 1 nor 0")]
    Variable {
        /// The variable.
        name: &'static str,
        /// Its value.
        value: String,
    },
}

/// The environment and the disk.
pub struct World<'a> {
    /// An environment variable.
    pub variable: &'a dyn Fn(&str) -> Option<OsString>,
    /// The text of a file.
    pub read: &'a dyn Fn(&Path) -> std::io::Result<String>,
    /// The directory that configuration files are looked for in (`~/.config`).
    pub config_dir: Option<PathBuf>,
}

/// Reads the settings of the person at this computer.
///
/// # Errors
/// A file that was named (by flag or `KDISCO_CONFIG`) and can't be read, and what is wrong with one.
pub fn load(flags: &Flags) -> Result<Settings, LoadError> {
    use etcetera::BaseStrategy;
    let config_dir = etcetera::choose_base_strategy().ok().map(|s| s.config_dir());
    load_from(
        &World {
            variable: &|name| std::env::var_os(name),
            read: &|path| std::fs::read_to_string(path),
            config_dir,
        },
        flags,
    )
}

/// The file with the saved forwards, beside the configuration; `None` where there is no home.
pub fn forwards_file() -> Option<PathBuf> {
    use etcetera::BaseStrategy;
    let strategy = etcetera::choose_base_strategy().ok()?;
    Some(strategy.config_dir().join("kdisco").join("forwards.toml"))
}

/// The same in any world.
///
/// # Errors
/// As for [`load`].
pub fn load_from(world: &World<'_>, flags: &Flags) -> Result<Settings, LoadError> {
    let mut settings = Settings::defaults();
    settings.read_file(world, flags)?;
    settings.read_environment(world)?;
    settings.take_flags(flags);
    Ok(settings)
}

impl Settings {
    fn defaults() -> Self {
        Self {
            theme: Value::default(String::new()),
            color: Value::default(true),
            ascii: Value::default(false),
            mouse: Value::default(true),
            namespaces: Value::default(vec![]),
            contexts: BTreeMap::new(),
            log_file: Value::default(None),
            log_level: Value::default("info".to_owned()),
            read_only: Value::default(false),
            keymap: Keymap::default(),
            keys_file: None,
            file: None,
            unknown: vec![],
        }
    }

    /// Namespaces to offer in a context, listed or not.
    pub fn namespaces_of(&self, context: &str) -> BTreeSet<String> {
        let own = self.contexts.get(context).map(|v| &v.value);
        self.namespaces.value.iter().chain(own.into_iter().flatten()).cloned().collect()
    }

    fn read_file(&mut self, world: &World<'_>, flags: &Flags) -> Result<(), LoadError> {
        let named = flags.config.clone().or_else(|| variable(world, "KDISCO_CONFIG").map(PathBuf::from));
        let usual = || world.config_dir.as_ref().map(|dir| dir.join("kdisco").join("config.toml"));
        let Some(path) = named.clone().or_else(usual) else { return Ok(()) };
        self.file = Some(path.clone());
        let text = match (world.read)(&path) {
            Ok(text) => text,
            Err(e) if named.is_none() && e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(LoadError::Unreadable { path, error }),
        };
        let name = path.display().to_string();
        let source = Source { file: &name, text: text.strip_prefix('\u{feff}').unwrap_or(&text) };
        self.take_file(world, &source.parse()?, source)
    }

    fn take_file(
        &mut self,
        world: &World<'_>,
        table: &DeTable<'_>,
        source: Source<'_>,
    ) -> Result<(), LoadError> {
        for (name, value) in table {
            let entry = Entry { source, place: name.get_ref().to_string(), value };
            let origin = Origin::File(entry.line());
            match &**name.get_ref() {
                "theme" => self.theme.set(entry.text()?, origin),
                "color" => self.color.set(entry.yes_or_no()?, origin),
                "ascii" => self.ascii.set(entry.yes_or_no()?, origin),
                "mouse" => self.mouse.set(entry.yes_or_no()?, origin),
                "read_only" => self.read_only.set(entry.yes_or_no()?, origin),
                "namespaces" => self.namespaces.set(entry.texts()?, origin),
                "contexts" => self.take_contexts(&entry)?,
                "log" => self.take_log(&entry)?,
                "keys" => self.take_keys(world, &entry)?,
                unknown => {
                    let message = unknown_key(unknown, KEYS);
                    self.unknown.push(source.complain(name.span().start, unknown, message));
                }
            }
        }
        Ok(())
    }

    fn take_contexts(&mut self, entry: &Entry<'_, '_>) -> Result<(), LoadError> {
        for (context, value) in entry.table("one table a context: [contexts.NAME]")? {
            let inner =
                Entry { value, place: format!("[contexts.{}]", context.get_ref()), source: entry.source };
            for (name, value) in inner.table("a table")? {
                let place = format!("{} {}", inner.place, name.get_ref());
                let entry = Entry { value, place, source: entry.source };
                if name.get_ref() == "namespaces" {
                    let origin = Origin::File(entry.line());
                    self.contexts
                        .insert(context.get_ref().to_string(), Value { value: entry.texts()?, origin });
                } else {
                    let message = unknown_key(name.get_ref(), &["namespaces"]);
                    self.unknown.push(entry.source.complain(name.span().start, entry.place, message));
                }
            }
        }
        Ok(())
    }

    fn take_log(&mut self, entry: &Entry<'_, '_>) -> Result<(), LoadError> {
        for (name, value) in entry.table("a table with file and level")? {
            let entry = Entry { value, place: format!("[log] {}", name.get_ref()), source: entry.source };
            let origin = Origin::File(entry.line());
            match &**name.get_ref() {
                "file" => self.log_file.set(Some(entry.text()?.into()), origin),
                "level" => self.log_level.set(entry.text()?, origin),
                other => {
                    let message = unknown_key(other, &["file", "level"]);
                    self.unknown.push(entry.source.complain(name.span().start, entry.place, message));
                }
            }
        }
        Ok(())
    }

    /// `keys` is a table here, or the name of a file with the tables in it.
    fn take_keys(&mut self, world: &World<'_>, entry: &Entry<'_, '_>) -> Result<(), LoadError> {
        let here = self.file.clone().unwrap_or_default();
        if let DeValue::Table(tables) = entry.value.get_ref() {
            let (keymap, unknown) = self.keymap.clone().with_user_config(tables, entry.source, "keys.")?;
            self.keymap = keymap;
            self.unknown.extend(unknown);
            self.keys_file = Some(here);
            return Ok(());
        }
        let DeValue::String(name) = entry.value.get_ref() else {
            return Err(entry.complain("has to be tables ([keys.browse]) or the name of a file").into());
        };
        let path = here.parent().unwrap_or(Path::new("")).join(&**name);
        let text =
            (world.read)(&path).map_err(|error| LoadError::Unreadable { path: path.clone(), error })?;
        let file = path.display().to_string();
        let source = Source { file: &file, text: &text };
        let (keymap, unknown) = self.keymap.clone().with_user_config(&source.parse()?, source, "")?;
        self.keymap = keymap;
        self.unknown.extend(unknown);
        self.keys_file = Some(path);
        Ok(())
    }

    fn read_environment(&mut self, world: &World<'_>) -> Result<(), LoadError> {
        if self.ascii.origin == Origin::Default
            && let Some(name) = no_unicode(world)
        {
            self.ascii.set(true, Origin::Environment(name));
        }
        if variable(world, "TERM").is_some_and(|t| t == "dumb") {
            self.color.set(false, Origin::Environment("TERM"));
        }
        // no-color.org: set to anything but nothing.
        if variable(world, "NO_COLOR").is_some() {
            self.color.set(false, Origin::Environment("NO_COLOR"));
        }
        for (name, switch) in [
            ("KDISCO_COLOR", &mut self.color),
            ("KDISCO_ASCII", &mut self.ascii),
            ("KDISCO_MOUSE", &mut self.mouse),
            ("KDISCO_READ_ONLY", &mut self.read_only),
        ] {
            if let Some(on) = switched(world, name)? {
                switch.set(on, Origin::Environment(name));
            }
        }
        let text = |name| variable(world, name).map(|v| v.to_string_lossy().into_owned());
        for (name, setting) in [("KDISCO_THEME", &mut self.theme), ("KDISCO_LOG", &mut self.log_level)] {
            if let Some(value) = text(name) {
                setting.set(value, Origin::Environment(name));
            }
        }
        if let Some(list) = text("KDISCO_NAMESPACES") {
            let names = list.split([',', ' ']).filter(|n| !n.is_empty()).map(str::to_owned).collect();
            self.namespaces.set(names, Origin::Environment("KDISCO_NAMESPACES"));
        }
        if let Some(path) = variable(world, "KDISCO_LOG_FILE") {
            self.log_file.set(Some(path.into()), Origin::Environment("KDISCO_LOG_FILE"));
        }
        Ok(())
    }

    fn take_flags(&mut self, flags: &Flags) {
        if let Some(theme) = &flags.theme {
            self.theme.set(theme.clone(), Origin::Flag("--theme"));
        }
        if flags.ascii {
            self.ascii.set(true, Origin::Flag("--ascii"));
        }
        if flags.no_color {
            self.color.set(false, Origin::Flag("--no-color"));
        }
        if flags.read_only {
            self.read_only.set(true, Origin::Flag("--read-only"));
        }
        if let Some(file) = &flags.log_file {
            self.log_file.set(Some(file.clone()), Origin::Flag("--log-file"));
        }
    }
}

/// The keys of the file.
const KEYS: &[&str] =
    &["theme", "color", "ascii", "mouse", "read_only", "namespaces", "contexts", "log", "keys"];

fn unknown_key(key: &str, known: &[&str]) -> String {
    match nearest(key, known.iter().copied()) {
        Some(near) => format!("there is no such setting; did you mean {near}?"),
        None => format!("there is no such setting; there are {}", known.join(", ")),
    }
}

/// A variable that is set to more than nothing.
fn variable(world: &World<'_>, name: &str) -> Option<OsString> {
    (world.variable)(name).filter(|value| !value.is_empty())
}

fn switched(world: &World<'_>, name: &'static str) -> Result<Option<bool>, LoadError> {
    let Some(value) = variable(world, name) else { return Ok(None) };
    let value = value.to_string_lossy().into_owned();
    match value.to_ascii_lowercase().as_str() {
        "1" | "true" | "yes" | "on" => Ok(Some(true)),
        "0" | "false" | "no" | "off" => Ok(Some(false)),
        _ => Err(LoadError::Variable { name, value }),
    }
}

/// The variable by which the terminal or the locale says that only ASCII can be shown. Where nothing is said (in
/// containers and over SSH) terminals nearly always can.
fn no_unicode(world: &World<'_>) -> Option<&'static str> {
    if variable(world, "TERM").is_some_and(|term| term == "linux" || term == "dumb") {
        return Some("TERM");
    }
    // POSIX: the first of these that is set decides.
    let name = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find(|name| variable(world, name).is_some())?;
    let locale = variable(world, name)?.to_string_lossy().to_ascii_lowercase();
    (!locale.contains("utf-8") && !locale.contains("utf8")).then_some(name)
}

/// One value of the file and what it is called.
struct Entry<'a, 't> {
    source: Source<'a>,
    place: String,
    value: &'a Spanned<DeValue<'t>>,
}

impl<'a, 't> Entry<'a, 't> {
    fn complain(&self, message: &str) -> Complaint {
        self.source.complain(self.value.span().start, &self.place, message)
    }

    fn line(&self) -> usize {
        self.complain("").line
    }

    fn text(&self) -> Result<String, Complaint> {
        self.value
            .get_ref()
            .as_str()
            .map(str::to_owned)
            .ok_or_else(|| self.complain("has to be a text in quotation marks"))
    }

    fn yes_or_no(&self) -> Result<bool, Complaint> {
        self.value.get_ref().as_bool().ok_or_else(|| self.complain("has to be true or false"))
    }

    fn texts(&self) -> Result<Vec<String>, Complaint> {
        let wrong = || self.complain("has to be a list of texts, as in [\"shop\", \"billing\"]");
        let list = self.value.get_ref().as_array().ok_or_else(wrong)?;
        list.iter().map(|v| v.get_ref().as_str().map(str::to_owned).ok_or_else(wrong)).collect()
    }

    fn table(&self, what: &str) -> Result<&'a DeTable<'t>, Complaint> {
        match self.value.get_ref() {
            DeValue::Table(table) => Ok(table),
            _ => Err(self.complain(&format!("has to be {what}"))),
        }
    }
}

//! Which keys do what: the defaults of `assets/keys.toml`, changed by a person's own tables.
//!
//! What it is: from key presses to actions, and back from actions to the keys that hints and help show. What it is
//! not: it does not know what an action does, nor whether a key that is not bound is text (`runtime` decides that
//! by the mode).

mod chord;
#[cfg(test)]
mod tests;

use crossterm::event::{KeyEvent, KeyEventKind};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{Complaint, Source, nearest};
use crate::app::{Action, Mode};

pub use chord::Chord;

/// The default bindings, as a person would write them.
pub const DEFAULTS: &str = include_str!("../../assets/keys.toml");

/// All bindings of all modes. Within a mode no sequence of keys is another's beginning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keymap {
    bindings: Vec<Binding>,
}

/// One sequence of keys and what it does. The bindings of an action stand in the order in which they are shown.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Binding {
    mode: Mode,
    action: Action,
    keys: Box<[Chord]>,
}

/// What a key press means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// Do this.
    Action(Action),
    /// The beginning of a sequence: wait for the next key.
    Pending,
    /// Nothing is bound to it. In [`Mode::Input`] a printable key is then text.
    None,
}

/// The keys pressed so far of a sequence that is not complete.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pending {
    mode: Option<Mode>,
    keys: Vec<Chord>,
}

impl Pending {
    /// Forgets what was pressed: after a click, a paste, or when the window lost the focus.
    pub fn clear(&mut self) {
        self.keys.clear();
    }

    /// What was pressed so far, for the bottom line; empty when nothing waits.
    pub fn text(&self, ascii: bool) -> String {
        short(&self.keys, ascii)
    }
}

impl Default for Keymap {
    /// The bindings of `assets/keys.toml`.
    fn default() -> Self {
        let source = Source { file: "assets/keys.toml", text: DEFAULTS };
        let read = source.parse().and_then(|table| read_tables(&table, source, ""));
        // A test reads the same text, so a build that passed it can't fail here.
        let (bindings, _) = read.expect("the default keys are well-formed");
        Self { bindings: bindings.into_iter().flat_map(Setting::bindings).collect() }
    }
}

/// A sequence of keys and the byte of the file at which it stands.
type Placed = (Box<[Chord]>, usize);

/// The keys that a file gives to one action in one mode.
#[derive(Debug)]
struct Setting {
    mode: Mode,
    action: Action,
    sequences: Vec<Placed>,
    place: String,
}

impl Setting {
    fn bindings(self) -> impl Iterator<Item = Binding> {
        let (mode, action) = (self.mode, self.action);
        self.sequences.into_iter().map(move |(keys, _)| Binding { mode, action, keys })
    }
}

impl Keymap {
    /// These bindings, changed by the tables `browse`, `input` and `menu` of a person's file. `prefix` is what the
    /// tables' names begin with there (`keys.`, or nothing in a file of its own).
    ///
    /// An action that is named gets exactly the keys given; what they collide with among the bindings so far makes
    /// way. The second part of the result are names that nothing is known of: worth telling, nothing to stop for.
    ///
    /// # Errors
    /// Keys that can't be read, that stand twice in one mode of the file, that would take text away in `input`, or
    /// that leave no key to quit or to go back.
    pub fn with_user_config(
        mut self,
        tables: &DeTable<'_>,
        source: Source<'_>,
        prefix: &str,
    ) -> Result<(Self, Vec<Complaint>), Complaint> {
        let (settings, unknown) = read_tables(tables, source, prefix)?;
        let mut last = (0, String::new());
        for setting in settings {
            self.bindings.retain(|b| {
                b.mode != setting.mode
                    || (b.action != setting.action
                        && !setting.sequences.iter().any(|(s, _)| overlap(s, &b.keys)))
            });
            last = (setting.sequences.first().map_or(0, |(_, at)| *at), setting.place.clone());
            self.bindings.extend(setting.bindings());
        }
        for (mode, action) in
            [(Mode::Browse, Action::Quit), (Mode::Input, Action::Back), (Mode::Menu, Action::Back)]
        {
            if self.keys(mode, action).next().is_none() {
                let message =
                    format!("this leaves no key for {} in [{prefix}{}]", action.name(), mode.name());
                return Err(source.complain(last.0, last.1, message));
            }
        }
        Ok((self, unknown))
    }

    /// What a key press means in a mode. `pending` holds the sequence that was begun and is kept by the caller;
    /// a sequence that leads nowhere is dropped whole, as vi does. Releases mean nothing and change nothing.
    pub fn lookup(&self, mode: Mode, pending: &mut Pending, event: KeyEvent) -> Lookup {
        if event.kind == KeyEventKind::Release {
            return if pending.keys.is_empty() { Lookup::None } else { Lookup::Pending };
        }
        if pending.mode.replace(mode) != Some(mode) {
            pending.clear();
        }
        pending.keys.push(Chord::of(&event));
        let begun = |b: &&Binding| b.mode == mode && b.keys.starts_with(&pending.keys);
        match self.bindings.iter().find(begun) {
            Some(binding) if binding.keys.len() == pending.keys.len() => {
                pending.clear();
                Lookup::Action(binding.action)
            }
            Some(_) => Lookup::Pending,
            None => {
                pending.clear();
                Lookup::None
            }
        }
    }

    /// The key that hints show for an action, in its short form (`^d`, `gg`, `⇥`; with `ascii`: `tab`).
    pub fn chord_for(&self, mode: Mode, action: Action, ascii: bool) -> Option<String> {
        self.keys(mode, action).next().map(|keys| short(keys, ascii))
    }

    /// All keys of an action in their short form, in the order of the file.
    pub fn all_for(&self, mode: Mode, action: Action, ascii: bool) -> Vec<String> {
        self.keys(mode, action).map(|keys| short(keys, ascii)).collect()
    }

    /// All keys of an action as a configuration file writes them (`ctrl-d`, `g g`).
    pub fn written_for(&self, mode: Mode, action: Action) -> Vec<String> {
        self.keys(mode, action).map(written).collect()
    }

    fn keys(&self, mode: Mode, action: Action) -> impl Iterator<Item = &[Chord]> {
        self.bindings.iter().filter(move |b| b.mode == mode && b.action == action).map(|b| &*b.keys)
    }
}

/// Reads the tables of the modes. The names that nothing is known of come back as the second part.
fn read_tables(
    tables: &DeTable<'_>,
    source: Source<'_>,
    prefix: &str,
) -> Result<(Vec<Setting>, Vec<Complaint>), Complaint> {
    let (mut settings, mut unknown) = (Vec::new(), Vec::new());
    for (name, value) in tables {
        let Some(mode) = Mode::ALL.into_iter().find(|m| m.name() == name.get_ref()) else {
            let message = did_you_mean("table", name.get_ref(), Mode::ALL.map(Mode::name));
            unknown.push(source.complain(
                name.span().start,
                format!("[{prefix}{}]", name.get_ref()),
                message,
            ));
            continue;
        };
        let DeValue::Table(actions) = value.get_ref() else {
            let message = "has to be a table of actions with their keys";
            return Err(source.complain(value.span().start, format!("[{prefix}{}]", mode.name()), message));
        };
        for (name, value) in actions {
            let place = format!("[{prefix}{}] {}", mode.name(), name.get_ref());
            let Some(action) = Action::from_name(name.get_ref()) else {
                let message = did_you_mean("action", name.get_ref(), Action::ALL.iter().map(|a| a.name()));
                unknown.push(source.complain(name.span().start, place, message));
                continue;
            };
            let sequences = read_keys(mode, value, source, &place)?;
            settings.push(Setting { mode, action, sequences, place });
        }
    }
    find_conflict(&settings, source)?;
    Ok((settings, unknown))
}

fn did_you_mean<'a>(what: &str, word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    match nearest(word, known) {
        Some(near) => format!("there is no such {what}; did you mean {near}?"),
        None => format!("there is no such {what}; it is left out"),
    }
}

/// The keys of one action: one string, or a list of them.
fn read_keys(
    mode: Mode,
    value: &Spanned<DeValue<'_>>,
    source: Source<'_>,
    place: &str,
) -> Result<Vec<Placed>, Complaint> {
    let one = |value: &Spanned<DeValue<'_>>| {
        let at = value.span().start;
        let DeValue::String(text) = value.get_ref() else {
            return Err(source.complain(
                at,
                place,
                "keys are written in quotation marks, as in [\"j\", \"down\"]",
            ));
        };
        let keys: Box<[Chord]> = text
            .split_whitespace()
            .map(|key| {
                Chord::parse(key).map_err(|why| source.complain(at, place, format!("\"{key}\" {why}")))
            })
            .collect::<Result<_, _>>()?;
        match keys.first() {
            None => Err(source.complain(at, place, "an empty text is no key; [] means that there is none")),
            Some(first) if mode == Mode::Input && first.is_text() => Err(source.complain(
                at,
                place,
                format!("\"{first}\" is text while a line is typed; use it with ctrl or alt"),
            )),
            Some(_) => Ok((keys, at)),
        }
    };
    match value.get_ref() {
        DeValue::Array(list) => list.iter().map(one).collect(),
        _ => one(value).map(|keys| vec![keys]),
    }
}

/// Two settings of one file that want the same key, or a key with which another's sequence begins.
fn find_conflict(settings: &[Setting], source: Source<'_>) -> Result<(), Complaint> {
    let mut seen: Vec<(&Setting, &[Chord], usize)> =
        settings.iter().flat_map(|s| s.sequences.iter().map(move |(keys, at)| (s, &**keys, *at))).collect();
    seen.sort_by_key(|(_, _, at)| *at);
    for (i, (setting, keys, at)) in seen.iter().enumerate() {
        let clash = seen[..i].iter().find(|(other, k, _)| other.mode == setting.mode && overlap(keys, k));
        if let Some((other, other_keys, other_at)) = clash {
            let line = source.complain(*other_at, "", "").line;
            let (mine, theirs, whose) = (written(keys), written(other_keys), other.action.name());
            let message = if keys == other_keys {
                format!("\"{mine}\" is bound to {whose} as well, in line {line}")
            } else {
                format!(
                    "\"{mine}\" and \"{theirs}\" of {whose} in line {line} can't both be: one begins the other"
                )
            };
            return Err(source.complain(*at, &setting.place, message));
        }
    }
    Ok(())
}

/// Whether one of two sequences is the beginning of the other (or the same).
fn overlap(a: &[Chord], b: &[Chord]) -> bool {
    a.starts_with(b) || b.starts_with(a)
}

fn short(keys: &[Chord], ascii: bool) -> String {
    let parts: Vec<String> = keys.iter().map(|k| k.short(ascii)).collect();
    let glue = if keys.iter().all(|k| k.is_text()) && parts.iter().all(|p| p.chars().count() == 1) {
        ""
    } else {
        " "
    };
    parts.join(glue)
}

fn written(keys: &[Chord]) -> String {
    keys.iter().map(Chord::to_string).collect::<Vec<_>>().join(" ")
}

//! What can lie over the panes: help, the palette, pickers, the copy menu, details.

use std::collections::BTreeSet;

use crate::model::Text;
use crate::model::dns::live::Question;
use crate::model::target::PortWish;

use super::action::Action;
use super::effect::Effect;
use super::environment::ExportForm;
use super::input::Line;
use super::profiles::ProfileUse;
use super::state::Viewpoint;

/// One thing that lies over the panes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Overlay {
    /// The keys that work; the first line shown.
    Help {
        /// First visible line.
        offset: usize,
    },
    /// A list to choose from, with a line to narrow it.
    Picker(Picker),
    /// All about the selection.
    Detail {
        /// First visible line.
        offset: usize,
    },
    /// The last look-up of a name.
    Lookup {
        /// First visible line.
        offset: usize,
    },
    /// The last examination of a name.
    Doctor {
        /// First visible line.
        offset: usize,
    },
    /// The forwards and the API proxy.
    Sessions,
    /// A question that has to be answered before something is done.
    Confirm(Confirm),
    /// The running containers that lack the selected Service's variables, or hold old ones.
    Missing {
        /// First visible line.
        offset: usize,
    },
    /// Text to select with the terminal's own means, because it could not be copied.
    Text {
        /// Heading.
        title: String,
        /// The text, a line each.
        lines: Vec<String>,
        /// First visible line.
        offset: usize,
    },
}

/// Something that is done only after a person has agreed to what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confirm {
    /// The question.
    pub title: String,
    /// What would happen, every object by its name.
    pub lines: Vec<String>,
    /// The word that has to be typed, where a single key would be too easy.
    pub word: Option<&'static str>,
    /// What is typed.
    pub line: Line,
    /// First visible line.
    pub offset: usize,
    /// What is done then.
    pub yes: Vec<Effect>,
}

impl Confirm {
    /// A question that one key answers.
    pub fn new(title: impl Into<String>, lines: Vec<String>, yes: Vec<Effect>) -> Self {
        Self { title: title.into(), lines, word: None, line: Line::default(), offset: 0, yes }
    }

    /// A question that only a typed word answers.
    pub fn typed(title: impl Into<String>, lines: Vec<String>, word: &'static str, yes: Vec<Effect>) -> Self {
        Self { word: Some(word), ..Self::new(title, lines, yes) }
    }

    /// Whether what has to be typed is.
    pub fn agreed(&self) -> bool {
        self.word.is_none_or(|word| self.line.text().trim() == word)
    }
}

/// What a picker is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PickerKind {
    /// Commands by name.
    Palette,
    /// Namespaces; several can be marked, and others typed in.
    Namespaces,
    /// Contexts of the kubeconfig.
    Contexts,
    /// From where to look.
    Viewpoint,
    /// What to copy.
    Copy,
    /// In which form to take an environment away.
    Export,
    /// Which ports to forward.
    Ports,
    /// Which name to look up.
    Resolve,
    /// Which profile, and what for.
    Profile(ProfileUse),
}

impl PickerKind {
    /// Heading.
    pub fn title(self) -> &'static str {
        match self {
            Self::Palette => "Command",
            Self::Namespaces => "Namespaces",
            Self::Contexts => "Contexts",
            Self::Viewpoint => "Seen from",
            Self::Copy => "Copy",
            Self::Export => "Copy the environment",
            Self::Ports => "Forward",
            Self::Resolve => "Look up",
            Self::Profile(ProfileUse::Start) => "Start the profile",
            Self::Profile(ProfileUse::Save) => "Keep the running forwards as",
            Self::Profile(ProfileUse::Autostart) => "Start with the context, or no longer",
            Self::Profile(ProfileUse::Delete) => "Delete the profile",
        }
    }
}

/// A list to choose from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picker {
    /// What for.
    pub kind: PickerKind,
    /// What is typed.
    pub line: Line,
    /// All entries.
    pub entries: Vec<Entry>,
    /// Indices of the entries that match what is typed, best first.
    pub shown: Vec<usize>,
    /// Row of the selection among the shown ones.
    pub selected: usize,
    /// First visible row.
    pub offset: usize,
    /// Marked entries, where several can be chosen.
    pub marked: BTreeSet<Text>,
}

/// One entry of a picker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What is shown and matched.
    pub label: String,
    /// A remark behind it.
    pub note: String,
    /// What choosing it means.
    pub choice: Choice,
}

/// What choosing an entry means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// Do this.
    Action(Action),
    /// Look at all namespaces.
    AllNamespaces,
    /// Look at this namespace.
    Namespace(Text),
    /// Connect to this context.
    Context(Text),
    /// Look from here.
    Viewpoint(Viewpoint),
    /// Copy this text.
    Copy(String),
    /// Copy the open container's environment.
    Export(ExportForm),
    /// Forward these ports of the target that was asked about.
    ForwardPorts(Vec<PortWish>),
    /// Look this up.
    Resolve(Question),
    /// This profile.
    Profile(Text),
    /// Nothing: the entry says what can be typed.
    Nothing,
}

impl Picker {
    /// A picker over these entries, all shown.
    pub fn new(kind: PickerKind, entries: Vec<Entry>) -> Self {
        let shown = (0..entries.len()).collect();
        Self { kind, line: Line::default(), entries, shown, selected: 0, offset: 0, marked: BTreeSet::new() }
    }

    /// The selected entry.
    pub fn selected(&self) -> Option<&Entry> {
        self.shown.get(self.selected).map(|i| &self.entries[*i])
    }

    /// Narrows the list to what is typed: each word has to occur, in any case; entries that begin with the text
    /// come first.
    pub fn narrow(&mut self, page: usize) {
        let typed = self.line.text().to_lowercase();
        let words: Vec<&str> = typed.split_whitespace().collect();
        let mut hits: Vec<(bool, usize)> = self
            .entries
            .iter()
            .enumerate()
            .filter_map(|(i, e)| {
                let text = format!("{} {}", e.label, e.note).to_lowercase();
                words
                    .iter()
                    .all(|w| text.contains(w))
                    .then(|| (!text.starts_with(words.first().copied().unwrap_or("")), i))
            })
            .collect();
        hits.sort_by_key(|(later, _)| *later);
        self.shown = hits.into_iter().map(|(_, i)| i).collect();
        self.select(0, page);
    }

    /// Selects a row of the shown ones and scrolls to it.
    pub fn select(&mut self, row: usize, page: usize) {
        let page = page.max(1);
        self.selected = row.min(self.shown.len().saturating_sub(1));
        self.offset = self.offset.min(self.selected).max((self.selected + 1).saturating_sub(page));
    }
}

//! One key with its modifiers: how it is written, shown, and recognised in what a terminal sends.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// One key press in the form in which keys are compared.
///
/// Terminals say the same press in several ways (`G` with or without shift, shift-tab as a key of its own, ctrl-i
/// as tab); the form here is the same for all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Chord {
    code: KeyCode,
    modifiers: KeyModifiers,
}

/// Keys that are written as a word: the word, the key, the sign for terminals with Unicode.
const NAMED: &[(&str, KeyCode, &str)] = &[
    ("up", KeyCode::Up, "↑"),
    ("down", KeyCode::Down, "↓"),
    ("left", KeyCode::Left, "←"),
    ("right", KeyCode::Right, "→"),
    ("home", KeyCode::Home, "home"),
    ("end", KeyCode::End, "end"),
    ("pgup", KeyCode::PageUp, "pgup"),
    ("pgdn", KeyCode::PageDown, "pgdn"),
    ("enter", KeyCode::Enter, "⏎"),
    ("esc", KeyCode::Esc, "esc"),
    ("tab", KeyCode::Tab, "⇥"),
    ("space", KeyCode::Char(' '), "space"),
    ("backspace", KeyCode::Backspace, "⌫"),
    ("delete", KeyCode::Delete, "del"),
    ("insert", KeyCode::Insert, "ins"),
    // Other usual spellings; the first one of a key is the one that is shown.
    ("return", KeyCode::Enter, ""),
    ("escape", KeyCode::Esc, ""),
    ("pageup", KeyCode::PageUp, ""),
    ("pagedown", KeyCode::PageDown, ""),
    ("del", KeyCode::Delete, ""),
    ("ins", KeyCode::Insert, ""),
];

const MODIFIERS: [(&str, KeyModifiers); 3] =
    [("ctrl-", KeyModifiers::CONTROL), ("alt-", KeyModifiers::ALT), ("shift-", KeyModifiers::SHIFT)];

impl Chord {
    /// Reads one key as it is written in a configuration file (`ctrl-d`, `G`, `f1`).
    ///
    /// # Errors
    /// What is wrong with it, in words that follow a quotation of the text.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let (mut rest, mut modifiers) = (text, KeyModifiers::NONE);
        while let Some((after, modifier)) = MODIFIERS
            .iter()
            .find_map(|(name, m)| Some((rest.strip_prefix(name)?, *m)))
            .filter(|(a, _)| !a.is_empty())
        {
            (rest, modifiers) = (after, modifiers | modifier);
        }
        let mut characters = rest.chars();
        let code = match (characters.next(), characters.next()) {
            (Some(c), None) if !c.is_control() && !c.is_whitespace() => KeyCode::Char(c),
            _ => NAMED
                .iter()
                .find(|(name, ..)| *name == rest)
                .map(|(_, code, _)| *code)
                .or_else(|| function_key(rest))
                .ok_or(
                    "is no key; keys are written like j, G, ctrl-d, alt-x, shift-tab, f1, enter, or g g",
                )?,
        };
        if let KeyCode::Char(c) = code
            && modifiers.contains(KeyModifiers::SHIFT)
            && !c.is_alphabetic()
        {
            return Err("has shift with a character that is no letter; write the character it makes");
        }
        Ok(Self { code, modifiers }.normal())
    }

    /// The chord of an event. Modifiers other than ctrl, alt and shift make it one that nothing can be bound to.
    pub fn of(event: &KeyEvent) -> Self {
        Self { code: event.code, modifiers: event.modifiers }.normal()
    }

    fn normal(mut self) -> Self {
        if self.code == KeyCode::BackTab {
            self.code = KeyCode::Tab;
            self.modifiers |= KeyModifiers::SHIFT;
        }
        if let KeyCode::Char(c) = self.code {
            // Shift is in the character itself; with ctrl, terminals can't tell the two cases apart.
            if self.modifiers.contains(KeyModifiers::CONTROL) {
                self.code = KeyCode::Char(c.to_ascii_lowercase());
            } else if self.modifiers.contains(KeyModifiers::SHIFT) && c.is_alphabetic() {
                self.code = KeyCode::Char(c.to_uppercase().next().unwrap_or(c));
            }
            self.modifiers -= KeyModifiers::SHIFT;
            // These three are the same byte on the wire.
            let same = match (self.modifiers, self.code) {
                (KeyModifiers::CONTROL, KeyCode::Char('i')) => Some(KeyCode::Tab),
                (KeyModifiers::CONTROL, KeyCode::Char('m')) => Some(KeyCode::Enter),
                (KeyModifiers::CONTROL, KeyCode::Char('[')) => Some(KeyCode::Esc),
                _ => None,
            };
            if let Some(code) = same {
                (self.code, self.modifiers) = (code, KeyModifiers::NONE);
            }
        }
        self
    }

    /// Whether pressing it in a line of text types a character.
    pub fn is_text(self) -> bool {
        matches!(self.code, KeyCode::Char(_)) && self.modifiers.is_empty()
    }

    /// The short form that hints show: `^d`, `G`, `⇥`; with `ascii` nothing beyond ASCII: `tab`.
    pub fn short(self, ascii: bool) -> String {
        match self.code {
            KeyCode::Char(c) if c != ' ' && self.modifiers == KeyModifiers::CONTROL => format!("^{c}"),
            _ => self.write(|code| {
                let (word, _, sign) = NAMED.iter().find(|(_, named, _)| *named == code)?;
                Some(if ascii || !self.modifiers.is_empty() { word } else { sign })
            }),
        }
    }

    fn write(self, name: impl Fn(KeyCode) -> Option<&'static str>) -> String {
        let mut text: String =
            MODIFIERS.iter().filter(|(_, m)| self.modifiers.contains(*m)).map(|(name, _)| *name).collect();
        match (name(self.code), self.code) {
            (Some(name), _) => text.push_str(name),
            (None, KeyCode::Char(c)) => text.push(c),
            (None, KeyCode::F(n)) => text.extend(["f".to_owned(), n.to_string()]),
            (None, other) => text += &format!("{other:?}").to_lowercase(),
        }
        text
    }
}

impl std::fmt::Display for Chord {
    /// As it is written in a configuration file.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(
            &self.write(|code| NAMED.iter().find(|(_, named, _)| *named == code).map(|(word, ..)| *word)),
        )
    }
}

fn function_key(text: &str) -> Option<KeyCode> {
    let number = text.strip_prefix('f')?.parse().ok()?;
    (1..=24).contains(&number).then_some(KeyCode::F(number))
}

//! Themes: how each role on the screen looks.
//!
//! What it is: roles (not colours), the file format of themes, the built-in ones. What it is not: it knows no
//! terminal and draws nothing; `ui` turns a [`Paint`] into cells.
//!
//! A theme is a TOML file: a line a role, a few words a line, and optionally the theme that it starts from.
//!
//! ```toml
//! base = "dark"
//! [roles]
//! accent = "#5fb3b3 bold"
//! selection = "white on #264f78"
//! ```
//!
//! Colour never carries meaning alone: every state has a mark of its own, so that the theme `mono` (and with it
//! `NO_COLOR`) loses nothing.

use toml::de::DeValue;

use super::{Complaint, Source, nearest};

/// A colour as a terminal can be asked for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    /// The terminal's own foreground or background.
    Default,
    /// One of the 16 whose look the terminal's palette decides.
    Ansi(u8),
    /// One of the 256.
    Indexed(u8),
    /// Red, green, blue.
    Rgb(u8, u8, u8),
}

/// The names of the 16, in the terminals' order.
const ANSI: [&str; 16] = [
    "black",
    "red",
    "green",
    "yellow",
    "blue",
    "magenta",
    "cyan",
    "white",
    "bright-black",
    "bright-red",
    "bright-green",
    "bright-yellow",
    "bright-blue",
    "bright-magenta",
    "bright-cyan",
    "bright-white",
];

impl Colour {
    /// `default`, one of the 16 by name, `0` to `255`, or `#rrggbb`.
    fn parse(word: &str) -> Option<Self> {
        if word == "default" {
            return Some(Self::Default);
        }
        if let Some(at) = ANSI.iter().position(|name| *name == word) {
            return u8::try_from(at).ok().map(Self::Ansi);
        }
        if let Some(hex) = word.strip_prefix('#') {
            let six_digits = hex.len() == 6 && hex.bytes().all(|b| b.is_ascii_hexdigit());
            let number = u32::from_str_radix(hex, 16).ok().filter(|_| six_digits)?;
            let [_, red, green, blue] = number.to_be_bytes();
            return Some(Self::Rgb(red, green, blue));
        }
        word.parse().ok().map(Self::Indexed)
    }
}

/// How letters are set apart without colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Emphasis {
    /// Heavier.
    Bold,
    /// Fainter.
    Dim,
    /// Slanted.
    Italic,
    /// Underlined.
    Underline,
    /// Foreground and background exchanged.
    Reverse,
}

impl Emphasis {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Bold, Self::Dim, Self::Italic, Self::Underline, Self::Reverse];

    fn name(self) -> &'static str {
        match self {
            Self::Bold => "bold",
            Self::Dim => "dim",
            Self::Italic => "italic",
            Self::Underline => "underline",
            Self::Reverse => "reverse",
        }
    }
}

/// How one role looks: what is not said stays as it is underneath.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Paint {
    /// Of the letters.
    pub foreground: Option<Colour>,
    /// Behind them.
    pub background: Option<Colour>,
    emphasis: u8,
}

impl Paint {
    /// Whether it is set apart in this way.
    pub fn has(self, emphasis: Emphasis) -> bool {
        self.emphasis & (1 << emphasis as u8) != 0
    }

    /// Reads `"COLOUR on COLOUR bold underline"`; every part may be missing. What is wrong, in a few words.
    fn parse(text: &str) -> Result<Self, String> {
        let mut paint = Self::default();
        let mut words = text.split_whitespace();
        while let Some(word) = words.next() {
            if let Some(emphasis) = Emphasis::ALL.into_iter().find(|e| e.name() == word) {
                paint.emphasis |= 1 << emphasis as u8;
            } else if word == "on" {
                let behind = words.next().ok_or("no colour after \"on\"")?;
                paint.background = Some(Colour::parse(behind).ok_or_else(|| no_colour(behind))?);
            } else if paint.foreground.is_some() {
                return Err(format!("\"{word}\" is a second colour; a background is written \"on {word}\""));
            } else {
                paint.foreground = Some(Colour::parse(word).ok_or_else(|| no_colour(word))?);
            }
        }
        Ok(paint)
    }
}

fn no_colour(word: &str) -> String {
    format!(
        "\"{word}\" is neither a colour (#rrggbb, 0 to 255, default, {}, bright-black …) nor bold, dim, italic, \
         underline or reverse",
        ANSI[..8].join(", ")
    )
}

macro_rules! roles {
    ($($name:ident = $text:literal, $help:literal;)*) => {
        /// What a piece of the screen is, whatever it looks like.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Role { $(#[doc = $help] $name,)* }

        impl Role {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// Its name in a theme file.
            pub fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// What it is, for documentation.
            pub fn help(self) -> &'static str {
                match self { $(Self::$name => $help,)* }
            }
        }
    };
}

roles! {
    Text = "text", "Ordinary text.";
    Dim = "dim", "What steps back: units, remarks, what is not there.";
    Accent = "accent", "What stands out: the program's name, open tabs, pointers.";
    Name = "name", "Names of objects.";
    Title = "title", "Titles of panes.";
    Heading = "heading", "Headings of columns and groups.";
    Border = "border", "Borders of panes.";
    BorderFocused = "border-focused", "Border of the pane that keys go to.";
    TitleFocused = "title-focused", "Title of the pane that keys go to.";
    Selection = "selection", "The selected row of the pane that keys go to.";
    SelectionIdle = "selection-idle", "The selected row of another pane.";
    Match = "match", "The characters that a filter found.";
    Ok = "ok", "Ready, present, live.";
    Warn = "warn", "May not work, or is not certain.";
    Bad = "bad", "Does not work.";
    Info = "info", "Worth knowing.";
    Key = "key", "Keys in hints and help.";
    Badge = "badge", "A badge that tells.";
    BadgeWarn = "badge-warn", "A badge that warns.";
    Input = "input", "A line that is being typed.";
}

/// How everything looks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Theme {
    name: String,
    paints: Vec<Paint>,
}

/// The built-in themes, by name.
const BUILT_IN: [(&str, &str); 5] = [
    ("dark", include_str!("../../assets/themes/dark.toml")),
    ("light", include_str!("../../assets/themes/light.toml")),
    ("high-contrast", include_str!("../../assets/themes/high-contrast.toml")),
    ("ansi16", include_str!("../../assets/themes/ansi16.toml")),
    ("mono", include_str!("../../assets/themes/mono.toml")),
];

impl Default for Theme {
    fn default() -> Self {
        Self::built_in("dark").unwrap_or_else(Self::plain)
    }
}

impl Theme {
    /// A built-in theme: `dark`, `light`, `high-contrast`, `ansi16` (the 16 colours alone) or `mono` (none).
    pub fn built_in(name: &str) -> Option<Self> {
        let (name, text) = BUILT_IN.iter().find(|(n, _)| *n == name)?;
        Self::parse(name, Source { file: name, text }).ok()
    }

    /// Names of the built-in themes.
    pub fn names() -> impl Iterator<Item = &'static str> {
        BUILT_IN.iter().map(|(name, _)| *name)
    }

    /// The theme without any colour, for `NO_COLOR`.
    pub fn without_colours() -> Self {
        Self::built_in("mono").unwrap_or_else(Self::plain)
    }

    fn plain() -> Self {
        Self { name: "plain".to_owned(), paints: vec![Paint::default(); Role::ALL.len()] }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How a role looks.
    pub fn paint(&self, role: Role) -> Paint {
        self.paints.get(role as usize).copied().unwrap_or_default()
    }

    /// Reads a theme file. Roles that it does not name are those of its `base`, or the terminal's own look.
    ///
    /// # Errors
    /// The first thing that is wrong, with its line and role.
    pub fn parse(name: &str, source: Source<'_>) -> Result<Self, Complaint> {
        let file = source.parse()?;
        let mut theme = Self::plain();
        name.clone_into(&mut theme.name);
        let mut roles = None;
        for (key, value) in &file {
            match (key.get_ref().as_ref(), value.get_ref()) {
                ("base", DeValue::String(base)) => {
                    let Some(base) = Self::built_in(base).filter(|b| b.name != name) else {
                        let names: Vec<_> = Self::names().collect();
                        let message = format!("no built-in theme \"{base}\": {}", names.join(", "));
                        return Err(source.complain(value.span().start, "base", message));
                    };
                    theme.paints = base.paints;
                }
                ("roles", DeValue::Table(table)) => roles = Some(table),
                (other, _) => {
                    let message = "is not expected here: base = \"NAME\" and the table [roles] are";
                    return Err(source.complain(key.span().start, other, message));
                }
            }
        }
        for (key, value) in roles.into_iter().flatten() {
            let word = key.get_ref().as_ref();
            let place = format!("[roles] {word}");
            let Some(role) = Role::ALL.iter().find(|r| r.name() == word) else {
                let message = nearest(word, Role::ALL.iter().map(|r| r.name())).map_or_else(
                    || {
                        format!(
                            "no such role: {}",
                            Role::ALL.iter().map(|r| r.name()).collect::<Vec<_>>().join(", ")
                        )
                    },
                    |near| format!("no such role; \"{near}\" is one"),
                );
                return Err(source.complain(key.span().start, place, message));
            };
            let at = value.span().start;
            let DeValue::String(words) = value.get_ref() else {
                return Err(source.complain(at, place, "a text is expected, for example \"#5fb3b3 bold\""));
            };
            let paint = Paint::parse(words).map_err(|why| source.complain(at, place, why))?;
            theme.paints[*role as usize] = paint;
        }
        Ok(theme)
    }
}

#[cfg(test)]
mod tests;

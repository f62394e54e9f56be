//! Marks and lines, with an ASCII form of each for terminals and fonts that have nothing else.

/// One mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::ui) enum Glyph {
    /// Ready.
    Ready,
    /// In part, or on the way.
    Partly,
    /// Not ready.
    NotReady,
    /// Not known.
    Unknown,
    /// Going away, broken, refused.
    Ending,
    /// Present, equal.
    Check,
    /// Absent, wrong.
    Cross,
    /// Uncertain.
    Doubt,
    /// Stale.
    Stale,
    /// Later.
    Later,
    /// Hidden.
    Hidden,
    /// The selected row.
    Pointer,
    /// Sorted upwards.
    Up,
    /// Sorted downwards.
    Down,
    /// Something is cut off.
    Ellipsis,
    /// Between two equal things.
    Dot,
    /// What follows.
    Arrow,
    /// From the larger to the smaller.
    Crumb,
    /// Between rows of tabs.
    Bar,
    /// Where the visible part is.
    Thumb,
    /// Worth knowing.
    Info,
    /// It may not work.
    Warn,
}

impl Glyph {
    /// The mark as it is drawn.
    pub(in crate::ui) fn text(self, ascii: bool) -> &'static str {
        let (unicode, plain) = match self {
            Self::Ready => ("●", "*"),
            Self::Partly => ("◐", "o"),
            Self::NotReady => ("○", "-"),
            Self::Unknown => ("◌", "?"),
            Self::Ending => ("✕", "x"),
            Self::Check => ("✓", "+"),
            Self::Cross => ("✗", "x"),
            Self::Doubt => ("?", "?"),
            Self::Stale => ("~", "~"),
            Self::Later => ("…", ">"),
            Self::Hidden => ("•", "#"),
            Self::Pointer => ("▸", ">"),
            Self::Up => ("▲", "^"),
            Self::Down => ("▼", "v"),
            Self::Ellipsis => ("…", "~"),
            Self::Dot => ("·", "-"),
            Self::Arrow => ("→", ">"),
            Self::Crumb => ("›", "/"),
            Self::Bar => ("│", "|"),
            Self::Thumb => ("┃", "#"),
            Self::Info => ("i", "i"),
            Self::Warn => ("!", "!"),
        };
        if ascii { plain } else { unicode }
    }
}

/// A piece of a border by the sides that meet in it: up, right, down, left.
pub(in crate::ui) fn joint(up: bool, right: bool, down: bool, left: bool, ascii: bool) -> &'static str {
    if ascii {
        return match (up || down, left || right) {
            (true, true) => "+",
            (true, false) => "|",
            (false, true) => "-",
            (false, false) => " ",
        };
    }
    match (up, right, down, left) {
        (false, false, false, false) => " ",
        (true, false, true, false) | (true, false, false, false) | (false, false, true, false) => "│",
        (false, true, false, true) | (false, true, false, false) | (false, false, false, true) => "─",
        (false, true, true, false) => "╭",
        (false, false, true, true) => "╮",
        (true, true, false, false) => "╰",
        (true, false, false, true) => "╯",
        (true, true, true, false) => "├",
        (true, false, true, true) => "┤",
        (false, true, true, true) => "┬",
        (true, true, false, true) => "┴",
        (true, true, true, true) => "┼",
    }
}

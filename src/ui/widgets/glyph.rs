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
    /// Forwarded to this computer.
    Forward,
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
            Self::Forward => ("⇄", "="),
        };
        if ascii { plain } else { unicode }
    }
}

/// The sides that meet in a piece of a border, to be added up.
pub(in crate::ui) mod side {
    /// Upwards.
    pub(in crate::ui) const UP: u8 = 1;
    /// To the right.
    pub(in crate::ui) const RIGHT: u8 = 2;
    /// Downwards.
    pub(in crate::ui) const DOWN: u8 = 4;
    /// To the left.
    pub(in crate::ui) const LEFT: u8 = 8;
}

/// A piece of a border by the sides that meet in it.
pub(in crate::ui) fn joint(sides: u8, ascii: bool) -> &'static str {
    /// Indexed by the sum of the sides; a lone side is drawn as the whole line.
    const PIECES: [&str; 16] =
        [" ", "│", "─", "╰", "│", "│", "╭", "├", "─", "╯", "─", "┴", "╮", "┤", "┬", "┼"];
    const PLAIN: [&str; 16] =
        [" ", "|", "-", "+", "|", "|", "+", "+", "-", "+", "-", "+", "+", "+", "+", "+"];
    let pieces = if ascii { PLAIN } else { PIECES };
    pieces[usize::from(sides % 16)]
}

#[cfg(test)]
mod tests {
    use super::side::{DOWN, LEFT, RIGHT, UP};
    use super::*;

    #[test]
    fn pieces_have_the_sides_they_are_asked_for() {
        for (sides, piece) in [
            (UP | DOWN, "│"),
            (LEFT | RIGHT, "─"),
            (RIGHT | DOWN, "╭"),
            (LEFT | DOWN, "╮"),
            (UP | RIGHT, "╰"),
            (UP | LEFT, "╯"),
            (UP | RIGHT | DOWN, "├"),
            (UP | LEFT | DOWN, "┤"),
            (LEFT | RIGHT | DOWN, "┬"),
            (LEFT | RIGHT | UP, "┴"),
            (LEFT | RIGHT | UP | DOWN, "┼"),
        ] {
            assert_eq!(joint(sides, false), piece);
        }
        assert_eq!((joint(UP | DOWN, true), joint(LEFT, true), joint(UP | LEFT, true)), ("|", "-", "+"));
    }
}

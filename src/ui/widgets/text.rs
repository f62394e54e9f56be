//! Text by display width: measuring, cutting, wrapping. Graphemes are never torn apart.
//!
//! Widths are ratatui's own, so that what is measured here is what a cell holds.

use std::borrow::Cow;

use ratatui::buffer::CellWidth;
use unicode_segmentation::UnicodeSegmentation;

/// Columns that one grapheme takes; control characters take none.
fn grapheme_width(grapheme: &str) -> usize {
    if grapheme.contains(char::is_control) { 0 } else { usize::from(grapheme.cell_width()) }
}

/// Columns that a text takes.
pub(in crate::ui) fn width(text: &str) -> usize {
    if text.bytes().all(|b| (0x20..0x7f).contains(&b)) {
        text.len()
    } else {
        text.graphemes(true).map(grapheme_width).sum()
    }
}

/// The longest beginning of `text` that fits, in bytes.
fn head(text: &str, columns: usize) -> usize {
    let mut used = 0;
    for (at, grapheme) in text.grapheme_indices(true) {
        used += grapheme_width(grapheme);
        if used > columns {
            return at;
        }
    }
    text.len()
}

/// Where the longest end of `text` that fits begins, in bytes.
fn tail(text: &str, columns: usize) -> usize {
    let mut used = 0;
    for (at, grapheme) in text.grapheme_indices(true).rev() {
        used += grapheme_width(grapheme);
        if used > columns {
            return at + grapheme.len();
        }
    }
    0
}

/// Where a text loses characters when it is too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::ui) enum Cut {
    /// At the end: prose, lists.
    End,
    /// In the middle: generated names differ at their ends.
    Middle,
}

/// What stays of a text: the bytes before the first number and from the second on, with an ellipsis between.
/// `None`: all of it fits.
pub(in crate::ui) fn cut_points(text: &str, columns: usize, cut: Cut) -> Option<(usize, usize)> {
    if width(text) <= columns {
        return None;
    }
    let room = columns.saturating_sub(1);
    match cut {
        Cut::End => Some((head(text, room), text.len())),
        Cut::Middle => {
            let behind = room / 2;
            Some((head(text, room - behind), tail(text, behind)))
        }
    }
}

/// The text, cut so that it fits into so many columns.
pub(in crate::ui) fn fit<'a>(text: &'a str, columns: usize, cut: Cut, ellipsis: &str) -> Cow<'a, str> {
    match cut_points(text, columns, cut) {
        None => text.into(),
        Some(_) if columns == 0 => "".into(),
        Some((head, tail)) => format!("{}{ellipsis}{}", &text[..head], &text[tail..]).into(),
    }
}

/// The text from a column on; a wide character that is torn by it is left out.
pub(in crate::ui) fn skip(text: &str, columns: usize) -> &str {
    let mut used = 0;
    for (at, grapheme) in text.grapheme_indices(true) {
        if used >= columns {
            return &text[at..];
        }
        used += grapheme_width(grapheme);
    }
    ""
}

/// Breaks a text into lines at blanks; words that are longer than a line are broken inside. Line breaks in the
/// text are kept. At least one line, each at most `columns` wide.
pub(in crate::ui) fn wrap(text: &str, columns: usize) -> Vec<String> {
    let columns = columns.max(1);
    let mut lines = Vec::new();
    for paragraph in text.split('\n') {
        let mut line = String::new();
        let mut used = 0;
        for mut word in paragraph.split_whitespace() {
            let mut needed = width(word);
            if used > 0 && used + 1 + needed > columns {
                lines.push(std::mem::take(&mut line));
                used = 0;
            }
            if used > 0 {
                line.push(' ');
                used += 1;
            }
            while needed > columns - used {
                // One grapheme goes in even where it is wider than the line: the loop has to end.
                let at = head(word, columns - used).max(word.graphemes(true).next().map_or(0, str::len));
                lines.push(std::mem::take(&mut line) + &word[..at]);
                used = 0;
                word = &word[at..];
                needed = width(word);
            }
            line.push_str(word);
            used += needed;
        }
        lines.push(line);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn width_is_that_of_cells() {
        assert_eq!(width("my-app"), 6);
        assert_eq!(width("数据库"), 6);
        assert_eq!(width("e\u{301}t\u{e9}"), 3, "combining accents take no column");
        assert_eq!(width("👩\u{200d}💻"), 2, "joined emoji are one grapheme");
        assert_eq!(width("\u{1b}\u{7}a"), 1);
    }

    #[test]
    fn long_names_lose_their_middle() {
        let name = "my-app-6d4cf56db6-x2k9q";
        assert_eq!(fit(name, 23, Cut::Middle, "…"), name);
        assert_eq!(fit(name, 14, Cut::Middle, "…"), "my-app-…-x2k9q");
        assert_eq!(fit(name, 10, Cut::End, "…"), "my-app-6d…");
        assert_eq!(fit(name, 1, Cut::Middle, "…"), "…");
        assert_eq!(fit(name, 0, Cut::Middle, "…"), "");
    }

    #[test]
    fn nothing_is_wider_than_asked_and_graphemes_stay_whole() {
        for text in [
            "数据库服务-数据",
            "👩\u{200d}💻👩\u{200d}💻👩\u{200d}💻",
            "e\u{301}e\u{301}e\u{301}",
            "plain",
            "",
        ] {
            for columns in 0..14 {
                for cut in [Cut::End, Cut::Middle] {
                    let cut_text = fit(text, columns, cut, "…");
                    assert!(width(&cut_text) <= columns, "{cut_text:?} in {columns}");
                    assert!(!cut_text.starts_with('\u{301}') && !cut_text.contains("…\u{301}"));
                }
                for line in wrap(text, columns) {
                    assert!(width(&line) <= columns.max(2), "{line:?} in {columns}");
                }
            }
        }
    }

    #[test]
    fn lines_break_at_blanks_and_long_words_inside() {
        assert_eq!(wrap("no pod has the label app=reports", 12), ["no pod has", "the label", "app=reports"]);
        assert_eq!(wrap("a 0123456789abcdef", 6), ["a", "012345", "6789ab", "cdef"]);
        assert_eq!(wrap("one\n\ntwo", 9), ["one", "", "two"]);
        assert_eq!(wrap("", 9), [""]);
        assert_eq!(wrap("数据库", 1), ["数", "据", "库", ""], "wider than the line, yet it ends");
    }

    #[test]
    fn scrolling_aside_leaves_torn_characters_out() {
        assert_eq!(skip("abc", 1), "bc");
        assert_eq!(skip("数据", 1), "据");
        assert_eq!(skip("abc", 9), "");
    }
}

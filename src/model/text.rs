//! Shared, immutable text, and the cleaning that all text from a cluster goes through before a person or a
//! program sees it.
//!
//! Names, labels and addresses repeat thousands of times in a big cluster, so the store hands out one shared copy
//! of each ([`Text`]).

use std::sync::Arc;

/// Text that is cheap to clone and never changes. The store interns it.
pub type Text = Arc<str>;

/// Whether a character may reach a terminal, a clipboard or a shell as it is.
///
/// Refused are the control characters (C0, DEL, C1), the line and paragraph separators, the bidirectional
/// overrides and isolates that can reorder what a reader sees, and the invisible characters that make two
/// different names look the same. Joiners that emoji and scripts need (ZWJ, ZWNJ, variation selectors) pass.
pub fn is_safe(c: char) -> bool {
    !matches!(c,
        '\u{0}'..='\u{1f}' | '\u{7f}'..='\u{9f}'
        | '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}'
        | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// The text with every unsafe character replaced by `�`, so that a reader sees that something was there.
/// Borrows when nothing had to change, which is nearly always.
pub fn clean(text: &str) -> std::borrow::Cow<'_, str> {
    if text.chars().all(is_safe) {
        text.into()
    } else {
        text.chars().map(|c| if is_safe(c) { c } else { '\u{fffd}' }).collect::<String>().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_sequences_and_overrides_do_not_pass() {
        assert_eq!(clean("a\u{1b}[31mb"), "a\u{fffd}[31mb");
        assert_eq!(clean("abc\u{202e}def"), "abc\u{fffd}def");
        assert_eq!(clean("a\nb\tc\u{9b}"), "a\u{fffd}b\u{fffd}c\u{fffd}");
    }

    #[test]
    fn ordinary_text_is_borrowed_and_emoji_stay_whole() {
        assert!(matches!(clean("my-app"), std::borrow::Cow::Borrowed("my-app")));
        assert_eq!(clean("👩\u{200d}💻 数据"), "👩\u{200d}💻 数据");
    }
}

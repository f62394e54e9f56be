//! A line of text whose parts have roles.

use std::borrow::Cow;

use crate::config::theme::Role;
use crate::model::text::clean;

use super::text::width;

/// One part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::ui) struct Span<'a> {
    /// The text, cleaned already.
    pub(in crate::ui) text: Cow<'a, str>,
    /// Its role.
    pub(in crate::ui) role: Role,
}

/// A line of parts. Whatever goes in is cleaned of control characters on the way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::ui) struct Spans<'a>(pub(in crate::ui) Vec<Span<'a>>);

impl<'a> Spans<'a> {
    /// An empty line.
    pub(in crate::ui) fn new() -> Self {
        Self::default()
    }

    /// A line of one part.
    pub(in crate::ui) fn of(role: Role, text: impl Into<Cow<'a, str>>) -> Self {
        Self::new().and(role, text)
    }

    /// With one more part.
    #[must_use]
    pub(in crate::ui) fn and(mut self, role: Role, text: impl Into<Cow<'a, str>>) -> Self {
        self.push(role, text);
        self
    }

    /// Puts one more part at the end.
    pub(in crate::ui) fn push(&mut self, role: Role, text: impl Into<Cow<'a, str>>) {
        let text = match text.into() {
            Cow::Borrowed(text) => clean(text),
            Cow::Owned(text) => match clean(&text) {
                Cow::Borrowed(_) => Cow::Owned(text),
                Cow::Owned(cleaned) => Cow::Owned(cleaned),
            },
        };
        if !text.is_empty() {
            self.0.push(Span { text, role });
        }
    }

    /// Columns that it takes.
    pub(in crate::ui) fn width(&self) -> usize {
        self.0.iter().map(|s| width(&s.text)).sum()
    }

    /// Whether nothing is in it.
    pub(in crate::ui) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_do_not_get_in() {
        let spans =
            Spans::of(Role::Text, "a\u{1b}[2J").and(Role::Dim, String::from("b\nc")).and(Role::Dim, "");
        let text: String = spans.0.iter().map(|s| &*s.text).collect();
        assert_eq!((text.as_str(), spans.0.len()), ("a\u{fffd}[2Jb\u{fffd}c", 2));
        assert_eq!(spans.width(), 8);
    }
}

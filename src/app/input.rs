//! One line of text that is being typed.

use super::message::Edit;

/// A line with a cursor. The cursor counts characters, not bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line {
    text: String,
    cursor: usize,
}

/// No line is longer than this many characters; more is not a filter but an accident of the clipboard.
const MOST: usize = 1024;

impl Line {
    /// A line with the cursor at its end.
    pub fn new(text: impl Into<String>) -> Self {
        let text = text.into();
        let cursor = text.chars().count();
        Self { text, cursor }
    }

    /// The text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Characters before the cursor.
    pub fn cursor(&self) -> usize {
        self.cursor
    }

    fn byte(&self, characters: usize) -> usize {
        self.text.char_indices().nth(characters).map_or(self.text.len(), |(i, _)| i)
    }

    /// Applies one change; control characters are never taken in.
    pub fn edit(&mut self, edit: &Edit) {
        let length = self.text.chars().count();
        match edit {
            Edit::Insert(new) => {
                let new: String =
                    new.chars().filter(|c| !c.is_control()).take(MOST.saturating_sub(length)).collect();
                let at = self.byte(self.cursor);
                self.text.insert_str(at, &new);
                self.cursor += new.chars().count();
            }
            Edit::Backspace if self.cursor > 0 => {
                self.cursor -= 1;
                let at = self.byte(self.cursor);
                self.text.remove(at);
            }
            Edit::Delete if self.cursor < length => {
                let at = self.byte(self.cursor);
                self.text.remove(at);
            }
            Edit::Left => self.cursor = self.cursor.saturating_sub(1),
            Edit::Right => self.cursor = (self.cursor + 1).min(length),
            Edit::Home => self.cursor = 0,
            Edit::End => self.cursor = length,
            Edit::Backspace | Edit::Delete => {}
        }
    }

    /// Empties the line.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// Deletes the word before the cursor with the blanks behind it.
    pub fn delete_word(&mut self) {
        let end = self.byte(self.cursor);
        let before = self.text[..end].trim_end();
        let start = before
            .rfind(char::is_whitespace)
            .map_or(0, |i| i + before[i..].chars().next().map_or(1, char::len_utf8));
        self.text.replace_range(start..end, "");
        self.cursor = self.text[..start].chars().count();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typing_goes_in_at_the_cursor_and_control_characters_do_not() {
        let mut line = Line::new("ab");
        line.edit(&Edit::Left);
        line.edit(&Edit::Insert("é\u{1b}\n数".into()));
        assert_eq!((line.text(), line.cursor()), ("aé数b", 3));
        line.edit(&Edit::Backspace);
        line.edit(&Edit::Delete);
        line.edit(&Edit::Delete);
        assert_eq!((line.text(), line.cursor()), ("aé", 2));
    }

    #[test]
    fn a_word_is_deleted_with_the_blanks_behind_it() {
        let mut line = Line::new("port:80  héllo ");
        line.delete_word();
        assert_eq!(line.text(), "port:80  ");
        line.delete_word();
        assert_eq!((line.text(), line.cursor()), ("", 0));
        line.delete_word();
    }
}

//! The configuration: which keys do what, and the values that a file, the environment and flags may set.
//!
//! What it is: reading and merging, with the place of every mistake. What it is not: it does not know the command
//! line's grammar (`cli` hands flags over as plain values), and it never touches the network.
//!
//! `ui`, `runtime` and `cli` may use it.

pub mod keys;
pub mod load;
pub mod theme;

pub use keys::{Keymap, Lookup, Pending};
pub use load::{Settings, Value};
pub use theme::Theme;

/// Something that is wrong with a configuration file, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}:{column}: {}{message}", if place.is_empty() { String::new() } else { format!("{place}: ") })]
pub struct Complaint {
    /// The file as it was named.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// Table and key (`[keys.browse] zoom`); empty where the file is no TOML at all.
    pub place: String,
    /// One sentence that says what is wrong.
    pub message: String,
}

/// A configuration text and what it is called, so that mistakes can be placed.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// Name of the file, as a person knows it.
    pub file: &'a str,
    /// Its text.
    pub text: &'a str,
}

impl Source<'_> {
    /// A complaint about the byte at an offset.
    pub fn complain(&self, at: usize, place: impl Into<String>, message: impl Into<String>) -> Complaint {
        let before = self.text.get(..at.min(self.text.len())).unwrap_or_default();
        let line_start = before.rfind('\n').map_or(0, |i| i + 1);
        Complaint {
            file: self.file.to_owned(),
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            place: place.into(),
            message: message.into(),
        }
    }

    /// Reads the text as TOML; positions of keys and values are kept.
    pub fn parse(&self) -> Result<toml::de::DeTable<'_>, Complaint> {
        toml::de::DeTable::parse(self.text)
            .map(toml::Spanned::into_inner)
            .map_err(|e| self.complain(e.span().map_or(0, |s| s.start), "", e.message()))
    }
}

/// The candidate that is most like a misspelt word, if one is like enough.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let most = (word.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .map(|c| (edits(word, c), c))
        .filter(|(edits, _)| *edits <= most)
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, c)| c)
}

/// How many insertions, deletions, replacements and swaps of neighbours make `a` into `b`.
fn edits(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![(0..=b.len()).collect::<Vec<_>>()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let above = &rows[i - 1];
            let mut cost =
                (above[j - 1] + usize::from(a[i - 1] != b[j - 1])).min(above[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                cost = cost.min(rows[i - 2][j - 2] + 1);
            }
            row.push(cost);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_found_and_far_ones_are_not() {
        let words = ["half-page-down", "help", "zoom"];
        assert_eq!(nearest("hlaf-page-down", words), Some("half-page-down"));
        assert_eq!(nearest("hepl", words), Some("help"));
        assert_eq!(nearest("quit", words), None);
    }

    #[test]
    fn lines_and_columns_count_from_one_and_in_characters() {
        let source = Source { file: "f", text: "a = 1\nü = x\n" };
        let complaint = source.complain(source.text.find('x').unwrap(), "", "m");
        assert_eq!((complaint.line, complaint.column), (2, 5));
        assert_eq!(complaint.to_string(), "f:2:5: m");
    }

    #[test]
    fn text_that_is_no_toml_is_placed() {
        let complaint = Source { file: "f", text: "a = 1\nb = = 2\n" }.parse().unwrap_err();
        assert_eq!((complaint.line, complaint.column), (2, 5), "{complaint}");
    }
}

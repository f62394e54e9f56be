//! Absolute DNS names: reading what a person typed, comparing without case, cutting zones off.
//!
//! What it is not: no wire format. Everybody may use it.

use std::fmt;

/// A name that can't be asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Two dots in a row, a dot at the start, or nothing at all.
    #[error("the name has an empty label")]
    EmptyLabel,
    /// A label of more than 63 bytes (RFC 1035 section 2.3.4).
    #[error("the label \"{0}\" has more than 63 bytes")]
    LongLabel(String),
    /// More than 255 bytes on the wire (RFC 1035 section 2.3.4).
    #[error("the name has {0} bytes; DNS allows 255")]
    LongName(usize),
    /// A backslash that begins no escape.
    #[error("a backslash needs a character or three digits up to 255 behind it")]
    BadEscape,
}

/// An absolute DNS name in presentation form (RFC 1035 section 5.1), with the final dot.
///
/// It remembers the letter case of the asker, because CoreDNS echoes it, and compares without it.
#[derive(Clone)]
pub struct Name {
    /// As given, escapes normalised.
    text: Box<str>,
    /// The same in lower case; same length.
    lower: Box<str>,
    /// Where each label begins in both.
    starts: Box<[u16]>,
}

impl Name {
    /// The root.
    pub fn root() -> Self {
        Self { text: ".".into(), lower: ".".into(), starts: Box::default() }
    }

    /// Reads a name; a missing final dot is added. `.` is the root. Characters outside of ASCII are taken as their
    /// UTF-8 bytes, as a resolver without IDNA does.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        if text == "." {
            return Ok(Self::root());
        }
        let mut out = String::with_capacity(text.len() + 1);
        let (mut starts, mut wire, mut label) = (Vec::with_capacity(6), 1, 0_usize);
        let mut bytes = text.bytes();
        let end = |out: &mut String, starts: &mut Vec<u16>, from: usize, label: usize| {
            match label {
                0 => return Err(NameError::EmptyLabel),
                1..=63 => {}
                _ => return Err(NameError::LongLabel(out[from..].to_owned())),
            }
            // Longer names are refused below; the offset of a label that does not fit is never used.
            starts.push(u16::try_from(from).unwrap_or(u16::MAX));
            out.push('.');
            Ok(())
        };
        let mut from = 0;
        while let Some(byte) = bytes.next() {
            let byte = match byte {
                b'.' => {
                    end(&mut out, &mut starts, from, label)?;
                    wire += label + 1;
                    (from, label) = (out.len(), 0);
                    continue;
                }
                b'\\' => escaped(&mut bytes).ok_or(NameError::BadEscape)?,
                other => other,
            };
            push(&mut out, byte);
            label += 1;
        }
        if label > 0 {
            end(&mut out, &mut starts, from, label)?;
            wire += label + 1;
        }
        if starts.is_empty() {
            return Err(NameError::EmptyLabel);
        }
        if wire > 255 {
            return Err(NameError::LongName(wire));
        }
        Ok(Self { lower: out.to_ascii_lowercase().into(), text: out.into(), starts: starts.into() })
    }

    /// The name as given, with the final dot.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The name in lower case, with the final dot.
    pub fn lower(&self) -> &str {
        &self.lower
    }

    /// The labels in lower case, the leftmost first.
    pub fn labels(&self) -> impl DoubleEndedIterator<Item = &str> + ExactSizeIterator {
        (0..self.starts.len()).map(|i| self.label(i))
    }

    /// One label in lower case, counted from the left.
    fn label(&self, i: usize) -> &str {
        let end = self.starts.get(i + 1).map_or(self.lower.len(), |s| usize::from(*s));
        &self.lower[usize::from(self.starts[i])..end - 1]
    }

    /// How many labels there are; 0 for the root.
    pub fn len(&self) -> usize {
        self.starts.len()
    }

    /// Whether it is the root.
    pub fn is_empty(&self) -> bool {
        self.starts.is_empty()
    }

    /// Whether it is `zone` or below it.
    pub fn is_under(&self, zone: &Self) -> bool {
        let Some(skip) = self.len().checked_sub(zone.len()) else { return false };
        zone.is_empty() || self.lower[usize::from(self.starts[skip])..] == *zone.lower
    }

    /// Whether a name in lower case, with its final dot, is this zone or below it: [`Self::is_under`] for text that is
    /// known to be a name.
    pub(super) fn covers(&self, lower: &str) -> bool {
        let head = lower.strip_suffix(self.lower());
        self.is_empty() || head.is_some_and(|head| head.is_empty() || head.ends_with('.'))
    }

    /// The labels left of `zone`, in lower case; `None` if the name is not in it.
    pub fn below(&self, zone: &Self) -> Option<Vec<&str>> {
        self.is_under(zone).then(|| (0..self.len() - zone.len()).map(|i| self.label(i)).collect())
    }

    /// The last `count` labels with the asker's letter case: a zone's name as CoreDNS echoes it.
    pub fn tail(&self, count: usize) -> &str {
        match self.len().checked_sub(count) {
            Some(skip) if count > 0 => &self.text[usize::from(self.starts[skip])..],
            _ => ".",
        }
    }
}

/// The byte that an escape stands for; the backslash is already taken.
fn escaped(bytes: &mut std::str::Bytes<'_>) -> Option<u8> {
    let first = bytes.next()?;
    if !first.is_ascii_digit() {
        return Some(first);
    }
    let digits = [first, bytes.next()?, bytes.next()?];
    std::str::from_utf8(&digits).ok()?.parse().ok()
}

/// Appends one byte of a label in presentation form.
fn push(out: &mut String, byte: u8) {
    match byte {
        b'.' | b'\\' | b'"' | b'(' | b')' | b';' | b'@' | b'$' => {
            out.push('\\');
            out.push(char::from(byte));
        }
        0x21..=0x7e => out.push(char::from(byte)),
        _ => {
            use fmt::Write as _;
            // Writing to a String never fails.
            let _ = write!(out, "\\{byte:03}");
        }
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        self.lower == other.lower
    }
}

impl Eq for Name {}

impl std::hash::Hash for Name {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.lower.hash(state);
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn name(text: &str) -> Name {
        Name::parse(text).unwrap()
    }

    #[test]
    fn compares_without_case_and_keeps_it() {
        let n = name("My-App.Default.svc");
        assert_eq!(n.as_str(), "My-App.Default.svc.");
        assert_eq!(n, name("my-app.default.SVC."));
        assert_eq!(n.labels().collect::<Vec<_>>(), ["my-app", "default", "svc"]);
        assert_eq!(n.tail(2), "Default.svc.");
    }

    #[test]
    fn zones_are_cut_at_labels() {
        let zone = name("cluster.local");
        assert_eq!(name("a.b.Cluster.LOCAL").below(&zone), Some(vec!["a", "b"]));
        assert_eq!(name("cluster.local").below(&zone), Some(vec![]));
        assert_eq!(name("xcluster.local").below(&zone), None);
        assert_eq!(name("local").below(&zone), None);
        for (text, inside) in
            [("a.cluster.local.", true), ("cluster.local.", true), ("xcluster.local.", false)]
        {
            assert_eq!(zone.covers(text), inside, "{text}");
        }
        assert!(Name::root().covers("a."));
        assert_eq!(name("a").below(&Name::root()), Some(vec!["a"]));
        assert_eq!(name("a.b").tail(0), ".");
        assert_eq!(Name::root().as_str(), ".");
    }

    #[test]
    fn what_can_not_be_asked_is_refused() {
        assert_eq!(Name::parse(""), Err(NameError::EmptyLabel));
        assert_eq!(Name::parse(".a"), Err(NameError::EmptyLabel));
        assert_eq!(Name::parse("a..b"), Err(NameError::EmptyLabel));
        assert_eq!(Name::parse(&"a".repeat(64)), Err(NameError::LongLabel("a".repeat(64))));
        assert!(Name::parse(&"a".repeat(63)).is_ok());
        assert_eq!(Name::parse(&"ab.".repeat(100)), Err(NameError::LongName(301)));
        assert_eq!(Name::parse("a\\"), Err(NameError::BadEscape));
        assert_eq!(Name::parse("a\\999"), Err(NameError::BadEscape));
    }

    #[test]
    fn odd_characters_are_escaped_and_equal_forms_are_equal() {
        assert_eq!(name("my app").as_str(), "my\\032app.");
        assert_eq!(name("a\\.b.c").labels().collect::<Vec<_>>(), ["a\\.b", "c"]);
        assert_eq!(name("\\097b"), name("ab"));
        assert_eq!(name("é").as_str(), "\\195\\169.");
        assert_eq!(name("_http._tcp").len(), 2);
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused_and_reading_again_changes_nothing(text in "\\PC{0,80}|[a-z.\\\\0-9]{0,300}") {
            if let Ok(n) = Name::parse(&text) {
                let again = Name::parse(n.as_str());
                prop_assert_eq!(again.as_ref().map(Name::as_str), Ok(n.as_str()));
                prop_assert_eq!(n.labels().count(), n.len());
                prop_assert!(n.is_under(&n) && n.is_under(&Name::root()));
            }
        }
    }
}

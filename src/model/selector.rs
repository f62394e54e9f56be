//! Label selectors as `kubectl -l` takes them: `a=b`, `a!=b`, `a in (x,y)`, `a notin (x)`, `a`, `!a`, `a>1`.
//!
//! What it is: the grammar of apimachinery's `labels.Parse`, with error sentences for people. What it is not: the
//! equality selector of a Service, which is a plain set of labels ([`Labels::selects`]). Filters and `-l` call it.

use std::fmt;

use super::Labels;

/// A parsed selector: every requirement has to hold. An empty one selects everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selector {
    requirements: Vec<Requirement>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Requirement {
    key: String,
    test: Test,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Test {
    Exists,
    Missing,
    /// `=`, `==`, `in`.
    In(Vec<String>),
    /// `!=`, `notin`: holds also where the label is missing.
    NotIn(Vec<String>),
    Above(i64),
    Below(i64),
}

/// Why a text is no selector.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SelectorError {
    /// Where in the text, in bytes.
    pub at: usize,
    /// What is wrong there, in one sentence.
    pub message: String,
    /// Whether more text could still make it right, as while typing.
    pub incomplete: bool,
}

impl Selector {
    /// Parses a selector (apimachinery: `labels.Parse`). Blanks around operators do not matter.
    pub fn parse(text: &str) -> Result<Self, SelectorError> {
        Parser { text, at: 0 }.selector()
    }

    /// Whether it holds for these labels (apimachinery: `Requirement.Matches`).
    pub fn matches(&self, labels: &Labels) -> bool {
        self.requirements.iter().all(|r| r.matches(labels))
    }

    /// Whether it restricts nothing.
    pub fn is_empty(&self) -> bool {
        self.requirements.is_empty()
    }
}

impl Requirement {
    fn matches(&self, labels: &Labels) -> bool {
        let value = labels.get(&self.key);
        let among = |values: &[String]| value.is_some_and(|v| values.iter().any(|x| **x == **v));
        let number = || value.and_then(|v| v.parse::<i64>().ok());
        match &self.test {
            Test::Exists => value.is_some(),
            Test::Missing => value.is_none(),
            Test::In(values) => among(values),
            Test::NotIn(values) => !among(values),
            Test::Above(limit) => number().is_some_and(|n| n > *limit),
            Test::Below(limit) => number().is_some_and(|n| n < *limit),
        }
    }
}

impl fmt::Display for Selector {
    /// The canonical form, fit to be sent as `labelSelector`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, r) in self.requirements.iter().enumerate() {
            if i > 0 {
                f.write_str(",")?;
            }
            let key = &r.key;
            match &r.test {
                Test::Exists => write!(f, "{key}")?,
                Test::Missing => write!(f, "!{key}")?,
                Test::In(v) if v.len() == 1 => write!(f, "{key}={}", v[0])?,
                Test::NotIn(v) if v.len() == 1 => write!(f, "{key}!={}", v[0])?,
                Test::In(v) => write!(f, "{key} in ({})", v.join(","))?,
                Test::NotIn(v) => write!(f, "{key} notin ({})", v.join(","))?,
                Test::Above(n) => write!(f, "{key}>{n}")?,
                Test::Below(n) => write!(f, "{key}<{n}")?,
            }
        }
        Ok(())
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Parser<'a> {
    fn selector(mut self) -> Result<Selector, SelectorError> {
        let mut requirements = Vec::new();
        if self.rest().is_empty() {
            return Ok(Selector::default());
        }
        loop {
            requirements.push(self.requirement()?);
            if self.rest().is_empty() {
                return Ok(Selector { requirements });
            }
            if !self.take(",") {
                return Err(self.unexpected("a comma or the end"));
            }
        }
    }

    fn requirement(&mut self) -> Result<Requirement, SelectorError> {
        let missing = self.take("!");
        let key = self.key()?;
        if missing {
            return Ok(Requirement { key, test: Test::Missing });
        }
        let rest = self.rest();
        let test = match () {
            () if rest.is_empty() || rest.starts_with(',') => Test::Exists,
            () if self.take("!=") => Test::NotIn(vec![self.value()?]),
            () if self.take("==") || self.take("=") => Test::In(vec![self.value()?]),
            () if self.take(">") => Test::Above(self.number()?),
            () if self.take("<") => Test::Below(self.number()?),
            () => match self.word() {
                "in" => Test::In(self.values()?),
                "notin" => Test::NotIn(self.values()?),
                word => {
                    self.at -= word.len();
                    return Err(self.unexpected("one of = == != in notin > <"));
                }
            },
        };
        Ok(Requirement { key, test })
    }

    /// What is left, without leading blanks.
    fn rest(&mut self) -> &'a str {
        let rest = &self.text[self.at..];
        let trimmed = rest.trim_start_matches([' ', '\t', '\r', '\n']);
        self.at += rest.len() - trimmed.len();
        trimmed
    }

    fn take(&mut self, symbol: &str) -> bool {
        let found = self.rest().starts_with(symbol);
        if found {
            self.at += symbol.len();
        }
        found
    }

    /// A run of characters that are neither blanks nor operators; may be empty.
    fn word(&mut self) -> &'a str {
        let rest = self.rest();
        let end = rest.find(['=', '!', '(', ')', ',', '<', '>', ' ', '\t', '\r', '\n']);
        let word = &rest[..end.unwrap_or(rest.len())];
        self.at += word.len();
        word
    }

    fn key(&mut self) -> Result<String, SelectorError> {
        let key = self.word();
        if key.is_empty() {
            return Err(self.unexpected("a label key"));
        }
        match qualified_name_problem(key) {
            None => Ok(key.to_owned()),
            Some(problem) => Err(self.refused(key, &format!("`{key}` is no label key: {problem}"))),
        }
    }

    fn value(&mut self) -> Result<String, SelectorError> {
        let value = self.word();
        if value.is_empty() && !self.rest().is_empty() && !self.rest().starts_with([',', ')']) {
            return Err(self.unexpected("a label value"));
        }
        match value_problem(value) {
            None => Ok(value.to_owned()),
            Some(problem) => Err(self.refused(value, &format!("`{value}` is no label value: {problem}"))),
        }
    }

    fn number(&mut self) -> Result<i64, SelectorError> {
        let value = self.word();
        if value.is_empty() {
            return Err(self.unexpected("a number"));
        }
        value.parse().map_err(|_| self.refused(value, &format!("`{value}` is no whole number")))
    }

    /// `(x,y)`: values may be empty, as in `(x,)`. Sorted, each once.
    fn values(&mut self) -> Result<Vec<String>, SelectorError> {
        if !self.take("(") {
            return Err(self.unexpected("an opening parenthesis"));
        }
        let mut values = std::collections::BTreeSet::new();
        loop {
            values.insert(self.value()?);
            if self.take(")") {
                return Ok(values.into_iter().collect());
            }
            if !self.take(",") {
                return Err(self.unexpected("a comma or a closing parenthesis"));
            }
        }
    }

    fn unexpected(&mut self, wanted: &str) -> SelectorError {
        let found = self.rest().chars().next();
        let message = match found {
            Some(c) => format!("found `{c}` where {wanted} should be"),
            None => format!("ends where {wanted} should be"),
        };
        SelectorError { at: self.at, message, incomplete: found.is_none() }
    }

    /// A word just read that is not allowed. It may still grow into an allowed one when it is the last.
    fn refused(&mut self, word: &str, message: &str) -> SelectorError {
        let incomplete = self.at == self.text.len() && word.ends_with(['-', '_', '.', '/']);
        SelectorError { at: self.at - word.len(), message: message.to_owned(), incomplete }
    }
}

/// apimachinery: `validation.IsQualifiedName`.
fn qualified_name_problem(key: &str) -> Option<&'static str> {
    let (prefix, name) = match key.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, key),
    };
    match () {
        () if name.contains('/') => Some("more than one slash"),
        () if name.is_empty() => Some("nothing after the slash"),
        () if prefix.is_some_and(|p| p.is_empty() || p.len() > 253 || !is_subdomain(p)) => {
            Some("what is before the slash has to be a DNS name in lower case")
        }
        () if name.len() > 63 => Some("more than 63 characters"),
        () if !is_label_text(name) => Some("letters, digits, - _ . only, and a letter or digit at both ends"),
        () => None,
    }
}

/// apimachinery: `validation.IsValidLabelValue`.
fn value_problem(value: &str) -> Option<&'static str> {
    match () {
        () if value.is_empty() => None,
        () if value.len() > 63 => Some("more than 63 characters"),
        () if !is_label_text(value) => {
            Some("letters, digits, - _ . only, and a letter or digit at both ends")
        }
        () => None,
    }
}

fn is_label_text(text: &str) -> bool {
    let ends = text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.ends_with(|c: char| c.is_ascii_alphanumeric());
    ends && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

fn is_subdomain(text: &str) -> bool {
    text.split('.').all(|label| {
        let ends = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        label.starts_with(ends)
            && label.ends_with(ends)
            && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    })
}

#[cfg(test)]
mod tests;

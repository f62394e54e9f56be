//! From the typed text to terms.

use super::pattern::{IpTest, Needle, Pattern, PortTest};
use super::{FilterError, Fuzzy, Plain, Ready, Term, Test};
use crate::model::selector::Selector;

/// The typed terms and how their values are read.
const FIELDS: [(&str, Field); 14] = [
    ("name", Field::Name),
    ("ns", Field::Namespace),
    ("namespace", Field::Namespace),
    ("type", Field::Type),
    ("ip", Field::Ip),
    ("port", Field::Port),
    ("label", Field::Label),
    ("selector", Field::Selector),
    ("node", Field::Node),
    ("pod", Field::Pod),
    ("svc", Field::Service),
    ("service", Field::Service),
    ("ready", Field::Ready),
    ("l", Field::Label),
];

#[derive(Clone, Copy)]
enum Field {
    Name,
    Namespace,
    Type,
    Ip,
    Port,
    Label,
    Selector,
    Node,
    Pod,
    Service,
    Ready,
}

/// One word with its quotes removed.
struct Word {
    text: String,
    quoted: bool,
}

/// All terms of a text. What is still empty restricts nothing.
pub(super) fn terms(text: &str) -> Result<Vec<Term>, FilterError> {
    let mut reader = Reader { text, at: 0 };
    let mut terms = Vec::new();
    while reader.skip_blanks() {
        let negative = reader.take("!");
        if let Some(test) = reader.test(negative)? {
            terms.push(Term { negative, test });
        }
    }
    Ok(terms)
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    /// Whether something is left.
    fn skip_blanks(&mut self) -> bool {
        self.at = self.text.len() - self.rest().trim_start().len();
        self.at < self.text.len()
    }

    fn take(&mut self, symbol: &str) -> bool {
        let found = self.rest().starts_with(symbol);
        if found {
            self.at += symbol.len();
        }
        found
    }

    fn test(&mut self, negative: bool) -> Result<Option<Test>, FilterError> {
        if let Some(after) = self.rest().strip_prefix("-l")
            && after.chars().next().is_none_or(|c| c.is_whitespace() || matches!(c, '=' | '"' | '\''))
        {
            self.at += 2;
            self.take("=");
            return self.label_selector();
        }
        for (name, field) in FIELDS {
            if let Some(after) = self.rest().strip_prefix(name)
                && after.starts_with(':')
            {
                self.at += name.len() + 1;
                let at = self.at;
                let word = self.word();
                if word.text.is_empty() {
                    return Ok(None);
                }
                return field.test(&word).map(Some).map_err(|message| self.error(at, message));
            }
        }
        let word = self.word();
        Ok((!word.text.is_empty()).then(|| plain(&word, negative)))
    }

    /// A word up to the next blank, or a quoted text up to the next quote or the end.
    fn word(&mut self) -> Word {
        let rest = self.rest();
        if let Some(inner) = rest.strip_prefix('"') {
            let end = inner.find('"');
            let text = &inner[..end.unwrap_or(inner.len())];
            self.at += 1 + text.len() + usize::from(end.is_some());
            return Word { text: text.to_owned(), quoted: true };
        }
        let text = &rest[..rest.find(char::is_whitespace).unwrap_or(rest.len())];
        self.at += text.len();
        Word { text: text.to_owned(), quoted: false }
    }

    /// What follows `-l`: quoted, or up to the next blank outside of parentheses. The blanks of `a in (b, c)`
    /// belong to it.
    fn label_selector(&mut self) -> Result<Option<Test>, FilterError> {
        self.skip_blanks();
        let rest = self.rest();
        let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\''));
        let start = self.at + usize::from(quote.is_some());
        let text = if let Some(quote) = quote {
            let inner = &rest[1..];
            &inner[..inner.find(quote).unwrap_or(inner.len())]
        } else {
            &rest[..selector_end(rest)]
        };
        self.at = (start + text.len() + usize::from(quote.is_some())).min(self.text.len());
        let selector = match Selector::parse(text) {
            Ok(selector) => selector,
            Err(error) if error.incomplete => complete_part(text),
            Err(error) => return Err(self.error(start + error.at, error.message)),
        };
        Ok((!selector.is_empty()).then_some(Test::Labels(selector)))
    }

    fn error(&self, at: usize, message: String) -> FilterError {
        let before = self.text.get(..at).unwrap_or(self.text);
        FilterError { at: before.chars().count(), message }
    }
}

/// Where the selector at the beginning of a text ends.
fn selector_end(text: &str) -> usize {
    let mut depth = 0;
    for (i, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            c if c.is_whitespace() && depth <= 0 => {
                let next = text[i..].trim_start();
                let (word, after) = next.split_at(next.find([' ', '(']).unwrap_or(next.len()));
                let after = after.trim_start();
                let operator = matches!(word, "in" | "notin") && (after.is_empty() || after.starts_with('('));
                if !operator && !next.starts_with('(') {
                    return i;
                }
            }
            _ => {}
        }
    }
    text.len()
}

/// The requirements before the one that is still being typed.
fn complete_part(text: &str) -> Selector {
    let mut end = text.len();
    while let Some(comma) = text[..end].rfind(',') {
        if let Ok(selector) = Selector::parse(&text[..comma]) {
            return selector;
        }
        end = comma;
    }
    Selector::default()
}

fn plain(word: &Word, negative: bool) -> Test {
    let needle = Needle::new(&word.text);
    if word.quoted || negative {
        return Test::Exact(needle);
    }
    let pair = word.text.split_once('/').filter(|(a, b)| !a.is_empty() && !b.is_empty());
    let pair = pair.map(|(a, b)| (Fuzzy::new(a), Fuzzy::new(b)));
    Test::Fuzzy(Plain { needle, fuzzy: Fuzzy::new(&word.text), pair })
}

impl Field {
    fn test(self, word: &Word) -> Result<Test, String> {
        let whole = word.quoted;
        let pattern = |text: &str| Pattern { needle: Needle::new(text), whole };
        Ok(match self {
            Self::Name => Test::Name(pattern(&word.text)),
            Self::Namespace => Test::Namespace(pattern(&word.text)),
            Self::Type => Test::Type(pattern(&word.text)),
            Self::Label => Test::Label(pattern(&word.text)),
            Self::Selector => Test::Selector(pattern(&word.text)),
            Self::Node => Test::Node(pattern(&word.text)),
            Self::Pod => Test::Pod(pattern(&word.text)),
            Self::Service => Test::Service(pattern(&word.text)),
            Self::Ip => Test::Ip(ip(word)?),
            Self::Port => Test::Port(port(&word.text, whole)),
            Self::Ready => Test::Ready(ready(&word.text)?),
        })
    }
}

fn ip(word: &Word) -> Result<IpTest, String> {
    let needle = Needle::new(&word.text);
    let Some((network, bits)) = word.text.split_once('/') else {
        return Ok(if word.quoted { IpTest::Whole(needle) } else { IpTest::Prefix(needle) });
    };
    if bits.is_empty() {
        return Ok(IpTest::Prefix(Needle::new(network)));
    }
    let address: std::net::IpAddr = network
        .parse()
        .map_err(|_| format!("`{network}` is no address; a network is written 10.96.0.0/16"))?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    match bits.parse() {
        Ok(bits) if bits <= most => Ok(IpTest::Network(address, bits)),
        _ => Err(format!("`{bits}` is no prefix length; it lies between 0 and {most}")),
    }
}

fn port(text: &str, whole: bool) -> PortTest {
    let (port, protocol) = text.split_once('/').unwrap_or((text, ""));
    let number = port.parse::<i32>().ok();
    PortTest {
        number,
        name: (number.is_none() && !port.is_empty()).then(|| Pattern { needle: Needle::new(port), whole }),
        protocol: (!protocol.is_empty()).then(|| Needle::new(&protocol.to_lowercase())),
    }
}

fn ready(text: &str) -> Result<Ready, String> {
    const WORDS: [(&str, Ready); 8] = [
        ("yes", Ready::Yes),
        ("true", Ready::Yes),
        ("no", Ready::No),
        ("none", Ready::No),
        ("false", Ready::No),
        ("all", Ready::All),
        ("partial", Ready::Partial),
        ("some", Ready::Partial),
    ];
    WORDS
        .iter()
        .find(|(word, _)| word.starts_with(&text.to_lowercase()))
        .map(|(_, ready)| *ready)
        .ok_or_else(|| format!("`{text}` is not one of yes, no, all, partial"))
}

//! The single tests that terms are made of: parts of texts, addresses, ports.

use std::net::IpAddr;

use crate::model::{Labels, Protocol};

/// A text to be found as a part of others. Without an upper-case letter it matches both cases.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Needle {
    text: String,
    chars: usize,
    both_cases: bool,
    /// All characters may stand in an IP address.
    in_address: bool,
    digits: bool,
}

impl Needle {
    pub(super) fn new(text: &str) -> Self {
        let in_address = text.bytes().all(|b| b.is_ascii_hexdigit() || matches!(b, b'.' | b':'));
        Self {
            text: text.to_owned(),
            chars: text.chars().count(),
            both_cases: !text.chars().any(char::is_uppercase),
            in_address,
            digits: text.bytes().all(|b| b.is_ascii_digit()),
        }
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn chars(&self) -> usize {
        self.chars
    }

    /// Whether it looks like a part of an address, and is more than a bare number or word.
    pub(super) fn addressy(&self) -> bool {
        self.in_address && self.text.contains(['.', ':'])
    }

    /// Whether it is a part of an address.
    pub(super) fn is_in_address(&self, address: &str) -> bool {
        self.in_address && self.is_in(address)
    }

    /// Where it stands in a text, in bytes.
    pub(super) fn find(&self, text: &str) -> Option<usize> {
        let (needle, hay) = (self.text.as_bytes(), text.as_bytes());
        if !self.both_cases {
            return text.find(&self.text);
        }
        if needle.is_ascii() {
            // A match of ASCII bytes never begins or ends within another character.
            let (first, rest) = needle.split_first()?;
            let last = hay.len().checked_sub(rest.len())?;
            return (0..last).find(|&i| {
                hay[i].eq_ignore_ascii_case(first) && hay[i + 1..=i + rest.len()].eq_ignore_ascii_case(rest)
            });
        }
        text.char_indices().map(|(i, _)| i).find(|&i| self.starts(&text[i..]))
    }

    pub(super) fn is_in(&self, text: &str) -> bool {
        self.find(text).is_some()
    }

    /// Whether a text begins with it.
    pub(super) fn starts(&self, text: &str) -> bool {
        if !self.both_cases {
            return text.starts_with(&self.text);
        }
        if self.text.is_ascii() {
            let theirs = text.as_bytes().get(..self.text.len());
            return theirs.is_some_and(|t| t.eq_ignore_ascii_case(self.text.as_bytes()));
        }
        let mut theirs = text.chars().flat_map(char::to_lowercase);
        self.text.chars().flat_map(char::to_lowercase).all(|c| theirs.next() == Some(c))
    }

    /// Whether a text is just that.
    fn is(&self, text: &str) -> bool {
        if self.both_cases { text.to_lowercase() == self.text.to_lowercase() } else { text == self.text }
    }

    /// Whether a number's digits begin with it.
    pub(super) fn starts_number(&self, number: i32) -> bool {
        self.digits && number != 0 && number.to_string().starts_with(&self.text)
    }
}

/// The value of a typed term: a part of a text, or all of it when it was quoted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pattern {
    pub(super) needle: Needle,
    pub(super) whole: bool,
}

impl Pattern {
    pub(super) fn matches(&self, text: &str) -> bool {
        if self.whole { self.needle.is(text) } else { self.needle.is_in(text) }
    }

    /// Whether some label matches: its key, its value, or both as `key=value`.
    pub(super) fn matches_pair_of(&self, labels: &Labels) -> bool {
        let has_equals = self.needle.text.contains('=');
        labels.iter().any(|(key, value)| {
            if has_equals {
                self.matches(&format!("{key}={value}"))
            } else {
                self.matches(key) || self.matches(value)
            }
        })
    }
}

/// `ip:`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum IpTest {
    /// The address begins with this.
    Prefix(Needle),
    /// The address is just this.
    Whole(Needle),
    /// The address lies in this network.
    Network(IpAddr, u8),
}

impl IpTest {
    pub(super) fn matches(&self, address: &str) -> bool {
        match self {
            Self::Prefix(needle) => needle.starts(address),
            Self::Whole(needle) => needle.is(address),
            Self::Network(network, bits) => match (network, address.parse()) {
                (IpAddr::V4(n), Ok(IpAddr::V4(a))) => {
                    let mask = u32::MAX.checked_shl(32 - u32::from(*bits)).unwrap_or(0);
                    n.to_bits() & mask == a.to_bits() & mask
                }
                (IpAddr::V6(n), Ok(IpAddr::V6(a))) => {
                    let mask = u128::MAX.checked_shl(128 - u32::from(*bits)).unwrap_or(0);
                    n.to_bits() & mask == a.to_bits() & mask
                }
                _ => false,
            },
        }
    }
}

/// `port:`: a number or a name, and a protocol where one was typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PortTest {
    pub(super) number: Option<i32>,
    pub(super) name: Option<Pattern>,
    pub(super) protocol: Option<Needle>,
}

impl PortTest {
    /// Whether a port with these numbers, that name and protocol is meant.
    pub(super) fn matches(&self, numbers: &[i32], name: &str, protocol: &Protocol) -> bool {
        self.protocol.as_ref().is_none_or(|p| p.starts(protocol.as_str()))
            && self.number.is_none_or(|n| numbers.contains(&n))
            && self.name.as_ref().is_none_or(|n| n.matches(name))
    }
}

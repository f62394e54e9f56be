//! `$(NAME)` in `env[].value`: the syntax alone (`third_party/forked/golang/expansion`). What a name stands for is
//! the caller's affair.

use std::borrow::Cow;

/// A value that grows beyond this is given up: references can double at every entry, and no process starts with
/// an environment of 2 MiB.
pub(super) const LONGEST: usize = 2 << 20;

/// The result of an expansion.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Expanded {
    /// The text.
    Text(String),
    /// The kubelet tears a non-ASCII character that follows a `$`, and the bytes are no longer UTF-8. With
    /// replacement characters.
    Torn(String),
    /// A name stands for something unknown.
    Unknown,
    /// Longer than [`LONGEST`].
    TooLong,
}

/// What a name stands for.
pub(super) enum Meaning<'a> {
    /// This text.
    Text(Cow<'a, str>),
    /// No variable of that name: the reference stays as it is written.
    Unset,
    /// A variable whose value is not known.
    Unknown,
}

/// Expands `input` from left to right, two characters at a time: `$$` is a `$`, `$(NAME)` what it stands for, and
/// everything else stays. Results are not expanded again, so it cannot loop.
pub(super) fn expand<'a>(input: &str, mut meaning: impl FnMut(&str) -> Meaning<'a>) -> Expanded {
    let bytes = input.as_bytes();
    let mut out = Vec::with_capacity(input.len());
    let (mut at, mut torn, mut unknown) = (0, false, false);
    // Once no `)` is left, none will be found further right either.
    let mut may_close = true;
    while at < bytes.len() {
        match (bytes[at], bytes.get(at + 1)) {
            (b'$', Some(b'$')) => {
                out.push(b'$');
                at += 2;
            }
            (b'$', Some(b'(')) => {
                let closer = may_close.then(|| input[at + 2..].find(')')).flatten();
                may_close = closer.is_some();
                if let Some(len) = closer {
                    let end = at + 2 + len;
                    match meaning(&input[at + 2..end]) {
                        Meaning::Text(text) => out.extend_from_slice(text.as_bytes()),
                        Meaning::Unset => out.extend_from_slice(&bytes[at..=end]),
                        Meaning::Unknown => unknown = true,
                    }
                    at = end + 1;
                } else {
                    out.extend_from_slice(b"$(");
                    at += 2;
                }
            }
            (b'$', Some(&other)) => {
                // Go: `string(input[0])` of one byte is the code point of that number, so the first byte of a
                // longer character becomes a character of its own and the rest is left alone.
                torn |= !other.is_ascii();
                out.push(b'$');
                out.extend_from_slice(char::from(other).encode_utf8(&mut [0; 4]).as_bytes());
                at += 2;
            }
            (plain, _) => {
                out.push(plain);
                at += 1;
            }
        }
        if out.len() > LONGEST {
            return Expanded::TooLong;
        }
    }
    match (unknown, torn) {
        (true, _) => Expanded::Unknown,
        (false, false) => Expanded::Text(String::from_utf8_lossy(&out).into_owned()),
        (false, true) => Expanded::Torn(String::from_utf8_lossy(&out).into_owned()),
    }
}

/// The rule alone, with any look-up: `None` leaves the reference as it is written. A result of more than 2 MiB is
/// given up, and the input comes back.
pub fn expand_with(input: &str, lookup: impl Fn(&str) -> Option<String>) -> String {
    match expand(input, |name| lookup(name).map_or(Meaning::Unset, |text| Meaning::Text(text.into()))) {
        Expanded::Text(text) | Expanded::Torn(text) => text,
        Expanded::Unknown | Expanded::TooLong => input.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_open_brackets_cost_one_search() {
        let text = "$(".repeat(500_000);
        assert_eq!(expand(&text, |_| Meaning::Unset), Expanded::Text(text.clone()));
    }

    #[test]
    fn growth_is_given_up() {
        let big = "x".repeat(LONGEST / 2 + 1);
        assert_eq!(expand("$(A)$(A)", |_| Meaning::Text((&*big).into())), Expanded::TooLong);
    }

    #[test]
    fn a_character_after_a_dollar_is_torn() {
        assert_eq!(expand("$é", |_| Meaning::Unset), Expanded::Torn("$Ã\u{fffd}".into()));
        assert_eq!(expand("é$(A)é", |_| Meaning::Text("b".into())), Expanded::Text("ébé".into()));
    }

    #[test]
    fn an_unknown_value_makes_the_whole_unknown() {
        assert_eq!(expand("a$(A)", |_| Meaning::Unknown), Expanded::Unknown);
    }
}

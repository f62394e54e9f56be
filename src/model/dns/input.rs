//! Names as people type them: which can't be asked, and what of the others is worth a word.
//!
//! What it is not: it changes no name; what is typed is asked. Everybody may use it.

use std::fmt::Write as _;
use std::net::IpAddr;

use super::{Name, NameError, reverse};
use crate::model::text::is_safe;

/// Whether a name can be asked at all.
///
/// # Errors
/// Why not, in a sentence.
pub fn check(name: &str) -> Result<(), String> {
    if name.trim().is_empty() {
        return Err("A name is missing.".to_owned());
    }
    match Name::parse(name) {
        Ok(_) => Ok(()),
        Err(NameError::EmptyLabel) if name.starts_with('.') => Err("It begins with a dot.".to_owned()),
        Err(NameError::EmptyLabel) => Err("It has an empty label: two dots in a row.".to_owned()),
        Err(NameError::LongLabel(label)) => {
            Err(format!("Its part of {} bytes is too long: DNS allows 63 between two dots.", label.len()))
        }
        Err(NameError::LongName(bytes)) => {
            Err(format!("It takes {bytes} bytes on the wire, and DNS allows 255."))
        }
        Err(NameError::BadEscape) => {
            Err("A backslash needs a character or three digits up to 255 behind it.".to_owned())
        }
    }
}

/// What to say about a name that can be asked but hardly is what was meant: characters that no Kubernetes name has.
pub fn note(name: &str) -> Option<String> {
    // The last label of a name that exists is no number.
    if name.ends_with(|c: char| c.is_ascii_hexdigit() || c == ':')
        && let Ok(address) = name.parse::<IpAddr>()
    {
        let reverse = reverse::reverse_name(address);
        return Some(format!(
            "this is an address, which is used as it is; its name is asked as {reverse} PTR"
        ));
    }
    // The usual case first: a batch asks this of every name.
    if name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_')) {
        return None;
    }
    let sent = || Name::parse(name).map(|n| n.as_str().to_owned()).unwrap_or_default();
    if name.chars().any(|c| !c.is_ascii() && is_safe(c)) {
        let mut text = format!("the name is not ASCII: its UTF-8 bytes are asked as they are ({})", sent());
        let _ = write!(text, ", as C libraries do; browsers would ask for the punycode form (xn--…)");
        return Some(text);
    }
    let what = match () {
        () if name.chars().any(|c| !is_safe(c)) => "control characters",
        () if name.contains(' ') => "a blank",
        () if name.contains("://") => return Some("this is a URL: only its host is a name".to_owned()),
        () if name.contains('/') => return Some("a slash is no part of a host name".to_owned()),
        () if name.contains(':') => {
            return Some("a colon is no part of a host name: is it a port?".to_owned());
        }
        () => "a character that no host name has",
    };
    Some(format!("the name has {what}: it is asked as {}", sent()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_not_be_asked_says_why() {
        for (name, why) in [
            ("", "missing"),
            ("  ", "missing"),
            (".a", "begins with a dot"),
            ("a..b", "two dots"),
            (&"x".repeat(64), "64 bytes"),
            (&"abcdefghi.".repeat(30), "301 bytes"),
            ("a\\", "backslash"),
        ] {
            assert!(check(name).unwrap_err().contains(why), "{name}: {:?}", check(name));
        }
        for fine in ["a", "a.", ".", "_http._tcp.a", "a b", "é", "a\u{1b}b"] {
            assert_eq!(check(fine), Ok(()), "{fine}");
        }
    }

    #[test]
    fn odd_characters_are_told_in_the_form_that_is_sent() {
        assert_eq!(note("_http._tcp.web-0.ns"), None);
        assert!(note("my app").unwrap().ends_with("a blank: it is asked as my\\032app."));
        assert!(note("bücher").unwrap().contains("b\\195\\188cher."));
        assert!(note("a\u{1b}[31m").unwrap().contains("control characters"));
        assert!(note("http://web").unwrap().contains("URL"));
        assert!(note("web:80").unwrap().contains("port"));
        assert!(note("10.96.0.7").unwrap().ends_with(" 7.0.96.10.in-addr.arpa. PTR"));
        assert!(note("fd00::7").unwrap().contains("an address"));
        assert_eq!(["10.96.0", "face", "db-0.a"].map(note), [const { None }; 3]);
    }
}

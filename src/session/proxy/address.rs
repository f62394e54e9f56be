//! What a request asks for, read and written as Go does it (Go: `net/url`, `path`).
//!
//! What it is: pure; request targets in, paths out. kubectl filters on the decoded path and passes on the encoded one,
//! and both come from Go's `URL`, which keeps the client's own encoding only where it is a good one. What it is not: a
//! general URL library.

use std::borrow::Cow;

/// A path in both forms (Go: `URL.Path`, `URL.RawPath`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    /// Decoded once.
    pub decoded: Vec<u8>,
    /// As the client wrote it, where that is not how Go would.
    raw: Option<Vec<u8>>,
}

impl Path {
    /// Reads an encoded path; `None` where a `%` is not followed by two digits (Go's server answers 400).
    pub fn parse(text: &[u8]) -> Option<Self> {
        let decoded = unescape(text)?;
        let raw = (escape(&decoded).as_bytes() != text).then(|| text.to_vec());
        Some(Self { decoded, raw })
    }

    /// Cuts a prefix off the decoded form, as kubectl does (`stripLeaveSlash`): what is left begins with a slash or is
    /// empty. `None` where the path does not begin so.
    #[must_use]
    pub fn without_prefix(&self, prefix: &str) -> Option<Self> {
        let rest = self.decoded.strip_prefix(prefix.as_bytes()).filter(|_| !prefix.is_empty())?;
        let mut decoded = Vec::with_capacity(rest.len() + 1);
        if !rest.is_empty() && !rest.starts_with(b"/") {
            decoded.push(b'/');
        }
        decoded.extend_from_slice(rest);
        // The written form stays; it counts only as long as it means the same.
        Some(Self { decoded, raw: self.raw.clone() })
    }

    /// The encoded form: the client's own if it is a valid one, else Go's (Go: `URL.EscapedPath`).
    pub fn encoded(&self) -> Cow<'_, str> {
        if let Some(raw) = self.raw.as_deref()
            && raw.iter().all(|b| stays(*b) || b"!'()*[]%".contains(b))
            && unescape(raw).as_deref() == Some(&self.decoded)
            && let Ok(text) = std::str::from_utf8(raw)
        {
            return Cow::Borrowed(text);
        }
        if self.decoded == b"*" { Cow::Borrowed("*") } else { escape(&self.decoded) }
    }

    /// The decoded form as text for expressions: each byte that is no UTF-8 is one replacement character (Go's regexp
    /// reads them so).
    pub fn text(&self) -> Cow<'_, str> {
        if let Ok(text) = std::str::from_utf8(&self.decoded) {
            return Cow::Borrowed(text);
        }
        let mut out = String::with_capacity(self.decoded.len());
        for chunk in self.decoded.utf8_chunks() {
            out.push_str(chunk.valid());
            out.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
        }
        Cow::Owned(out)
    }

    /// The path that goes to the server: behind the server's own, with one slash between (Go:
    /// `httputil.NewSingleHostReverseProxy`). `before` is encoded and empty where nothing is to stand before.
    pub fn behind(&self, before: &str) -> String {
        let path = self.encoded();
        match (before.ends_with('/'), path.starts_with('/')) {
            (true, true) => format!("{before}{}", &path[1..]),
            (false, false) => format!("{before}/{path}"),
            _ => format!("{before}{path}"),
        }
    }
}

/// Whether Go leaves a byte of a path as it is.
fn stays(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"$&+,-./:;=@_~".contains(&byte)
}

/// Percent-encodes a path (Go: `escape` with `encodePath`).
pub(super) fn escape(path: &[u8]) -> Cow<'_, str> {
    if path.iter().all(|b| stays(*b))
        && let Ok(text) = std::str::from_utf8(path)
    {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(path.len() + 16);
    for byte in path {
        if stays(*byte) {
            out.push(char::from(*byte));
        } else {
            out.push('%');
            out.extend([byte >> 4, byte & 15].map(|n| char::from(b"0123456789ABCDEF"[usize::from(n)])));
        }
    }
    Cow::Owned(out)
}

/// One round of percent-decoding; `None` where a `%` begins no byte.
pub(super) fn unescape(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, behind @ ..] = rest {
        if *first == b'%' {
            let [high, low, behind @ ..] = behind else { return None };
            let digit = |b: u8| char::from(b).to_digit(16).and_then(|n| u8::try_from(n).ok());
            out.push(digit(*high)? << 4 | digit(*low)?);
            rest = behind;
        } else {
            out.push(*first);
            rest = behind;
        }
    }
    Some(out)
}

/// The shortest path that means the same; a slash at the end stays (Go: `path.Clean`, `http.cleanPath`).
pub(super) fn clean(path: &str) -> Cow<'_, str> {
    let begins = path.starts_with('/');
    let odd = |segment: &str| matches!(segment, "" | "." | "..");
    if begins && !path[1..].trim_end_matches('/').split('/').any(odd) && !path.ends_with("//") {
        return Cow::Borrowed(path);
    }
    let mut kept: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(kept.pop()),
            other => kept.push(other),
        }
    }
    let mut out = String::with_capacity(path.len() + 1);
    for segment in &kept {
        out.push('/');
        out.push_str(segment);
    }
    if out.is_empty() || path.ends_with('/') {
        out.push('/');
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn both(text: &str) -> (String, String) {
        let path = Path::parse(text.as_bytes()).unwrap();
        (path.text().into_owned(), path.encoded().into_owned())
    }

    #[test]
    fn the_clients_encoding_stays_where_it_is_a_good_one() {
        for (sent, decoded, passed_on) in [
            ("/api/v1", "/api/v1", "/api/v1"),
            ("/%65xec", "/exec", "/%65xec"),
            ("/a%2Fb", "/a/b", "/a%2Fb"),
            ("/a%2fb", "/a/b", "/a%2fb"),
            ("/ü", "/ü", "/%C3%BC"),
            ("/%c3%bc", "/ü", "/%c3%bc"),
            ("/a%20b", "/a b", "/a%20b"),
            ("/(x)!", "/(x)!", "/(x)!"),
            ("/a\"b", "/a\"b", "/a%22b"),
            ("/[x]", "/[x]", "/[x]"),
        ] {
            assert_eq!(both(sent), (decoded.to_owned(), passed_on.to_owned()), "{sent}");
        }
        assert_eq!(both("/%ff%fe").0, "/\u{fffd}\u{fffd}");
    }

    #[test]
    fn a_broken_percent_sign_is_no_path() {
        for text in ["/%", "/%1", "/%zz", "/a%2"] {
            assert_eq!(Path::parse(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn what_is_left_behind_a_prefix_begins_with_a_slash_or_is_empty() {
        let left = |path: &str, prefix: &str| {
            let path = Path::parse(path.as_bytes()).unwrap().without_prefix(prefix)?;
            Some((path.text().into_owned(), path.behind("")))
        };
        let is = |text: &str, passed: &str| Some((text.to_owned(), passed.to_owned()));
        assert_eq!(left("/", "/"), is("", "/"));
        assert_eq!(left("/api", "/"), is("/api", "/api"));
        assert_eq!(left("/api%2Fx", "/"), is("/api/x", "/api%2Fx"));
        assert_eq!(left("/custom/api", "/custom/"), is("/api", "/api"));
        // The client's form speaks of the prefix still, so Go writes its own.
        assert_eq!(left("/custom/a%2Fb", "/custom/"), is("/a/b", "/a/b"));
        assert_eq!(left("/other", "/custom/"), None);
    }

    #[test]
    fn the_servers_path_comes_before_with_one_slash_between() {
        let behind = |path: &str, before: &str| Path::parse(path.as_bytes()).unwrap().behind(before);
        assert_eq!(behind("/api", "/k8s/c/"), "/k8s/c/api");
        assert_eq!(behind("", "/k8s/c/"), "/k8s/c/");
        assert_eq!(behind("", ""), "/");
    }

    #[test]
    fn paths_are_cleaned_as_in_go() {
        for (path, cleaned) in [
            ("", "/"),
            ("/", "/"),
            ("/a/b", "/a/b"),
            ("/a/b/", "/a/b/"),
            ("//api", "/api"),
            ("/a//b", "/a/b"),
            ("/api/../version", "/version"),
            ("/..", "/"),
            ("/a/.", "/a"),
            ("/a/./", "/a/"),
            ("/a/..", "/"),
            ("/a//", "/a/"),
            ("//", "/"),
            ("/a/%2e%2e", "/a/%2e%2e"),
            ("/...", "/..."),
        ] {
            assert_eq!(clean(path), cleaned, "{path}");
        }
    }
}

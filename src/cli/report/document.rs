//! Documents for other programs, fit for a terminal too.
//!
//! What it is: JSON in which every character that a terminal must not get is escaped, so that it reads back as it was;
//! YAML, which has no escapes in plain text, shows `�` for it. What it is not: it knows no content.

use std::io::{self, Write};

use serde::Serialize;

use crate::model::text::is_safe;

/// A document of JSON on lines that people can read.
///
/// # Errors
/// Those of the output.
pub fn json(value: &impl Serialize, out: &mut impl Write) -> io::Result<()> {
    serde_json::to_writer_pretty(Printable { out: &mut *out, escaped: true }, value)?;
    out.write_all(b"\n")
}

/// A document of JSON on one line.
///
/// # Errors
/// Those of the output.
pub fn json_line(value: &impl Serialize, out: &mut impl Write) -> io::Result<()> {
    serde_json::to_writer(Printable { out: &mut *out, escaped: true }, value)?;
    out.write_all(b"\n")
}

/// A document of YAML.
///
/// # Errors
/// Those of the output.
pub fn yaml(value: &impl Serialize, out: &mut impl Write) -> io::Result<()> {
    let mut out = Printable { out, escaped: false };
    serde_saphyr::to_io_writer(&mut out, value).map_err(|error| match error {
        // The writer's own error, so that a closed pipe is recognised.
        serde_saphyr::ser::Error::IO { error } => error,
        other => io::Error::other(other),
    })
}

/// Takes text in whole characters, as both libraries write it.
struct Printable<W> {
    out: W,
    /// What is unsafe stands in a string of JSON.
    escaped: bool,
}

impl<W: Write> Write for Printable<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = std::str::from_utf8(bytes).map_err(io::Error::other)?;
        let passes = |c: char| is_safe(c) || c == '\n';
        let mut rest = text;
        while let Some(at) = rest.find(|c| !passes(c)) {
            self.out.write_all(&rest.as_bytes()[..at])?;
            let mut behind = rest[at..].chars();
            if let Some(c) = behind.next() {
                if self.escaped {
                    for unit in c.encode_utf16(&mut [0; 2]) {
                        write!(self.out, "\\u{unit:04x}")?;
                    }
                } else {
                    self.out.write_all("\u{fffd}".as_bytes())?;
                }
            }
            rest = behind.as_str();
        }
        self.out.write_all(rest.as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVIL: &str = "a\u{1b}]52;c;eA==\u{7}\u{202e}b\u{7f}\u{9b}2J\u{200b}\u{e0041}\n\té👩\u{200d}💻\"";

    #[test]
    fn what_a_terminal_must_not_get_is_escaped_in_json_and_reads_back() {
        let value = serde_json::json!({ EVIL: [EVIL] });
        for on_one_line in [false, true] {
            let mut out = Vec::new();
            if on_one_line { json_line(&value, &mut out) } else { json(&value, &mut out) }.unwrap();
            let text = String::from_utf8(out).unwrap();
            assert!(text.chars().all(|c| is_safe(c) || c == '\n'), "{text:?}");
            assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value);
        }
    }

    #[test]
    fn yaml_holds_nothing_that_talks_to_a_terminal() {
        let mut out = Vec::new();
        yaml(&serde_json::json!({ "a": EVIL, "b": "x\u{202e}y", "c": "plain" }), &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.chars().all(|c| is_safe(c) || c == '\n'), "{text:?}");
        assert!(text.contains("b: x\u{fffd}y\nc: plain\n"), "{text}");
    }
}

//! A predicted environment as text for other programs: dotenv files, POSIX shells, `docker run --env-file`.
//!
//! Values come from a cluster and are trusted nowhere: what leaves this module holds no control character but the
//! line ends between variables, whatever the values hold, and a shell that reads it sets variables and does nothing
//! else. What a format can't hold is left out and told, never bent.

use std::fmt::Write as _;

use super::{ContainerEnvironment, Status};
use crate::model::text::is_safe;

/// A format to export to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `NAME=value` as dotenv libraries and Docker Compose read it, quoted where needed.
    Dotenv,
    /// `export NAME='value'` for any POSIX shell.
    Shell,
    /// `NAME=value` without any quoting (`docker run --env-file`).
    DockerEnvFile,
}

/// The text, and what is not in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Export {
    /// A line (or for dotenv and shell a statement) for each variable.
    pub text: String,
    /// What was left out.
    pub left_out: Vec<LeftOut>,
}

/// A variable that was left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// Its name, verbatim.
    pub name: String,
    /// Why, as the end of a sentence.
    pub why: &'static str,
}

/// The variables whose values are known and in the container (or in its next start), and the others.
pub fn exportable(environment: &ContainerEnvironment) -> (Vec<(&str, &str)>, Vec<LeftOut>) {
    let (mut pairs, mut left_out) = (Vec::new(), Vec::new());
    for variable in environment.variables() {
        let why = match (variable.status, variable.value) {
            (Status::Present | Status::Stale | Status::NextStart, Some(value)) => {
                pairs.push((variable.name, value));
                continue;
            }
            (Status::Absent, _) => "the container lacks it until it restarts",
            (Status::Uncertain, _) => "whether the container has it, or which value, is uncertain",
            (_, _) => "its value is not known or not shown",
        };
        left_out.push(LeftOut { name: variable.name.to_owned(), why });
    }
    (pairs, left_out)
}

/// Writes variables in a format, in the order given.
pub fn export<'a>(variables: impl IntoIterator<Item = (&'a str, &'a str)>, format: Format) -> Export {
    let mut out = Export::default();
    for (name, value) in variables {
        let written = if value.contains('\0') {
            Err("its value holds a NUL byte")
        } else {
            match format {
                Format::Dotenv => dotenv(name, value, &mut out.text),
                Format::Shell => shell(name, value, &mut out.text),
                Format::DockerEnvFile => docker(name, value, &mut out.text),
            }
        };
        if let Err(why) = written {
            out.left_out.push(LeftOut { name: name.to_owned(), why });
        }
    }
    out
}

/// What a POSIX shell can hold as a variable's name.
pub fn is_shell_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// Characters that need no quotes anywhere.
fn is_plain(value: &str) -> bool {
    value.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-./:@%+,".contains(&b))
}

fn shell(name: &str, value: &str, out: &mut String) -> Result<(), &'static str> {
    if !is_shell_name(name) {
        return Err("a POSIX shell can't hold a variable of this name");
    }
    if value.chars().all(is_safe) {
        put(out, format_args!("export {name}='{}'\n", value.replace('\'', "'\\''")));
        return Ok(());
    }
    // Through printf's octal escapes, so that no control character is in the text. The x keeps the line ends at the
    // value's end, which a command substitution would drop.
    let mut escaped = String::with_capacity(value.len() * 2);
    for (i, c) in value.chars().enumerate() {
        match c {
            // At the front it would be taken for an option.
            '-' if i == 0 => escaped.push_str("\\055"),
            '\'' => escaped.push_str("'\\''"),
            '\\' => escaped.push_str("\\\\"),
            '%' => escaped.push_str("%%"),
            '\n' => escaped.push_str("\\n"),
            c if is_safe(c) => escaped.push(c),
            c => {
                for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                    put(&mut escaped, format_args!("\\{byte:03o}"));
                }
            }
        }
    }
    put(out, format_args!("{name}=$(printf '{escaped}x') && export {name}=\"${{{name}%x}}\"\n"));
    Ok(())
}

fn dotenv(name: &str, value: &str, out: &mut String) -> Result<(), &'static str> {
    // Names with dots and dashes are read by most libraries; blanks, quotes and # by none.
    if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b)) {
        return Err("a dotenv file can't hold a variable of this name");
    }
    if !value.chars().all(|c| is_safe(c) || matches!(c, '\n' | '\r' | '\t')) {
        return Err("its value holds control characters, for which dotenv files have no form");
    }
    if is_plain(value) {
        put(out, format_args!("{name}={value}\n"));
    } else if value.chars().all(|c| is_safe(c) && c != '\'') {
        put(out, format_args!("{name}='{value}'\n"));
    } else {
        let mut quoted = String::with_capacity(value.len() + 2);
        for c in value.chars() {
            match c {
                '\n' => quoted.push_str("\\n"),
                '\r' => quoted.push_str("\\r"),
                '\t' => quoted.push_str("\\t"),
                '"' | '\\' | '$' => quoted.extend(['\\', c]),
                c => quoted.push(c),
            }
        }
        put(out, format_args!("{name}=\"{quoted}\"\n"));
    }
    Ok(())
}

fn docker(name: &str, value: &str, out: &mut String) -> Result<(), &'static str> {
    let blank = |c: char| c.is_whitespace() || !is_safe(c);
    if name.is_empty() || name.starts_with('#') || name.contains('=') || name.contains(blank) {
        return Err("an env-file can't hold a variable of this name");
    }
    if !value.chars().all(is_safe) {
        return Err("its value holds line breaks or control characters, for which an env-file has no form");
    }
    put(out, format_args!("{name}={value}\n"));
    Ok(())
}

fn put(out: &mut String, text: std::fmt::Arguments) {
    // Writing to a String can't fail.
    let _ = out.write_fmt(text);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(name: &str, value: &str, format: Format) -> Export {
        export([(name, value)], format)
    }

    #[test]
    fn a_shell_gets_quotes_and_no_control_characters() {
        for (value, text) in [
            ("", "export A=''\n"),
            ("a b$(reboot)`x`", "export A='a b$(reboot)`x`'\n"),
            ("it's", "export A='it'\\''s'\n"),
            ("a\nb\n", "A=$(printf 'a\\nb\\nx') && export A=\"${A%x}\"\n"),
            ("100%\\\u{1b}'", "A=$(printf '100%%\\\\\\033'\\''x') && export A=\"${A%x}\"\n"),
            ("-n\n", "A=$(printf '\\055n\\nx') && export A=\"${A%x}\"\n"),
            ("\u{202e}", "A=$(printf '\\342\\200\\256x') && export A=\"${A%x}\"\n"),
        ] {
            assert_eq!(one("A", value, Format::Shell).text, text, "{value:?}");
        }
    }

    #[test]
    fn names_that_a_format_cannot_hold_are_told() {
        for (format, good, bad) in [
            (Format::Shell, &["A", "_a1"][..], &["1_SVC", "a.b", "a b", "", "é", "A;reboot", "a\nb"][..]),
            (Format::Dotenv, &["A", "1_SVC", "a.b"], &["a b", "", "#a", "a=b", "a\nb", "'"]),
            (Format::DockerEnvFile, &["A", "1_SVC", "a.b", "a;b"], &["a b", "", "#a", "a=b", "a\nb"]),
        ] {
            for name in good {
                assert!(one(name, "v", format).left_out.is_empty(), "{format:?} {name:?}");
            }
            for name in bad {
                let said = one(name, "v", format);
                assert_eq!((said.text.as_str(), said.left_out.len()), ("", 1), "{format:?} {name:?}");
            }
        }
    }

    #[test]
    fn dotenv_quotes_as_little_as_needed() {
        for (value, text) in [
            ("tcp://10.0.0.1:80", "A=tcp://10.0.0.1:80\n"),
            ("a b", "A='a b'\n"),
            ("$HOME #", "A='$HOME #'\n"),
            ("it's $x\n\"q\" \\", "A=\"it's \\$x\\n\\\"q\\\" \\\\\"\n"),
        ] {
            assert_eq!(one("A", value, Format::Dotenv).text, text, "{value:?}");
        }
        assert_eq!(one("A", "\u{1b}[2J", Format::Dotenv).left_out.len(), 1);
    }

    #[test]
    fn an_env_file_takes_values_as_they_are() {
        assert_eq!(one("A", "'a' \"b\" $c", Format::DockerEnvFile).text, "A='a' \"b\" $c\n");
        assert_eq!(one("A", "a\nB=evil", Format::DockerEnvFile).left_out.len(), 1);
    }

    #[test]
    fn a_nul_byte_goes_nowhere() {
        for format in [Format::Dotenv, Format::Shell, Format::DockerEnvFile] {
            assert_eq!(one("A", "a\0b", format).text, "");
        }
    }
}

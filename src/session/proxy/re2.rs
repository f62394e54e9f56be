//! Expressions as kubectl's flags take them (Go's `regexp`, RE2 syntax), rewritten for the `regex` crate.
//!
//! What it is: text to text. What it is not: a matcher. The two syntaxes differ in what a person can stumble over:
//! RE2's `\d \w \s \b` are ASCII, a `{` that begins no count is itself, `[` and `&&` within brackets are plain
//! characters, `\Q…\E` quotes, `\<` is a `<`, and `a**` is an error (Go: `regexp/syntax`).

use std::iter::Peekable;
use std::str::Chars;

/// The classes that are ASCII in RE2: letter, and what is in it.
const PERL: [(char, &str); 3] = [('d', "0-9"), ('w', "0-9A-Za-z_"), ('s', r" \t\n\f\r")];

/// What the crate takes for itself only behind a backslash. `<` and `>` are not among them: with one they are the ends
/// of words.
const META: &str = r"\.+*?()|[]{}^$#&-~";

/// An expression of RE2 as one of the `regex` crate.
///
/// # Errors
/// What Go would refuse and the crate would take, and escapes that are not known.
pub fn translate(pattern: &str) -> Result<String, String> {
    let mut reader = Reader {
        rest: pattern.chars().peekable(),
        out: String::with_capacity(pattern.len() + 8),
        folds: vec![false],
    };
    // What a repetition would repeat: nothing, something, or another repetition.
    let mut last = Last::Nothing;
    while let Some(c) = reader.rest.next() {
        last = match c {
            '*' | '+' | '?' => reader.repeat(c.to_string(), last)?,
            '{' => match reader.count() {
                Some(count) => reader.repeat(count, last)?,
                None => reader.plain('{'),
            },
            '[' => reader.class()?,
            '\\' => reader.escape()?,
            '(' => reader.group()?,
            '|' => reader.raw('|', Last::Nothing),
            ')' => {
                if reader.folds.len() > 1 {
                    reader.folds.pop();
                }
                reader.raw(c, Last::Something)
            }
            '.' | '^' | '$' => reader.raw(c, Last::Something),
            c => reader.plain(c),
        };
    }
    Ok(reader.out)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Last {
    Nothing,
    Something,
    Repetition,
}

struct Reader<'a> {
    rest: Peekable<Chars<'a>>,
    out: String,
    /// Whether upper and lower case are the same, for each group that is open. ASCII alone: the crate's table for all
    /// of Unicode would be a third of a megabyte, and neither paths nor hosts need it.
    folds: Vec<bool>,
}

impl Reader<'_> {
    fn raw(&mut self, c: char, last: Last) -> Last {
        self.out.push(c);
        last
    }

    /// A character that stands for itself, whatever the crate would make of it.
    fn plain(&mut self, c: char) -> Last {
        if self.fold() && c.is_ascii_alphabetic() {
            self.out.extend(['[', c, swapped(c), ']']);
            return Last::Something;
        }
        if META.contains(c) {
            self.out.push('\\');
        }
        // Only within `(?x)` would white space be something else, and that is refused.
        self.raw(c, Last::Something)
    }

    fn fold(&self) -> bool {
        self.folds.last().is_some_and(|fold| *fold)
    }

    fn repeat(&mut self, mut operator: String, last: Last) -> Result<Last, String> {
        if self.rest.next_if_eq(&'?').is_some() {
            operator.push('?');
        }
        match last {
            Last::Nothing => Err(format!("missing argument to repetition operator: `{operator}`")),
            Last::Repetition => Err(format!("invalid nested repetition operator: `{operator}`")),
            Last::Something => {
                self.out.push_str(&operator);
                Ok(Last::Repetition)
            }
        }
    }

    /// `{2}`, `{2,}` or `{2,3}` behind its brace; nothing is read where it is none.
    fn count(&mut self) -> Option<String> {
        let mut ahead = self.rest.clone();
        let mut text = String::from("{");
        loop {
            let c = ahead.next()?;
            text.push(c);
            match c {
                '0'..='9' => {}
                ',' if text.len() > 2 && text.matches(',').count() == 1 => {}
                '}' if text.len() > 2 => break,
                _ => return None,
            }
        }
        self.rest = ahead;
        Some(text)
    }

    /// Behind `(`: flags that both know, names in either form.
    fn group(&mut self) -> Result<Last, String> {
        self.folds.push(self.fold());
        self.out.push('(');
        if self.rest.next_if_eq(&'?').is_none() {
            return Ok(Last::Nothing);
        }
        self.out.push('?');
        if let Some(c) = self.rest.next_if(|c| matches!(c, 'P' | '<')) {
            self.out.push(c);
            for c in self.rest.by_ref() {
                self.out.push(c);
                if c == '>' {
                    return Ok(Last::Nothing);
                }
            }
            return Err("invalid named capture".to_owned());
        }
        let (mut on, mut off, mut negative, mut fold) = (String::new(), String::new(), false, self.fold());
        for c in self.rest.by_ref() {
            match c {
                // Both cases are written out instead.
                'i' => fold = !negative,
                'm' | 's' | 'U' if negative => off.push(c),
                'm' | 's' | 'U' => on.push(c),
                '-' if !negative => negative = true,
                ':' | ')' => {
                    if !off.is_empty() {
                        on.push('-');
                        on.push_str(&off);
                    }
                    // Behind `(?i)` it counts to the end of the group around.
                    if c == ')' {
                        self.folds.pop();
                        // Flags that are all written out leave a group of nothing.
                        on.push_str(if on.is_empty() { ":" } else { "" });
                    }
                    if let Some(last) = self.folds.last_mut() {
                        *last = fold;
                    }
                    self.out.push_str(&on);
                    return Ok(self.raw(c, Last::Nothing));
                }
                _ => break,
            }
        }
        Err("invalid or unsupported Perl syntax: `(?`".to_owned())
    }

    /// Behind a backslash, outside of brackets.
    fn escape(&mut self) -> Result<Last, String> {
        match self.rest.peek() {
            Some('Q') => {
                self.rest.next();
                while let Some(c) = self.rest.next() {
                    if c == '\\' && self.rest.next_if_eq(&'E').is_some() {
                        return Ok(Last::Something);
                    }
                    self.plain(c);
                }
                return Ok(Last::Something);
            }
            // At the end of nothing that was quoted: RE2 takes it, and it means nothing.
            Some('E') => {
                self.rest.next();
                return Ok(Last::Something);
            }
            Some('b') => self.out.push_str(r"(?-u:\b)"),
            Some('B') => self.out.push_str(r"\B"),
            Some('A') => self.out.push_str(r"\A"),
            Some('z') => self.out.push_str(r"\z"),
            _ => {
                let element = self.element()?;
                let set = element.contains('-') || element.len() > 2 && !element.starts_with('\\');
                self.out.extend(if set { ["[", &element, "]"] } else { ["", &element, ""] });
                return Ok(Last::Something);
            }
        }
        self.rest.next();
        Ok(Last::Something)
    }

    /// Behind a backslash, in brackets or not: what it stands for, as the crate writes it within brackets.
    fn element(&mut self) -> Result<String, String> {
        let c = self.rest.next().ok_or("trailing backslash at end of expression")?;
        let lower = c.to_ascii_lowercase();
        if let Some((_, set)) = PERL.iter().find(|(name, _)| *name == lower) {
            return Ok(if c == lower { (*set).to_owned() } else { format!("[^{set}]") });
        }
        match c {
            'a' | 'f' | 't' | 'n' | 'r' | 'v' => Ok(format!("\\{c}")),
            'p' | 'P' => {
                let mut name = self.rest.next().ok_or("invalid character class range: `\\p`")?.to_string();
                if name == "{" {
                    name.extend(self.rest.by_ref().take_while(|c| *c != '}'));
                    name.push('}');
                }
                Ok(format!("\\{c}{name}"))
            }
            'x' => self.hexadecimal(),
            '0'..='7' => self.octal(c),
            c if META.contains(c) => Ok(format!("\\{c}")),
            c if c.is_ascii_punctuation() => Ok(c.to_string()),
            c => Err(format!("invalid escape sequence: `\\{c}`")),
        }
    }

    fn hexadecimal(&mut self) -> Result<String, String> {
        let digits: String = if self.rest.next_if_eq(&'{').is_some() {
            self.rest.by_ref().take_while(|c| *c != '}').collect()
        } else {
            self.rest.by_ref().take(2).collect()
        };
        let known = u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32);
        known
            .map(|_| format!("\\x{{{digits}}}"))
            .ok_or_else(|| format!("invalid escape sequence: `\\x{digits}`"))
    }

    /// `\123`; a single digit but 0 would be a reference back, which neither has.
    fn octal(&mut self, first: char) -> Result<String, String> {
        let mut value = first.to_digit(8).unwrap_or(0);
        let mut more = 0;
        while more < 2
            && let Some(digit) = self.rest.peek().and_then(|c| c.to_digit(8))
        {
            self.rest.next();
            value = value * 8 + digit;
            more += 1;
        }
        if more == 0 && first != '0' {
            return Err(format!("invalid escape sequence: `\\{first}`"));
        }
        Ok(format!("\\x{{{value:x}}}"))
    }

    /// Behind `[`.
    fn class(&mut self) -> Result<Last, String> {
        self.out.push('[');
        if self.rest.next_if_eq(&'^').is_some() {
            self.out.push('^');
        }
        let mut first = true;
        loop {
            let c = self.rest.next().ok_or("missing closing ]")?;
            match c {
                ']' if !first => return Ok(self.raw(']', Last::Something)),
                '[' if self.rest.peek() == Some(&':') => self.posix(),
                '\\' => {
                    let element = self.element()?;
                    self.out.push_str(&element);
                    // What comes behind it may make it the begin of a range, in the same words.
                    self.range_end()?;
                }
                c => {
                    self.in_class(c);
                    let end = self.range_end()?;
                    if self.fold() {
                        self.add_swapped(c, end.unwrap_or(c));
                    }
                }
            }
            first = false;
        }
    }

    /// `-z` behind the first character of a range; its last one, where it is written as itself.
    fn range_end(&mut self) -> Result<Option<char>, String> {
        let mut ahead = self.rest.clone();
        if ahead.next() != Some('-') || matches!(ahead.next(), None | Some(']')) {
            return Ok(None);
        }
        self.rest.next();
        self.out.push('-');
        match self.rest.next() {
            Some('\\') => {
                let element = self.element()?;
                self.out.push_str(&element);
                Ok(None)
            }
            Some(c) => {
                self.in_class(c);
                Ok(Some(c))
            }
            None => Err("missing closing ]".to_owned()),
        }
    }

    fn in_class(&mut self, c: char) {
        if META.contains(c) {
            self.out.push('\\');
        }
        self.out.push(c);
    }

    /// The letters of a range, in the other case.
    fn add_swapped(&mut self, from: char, to: char) {
        self.out.extend((from..=to.min('z')).filter(char::is_ascii_alphabetic).map(swapped));
    }

    /// `[:alpha:]`, or a `[` that only looks like it.
    fn posix(&mut self) {
        let mut ahead = self.rest.clone();
        let name: String =
            ahead.by_ref().skip(1).take_while(|c| c.is_ascii_lowercase() || *c == '^').collect();
        if ahead.next() == Some(']') && !name.is_empty() {
            let name = match name.as_str() {
                "lower" | "upper" if self.fold() => "alpha",
                "^lower" | "^upper" if self.fold() => "^alpha",
                name => name,
            };
            self.out.extend(["[:", name, ":]"]);
            self.rest = ahead;
        } else {
            self.in_class('[');
        }
    }
}

/// A letter in its other case.
fn swapped(c: char) -> char {
    if c.is_ascii_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, text: &str) -> bool {
        regex::Regex::new(&translate(pattern).unwrap()).unwrap().is_match(text)
    }

    #[test]
    fn what_everybody_writes_stays_what_it_is() {
        for (pattern, yes, no) in [
            (r"^/api/.*/pods/.*/exec", "/api/v1/namespaces/d/pods/x/exec", "/apis/v1/pods/x/exec"),
            (r"^\[::1\]$", "[::1]", "::1"),
            (r"^127\.0\.0\.1$", "127.0.0.1", "127x0.0.1"),
            (r"(?i)^LOCALHOST$", "localhost", "localhostx"),
            (r"^(POST|PUT)$", "PUT", "PUTT"),
            (r"a{2}b", "aab", "ab"),
            (r"^[a-z-]+$", "a-b", "a_b"),
            (r"^[^/]+$", "ab", "a/b"),
            (r"^(?P<x>a)(?:b)c??$", "ab", "b"),
        ] {
            assert!(matches(pattern, yes), "{pattern} {yes}");
            assert!(!matches(pattern, no), "{pattern} {no}");
        }
        // The documented way to accept every host is a repeated assertion.
        assert!(matches("^*$", "") && matches("^*$", "evil.example"));
    }

    #[test]
    fn where_the_two_differ_it_is_as_in_go() {
        for (pattern, yes, no) in [
            (r"^\d$", "7", "٣"),
            (r"^\w$", "a", "ä"),
            (r"^\W$", "ä", "a"),
            (r"^[\d_]$", "_", "٣"),
            (r"^[^\W]$", "a", "-"),
            (r"x\b", "xä", "xa"),
            (r"^a{$", "a{", "a"),
            (r"^{,2}$", "{,2}", ""),
            (r"^x{2$", "x{2", "xx"),
            (r"^[[&&~~]$", "&", "x"),
            (r"^[]a]$", "]", "b"),
            (r"^[[:digit:]x]+$", "1x", "a"),
            (r"^[[:digit]$", "[", "1"),
            (r"^\Qa.b\E+$", "a.bb", "axb"),
            (r"^\<$", "<", "a"),
            (r"^\101\x42\x{43}$", "ABC", "ABD"),
            (r"^a# b$", "a# b", "a#b"),
            (r"^a\sb$", "a b", "a\u{a0}b"),
            (r"^(?i)a[b-d]\x65$", "ACe", "ACE"),
            (r"^(?i:a)b$", "Ab", "AB"),
            (r"^((?i)a)b$", "Ab", "AB"),
            (r"(?i)^[^a-c]$", "d", "B"),
            (r"(?i)^(?-i)a$", "a", "A"),
            (r"(?is)^A.b$", "a\nB", "a\nc"),
            (r"^[+--]+$", "+,-", "."),
            (r"^[a\-z]+$", "a-z", "b"),
        ] {
            assert!(matches(pattern, yes), "{pattern} {yes}");
            assert!(!matches(pattern, no), "{pattern} {no}");
        }
    }

    #[test]
    fn what_go_refuses_is_refused() {
        for pattern in [
            "a**", "a+*", "*a", "(*)", "a|*", r"\y", r"\1", "a\\", "[a", "(?x)a", "(?R)a", "(a", "a)",
            "[z-a]", "(?<a",
        ] {
            let fails = translate(pattern).and_then(|p| regex::Regex::new(&p).map_err(|e| e.to_string()));
            assert!(fails.is_err(), "{pattern}");
        }
    }
}

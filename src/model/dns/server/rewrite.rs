//! The `rewrite` plugin: which rules touch a question, and what those that are understood make of it.

use super::super::corefile::Directive;
use super::super::{Name, RecordType};

/// One `rewrite` directive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rewrite {
    /// Whether the rules behind it are tried too after it matched.
    pub goes_on: bool,
    /// What it does.
    pub rule: RewriteRule,
}

/// What a rule does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RewriteRule {
    /// `name exact FROM TO`: another name is looked up; the answer speaks of `FROM`, in lower case.
    Exact {
        /// Name as asked.
        from: Name,
        /// Name that is looked up.
        to: Name,
    },
    /// `name suffix FROM TO`: the end of the name is replaced.
    Suffix {
        /// End of the name as asked, with the final dot.
        from: String,
        /// What stands in its place.
        to: String,
        /// `answer auto`: the answer speaks of the name as asked; without it of the one that was looked up.
        restores: bool,
    },
    /// A rule that is not followed; it acts on names that contain this text (all names if it is empty).
    Opaque {
        /// Text that every name it acts on contains, in lower case.
        contains: String,
        /// The only type it acts on.
        kind: Option<RecordType>,
    },
    /// It acts only on options that change no answer here.
    Neutral,
}

impl Rewrite {
    /// `rewrite [continue|stop] FIELD …`, in one line or with a block.
    pub(super) fn new(d: &Directive) -> Self {
        let words: Vec<&str> = d.args.iter().chain(d.lines.iter().flatten()).map(String::as_str).collect();
        let (goes_on, words) = match words.as_slice() {
            ["continue", rest @ ..] => (true, rest),
            ["stop", rest @ ..] | rest => (false, rest),
        };
        Self { goes_on, rule: rule(words).unwrap_or_else(|| opaque("", None)) }
    }
}

fn opaque(contains: &str, kind: Option<RecordType>) -> RewriteRule {
    RewriteRule::Opaque { contains: contains.to_ascii_lowercase(), kind }
}

fn rule(words: &[&str]) -> Option<RewriteRule> {
    Some(match words {
        ["edns0", ..] => RewriteRule::Neutral,
        ["class", from, ..] if !from.eq_ignore_ascii_case("IN") => RewriteRule::Neutral,
        ["type", from, ..] => opaque("", Some(from.parse().ok()?)),
        ["name", "exact", from, to] | ["name", from, to] => {
            RewriteRule::Exact { from: Name::parse(from).ok()?, to: Name::parse(to).ok()? }
        }
        ["name", "suffix", from, to, rest @ ..] => {
            let absolute = |t: &str| t.trim_end_matches('.').to_ascii_lowercase() + ".";
            match rest {
                [] | ["answer", "auto"] => {
                    RewriteRule::Suffix { from: absolute(from), to: absolute(to), restores: !rest.is_empty() }
                }
                _ => opaque(from.trim_end_matches('.'), None),
            }
        }
        ["name" | "ttl" | "rcode", "exact" | "prefix" | "substring", text, ..] => {
            opaque(text.trim_end_matches('.'), None)
        }
        ["ttl" | "rcode", "suffix", text, ..] => opaque(text.trim_end_matches('.'), None),
        ["name" | "ttl" | "rcode", "regex", pattern, ..] => opaque(&required_text(pattern), None),
        ["ttl" | "rcode", name, ..] => opaque(name.trim_end_matches('.'), None),
        _ => return None,
    })
}

/// A text that every name contains that a regular expression matches: the longest run of plain characters outside of
/// groups, classes and repetitions. Empty where there is none, or where it has alternatives.
fn required_text(pattern: &str) -> String {
    if pattern.contains('|') || pattern.contains("(?") {
        return String::new();
    }
    let (mut runs, mut run, mut depth) = (Vec::new(), String::new(), 0_u32);
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        let plain = match c {
            '\\' => match chars.next() {
                Some(e) if e.is_ascii_punctuation() => Some(e),
                _ => None,
            },
            '[' | '(' => {
                depth += 1;
                None
            }
            ']' | ')' => {
                depth = depth.saturating_sub(1);
                None
            }
            // The character before is optional or repeated.
            '*' | '?' | '+' | '{' => {
                run.pop();
                None
            }
            '.' | '^' | '$' | '}' => None,
            other => Some(other),
        };
        match plain {
            Some(c) if depth == 0 => run.push(c),
            _ => runs.push(std::mem::take(&mut run)),
        }
    }
    runs.push(run);
    // A name ends with a dot; a pattern may or may not say so.
    runs.into_iter().max_by_key(String::len).unwrap_or_default().trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_regular_expression_needs_its_plain_text() {
        assert_eq!(required_text(r"(.*)\.coredns\.rocks"), ".coredns.rocks");
        assert_eq!(required_text(r"^api-[0-9]+\.example\.org$"), ".example.org");
        assert_eq!(required_text("(.*)"), "");
        assert_eq!(required_text("a|b"), "");
        assert_eq!(required_text(r"\d{2}ab?"), "a");
    }
}

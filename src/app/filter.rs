//! The filter of the lists: what is typed behind `/`.
//!
//! Terms are separated by blanks and all of them have to match:
//!
//! | term | matches |
//! |---|---|
//! | `my` | fuzzily: name and namespace; as a part: type, addresses, ports, node, status, Services of a pod |
//! | `shop/my` | fuzzily: `shop` the namespace and `my` the name |
//! | `"my app"` | as a part, exactly as quoted |
//! | `!my`, `!port:80` | the opposite; never fuzzy |
//! | `-l app=web,tier in (a,b)` | the labels, as `kubectl -l` |
//! | `port:80` `port:53/udp` `port:http` | a port by its number, or by a part of its name |
//! | `ip:10.96` `ip:10.96.0.0/16` | an address by its beginning, or by network |
//! | `ready:yes` `no` `all` `partial` | by ready endpoints |
//! | `name:` `ns:` `type:` `label:` `selector:` `node:` `pod:` `svc:` | by a part of it; quoted: by all of it |
//!
//! Letters match both cases as long as the term has no upper-case letter. What is half typed (`port:`, `-l a in (`)
//! matches as far as it goes, so that the list follows every keystroke.
//!
//! What it is: parsing and scoring, pure. What it is not: the list; [`super::App`] applies it.

mod parse;
mod pattern;
mod subject;

use nucleo_matcher::{Config, Utf32Str, Utf32String};

use crate::model::selector::Selector;
use crate::model::{Pod, ServiceFacts, Text};
use pattern::{IpTest, Needle, Pattern, PortTest};

/// A filter as typed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    terms: Vec<Term>,
}

/// Why a text is no filter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct FilterError {
    /// Where in the text, in characters.
    pub at: usize,
    /// What is wrong there, in one sentence.
    pub message: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Term {
    negative: bool,
    test: Test,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Test {
    Fuzzy(Plain),
    Exact(Needle),
    Name(Pattern),
    Namespace(Pattern),
    Type(Pattern),
    Node(Pattern),
    Pod(Pattern),
    Service(Pattern),
    Label(Pattern),
    Selector(Pattern),
    Labels(Selector),
    Ip(IpTest),
    Port(PortTest),
    Ready(Ready),
}

/// A plain word.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Plain {
    needle: Needle,
    fuzzy: Fuzzy,
    /// `namespace/name`, where the word has a slash with something on both sides.
    pair: Option<(Fuzzy, Fuzzy)>,
}

/// A text to be found with gaps, as the matcher takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Fuzzy {
    text: Utf32String,
    both_cases: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ready {
    /// At least one endpoint is ready.
    Yes,
    /// None is.
    No,
    /// All are, and there are some.
    All,
    /// Some are, others are not.
    Partial,
}

/// A name that matches ranks above all else that does.
const IN_NAME: u32 = 2000;
/// In one piece.
const IN_ONE_PIECE: u32 = 1000;
/// A namespace that matches ranks above addresses, ports and the like.
const IN_NAMESPACE: u32 = 1000;
/// Anything else.
const ELSEWHERE: u32 = 500;

impl Filter {
    /// Parses what was typed so far.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        parse::terms(text).map(|terms| Self { terms })
    }

    /// Whether it lets everything pass.
    pub fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    /// How well a Service matches; `None` when it does not. More is better.
    pub fn score_service(&self, matcher: &mut Matcher, facts: &ServiceFacts) -> Option<u32> {
        self.score(matcher, facts)
    }

    /// How well a pod matches, given the names of the Services that lead to it.
    pub fn score_pod(&self, matcher: &mut Matcher, pod: &Pod, services: &[Text]) -> Option<u32> {
        self.score(matcher, &subject::PodSubject { pod, services })
    }

    fn score(&self, matcher: &mut Matcher, subject: &impl subject::Subject) -> Option<u32> {
        let mut sum = 0;
        for Term { negative, test } in &self.terms {
            match (test.score(matcher, subject), negative) {
                (Some(score), false) => sum += score,
                (None, true) => {}
                _ => return None,
            }
        }
        Some(sum)
    }

    /// Which characters of a name that passed are to be marked, in order, each once.
    pub fn highlights(&self, matcher: &mut Matcher, name: &str) -> Vec<u32> {
        let mut marked = Vec::new();
        for Term { negative, test } in &self.terms {
            match test {
                _ if *negative => {}
                Test::Fuzzy(Plain { pair: Some((_, fuzzy)), .. } | Plain { fuzzy, .. }) => {
                    matcher.positions(fuzzy, name, &mut marked);
                }
                Test::Exact(needle) | Test::Name(Pattern { needle, .. }) => {
                    if let Some(at) = needle.find(name) {
                        let start = name[..at].chars().count();
                        marked.extend((start..start + needle.chars()).filter_map(|i| u32::try_from(i).ok()));
                    }
                }
                _ => {}
            }
        }
        marked.sort_unstable();
        marked.dedup();
        marked
    }
}

impl Test {
    fn score(&self, matcher: &mut Matcher, subject: &impl subject::Subject) -> Option<u32> {
        let passed = match self {
            Self::Fuzzy(plain) => return plain.score(matcher, subject),
            Self::Exact(needle) => {
                needle.find(subject.name()).is_some()
                    || needle.find(subject.namespace()).is_some()
                    || subject.elsewhere(needle)
            }
            Self::Name(p) => p.matches(subject.name()),
            Self::Namespace(p) => p.matches(subject.namespace()),
            Self::Type(p) => subject.kind(p),
            Self::Node(p) => subject.node(p),
            Self::Pod(p) => subject.pod(p),
            Self::Service(p) => subject.service(p),
            Self::Label(p) => p.matches_pair_of(subject.labels()),
            Self::Selector(p) => subject.selector().is_some_and(|s| p.matches_pair_of(s)),
            Self::Labels(selector) => selector.matches(subject.labels()),
            Self::Ip(test) => subject.any_address(&|a| test.matches(a)),
            Self::Port(test) => subject.port(test),
            Self::Ready(ready) => subject.ready(*ready),
        };
        passed.then_some(0)
    }
}

impl Plain {
    fn score(&self, matcher: &mut Matcher, subject: &impl subject::Subject) -> Option<u32> {
        if let Some((namespace, name)) = &self.pair
            && let Some(in_name) = matcher.fuzzy(name, subject.name())
            && let Some(in_namespace) = matcher.fuzzy(namespace, subject.namespace())
        {
            return Some(IN_NAME + in_name + in_namespace);
        }
        let name = subject.name();
        if let Some(at) = self.needle.find(name) {
            return Some(IN_NAME + IN_ONE_PIECE + in_one_piece(&self.needle, name, at));
        }
        if let Some(score) = matcher.fuzzy(&self.fuzzy, name) {
            return Some(IN_NAME + score);
        }
        if let Some(score) = matcher.fuzzy(&self.fuzzy, subject.namespace()) {
            return Some(IN_NAMESPACE + score);
        }
        subject.elsewhere(&self.needle).then_some(ELSEWHERE)
    }
}

/// How good a match in one piece is: at the beginning, else at the beginning of a word, and the more of the name
/// the better.
fn in_one_piece(needle: &Needle, name: &str, at: usize) -> u32 {
    let place = match name[..at].chars().next_back() {
        None => 200,
        Some(before) if !before.is_alphanumeric() => 100,
        Some(_) => 0,
    };
    let share = (needle.text().len() * 100).checked_div(name.len()).unwrap_or(0);
    place + u32::try_from(share).unwrap_or(0)
}

/// The scratch memory of fuzzy matching (some hundred KiB); one is enough for everything.
pub struct Matcher {
    nucleo: nucleo_matcher::Matcher,
    characters: Vec<char>,
}

impl Default for Matcher {
    fn default() -> Self {
        let mut config = Config::DEFAULT;
        config.prefer_prefix = true;
        config.normalize = false;
        Self { nucleo: nucleo_matcher::Matcher::new(config), characters: Vec::new() }
    }
}

impl std::fmt::Debug for Matcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Matcher").finish_non_exhaustive()
    }
}

impl Matcher {
    /// The greedy search is several times faster than the one that finds the best alignment, and what stands in
    /// one piece does not come here.
    fn fuzzy(&mut self, fuzzy: &Fuzzy, text: &str) -> Option<u32> {
        self.nucleo.config.ignore_case = fuzzy.both_cases;
        let text = haystack(text, &mut self.characters);
        self.nucleo.fuzzy_match_greedy(text, fuzzy.text.slice(..)).map(u32::from)
    }

    fn positions(&mut self, fuzzy: &Fuzzy, text: &str, positions: &mut Vec<u32>) {
        self.nucleo.config.ignore_case = fuzzy.both_cases;
        let text = haystack(text, &mut self.characters);
        self.nucleo.fuzzy_indices(text, fuzzy.text.slice(..), positions);
    }
}

impl Fuzzy {
    fn new(text: &str) -> Self {
        let both_cases = !text.chars().any(char::is_uppercase);
        Self { text: Utf32String::from(text), both_cases }
    }
}

/// The text as the matcher takes it, one item a character, so that positions are characters.
fn haystack<'a>(text: &'a str, characters: &'a mut Vec<char>) -> Utf32Str<'a> {
    if text.is_ascii() {
        return Utf32Str::Ascii(text.as_bytes());
    }
    characters.clear();
    characters.extend(text.chars());
    Utf32Str::Unicode(characters)
}

#[cfg(test)]
mod tests;

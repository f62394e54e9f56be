//! How a command ends when it does not end well: three lines for a person, an exit code for a program.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::process::ExitCode;

use crate::app::Problem;
use crate::model::text::clean;

/// The exit codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exit {
    /// All went well.
    Fine = 0,
    /// Problems were found, or what was asked for does not exist.
    Problems = 1,
    /// The command line, a configuration file or a saved file can't be used.
    Usage = 2,
    /// The cluster can't be reached.
    Unreachable = 3,
    /// The cluster does not allow it.
    Forbidden = 4,
    /// The program is broken; as where a panic ends a program.
    Broken = 101,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a command ended early.
#[derive(Debug)]
pub enum Stop {
    /// It could not do what it was asked for.
    Failure(Failure),
    /// What it printed could not be written.
    Output(io::Error),
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

/// Why a command could not do what it was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The exit code.
    pub exit: Exit,
    /// What a person is told.
    pub problem: Problem,
}

impl Failure {
    /// A failure from its three sentences.
    pub fn new(exit: Exit, what: impl Into<String>, why: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { exit, problem: Problem { what: what.into(), why: why.into(), hint: hint.into() } }
    }
}

/// Tells a problem: what, why, what to do; a line each, more where a hint has more.
///
/// What the API server or a file said may be in it, so it is cleaned. Where the standard error is closed there is
/// nobody to tell.
pub fn tell(out: &mut impl Write, word: &str, problem: &Problem) {
    let mut text = format!("{word}: {}\n", clean(&problem.what));
    for line in problem.why.lines().chain(problem.hint.lines()).filter(|line| !line.trim().is_empty()) {
        let _ = writeln!(text, "  {}", clean(line));
    }
    let _ = out.write_all(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_three_lines_and_nothing_in_it_reaches_the_terminal_raw() {
        let failure = Failure::new(Exit::Forbidden, "no\u{1b}[31m way", "because\nof that", "");
        let mut out = Vec::new();
        tell(&mut out, "error", &failure.problem);
        assert_eq!(String::from_utf8(out).unwrap(), "error: no\u{fffd}[31m way\n  because\n  of that\n");
    }
}

//! What is said when the program itself is broken: where, and what is known to hold nothing of a cluster.
//!
//! The message of a panic may quote what was worked on (`unwrap` shows the error, slicing shows the text), so it may
//! hold a token, the value of a Secret, or an escape sequence. Only messages that were written down in the source, and
//! the beginnings of the standard library's, are shown.

use std::any::Any;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::fmt::Write as _;
use std::io::{self, Write as _};

use tokio::sync::Notify;

/// Messages of the standard library up to what they quote.
const KNOWN: &[&str] = &[
    "called `Result::unwrap()` on an `Err` value",
    "called `Result::unwrap_err()` on an `Ok` value",
    "called `Result::expect_err()` on an `Ok` value",
    "assertion `left == right` failed",
    "assertion `left != right` failed",
    "index out of bounds",
    "range start index",
    "range end index",
    "slice index starts at",
    "byte index",
    "start byte index",
    "end byte index",
    "begin <= end",
    "copy_from_slice",
    "mid > len",
];

/// From now on a panic says what [`report`] says, on standard error.
pub(super) fn install() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        let backtrace = Backtrace::capture();
        let shown = backtrace.status() == BacktraceStatus::Captured;
        let text = report(panic.payload(), place.as_deref(), shown.then_some(&backtrace));
        // Nobody is left who could be told that this can't be written.
        let _ = io::stderr().write_all(text.as_bytes());
        tracing::error!("{}", text.trim_end());
        HAPPENED.notify_one();
    }));
}

/// Something has panicked, in whatever task. What that did for others is not done any more.
static HAPPENED: Notify = Notify::const_new();

/// Waits for a panic.
pub(super) async fn happened() {
    HAPPENED.notified().await;
}

fn report(payload: &dyn Any, place: Option<&str>, backtrace: Option<&Backtrace>) -> String {
    let mut text = format!("error: kdisco has a bug: it panicked at {}", place.unwrap_or("an unknown place"));
    match message(payload) {
        Some(message) => drop(write!(text, ": {message}")),
        None => text.push_str(" (its message is left out: it may quote the cluster)"),
    }
    text.push_str("\n  Please report it, with what you did before it");
    match backtrace {
        Some(backtrace) => drop(write!(text, ":\n{backtrace}")),
        None => text.push_str("; RUST_BACKTRACE=1 tells more."),
    }
    text.push('\n');
    text
}

/// What of a message holds nothing but the program's own words.
fn message(payload: &dyn Any) -> Option<&str> {
    if let Some(written) = payload.downcast_ref::<&'static str>() {
        return Some(written);
    }
    let made = payload.downcast_ref::<String>()?;
    KNOWN.iter().find(|known| made.starts_with(**known)).copied()
}

/// Panics in a task, with the text that comes out of a pipe which a test has named. Builds that are released do not know
/// it.
#[cfg(debug_assertions)]
#[expect(clippy::panic, reason = "a test asks for it")]
pub(super) fn on_wish() {
    if let Some(pipe) = std::env::var_os("KDISCO_TEST_PANIC") {
        tokio::spawn(async move { panic!("{}", tokio::fs::read_to_string(pipe).await.unwrap_or_default()) });
    }
}

/// Nothing.
#[cfg(not(debug_assertions))]
pub(super) fn on_wish() {}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "pl4nted-s3cret";

    /// What is said of a panic.
    fn said(broken: impl FnOnce() + std::panic::UnwindSafe) -> String {
        let payload = std::panic::catch_unwind(broken).unwrap_err();
        report(&*payload, Some("src/x.rs:1:2"), None)
    }

    #[test]
    fn what_a_message_quotes_is_left_out() {
        let number = || SECRET.parse::<std::num::NonZeroU8>().map_err(|_| SECRET);
        let cases: [Box<dyn FnOnce() + std::panic::UnwindSafe>; 6] = [
            Box::new(|| panic!("{SECRET} {}", SECRET.len())),
            Box::new(move || {
                number().unwrap();
            }),
            Box::new(move || {
                number().expect("a number");
            }),
            Box::new(|| assert_eq!(SECRET, SECRET.trim_end_matches('t'))),
            Box::new(|| drop(format!("é{SECRET}")[1..].to_owned())),
            Box::new(|| std::panic::panic_any(SECRET.to_owned())),
        ];
        for broken in cases {
            let said = said(broken);
            assert!(!said.contains(SECRET), "{said}");
            assert!(said.starts_with("error: kdisco has a bug: it panicked at src/x.rs:1:2"), "{said}");
        }
    }

    #[test]
    fn what_was_written_down_is_told() {
        assert!(said(|| panic!("no such pane")).contains("src/x.rs:1:2: no such pane\n"));
        let (empty, number) = (Vec::<u8>::new(), || SECRET.parse::<u8>().map_err(|_| SECRET));
        let broken = said(move || assert_eq!(empty[SECRET.len()], 0));
        assert!(broken.contains(": index out of bounds\n"), "{broken}");
        let broken = said(move || assert_eq!(number().unwrap(), 0));
        assert!(broken.contains("on an `Err` value\n"), "{broken}");
    }
}

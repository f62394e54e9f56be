//! The question before something is done that a person has to agree to.

use std::io::{self, IsTerminal, Write};

/// Whether there is a person who can be asked: what is said is seen, and what is typed arrives.
pub(super) fn somebody_is_there() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Asks, and takes `yes` (or `y`, where that is enough) for a yes and everything else for a no.
pub(super) async fn agreed(question: &str, words: &'static [&'static str]) -> bool {
    let mut err = io::stderr();
    let _ = err.write_all(question.as_bytes());
    let _ = err.flush();
    let answer = tokio::task::spawn_blocking(|| {
        let mut line = String::new();
        io::stdin().read_line(&mut line).map(|_| line)
    });
    let answer = answer.await.ok().and_then(Result::ok).unwrap_or_default();
    words.contains(&answer.trim().to_ascii_lowercase().as_str())
}

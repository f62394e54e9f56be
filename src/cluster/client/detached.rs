//! Programs without a terminal: not even `/dev/tty` leads to ours.
//!
//! What it is: a program that was started in a session of its own (`setsid`) has no terminal to ask in or write over.
//! A child can only become that before it turns into the program, which safe Rust cannot do between `fork` and
//! `exec`; so this program starts itself under a hidden first word, leaves our session and becomes the other one.
//! What it is not: for systems without sessions, or for a program that does not offer itself (the tests): there
//! programs start as they are.

use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::OnceLock;

use tokio::process::Command;

/// The word that no person types.
const WORD: &str = "__without-terminal";
/// What shells end with when a program is not there, or may not be run.
pub(super) const NOT_FOUND: i32 = 127;
pub(super) const NOT_ALLOWED: i32 = 126;

static SELF: OnceLock<OsString> = OnceLock::new();

/// Lets programs be started through this one; has to be called by a program whose `main` calls [`become_asked`].
pub fn offer() {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    // The file itself, also after an update has put another one in its place.
    let own = Some(OsString::from("/proc/self/exe"));
    #[cfg(all(unix, not(any(target_os = "linux", target_os = "android"))))]
    let own = std::env::current_exe().ok().map(OsString::from);
    #[cfg(not(unix))]
    let own = None;
    if let Some(own) = own {
        let _ = SELF.set(own);
    }
}

/// Whether a program can be started without our terminal.
pub(super) fn is_offered() -> bool {
    SELF.get().is_some()
}

/// Starts a program, without our terminal where that can be had. It ends with [`NOT_FOUND`] or [`NOT_ALLOWED`] and
/// without a word where it could not be started that way.
pub(super) fn command(program: &str) -> Command {
    match SELF.get() {
        Some(own) => {
            let mut command = Command::new(own);
            command.arg(WORD).arg(program);
            command
        }
        None => Command::new(program),
    }
}

/// Becomes the program that the command line asks for by the hidden word. Returns where it does not, or where that
/// program cannot be started: with what to end.
pub fn become_asked() -> Option<ExitCode> {
    let mut words = std::env::args_os().skip(1);
    if words.next()? != WORD {
        return None;
    }
    Some(become_program(words))
}

#[cfg(unix)]
fn become_program(mut words: impl Iterator<Item = OsString>) -> ExitCode {
    use std::os::unix::process::CommandExt as _;
    let Some(program) = words.next() else { return ExitCode::from(2) };
    // Refused only to the leader of a process group, which a program that was just started is not.
    let _ = rustix::process::setsid();
    let error = std::process::Command::new(program).args(words).exec();
    let code = if error.kind() == std::io::ErrorKind::NotFound { NOT_FOUND } else { NOT_ALLOWED };
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}

#[cfg(not(unix))]
fn become_program(_: impl Iterator<Item = OsString>) -> ExitCode {
    ExitCode::from(2)
}

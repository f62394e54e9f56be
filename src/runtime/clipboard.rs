//! Copying text so that it can be pasted where the person sits.
//!
//! Over SSH and inside tmux or screen the machine's own clipboard is the wrong one: there the terminal is asked
//! first, by OSC 52. Elsewhere the system's clipboard comes first and the terminal is the way out. What neither can
//! do is shown on the screen for the terminal's own selection.

use std::fmt;
use std::io::Write;
use std::sync::mpsc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::app::CopyOutcome;

/// Terminals drop longer OSC 52 sequences whole (xterm and tmux read about 100,000 bytes of base64).
const LONGEST: usize = 74_000;
/// GNU screen takes at most 768 bytes in one string sequence.
const SCREEN_PIECE: usize = 700;
/// How long the system's clipboard may take before the terminal is asked instead.
const PATIENCE: Duration = Duration::from_millis(500);

/// What multiplexer is between us and the terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Multiplexer {
    /// None.
    None,
    /// tmux.
    Tmux,
    /// GNU screen.
    Screen,
}

/// How text is copied from here.
pub struct Clipboard {
    terminal_first: bool,
    osc52: bool,
    multiplexer: Multiplexer,
    system: Option<System>,
}

impl fmt::Debug for Clipboard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clipboard")
            .field("terminal_first", &self.terminal_first)
            .field("osc52", &self.osc52)
            .field("multiplexer", &self.multiplexer)
            .finish_non_exhaustive()
    }
}

/// The system's clipboard lives in a thread of its own: on X11 the owner of a selection has to stay alive to hand
/// it out, and a hanging display server must not freeze the screen.
struct System {
    texts: mpsc::Sender<(String, mpsc::Sender<Result<(), String>>)>,
}

impl System {
    fn start() -> Self {
        let (texts, inbox) = mpsc::channel::<(String, mpsc::Sender<Result<(), String>>)>();
        std::thread::spawn(move || {
            let mut clipboard = None;
            for (text, done) in inbox {
                let result = match &mut clipboard {
                    Some(open) => Ok(open),
                    none => arboard::Clipboard::new().map(|new| none.insert(new)),
                }
                .and_then(|open: &mut arboard::Clipboard| open.set_text(text))
                .map_err(|error| error.to_string());
                if result.is_err() {
                    clipboard = None;
                }
                let _ = done.send(result);
            }
        });
        Self { texts }
    }

    fn copy(&self, text: &str) -> Result<(), String> {
        let (done, result) = mpsc::channel();
        self.texts.send((text.to_owned(), done)).map_err(|e| e.to_string())?;
        result.recv_timeout(PATIENCE).map_err(|_| "the clipboard does not answer".to_owned())?
    }
}

impl Clipboard {
    /// Decides by the environment of this process.
    pub fn from_environment() -> Self {
        Self::decide(|name| std::env::var(name).ok().filter(|v| !v.is_empty()))
    }

    /// Decides by an environment.
    pub fn decide(var: impl Fn(&str) -> Option<String>) -> Self {
        let multiplexer = if var("TMUX").is_some() {
            Multiplexer::Tmux
        } else if var("STY").is_some() {
            Multiplexer::Screen
        } else {
            Multiplexer::None
        };
        let remote = ["SSH_TTY", "SSH_CONNECTION", "SSH_CLIENT"].iter().any(|name| var(name).is_some());
        let term = var("TERM").unwrap_or_default();
        Self {
            terminal_first: remote || multiplexer != Multiplexer::None || var("ZELLIJ").is_some(),
            // The Linux console and dumb terminals print the sequence or drop it.
            osc52: !matches!(term.as_str(), "" | "dumb" | "linux"),
            multiplexer,
            system: None,
        }
    }

    /// Copies text; what the terminal has to be told is written to `out`.
    pub fn copy(&mut self, text: &str, out: &mut impl Write) -> CopyOutcome {
        if self.terminal_first && self.by_terminal(text, out) {
            return CopyOutcome::Terminal;
        }
        let system = self.system.get_or_insert_with(System::start).copy(text);
        match system {
            Ok(()) => CopyOutcome::Clipboard,
            Err(_) if !self.terminal_first && self.by_terminal(text, out) => CopyOutcome::Terminal,
            Err(why) => CopyOutcome::Failed(why),
        }
    }

    fn by_terminal(&self, text: &str, out: &mut impl Write) -> bool {
        self.osc52
            && osc52(text, self.multiplexer)
                .is_some_and(|bytes| out.write_all(&bytes).and_then(|()| out.flush()).is_ok())
    }
}

/// The bytes that ask a terminal to copy text (xterm's OSC 52, selection `c`), wrapped for a multiplexer to pass
/// on. `None` when the text is too long for terminals to take.
pub fn osc52(text: &str, multiplexer: Multiplexer) -> Option<Vec<u8>> {
    let payload = STANDARD.encode(text);
    if payload.len() > LONGEST {
        return None;
    }
    let sequence = format!("\x1b]52;c;{payload}\x07");
    Some(match multiplexer {
        Multiplexer::None => sequence.into_bytes(),
        // tmux takes the plain sequence where `set-clipboard` is `on`, and passes the wrapped one to the terminal
        // where `allow-passthrough` is: together they reach more people than either.
        Multiplexer::Tmux => {
            format!("{sequence}\x1bPtmux;{}\x1b\\", sequence.replace('\x1b', "\x1b\x1b")).into_bytes()
        }
        Multiplexer::Screen => sequence
            .as_bytes()
            .chunks(SCREEN_PIECE)
            .flat_map(|piece| [b"\x1bP", piece, b"\x1b\\"].concat())
            .collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decide(vars: &[(&str, &str)]) -> Clipboard {
        Clipboard::decide(|name| vars.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned()))
    }

    #[test]
    fn the_terminal_is_asked_first_where_the_machine_is_not_the_persons_own() {
        assert!(!decide(&[("TERM", "xterm-256color")]).terminal_first);
        for var in ["SSH_TTY", "SSH_CONNECTION", "TMUX", "STY"] {
            assert!(decide(&[("TERM", "xterm"), (var, "x")]).terminal_first, "{var}");
        }
    }

    #[test]
    fn over_ssh_the_sequence_is_written_and_the_system_left_alone() {
        let mut out = Vec::new();
        let mut clipboard = decide(&[("TERM", "xterm"), ("SSH_TTY", "/dev/pts/1")]);
        assert_eq!(clipboard.copy("my-app", &mut out), CopyOutcome::Terminal);
        assert_eq!(out, b"\x1b]52;c;bXktYXBw\x07");
        assert!(clipboard.system.is_none());
    }

    #[test]
    fn multiplexers_get_it_wrapped() {
        let tmux = String::from_utf8(osc52("a", Multiplexer::Tmux).unwrap()).unwrap();
        assert_eq!(tmux, "\x1b]52;c;YQ==\x07\x1bPtmux;\x1b\x1b]52;c;YQ==\x07\x1b\\");
        let screen = osc52(&"x".repeat(2000), Multiplexer::Screen).unwrap();
        assert!(screen.starts_with(b"\x1bP\x1b]52;c;") && screen.ends_with(b"\x07\x1b\\"));
    }

    #[test]
    fn what_terminals_would_drop_is_not_sent() {
        assert!(osc52(&"x".repeat(80_000), Multiplexer::None).is_none());
        let mut out = Vec::new();
        assert!(!decide(&[("TERM", "linux"), ("SSH_TTY", "t")]).by_terminal("a", &mut out));
        assert!(out.is_empty());
    }
}

//! The real terminal: entering and leaving the full screen, and leaving it whatever happens.

use std::io::{self, BufWriter, Stdout, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use crossterm::event::{
    DisableBracketedPaste, DisableMouseCapture, EnableBracketedPaste, EnableMouseCapture,
};
use crossterm::terminal::{
    BeginSynchronizedUpdate, EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen,
    disable_raw_mode, enable_raw_mode,
};
use crossterm::{cursor, execute, queue};
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;

use super::clipboard;
use super::run::Host;

/// Whether the full screen is on; leaving it twice would scroll the shell's own lines away.
static ENTERED: AtomicBool = AtomicBool::new(false);

/// What the terminal writes to. One buffer a frame, so that a frame arrives in one piece.
pub type Screen = CrosstermBackend<BufWriter<Stdout>>;

/// Full screen while it lives; dropping it gives the shell its screen back.
#[derive(Debug)]
pub struct FullScreen {
    mouse: bool,
}

impl FullScreen {
    /// Enters the full screen and makes sure that a panic leaves it before it speaks.
    ///
    /// # Errors
    /// The terminal refuses raw mode (it is none).
    pub fn enter(mouse: bool) -> io::Result<(Self, Terminal<Screen>)> {
        enable_raw_mode()?;
        ENTERED.store(true, Ordering::SeqCst);
        let screen = Self { mouse };
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            leave();
            hook(panic);
        }));
        let mut out = BufWriter::with_capacity(1 << 16, io::stdout());
        execute!(out, EnterAlternateScreen, EnableBracketedPaste, cursor::Hide)?;
        if mouse {
            execute!(out, EnableMouseCapture)?;
        }
        Ok((screen, Terminal::new(CrosstermBackend::new(out))?))
    }

    /// Whether mouse events are asked for.
    pub fn mouse(&self) -> bool {
        self.mouse
    }
}

impl Drop for FullScreen {
    fn drop(&mut self) {
        leave();
    }
}

/// Gives the terminal back as it was. May be called at any time, from a panic too; errors have nobody to go to.
pub fn leave() {
    if ENTERED.swap(false, Ordering::SeqCst) {
        let mut out = io::stdout();
        let _ = execute!(
            out,
            EndSynchronizedUpdate,
            DisableMouseCapture,
            DisableBracketedPaste,
            LeaveAlternateScreen,
            cursor::Show
        );
        let _ = disable_raw_mode();
    }
}

/// The real terminal as the loop sees it.
#[derive(Debug)]
pub struct RealHost {
    clipboard: clipboard::Clipboard,
}

impl RealHost {
    /// Looks at the environment once to learn how text can be copied from here.
    pub fn new() -> Self {
        Self { clipboard: clipboard::Clipboard::from_environment() }
    }
}

impl Default for RealHost {
    fn default() -> Self {
        Self::new()
    }
}

impl Host<Screen> for RealHost {
    fn begin_frame(&mut self, terminal: &mut Terminal<Screen>) {
        let _ = queue!(terminal.backend_mut(), BeginSynchronizedUpdate);
    }

    fn end_frame(&mut self, terminal: &mut Terminal<Screen>) {
        let _ = queue!(terminal.backend_mut(), EndSynchronizedUpdate);
        let _ = Write::flush(terminal.backend_mut());
    }

    fn copy(&mut self, terminal: &mut Terminal<Screen>, text: &str) -> crate::app::CopyOutcome {
        self.clipboard.copy(text, terminal.backend_mut())
    }
}

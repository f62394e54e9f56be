//! The real terminal: entering and leaving the full screen, and leaving it whatever happens.

use std::io::{self, BufWriter, Stdout, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use crossterm::event::{
    DisableBracketedPaste, DisableMouseCapture, EnableBracketedPaste, EnableMouseCapture, Event, EventStream,
};
use crossterm::terminal::{
    BeginSynchronizedUpdate, EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen,
    disable_raw_mode, enable_raw_mode,
};
use crossterm::{cursor, execute, queue};
use futures_util::StreamExt as _;
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use super::clipboard;
use super::run::Host;

/// Whether the full screen is on; leaving it twice would scroll the shell's own lines away.
static ENTERED: AtomicBool = AtomicBool::new(false);

/// Whether another program has the terminal.
static ASIDE: AtomicBool = AtomicBool::new(false);

/// What the terminal writes to. One buffer a frame, so that a frame arrives in one piece.
pub type Screen = CrosstermBackend<BufWriter<Ours>>;

/// Standard output while the full screen is ours. When a task has panicked it is given back at once; a frame that the
/// loop draws at that moment must not end up among the lines of the shell.
#[derive(Debug)]
pub struct Ours(Stdout);

impl Write for Ours {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if ENTERED.load(Ordering::SeqCst) { self.0.write(bytes) } else { Ok(bytes.len()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

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
        let mut out = BufWriter::with_capacity(1 << 16, Ours(io::stdout()));
        show(&mut out, mouse)?;
        Ok((screen, Terminal::new(CrosstermBackend::new(out))?))
    }

    /// Whether mouse events are asked for.
    pub fn mouse(&self) -> bool {
        self.mouse
    }
}

fn show(out: &mut impl Write, mouse: bool) -> io::Result<()> {
    execute!(out, EnterAlternateScreen, EnableBracketedPaste, cursor::Hide)?;
    if mouse {
        execute!(out, EnableMouseCapture)?;
    }
    Ok(())
}

/// Whether another program has the terminal now.
pub(super) fn is_aside() -> bool {
    ASIDE.load(Ordering::SeqCst)
}

/// Says something below what another program wrote, and waits until a person has read it.
pub(super) async fn ask_for_enter(text: &str) {
    let mut out = io::stdout();
    let text = crate::model::text::clean(text);
    let _ = write!(out, "\n{text}\nPress Enter to go back to kdisco. ").and_then(|()| out.flush());
    let reading = tokio::task::spawn_blocking(|| io::stdin().read_line(&mut String::new()));
    let _ = reading.await;
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
    mouse: bool,
    keys: Keys,
}

impl RealHost {
    /// Looks at the environment once to learn how text can be copied from here, and starts to read the terminal.
    pub fn new(mouse: bool, events: mpsc::UnboundedSender<Event>) -> Self {
        let mut keys = Keys { events, reader: None };
        keys.read();
        Self { clipboard: clipboard::Clipboard::from_environment(), mouse, keys }
    }
}

/// What is typed. A task of its own waits for the terminal: crossterm's stream remembers only the first waker it
/// meets, so it must not be polled from a loop that also looks at it in passing.
#[derive(Debug)]
struct Keys {
    events: mpsc::UnboundedSender<Event>,
    reader: Option<AbortHandle>,
}

impl Keys {
    fn read(&mut self) {
        let sender = self.events.clone();
        let task = tokio::spawn(async move {
            let mut stream = EventStream::new();
            while let Some(Ok(event)) = stream.next().await {
                if sender.send(event).is_err() {
                    return;
                }
            }
        });
        self.reader = Some(task.abort_handle());
    }

    fn rest(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.abort();
        }
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        self.rest();
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

    fn put_aside(&mut self) -> bool {
        self.keys.rest();
        ASIDE.store(true, Ordering::SeqCst);
        leave();
        true
    }

    fn bring_back(&mut self) {
        // A terminal that refuses shows itself with the next frame.
        let _ = enable_raw_mode();
        ENTERED.store(true, Ordering::SeqCst);
        let _ = show(&mut io::stdout(), self.mouse);
        ASIDE.store(false, Ordering::SeqCst);
        self.keys.read();
    }

    fn copy(&mut self, terminal: &mut Terminal<Screen>, text: &str) -> crate::app::CopyOutcome {
        self.clipboard.copy(text, terminal.backend_mut())
    }
}

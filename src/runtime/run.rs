//! The event loop: take in all that happened, then draw once if something changed.
//!
//! Generic over the terminal's backend and over where events come from, so that journeys in the tests run the very
//! loop that a person uses.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crossterm::event::Event;
use ratatui::Terminal;
use ratatui::backend::Backend;
use ratatui::layout::Rect;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use crate::app::{App, CopyOutcome, Effect, Message, Target};
use crate::model::ClusterSnapshot;
use crate::ui::{self, Drawn, Look};

use super::clock::Clock;
use super::effects::{Effects, Source, api_problem};
use super::input::{Asked, Input};
use super::terminal::{FullScreen, RealHost};
use super::wake::{self, Wake};

/// What the explorer is started with.
pub struct Options {
    /// Where the facts come from.
    pub source: Source,
    /// What the list is filtered by at first.
    pub filter: String,
    /// Nothing in the cluster may be changed.
    pub read_only: bool,
    /// Where other processes are told of the forwards that run here, if anywhere.
    pub forwards: Option<PathBuf>,
    /// The file with the forwards that are kept under a name, if there is a place for one.
    pub profiles: Option<PathBuf>,
    /// Whether to ask for mouse events.
    pub mouse: bool,
    /// Colours, marks and keys.
    pub look: Look,
    /// Lines to show at the start (oddities of the configuration).
    pub notices: Vec<String>,
    /// The clock.
    pub clock: Box<dyn Clock>,
}

/// What the loop asks of the terminal beyond drawing.
pub trait Host<B: Backend> {
    /// Before a frame is written.
    fn begin_frame(&mut self, _terminal: &mut Terminal<B>) {}
    /// After a frame was written.
    fn end_frame(&mut self, _terminal: &mut Terminal<B>) {}
    /// Gives the terminal to another program. Whether a person is there who sees it.
    fn put_aside(&mut self) -> bool {
        false
    }
    /// Takes the terminal back.
    fn bring_back(&mut self) {}
    /// Puts text where it can be pasted.
    fn copy(&mut self, terminal: &mut Terminal<B>, text: &str) -> CopyOutcome;
}

/// Runs the explorer on the real terminal until it is quit.
///
/// # Errors
/// The terminal can't be used (it is none, or it went away).
pub async fn explore(options: Options) -> io::Result<()> {
    let mut signals = Signals::new()?;
    let (screen, mut terminal) = FullScreen::enter(options.mouse)?;
    let (sender, events) = mpsc::unbounded_channel();
    let mut looping = Loop::new(options, RealHost::new(screen.mouse(), sender));
    let result = tokio::select! {
        result = looping.run(&mut terminal, events) => result,
        () = signals.any() => Ok(()),
    };
    drop(screen);
    result
}

/// The signals that end the program in good order.
#[cfg(unix)]
struct Signals([tokio::signal::unix::Signal; 3]);

#[cfg(unix)]
impl Signals {
    fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self([
            signal(SignalKind::terminate())?,
            signal(SignalKind::hangup())?,
            signal(SignalKind::interrupt())?,
        ]))
    }

    async fn any(&mut self) {
        let [terminate, hangup, interrupt] = &mut self.0;
        loop {
            tokio::select! {
                _ = terminate.recv() => return,
                _ = hangup.recv() => return,
                // While a plugin has the terminal the key that interrupts is for the plugin.
                _ = interrupt.recv() => if !super::terminal::is_aside() { return },
            }
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self)
    }

    async fn any(&mut self) {
        let _ = tokio::signal::ctrl_c().await;
    }
}

/// The loop with everything it owns.
pub struct Loop<H> {
    app: App,
    host: H,
    look: Look,
    clock: Box<dyn Clock>,
    input: Input,
    effects: Effects,
    messages: mpsc::UnboundedReceiver<Message>,
    snapshots: watch::Receiver<Arc<ClusterSnapshot>>,
    regions: Vec<(Rect, Target)>,
    area: Rect,
    redraw: bool,
    /// The connection whose credential plugin is to have the terminal next.
    sign_in: Option<u64>,
}

impl<H> Loop<H> {
    /// Makes the state and sends the first effects on their way.
    pub fn new(options: Options, host: H) -> Self {
        let (messages, inbox) = mpsc::unbounded_channel();
        let (mut effects, snapshots) = Effects::new(options.source, messages);
        effects.read_only = options.read_only;
        effects.directory = options.forwards;
        effects.profiles = options.profiles;
        let (mut app, first) = App::start(options.clock.now());
        app.read_only = options.read_only;
        app.start_filter(&options.filter);
        for line in options.notices {
            app.note(line);
        }
        let mut looping = Self {
            app,
            host,
            look: options.look,
            clock: options.clock,
            input: Input::default(),
            effects,
            messages: inbox,
            snapshots,
            regions: Vec::new(),
            area: Rect::default(),
            redraw: false,
            sign_in: None,
        };
        // No effect of the start needs the terminal.
        for effect in first {
            looping.effects.run(effect);
        }
        looping
    }

    /// The state, for those who look at it from outside.
    pub fn app(&self) -> &App {
        &self.app
    }

    /// Runs until the program is quit or the events end.
    ///
    /// # Errors
    /// The terminal can't be written to.
    pub async fn run<B>(
        &mut self,
        terminal: &mut Terminal<B>,
        mut events: mpsc::UnboundedReceiver<Event>,
    ) -> io::Result<()>
    where
        B: Backend,
        B::Error: Send + Sync + 'static,
        H: Host<B>,
    {
        let mut next_tick = self.draw(terminal)?;
        let mut looks = tokio::time::interval(wake::PERIOD);
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut wake = Wake::new(self.clock.now(), Instant::now());
        while !self.app.quitting {
            let tick = async {
                match next_tick {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            // What the cluster says comes before keys: a key then meets the newest state.
            tokio::select! {
                biased;
                Some(message) = self.messages.recv() => self.take(message, terminal),
                Ok(()) = self.snapshots.changed() => self.take_snapshot(terminal),
                event = events.recv() => match event {
                    Some(event) => self.event(event, terminal),
                    None => break,
                },
                () = tick => {}
                _ = looks.tick() => {
                    // Nothing has changed, unless the time has jumped: no frame for it.
                    if !self.mind_sleep(&mut wake) {
                        continue;
                    }
                }
            }
            self.mind_sleep(&mut wake);
            self.drain(terminal, &mut events);
            if let Some(epoch) = self.sign_in.take() {
                self.lend_terminal(epoch).await;
                // Keys that were meant for the plugin.
                while events.try_recv().is_ok() {}
            }
            next_tick = self.draw(terminal)?;
        }
        Ok(())
    }

    /// After a sleep of the computer everything is asked anew; ages show right with the frame that follows.
    fn mind_sleep(&mut self, wake: &mut Wake) -> bool {
        let slept = wake.look(self.clock.now(), Instant::now());
        if let Some(since) = slept {
            tracing::debug!(%since, "the computer has slept, or the program stood still");
            self.effects.woke(since);
        }
        slept.is_some()
    }

    /// Runs the credential plugin with the terminal, and waits for it: nothing else may write there meanwhile.
    async fn lend_terminal<B: Backend>(&mut self, epoch: u64)
    where
        H: Host<B>,
    {
        let Some(client) = self.effects.client(epoch) else { return };
        let seen = self.host.put_aside();
        let problem = client.sign_in().await.err().map(api_problem);
        if let Some(problem) = problem.as_ref().filter(|_| seen) {
            // What the plugin wrote would be gone with the screen's return.
            super::terminal::ask_for_enter(&format!("{}: {}", problem.what, problem.why)).await;
        }
        self.host.bring_back();
        self.redraw = true;
        for effect in self.app.update(Message::SignedIn { epoch, problem }) {
            self.effects.run(effect);
        }
    }

    /// Takes in everything that is waiting, so that a burst costs one frame. Bounded: a flood can't starve the
    /// screen.
    fn drain<B>(&mut self, terminal: &mut Terminal<B>, events: &mut mpsc::UnboundedReceiver<Event>)
    where
        B: Backend,
        H: Host<B>,
    {
        for _ in 0..256 {
            if let Ok(message) = self.messages.try_recv() {
                self.take(message, terminal);
            } else if self.snapshots.has_changed().unwrap_or(false) {
                self.take_snapshot(terminal);
            } else if let Ok(event) = events.try_recv() {
                self.event(event, terminal);
            } else {
                return;
            }
        }
    }

    fn take_snapshot<B: Backend>(&mut self, terminal: &mut Terminal<B>)
    where
        H: Host<B>,
    {
        let snapshot = self.snapshots.borrow_and_update().clone();
        self.take(Message::Snapshot(snapshot), terminal);
    }

    fn event<B: Backend>(&mut self, event: Event, terminal: &mut Terminal<B>)
    where
        H: Host<B>,
    {
        match self.input.translate(event, self.app.mode(), &self.look.keymap, &self.regions, self.area) {
            Asked::Message(message) => self.take(message, terminal),
            // The frame that follows takes the new size by itself.
            Asked::Resize | Asked::Nothing => {}
        }
    }

    fn take<B: Backend>(&mut self, message: Message, terminal: &mut Terminal<B>)
    where
        H: Host<B>,
    {
        self.app.update(Message::Tick(self.clock.now()));
        let mut queue = self.app.update(message);
        while !queue.is_empty() {
            for effect in std::mem::take(&mut queue) {
                match effect {
                    Effect::Copy { id, text } => {
                        let outcome = self.host.copy(terminal, &text);
                        queue.extend(self.app.update(Message::Copied { id, outcome }));
                    }
                    Effect::SignIn { epoch } => self.sign_in = Some(epoch),
                    Effect::Redraw => self.redraw = true,
                    Effect::Quit => {}
                    other => self.effects.run(other),
                }
            }
        }
    }

    /// Draws, and says when something on the screen grows older next.
    fn draw<B>(&mut self, terminal: &mut Terminal<B>) -> io::Result<Option<Instant>>
    where
        B: Backend,
        B::Error: Send + Sync + 'static,
        H: Host<B>,
    {
        self.app.update(Message::Tick(self.clock.now()));
        if std::mem::take(&mut self.redraw) {
            // Not `clear`: that asks the terminal for the cursor and waits for an answer among the keys.
            let size = terminal.size().map_err(io::Error::other)?;
            terminal
                .resize(Rect::from((ratatui::layout::Position::ORIGIN, size)))
                .map_err(io::Error::other)?;
        }
        let mut drawn = self.frame(terminal)?;
        // The state learns how much room there is from the frame; where that changes what is shown (paging,
        // scrolling) a second frame follows at once. A third would mean that they disagree: never.
        if self.app.layout.viewport != drawn.viewport {
            for effect in self.app.update(Message::Viewport(drawn.viewport.clone())) {
                self.effects.run(effect);
            }
            drawn = self.frame(terminal)?;
        }
        self.regions = drawn.regions;
        Ok(drawn.next_tick.map(|wait| Instant::now() + wait.max(Duration::from_millis(50))))
    }

    fn frame<B>(&mut self, terminal: &mut Terminal<B>) -> io::Result<Drawn>
    where
        B: Backend,
        B::Error: Send + Sync + 'static,
        H: Host<B>,
    {
        let mut drawn = None;
        self.host.begin_frame(terminal);
        let (app, look) = (&self.app, &self.look);
        let area = terminal
            .draw(|frame| {
                let d = ui::view(app, look, frame.area(), frame.buffer_mut());
                if let Some(cursor) = d.cursor {
                    frame.set_cursor_position(cursor);
                }
                drawn = Some(d);
            })
            .map_err(io::Error::other)?
            .area;
        self.host.end_frame(terminal);
        self.area = area;
        Ok(drawn.unwrap_or_default())
    }
}

//! The whole explorer without a terminal: the real event loop on a test backend, driven by keys as a person presses
//! them, against the demo cluster. Shared by the journeys and the screenshots; neither uses all of it.

#![expect(dead_code, unreachable_pub, reason = "shared by programs that use different parts of it")]

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};
use jiff::{SignedDuration, Timestamp};
use kdisco::app::CopyOutcome;
use kdisco::cluster::kubeconfig::Overrides;
use kdisco::config::{Keymap, Theme};
use kdisco::demo::{self, Demo};
use kdisco::model::NamespaceScope;
use kdisco::runtime::clock::{Clock, SystemClock};
use kdisco::runtime::run::{Host, Loop};
use kdisco::runtime::{KnownNamespaces, Options, Source};
use kdisco::ui::Look;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use tokio::sync::{mpsc, watch};

/// No step of a journey takes longer than this, unless something is broken.
const PATIENCE: Duration = Duration::from_secs(30);

/// What stands for the terminal: it publishes every frame as text, and takes copies.
struct Watched {
    screen: watch::Sender<(String, Buffer)>,
    copied: mpsc::UnboundedSender<String>,
}

impl Host<TestBackend> for Watched {
    fn end_frame(&mut self, terminal: &mut Terminal<TestBackend>) {
        self.screen.send_replace((terminal.backend().to_string(), terminal.backend().buffer().clone()));
    }

    fn copy(&mut self, _: &mut Terminal<TestBackend>, text: &str) -> CopyOutcome {
        let _ = self.copied.send(text.to_owned());
        CopyOutcome::Clipboard
    }
}

/// The computer's clock, and how far a test has turned it.
struct TurnedClock(Arc<AtomicI64>);

impl Clock for TurnedClock {
    fn now(&self) -> Timestamp {
        let turned = SignedDuration::from_secs(self.0.load(Ordering::SeqCst));
        SystemClock.now().saturating_add(turned).expect("a time that can be told")
    }
}

/// A running explorer.
pub struct Runner {
    /// The cluster that it looks at.
    pub demo: Demo,
    events: mpsc::UnboundedSender<Event>,
    screen: watch::Receiver<(String, Buffer)>,
    copied: mpsc::UnboundedReceiver<String>,
    turned: Arc<AtomicI64>,
    task: tokio::task::JoinHandle<()>,
    home: tempfile::TempDir,
}

impl Runner {
    /// Starts it on the demo's context of that name, on a screen of that size.
    pub async fn start(context: &str, scope: Option<NamespaceScope>, columns: u16, rows: u16) -> Self {
        let look = Look::new(Theme::default(), false, Keymap::default());
        Self::with_look(look, context, scope, columns, rows).await
    }

    /// The same with another look.
    pub async fn with_look(
        look: Look,
        context: &str,
        scope: Option<NamespaceScope>,
        columns: u16,
        rows: u16,
    ) -> Self {
        let options = demo::Options { clock: demo::Clock::Stepped, script: true, ..demo::Options::default() };
        let demo = demo::start(options).await.expect("the demo starts");
        let overrides = Overrides {
            kubeconfig: Some(demo.kubeconfig().to_owned()),
            context: Some(context.to_owned()),
            ..Overrides::default()
        };
        Self::looking_at(demo, overrides, look, scope, columns, rows)
    }

    /// The file of the profiles.
    pub fn profiles(&self) -> std::path::PathBuf {
        self.home.path().join("forwards.toml")
    }

    /// Ends it and starts it again, with what it has kept.
    pub async fn again(self, context: &str, columns: u16, rows: u16) -> Self {
        let _ = self.events.send(Event::Key(KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL)));
        tokio::time::timeout(PATIENCE, self.task).await.expect("it ends").expect("without a panic");
        let overrides = Overrides {
            kubeconfig: Some(self.demo.kubeconfig().to_owned()),
            context: Some(context.to_owned()),
            ..Overrides::default()
        };
        let look = Look::new(Theme::default(), false, Keymap::default());
        Self::keeping(self.demo, overrides, look, None, (columns, rows), self.home)
    }

    /// The same at whatever the flags name.
    pub async fn with_overrides(overrides: Overrides, columns: u16, rows: u16) -> Self {
        let options = demo::Options { clock: demo::Clock::Stepped, ..demo::Options::default() };
        let demo = demo::start(options).await.expect("the demo starts");
        let look = Look::new(Theme::default(), false, Keymap::default());
        Self::looking_at(demo, overrides, look, None, columns, rows)
    }

    fn looking_at(
        demo: Demo,
        overrides: Overrides,
        look: Look,
        scope: Option<NamespaceScope>,
        columns: u16,
        rows: u16,
    ) -> Self {
        let home = tempfile::tempdir().expect("a directory");
        Self::keeping(demo, overrides, look, scope, (columns, rows), home)
    }

    fn keeping(
        demo: Demo,
        overrides: Overrides,
        look: Look,
        scope: Option<NamespaceScope>,
        (columns, rows): (u16, u16),
        home: tempfile::TempDir,
    ) -> Self {
        let turned = Arc::<AtomicI64>::default();
        let options = Options {
            source: Source::Cluster {
                overrides: Box::new(overrides),
                scope,
                known: KnownNamespaces::default(),
            },
            filter: String::new(),
            read_only: false,
            forwards: None,
            profiles: Some(home.path().join("forwards.toml")),
            mouse: false,
            look,
            notices: vec![],
            clock: Box::new(TurnedClock(turned.clone())),
        };
        let (events, incoming) = mpsc::unbounded_channel();
        let (screen_sender, screen) = watch::channel((String::new(), Buffer::default()));
        let (copied_sender, copied) = mpsc::unbounded_channel();
        let task = tokio::spawn(async move {
            let mut terminal = Terminal::new(TestBackend::new(columns, rows)).expect("a test terminal");
            let mut looping = Loop::new(options, Watched { screen: screen_sender, copied: copied_sender });
            looping.run(&mut terminal, incoming).await.expect("the loop ends well");
        });
        Self { demo, events, screen, copied, turned, task, home }
    }

    /// Turns the wall clock on, as a sleep of the computer does: no other clock sees it.
    pub fn sleeps(&self, seconds: i64) {
        self.turned.fetch_add(seconds, Ordering::SeqCst);
    }

    /// Presses keys: characters, and `<enter>`, `<esc>`, `<tab>`, `<down>`, `<up>`.
    pub fn press(&self, keys: &str) {
        let mut rest = keys;
        while let Some(c) = rest.chars().next() {
            let named = rest.strip_prefix('<').and_then(|r| r.split_once('>'));
            let (code, after) = match named {
                Some(("enter", after)) => (KeyCode::Enter, after),
                Some(("esc", after)) => (KeyCode::Esc, after),
                Some(("tab", after)) => (KeyCode::Tab, after),
                Some(("down", after)) => (KeyCode::Down, after),
                Some(("up", after)) => (KeyCode::Up, after),
                _ => (KeyCode::Char(c), &rest[c.len_utf8()..]),
            };
            rest = after;
            let _ = self.events.send(Event::Key(KeyEvent::new(code, KeyModifiers::NONE)));
        }
    }

    /// Presses the key that tries again.
    pub fn retry(&self) {
        let _ = self.events.send(Event::Key(KeyEvent::new(KeyCode::Char('r'), KeyModifiers::CONTROL)));
    }

    /// Waits until the screen is as wanted.
    pub async fn sees(&mut self, what: &str, wanted: impl Fn(&str) -> bool) -> String {
        let seen = tokio::time::timeout(PATIENCE, self.screen.wait_for(|(text, _)| wanted(text))).await;
        if let Ok(Ok(screen)) = &seen {
            return screen.0.clone();
        }
        drop(seen);
        panic!("never seen: {what}\n{}", self.screen.borrow().0)
    }

    /// The cells of the screen as they are now.
    pub fn cells(&self) -> Buffer {
        self.screen.borrow().1.clone()
    }

    /// Waits until a text is on the screen.
    pub async fn shows(&mut self, text: &str) -> String {
        self.sees(text, |screen| screen.contains(text)).await
    }

    /// What is copied next.
    pub async fn copies(&mut self) -> String {
        tokio::time::timeout(PATIENCE, self.copied.recv()).await.ok().flatten().expect("something is copied")
    }

    /// Quits and waits for the end.
    pub async fn quits(self) {
        let _ = self.events.send(Event::Key(KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL)));
        tokio::time::timeout(PATIENCE, self.task).await.expect("it ends").expect("without a panic");
    }
}

//! Draws the explorer's screens into SVG files: `cargo run --example screenshots [DIRECTORY]`.
//!
//! Where `rsvg-convert` is on the machine, a PNG of each is made as well.

#[path = "../tests/common/world.rs"]
mod world;

use std::path::Path;
use std::process::Command;

use kdisco::app::{Action, App, Edit, Message, Problem};
use kdisco::config::{Keymap, Theme};
use kdisco::model::NamespaceScope;
use kdisco::ui::shot::{Backdrop, svg};
use kdisco::ui::{Look, view};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};

fn main() -> std::io::Result<()> {
    let directory = std::env::args().nth(1).unwrap_or_else(|| "screenshots".to_owned());
    let directory = Path::new(&directory);
    std::fs::create_dir_all(directory)?;
    for shot in shots() {
        shot.write(directory)?;
    }
    Ok(())
}

/// One screen.
struct Shot {
    name: &'static str,
    label: &'static str,
    app: App,
    size: (u16, u16),
    theme: &'static str,
    ascii: bool,
}

impl Shot {
    fn write(mut self, directory: &Path) -> std::io::Result<()> {
        let theme = Theme::built_in(self.theme).unwrap_or_default();
        let look = Look::new(theme, self.ascii, Keymap::default());
        let area = Rect::new(0, 0, self.size.0, self.size.1);
        // The state learns what a frame has room for, as it does in the program.
        for _ in 0..2 {
            let drawn = view(&self.app, &look, area, &mut Buffer::empty(area));
            self.app.update(Message::Viewport(drawn.viewport));
        }
        let mut buffer = Buffer::empty(area);
        let drawn = view(&self.app, &look, area, &mut buffer);
        if let Some(cursor) = drawn.cursor {
            buffer[cursor].set_style(Style::new().add_modifier(Modifier::REVERSED));
        }
        let backdrop = if self.theme == "light" { Backdrop::Light } else { Backdrop::Dark };
        let file = directory.join(format!("{}.svg", self.name));
        std::fs::write(&file, svg(&buffer, backdrop, self.label))?;
        // The PNG is a convenience: without the converter there is none.
        let _ = Command::new("rsvg-convert")
            .arg("-o")
            .arg(file.with_extension("png"))
            .args(["--zoom", "1.5"])
            .arg(&file)
            .status();
        Ok(())
    }
}

fn default() -> App {
    world::app(world::tutorial(), NamespaceScope::one("default"))
}

fn after(mut app: App, actions: &[Action]) -> App {
    for action in actions {
        app.update(Message::Action(*action));
    }
    app
}

fn typed(mut app: App, text: &str) -> App {
    app.update(Message::Edit(Edit::Insert(text.to_owned())));
    app
}

fn unreachable() -> App {
    let mut app = world::connecting();
    let problem = Problem {
        what: "the kubeconfig could not be read".to_owned(),
        why: "there is no file /home/alice/.kube/config".to_owned(),
        hint: "Name another one with --kubeconfig FILE or in KUBECONFIG.".to_owned(),
    };
    app.update(Message::ConnectFailed { epoch: app.connection.epoch, problem });
    app
}

fn shots() -> Vec<Shot> {
    use Action as A;
    let shot = |name, label, app, size| Shot { name, label, app, size, theme: "dark", ascii: false };
    let all = || world::app(world::tutorial(), NamespaceScope::All);
    vec![
        shot(
            "explorer",
            "Services with their endpoints, DNS names and environment",
            after(default(), &[A::Down; 5]),
            (150, 40),
        ),
        shot("medium", "The list above, one pane with tabs below", default(), (100, 30)),
        shot("narrow", "One pane at a time", default(), (60, 16)),
        shot("filter", "Filtering the list", typed(after(all(), &[A::Filter]), "my"), (120, 30)),
        shot("help", "Help, made from the keymap", after(default(), &[A::Help]), (150, 48)),
        shot("palette", "The command palette", after(default(), &[A::Palette]), (120, 34)),
        shot("namespaces", "Choosing namespaces", after(all(), &[A::Namespaces]), (100, 30)),
        shot("pods", "Pods with the Services that lead to them", after(default(), &[A::Pods]), (150, 40)),
        shot("detail", "All about a Service", after(default(), &[A::Detail]), (130, 40)),
        shot(
            "broken",
            "Why nothing is behind a Service",
            after(default(), &[A::Down, A::Down, A::Down, A::Down, A::Down, A::Down, A::Down]),
            (140, 36),
        ),
        shot(
            "environment",
            "What a container has and what it lacks",
            after(
                default(),
                &[A::Down, A::Down, A::Down, A::Down, A::Down, A::PaneEnvironment, A::Zoom, A::HalfPageDown],
            ),
            (110, 32),
        ),
        shot("no-connection", "No connection: what, why, what to do", unreachable(), (100, 28)),
        Shot {
            theme: "light",
            ..shot("light", "The light theme", after(default(), &[A::Down; 3]), (130, 34))
        },
        Shot {
            theme: "mono",
            ascii: true,
            ..shot("ascii", "Without colours and in ASCII", after(default(), &[A::Down; 3]), (130, 34))
        },
    ]
}

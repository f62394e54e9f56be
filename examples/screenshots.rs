//! Pictures of the explorer on the demo cluster, into `screenshots/`: `cargo run --example screenshots [DIRECTORY]`.
//!
//! The real event loop draws them; what it drew becomes an SVG. Where `rsvg-convert` is on the machine a PNG of each
//! is made as well, to be looked at.

#[path = "../tests/common/runner.rs"]
mod runner;

use std::path::Path;
use std::process::Command;

use kdisco::config::{Keymap, Theme};
use kdisco::ui::Look;
use kdisco::ui::shot::{Backdrop, svg};
use runner::Runner;

/// One picture: how to get there from the list of Services, and what has to be seen before it is taken.
struct Shot {
    name: &'static str,
    label: &'static str,
    context: &'static str,
    size: (u16, u16),
    theme: &'static str,
    ascii: bool,
    /// Keys, each with the text that has to be on the screen after them (with `!`: that has to be gone).
    steps: &'static [(&'static str, &'static str)],
}

const LIST: (&str, &str) = ("", "3/3");

const fn shot(
    name: &'static str,
    label: &'static str,
    size: (u16, u16),
    steps: &'static [(&'static str, &'static str)],
) -> Shot {
    Shot { name, label, context: "demo", size, theme: "dark", ascii: false, steps }
}

const SHOTS: &[Shot] = &[
    shot(
        "explorer",
        "Services, and for the selected one its endpoints, DNS names and environment",
        (150, 40),
        &[LIST, ("jjj", "MY_APP_SERVICE_HOST"), ("", "!was not read: its"), ("", "!is being read")],
    ),
    shot("medium", "A list, and one pane with tabs", (100, 30), &[LIST, ("jjj", "Running")]),
    shot("narrow", "One pane at a time", (60, 16), &[LIST, ("jjj", "▸ my-app")]),
    shot(
        "filter",
        "Filtering as it is typed",
        (120, 30),
        &[LIST, ("a", "kube-dns"), ("/port:53", "port:53")],
    ),
    shot("help", "The keys, and what the marks say", (150, 48), &[LIST, ("?", "While typing")]),
    shot("palette", "Commands by name", (120, 34), &[LIST, (":", "Command")]),
    shot(
        "copy",
        "What can be copied of a Service",
        (120, 34),
        &[LIST, ("jjj", "Running"), ("", "!assumed"), ("Y", "Copy")],
    ),
    shot("viewpoint", "From where to look", (120, 34), &[LIST, ("jjj", "Running"), ("@", "client-")]),
    shot("pods", "Pods, and the Services that lead to them", (150, 40), &[LIST, ("aP", "frontend-")]),
    shot("detail", "All about a Service", (130, 40), &[LIST, ("jjj", "Running"), ("\n", "Created")]),
    shot("broken", "Why nothing is behind a Service", (140, 36), &[LIST, ("G", "app=report")]),
    shot(
        "environment",
        "What a container has, and what it lacks because it is older than the Service",
        (110, 32),
        &[
            LIST,
            ("@client-", "default/client-"),
            ("\n", "seen from client-"),
            ("/mysql\n", "▸ mysql"),
            ("4z", "✗ MYSQL"),
        ],
    ),
    Shot {
        context: "demo-viewer",
        ..shot(
            "forbidden",
            "Without rights: what is missing, and what is left",
            (120, 34),
            &[LIST, ("", "Not allowed: list pods")],
        )
    },
    Shot {
        theme: "light",
        ..shot(
            "light",
            "The light theme",
            (130, 34),
            &[LIST, ("jjj", "MY_APP_SERVICE_HOST"), ("", "!was not read: its"), ("", "!is being read")],
        )
    },
    Shot {
        theme: "mono",
        ascii: true,
        ..shot(
            "ascii",
            "Without colours, in ASCII",
            (130, 34),
            &[LIST, ("jjj", "MY_APP_SERVICE_HOST"), ("", "!was not read: its"), ("", "!is being read")],
        )
    },
];

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let directory = std::env::args().nth(1).unwrap_or_else(|| "screenshots".to_owned());
    let directory = Path::new(&directory);
    std::fs::create_dir_all(directory)?;
    for shot in SHOTS {
        take(shot, directory).await?;
    }
    Ok(())
}

async fn take(shot: &Shot, directory: &Path) -> std::io::Result<()> {
    let theme = Theme::built_in(shot.theme).unwrap_or_default();
    let look = Look::new(theme, shot.ascii, Keymap::default());
    let (columns, rows) = shot.size;
    let mut explorer = Runner::with_look(look, shot.context, None, columns, rows).await;
    for (keys, wanted) in shot.steps {
        explorer.press(&keys.replace('\n', "<enter>"));
        match wanted.strip_prefix('!') {
            Some(gone) => explorer.sees(wanted, |screen| !screen.contains(gone)).await,
            None => explorer.shows(wanted).await,
        };
    }
    let backdrop = if shot.theme == "light" { Backdrop::Light } else { Backdrop::Dark };
    let file = directory.join(format!("{}.svg", shot.name));
    std::fs::write(&file, svg(&explorer.cells(), backdrop, shot.label))?;
    explorer.quits().await;
    // The PNG is a convenience: without the converter there is none.
    let png = file.with_extension("png");
    let _ = Command::new("rsvg-convert").arg("-o").arg(png).args(["--zoom", "1.2"]).arg(&file).status();
    Ok(())
}

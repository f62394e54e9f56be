//! Views: the state in, cells out.
//!
//! What it is: everything that is drawn. [`view`] is a pure function: the same state and size give the same cells,
//! at a cost that depends on the rows that are visible. What it is not: it changes nothing, waits for nothing, reads
//! no clock (the time is [`App::now`]) and knows no terminal: a buffer is filled, `runtime` shows it. It never
//! panics, whatever the size.
//!
//! Only `runtime` calls it (and tests and the screenshots).
//!
//! ```text
//!  kdisco  prod-eu › default  ● live                    seen from my-app-6d…x2k / nginx     top
//! ╭ Services 14 ────────────────────────────────┬ Endpoints 3/3 ready ──────────────────╮
//! │  NAME▲   TYPE       CLUSTER-IP  …  AGE   EP │ ● 10.244.1.7  my-app-6d…x2k  node-1    │  panes
//! │▸ my-app  ClusterIP  10.96.14.2  …   3d  3/3 ├ DNS 4 ────────────────────────────────┤
//! │                                             ├ Environment my-app-6d…x2k / nginx ────┤
//! ╰─────────────────────────────────────────────┴───────────────────────────────────────╯
//!  y copy  / filter  @ viewpoint  : command                                        ? help     bottom
//! ```

mod access;
mod answers;
mod bottom;
mod confirm;
mod detail;
mod dns;
mod endpoints;
mod environment;
mod face;
mod help;
mod layout;
mod list;
mod loads;
mod measure;
mod overlay;
mod pane;
mod picker;
mod pods;
mod services;
mod sessions;
pub mod shot;
mod top;
mod widgets;

use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use crate::app::{Action, App, Mode, Pane, Target, Viewport};
use crate::config::{Keymap, Theme};

use layout::Plan;
use widgets::pen::Pen;

/// How everything looks: what does not depend on the state. One is meant to live as long as the program: it
/// remembers how wide the columns of the snapshot are.
pub struct Look {
    /// The theme.
    pub theme: Theme,
    /// Whether marks and borders are limited to ASCII.
    pub ascii: bool,
    /// The keys that hints and help show.
    pub keymap: Keymap,
    measures: measure::Memo,
}

impl Look {
    /// A look.
    pub fn new(theme: Theme, ascii: bool, keymap: Keymap) -> Self {
        Self { theme, ascii, keymap, measures: measure::Memo::default() }
    }

    /// The key that hints show for an action.
    fn key(&self, mode: Mode, action: Action) -> Option<String> {
        self.keymap.chord_for(mode, action, self.ascii)
    }
}

/// What the driver learns from a frame.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Drawn {
    /// What the mouse can hit, the topmost last.
    pub regions: Vec<(Rect, Target)>,
    /// What the frame had room for.
    pub viewport: Viewport,
    /// After which time something on the screen changes by itself, if anything does.
    pub next_tick: Option<Duration>,
    /// Where the terminal's cursor belongs while a line is being typed.
    pub cursor: Option<Position>,
}

impl Drawn {
    /// What the mouse hits at a place.
    pub fn hit(&self, at: Position) -> Option<&Target> {
        self.regions.iter().rev().find(|(area, _)| area.contains(at)).map(|(_, target)| target)
    }
}

/// Draws the whole screen into `area` of a buffer.
pub fn view(app: &App, look: &Look, area: Rect, buffer: &mut Buffer) -> Drawn {
    let area = area.intersection(*buffer.area());
    let mut pen = Pen::new(buffer, look);
    if area.is_empty() {
        return pen.drawn;
    }
    pen.clear(area);
    let plan = Plan::new(app, area);
    pen.drawn.viewport.narrow = plan.narrow;
    top::draw(&mut pen, app, plan.top);
    if app.connection.identity.is_some() && app.connection.problem.is_none() {
        panes(&mut pen, app, &plan);
    } else {
        face::connection(&mut pen, app, plan.body);
    }
    bottom::draw(&mut pen, app, &plan);
    for overlay in &app.overlays {
        pen.drawn.cursor = None;
        overlay::draw(&mut pen, app, overlay, plan.body);
    }
    pen.drawn
}

/// The panes that have a place on the screen.
fn panes(pen: &mut Pen<'_>, app: &App, plan: &Plan) {
    let areas: Vec<Rect> = plan.places.iter().map(|p| p.area).collect();
    let focused = plan.places.iter().position(|p| p.pane == app.focus);
    widgets::frame::borders(pen, &areas, focused);
    for place in &plan.places {
        pen.region(place.area, Target::Pane(place.pane));
        layout::title(pen, app, place);
        let inner = widgets::frame::inner(place.area);
        match place.pane {
            Pane::Main => list::draw(pen, app, place.area, inner),
            Pane::Endpoints => endpoints::draw(pen, app, place.area, inner),
            Pane::Dns => dns::draw(pen, app, place.area, inner),
            Pane::Environment => environment::draw(pen, app, place.area, inner),
        }
    }
    if let Some(x) = plan.split {
        let column = Rect { x, width: 1, ..plan.body };
        pen.region(column, Target::Split);
    }
}

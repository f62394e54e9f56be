//! Where everything has its place, and the titles of the panes.
//!
//! Wide (120 columns and more): the list at the left, the three panes stacked at the right, or one of them with
//! tabs where the screen is low. Medium (70 to 119): the list above, one pane with tabs below. Narrow, low or
//! zoomed: one pane, with tabs.

use ratatui::layout::Rect;

use crate::app::{App, MainView, Pane, Target};
use crate::config::theme::Role;
use crate::model::Kind;

use super::loads::Summary;
use super::widgets::frame;
use super::widgets::glyph::Glyph;
use super::widgets::pen::Pen;
use super::widgets::spans::Spans;
use super::{dns, endpoints, environment, list, loads};

/// Columns from which list and panes stand side by side.
const WIDE: u16 = 120;
/// Columns from which list and pane stand one above the other.
const MEDIUM: u16 = 70;
/// Rows of the body from which three panes can be stacked: three rows of content each.
const STACKED: u16 = 15;
/// Rows of the body from which two panes can be.
const TWO: u16 = 14;
/// Rows of the screen from which the bottom line has its place.
const WITH_BOTTOM: u16 = 5;

const RIGHT: [Pane; 3] = [Pane::Endpoints, Pane::Dns, Pane::Environment];

/// A pane with its place, border included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) pane: Pane,
    pub(super) area: Rect,
    /// The panes that share this place.
    pub(super) tabs: &'static [Pane],
}

/// Where everything has its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) top: Rect,
    pub(super) body: Rect,
    pub(super) bottom: Rect,
    pub(super) places: Vec<Place>,
    /// The column of the border between left and right.
    pub(super) split: Option<u16>,
    /// Panes are shown one at a time.
    pub(super) narrow: bool,
}

impl Plan {
    pub(super) fn new(app: &App, area: Rect) -> Self {
        let top = Rect { height: area.height.min(1), ..area };
        let below = u16::from(area.height >= WITH_BOTTOM);
        let bottom = Rect { y: area.bottom() - below, height: below, ..area };
        let body = Rect { y: top.bottom(), height: area.height - top.height - below, ..area };
        let mut plan = Self { top, body, bottom, places: vec![], split: None, narrow: false };
        let one = app.layout.zoom || body.width < MEDIUM || body.height < TWO && body.width < WIDE;
        if one || body.height < 6 {
            plan.narrow = true;
            plan.places = vec![Place { pane: app.focus, area: body, tabs: &Pane::ALL }];
        } else if body.width < WIDE {
            plan.above_each_other(app);
        } else {
            plan.side_by_side(app);
        }
        plan
    }

    /// The pane that has the place of the right-hand ones.
    fn open_tab(app: &App) -> Pane {
        if app.focus == Pane::Main { app.layout.tab } else { app.focus }
    }

    fn above_each_other(&mut self, app: &App) {
        let body = self.body;
        let upper = share(body.height, app.layout.split).clamp(6, body.height - 6);
        let list = Rect { height: upper, ..body };
        // The line between is shared.
        let rest = Rect { y: list.bottom() - 1, height: body.height - upper + 1, ..body };
        self.places = vec![
            Place { pane: Pane::Main, area: list, tabs: &[] },
            Place { pane: Self::open_tab(app), area: rest, tabs: &RIGHT },
        ];
    }

    fn side_by_side(&mut self, app: &App) {
        let body = self.body;
        let left = share(body.width, app.layout.split).clamp(44, body.width - 44);
        let list = Rect { width: left, ..body };
        let x = list.right() - 1;
        let right = Rect { x, width: body.right() - x, ..body };
        self.split = Some(x);
        self.places = vec![Place { pane: Pane::Main, area: list, tabs: &[] }];
        if body.height < STACKED {
            self.places.push(Place { pane: Self::open_tab(app), area: right, tabs: &RIGHT });
            return;
        }
        // Three thirds of what the four lines leave; the rows that are over go to the environment, then to DNS.
        let rows = right.height - 4;
        let mut y = right.y;
        for (pane, extra) in [(Pane::Endpoints, 0), (Pane::Dns, 1), (Pane::Environment, 2)] {
            let height = (rows + extra) / 3 + 2;
            self.places.push(Place { pane, area: Rect { y, height, ..right }, tabs: &[] });
            y += height - 1;
        }
    }
}

/// A share in 1/1000.
fn share(of: u16, share: u16) -> u16 {
    u16::try_from(u32::from(of) * u32::from(share) / 1000).unwrap_or(of)
}

/// Name of a pane; the main one is called after what it lists.
fn name(app: &App, pane: Pane) -> &'static str {
    match (pane, app.view) {
        (Pane::Main, MainView::Pods) => "Pods",
        (Pane::Endpoints, MainView::Pods) => "Services",
        _ => pane.title(),
    }
}

/// The title of a pane, or the tabs of the panes that share its place, in the upper border.
pub(super) fn title(pen: &mut Pen<'_>, app: &App, place: &Place) {
    let focused = place.pane == app.focus;
    let role = if focused { Role::TitleFocused } else { Role::Title };
    let (about, remark) = about(pen, app, place.pane);
    if place.tabs.is_empty() {
        let mut spans = Spans::of(role, name(app, place.pane));
        spans.0.extend(about.0);
        frame::title(pen, place.area, &spans, &remark);
        return;
    }
    let mut spans = Spans::new();
    let mut ends = Vec::new();
    for tab in place.tabs {
        if !spans.is_empty() {
            spans.push(Role::Border, format!(" {} ", pen.glyph(Glyph::Bar)));
        }
        let from = spans.width();
        if *tab == place.pane {
            spans.push(if focused { role } else { Role::Accent }, name(app, *tab));
            spans.0.extend(about.0.iter().cloned());
        } else {
            spans.push(Role::Dim, name(app, *tab));
        }
        ends.push((*tab, from, spans.width()));
    }
    let room = frame::title(pen, place.area, &spans, &remark);
    for (tab, from, to) in ends {
        let (from, to) = (u16::try_from(from).unwrap_or(u16::MAX), u16::try_from(to).unwrap_or(u16::MAX));
        // One blank stands before the first title.
        let x = room.x.saturating_add(from).saturating_add(1);
        let area = Rect { x, width: to - from, ..room }.intersection(room);
        pen.region(area, Target::Pane(tab));
    }
}

/// What stands behind the name of a pane, and the remark at the right end.
fn about(pen: &mut Pen<'_>, app: &App, pane: Pane) -> (Spans<'static>, Spans<'static>) {
    match pane {
        Pane::Main => {
            let summary = Summary::of(app, list::kind(app));
            (list::about(app), loads::badge(pen, app, &summary))
        }
        Pane::Endpoints => (endpoints::about(app), badge(pen, app, Kind::EndpointSlice)),
        Pane::Dns => (dns::about(app), dns::remark(app)),
        Pane::Environment => (environment::about(pen, app), badge(pen, app, Kind::Pod)),
    }
}

/// The badge of a pane that follows the selection, while its watch is not simply live.
fn badge(pen: &mut Pen<'_>, app: &App, kind: Kind) -> Spans<'static> {
    let Some(subject) = &app.panes.subject else { return Spans::new() };
    let summary = Summary::in_namespace(app, kind, &subject.key().namespace);
    loads::badge(pen, app, &summary)
}

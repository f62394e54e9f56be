//! The main list, whatever it holds: headings, rows, selection, scroll mark, and its title.

use std::ops::Range;

use ratatui::layout::{Position, Rect};

use crate::app::cursor::Cursor;
use crate::app::{App, MainView, Pane, Target};
use crate::config::theme::Role;
use crate::model::target::TargetKind;
use crate::model::{Kind, ObjectKey};

use super::loads::Summary;
use super::widgets::frame;
use super::widgets::glyph::Glyph;
use super::widgets::pen::Pen;
use super::widgets::spans::Spans;
use super::{face, pods, services, sessions};

/// Columns before the first one of a row: the pointer and a blank.
pub(super) const GUTTER: u16 = 2;

/// The kind that is listed.
pub(super) fn kind(app: &App) -> Kind {
    match app.view {
        MainView::Services => Kind::Service,
        MainView::Pods => Kind::Pod,
    }
}

/// How many there are, and by which filter.
pub(super) fn about(app: &App) -> Spans<'static> {
    let (shown, all) = match app.view {
        MainView::Services => (app.services.rows.len(), app.services.unfiltered),
        MainView::Pods => (app.pods.rows.len(), app.pods.unfiltered),
    };
    let filter = app.list_filter().text();
    if all == 0 && !Summary::of(app, kind(app)).known() {
        // Nothing is known, which is not the same as none.
        return Spans::new();
    }
    if filter.is_empty() {
        return Spans::of(Role::Text, format!(" {all}"));
    }
    Spans::of(Role::Text, format!(" {shown} of {all}"))
        .and(Role::Text, "  ")
        .and(Role::Match, format!("/{filter}"))
}

/// Draws the list into its pane.
pub(super) fn draw(pen: &mut Pen<'_>, app: &App, area: Rect, inner: Rect) {
    let (len, failed) = match app.view {
        MainView::Services => (app.services.rows.len(), app.services.filter_error.is_some()),
        MainView::Pods => (app.pods.rows.len(), app.pods.filter_error.is_some()),
    };
    let heading = u16::from(inner.height > 2);
    let rows = Rect { y: inner.y + heading, height: inner.height - heading, ..inner };
    pen.drawn.viewport.rows[Pane::Main.index()] = usize::from(rows.height);
    if len == 0 && !(failed && app.filtering) {
        return face::list(pen, app, inner);
    }
    let heading = Rect { height: heading, ..inner };
    match app.view {
        MainView::Services => services::draw(pen, app, heading, rows),
        MainView::Pods => pods::draw(pen, app, heading, rows),
    }
    let offset = match app.view {
        MainView::Services => visible(&app.services.cursor, len, rows).start,
        MainView::Pods => visible(&app.pods.cursor, len, rows).start,
    };
    let role = if app.focus == Pane::Main { Role::BorderFocused } else { Role::Border };
    frame::thumb(pen, area, rows, offset, len, role);
}

/// The rows that are visible. What the state remembers of the size may be a frame old: the selection is kept in
/// sight whatever it says.
pub(super) fn visible<K: Clone + PartialEq>(cursor: &Cursor<K>, len: usize, rows: Rect) -> Range<usize> {
    let page = usize::from(rows.height);
    let last = len.saturating_sub(page);
    let selected = cursor.index().min(len.saturating_sub(1));
    let least = (selected + 1).saturating_sub(page);
    let from = cursor.offset().min(last).max(least).min(selected);
    from..(from + page).min(len)
}

/// Prepares one row: its look, its pointer, and that the mouse can hit it. The room for the cells.
pub(super) fn row(
    pen: &mut Pen<'_>,
    area: Rect,
    selected: bool,
    focused: bool,
    target: Target,
) -> (Rect, Option<Role>) {
    pen.region(area, target);
    let look = selected.then_some(if focused { Role::Selection } else { Role::SelectionIdle });
    if let Some(look) = look {
        pen.paint(area, look);
        let style = pen.style(look);
        pen.put(Position::new(area.x, area.y), 1, pen.glyph(Glyph::Pointer), style);
    }
    let indent = GUTTER.min(area.width);
    (Rect { x: area.x + indent, width: area.width - indent, ..area }, look)
}

/// The row of an object of the main list.
pub(super) fn object_row(
    pen: &mut Pen<'_>,
    app: &App,
    area: Rect,
    selected: bool,
    key: &ObjectKey,
) -> (Rect, Option<Role>) {
    let (room, look) = row(pen, area, selected, app.focus == Pane::Main, Target::Row(key.clone()));
    let kind = match app.view {
        MainView::Services => TargetKind::Service,
        MainView::Pods => TargetKind::Pod,
    };
    let mut here = app.sessions.running().filter(|f| {
        let target = &f.spec.target;
        target.kind == kind && target.name == key.name && target.namespace == key.namespace
    });
    if let Some(forward) = here.next()
        && area.width > GUTTER
    {
        let (role, _) = sessions::mark(&forward.state);
        let style = pen.style(look.unwrap_or(role));
        pen.put(Position::new(area.x + 1, area.y), 1, pen.glyph(Glyph::Forward), style);
    }
    (room, look)
}

/// Whether objects of more than one namespace may be in the list.
pub(super) fn several_namespaces(app: &App) -> bool {
    app.scope.as_ref().is_none_or(|s| s.single().is_none())
}

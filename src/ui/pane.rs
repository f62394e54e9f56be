//! What the right-hand panes have in common: rows with a selection, a foot that says all about the selected row, and
//! findings in plain words.

use ratatui::layout::{Position, Rect};

use crate::app::{App, Pane, Target};
use crate::config::theme::Role;
use crate::model::{Finding, Severity};

use super::list;
use super::widgets::frame;
use super::widgets::glyph::Glyph;
use super::widgets::pen::Pen;
use super::widgets::spans::Spans;
use super::widgets::text::wrap;

/// Columns before a row: the pointer.
pub(super) const GUTTER: u16 = 1;
/// Rows of the foot: a gap and two lines.
const FOOT: u16 = 3;
/// A pane lower than this has no foot.
const WITH_FOOT: u16 = 7;

/// Draws the visible rows of a pane: `draw` gets the room of each behind the pointer, its index and its look.
/// Returns the room that is left below.
pub(super) fn rows(
    pen: &mut Pen<'_>,
    app: &App,
    pane: Pane,
    place: Rect,
    area: Rect,
    mut draw: impl FnMut(&mut Pen<'_>, Rect, usize, Option<Role>),
) -> Rect {
    let len = app.panes.len(pane);
    let cursor = app.panes.cursor(pane);
    let focused = app.focus == pane;
    pen.drawn.viewport.rows[pane.index()] = usize::from(area.height);
    let visible = list::visible(cursor, len, area);
    let (from, shown) = (visible.start, visible.len());
    for (row, at) in area.rows().zip(visible) {
        pen.region(row, Target::PaneRow(pane, at));
        // A selection that keys do not move says nothing: only the focused pane shows its own.
        let look = (focused && at == cursor.index()).then_some(Role::Selection);
        if let Some(look) = look {
            pen.paint(row, look);
            let style = pen.style(look);
            pen.put(Position::new(row.x, row.y), 1, pen.glyph(Glyph::Pointer), style);
        }
        let gutter = GUTTER.min(row.width);
        draw(pen, Rect { x: row.x + gutter, width: row.width - gutter, ..row }, at, look);
    }
    let role = if focused { Role::BorderFocused } else { Role::Border };
    frame::thumb(pen, place, area, from, len, role);
    let used = u16::try_from(shown).unwrap_or(area.height).min(area.height);
    Rect { y: area.y + used, height: area.height - used, ..area }
}

/// Takes the foot off a pane, where the pane has the focus and is high enough. It is there whether it has something
/// to say or not, so that the rows stand still.
pub(super) fn foot(app: &App, pane: Pane, inner: Rect) -> (Rect, Option<Rect>) {
    if app.focus != pane || inner.height < WITH_FOOT {
        return (inner, None);
    }
    let rows = Rect { height: inner.height - FOOT, ..inner };
    (rows, Some(Rect { y: rows.bottom() + 1, height: FOOT - 1, ..inner }))
}

/// Writes prose into the foot.
pub(super) fn foot_text(pen: &mut Pen<'_>, foot: Option<Rect>, text: &str) {
    let Some(foot) = foot.filter(|f| f.width > 4) else { return };
    let columns = usize::from(foot.width - 2);
    let lines = wrap(&crate::model::text::clean(text), columns);
    let last = usize::from(foot.height) - 1;
    for (at, row) in foot.rows().enumerate() {
        let row = Rect { x: row.x + 1, width: row.width - 2, ..row };
        // What does not fit into the last line is cut there.
        let line =
            if at == last { lines.get(at..).map(|rest| rest.join(" ")) } else { lines.get(at).cloned() };
        pen.spans(row, &Spans::of(Role::Dim, line.unwrap_or_default()), None);
    }
}

/// Takes `rows` rows off the top.
pub(super) fn below(area: Rect, rows: u16) -> Rect {
    let rows = rows.min(area.height);
    Rect { y: area.y + rows, height: area.height - rows, ..area }
}

/// A finding in plain words: what, what we saw, what to do.
pub(super) fn finding(pen: &Pen<'_>, finding: &Finding, columns: usize) -> Vec<Spans<'static>> {
    let (role, glyph) = match finding.severity {
        Severity::Error => (Role::Bad, Glyph::Cross),
        Severity::Warning => (Role::Warn, Glyph::Warn),
        Severity::Info => (Role::Info, Glyph::Info),
    };
    let mut lines = Vec::new();
    let clean = |text: &str| crate::model::text::clean(text).into_owned();
    let mut set = |mark: &str, text: &str, indent: usize, mark_role: Role, text_role: Role| {
        let room = columns.saturating_sub(indent + 2).max(8);
        for (at, line) in wrap(&clean(text), room).into_iter().enumerate() {
            let mark = if at == 0 { mark } else { " " };
            let lead = format!("{}{mark} ", " ".repeat(indent));
            lines.push(Spans::of(mark_role, lead).and(text_role, line));
        }
    };
    set(pen.glyph(glyph), &finding.message, 0, role, Role::Text);
    for evidence in &finding.evidence {
        set(pen.glyph(Glyph::Dot), evidence, 2, Role::Dim, Role::Dim);
    }
    if !finding.advice.is_empty() {
        set(pen.glyph(Glyph::Arrow), &finding.advice, 2, Role::Accent, Role::Text);
    }
    lines
}

/// All findings, a gap between two.
pub(super) fn findings(pen: &Pen<'_>, all: &[Finding], columns: usize) -> Vec<Spans<'static>> {
    let mut lines = Vec::new();
    for one in all {
        if !lines.is_empty() {
            lines.push(Spans::new());
        }
        lines.extend(finding(pen, one, columns));
    }
    lines
}

/// Draws lines with a blank at both sides.
pub(super) fn lines(pen: &mut Pen<'_>, area: Rect, lines: &[Spans<'_>]) {
    let area = Rect { x: area.x + area.width.min(1), width: area.width.saturating_sub(2), ..area };
    for (row, line) in area.rows().zip(lines) {
        pen.spans(row, line, None);
    }
}

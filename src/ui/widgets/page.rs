//! Boxes over the panes, and pages of lines that scroll.

use ratatui::layout::Rect;

use crate::app::Target;
use crate::config::theme::Role;

use super::frame;
use super::pen::Pen;
use super::spans::Spans;

/// Opens a box in the middle of `area`: blank, bordered, titled. The room inside.
pub(in crate::ui) fn open(pen: &mut Pen<'_>, area: Rect, columns: u16, rows: u16, title: &Spans<'_>) -> Rect {
    let columns = columns.saturating_add(4).min(area.width);
    let rows = rows.saturating_add(2).min(area.height);
    let place = Rect {
        x: area.x + (area.width - columns) / 2,
        // A little above the middle is where the eye looks for it.
        y: area.y + (area.height - rows) / 3,
        width: columns,
        height: rows,
    };
    // A blank at both sides keeps what lies below from being read into it.
    pen.clear(
        Rect { x: place.x.saturating_sub(1), width: place.width.saturating_add(2), ..place }
            .intersection(area),
    );
    pen.region(place, Target::Overlay);
    frame::borders(pen, &[place], Some(0));
    frame::title(pen, place, title, &Spans::new());
    let inner = frame::inner(place);
    if frame::bordered(place) { Rect { x: inner.x + 1, width: inner.width - 2, ..inner } } else { inner }
}

/// The first line that can be shown at the top when `len` lines are shown in `rows`.
pub(in crate::ui) fn clamp(offset: usize, len: usize, rows: u16) -> usize {
    offset.min(len.saturating_sub(usize::from(rows)))
}

/// Draws lines from an offset on (an offset beyond the end is clamped), with the scroll mark on the border around
/// `inner`.
pub(in crate::ui) fn lines(pen: &mut Pen<'_>, inner: Rect, lines: &[Spans<'_>], offset: usize) {
    let offset = clamp(offset, lines.len(), inner.height);
    for (row, line) in inner.rows().zip(lines.iter().skip(offset)) {
        pen.spans(row, line, None);
    }
    let around = Rect {
        x: inner.x.saturating_sub(2),
        y: inner.y.saturating_sub(1),
        width: inner.width.saturating_add(4),
        height: inner.height.saturating_add(2),
    };
    frame::thumb(pen, around, inner, offset, lines.len(), Role::BorderFocused);
}

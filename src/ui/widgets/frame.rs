//! Borders that neighbours share, titles in them, and the mark on the right border that tells how far a list is
//! scrolled.

use std::collections::BTreeMap;

use ratatui::layout::{Position, Rect};

use crate::config::theme::Role;

use super::glyph::{Glyph, joint, side};
use super::pen::Pen;
use super::spans::Spans;

/// The smallest area that has a border around it; below, the room is worth more than the line.
const LEAST: (u16, u16) = (12, 4);

/// Whether an area is big enough for a border.
pub(in crate::ui) fn bordered(area: Rect) -> bool {
    area.width >= LEAST.0 && area.height >= LEAST.1
}

/// The room inside: without border the first row is the title's, as long as there is a second one.
pub(in crate::ui) fn inner(area: Rect) -> Rect {
    if bordered(area) {
        Rect::new(area.x + 1, area.y + 1, area.width - 2, area.height - 2)
    } else if area.height > 1 {
        Rect::new(area.x, area.y + 1, area.width, area.height - 1)
    } else {
        area
    }
}

/// Draws the borders of areas that may share edges; the focused one's last, so that it is whole.
pub(in crate::ui) fn borders(pen: &mut Pen<'_>, areas: &[Rect], focused: Option<usize>) {
    let mut cells: BTreeMap<(u16, u16), u8> = BTreeMap::new();
    for area in areas.iter().filter(|a| bordered(**a)) {
        let (last_x, last_y) = (area.right() - 1, area.bottom() - 1);
        for (x, y) in edge(*area) {
            let (flat, upright) = (y == area.y || y == last_y, x == area.x || x == last_x);
            let sides = cells.entry((x, y)).or_default();
            for (side, there) in [
                (side::LEFT, flat && x > area.x),
                (side::RIGHT, flat && x < last_x),
                (side::UP, upright && y > area.y),
                (side::DOWN, upright && y < last_y),
            ] {
                *sides |= if there { side } else { 0 };
            }
        }
    }
    let style = pen.style(Role::Border);
    for ((x, y), sides) in cells {
        pen.put(Position::new(x, y), 1, joint(sides, pen.look.ascii), style);
    }
    if let Some(area) = focused.and_then(|f| areas.get(f)).filter(|a| bordered(**a)) {
        for (x, y) in edge(*area) {
            pen.paint(Rect::new(x, y, 1, 1), Role::BorderFocused);
        }
    }
}

/// The cells of a border.
fn edge(area: Rect) -> impl Iterator<Item = (u16, u16)> {
    let rows = [area.y, area.bottom() - 1]
        .into_iter()
        .flat_map(move |y| (area.left()..area.right()).map(move |x| (x, y)));
    let columns = [area.x, area.right() - 1]
        .into_iter()
        .flat_map(move |x| (area.top() + 1..area.bottom() - 1).map(move |y| (x, y)));
    rows.chain(columns)
}

/// Writes a title into the upper border and a remark at its right end. The room that the title took.
pub(in crate::ui) fn title(pen: &mut Pen<'_>, area: Rect, left: &Spans<'_>, right: &Spans<'_>) -> Rect {
    let row = if bordered(area) {
        Rect::new(area.x + 1, area.y, area.width - 2, 1)
    } else if area.height > 1 {
        Rect::new(area.x, area.y, area.width, 1)
    } else {
        return Rect::ZERO;
    };
    let mut room = row;
    if !right.is_empty() {
        // A remark tells that something is wrong: it takes at most half of the line, and the title the rest.
        let wide = u16::try_from(right.width() + 2).unwrap_or(u16::MAX).min(row.width / 2);
        let place = Rect::new(row.right() - wide, row.y, wide, 1);
        padded(pen, place, right);
        room.width -= wide;
    }
    let used = padded(pen, room, left);
    Rect::new(row.x, row.y, used, 1)
}

/// Spans with a blank on both sides.
fn padded(pen: &mut Pen<'_>, room: Rect, spans: &Spans<'_>) -> u16 {
    if room.width < 3 || spans.is_empty() {
        return 0;
    }
    // The look of the line must not show through.
    let wide = u16::try_from(spans.width() + 2).unwrap_or(u16::MAX).min(room.width);
    pen.clear(Rect { width: wide, ..room });
    pen.spans(Rect { x: room.x + 1, width: wide - 2, ..room }, spans, None) + 2
}

/// Marks on the right border which part of a list of `len` rows is visible. Nothing where all of it is.
pub(in crate::ui) fn thumb(pen: &mut Pen<'_>, area: Rect, rows: Rect, offset: usize, len: usize, role: Role) {
    let page = usize::from(rows.height);
    if !bordered(area) || page == 0 || len <= page {
        return;
    }
    let size = (page * page / len).clamp(1, page);
    let last = len - page;
    let offset = offset.min(last);
    let free = page - size;
    // Only the very ends touch the ends: a reader sees at once that there is more.
    let start = match offset {
        0 => 0,
        o if o == last => free,
        o => (o * free / last).clamp(1, free.saturating_sub(1).max(1)).min(free),
    };
    let symbol = pen.glyph(Glyph::Thumb);
    let style = pen.style(role);
    for row in start..start + size {
        let y = rows.y + u16::try_from(row).unwrap_or(0);
        pen.put(Position::new(area.right() - 1, y), 1, symbol, style);
    }
}

//! A line that is being typed, scrolled so that its cursor is visible.

use ratatui::layout::{Position, Rect};

use crate::app::Line;
use crate::config::theme::Role;

use super::pen::Pen;
use super::text::{skip, width};

/// Draws the line in one row. The terminal's own cursor stands where the next character goes.
pub(in crate::ui) fn draw(pen: &mut Pen<'_>, row: Rect, line: &Line) {
    if row.is_empty() {
        return;
    }
    let at = line.text().char_indices().nth(line.cursor()).map_or(line.text().len(), |(i, _)| i);
    let before = width(&line.text()[..at]);
    // One column stays for the cursor behind the last character.
    let scroll = (before + 1).saturating_sub(usize::from(row.width));
    let style = pen.style(Role::Input);
    let shown = skip(line.text(), scroll);
    // A wide character that was torn by the scrolling is left out: what follows begins a column later.
    let hidden = width(line.text()) - width(shown);
    pen.put(row.as_position(), row.width, shown, style);
    let x = row.x + u16::try_from(before - hidden.min(before)).unwrap_or(0).min(row.width - 1);
    pen.drawn.cursor = Some(Position::new(x, row.y));
}

//! What lies over the panes.

use ratatui::layout::Rect;

use crate::app::{App, Overlay};
use crate::config::theme::Role;

use super::widgets::page;
use super::widgets::pen::Pen;
use super::widgets::spans::Spans;
use super::widgets::text::wrap;
use super::{access, answers, confirm, detail, help, picker, sessions};

/// Draws one; the topmost is drawn last.
pub(super) fn draw(pen: &mut Pen<'_>, app: &App, overlay: &Overlay, body: Rect) {
    match overlay {
        Overlay::Help { offset } => help::draw(pen, body, *offset),
        Overlay::Picker(picker) => picker::draw(pen, app, picker, body),
        Overlay::Detail { offset } => detail::draw(pen, app, body, *offset),
        Overlay::Lookup { offset } => answers::lookup(pen, app, body, *offset),
        Overlay::Doctor { offset } => answers::doctor(pen, app, body, *offset),
        Overlay::Access { offset } => access::draw(pen, app, body, *offset),
        Overlay::Sessions => sessions::draw(pen, app, body),
        Overlay::Confirm(confirm) => confirm::draw(pen, confirm, body),
        Overlay::Missing { offset } => detail::environment::missing(pen, app, body, *offset),
        Overlay::Text { title, lines, offset } => text(pen, body, title, lines, *offset),
    }
}

/// Text to select with the terminal's own means: no mark, no colour, nothing cut.
fn text(pen: &mut Pen<'_>, body: Rect, title: &str, lines: &[String], offset: usize) {
    let columns = usize::from(body.width.saturating_sub(6)).max(1);
    let set: Vec<_> = lines.iter().flat_map(|l| wrap(l, columns)).map(|l| Spans::of(Role::Text, l)).collect();
    let widest = set.iter().map(Spans::width).max().unwrap_or(0).max(title.len());
    let title = Spans::of(Role::TitleFocused, title.to_owned());
    let (columns, rows) = (size(widest), size(set.len()));
    show(pen, body, columns, rows, &title, &set, offset);
}

/// A page of lines in a box.
pub(super) fn show(
    pen: &mut Pen<'_>,
    body: Rect,
    columns: u16,
    rows: u16,
    title: &Spans<'_>,
    lines: &[Spans<'_>],
    offset: usize,
) {
    let inner = page::open(pen, body, columns, rows, title);
    pen.drawn.viewport.overlay_rows = usize::from(inner.height);
    pen.drawn.viewport.overlay_end = lines.len().saturating_sub(usize::from(inner.height));
    page::lines(pen, inner, lines, offset);
}

/// A length as a size on the screen.
pub(super) fn size(length: usize) -> u16 {
    u16::try_from(length).unwrap_or(u16::MAX)
}

//! The question before something is changed: what would happen, and how to agree.

use ratatui::layout::Rect;

use crate::app::{Action, Confirm, Mode};
use crate::config::theme::Role;
use crate::model::text::clean;

use super::overlay::size;
use super::widgets::glyph::Glyph;
use super::widgets::pen::Pen;
use super::widgets::spans::Spans;
use super::widgets::text::wrap;
use super::widgets::{input, page};

/// Columns that the question wants.
const COLUMNS: u16 = 90;

pub(super) fn draw(pen: &mut Pen<'_>, confirm: &Confirm, body: Rect) {
    let columns = COLUMNS.min(body.width.saturating_sub(4)).max(1);
    let lines: Vec<Spans<'static>> = confirm
        .lines
        .iter()
        .flat_map(|line| wrap(&clean(line), usize::from(columns)))
        .map(|line| Spans::of(Role::Text, line))
        .collect();
    let rows = size(lines.len()).saturating_add(2);
    let title = Spans::of(Role::Warn, format!("{} ", pen.glyph(Glyph::Warn)))
        .and(Role::TitleFocused, confirm.title.clone());
    let inner = page::open(pen, body, columns, rows, &title);
    if inner.is_empty() {
        return;
    }
    let text = Rect { height: inner.height.saturating_sub(2), ..inner };
    pen.drawn.viewport.overlay_rows = usize::from(text.height);
    pen.drawn.viewport.overlay_end = lines.len().saturating_sub(usize::from(text.height));
    page::lines(pen, text, &lines, confirm.offset);
    let ask = Rect { y: inner.bottom() - 1, height: 1, ..inner };
    let key = |action| {
        let mode = if confirm.word.is_some() { Mode::Input } else { Mode::Menu };
        pen.look.key(mode, action).unwrap_or_default()
    };
    let (yes, no) = (key(Action::Accept), key(Action::Back));
    let Some(word) = confirm.word else {
        let spans = Spans::of(Role::Key, yes)
            .and(Role::Text, " do it   ")
            .and(Role::Key, no)
            .and(Role::Text, " leave it");
        pen.spans(ask, &spans, None);
        return;
    };
    let spans = Spans::of(Role::Text, format!("Type {word} and press {yes}: "));
    let used = pen.spans(ask, &spans, None);
    let line = Rect { x: ask.x + used, width: ask.width.saturating_sub(used), ..ask };
    input::draw(pen, line, &confirm.line);
}

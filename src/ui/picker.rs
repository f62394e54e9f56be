//! Pickers: a line to type in, the entries that match, marks where several can be chosen.
//!
//! ```text
//! ╭ Namespaces ────────────────────────╮
//! │ › sh▏                       2 of 9 │
//! │ ▸ ✓ shop               14 Services │
//! │     shop-staging        3 Services │
//! ╰────────────────────────────────────╯
//! ```

use ratatui::layout::{Position, Rect};

use crate::app::profiles::ProfileUse;
use crate::app::{App, Choice, Entry, Mode, Picker, PickerKind, Target};
use crate::config::theme::Role;

use super::overlay::size;
use super::widgets::glyph::Glyph;
use super::widgets::page;
use super::widgets::pen::Pen;
use super::widgets::spans::Spans;
use super::widgets::text::{Cut, fit, width};
use super::widgets::{frame, input};

/// The widest label that decides on the width of the box.
const LABEL: usize = 48;
/// The widest remark that does.
const NOTE: usize = 60;
/// Where the labels leave less than this for the remarks, each remark stands right behind its own label.
const NOTE_LEAST: usize = 14;
/// More rows than this are scrolled, however big the screen is.
const ROWS: usize = 20;

pub(super) fn draw(pen: &mut Pen<'_>, app: &App, picker: &Picker, body: Rect) {
    // The size is that of all entries, so that the box stands still while a person types.
    let label = picker.entries.iter().map(|e| width(&e.label)).max().unwrap_or(0).min(LABEL);
    let note = picker.entries.iter().map(|e| note(pen, e).len()).max().unwrap_or(0).min(NOTE);
    let columns = size(label + note + 6).max(40);
    let rows = size(picker.entries.len().min(ROWS) + 1);
    let inner = page::open(pen, body, columns, rows, &Spans::of(Role::TitleFocused, picker.kind.title()));
    let Some(line) = inner.rows().next() else { return };
    typed(pen, picker, line);
    let list = Rect { y: inner.y + 1, height: inner.height - 1, ..inner };
    pen.drawn.viewport.overlay_rows = usize::from(list.height);
    if picker.shown.is_empty() {
        let told = match picker.kind {
            PickerKind::Namespaces => "Enter looks at what is typed: NAME or NAME,NAME",
            PickerKind::Resolve => "Enter looks up what is typed: NAME [TYPE] [@NAMESPACE/POD] [glibc|musl]",
            PickerKind::Profile(ProfileUse::Save) => "Enter keeps the running forwards under this name",
            PickerKind::Ports => "Enter forwards what is typed: [LOCAL:]REMOTE…",
            _ => "nothing matches",
        };
        pen.spans(list, &Spans::of(Role::Dim, format!("  {told}")), None);
        return;
    }
    let page = usize::from(list.height);
    let offset = page::clamp(picker.offset, picker.shown.len(), list.height)
        .max((picker.selected + 1).saturating_sub(page))
        .min(picker.selected);
    for (row, at) in list.rows().zip(offset..picker.shown.len()) {
        if let Some(shown) = picker.entries.get(picker.shown[at]) {
            entry(pen, app, picker, shown, row, at, label);
        }
    }
    let around = Rect {
        x: inner.x.saturating_sub(2),
        width: inner.width + 4,
        y: inner.y.saturating_sub(1),
        height: inner.height + 2,
    };
    frame::thumb(pen, around, list, offset, picker.shown.len(), Role::BorderFocused);
}

/// The line with how many entries are left.
fn typed(pen: &mut Pen<'_>, picker: &Picker, row: Rect) {
    let count = format!("{} of {}", picker.shown.len(), picker.entries.len());
    let wide = size(count.len()).min(row.width / 3);
    let style = pen.style(Role::Key);
    let prompt = pen.put(row.as_position(), row.width, pen.glyph(Glyph::Crumb), style) + 1;
    let room = row.width.saturating_sub(prompt + wide + 1);
    input::draw(pen, Rect { x: row.x + prompt, width: room, ..row }, &picker.line);
    let style = pen.style(Role::Dim);
    pen.fitted(Position::new(row.right() - wide, row.y), wide, &count, Cut::End, style);
}

fn entry(pen: &mut Pen<'_>, app: &App, picker: &Picker, entry: &Entry, row: Rect, at: usize, label: usize) {
    pen.region(row, Target::Entry(at));
    let look = (at == picker.selected).then_some(Role::Selection);
    if let Some(look) = look {
        pen.paint(row, look);
    }
    let pointer = if look.is_some() { pen.glyph(Glyph::Pointer) } else { " " };
    let marked = match &entry.choice {
        Choice::Namespace(name) => picker.marked.contains(name),
        Choice::ForwardPorts(_) => picker.marked.contains(&*entry.label),
        _ => false,
    };
    let mark = match (marked, picker.kind) {
        (true, _) => pen.glyph(Glyph::Check),
        (false, _) if is_here(app, &entry.choice) => pen.glyph(Glyph::Ready),
        (false, _) => " ",
    };
    let ellipsis = pen.glyph(Glyph::Ellipsis);
    let spans = Spans::of(Role::Accent, pointer).and(Role::Ok, format!("{mark} "));
    let room = usize::from(row.width).saturating_sub(4);
    let text = crate::model::text::clean(&entry.label);
    let note = note(pen, entry);
    let beside = if note.is_empty() { 0 } else { width(&note).min(NOTE_LEAST) + 2 };
    let columns = if room < label + 2 + NOTE_LEAST {
        width(&text).min(room.saturating_sub(beside))
    } else {
        room.min(label)
    };
    let text = fit(&text, columns, Cut::Middle, ellipsis);
    let padding = " ".repeat(columns - width(&text) + 2);
    let spans = spans.and(Role::Name, text.into_owned()).and(Role::Text, padding).and(Role::Dim, note);
    pen.spans(row, &spans, look);
}

/// The remark behind an entry; an action's key belongs to it.
fn note(pen: &Pen<'_>, entry: &Entry) -> String {
    match &entry.choice {
        Choice::Action(action) => match pen.look.key(Mode::Browse, *action) {
            Some(key) if entry.label == action.name() => format!("{}  [{key}]", entry.note),
            _ => entry.note.clone(),
        },
        _ => entry.note.clone(),
    }
}

/// Whether an entry is what is in force now.
fn is_here(app: &App, choice: &Choice) -> bool {
    match choice {
        Choice::Context(name) => app.connection.identity.as_ref().is_some_and(|i| i.context == *name),
        Choice::Viewpoint(viewpoint) => app.viewpoint == *viewpoint,
        Choice::AllNamespaces => app.scope == Some(crate::model::NamespaceScope::All),
        Choice::Action(_)
        | Choice::Copy(_)
        | Choice::Export(_)
        | Choice::ForwardPorts(_)
        | Choice::Nothing
        | Choice::Profile(_)
        | Choice::Resolve(_)
        | Choice::Namespace(_) => false,
    }
}

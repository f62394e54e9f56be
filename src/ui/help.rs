//! The help page: every action with its keys, made from [`Action::ALL`] and the keymap, so that it can't be wrong.

use ratatui::layout::Rect;

use crate::app::action::Group;
use crate::app::{Action, Mode};
use crate::config::theme::Role;

use super::overlay::{self, size};
use super::widgets::glyph::Glyph;
use super::widgets::pen::Pen;
use super::widgets::spans::Spans;
use super::widgets::text::{width, wrap};

/// Columns of one column of the page.
const COLUMN: usize = 54;
/// Columns of the keys in front of each line.
const KEYS: usize = 13;
/// Between two columns of the page.
const GAP: usize = 3;

/// The marks that panes show, and what they mean.
const MARKS: [(Glyph, Role, &str); 13] = [
    (Glyph::Ready, Role::Ok, "endpoint ready: DNS and kube-proxy use it"),
    (Glyph::Partly, Role::Warn, "endpoint going away, still serving"),
    (Glyph::NotReady, Role::Warn, "endpoint not ready"),
    (Glyph::Ending, Role::Bad, "endpoint going away; not allowed; failed"),
    (Glyph::Unknown, Role::Dim, "not known (yet)"),
    (Glyph::Check, Role::Ok, "the container has the variable; the name works"),
    (Glyph::Cross, Role::Bad, "absent until a restart; the name does not work"),
    (Glyph::Doubt, Role::Warn, "the API can't tell"),
    (Glyph::Stale, Role::Warn, "changed since the container started"),
    (Glyph::Later, Role::Info, "comes with the next start"),
    (Glyph::Hidden, Role::Dim, "there, but its value can't be read"),
    (Glyph::Forward, Role::Ok, "forwarded to this computer"),
    (Glyph::Pointer, Role::Accent, "the selected row"),
];

pub(super) fn draw(pen: &mut Pen<'_>, body: Rect, offset: usize) {
    let room = usize::from(body.width.saturating_sub(6));
    let count = ((room + GAP) / (COLUMN + GAP)).clamp(1, 3);
    let columns = (COLUMN + GAP) * count - GAP;
    let columns = columns.min(room.max(1));
    let one = if count == 1 { columns } else { COLUMN };
    let lines = side_by_side(blocks(pen, one), count, one);
    let title = Spans::of(Role::TitleFocused, "Help");
    overlay::show(pen, body, size(columns), size(lines.len()), &title, &lines, offset);
}

/// The groups of actions, then the marks; each a block of lines that stays whole.
fn blocks(pen: &Pen<'_>, columns: usize) -> Vec<Vec<Spans<'static>>> {
    let mut blocks: Vec<_> = Group::ALL.iter().map(|group| block(pen, *group, columns)).collect();
    let mut marks = vec![Spans::of(Role::Accent, "Marks")];
    for (glyph, role, what) in MARKS {
        marks.push(Spans::of(role, format!("  {}  ", pen.glyph(glyph))).and(Role::Text, what));
    }
    blocks.push(marks);
    blocks
}

/// The keys of an action, as many as have room; without any, what the palette calls it.
fn keys(pen: &Pen<'_>, mode: Mode, action: Action) -> String {
    let mut text = String::new();
    for key in pen.look.keymap.all_for(mode, action, pen.look.ascii) {
        if text.is_empty() {
            text = key;
        } else if width(&text) + width(&key) < KEYS {
            text = format!("{text} {key}");
        }
    }
    if text.is_empty() { format!(":{}", action.name()) } else { text }
}

fn block(pen: &Pen<'_>, group: Group, columns: usize) -> Vec<Spans<'static>> {
    let mode = if group == Group::Type { Mode::Input } else { Mode::Browse };
    let mut lines = vec![Spans::of(Role::Accent, group.title())];
    for action in Action::ALL.iter().filter(|a| a.group() == group) {
        let text = keys(pen, mode, *action);
        let padding = " ".repeat(KEYS.saturating_sub(width(&text)));
        let indent = KEYS.max(width(&text));
        let help = wrap(action.help(), columns.saturating_sub(indent + 4).max(8));
        for (at, part) in help.into_iter().enumerate() {
            lines.push(match at {
                0 => Spans::of(Role::Key, format!("  {text}{padding}")).and(Role::Text, format!("  {part}")),
                _ => Spans::of(Role::Text, format!("{}{part}", " ".repeat(KEYS + 4))),
            });
        }
    }
    lines
}

/// Fills columns of about the same height with blocks, in order, a blank line between two blocks.
fn side_by_side(blocks: Vec<Vec<Spans<'static>>>, count: usize, columns: usize) -> Vec<Spans<'static>> {
    let all: usize = blocks.iter().map(|b| b.len() + 1).sum();
    let mut filled: Vec<Vec<Spans<'static>>> = vec![vec![]];
    for block in blocks {
        let full = filled.last().is_some_and(|c| !c.is_empty() && c.len() + block.len() / 2 > all / count);
        if full && filled.len() < count {
            filled.push(vec![]);
        }
        if let Some(column) = filled.last_mut() {
            if !column.is_empty() {
                column.push(Spans::new());
            }
            column.extend(block);
        }
    }
    let rows = filled.iter().map(Vec::len).max().unwrap_or(0);
    (0..rows)
        .map(|row| {
            let mut line = Spans::new();
            for (at, column) in filled.iter_mut().enumerate() {
                let padding = (at * (columns + GAP)).saturating_sub(line.width());
                line.push(Role::Text, " ".repeat(padding));
                if let Some(part) = column.get_mut(row) {
                    line.0.append(&mut part.0);
                }
            }
            line
        })
        .collect()
}

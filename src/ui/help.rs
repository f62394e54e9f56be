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
/// Between two columns of the page.
const GAP: usize = 3;

/// The marks that panes show, and what they mean.
const MARKS: [(Glyph, Role, &str); 12] = [
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
    let mut marks = vec![Spans::of(Role::Title, "Marks")];
    for (glyph, role, what) in MARKS {
        marks.push(Spans::of(role, format!("  {}  ", pen.glyph(glyph))).and(Role::Text, what));
    }
    blocks.push(marks);
    blocks
}

fn block(pen: &Pen<'_>, group: Group, columns: usize) -> Vec<Spans<'static>> {
    let mode = if group == Group::Type { Mode::Input } else { Mode::Browse };
    let rows: Vec<(String, Action)> = Action::ALL
        .iter()
        .filter(|a| a.group() == group)
        .map(|a| (pen.look.keymap.all_for(mode, *a, pen.look.ascii).join(" "), *a))
        .collect();
    let keys = rows.iter().map(|(keys, _)| width(keys)).max().unwrap_or(0).min(12);
    let mut lines = vec![Spans::of(Role::Title, group.title())];
    for (chord, action) in rows {
        let text = if chord.is_empty() { format!(":{}", action.name()) } else { chord };
        let indent = keys.max(width(&text));
        let padding = " ".repeat(indent - width(&text));
        let help = wrap(action.help(), columns.saturating_sub(indent + 4).max(8));
        for (at, part) in help.into_iter().enumerate() {
            lines.push(match at {
                0 => Spans::of(Role::Key, format!("  {text}{padding}")).and(Role::Text, format!("  {part}")),
                _ => Spans::of(Role::Text, format!("{}{part}", " ".repeat(keys + 4))),
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

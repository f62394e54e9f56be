//! Tables: columns that keep their place while rows scroll, and give way in a sensible order when room is scarce.

use std::borrow::Cow;

use ratatui::layout::Rect;

use crate::app::{Column as SortColumn, Target};
use crate::config::theme::Role;
use crate::model::text::clean;

use super::glyph::Glyph;
use super::pen::Pen;
use super::spans::Spans;
use super::text::{Cut, cut_points, fit, width};

/// Blanks between two columns.
pub(in crate::ui) const GAP: u16 = 2;

/// One column.
#[derive(Clone, Debug)]
pub(in crate::ui) struct Column {
    /// Heading.
    pub(in crate::ui) heading: &'static str,
    /// Columns that its widest cell takes.
    pub(in crate::ui) want: usize,
    /// It may be cut down to so many.
    pub(in crate::ui) least: usize,
    /// Numbers stand at the right.
    pub(in crate::ui) right: bool,
    /// Where long cells are cut.
    pub(in crate::ui) cut: Cut,
    /// The highest gives way first; those with 0 never do.
    pub(in crate::ui) gives_way: u8,
    /// What a press on the heading sorts by.
    pub(in crate::ui) sort: Option<SortColumn>,
}

impl Column {
    /// A column of text that is never cut and never gives way.
    pub(in crate::ui) fn new(heading: &'static str, want: usize) -> Self {
        let want = want.max(heading.len());
        Self { heading, want, least: want, right: false, cut: Cut::End, gives_way: 0, sort: None }
    }

    /// A column that has a number but no place.
    pub(in crate::ui) fn absent() -> Self {
        Self::new("", 0)
    }

    /// May be cut down to so many columns.
    pub(in crate::ui) fn least(mut self, least: usize, cut: Cut) -> Self {
        self.least = least.min(self.want);
        self.cut = cut;
        self
    }

    /// Gives way in this order, the highest first.
    pub(in crate::ui) fn gives_way(mut self, order: u8) -> Self {
        self.gives_way = order;
        self
    }

    /// Stands at the right.
    pub(in crate::ui) fn right(mut self) -> Self {
        self.right = true;
        self
    }

    /// Can be sorted by; room for the mark is kept.
    pub(in crate::ui) fn sort(mut self, column: SortColumn) -> Self {
        self.sort = Some(column);
        let room = self.heading.len() + 1;
        self.want = self.want.max(room);
        self.least = self.least.max(room);
        self
    }
}

/// One cell.
#[derive(Clone, Debug)]
pub(in crate::ui) struct Cell<'a> {
    text: Cow<'a, str>,
    role: Role,
    matched: &'a [u32],
}

impl<'a> Cell<'a> {
    /// A cell; the text is cleaned of control characters.
    pub(in crate::ui) fn new(role: Role, text: impl Into<Cow<'a, str>>) -> Self {
        let text = match text.into() {
            Cow::Borrowed(text) => clean(text),
            Cow::Owned(text) => Cow::Owned(clean(&text).into_owned()),
        };
        Self { text, role, matched: &[] }
    }

    /// With some of its characters found by a filter, if it is the cell that the filter looks at.
    pub(in crate::ui) fn matched_in(mut self, looked_at: bool, characters: &'a [u32]) -> Self {
        if looked_at {
            self.matched = characters;
        }
        self
    }
}

/// A column with its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    column: usize,
    width: u16,
}

/// Columns laid out in a row of a certain width.
#[derive(Clone, Debug)]
pub(in crate::ui) struct Layout {
    columns: Vec<Column>,
    places: Vec<Place>,
    frozen: usize,
    scroll: usize,
    aside: usize,
}

impl Layout {
    /// Lays columns out in `room`. Scrolled aside, no column gives way and the first `frozen` ones stay.
    pub(in crate::ui) fn new(columns: Vec<Column>, room: u16, frozen: usize, scroll: usize) -> Self {
        let mut kept: Vec<usize> = (0..columns.len()).filter(|i| columns[*i].want > 0).collect();
        let gaps = usize::from(GAP) * kept.len().saturating_sub(1);
        let all = columns.iter().map(|c| c.want).sum::<usize>() + gaps;
        let aside = all.saturating_sub(usize::from(room));
        let scroll = scroll.min(aside);
        if scroll > 0 {
            let places = kept.iter().map(|i| Place { column: *i, width: narrow(columns[*i].want) }).collect();
            return Self { columns, places, frozen, scroll, aside };
        }
        let needed = |kept: &[usize], size: &dyn Fn(&Column) -> usize| -> usize {
            kept.iter().map(|i| size(&columns[*i])).sum::<usize>()
                + usize::from(GAP) * kept.len().saturating_sub(1)
        };
        let mut dropped = Vec::new();
        while needed(&kept, &|c| c.least) > usize::from(room) {
            let Some(at) = (0..kept.len())
                .filter(|at| columns[kept[*at]].gives_way > 0)
                .max_by_key(|at| columns[kept[*at]].gives_way)
            else {
                break;
            };
            dropped.push(kept.remove(at));
        }
        // A wide column that had to go may leave room for a small one that went before it.
        for column in dropped.into_iter().rev() {
            let at = kept.partition_point(|k| *k < column);
            kept.insert(at, column);
            if needed(&kept, &|c| c.least) > usize::from(room) {
                kept.remove(at);
            }
        }
        let mut widths: Vec<usize> = kept.iter().map(|i| columns[*i].want).collect();
        let gaps = usize::from(GAP) * kept.len().saturating_sub(1);
        while widths.iter().sum::<usize>() + gaps > usize::from(room) {
            // The one that has most to give gives.
            let slack = |at: &usize| widths[*at].saturating_sub(columns[kept[*at]].least);
            match (0..kept.len()).max_by_key(slack).filter(|at| slack(at) > 0) {
                Some(at) => widths[at] -= 1,
                None => break,
            }
        }
        let places =
            kept.into_iter().zip(widths).map(|(column, w)| Place { column, width: narrow(w) }).collect();
        Self { columns, places, frozen: 0, scroll, aside }
    }

    /// Whether a column is shown.
    pub(in crate::ui) fn shows(&self, column: usize) -> bool {
        self.places.iter().any(|p| p.column == column)
    }

    /// By how much it can be scrolled to the right.
    pub(in crate::ui) fn aside(&self) -> usize {
        self.aside
    }

    /// Columns that a column got; 0 where it is not shown.
    pub(in crate::ui) fn width(&self, column: usize) -> usize {
        self.places.iter().find(|p| p.column == column).map_or(0, |p| usize::from(p.width))
    }

    /// Draws the headings, with the mark at the one that the list is sorted by.
    pub(in crate::ui) fn headings(&self, pen: &mut Pen<'_>, area: Rect, sorted: Option<(SortColumn, bool)>) {
        let mut x = area.x;
        let mut cells = Vec::new();
        for place in &self.places {
            let column = &self.columns[place.column];
            let (text, role) = match sorted {
                Some((by, reverse)) if column.sort == Some(by) => {
                    let mark = pen.glyph(if reverse { Glyph::Down } else { Glyph::Up });
                    (format!("{}{mark}", column.heading), Role::Accent)
                }
                _ => (column.heading.to_owned(), Role::Heading),
            };
            cells.push(Cell::new(role, text));
            if let (Some(sort), 0) = (column.sort, self.scroll) {
                pen.region(Rect::new(x, area.y, place.width, 1).intersection(area), Target::Heading(sort));
            }
            x = x.saturating_add(place.width + GAP);
        }
        self.draw(pen, area, &cells, None);
    }

    /// Draws one row: `cell` gives what stands in a column, by its index.
    pub(in crate::ui) fn row<'c>(
        &self,
        pen: &mut Pen<'_>,
        area: Rect,
        row: Option<Role>,
        mut cell: impl FnMut(usize) -> Cell<'c>,
    ) {
        let cells: Vec<_> = self.places.iter().map(|p| cell(p.column)).collect();
        self.draw(pen, area, &cells, row);
    }

    fn draw(&self, pen: &mut Pen<'_>, area: Rect, cells: &[Cell<'_>], row: Option<Role>) {
        let ellipsis = pen.glyph(Glyph::Ellipsis);
        let mut parts = [Spans::new(), Spans::new()];
        for (at, (place, cell)) in self.places.iter().zip(cells).enumerate() {
            let spans = &mut parts[usize::from(at >= self.frozen)];
            let last = at + 1 == self.places.len();
            self.cell(spans, *place, cell, ellipsis, last);
        }
        let [still, moving] = &parts;
        let used = pen.spans(area, still, row);
        let rest = Rect { x: area.x + used, width: area.width - used, ..area };
        pen.spans_from(rest, moving, row, self.scroll);
    }

    /// One cell, padded to its width.
    fn cell(&self, spans: &mut Spans<'_>, place: Place, cell: &Cell<'_>, ellipsis: &str, last: bool) {
        let column = &self.columns[place.column];
        let columns = usize::from(place.width);
        let used = width(&cell.text).min(columns);
        let padding = columns - used;
        if column.right {
            spans.push(Role::Text, " ".repeat(padding));
        }
        if cell.matched.is_empty() {
            spans.push(cell.role, fit(&cell.text, columns, column.cut, ellipsis).into_owned());
        } else {
            highlighted(spans, cell, columns, column.cut, ellipsis);
        }
        let behind = usize::from(GAP) + if column.right { 0 } else { padding };
        if !last {
            spans.push(Role::Text, " ".repeat(behind));
        }
    }
}

fn narrow(columns: usize) -> u16 {
    u16::try_from(columns).unwrap_or(u16::MAX)
}

/// The cell's text with the matched characters set apart, cut where it is too long.
fn highlighted(spans: &mut Spans<'_>, cell: &Cell<'_>, columns: usize, cut: Cut, ellipsis: &str) {
    let text = &*cell.text;
    let (head, tail) = cut_points(text, columns, cut).unwrap_or((text.len(), text.len()));
    let mut run = String::new();
    let mut run_role = cell.role;
    for (number, (at, c)) in text.char_indices().enumerate() {
        if at >= head && at < tail {
            if at == head {
                spans.push(run_role, std::mem::take(&mut run));
                spans.push(cell.role, ellipsis.to_owned());
            }
            continue;
        }
        let hit = u32::try_from(number).is_ok_and(|n| cell.matched.binary_search(&n).is_ok());
        let role = if hit { Role::Match } else { cell.role };
        if role != run_role {
            spans.push(run_role, std::mem::take(&mut run));
            run_role = role;
        }
        run.push(c);
    }
    spans.push(run_role, run);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns() -> Vec<Column> {
        vec![
            Column::new("NAME", 30).least(10, Cut::Middle),
            Column::new("TYPE", 12).gives_way(2),
            Column::new("EXTERNAL-IP", 15).least(11, Cut::End).gives_way(3),
            Column::new("EP", 4).right(),
        ]
    }

    fn shown(room: u16) -> Vec<(usize, u16)> {
        Layout::new(columns(), room, 1, 0).places.iter().map(|p| (p.column, p.width)).collect()
    }

    #[test]
    fn columns_shrink_first_and_give_way_then() {
        assert_eq!(shown(80), [(0, 30), (1, 12), (2, 15), (3, 4)]);
        assert_eq!(shown(60), [(0, 23), (1, 12), (2, 15), (3, 4)]);
        assert_eq!(shown(43), [(0, 10), (1, 12), (2, 11), (3, 4)]);
        assert_eq!(shown(42), [(0, 22), (1, 12), (3, 4)]);
        assert_eq!(shown(20), [(0, 14), (3, 4)]);
        let mut small = columns();
        small.insert(3, Column::new("AGE", 6).right().gives_way(5));
        let places = Layout::new(small, 26, 1, 0).places;
        assert_eq!(
            places.iter().map(|p| p.column).collect::<Vec<_>>(),
            [0, 3, 4],
            "TYPE and EXTERNAL-IP make room for AGE"
        );
        assert_eq!(shown(0), [(0, 10), (3, 4)], "the row clips what does not fit");
    }

    #[test]
    fn matches_are_kept_where_the_middle_is_cut() {
        let cell = Cell::new(Role::Name, "abcdefghij").matched_in(true, &[0, 1, 5, 9]);
        let mut spans = Spans::new();
        highlighted(&mut spans, &cell, 5, Cut::Middle, "…");
        let parts: Vec<_> = spans.0.iter().map(|s| (&*s.text, s.role)).collect();
        assert_eq!(parts, [("ab", Role::Match), ("…", Role::Name), ("i", Role::Name), ("j", Role::Match)]);
    }
}

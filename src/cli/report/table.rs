//! Aligned columns as kubectl's: three blanks between, no trailing ones (kubectl: `GetNewTabWriter`).

use crate::model::text::clean;
use unicode_width::UnicodeWidthStr;

/// The narrowest column, the blanks behind it included (kubectl: `tabwriterMinWidth`).
const NARROWEST: usize = 6;
/// Blanks behind a column (kubectl: `tabwriterPadding`).
const BETWEEN: usize = 3;

/// Rows of cells. Text from the cluster may be in them: it is cleaned when they are laid out.
#[derive(Debug, Default)]
pub struct Table {
    rows: Vec<Vec<String>>,
}

/// Widths of columns, kept from one batch of rows to the next so that a watch stays aligned.
#[derive(Debug, Default)]
pub struct Widths(Vec<usize>);

impl Table {
    /// Adds a row.
    pub fn push(&mut self, cells: impl IntoIterator<Item = impl AsRef<str>>) {
        self.rows.push(cells.into_iter().map(|c| clean(c.as_ref()).into_owned()).collect());
    }

    /// Lays the rows out. Columns are at least as wide as `widths` says, and it is told how wide they became.
    pub fn lay_out(&self, widths: &mut Widths) -> String {
        for row in &self.rows {
            // A last cell is never padded, so it does not widen its column (text/tabwriter).
            for (i, cell) in row.iter().enumerate().take(row.len().saturating_sub(1)) {
                if widths.0.len() <= i {
                    widths.0.resize(i + 1, NARROWEST);
                }
                widths.0[i] = widths.0[i].max(cell.width() + BETWEEN);
            }
        }
        let mut text = String::new();
        for row in &self.rows {
            for (i, cell) in row.iter().enumerate() {
                text += cell;
                if i + 1 < row.len() {
                    text.extend(std::iter::repeat_n(' ', widths.0[i] - cell.width()));
                }
            }
            text.truncate(text.trim_end_matches(' ').len());
            text.push('\n');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_by_what_a_terminal_shows() {
        let mut table = Table::default();
        table.push(["NAME", "X", "AGE"]);
        table.push(["数据", "1", "3d"]);
        table.push(["a-longer-name", "\u{1b}[2J", ""]);
        let text = table.lay_out(&mut Widths::default());
        assert_eq!(
            text,
            "NAME            X      AGE\n数据            1      3d\na-longer-name   \u{fffd}[2J\n"
        );
    }

    #[test]
    fn later_rows_keep_the_columns_of_earlier_ones() {
        let mut widths = Widths::default();
        let mut first = Table::default();
        first.push(["a-name", "b"]);
        first.lay_out(&mut widths);
        let mut second = Table::default();
        second.push(["a", "b"]);
        assert_eq!(second.lay_out(&mut widths), "a        b\n");
    }
}

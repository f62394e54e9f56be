//! Aligned columns as kubectl's: three blanks between, no trailing ones (kubectl: `GetNewTabWriter`).

use std::io::{self, Write};

use crate::model::text::clean;
use unicode_width::UnicodeWidthStr;

/// The narrowest column, the blanks behind it included (kubectl: `tabwriterMinWidth`).
const NARROWEST: usize = 6;
/// Blanks behind a column (kubectl: `tabwriterPadding`).
const BETWEEN: usize = 3;

/// Rows of cells, one behind the other: a list of all environments has millions. Text from the cluster may be in them:
/// it is cleaned.
#[derive(Debug, Default)]
pub struct Table {
    text: String,
    /// Where each cell ends in the text.
    cells: Vec<usize>,
    /// Where each row ends among the cells.
    rows: Vec<usize>,
}

/// Widths of columns, kept from one batch of rows to the next so that a watch stays aligned.
#[derive(Debug, Default)]
pub struct Widths(Vec<usize>);

impl Table {
    /// Adds a row.
    pub fn push(&mut self, cells: impl IntoIterator<Item = impl AsRef<str>>) {
        for cell in cells {
            self.text += &clean(cell.as_ref());
            self.cells.push(self.text.len());
        }
        self.rows.push(self.cells.len());
    }

    /// The cells of each row.
    fn rows(&self) -> impl Iterator<Item = impl Iterator<Item = &str>> {
        let begins = |ends: &[usize], at: usize| if at == 0 { 0 } else { ends[at - 1] };
        (0..self.rows.len()).map(move |row| {
            (begins(&self.rows, row)..self.rows[row])
                .map(move |cell| &self.text[begins(&self.cells, cell)..self.cells[cell]])
        })
    }

    /// Writes the rows. Columns are at least as wide as `widths` says, and it is told how wide they became.
    ///
    /// # Errors
    /// Those of the output.
    pub fn write(&self, widths: &mut Widths, out: &mut impl Write) -> io::Result<()> {
        for row in self.rows() {
            let mut row = row.peekable();
            for i in 0.. {
                // A last cell is never padded, so it does not widen its column (text/tabwriter).
                let Some(cell) = row.next().filter(|_| row.peek().is_some()) else { break };
                if widths.0.len() <= i {
                    widths.0.resize(i + 1, NARROWEST);
                }
                widths.0[i] = widths.0[i].max(cell.width() + BETWEEN);
            }
        }
        let mut line = String::new();
        for row in self.rows() {
            line.clear();
            let mut row = row.enumerate().peekable();
            while let Some((i, cell)) = row.next() {
                line += cell;
                if row.peek().is_some() {
                    line.extend(std::iter::repeat_n(' ', widths.0[i] - cell.width()));
                }
            }
            line.truncate(line.trim_end_matches(' ').len());
            line.push('\n');
            out.write_all(line.as_bytes())?;
        }
        Ok(())
    }

    /// The same as text.
    pub fn lay_out(&self, widths: &mut Widths) -> String {
        let mut text = Vec::new();
        // Memory takes everything.
        let _ = self.write(widths, &mut text);
        String::from_utf8(text).unwrap_or_default()
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

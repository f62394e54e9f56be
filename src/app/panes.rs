//! The right-hand panes: the rows that follow the selection, and where each pane's own selection is.

use super::cursor::Cursor;
use super::state::Pane;

/// Rows and selections of the three right-hand panes.
///
/// Rows are identified by text (an address, a record, a variable), so that a selection stays on its line.
#[derive(Clone, Debug, Default)]
pub struct Panes {
    /// Selection of each pane, indexed by [`Pane::index`].
    cursors: [Cursor<String>; 4],
    /// Keys of the rows of each pane.
    keys: [Vec<String>; 4],
}

impl Panes {
    /// The selection of a pane.
    pub fn cursor(&self, pane: Pane) -> &Cursor<String> {
        &self.cursors[pane.index()]
    }

    /// How many rows a pane has.
    pub fn len(&self, pane: Pane) -> usize {
        self.keys[pane.index()].len()
    }

    /// Puts new rows in and finds the selection again.
    pub(super) fn set(&mut self, pane: Pane, keys: Vec<String>, page: usize) {
        let i = pane.index();
        self.keys[i] = keys;
        let keys = &self.keys[i];
        self.cursors[i].anchor(keys.len(), page, |k| keys.iter().position(|r| r == k), |at| keys[at].clone());
    }

    pub(super) fn step(&mut self, pane: Pane, by: isize, page: usize) {
        let keys = &self.keys[pane.index()];
        self.cursors[pane.index()].step(by, keys.len(), page, |at| keys[at].clone());
    }

    pub(super) fn go(&mut self, pane: Pane, to: usize, page: usize) {
        let keys = &self.keys[pane.index()];
        self.cursors[pane.index()].go(to, keys.len(), page, |at| keys[at].clone());
    }

    pub(super) fn scroll(&mut self, pane: Pane, by: isize, page: usize) {
        let keys = &self.keys[pane.index()];
        self.cursors[pane.index()].scroll(by, keys.len(), page, |at| keys[at].clone());
    }

    /// Back to the first rows: another object is shown.
    pub(super) fn reset(&mut self) {
        self.cursors = Default::default();
    }
}

//! A selection that stays on its object while the list around it changes.

/// Where the selection is: by key first, by row only when the key is gone.
///
/// Until a person moves it the selection follows the first row, so that a list that is still filling does not drag
/// it down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor<K> {
    key: Option<K>,
    index: usize,
    offset: usize,
}

impl<K> Default for Cursor<K> {
    fn default() -> Self {
        Self { key: None, index: 0, offset: 0 }
    }
}

impl<K: Clone + PartialEq> Cursor<K> {
    /// Row of the selection.
    pub fn index(&self) -> usize {
        self.index
    }

    /// First visible row.
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// The key that a person chose, if one did.
    pub fn key(&self) -> Option<&K> {
        self.key.as_ref()
    }

    /// Finds the selection again after the list changed. `find` looks a key up; `key_at` names a row. What was
    /// selected keeps its place on the screen; where it is gone its neighbour takes over.
    pub fn anchor(
        &mut self,
        len: usize,
        page: usize,
        find: impl FnOnce(&K) -> Option<usize>,
        key_at: impl FnOnce(usize) -> K,
    ) {
        let screen_row = self.index.saturating_sub(self.offset);
        match self.key.as_ref().map(find) {
            Some(Some(found)) => self.index = found,
            Some(None) if len > 0 => {
                self.index = self.index.min(len - 1);
                self.key = Some(key_at(self.index));
            }
            Some(None) => {}
            None => self.index = 0,
        }
        self.index = self.index.min(len.saturating_sub(1));
        self.offset = self.index.saturating_sub(screen_row);
        self.scroll_into_view(len, page);
    }

    /// Moves by some rows; stops at the ends.
    pub fn step(&mut self, by: isize, len: usize, page: usize, key_at: impl FnOnce(usize) -> K) {
        let to = self.index.saturating_add_signed(by).min(len.saturating_sub(1));
        self.go(to, len, page, key_at);
    }

    /// Moves to a row.
    pub fn go(&mut self, to: usize, len: usize, page: usize, key_at: impl FnOnce(usize) -> K) {
        if len == 0 {
            return;
        }
        self.index = to.min(len - 1);
        self.key = Some(key_at(self.index));
        self.scroll_into_view(len, page);
    }

    /// Scrolls without moving the selection further than needed to keep it visible.
    pub fn scroll(&mut self, by: isize, len: usize, page: usize, key_at: impl FnOnce(usize) -> K) {
        self.offset = self.offset.saturating_add_signed(by).min(len.saturating_sub(page.max(1)));
        let visible = self.index.clamp(self.offset, (self.offset + page.max(1) - 1).max(self.offset));
        if visible != self.index {
            self.go(visible, len, page, key_at);
        }
    }

    /// Forgets the choice: the first row again.
    pub fn reset(&mut self) {
        *self = Self::default();
    }

    fn scroll_into_view(&mut self, len: usize, page: usize) {
        let page = page.max(1);
        self.offset = self.offset.min(len.saturating_sub(page));
        if self.index < self.offset {
            self.offset = self.index;
        } else if self.index >= self.offset + page {
            self.offset = self.index + 1 - page;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn anchor(cursor: &mut Cursor<char>, list: &str) {
        let rows: Vec<char> = list.chars().collect();
        cursor.anchor(rows.len(), 3, |k| rows.iter().position(|r| r == k), |i| rows[i]);
    }

    #[test]
    fn it_follows_the_first_row_until_it_is_moved() {
        let mut cursor = Cursor::default();
        anchor(&mut cursor, "mn");
        anchor(&mut cursor, "abmn");
        assert_eq!(cursor.index(), 0);
    }

    #[test]
    fn it_stays_on_its_object_and_on_its_screen_row() {
        let rows: Vec<char> = "abcdefgh".chars().collect();
        let mut cursor = Cursor::default();
        cursor.go(5, 8, 3, |i| rows[i]);
        assert_eq!((cursor.index(), cursor.offset()), (5, 3));
        anchor(&mut cursor, "0abcdefgh");
        assert_eq!((cursor.index(), cursor.offset()), (6, 4));
    }

    #[test]
    fn its_neighbour_takes_over_when_the_object_is_gone() {
        let rows: Vec<char> = "abc".chars().collect();
        let mut cursor = Cursor::default();
        cursor.go(2, 3, 3, |i| rows[i]);
        anchor(&mut cursor, "ab");
        assert_eq!((cursor.index(), cursor.key()), (1, Some(&'b')));
        anchor(&mut cursor, "");
        anchor(&mut cursor, "ab");
        assert_eq!(cursor.index(), 1, "an empty moment does not lose the choice");
    }

    #[test]
    fn steps_stop_at_the_ends_and_an_empty_list_is_no_trap() {
        let rows: Vec<char> = "abc".chars().collect();
        let mut cursor = Cursor::default();
        cursor.step(-4, 3, 2, |i| rows[i]);
        assert_eq!(cursor.index(), 0);
        cursor.step(9, 3, 2, |i| rows[i]);
        assert_eq!((cursor.index(), cursor.offset()), (2, 1));
        Cursor::<char>::default().step(1, 0, 2, |_| unreachable!());
    }

    #[test]
    fn the_wheel_scrolls_and_takes_the_selection_along_only_at_the_edge() {
        let rows: Vec<char> = "abcdefgh".chars().collect();
        let mut cursor = Cursor::default();
        cursor.go(1, 8, 3, |i| rows[i]);
        cursor.scroll(1, 8, 3, |i| rows[i]);
        assert_eq!((cursor.index(), cursor.offset()), (1, 1));
        cursor.scroll(2, 8, 3, |i| rows[i]);
        assert_eq!((cursor.index(), cursor.offset()), (3, 3));
    }
}

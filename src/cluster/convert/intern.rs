//! One copy of everything that repeats.

use std::collections::HashSet;
use std::hash::Hash;
use std::sync::Arc;

use crate::model::pod::PodSpec;
use crate::model::{Labels, Text};

/// Hands out shared copies of texts, label sets and pod templates, and forgets those that nobody else holds any
/// more, so that a cluster that changes for weeks does not fill the memory.
#[derive(Debug, Default)]
pub(super) struct Interner {
    texts: HashSet<Text>,
    labels: HashSet<Labels>,
    specs: HashSet<Arc<PodSpec>>,
    /// Entries that were in use after the last sweep.
    used: usize,
}

/// Below this many entries a sweep is not worth its time.
const SMALL: usize = 4096;

impl Interner {
    /// The shared copy of a text.
    pub(super) fn text(&mut self, text: &str) -> Text {
        if let Some(shared) = self.texts.get(text) {
            return shared.clone();
        }
        self.sweep_if_doubled();
        keep(&mut self.texts, text.into())
    }

    /// The shared copy of a text, or nothing for an empty one.
    pub(super) fn some(&mut self, text: &str) -> Option<Text> {
        (!text.is_empty()).then(|| self.text(text))
    }

    /// The shared copy of a set of labels.
    pub(super) fn labels<'a>(&mut self, pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Labels {
        let labels = Labels::new(pairs.into_iter().map(|(k, v)| (self.text(k), self.text(v))));
        match self.labels.get(&labels) {
            Some(shared) => shared.clone(),
            None => keep(&mut self.labels, labels),
        }
    }

    /// The shared copy of what a pod's template says.
    pub(super) fn spec(&mut self, spec: PodSpec) -> Arc<PodSpec> {
        match self.specs.get(&spec) {
            Some(shared) => shared.clone(),
            None => keep(&mut self.specs, Arc::new(spec)),
        }
    }

    fn len(&self) -> usize {
        self.texts.len() + self.labels.len() + self.specs.len()
    }

    /// Sweeping when the number of entries has doubled costs each new entry a constant.
    fn sweep_if_doubled(&mut self) {
        if self.len() < SMALL.max(2 * self.used) {
            return;
        }
        // Templates hold labels and texts, labels hold texts: outermost first.
        self.specs.retain(|spec| Arc::strong_count(spec) > 1);
        self.labels.retain(Labels::is_shared);
        self.texts.retain(|text| Arc::strong_count(text) > 1);
        self.used = self.len();
    }
}

fn keep<T: Hash + Eq + Clone>(set: &mut HashSet<T>, value: T) -> T {
    set.insert(value.clone());
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_holds_is_forgotten() {
        let mut intern = Interner::default();
        let kept: Vec<Text> = (0..100).map(|i| intern.text(&format!("kept-{i}"))).collect();
        for i in 0..100_000 {
            intern.text(&format!("passing-{i}"));
        }
        assert!(intern.len() <= 2 * SMALL, "{}", intern.len());
        assert!(Arc::ptr_eq(&kept[7], &intern.text("kept-7")));
    }

    #[test]
    fn what_is_held_is_not_swept_over_and_over() {
        let mut intern = Interner::default();
        let held: Vec<Text> = (0..20_000).map(|i| intern.text(&format!("held-{i}"))).collect();
        assert_eq!(intern.len(), held.len());
        assert!(intern.used * 2 >= SMALL && intern.used < held.len(), "{}", intern.used);
    }
}

//! Labels and equality-based selectors.

use std::sync::Arc;

use serde::{Serialize, Serializer};

use super::Text;

/// A set of labels (or a Service's selector), sorted by key. Clones are cheap: replicas share one copy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Labels(Arc<[(Text, Text)]>);

impl Labels {
    /// Sorts the pairs by key; of duplicate keys the last one stays, as in a JSON object.
    pub fn new(pairs: impl IntoIterator<Item = (Text, Text)>) -> Self {
        let sorted: std::collections::BTreeMap<Text, Text> = pairs.into_iter().collect();
        Self(sorted.into_iter().collect())
    }

    /// The value of one key.
    pub fn get(&self, key: &str) -> Option<&Text> {
        self.0.binary_search_by(|(k, _)| k.as_ref().cmp(key)).ok().map(|i| &self.0[i].1)
    }

    /// All pairs, sorted by key.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&Text, &Text)> {
        self.0.iter().map(|(k, v)| (k, v))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether somebody else holds this very copy too.
    pub fn is_shared(&self) -> bool {
        Arc::strong_count(&self.0) > 1
    }

    /// Whether `self`, as a Service's selector, selects an object with `labels`. An empty selector selects
    /// nothing: the endpoint controller leaves such Services alone.
    pub fn selects(&self, labels: &Self) -> bool {
        !self.is_empty() && self.0.iter().all(|(k, v)| labels.get(k) == Some(v))
    }
}

impl std::fmt::Display for Labels {
    /// `k=v,k2=v2`, or `<none>`, as kubectl prints a selector.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.is_empty() {
            return f.write_str("<none>");
        }
        for (i, (k, v)) in self.0.iter().enumerate() {
            write!(f, "{}{k}={v}", if i == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

impl Serialize for Labels {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        Labels::new(pairs.iter().map(|(k, v)| ((*k).into(), (*v).into())))
    }

    #[test]
    fn a_selector_needs_every_pair_and_an_empty_one_selects_nothing() {
        let pod = labels(&[("app", "web"), ("tier", "front")]);
        assert!(labels(&[("app", "web")]).selects(&pod));
        assert!(!labels(&[("app", "web"), ("x", "y")]).selects(&pod));
        assert!(!labels(&[("app", "db")]).selects(&pod));
        assert!(!Labels::default().selects(&pod));
    }

    #[test]
    fn prints_as_kubectl_does() {
        assert_eq!(labels(&[("b", "2"), ("a", "1")]).to_string(), "a=1,b=2");
        assert_eq!(Labels::default().to_string(), "<none>");
    }
}

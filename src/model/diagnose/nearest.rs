//! The pods that a selector just misses: one value or key off, mistyped, or in another namespace.

use std::collections::{BTreeMap, BTreeSet};

use super::super::{Labels, Text};
use super::{Case, is_known, plural, some_names};
use crate::model::Kind;

/// What was found.
pub(super) struct Nearest {
    /// A line each.
    pub(super) lines: Vec<String>,
    /// Whether some pods of the namespace come near.
    pub(super) found: bool,
}

/// How one pair of the selector is missed. Orders from near to far only by its cost.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Miss<'a> {
    Value { key: &'a str, wanted: &'a str, has: &'a str },
    Key { wanted: &'a str, has: &'a str, value: &'a str },
    Absent { key: &'a str, wanted: &'a str },
}

/// Groups of pods to tell about, and values of a label.
const MOST_GROUPS: usize = 3;

/// What comes nearest to the selector, best first.
pub(super) fn evidence(case: &Case<'_>) -> Nearest {
    let selector = &case.service.selector;
    let pods = case.snapshot.pods_in(case.namespace());
    let mut by_labels: BTreeMap<&Labels, Vec<&Text>> = BTreeMap::new();
    for pod in pods {
        by_labels.entry(&pod.labels).or_default().push(&pod.key.name);
    }
    let mut groups: BTreeMap<(usize, Vec<Miss<'_>>), Vec<&Text>> = BTreeMap::new();
    for (labels, names) in by_labels {
        let misses: Vec<_> = selector.iter().filter_map(|(k, v)| miss(k, v, labels)).collect();
        if near(&misses, selector.len()) {
            let cost = misses.iter().map(Miss::cost).sum();
            groups.entry((cost, misses)).or_default().extend(names);
        }
    }
    let found = !groups.is_empty();
    let mut lines: Vec<_> = groups
        .into_iter()
        .take(MOST_GROUPS)
        .map(|((_, misses), mut names)| {
            names.sort();
            let what = misses.iter().map(|m| m.sentence(names.len())).collect::<Vec<_>>().join(" and ");
            format!("{} {what}: {}", plural(names.len(), "pod"), some_names(&names))
        })
        .collect();
    if pods.is_empty() {
        lines.push(format!("there is no pod in namespace {}", case.namespace()));
    } else if !found {
        lines.extend(selector.iter().filter_map(|(k, v)| values_line(case, k, v)));
    }
    lines.extend(elsewhere(case));
    Nearest { lines, found }
}

/// How a pair of the selector is missed by these labels, at its nearest; `None` when it is there.
fn miss<'a>(key: &'a str, wanted: &'a str, labels: &'a Labels) -> Option<Miss<'a>> {
    if let Some(has) = labels.get(key) {
        return (&**has != wanted).then_some(Miss::Value { key, wanted, has });
    }
    let same_value = labels.iter().filter(|(_, v)| &***v == wanted && !wanted.is_empty()).map(|(k, _)| &**k);
    let nearest = same_value.min_by_key(|k| distance(k, key));
    Some(nearest.map_or(Miss::Absent { key, wanted }, |has| Miss::Key { wanted: key, has, value: wanted }))
}

/// Whether it is worth telling: all but one pair are there, or what is off is off by little.
fn near(misses: &[Miss<'_>], pairs: usize) -> bool {
    (misses.len() == 1 && pairs > 1) || misses.iter().all(Miss::slight)
}

impl Miss<'_> {
    fn slight(&self) -> bool {
        match self {
            Self::Value { wanted, has, .. } => similar(wanted, has),
            Self::Key { .. } => true,
            Self::Absent { .. } => false,
        }
    }

    fn cost(&self) -> usize {
        match self {
            Self::Value { wanted, has, .. } | Self::Key { wanted, has, .. } => {
                10 + distance(wanted, has).min(20)
            }
            Self::Absent { .. } => 40,
        }
    }

    fn sentence(&self, pods: usize) -> String {
        let have = if pods == 1 { "has" } else { "have" };
        match self {
            Self::Value { key, wanted, has } => {
                format!("{have} {key}={has} where the selector says {key}={wanted}")
            }
            Self::Key { wanted, has, value } => {
                format!("{have} {has}={value} where the selector says {wanted}={value}")
            }
            Self::Absent { key, wanted } => {
                format!("{have} no label {key} where the selector says {key}={wanted}")
            }
        }
    }
}

/// The values that a label of the selector has in the namespace, when none is the wanted one.
fn values_line(case: &Case<'_>, key: &str, wanted: &str) -> Option<String> {
    let pods = case.snapshot.pods_in(case.namespace());
    let values: BTreeSet<&Text> = pods.iter().filter_map(|p| p.labels.get(key)).collect();
    if values.iter().any(|v| &***v == wanted) {
        return None;
    }
    let values: Vec<_> = values.into_iter().map(|v| &**v).collect();
    let namespace = case.namespace();
    Some(if values.is_empty() {
        format!("no pod of namespace {namespace} has a label {key}")
    } else {
        format!("label {key} has these values in namespace {namespace}: {}", some_names(&values))
    })
}

/// Pods of other namespaces that match, as far as those are known.
fn elsewhere(case: &Case<'_>) -> Vec<String> {
    let selector = &case.service.selector;
    let others =
        case.snapshot.pods.iter().filter(|(ns, _)| {
            *ns != case.namespace() && case.snapshot.load(Kind::Pod, ns).is_some_and(is_known)
        });
    let lines = others.filter_map(|(namespace, pods)| {
        let names: Vec<_> =
            pods.iter().filter(|p| selector.selects(&p.labels)).map(|p| &p.key.name).collect();
        (!names.is_empty()).then(|| {
            let count = plural(names.len(), "pod");
            let verb = if names.len() == 1 { "matches" } else { "match" };
            format!("{count} of namespace {namespace} {verb}, but a Service selects pods of its own namespace only: {}", some_names(&names))
        })
    });
    lines.take(MOST_GROUPS).collect()
}

/// Whether two texts are likely meant to be one: equal but for case, one within the other, or mistyped.
pub(in crate::model) fn similar(a: &str, b: &str) -> bool {
    let shorter = a.len().min(b.len());
    a.eq_ignore_ascii_case(b)
        || (shorter >= 3 && (a.contains(b) || b.contains(a)))
        || distance(a, b) <= (shorter / 3).max(1)
}

/// Edit distance in characters, two swapped neighbours counting once (optimal string alignment). Labels are short; of
/// odd ones only the beginning counts.
fn distance(a: &str, b: &str) -> usize {
    const MOST: usize = 128;
    let [a, b] = [a, b].map(|t| t.chars().take(MOST).collect::<Vec<_>>());
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for i in 0..a.len() {
        let mut row = vec![i + 1];
        for j in 0..b.len() {
            let replaced = above[j] + usize::from(a[i] != b[j]);
            let mut cost = replaced.min(above[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && a[i] == b[j - 1] && a[i - 1] == b[j] {
                cost = cost.min(before[j - 1] + 1);
            }
            row.push(cost);
        }
        before = std::mem::replace(&mut above, row);
    }
    above[b.len()]
}

#[cfg(test)]
mod tests {
    use super::{distance, similar};

    #[test]
    fn edit_distances() {
        for (a, b, d) in [
            ("", "", 0),
            ("", "abc", 3),
            ("web", "web", 0),
            ("web", "wep", 1),
            ("kitten", "sitting", 3),
            ("frontend", "fronted", 1),
            ("é", "e", 1),
            ("web", "wbe", 1),
        ] {
            assert_eq!((distance(a, b), distance(b, a)), (d, d), "{a} {b}");
        }
    }

    #[test]
    fn what_is_likely_meant_to_be_one() {
        for (a, b, yes) in [
            ("web", "Web", true),
            ("web", "web2", true),
            ("frontend", "front-end", true),
            ("mysql", "my-sql", true),
            ("web", "db", false),
            ("checkout", "payment", false),
            ("v1", "v2", true),
        ] {
            assert_eq!(similar(a, b), yes, "{a} {b}");
        }
    }
}

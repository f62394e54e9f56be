//! The smallest roles that allow rights, as YAML for `kubectl apply`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::Right;
use crate::model::Text;

/// The smallest roles that allow these rights, as YAML: a `Role` for each namespace, a `ClusterRole` for the rest. Empty
/// for no rights.
pub fn roles<'a>(rights: impl IntoIterator<Item = &'a Right>) -> String {
    let mut places: BTreeMap<&Text, Verbs<'_>> = BTreeMap::new();
    for right in rights {
        let rules = places.entry(&right.namespace).or_default();
        rules.entry((&right.group, &right.resource, &right.name)).or_default().insert(&right.verb);
    }
    let mut yaml = String::new();
    for (namespace, rules) in places {
        let kind = if namespace.is_empty() { "ClusterRole" } else { "Role" };
        let _ = write!(
            yaml,
            "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: {kind}\nmetadata:\n  name: kdisco\n"
        );
        if !namespace.is_empty() {
            let _ = writeln!(yaml, "  namespace: {}", quoted(namespace));
        }
        yaml.push_str("rules:\n");
        for ((group, names, verbs), resources) in merged(rules) {
            let _ = write!(yaml, "- apiGroups: [{}]\n  resources: [{}]\n", quoted(group), list(&resources));
            if !names.is_empty() {
                let _ = writeln!(yaml, "  resourceNames: [{}]", list(&names));
            }
            let _ = writeln!(yaml, "  verbs: [{}]", list(&verbs));
        }
    }
    yaml
}

/// Verbs by group, resource and object.
type Verbs<'a> = BTreeMap<(&'a Text, &'a Text, &'a Text), BTreeSet<&'a Text>>;
/// Resources by group, objects and verbs.
type Rules<'a> = BTreeMap<(&'a Text, BTreeSet<&'a Text>, BTreeSet<&'a Text>), BTreeSet<&'a Text>>;

/// Rules that differ in one thing alone are one rule: objects of a resource with the same verbs, then resources.
fn merged(rules: Verbs<'_>) -> Rules<'_> {
    let mut by_object: BTreeMap<(&Text, &Text, bool, BTreeSet<&Text>), BTreeSet<&Text>> = BTreeMap::new();
    let whole: BTreeMap<(&Text, &Text), BTreeSet<&Text>> = rules
        .iter()
        .filter(|((_, _, name), _)| name.is_empty())
        .map(|((group, resource, _), verbs)| ((*group, *resource), verbs.clone()))
        .collect();
    for ((group, resource, name), mut verbs) in rules {
        if !name.is_empty() {
            // What is allowed for all need not be allowed for one.
            let all = whole.get(&(group, resource));
            verbs.retain(|verb| !all.is_some_and(|all| all.contains(verb)));
            if verbs.is_empty() {
                continue;
            }
        }
        let names = by_object.entry((group, resource, name.is_empty(), verbs)).or_default();
        if !name.is_empty() {
            names.insert(name);
        }
    }
    let mut merged = Rules::new();
    for ((group, resource, _, verbs), names) in by_object {
        merged.entry((group, names, verbs)).or_default().insert(resource);
    }
    merged
}

fn list(items: &BTreeSet<&Text>) -> String {
    items.iter().map(|item| quoted(item)).collect::<Vec<_>>().join(", ")
}

/// A text as YAML takes it, whatever is in it.
fn quoted(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-./".contains(&b);
    if text.starts_with(|c: char| c.is_ascii_lowercase()) && text.bytes().all(plain) {
        return text.to_owned();
    }
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => drop(write!(out, "\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::super::FEATURES;
    use super::*;

    #[test]
    fn the_smallest_roles_have_what_is_missing_and_nothing_else() {
        let namespaces = [Text::from("shop")];
        let codes = ["services", "namespaces", "dns-settings"];
        let wanted = FEATURES.iter().filter(|f| codes.contains(&f.code));
        let rights: Vec<Right> = wanted.flat_map(|f| f.rights(&namespaces)).collect();
        assert_eq!(
            roles(&rights),
            "---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: kdisco
rules:
- apiGroups: [\"\"]
  resources: [namespaces]
  verbs: [list, watch]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: kdisco
  namespace: kube-system
rules:
- apiGroups: [\"\"]
  resources: [configmaps]
  resourceNames: [coredns, kubeadm-config, kubelet-config]
  verbs: [get]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: kdisco
  namespace: shop
rules:
- apiGroups: [\"\"]
  resources: [services]
  verbs: [list, watch]
- apiGroups: [discovery.k8s.io]
  resources: [endpointslices]
  verbs: [list, watch]
"
        );
        assert_eq!(roles(&[]), "");
    }

    #[test]
    fn one_object_is_not_named_where_all_are_allowed() {
        let right = |name: &str| Right {
            namespace: "default".into(),
            group: "".into(),
            resource: "services".into(),
            name: name.into(),
            verb: "get".into(),
        };
        assert!(!roles(&[right(""), right("kubernetes")]).contains("resourceNames"));
        assert!(roles(&[right("kubernetes")]).contains("resourceNames: [kubernetes]"));
    }

    #[test]
    fn names_of_anybody_cannot_break_the_yaml() {
        assert_eq!(quoted("a\"\nb: c"), r#""a\"\u000ab: c""#);
        assert_eq!(quoted("7"), "\"7\"");
        assert_eq!(quoted("kube-system"), "kube-system");
    }
}

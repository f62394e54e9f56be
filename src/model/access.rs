//! What each part of the program has to be allowed to do, and the smallest role that allows what is missing.
//!
//! What it is: a table, and pure judgements over answers that others have fetched. What it is not: it asks nobody;
//! rights beyond this table (what goes through the API proxy) are those of whoever uses them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write as _};

use super::Text;

/// Where a right is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// In each namespace that is looked at.
    Viewed,
    /// In this one.
    In(&'static str),
    /// For a kind that has no namespace.
    Cluster,
}

/// Verbs on a resource.
#[derive(Clone, Copy, Debug)]
struct Need {
    verbs: &'static [&'static str],
    group: &'static str,
    /// With its subresource, as roles write it (`pods/exec`).
    resource: &'static str,
    /// One object alone; empty for all.
    name: &'static str,
    place: Place,
}

/// One thing that the program can do.
#[derive(Clone, Copy, Debug)]
pub struct Feature {
    /// Stable name, for programs.
    pub code: &'static str,
    /// What it is.
    pub title: &'static str,
    /// What there is without it; empty for what cannot be left out.
    pub without: &'static str,
    needs: &'static [Need],
}

const fn need(verbs: &'static [&'static str], resource: &'static str, place: Place) -> Need {
    Need { verbs, group: "", resource, name: "", place }
}

const fn grouped(verbs: &'static [&'static str], group: &'static str, resource: &'static str) -> Need {
    Need { verbs, group, resource, name: "", place: Place::Viewed }
}

const fn named(resource: &'static str, name: &'static str, place: Place) -> Need {
    Need { verbs: &["get"], group: "", resource, name, place }
}

const SYSTEM: Place = Place::In("kube-system");

/// Everything, in the order in which it is told.
pub const FEATURES: &[Feature] = &[
    Feature {
        code: "services",
        title: "Services and what is behind them",
        without: "",
        needs: &[
            need(&["list", "watch"], "services", Place::Viewed),
            grouped(&["list", "watch"], "discovery.k8s.io", "endpointslices"),
        ],
    },
    Feature {
        code: "pods",
        title: "pods and their environments",
        without: "Services and endpoints alone",
        needs: &[
            need(&["get", "list", "watch"], "pods", Place::Viewed),
            named("services", "kubernetes", Place::In("default")),
        ],
    },
    Feature {
        code: "namespaces",
        title: "choosing from all namespaces",
        without: "names are typed in or configured",
        needs: &[need(&["list", "watch"], "namespaces", Place::Cluster)],
    },
    Feature {
        code: "configmap-values",
        title: "values from ConfigMaps",
        without: "such variables are shown without value",
        needs: &[need(&["get"], "configmaps", Place::Viewed)],
    },
    Feature {
        code: "secret-values",
        title: "values from Secrets, when asked for",
        without: "such variables are shown without value",
        needs: &[need(&["get"], "secrets", Place::Viewed)],
    },
    Feature {
        code: "verify",
        title: "comparing with the real environment",
        without: "predictions alone",
        needs: &[need(&["create", "get"], "pods/exec", Place::Viewed)],
    },
    Feature {
        code: "forward",
        title: "port-forwards",
        without: "no port-forwards",
        needs: &[
            need(&["create", "get"], "pods/portforward", Place::Viewed),
            need(&["get"], "services", Place::Viewed),
            need(&["get", "list", "watch"], "pods", Place::Viewed),
        ],
    },
    Feature {
        code: "dns-live",
        title: "asking the cluster's DNS",
        without: "predicted records alone",
        needs: &[
            need(&["get"], "services", SYSTEM),
            need(&["list"], "pods", SYSTEM),
            need(&["create", "get"], "pods/portforward", SYSTEM),
        ],
    },
    Feature {
        code: "dns-settings",
        title: "the cluster's domain and Corefile",
        without: "cluster.local and CoreDNS' defaults are assumed, and said to be",
        needs: &[
            named("configmaps", "coredns", SYSTEM),
            named("configmaps", "kubeadm-config", SYSTEM),
            named("configmaps", "kubelet-config", SYSTEM),
        ],
    },
    Feature {
        code: "proxy-links",
        title: "proxy URLs of Services and pods",
        without: "port-forwards instead",
        needs: &[
            need(&["get"], "services/proxy", Place::Viewed),
            need(&["get"], "pods/proxy", Place::Viewed),
        ],
    },
    Feature {
        code: "network-policies",
        title: "whether a NetworkPolicy stands in the way",
        without: "such a cause is not found",
        needs: &[grouped(&["list", "watch"], "networking.k8s.io", "networkpolicies")],
    },
    Feature {
        code: "restart",
        title: "restarting what lacks variables",
        without: "the command to type is shown",
        needs: &[
            grouped(&["get", "patch"], "apps", "deployments"),
            grouped(&["get", "patch"], "apps", "statefulsets"),
            grouped(&["get", "patch"], "apps", "daemonsets"),
            grouped(&["get"], "apps", "replicasets"),
            need(&["delete", "get"], "pods", Place::Viewed),
        ],
    },
];

/// One exact question of rights, as roles write it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Right {
    /// Namespace; empty means all of them, or a kind that has none.
    pub namespace: Text,
    /// API group; empty for the core group.
    pub group: Text,
    /// With its subresource (`pods/exec`).
    pub resource: Text,
    /// One object alone; empty for all.
    pub name: Text,
    /// The verb.
    pub verb: Text,
}

impl fmt::Display for Right {
    /// `list endpointslices.discovery.k8s.io in shop`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.verb, self.resource)?;
        if !self.group.is_empty() {
            write!(f, ".{}", self.group)?;
        }
        if !self.name.is_empty() {
            write!(f, " \"{}\"", self.name)?;
        }
        if self.namespace.is_empty() {
            f.write_str(" in the whole cluster")
        } else {
            write!(f, " in {}", self.namespace)
        }
    }
}

impl Feature {
    /// The rights it needs where these namespaces are looked at; an empty list means all.
    pub fn rights(&self, namespaces: &[Text]) -> Vec<Right> {
        let mut rights = Vec::new();
        for need in self.needs {
            let places: Vec<Text> = match need.place {
                Place::Viewed if !namespaces.is_empty() => namespaces.to_vec(),
                Place::Viewed | Place::Cluster => vec!["".into()],
                Place::In(namespace) => vec![namespace.into()],
            };
            for namespace in places {
                rights.extend(need.verbs.iter().map(|verb| Right {
                    namespace: namespace.clone(),
                    group: need.group.into(),
                    resource: need.resource.into(),
                    name: need.name.into(),
                    verb: (*verb).into(),
                }));
            }
        }
        rights
    }
}

/// All rights that the table asks for, each once.
pub fn questions(namespaces: &[Text]) -> BTreeSet<Right> {
    FEATURES.iter().flat_map(|feature| feature.rights(namespaces)).collect()
}

/// Whether a feature works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// All of it is allowed.
    Works,
    /// Some of it is not.
    Partly,
    /// None of it is.
    Missing,
    /// The server does not say.
    Unknown,
}

impl Verdict {
    /// The word for programs.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Works => "works",
            Self::Partly => "partly",
            Self::Missing => "missing",
            Self::Unknown => "unknown",
        }
    }
}

/// A feature with what was found out about it.
#[derive(Clone, Debug)]
pub struct Judged {
    /// The feature.
    pub feature: &'static Feature,
    /// Whether it works.
    pub verdict: Verdict,
    /// The rights that are missing.
    pub missing: Vec<Right>,
}

/// Judges every feature. `answers` has what the server said; what it does not have is unknown.
pub fn judge(namespaces: &[Text], answers: &BTreeMap<Right, bool>) -> Vec<Judged> {
    let judged = |feature: &'static Feature| {
        let rights = feature.rights(namespaces);
        let known = rights.iter().filter(|right| answers.contains_key(right)).count();
        let missing: Vec<Right> =
            rights.iter().filter(|right| answers.get(right) == Some(&false)).cloned().collect();
        let verdict = match missing.len() {
            0 if known == rights.len() => Verdict::Works,
            0 => Verdict::Unknown,
            n if n == rights.len() => Verdict::Missing,
            _ => Verdict::Partly,
        };
        Judged { feature, verdict, missing }
    };
    FEATURES.iter().map(judged).collect()
}

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
    use super::*;

    fn names(list: &[&str]) -> Vec<Text> {
        list.iter().map(|name| Text::from(*name)).collect()
    }

    fn answers(namespaces: &[Text], allowed: impl Fn(&Right) -> bool) -> BTreeMap<Right, bool> {
        questions(namespaces).into_iter().map(|right| (right.clone(), allowed(&right))).collect()
    }

    fn verdict(judged: &[Judged], code: &str) -> Verdict {
        judged.iter().find(|j| j.feature.code == code).unwrap().verdict
    }

    #[test]
    fn a_viewer_of_one_namespace_sees_services_and_nothing_of_pods() {
        let namespaces = names(&["shop"]);
        let kinds = ["services", "endpointslices"];
        let said = answers(&namespaces, |r| {
            &*r.namespace == "shop"
                && kinds.contains(&&*r.resource)
                && matches!(&*r.verb, "get" | "list" | "watch")
        });
        let judged = judge(&namespaces, &said);
        assert_eq!(verdict(&judged, "services"), Verdict::Works);
        assert_eq!(verdict(&judged, "pods"), Verdict::Missing);
        assert_eq!(verdict(&judged, "forward"), Verdict::Partly);
        assert_eq!(verdict(&judged, "namespaces"), Verdict::Missing);
    }

    #[test]
    fn what_was_not_answered_is_unknown() {
        let judged = judge(&names(&["shop"]), &BTreeMap::new());
        assert!(judged.iter().all(|j| j.verdict == Verdict::Unknown && j.missing.is_empty()));
    }

    #[test]
    fn the_smallest_roles_have_what_is_missing_and_nothing_else() {
        let namespaces = names(&["shop"]);
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
    fn every_namespace_is_asked_about_and_all_mean_the_cluster() {
        let services = &FEATURES[0];
        assert_eq!(services.rights(&names(&["a", "b"])).len(), 8);
        assert!(services.rights(&[]).iter().all(|right| right.namespace.is_empty()));
        let text = services.rights(&names(&["shop"]))[2].to_string();
        assert_eq!(text, "list endpointslices.discovery.k8s.io in shop");
    }

    #[test]
    fn names_of_anybody_cannot_break_the_yaml() {
        assert_eq!(quoted("a\"\nb: c"), r#""a\"\u000ab: c""#);
        assert_eq!(quoted("7"), "\"7\"");
        assert_eq!(quoted("kube-system"), "kube-system");
    }
}

//! What each part of the program has to be allowed to do, and the smallest role that allows what is missing.
//!
//! What it is: a table, and pure judgements over answers that others have fetched. What it is not: it asks nobody;
//! rights beyond this table (what goes through the API proxy) are those of whoever uses them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::Text;

mod role;

pub use role::roles;

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
    /// Any of the verbs is enough; the first is the one to ask for.
    any: bool,
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
    Need { verbs, any: false, group: "", resource, name: "", place }
}

/// A way into pods: `create` is enough for its POST (SPDY) on every server, `get` for its GET (WebSocket) before
/// Kubernetes 1.35, which asks for `create` then too (`AuthorizePodWebsocketUpgradeCreatePermission`).
const fn forward(place: Place) -> Need {
    Need { any: true, ..need(&["create", "get"], "pods/portforward", place) }
}

const fn grouped(verbs: &'static [&'static str], group: &'static str, resource: &'static str) -> Need {
    Need { verbs, any: false, group, resource, name: "", place: Place::Viewed }
}

const fn named(resource: &'static str, name: &'static str, place: Place) -> Need {
    Need { verbs: &["get"], any: false, group: "", resource, name, place }
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
            forward(Place::Viewed),
            need(&["get"], "services", Place::Viewed),
            need(&["get", "list", "watch"], "pods", Place::Viewed),
        ],
    },
    Feature {
        code: "dns-live",
        title: "asking the cluster's DNS",
        without: "predicted records alone",
        needs: &[need(&["get"], "services", SYSTEM), need(&["list"], "pods", SYSTEM), forward(SYSTEM)],
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

/// Rights of which one is enough, the one to ask for first.
type Choice = Vec<Right>;

impl Feature {
    /// The rights it has to do with where these namespaces are looked at; an empty list means all.
    pub fn rights(&self, namespaces: &[Text]) -> Vec<Right> {
        self.choices(namespaces).into_iter().flatten().collect()
    }

    /// The same by what is needed: one right of each choice.
    fn choices(&self, namespaces: &[Text]) -> Vec<Choice> {
        let mut choices = Vec::new();
        for need in self.needs {
            let places: Vec<Text> = match need.place {
                Place::Viewed if !namespaces.is_empty() => namespaces.to_vec(),
                Place::Viewed | Place::Cluster => vec!["".into()],
                Place::In(namespace) => vec![namespace.into()],
            };
            for namespace in places {
                let right = |verb: &&str| Right {
                    namespace: namespace.clone(),
                    group: need.group.into(),
                    resource: need.resource.into(),
                    name: need.name.into(),
                    verb: (*verb).into(),
                };
                if need.any {
                    choices.push(need.verbs.iter().map(right).collect());
                } else {
                    choices.extend(need.verbs.iter().map(|verb| vec![right(verb)]));
                }
            }
        }
        choices
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
    /// The rights that are missing; where one of several is enough, the one to ask for.
    pub missing: Vec<Right>,
}

/// Judges every feature. `answers` has what the server said; what it does not have is unknown.
pub fn judge(namespaces: &[Text], answers: &BTreeMap<Right, bool>) -> Vec<Judged> {
    let judged = |feature: &'static Feature| {
        let choices = feature.choices(namespaces);
        let allowed = |choice: &&Choice| choice.iter().any(|right| answers.get(right) == Some(&true));
        let refused = |choice: &&Choice| choice.iter().all(|right| answers.get(right) == Some(&false));
        let works = choices.iter().filter(allowed).count();
        let missing: Vec<Right> =
            choices.iter().filter(refused).filter_map(|choice| choice.first().cloned()).collect();
        let verdict = match missing.len() {
            0 if works == choices.len() => Verdict::Works,
            0 => Verdict::Unknown,
            n if n == choices.len() => Verdict::Missing,
            _ => Verdict::Partly,
        };
        Judged { feature, verdict, missing }
    };
    FEATURES.iter().map(judged).collect()
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
    fn one_right_is_enough_for_a_way_into_pods_and_create_is_the_one_to_ask_for() {
        let namespaces = names(&["shop"]);
        let with = |verbs: &[&str]| {
            let said = answers(&namespaces, |right| {
                &*right.resource != "pods/portforward" || verbs.contains(&&*right.verb)
            });
            let judged = judge(&namespaces, &said);
            let missing = judged.iter().flat_map(|j| &j.missing).map(ToString::to_string).collect();
            (verdict(&judged, "forward"), verdict(&judged, "dns-live"), missing)
        };
        let works = (Verdict::Works, Verdict::Works, Vec::<String>::new());
        assert_eq!(with(&["create"]), works);
        assert_eq!(with(&["get"]), works);
        let asked = ["create pods/portforward in shop", "create pods/portforward in kube-system"];
        assert_eq!(with(&[]), (Verdict::Partly, Verdict::Partly, asked.map(str::to_owned).to_vec()));
        // Half of the answers is not enough to say no.
        let mut said = answers(&namespaces, |right| &*right.resource != "pods/portforward");
        said.retain(|right, _| &*right.resource != "pods/portforward" || &*right.verb == "create");
        assert_eq!(verdict(&judge(&namespaces, &said), "forward"), Verdict::Unknown);
    }

    #[test]
    fn what_was_not_answered_is_unknown() {
        let judged = judge(&names(&["shop"]), &BTreeMap::new());
        assert!(judged.iter().all(|j| j.verdict == Verdict::Unknown && j.missing.is_empty()));
    }

    #[test]
    fn every_namespace_is_asked_about_and_all_mean_the_cluster() {
        let services = &FEATURES[0];
        assert_eq!(services.rights(&names(&["a", "b"])).len(), 8);
        assert!(services.rights(&[]).iter().all(|right| right.namespace.is_empty()));
        let text = services.rights(&names(&["shop"]))[2].to_string();
        assert_eq!(text, "list endpointslices.discovery.k8s.io in shop");
    }
}

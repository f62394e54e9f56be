//! The kinds that the demo serves, as the API names them.
//!
//! What it is: one table of names, groups and verbs. What it is not: behaviour. For the demo alone.

/// One served kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Resource {
    Namespaces,
    Nodes,
    Services,
    Endpoints,
    Pods,
    ConfigMaps,
    Secrets,
    Events,
    ServiceAccounts,
    EndpointSlices,
    Deployments,
    ReplicaSets,
    StatefulSets,
    DaemonSets,
    NetworkPolicies,
}

/// The names of a kind in paths, objects and discovery.
pub(super) struct Info {
    /// API group, empty for the core group.
    pub(super) group: &'static str,
    /// Plural, as in paths.
    pub(super) plural: &'static str,
    pub(super) singular: &'static str,
    /// As in `kind:`.
    pub(super) kind: &'static str,
    pub(super) short: &'static [&'static str],
    pub(super) namespaced: bool,
    /// Member of kubectl's `all`.
    pub(super) in_all: bool,
    /// Sub-resources that discovery lists.
    pub(super) sub: &'static [&'static str],
}

/// Every served kind; [`Resource::index`] is its place here.
pub(super) const ALL: [Resource; 15] = [
    Resource::Namespaces,
    Resource::Nodes,
    Resource::Services,
    Resource::Endpoints,
    Resource::Pods,
    Resource::ConfigMaps,
    Resource::Secrets,
    Resource::Events,
    Resource::ServiceAccounts,
    Resource::EndpointSlices,
    Resource::Deployments,
    Resource::ReplicaSets,
    Resource::StatefulSets,
    Resource::DaemonSets,
    Resource::NetworkPolicies,
];

/// The API groups besides the core group, in discovery's order.
pub(super) const GROUPS: [&str; 4] =
    ["apps", "authorization.k8s.io", "discovery.k8s.io", "networking.k8s.io"];

const fn info(
    group: &'static str,
    plural: &'static str,
    singular: &'static str,
    kind: &'static str,
    short: &'static [&'static str],
) -> Info {
    Info { group, plural, singular, kind, short, namespaced: true, in_all: false, sub: &[] }
}

const INFOS: [Info; 15] = [
    Info { namespaced: false, ..info("", "namespaces", "namespace", "Namespace", &["ns"]) },
    Info { namespaced: false, ..info("", "nodes", "node", "Node", &["no"]) },
    Info { in_all: true, sub: &["proxy"], ..info("", "services", "service", "Service", &["svc"]) },
    info("", "endpoints", "endpoints", "Endpoints", &["ep"]),
    Info {
        in_all: true,
        sub: &["exec", "log", "portforward", "proxy"],
        ..info("", "pods", "pod", "Pod", &["po"])
    },
    info("", "configmaps", "configmap", "ConfigMap", &["cm"]),
    info("", "secrets", "secret", "Secret", &[]),
    info("", "events", "event", "Event", &["ev"]),
    info("", "serviceaccounts", "serviceaccount", "ServiceAccount", &["sa"]),
    info("discovery.k8s.io", "endpointslices", "endpointslice", "EndpointSlice", &[]),
    Info { in_all: true, ..info("apps", "deployments", "deployment", "Deployment", &["deploy"]) },
    Info { in_all: true, ..info("apps", "replicasets", "replicaset", "ReplicaSet", &["rs"]) },
    Info { in_all: true, ..info("apps", "statefulsets", "statefulset", "StatefulSet", &["sts"]) },
    Info { in_all: true, ..info("apps", "daemonsets", "daemonset", "DaemonSet", &["ds"]) },
    info("networking.k8s.io", "networkpolicies", "networkpolicy", "NetworkPolicy", &["netpol"]),
];

impl Resource {
    /// Its place in [`ALL`].
    pub(super) const fn index(self) -> usize {
        self as usize
    }

    /// Its names.
    pub(super) const fn info(self) -> &'static Info {
        &INFOS[self.index()]
    }

    /// The kind that a path with this group and plural means.
    pub(super) fn by_path(group: &str, plural: &str) -> Option<Self> {
        ALL.into_iter().find(|one| one.info().group == group && one.info().plural == plural)
    }

    /// The kind that an object's `kind:` means.
    pub(super) fn by_kind(kind: &str) -> Option<Self> {
        ALL.into_iter().find(|one| one.info().kind == kind)
    }

    /// `v1` or `apps/v1`.
    pub(super) fn api_version(self) -> String {
        match self.info().group {
            "" => "v1".to_owned(),
            group => format!("{group}/v1"),
        }
    }

    /// `pods` or `deployments.apps`, as error messages name it.
    pub(super) fn qualified(self) -> String {
        let info = self.info();
        if info.group.is_empty() { info.plural.to_owned() } else { format!("{}.{}", info.plural, info.group) }
    }

    /// Whether PATCH is served: what a rollout restart, a scaling and an edited Service need.
    pub(super) const fn patchable(self) -> bool {
        matches!(self, Self::Deployments | Self::StatefulSets | Self::DaemonSets)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_finds_itself() {
        for one in ALL {
            assert_eq!(ALL[one.index()], one);
            assert_eq!(Resource::by_path(one.info().group, one.info().plural), Some(one));
            assert_eq!(Resource::by_kind(one.info().kind), Some(one));
        }
    }
}

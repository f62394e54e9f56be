//! The cluster domain, which no API field states: the ladder of places that tell it, and which one did.
//!
//! What it is not: the live steps (the PTR record of the `kubernetes` Service, the API server's certificate) belong to
//! those who ask. Everybody may use it.

use super::{Name, Server, reverse};
use crate::model::{ClusterSnapshot, ObjectKey};

/// The cluster domain and how it is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterDomain {
    /// The domain (`cluster.local.`).
    pub name: Name,
    /// Where it was found.
    pub how: DomainSource,
}

/// Where a cluster domain was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DomainSource {
    /// The first forward zone of the `kubernetes` plugin in this ConfigMap's Corefile.
    Corefile(ObjectKey),
    /// `networking.dnsDomain` of kubeadm's ConfigMap.
    KubeadmConfig(ObjectKey),
    /// `clusterDomain` of the kubelet's ConfigMap.
    KubeletConfig(ObjectKey),
    /// Nothing tells it: Kubernetes' usual one.
    Assumed,
}

impl DomainSource {
    /// Whether it is only assumed.
    pub fn is_assumed(&self) -> bool {
        *self == Self::Assumed
    }
}

impl std::fmt::Display for DomainSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Corefile(key) => write!(f, "from the Corefile in ConfigMap {key}"),
            Self::KubeadmConfig(key) => write!(f, "from kubeadm's ConfigMap {key}"),
            Self::KubeletConfig(key) => write!(f, "from the kubelet's ConfigMap {key}"),
            Self::Assumed => f.write_str("assumed: nothing that may be read tells the cluster domain"),
        }
    }
}

impl Default for ClusterDomain {
    /// Kubernetes' usual one, marked as assumed.
    fn default() -> Self {
        let name = Name::parse("cluster.local").unwrap_or_else(|_| Name::root());
        Self { name, how: DomainSource::Assumed }
    }
}

impl ClusterDomain {
    /// The domain as the objects tell it. `server` is the one of the same snapshot.
    pub fn of(snapshot: &ClusterSnapshot, server: &Server) -> Self {
        let from_corefile = || {
            let name = in_corefile(server)?.clone();
            Some(Self { name, how: DomainSource::Corefile(server.source.clone()?) })
        };
        from_corefile().unwrap_or_else(|| without_corefile(snapshot))
    }

    /// The domain without the final dot, as `resolv.conf` and people write it.
    pub fn text(&self) -> &str {
        self.name.as_str().trim_end_matches('.')
    }
}

/// The forward zone of the `kubernetes` plugin. Of several the one that the cache leaves alone, as kubeadm writes it
/// for the kubelet's domain, else the first.
fn in_corefile(server: &Server) -> Option<&Name> {
    let block = server.blocks.iter().find(|b| b.kubernetes.is_some())?;
    let forward = |z: &&Name| !["in-addr.arpa.", "ip6.arpa."].contains(&z.lower()) && !reverse::is_reverse(z);
    let zones = || block.kubernetes.iter().flat_map(|k| &k.zones).filter(forward);
    let disabled = |z: &&Name| block.cache.as_ref().is_some_and(|c| c.disabled.contains(z));
    zones().find(disabled).or_else(|| zones().next())
}

/// The domain as the other ConfigMaps tell it.
pub(super) fn without_corefile(snapshot: &ClusterSnapshot) -> ClusterDomain {
    let in_kubeadm = || {
        let key = ObjectKey::new("kube-system", "kubeadm-config");
        let name = yaml_value(&config_text(snapshot, &key, "ClusterConfiguration")?, "dnsDomain")?;
        Some(ClusterDomain { name: Name::parse(&name).ok()?, how: DomainSource::KubeadmConfig(key) })
    };
    let in_kubelet = || {
        let (key, text) = kubelet_config(snapshot)?;
        let name = Name::parse(&yaml_value(&text, "clusterDomain")?).ok()?;
        Some(ClusterDomain { name, how: DomainSource::KubeletConfig(key) })
    };
    let usual = || ClusterDomain {
        name: Name::parse("cluster.local").unwrap_or_else(|_| Name::root()),
        how: DomainSource::Assumed,
    };
    in_kubeadm().or_else(in_kubelet).unwrap_or_else(usual)
}

/// kubeadm's copy of the kubelet's configuration: its ConfigMap and the YAML text in it.
pub(super) fn kubelet_config(snapshot: &ClusterSnapshot) -> Option<(ObjectKey, String)> {
    // Before 1.23 the name ended in the version.
    let mut keys = snapshot.config_maps.keys().filter(|k| &*k.namespace == "kube-system");
    let key = keys.find(|k| &*k.name == "kubelet-config" || k.name.starts_with("kubelet-config-1."))?.clone();
    let text = config_text(snapshot, &key, "kubelet")?;
    Some((key, text))
}

fn config_text(snapshot: &ClusterSnapshot, key: &ObjectKey, entry: &str) -> Option<String> {
    let map = snapshot.config_maps.get(key)?;
    map.data.get(entry).map(|bytes| String::from_utf8_lossy(bytes).into_owned())
}

/// The scalar behind a key of block-style YAML, wherever it stands: enough for the two files of kubeadm.
pub(super) fn yaml_value(text: &str, key: &str) -> Option<String> {
    let line = text.lines().find_map(|l| l.trim_start().strip_prefix(key)?.strip_prefix(':'))?;
    let value = line.split(" #").next().unwrap_or_default().trim().trim_matches(['"', '\'']);
    (!value.is_empty()).then(|| value.to_owned())
}

/// The list of scalars behind a key of block-style YAML.
pub(super) fn yaml_list(text: &str, key: &str) -> Vec<String> {
    let mut lines = text.lines().skip_while(|l| l.trim_end() != format!("{key}:")).skip(1);
    let item = |l: &str| Some(l.trim().strip_prefix("- ")?.trim().trim_matches(['"', '\'']).to_owned());
    std::iter::from_fn(|| lines.next().and_then(item)).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::{ConfigData, Text};

    fn snapshot(maps: &[(&str, &str, &str)]) -> ClusterSnapshot {
        let map = |(name, key, text): &(&str, &str, &str)| {
            let data = [(Text::from(*key), Box::from(text.as_bytes()))].into();
            let key = ObjectKey::new("kube-system", *name);
            (key.clone(), Arc::new(ConfigData { key, data, binary: Box::default() }))
        };
        ClusterSnapshot {
            config_maps: Arc::new(maps.iter().map(map).collect()),
            ..ClusterSnapshot::default()
        }
    }

    fn domain(maps: &[(&str, &str, &str)]) -> (String, String) {
        let snapshot = snapshot(maps);
        let domain = ClusterDomain::of(&snapshot, &Server::of(&snapshot));
        (domain.text().to_owned(), domain.how.to_string())
    }

    const KUBEADM: (&str, &str, &str) = (
        "kubeadm-config",
        "ClusterConfiguration",
        "networking:\n  dnsDomain: two.local\n  podSubnet: \"\"\n",
    );
    const KUBELET: (&str, &str, &str) =
        ("kubelet-config", "kubelet", "clusterDNS:\n- 10.96.0.10\n- fd00::a\nclusterDomain: three.local\n");

    #[test]
    fn the_ladder() {
        let corefile = ("coredns", "Corefile", ".:53 {\n kubernetes 10.in-addr.arpa one.local\n}\n");
        let (name, how) = domain(&[corefile, KUBEADM, KUBELET]);
        assert_eq!(
            (name.as_str(), how.as_str()),
            ("one.local", "from the Corefile in ConfigMap kube-system/coredns")
        );
        let two = ".:53 {\n kubernetes in-addr.arpa corp.local one.local\n cache 30 {\n disable success one.local\n}\n}\n";
        assert_eq!(domain(&[("coredns", "Corefile", two)]).0, "one.local");
        let plain = ".:53 {\n kubernetes in-addr.arpa corp.local one.local\n}\n";
        assert_eq!(domain(&[("coredns", "Corefile", plain)]).0, "corp.local");
        assert_eq!(domain(&[KUBEADM, KUBELET]).0, "two.local");
        assert_eq!(domain(&[KUBELET]).0, "three.local");
        let (name, how) = domain(&[]);
        assert_eq!(name, "cluster.local");
        assert!(how.starts_with("assumed"));
    }

    #[test]
    fn lists_of_addresses() {
        assert_eq!(yaml_list(KUBELET.2, "clusterDNS"), ["10.96.0.10", "fd00::a"]);
        assert_eq!(yaml_list("a: b\n", "clusterDNS"), [""; 0]);
    }
}

//! The `/etc/hosts` that the kubelet writes for a pod: names in it never reach DNS.
//!
//! What it is not: the file of a pod on the host network begins with the node's own, which is not in the API.
//! Everybody may use it. Source: Kubernetes pkg/kubelet/kubelet_pods.go `managedHostsFileContent`, `GeneratePodHostNameAndDomain`.

use std::net::IpAddr;

use super::search::Libc;
use crate::model::{Pod, Text};

/// The lines that every managed file begins with.
pub(super) const LOCAL: [(&str, &[&str]); 6] = [
    ("127.0.0.1", &["localhost"]),
    ("::1", &["localhost", "ip6-localhost", "ip6-loopback"]),
    ("fe00::0", &["ip6-localnet"]),
    ("fe00::0", &["ip6-mcastprefix"]),
    ("fe00::1", &["ip6-allnodes"]),
    ("fe00::2", &["ip6-allrouters"]),
];

/// Longest host name (Linux `HOST_NAME_MAX` less one, as the kubelet cuts it).
const MAX_HOSTNAME: usize = 63;

/// One line: an address with its names.
pub type HostsLine = (IpAddr, Vec<Text>);

/// The lines of a pod's file. `services` names the Services of its namespace that its subdomain may name; the kubelet
/// does not look, so it is not asked for.
pub fn of_pod(pod: &Pod, domain: &[&str]) -> Vec<HostsLine> {
    let _ = (pod, domain);
    Vec::new()
}

/// What a C library takes from the file for a name. See [`Found`].
pub fn look_up(lines: &[HostsLine], name: &str, libc: Libc) -> Vec<IpAddr> {
    let _ = (lines, name, libc);
    Vec::new()
}

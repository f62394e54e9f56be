//! The `/etc/hosts` that the kubelet writes for a pod: names in it never reach DNS.
//!
//! What it is not: the file of a pod on the host network begins with the node's own lines, which are not in the API.
//! Everybody may use it. Source: Kubernetes `pkg/kubelet/kubelet_pods.go` (`managedHostsFileContent`,
//! `GeneratePodHostNameAndDomain`).

use std::net::IpAddr;

use super::search::Libc;
use crate::model::{Pod, Text};

/// The lines that every managed file begins with.
const LOCAL: [(&str, &[&str]); 6] = [
    ("127.0.0.1", &["localhost"]),
    ("::1", &["localhost", "ip6-localhost", "ip6-loopback"]),
    ("fe00::0", &["ip6-localnet"]),
    ("fe00::0", &["ip6-mcastprefix"]),
    ("fe00::1", &["ip6-allnodes"]),
    ("fe00::2", &["ip6-allrouters"]),
];

/// Longest host name; the kubelet cuts what is longer.
const MAX_HOSTNAME: usize = 63;

/// One line: an address with its names.
pub type HostsLine = (IpAddr, Vec<Text>);

/// The lines of a pod's file, as far as the API determines them: of a pod on the host network only the aliases.
/// `domain` is the cluster domain without the final dot.
pub fn of_pod(pod: &Pod, domain: &str) -> Vec<HostsLine> {
    let mut out = Vec::new();
    if !pod.spec.host_network {
        let local = LOCAL.iter().filter_map(|(ip, names)| Some((ip.parse().ok()?, names)));
        out.extend(local.map(|(ip, names)| (ip, names.iter().map(|n| Text::from(*n)).collect())));
        let names = own_names(pod, domain);
        out.extend(pod.ips.iter().filter_map(|ip| Some((ip.parse().ok()?, names.clone()))));
    }
    let aliases =
        pod.spec.host_aliases.iter().filter_map(|(ip, names)| Some((ip.parse().ok()?, names.to_vec())));
    out.extend(aliases);
    out
}

/// The host name of a pod as its own file has it, with its full form in front where it has a subdomain.
fn own_names(pod: &Pod, domain: &str) -> Vec<Text> {
    if let Some(name) = pod.spec.hostname_override.as_ref().filter(|n| !n.is_empty()) {
        return vec![name.clone()];
    }
    let name = pod.hostname.as_deref().filter(|n| !n.is_empty()).unwrap_or(&pod.key.name);
    let cut =
        name.char_indices().nth(MAX_HOSTNAME).map_or(name, |(at, _)| name[..at].trim_end_matches(['-', '.']));
    let mut out = Vec::with_capacity(2);
    if !pod.spec.subdomain.is_empty() {
        out.push(format!("{cut}.{}.{}.svc.{domain}", pod.spec.subdomain, pod.key.namespace).into());
    }
    out.push(cut.into());
    out
}

/// The addresses that a C library takes from the lines for a name. musl takes those of all lines and compares letter
/// for letter; glibc takes the first line alone (unless the image's `/etc/host.conf` says `multi on`). A name with a
/// final dot is never found.
pub fn look_up(lines: &[HostsLine], name: &str, libc: Libc) -> Vec<IpAddr> {
    let named = |(_, names): &&HostsLine| match libc {
        Libc::Glibc => names.iter().any(|n| n.eq_ignore_ascii_case(name)),
        Libc::Musl => names.iter().any(|n| **n == *name),
    };
    let found = lines.iter().filter(named).map(|(ip, _)| *ip);
    match libc {
        Libc::Glibc => found.take(1).collect(),
        Libc::Musl => found.collect(),
    }
}

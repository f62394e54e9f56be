//! Variables that the container runtime sets by itself, below everything that the pod says: `HOSTNAME` and `TERM`.
//! Those of the image (`PATH`, `HOME`, …) are not in the API and are not predicted.

use super::sources::Options;
use crate::model::Pod;

/// What a pod's `HOSTNAME` is.
pub(super) enum Hostname {
    /// This (kubelet: `GeneratePodHostNameAndDomain`, `truncatePodHostname`).
    Sure(String),
    /// Probably this; why not surely.
    Probably(String, String),
    /// The sandbox can't be made: the pod stays in `ContainerCreating`. Why.
    Refused(String),
}

/// Linux: `HOST_NAME_MAX`.
const LONGEST: usize = 64;
/// A DNS label.
const LABEL: usize = 63;

/// The host name that the runtime puts into `HOSTNAME`.
pub(super) fn hostname(pod: &Pod, options: &Options) -> Hostname {
    if pod.spec.host_network {
        let why = "with hostNetwork it is the host name of the node's operating system; usually, not always, that \
                   is the node's name";
        return Hostname::Probably(pod.node.to_string(), why.to_owned());
    }
    if let Some(name) = pod.spec.hostname_override.as_deref().filter(|name| !name.is_empty()) {
        return Hostname::Sure(name.to_owned());
    }
    let name = short(pod.hostname.as_deref().filter(|name| !name.is_empty()).unwrap_or(&pod.key.name));
    if !pod.spec.hostname_as_fqdn || pod.spec.subdomain.is_empty() {
        return Hostname::Sure(name.to_owned());
    }
    let full = |domain| format!("{name}.{}.{}.svc.{domain}", pod.spec.subdomain, pod.key.namespace);
    match options.cluster_domain.map(full) {
        Some(fqdn) if fqdn.len() > LONGEST => Hostname::Refused(format!(
            "setHostnameAsFQDN asks for the host name {fqdn}, which has {} characters; {LONGEST} is the limit",
            fqdn.len()
        )),
        Some(fqdn) => Hostname::Sure(fqdn),
        None => {
            let why = "the cluster domain is not known; assumed is cluster.local";
            Hostname::Probably(full("cluster.local"), why.to_owned())
        }
    }
}

/// Names longer than a DNS label are cut, and the cut end is trimmed.
fn short(name: &str) -> &str {
    if name.len() <= LABEL {
        name
    } else {
        name[..name.floor_char_boundary(LABEL)].trim_end_matches(['-', '.'])
    }
}

//! What stands behind a Service, a row an address, and which Services lead to a pod.
//!
//! What it is: the merge of all EndpointSlices of a Service, each endpoint with the pod behind it as far as pods are
//! known. What it is not: a judgement; that is [`super::diagnose`]. The Endpoints pane and the `endpoints` command
//! call it, for the one Service they show.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use super::{
    AddressType, ClusterSnapshot, Endpoint, EndpointSlice, Hints, Kind, Load, ObjectKey, Pod, ServiceFacts,
    SlicePort, TargetRef, Text,
};

/// What an endpoint is good for. Orders from best to worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EndpointState {
    /// Ready, or the slice does not say: DNS publishes it and kube-proxy uses it.
    Ready,
    /// On its way out but still serving: kube-proxy uses it only where no ready endpoint is left
    /// (kube-proxy: `CategorizeEndpoints`); DNS no longer publishes it.
    Draining,
    /// Not ready: nobody uses it.
    NotReady,
    /// On its way out and no longer serving.
    Terminating,
}

impl EndpointState {
    /// The state that the three conditions amount to.
    pub fn of(endpoint: &Endpoint) -> Self {
        match (endpoint.is_ready(), endpoint.terminating == Some(true)) {
            (true, _) => Self::Ready,
            (false, true) if endpoint.serving == Some(true) => Self::Draining,
            (false, true) => Self::Terminating,
            (false, false) => Self::NotReady,
        }
    }

    /// Whether kube-proxy sends connections there when nothing better is left.
    pub fn usable(self) -> bool {
        matches!(self, Self::Ready | Self::Draining)
    }

    /// In a word or two.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Draining => "draining",
            Self::NotReady => "not ready",
            Self::Terminating => "terminating",
        }
    }
}

/// The pod behind an endpoint, as far as known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TargetPod {
    /// There is no pod behind: the endpoint was written by hand, or the target is something else.
    None,
    /// Pods of that namespace are not known (not watched, still loading, forbidden).
    Unknown,
    /// Pods are known, and this one does not exist (any more).
    Missing,
    /// The pod.
    Known(Arc<Pod>),
}

impl TargetPod {
    /// The pod, if it is known.
    pub fn pod(&self) -> Option<&Arc<Pod>> {
        match self {
            Self::Known(pod) => Some(pod),
            _ => None,
        }
    }
}

/// One address behind a Service. An endpoint that several slices list is one row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointRow {
    /// The address, verbatim.
    pub address: Text,
    /// Its family, as the slice says.
    pub address_type: AddressType,
    /// What the conditions amount to.
    pub state: EndpointState,
    /// `conditions.ready`; `None` where the slice does not say.
    pub ready: Option<bool>,
    /// `conditions.serving`; `None` where the slice does not say.
    pub serving: Option<bool>,
    /// `conditions.terminating`; `None` where the slice does not say.
    pub terminating: Option<bool>,
    /// Host name that DNS publishes for it.
    pub hostname: Option<Text>,
    /// Node.
    pub node: Option<Text>,
    /// Zone.
    pub zone: Option<Text>,
    /// Topology hints.
    pub hints: Hints,
    /// The ports it serves: those of all slices that list it, each once, in their order.
    pub ports: Vec<SlicePort>,
    /// The object behind.
    pub target: Option<TargetRef>,
    /// The pod behind.
    pub pod: TargetPod,
    /// Names of the slices that list it, sorted.
    pub slices: Vec<Text>,
}

/// The rows of a Service: ready ones first, then by address (IPv4 before IPv6, by number).
pub fn endpoint_rows(facts: &ServiceFacts, snapshot: &ClusterSnapshot) -> Vec<EndpointRow> {
    let mut merged: BTreeMap<(Option<&TargetRef>, &Text), EndpointRow> = BTreeMap::new();
    for slice in &facts.slices {
        for endpoint in &slice.endpoints {
            for address in &endpoint.addresses {
                merged
                    .entry((endpoint.target.as_ref(), address))
                    .and_modify(|row| merge(row, slice, endpoint))
                    .or_insert_with(|| row(address, slice, endpoint, snapshot));
            }
        }
    }
    let mut rows: Vec<_> = merged.into_values().collect();
    rows.sort_by_cached_key(|row| (row.state, AddressOrder::new(&row.address), row.target.clone()));
    rows
}

fn row(
    address: &Text,
    slice: &EndpointSlice,
    endpoint: &Endpoint,
    snapshot: &ClusterSnapshot,
) -> EndpointRow {
    EndpointRow {
        address: address.clone(),
        address_type: slice.address_type.clone(),
        state: EndpointState::of(endpoint),
        ready: endpoint.ready,
        serving: endpoint.serving,
        terminating: endpoint.terminating,
        hostname: endpoint.hostname.clone(),
        node: endpoint.node.clone(),
        zone: endpoint.zone.clone(),
        hints: endpoint.hints.clone(),
        ports: slice.ports.to_vec(),
        target: endpoint.target.clone(),
        pod: target_pod(endpoint.target.as_ref(), snapshot),
        slices: vec![slice.key.name.clone()],
    }
}

/// Adds what another slice says of the same endpoint. While the controller moves an endpoint from slice to slice
/// both may list it; the better state counts, as in the number of ready endpoints.
fn merge(row: &mut EndpointRow, slice: &EndpointSlice, endpoint: &Endpoint) {
    for port in &slice.ports {
        if !row.ports.contains(port) {
            row.ports.push(port.clone());
        }
    }
    if row.slices.last() != Some(&slice.key.name) {
        row.slices.push(slice.key.name.clone());
    }
    let state = EndpointState::of(endpoint);
    if state < row.state {
        row.state = state;
        (row.ready, row.serving, row.terminating) = (endpoint.ready, endpoint.serving, endpoint.terminating);
    }
    let fill = |mine: &mut Option<Text>, theirs: &Option<Text>| {
        if mine.is_none() {
            mine.clone_from(theirs);
        }
    };
    fill(&mut row.hostname, &endpoint.hostname);
    fill(&mut row.node, &endpoint.node);
    fill(&mut row.zone, &endpoint.zone);
}

fn target_pod(target: Option<&TargetRef>, snapshot: &ClusterSnapshot) -> TargetPod {
    let Some(target) = target.filter(|t| &*t.kind == "Pod") else { return TargetPod::None };
    match snapshot.pod(&target.namespace, &target.name) {
        Some(pod) => TargetPod::Known(pod.clone()),
        None if snapshot.load(Kind::Pod, &target.namespace).is_some_and(Load::is_live) => TargetPod::Missing,
        None => TargetPod::Unknown,
    }
}

/// Orders addresses: IPv4 by number, IPv6 by number, then whatever else there is as text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AddressOrder {
    /// An IP address; IPv4 sorts first.
    Ip(IpAddr),
    /// A name or broken data.
    Text(Text),
}

impl AddressOrder {
    /// The sort key of an address.
    pub fn new(address: &Text) -> Self {
        address.parse().map_or_else(|_| Self::Text(address.clone()), Self::Ip)
    }
}

/// One Service that leads to a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodService {
    /// The Service.
    pub service: Arc<ServiceFacts>,
    /// How its slices list the pod; `None` when only the selector names it, so nothing reaches it this way.
    pub state: Option<EndpointState>,
}

/// The Services of its namespace that have this pod as an endpoint or would select it, sorted by name.
pub fn services_of_pod(pod: &Pod, snapshot: &ClusterSnapshot) -> Vec<PodService> {
    let listed = snapshot.services_of(&pod.key);
    snapshot
        .services_in(&pod.key.namespace)
        .iter()
        .filter(|f| listed.contains(&f.key().name) || f.service.selector.selects(&pod.labels))
        .map(|f| PodService { service: f.clone(), state: state_of(f, &pod.key) })
        .collect()
}

/// The best state in which a Service's slices list a pod.
fn state_of(facts: &ServiceFacts, pod: &ObjectKey) -> Option<EndpointState> {
    let is_it = |t: &TargetRef| &*t.kind == "Pod" && t.namespace == pod.namespace && t.name == pod.name;
    facts
        .slices
        .iter()
        .flat_map(|s| &s.endpoints)
        .filter(|e| e.target.as_ref().is_some_and(is_it))
        .map(EndpointState::of)
        .min()
}

#[cfg(test)]
mod tests;

//! What one Service holds for a question: the addresses and ports that records are made of.
//!
//! Only the rest of `dns` uses it. Source: CoreDNS plugin/kubernetes kubernetes.go `findServices`, object/endpoint.go.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv6Addr};

use super::{Kubernetes, RecordType};
use crate::model::{AddressType, Endpoint, EndpointSlice, ObjectKey, ServiceFacts, ServiceType, Text};

/// What a question says left of the Service's own label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part<'a> {
    /// Nothing: the Service.
    Whole,
    /// One label: an endpoint.
    Endpoint(&'a str),
    /// Two labels: port name and protocol, underscores cut.
    Port {
        /// Port name.
        port: &'a str,
        /// Protocol.
        protocol: &'a str,
    },
    /// `zone.pin._zone` or `zone.prefer._zone` (option `zonal`).
    Zonal {
        /// Topology zone.
        zone: &'a str,
        /// Only endpoints of the zone, never others.
        pin: bool,
    },
}

/// One address and port, or one other name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hit<'a> {
    /// Address as the API writes it, or the external name.
    pub(super) host: &'a str,
    /// What the host is.
    pub(super) kind: HostKind,
    /// Port number; `None` where there is none (no SRV then).
    pub(super) port: Option<i32>,
    /// Label of the endpoint; `None` for the Service itself.
    pub(super) label: Option<Cow<'a, str>>,
    /// The endpoint.
    pub(super) endpoint: Option<&'a Endpoint>,
}

/// What a host is (CoreDNS `msg.Service.HostType`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HostKind {
    /// An address.
    Address(IpAddr),
    /// A name.
    Name,
}

impl HostKind {
    /// Go's `net.ParseIP` takes IPv4 addresses in IPv6 form for IPv4.
    pub(super) fn of(host: &str) -> Self {
        match host.parse() {
            Ok(IpAddr::V6(v6)) => Self::Address(v4_in(v6).unwrap_or(IpAddr::V6(v6))),
            Ok(v4) => Self::Address(v4),
            Err(_) => Self::Name,
        }
    }

    /// A or AAAA; `None` for a name.
    pub(super) fn record(self) -> Option<(RecordType, IpAddr)> {
        match self {
            Self::Address(ip @ IpAddr::V4(_)) => Some((RecordType::A, ip)),
            Self::Address(ip @ IpAddr::V6(_)) => Some((RecordType::AAAA, ip)),
            Self::Name => None,
        }
    }
}

fn v4_in(ip: Ipv6Addr) -> Option<IpAddr> {
    ip.to_ipv4_mapped().map(IpAddr::V4)
}

/// What a Service answers; the outer `None` is NXDOMAIN, an empty list NODATA.
pub(super) fn hits<'a>(facts: &'a ServiceFacts, part: Part<'_>, plugin: &Kubernetes) -> Option<Vec<Hit<'a>>> {
    let service = &*facts.service;
    if plugin.labels.as_ref().is_some_and(|s| !s.matches(&service.labels)) {
        return None;
    }
    if service.kind == ServiceType::ExternalName {
        let host = &*service.external_name;
        let usable = part == Part::Whole && HostKind::of(host) == HostKind::Name;
        return usable
            .then(|| vec![Hit { host, kind: HostKind::Name, port: Some(0), label: None, endpoint: None }]);
    }
    let headless = service.headless();
    if plugin.ignore_empty_service && !headless && ready(facts, plugin).next().is_none() {
        return None;
    }
    match part {
        Part::Zonal { zone, pin } => headless.then(|| zonal(facts, zone, pin, plugin)).flatten(),
        Part::Endpoint(_) => of_endpoints(facts, part, plugin),
        _ if headless => of_endpoints(facts, part, plugin),
        _ => of_cluster_ips(facts, part),
    }
}

fn of_cluster_ips<'a>(facts: &'a ServiceFacts, part: Part<'_>) -> Option<Vec<Hit<'a>>> {
    let mut out = Vec::new();
    let mut found = false;
    for port in facts.service.ports.iter().filter(|p| fits(part, &p.name, p.protocol.as_str())) {
        found = true;
        out.extend(facts.service.addresses().map(|ip| Hit {
            host: ip,
            kind: HostKind::of(ip),
            port: Some(port.port),
            label: None,
            endpoint: None,
        }));
    }
    found.then_some(out)
}

fn of_endpoints<'a>(facts: &'a ServiceFacts, part: Part<'_>, plugin: &Kubernetes) -> Option<Vec<Hit<'a>>> {
    let mut out = Vec::new();
    for (slice, endpoint, address) in ready(facts, plugin) {
        let label = endpoint_label(endpoint, address, plugin.endpoint_pod_names);
        if matches!(part, Part::Endpoint(wanted) if !wanted.eq_ignore_ascii_case(&label)) {
            continue;
        }
        let kind = HostKind::of(address);
        let hit =
            |port| Hit { host: address, kind, port, label: Some(label.clone()), endpoint: Some(endpoint) };
        if slice.ports.is_empty() {
            // A slice without ports has one nameless one that SRV leaves out.
            out.extend(fits(part, "", "").then(|| hit(None)));
        }
        let ports = slice.ports.iter().filter(|p| fits(part, &p.name, p.protocol.as_str()));
        out.extend(ports.map(|p| hit(p.port)));
    }
    (!out.is_empty()).then_some(out)
}

/// The endpoints of one topology zone. `prefer` falls back to all of them; `pin` answers NODATA.
fn zonal<'a>(facts: &'a ServiceFacts, zone: &str, pin: bool, plugin: &Kubernetes) -> Option<Vec<Hit<'a>>> {
    let all = of_endpoints(facts, Part::Whole, plugin)?;
    let inside = |h: &Hit<'_>| {
        let own = h.endpoint.and_then(|e| e.zone.as_deref());
        own.is_some_and(|own| own.eq_ignore_ascii_case(zone))
    };
    let some: Vec<_> = all.iter().filter(|h| inside(h)).cloned().collect();
    Some(if pin || !some.is_empty() { some } else { all })
}

/// Every ready address of a Service, with its endpoint and slice.
pub(super) fn ready<'a>(
    facts: &'a ServiceFacts,
    plugin: &Kubernetes,
) -> impl Iterator<Item = (&'a EndpointSlice, &'a Endpoint, &'a Text)> {
    let of_slice = |s: &'a EndpointSlice| ready_in(s, plugin).map(move |(e, a)| (s, e, a));
    facts.slices.iter().flat_map(move |s| of_slice(s))
}

/// Every ready address of a slice that the plugin looks at, with its endpoint.
pub(super) fn ready_in<'a>(
    slice: &'a EndpointSlice,
    plugin: &Kubernetes,
) -> impl Iterator<Item = (&'a Endpoint, &'a Text)> + use<'a> {
    let seen = plugin.endpoints
        && slice.address_type != AddressType::Fqdn
        && plugin.labels.as_ref().is_none_or(|l| l.matches(&slice.labels));
    let endpoints = if seen { &*slice.endpoints } else { &[] };
    endpoints.iter().filter(|e| e.is_ready()).flat_map(|e| e.addresses.iter().map(move |a| (e, a)))
}

/// Whether a Service has ready endpoints that are names: CoreDNS' treatment of them was not seen.
pub(super) fn has_fqdn_endpoints(facts: &ServiceFacts) -> bool {
    let mut slices = facts.slices.iter().filter(|s| s.address_type == AddressType::Fqdn);
    slices.any(|s| s.endpoints.iter().any(Endpoint::is_ready))
}

fn fits(part: Part<'_>, name: &str, protocol_of_port: &str) -> bool {
    let Part::Port { port, protocol } = part else { return true };
    (port.is_empty() || port.eq_ignore_ascii_case(name))
        && (protocol.is_empty() || protocol.eq_ignore_ascii_case(protocol_of_port))
}

/// The DNS label of an endpoint (CoreDNS `endpointHostname`).
pub fn endpoint_label<'a>(endpoint: &'a Endpoint, address: &str, pod_names: bool) -> Cow<'a, str> {
    if let Some(hostname) = endpoint.hostname.as_deref().filter(|h| !h.is_empty()) {
        return Cow::Borrowed(hostname);
    }
    if pod_names
        && let Some(target) = endpoint.target.as_ref().filter(|t| !t.name.is_empty() && t.name.len() < 64)
    {
        return Cow::Borrowed(&target.name);
    }
    if address.contains('.') {
        return Cow::Owned(address.replace('.', "-"));
    }
    let mut dashed = address.replace(':', "-");
    if dashed.ends_with('-') {
        dashed.push('0');
    }
    Cow::Owned(dashed)
}

/// The pod behind an endpoint.
pub(super) fn pod_of(endpoint: &Endpoint) -> Option<ObjectKey> {
    let target = endpoint.target.as_ref().filter(|t| &*t.kind == "Pod")?;
    Some(ObjectKey::new(target.namespace.clone(), target.name.clone()))
}

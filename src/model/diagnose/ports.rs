//! Ports that lead nowhere: target port names that pods do not declare, port names that slices do not have.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::super::pod::{ContainerPort, ContainerRole};
use super::super::{Finding, Pod, Port, PortTarget, Severity, Text};
use super::{Case, plural, some_names, unserved};

const UNDECLARED: &str = "target-port-not-declared";

pub(super) fn check(case: &Case<'_>, findings: &mut Vec<Finding>) {
    for port in &case.service.ports {
        findings.extend(match &port.target {
            PortTarget::Name(name) if !case.service.selector.is_empty() => by_name(case, port, name),
            PortTarget::Name(_) => not_in_slices(case, port),
            PortTarget::Same => not_in_slices(case, port).or_else(|| by_number(case, port, port.port)),
            PortTarget::Number(number) => {
                not_in_slices(case, port).or_else(|| by_number(case, port, *number))
            }
        });
    }
}

/// The selected pods that are or will become endpoints.
fn candidates<'a>(case: &'a Case<'a>) -> Vec<&'a Pod> {
    let live = |p: &&&Arc<Pod>| !p.finished() && p.deleting.is_none();
    case.selected.iter().flatten().filter(live).map(|p| &***p).collect()
}

/// The ports that the endpoint controller looks through (endpointslice: `FindPort`): those of the main containers
/// and the sidecars.
fn declared(pod: &Pod) -> impl Iterator<Item = &ContainerPort> {
    let counts = |role| matches!(role, ContainerRole::Main | ContainerRole::Sidecar);
    pod.spec.containers.iter().filter(move |c| counts(c.role)).flat_map(|c| &c.ports)
}

fn by_name(case: &Case<'_>, port: &Port, name: &Text) -> Option<Finding> {
    let pods = candidates(case);
    let declares = |p: &&Pod| declared(p).any(|c| c.name == *name && c.protocol == port.protocol);
    let (with, without): (Vec<_>, Vec<_>) = pods.into_iter().partition(declares);
    let unserved = unserved(case.facts, port);
    let nowhere = with.is_empty() && (unserved || !without.is_empty());
    if !nowhere && without.is_empty() {
        return None;
    }
    let protocol = port.protocol.as_str();
    let shown = port_text(port);
    let message = if nowhere {
        format!(
            "port {shown} of {} leads to the target port `{name}`, which no pod declares",
            case.service.key
        )
    } else {
        let (some, all) = (without.len(), with.len() + without.len());
        format!(
            "port {shown} of {} leads to the target port `{name}`, which {some} of {} do{} declare",
            case.service.key,
            plural(all, "pod"),
            if some == 1 { "es not" } else { " not" }
        )
    };
    let mut evidence = Vec::new();
    if unserved {
        evidence
            .push(format!("its EndpointSlices have endpoints, but no {protocol} port named `{}`", port.name));
    }
    if !without.is_empty() {
        let names: Vec<_> = without.iter().map(|p| &p.key.name).collect();
        evidence.push(format!("without it: {}", some_names(&names)));
        evidence.push(format!("they declare {}", declarations(&without)));
    }
    // Address records of a headless Service need no port; only its SRV records and the port's number are lost.
    let severity = if nowhere && !case.service.headless() { Severity::Error } else { Severity::Warning };
    Some(Finding {
        evidence,
        advice: format!("name a container port `{name}`, or set targetPort to a number"),
        ..case.finding(UNDECLARED, severity, message)
    })
}

/// A number need not be declared: "not specifying a port here DOES NOT prevent that port from being exposed" (core/v1
/// Container.ports). So this is worth a hint only where pods declare others.
fn by_number(case: &Case<'_>, port: &Port, number: i32) -> Option<Finding> {
    let pods = candidates(case);
    let mut ports = pods.iter().flat_map(|p| declared(p)).peekable();
    let declare_none = ports.peek().is_none();
    if case.service.headless()
        || declare_none
        || ports.any(|c| c.port == number && c.protocol == port.protocol)
    {
        return None;
    }
    let shown = port_text(port);
    Some(Finding {
        evidence: vec![format!("they declare {}", declarations(&pods))],
        advice:
            "declaring it is optional; if connections are refused, check which port the program listens on"
                .to_owned(),
        ..case.finding(
            UNDECLARED,
            Severity::Info,
            format!(
                "port {shown} of {} leads to port {number}/{}, which no pod declares",
                case.service.key,
                port.protocol.as_str()
            ),
        )
    })
}

/// Slices written by hand have to name the port as the Service does.
fn not_in_slices(case: &Case<'_>, port: &Port) -> Option<Finding> {
    if !unserved(case.facts, port) || case.service.headless() {
        return None;
    }
    let has: BTreeSet<String> =
        case.facts.slices.iter().flat_map(|s| &s.ports).map(slice_port_text).collect();
    let has: Vec<_> = has.into_iter().collect();
    let evidence = if has.is_empty() {
        "its EndpointSlices have no port".to_owned()
    } else {
        format!("its EndpointSlices have {}", some_names(&has))
    };
    Some(Finding {
        evidence: vec![evidence, "kube-proxy joins both by name and protocol".to_owned()],
        advice: "give the port the same name and protocol in the Service and in the EndpointSlices"
            .to_owned(),
        ..case.finding(
            "port-not-in-slices",
            Severity::Error,
            format!("no EndpointSlice of {} has the port {}", case.service.key, port_text(port)),
        )
    })
}

fn slice_port_text(port: &super::super::SlicePort) -> String {
    let number = port.port.map_or_else(|| "no number".to_owned(), |n| n.to_string());
    let name = if port.name.is_empty() { "unnamed" } else { &*port.name };
    format!("{name} ({number}/{})", port.protocol.as_str())
}

/// `http (80/TCP)`, or `80/TCP`.
fn port_text(port: &Port) -> String {
    let number = format!("{}/{}", port.port, port.protocol.as_str());
    if port.name.is_empty() { number } else { format!("{} ({number})", port.name) }
}

/// All that these pods declare, each once.
fn declarations(pods: &[&Pod]) -> String {
    let ports: BTreeSet<_> =
        pods.iter().flat_map(|p| declared(p)).map(|c| (c.port, c.protocol.as_str(), &*c.name)).collect();
    let texts: Vec<_> = ports
        .into_iter()
        .map(|(port, protocol, name)| match name {
            "" => format!("{port}/{protocol}"),
            _ => format!("{name} ({port}/{protocol})"),
        })
        .collect();
    if texts.is_empty() { "no port".to_owned() } else { some_names(&texts) }
}

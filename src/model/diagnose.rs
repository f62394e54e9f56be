//! "Why is nothing behind it": what is wrong with a Service, as far as the API shows it.
//!
//! What it is: findings with stable codes, the evidence and what to do next, for one Service. What it is not: a
//! guess. Where pods or slices are not known it says so or says nothing; a live look-up is somebody else's.
//! Panes and commands call [`diagnose`] for what they show; the list marks its rows by [`needs_attention`].

mod endpoints;
mod external;
mod nearest;
mod policy;
mod ports;

pub(in crate::model) use nearest::similar;

use std::fmt::Write as _;

use super::time::{self, Timestamp};
use super::{
    ClusterSnapshot, Finding, Kind, Load, ObjectRef, Pod, Port, Service, ServiceFacts, ServiceType, Severity,
};
use super::{Text, join::EndpointState};

use std::sync::Arc;

/// Lines of evidence about single objects; more are counted.
const MOST_LINES: usize = 8;

/// What is wrong with a Service, worst first. `domain` is the cluster domain, without a dot at its end.
pub fn diagnose(
    facts: &ServiceFacts,
    snapshot: &ClusterSnapshot,
    now: Timestamp,
    domain: &str,
) -> Vec<Finding> {
    let case = Case::new(facts, snapshot, now);
    let mut findings = Vec::new();
    if facts.service.kind == ServiceType::ExternalName {
        external::check(&case, domain, &mut findings);
    } else {
        match case.load(Kind::EndpointSlice) {
            Some(Load::Live | Load::Stale { .. }) => {
                endpoints::check(&case, &mut findings);
                ports::check(&case, &mut findings);
                policy::check(&case, &mut findings);
                case.report_unknown_pods(&mut findings);
                case.report_age(&mut findings);
            }
            // The pods alone tell whether the selector is wrong.
            Some(Load::Forbidden { .. } | Load::Failed { .. }) => {
                endpoints::check_selector(&case, &mut findings);
                findings.extend(case.cannot_check(Kind::EndpointSlice, "what is behind"));
            }
            Some(Load::Loading(_)) | None => {}
        }
    }
    findings.sort_by_key(|f| f.severity);
    findings
}

/// Whether a Service deserves a mark in the list: nothing usable is behind it, a port of it leads nowhere, or its
/// external name cannot work. It looks at nothing but the join, so it is cheap, and as good as the slices are:
/// ask only where EndpointSlices are live.
pub fn needs_attention(facts: &ServiceFacts) -> bool {
    let service = &*facts.service;
    if service.kind == ServiceType::ExternalName {
        return external::cannot_work(&service.external_name);
    }
    if facts.ready > 0 {
        return !service.headless() && service.ports.iter().any(|p| unserved(facts, p));
    }
    if facts.total == 0 {
        return !service.selector.is_empty();
    }
    !still_served(facts)
}

/// Whether endpoints on their way out still take connections: kube-proxy falls back to them (`CategorizeEndpoints`),
/// DNS does not.
fn still_served(facts: &ServiceFacts) -> bool {
    !facts.service.headless() && states(facts).any(|s| s == EndpointState::Draining)
}

fn states(facts: &ServiceFacts) -> impl Iterator<Item = EndpointState> {
    facts.slices.iter().flat_map(|s| &s.endpoints).map(EndpointState::of)
}

/// Whether there are endpoints, but no slice gives the port a number. kube-proxy joins the two by the port's name
/// and protocol, and ignores slice ports without a number.
fn unserved(facts: &ServiceFacts, port: &Port) -> bool {
    let serves = |s: &&Arc<super::EndpointSlice>| {
        s.ports.iter().any(|p| p.name == port.name && p.protocol == port.protocol && p.port.is_some())
    };
    facts.total > 0 && !facts.slices.iter().any(|s| serves(&s))
}

/// One Service under examination.
struct Case<'a> {
    facts: &'a ServiceFacts,
    service: &'a Service,
    snapshot: &'a ClusterSnapshot,
    now: Timestamp,
    /// The pods that the selector selects, sorted by name; `None` when pods of the namespace are not known.
    selected: Option<Vec<&'a Arc<Pod>>>,
}

impl<'a> Case<'a> {
    fn new(facts: &'a ServiceFacts, snapshot: &'a ClusterSnapshot, now: Timestamp) -> Self {
        let service = &*facts.service;
        let namespace = &*service.key.namespace;
        let known = snapshot.load(Kind::Pod, namespace).is_some_and(is_known);
        let selects = |p: &&Arc<Pod>| service.selector.selects(&p.labels);
        let selected = known.then(|| snapshot.pods_in(namespace).iter().filter(selects).collect());
        Self { facts, service, snapshot, now, selected }
    }

    fn namespace(&self) -> &'a Text {
        &self.service.key.namespace
    }

    fn load(&self, kind: Kind) -> Option<&'a Load> {
        self.snapshot.load(kind, self.namespace())
    }

    fn finding(&self, code: &'static str, severity: Severity, message: String) -> Finding {
        let object = ObjectRef { kind: Kind::Service, key: self.service.key.clone() };
        Finding { code, severity, object, message, evidence: vec![], advice: String::new() }
    }

    /// Says that pods are not known, where findings would have been better with them.
    fn report_unknown_pods(&self, findings: &mut Vec<Finding>) {
        let by_name = |p: &Port| matches!(p.target, super::PortTarget::Name(_));
        let wanted = self.facts.ready == 0 || self.service.ports.iter().any(by_name);
        if !self.service.selector.is_empty() && wanted {
            findings.extend(self.cannot_check(Kind::Pod, "the pods behind"));
        }
    }

    /// A finding that something could not be checked, where it may not be read or cannot be reached.
    fn cannot_check(&self, kind: Kind, what: &str) -> Option<Finding> {
        let (key, namespace) = (&self.service.key, self.namespace());
        let resource = kind.resource_and_group();
        match self.load(kind)? {
            Load::Forbidden { verb, message } => Some(Finding {
                evidence: vec![format!("{verb} {resource} in namespace {namespace}: {message}")],
                advice: format!("ask for the right to {verb} {resource} in namespace {namespace}"),
                ..self.finding(
                    "forbidden",
                    Severity::Info,
                    format!("cannot check {what} {key}: not allowed to {verb} {resource}"),
                )
            }),
            Load::Failed { since, why } => Some(Finding {
                evidence: vec![format!("{resource}: {why} (since {})", self.ago(Some(*since)))],
                ..self.finding(
                    "unreachable",
                    Severity::Info,
                    format!("cannot check {what} {key}: {resource} could not be read so far"),
                )
            }),
            _ => None,
        }
    }

    /// Says that the findings are from the moment when the connection broke.
    fn report_age(&self, findings: &mut Vec<Finding>) {
        let Some(Load::Stale { since, why }) = self.load(Kind::EndpointSlice) else { return };
        if findings.is_empty() {
            return;
        }
        let since = self.ago(Some(*since));
        let message =
            format!("cannot check {} now: what is told here was true {since} ago", self.service.key);
        let finding = self.finding("unreachable", Severity::Info, message);
        findings.push(Finding { evidence: vec![why.to_string()], ..finding });
    }

    /// How long ago.
    fn ago(&self, then: Option<Timestamp>) -> String {
        time::age(then, self.now)
    }
}

/// Whether what is known of a kind is all there was, now or when the connection broke.
fn is_known(load: &Load) -> bool {
    matches!(load, Load::Live | Load::Stale { .. })
}

/// The first lines, and how many more there are.
fn some_lines(lines: impl IntoIterator<Item = String>, what: &str) -> Vec<String> {
    let mut lines = lines.into_iter();
    let mut shown: Vec<_> = lines.by_ref().take(MOST_LINES).collect();
    match lines.count() {
        0 => {}
        more => shown.push(format!("and {more} more {what}")),
    }
    shown
}

/// The first names, and how many more there are.
fn some_names<T: AsRef<str>>(names: &[T]) -> String {
    const MOST: usize = 5;
    let mut text = names.iter().take(MOST).map(AsRef::as_ref).collect::<Vec<_>>().join(", ");
    if names.len() > MOST {
        let _ = write!(text, " and {} more", names.len() - MOST);
    }
    text
}

/// `1 pod`, `2 pods`.
fn plural(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests;

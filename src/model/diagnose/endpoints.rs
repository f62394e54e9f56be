//! No endpoint that is ready: because the selector is wrong, because pods are not ready, because all are leaving.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::super::columns;
use super::super::copy::shell_quote;
use super::super::join::{self, EndpointRow, EndpointState, TargetPod};
use super::super::pod::Condition;
use super::super::{Finding, Pod, Severity, Text};
use super::{Case, nearest, some_lines, states, still_served};

pub(super) fn check(case: &Case<'_>, findings: &mut Vec<Finding>) {
    if case.facts.ready > 0 {
        return;
    }
    let (empty, selectorless) = (case.facts.total == 0, case.service.selector.is_empty());
    let leaving = |s| matches!(s, EndpointState::Draining | EndpointState::Terminating);
    findings.push(match () {
        () if empty && selectorless => no_slices(case),
        () if empty && case.selected.as_ref().is_some_and(Vec::is_empty) => matches_nothing(case),
        () if !empty && states(case.facts).all(leaving) => all_terminating(case),
        () => no_ready(case),
    });
}

/// The part that pods alone can answer.
pub(super) fn check_selector(case: &Case<'_>, findings: &mut Vec<Finding>) {
    if !case.service.selector.is_empty() && case.selected.as_ref().is_some_and(Vec::is_empty) {
        findings.push(matches_nothing(case));
    }
}

fn no_slices(case: &Case<'_>) -> Finding {
    let key = &case.service.key;
    let evidence = match case.facts.slices.len() {
        0 => format!("no EndpointSlice has the label kubernetes.io/service-name={}", key.name),
        n => {
            format!("its {} no endpoint", if n == 1 { "EndpointSlice lists" } else { "EndpointSlices list" })
        }
    };
    Finding {
        evidence: vec!["spec.selector is empty, so no controller looks for pods".to_owned(), evidence],
        advice: format!(
            "write an EndpointSlice with the label kubernetes.io/service-name={}, or give the Service a selector",
            key.name
        ),
        ..case.finding(
            "no-selector-no-slices",
            Severity::Warning,
            format!("{key} has neither a selector nor endpoints written by hand: nothing is behind it"),
        )
    }
}

fn matches_nothing(case: &Case<'_>) -> Finding {
    let (service, namespace) = (case.service, case.namespace());
    let near = nearest::evidence(case);
    let advice = if near.found {
        format!(
            "change the selector (kubectl edit service {} -n {}), or the labels in the template of the pods",
            shell_quote(&service.key.name),
            shell_quote(namespace)
        )
    } else {
        format!(
            "start the pods, or compare the labels: kubectl get pods -n {} --show-labels",
            shell_quote(namespace)
        )
    };
    Finding {
        evidence: near.lines,
        advice,
        ..case.finding(
            "selector-matches-nothing",
            Severity::Error,
            format!("the selector {} of {} matches no pod of its namespace", service.selector, service.key),
        )
    }
}

fn all_terminating(case: &Case<'_>) -> Finding {
    let (key, total) = (&case.service.key, case.facts.total);
    let rows = join::endpoint_rows(case.facts, case.snapshot);
    let listed: BTreeSet<_> = rows.iter().filter_map(|r| r.target.as_ref()).map(|t| &t.name).collect();
    // Who should take over, and why he does not.
    let others =
        case.selected.iter().flatten().filter(|p| !listed.contains(&p.key.name)).map(|p| pod_line(case, p));
    let lines = rows.iter().map(endpoint_line).chain(others);
    let (severity, consequence) = if still_served(case.facts) {
        (Severity::Warning, "kube-proxy uses those that still serve until they are gone")
    } else {
        (Severity::Error, consequence(case))
    };
    Finding {
        evidence: some_lines(lines, "endpoints or pods"),
        advice: format!(
            "see why no new pod takes over: kubectl get pods -n {}{}",
            shell_quote(case.namespace()),
            selector_flag(case)
        ),
        ..case.finding(
            "all-endpoints-terminating",
            severity,
            match total {
                1 => format!("the only endpoint of {key} is being terminated: {consequence}"),
                _ => format!("all {total} endpoints of {key} are being terminated: {consequence}"),
            },
        )
    }
}

fn no_ready(case: &Case<'_>) -> Finding {
    let (service, total) = (case.service, case.facts.total);
    let code = if service.headless() { "headless-no-ready-endpoints" } else { "no-ready-endpoints" };
    let evidence = match &case.selected {
        Some(pods) if !pods.is_empty() => some_lines(pods.iter().map(|p| pod_line(case, p)), "pods"),
        _ if total == 0 => vec!["its EndpointSlices list no endpoint".to_owned()],
        _ => {
            let rows = join::endpoint_rows(case.facts, case.snapshot);
            some_lines(rows.iter().map(endpoint_line), "endpoints")
        }
    };
    let (severity, consequence) = if still_served(case.facts) {
        (Severity::Warning, "kube-proxy uses those on their way out that still serve")
    } else {
        (Severity::Error, consequence(case))
    };
    let what = match total {
        0 => format!("{} has no endpoint", service.key),
        1 => format!("the only endpoint of {} is not ready", service.key),
        _ => format!("none of the {total} endpoints of {} is ready", service.key),
    };
    Finding {
        evidence,
        advice: advice(case),
        ..case.finding(code, severity, format!("{what}: {consequence}"))
    }
}

fn consequence(case: &Case<'_>) -> &'static str {
    if case.service.headless() {
        "its name does not resolve (NXDOMAIN)"
    } else {
        "its name resolves, but connections are refused or hang"
    }
}

fn advice(case: &Case<'_>) -> String {
    let namespace = shell_quote(case.namespace());
    let starting = |p: &&&std::sync::Arc<Pod>| !p.finished() && !p.is_ready();
    match case.selected.as_ref().and_then(|pods| pods.iter().find(starting)) {
        Some(pod) => {
            format!("look at the pod: kubectl describe pod {} -n {namespace}", shell_quote(&pod.key.name))
        }
        None if case.service.selector.is_empty() => {
            format!("look at the endpoints: kubectl get endpointslices -n {namespace}{}", slices_flag(case))
        }
        None => format!("look at the pods: kubectl get pods -n {namespace}{}", selector_flag(case)),
    }
}

fn selector_flag(case: &Case<'_>) -> String {
    if case.service.selector.is_empty() {
        String::new()
    } else {
        format!(" -l {}", shell_quote(&case.service.selector.to_string()))
    }
}

fn slices_flag(case: &Case<'_>) -> String {
    format!(" -l {}", shell_quote(&format!("kubernetes.io/service-name={}", case.service.key.name)))
}

/// Why a selected pod is no ready endpoint.
fn pod_line(case: &Case<'_>, pod: &Pod) -> String {
    let name = &pod.key.name;
    let summary = columns::pod_summary(pod);
    if pod.finished() {
        return format!("pod {name} has finished ({}): such pods are no endpoints", summary.status);
    }
    if pod.deleting.is_some() {
        return format!("pod {name} is being deleted ({})", summary.status);
    }
    if pod.is_ready() {
        return ready_but_not_listed(case, pod);
    }
    let mut line = format!("pod {name} is not ready: {}", summary.status);
    if summary.restarts > 0 {
        let _ = write!(line, ", restarts {}", summary.restarts_cell(case.now));
    }
    match blocking_condition(pod) {
        Some(c) => {
            let _ = write!(line, "; {}", condition_text(case, c));
        }
        None => line.push_str("; it has no Ready condition yet"),
    }
    for status in pod.statuses.iter().filter(|s| !s.last_reason.is_empty()) {
        let _ = write!(line, "; container {} ended last with {}", status.name, status.last_reason);
    }
    line
}

fn ready_but_not_listed(case: &Case<'_>, pod: &Pod) -> String {
    let name = &pod.key.name;
    let v6 = |ip: &Text| ip.contains(':');
    let wanted: BTreeSet<bool> = case.service.addresses().map(v6).collect();
    let has: BTreeSet<bool> = pod.ips.iter().map(v6).collect();
    match () {
        () if has.is_empty() => format!("pod {name} is ready, but has no address"),
        () if !wanted.is_empty() && wanted.is_disjoint(&has) => {
            let family = if wanted.contains(&true) { "IPv6" } else { "IPv4" };
            format!("pod {name} is ready at {}, but the Service wants {family}", pod.ips.join(" and "))
        }
        () => format!(
            "pod {name} is ready at {}, but no EndpointSlice lists it as ready: its controller is behind, or not running",
            pod.ips.join(" and ")
        ),
    }
}

/// The earliest step that a pod has not got past.
fn blocking_condition(pod: &Pod) -> Option<&Condition> {
    let failed = |kind| pod.condition(kind).filter(|c| !c.status);
    ["PodScheduled", "Initialized", "Ready"].into_iter().find_map(failed)
}

fn condition_text(case: &Case<'_>, condition: &Condition) -> String {
    let mut text = format!("condition {} not True", condition.kind);
    if condition.since.is_some() {
        let _ = write!(text, " for {}", case.ago(condition.since));
    }
    let why: Vec<_> =
        [&condition.reason, &condition.message].into_iter().filter(|t| !t.is_empty()).map(|t| &**t).collect();
    if !why.is_empty() {
        let _ = write!(text, " ({})", why.join(": "));
    }
    text
}

fn endpoint_line(row: &EndpointRow) -> String {
    let target = match (&row.target, &row.pod) {
        (Some(target), TargetPod::Missing) => {
            format!(" ({} {}, which no longer exists)", target.kind, target.name)
        }
        (Some(target), _) => format!(" ({} {})", target.kind, target.name),
        (None, _) => String::new(),
    };
    format!("endpoint {}{target} is {}", row.address, row.state.as_str())
}

//! Traffic policy Local: nodes without an endpoint of their own.

use std::collections::BTreeSet;

use super::super::join::EndpointState;
use super::super::{Finding, ServiceType, Severity, Text};
use super::{Case, plural, some_names};

const CODE: &str = "local-policy-no-local-endpoint";

pub(super) fn check(case: &Case<'_>, findings: &mut Vec<Finding>) {
    let service = case.service;
    // Without any ready endpoint there are worse things to tell, and a headless Service has no policy.
    if service.headless() || case.facts.ready == 0 || !(service.internal_local || service.external_local) {
        return;
    }
    let local = nodes_with_endpoints(case);
    let lacking: Vec<&Text> = known_nodes(case).into_iter().filter(|n| !local.contains(*n)).collect();
    if lacking.is_empty() {
        return;
    }
    let evidence = vec![
        format!("without a ready endpoint: {}", some_names(&lacking)),
        match local.len() {
            0 => "no endpoint says on which node it runs".to_owned(),
            _ => format!("with one: {}", some_names(&local.iter().collect::<Vec<_>>())),
        },
        "known are the nodes on which pods were seen".to_owned(),
    ];
    let count = plural(lacking.len(), "known node");
    let verb = if lacking.len() == 1 { "has" } else { "have" };
    let about = |policy: &str, what: &str| {
        format!("{policy} of {} is Local, and {count} {verb} no ready endpoint: {what}", service.key)
    };
    if service.internal_local {
        findings.push(Finding {
            evidence: evidence.clone(),
            advice: "run a pod on every node (a DaemonSet), or set internalTrafficPolicy to Cluster"
                .to_owned(),
            ..case.finding(
                CODE,
                Severity::Warning,
                about("internalTrafficPolicy", "pods there cannot connect"),
            )
        });
    }
    if service.external_local {
        let (severity, what) = match service.kind {
            ServiceType::LoadBalancer => (
                Severity::Info,
                "its node port is closed there, and the load balancer has to leave these nodes out",
            ),
            _ => (Severity::Warning, "connections from outside to its node port are dropped there"),
        };
        findings.push(Finding {
            evidence,
            advice: "connect to a node with an endpoint, or set externalTrafficPolicy to Cluster".to_owned(),
            ..case.finding(CODE, severity, about("externalTrafficPolicy", what))
        });
    }
}

/// Nodes with an endpoint that kube-proxy uses for the policy Local (`CategorizeEndpoints`): ready ones, or else
/// those on their way out that still serve.
fn nodes_with_endpoints<'a>(case: &Case<'a>) -> BTreeSet<&'a Text> {
    let endpoints = case.facts.slices.iter().flat_map(|s| &s.endpoints);
    endpoints.filter(|e| EndpointState::of(e).usable()).filter_map(|e| e.node.as_ref()).collect()
}

/// All nodes that were seen: fetched ones, and those of the pods that are known.
fn known_nodes<'a>(case: &Case<'a>) -> BTreeSet<&'a Text> {
    let fetched = case.snapshot.nodes.keys();
    let of_pods =
        case.snapshot.pods.values().flat_map(|pods| pods.iter()).filter(|p| !p.finished()).map(|p| &p.node);
    fetched.chain(of_pods).filter(|n| !n.is_empty()).collect()
}

//! The server that is asked: down, ill, out of reach behind a policy, or told to answer otherwise.

use std::sync::Arc;

use super::*;
use crate::model::network_policy::{
    EgressRule, LabelSelector, NetworkPolicy, Peer, PolicyPort, PolicyPortNumber,
};

fn without_dns(pods: Vec<Pod>) -> World {
    let mut world = World::new().with(facts(dns_service(), vec![slice("kube-system", "kube-dns", "x")]));
    world.pods.retain(|p| &*p.key.namespace != "kube-system");
    world.pods.extend(pods);
    world
}

#[test]
fn the_server_is_down() {
    let mut world = without_dns(vec![]);
    world.extra.deployment = Known::Known(Some(Replicas { wanted: 0, ready: 0 }));
    let diagnosis = world.says("my-app.default", "coredns-down");
    assert_eq!(diagnosis.resolves, Some(false));
    assert!(diagnosis.try_next[0].contains("scale"), "{:?}", diagnosis.try_next);
    // Names in /etc/hosts are found without any server.
    world.says("localhost", "ok");
}

#[test]
fn the_server_is_ill() {
    let coredns =
        || pod_of("kube-system", "coredns-0", "k8s-app=kube-dns").unready("ContainersNotReady", "", 60);
    without_dns(vec![coredns()]).says("my-app.default", "coredns-not-synced");
    let mut crashing = coredns();
    crashing.statuses[0].state = waiting("CrashLoopBackOff");
    crashing.statuses[0].restarts = 7;
    let log =
        |line: &str| Known::Known(vec![ServerLog { pod: "coredns-0".into(), lines: vec![line.to_owned()] }]);
    let mut world = without_dns(vec![crashing]);
    world.says("my-app.default", "coredns-down");
    world.extra.logs =
        log("[FATAL] plugin/loop: Loop (127.0.0.1:55953 -> :53) detected for zone \".\", see https://…");
    world.says("my-app.default", "coredns-loop");
    // Between two restarts it is ready and answers.
    for (seconds, code) in [(30, "coredns-loop"), (20 * 60, "ok")] {
        let mut between = World::new();
        between.extra.logs = world.extra.logs.clone();
        for pod in between.pods.iter_mut().filter(|p| &*p.key.namespace == "kube-system") {
            pod.statuses[0].restarts = 3;
            pod.statuses[0].last_finished = Some(now() - jiff::SignedDuration::from_secs(seconds));
        }
        between.says("my-app.default", code);
    }
    let mut world = without_dns(vec![coredns()]);
    world.extra.logs = log(
        "failed to list *v1.EndpointSlice: endpointslices.discovery.k8s.io is forbidden: User \"x\" cannot list resource",
    );
    world.says("my-app.default", "coredns-missing-rights");
    let mut world = World::new();
    world.extra.missing_rights = Known::Known(vec!["list endpointslices.discovery.k8s.io".into()]);
    world.says("my-app.default", "coredns-missing-rights");
}

fn policy(rules: Vec<EgressRule>) -> Known<Vec<Arc<NetworkPolicy>>> {
    let pods = LabelSelector { labels: labels("app=client"), ..LabelSelector::default() };
    Known::Known(vec![Arc::new(NetworkPolicy {
        key: ObjectKey::new("shop", "deny"),
        pods,
        egress: true,
        rules: rules.into(),
    })])
}

fn port_53(protocol: Protocol) -> PolicyPort {
    PolicyPort { protocol, port: Some(PolicyPortNumber::Number(53)), end: None }
}

#[test]
fn policies_that_block_port_53() {
    let mut world = World::new();
    world.extra.policies = policy(vec![]);
    let diagnosis = world.says("my-app.default", "network-policy-blocks-dns");
    assert_eq!(diagnosis.resolves, None, "whether it is enforced is not known");
    let namespaces = |name: &str| LabelSelector {
        labels: labels(&format!("kubernetes.io/metadata.name={name}")),
        ..LabelSelector::default()
    };
    let to = |name: &str, ports: Vec<PolicyPort>| EgressRule {
        to: Box::new([Peer::Pods { namespaces: Some(namespaces(name)), pods: None }]),
        ports: ports.into(),
    };
    world.extra.policies = policy(vec![to("default", vec![])]);
    world.says("my-app.default", "network-policy-blocks-dns");
    world.extra.policies =
        policy(vec![to("kube-system", vec![port_53(Protocol::Udp), port_53(Protocol::Tcp)])]);
    world.says("my-app.default", "ok");
    world.extra.policies = policy(vec![to("kube-system", vec![port_53(Protocol::Udp)])]);
    assert!(has(&world.says("my-app.default", "ok"), "network-policy-blocks-dns"), "TCP alone is a warning");
    world.extra.policies =
        Known::Forbidden("list networkpolicies.networking.k8s.io in namespace shop".into());
    let diagnosis = world.says("my-app.default", "ok");
    let way = diagnosis.steps.iter().find(|s| s.what == "the way to the server").unwrap();
    assert_eq!(way.outcome, Outcome::Unknown);
    assert!(way.evidence.iter().any(|l| l.contains("list networkpolicies")), "{way:?}");
}

#[test]
fn the_cache_on_the_node() {
    let cache = || pod_of("kube-system", "node-local-dns-x", "k8s-app=node-local-dns");
    World::new().pod(cache()).says("my-app.default", "ok");
    World::new().pod(cache().unready("ContainersNotReady", "", 60)).says("my-app.default", "nodelocal-down");
}

#[test]
fn corefiles_that_hide_names() {
    let block = |options: &str| {
        format!(".:53 {{\n kubernetes cluster.local {{\n {options}\n }}\n forward . /etc/resolv.conf\n}}\n")
    };
    for options in ["namespaces shop", "namespace_labels team=x", "labels team=x"] {
        let diagnosis = World::new().corefile(&block(options)).says("my-app.default", "corefile-hides-name");
        let option = options.split(' ').next().unwrap();
        assert!(diagnosis.verdict.message.contains(option), "{}", diagnosis.verdict.message);
    }
    let stub =
        ".:53 {\n kubernetes cluster.local\n}\ndefault.svc.cluster.local:53 {\n forward . 10.0.0.1\n}\n";
    let diagnosis = World::new().corefile(stub).says("my-app.default", "corefile-hides-name");
    assert!(
        diagnosis.verdict.message.contains("default.svc.cluster.local."),
        "{}",
        diagnosis.verdict.message
    );
    let empty = World::new()
        .with(facts(web("default", "empty"), vec![slice("default", "empty", "x")]))
        .corefile(&block("ignore empty_service"));
    empty.says("empty.default", "corefile-hides-name");
}

//! What each finding says and when; the rules are semantics of kube-proxy, the endpoint controllers and CoreDNS as
//! named in the modules.

use super::*;
use crate::model::samples::{
    self, ago, condition, endpoint, labels, now, pod, set_load, slice, snapshot, waiting,
};
use crate::model::{EndpointSlice, Protocol};

const DOMAIN: &str = "cluster.local";

fn examine(service: Service, slices: Vec<EndpointSlice>, pods: Vec<Pod>) -> Vec<Finding> {
    let facts = samples::facts(service, slices);
    let snapshot = snapshot(vec![facts.clone()], pods);
    let findings = diagnose(&facts, &snapshot, now(), DOMAIN);
    let error = findings.iter().any(|f| f.severity == Severity::Error);
    assert_eq!(needs_attention(&facts), error, "the mark in the list agrees: {findings:#?}");
    findings
}

fn codes(findings: &[Finding]) -> Vec<(&str, Severity)> {
    findings.iter().map(|f| (f.code, f.severity)).collect()
}

fn only(findings: Vec<Finding>) -> Finding {
    assert_eq!(findings.len(), 1, "{findings:#?}");
    findings.into_iter().next().unwrap()
}

fn web() -> Service {
    samples::service("shop", "web").with_port("http", 80, "8080")
}

/// The slice that the controller writes when there is no pod.
fn empty() -> Vec<EndpointSlice> {
    vec![slice("shop", "web", "a")]
}

fn behind(endpoints: Vec<crate::model::Endpoint>) -> Vec<EndpointSlice> {
    let slice = slice("shop", "web", "a").with_port("http", 8080);
    vec![endpoints.into_iter().fold(slice, EndpointSlice::with)]
}

fn unready(address: &str, pod: &str) -> crate::model::Endpoint {
    endpoint(address).of("shop", pod).conditions(Some(false), Some(false), Some(false))
}

#[test]
fn a_service_that_works_has_no_findings() {
    let pods = vec![pod("shop", "web-0").labelled("app=web")];
    assert_eq!(examine(web(), behind(vec![endpoint("10.244.1.7").of("shop", "web-0")]), pods), []);
}

#[test]
fn a_mistyped_value_is_named_with_its_pods() {
    let pods = vec![
        pod("shop", "web-0").labelled("app=wep,x=1"),
        pod("shop", "web-1").labelled("app=wep,x=2"),
        pod("shop", "db-0").labelled("app=mysql"),
    ];
    let finding = only(examine(web(), empty(), pods));
    assert_eq!((finding.code, finding.severity), ("selector-matches-nothing", Severity::Error));
    assert_eq!(finding.message, "the selector app=web of shop/web matches no pod of its namespace");
    assert_eq!(finding.evidence, ["2 pods have app=wep where the selector says app=web: web-0, web-1"]);
    assert_eq!(
        finding.advice,
        "change the selector (kubectl edit service web -n shop), or the labels in the template of the pods"
    );
    assert_eq!(finding.object.key.to_string(), "shop/web");
}

#[test]
fn the_nearest_labels() {
    for (selector, pods, evidence) in [
        (
            "app=web,tier=front",
            &["app=web,tier=back", "app=web", "app=other"][..],
            &[
                "1 pod has tier=back where the selector says tier=front: p0",
                "1 pod has no label tier where the selector says tier=front: p1",
            ][..],
        ),
        (
            "app=web",
            &["app.kubernetes.io/name=web"],
            &["1 pod has app.kubernetes.io/name=web where the selector says app=web: p0"],
        ),
        ("app=web", &["App=web"], &["1 pod has App=web where the selector says app=web: p0"]),
        (
            "app=frontend,tier=web",
            &["app=front-end,tier=wbe"],
            &[
                "1 pod has app=front-end where the selector says app=frontend and has tier=wbe where the selector says tier=web: p0",
            ],
        ),
        (
            "app=web",
            &["app=mysql", "app=payment"],
            &["label app has these values in namespace shop: mysql, payment"],
        ),
        ("app=web", &["role=mysql"], &["no pod of namespace shop has a label app"]),
        ("app=web", &[], &["there is no pod in namespace shop"]),
    ] {
        let mut service = web();
        service.selector = labels(selector);
        let pods = pods.iter().enumerate().map(|(i, l)| pod("shop", &format!("p{i}")).labelled(l)).collect();
        let finding = only(examine(service, empty(), pods));
        assert_eq!(finding.code, "selector-matches-nothing");
        assert_eq!(finding.evidence, evidence, "{selector}");
    }
}

#[test]
fn pods_of_another_namespace_do_not_count_but_are_told() {
    let finding = only(examine(web(), empty(), vec![pod("stage", "web-0").labelled("app=web")]));
    assert_eq!(
        finding.evidence,
        [
            "there is no pod in namespace shop",
            "1 pod of namespace stage matches, but a Service selects pods of its own namespace only: web-0"
        ]
    );
}

#[test]
fn pods_that_are_not_ready_say_why() {
    let mut crashing = pod("shop", "web-0").labelled("app=web").unready(
        "ContainersNotReady",
        "containers with unready status: [main]",
        300,
    );
    crashing.statuses[0].state = waiting("CrashLoopBackOff");
    crashing.statuses[0].restarts = 5;
    crashing.statuses[0].last_finished = ago(120);
    crashing.statuses[0].last_reason = "OOMKilled".into();
    let mut pending = pod("shop", "web-1").labelled("app=web");
    (pending.phase, pending.statuses, pending.ips) = ("Pending".into(), Box::default(), Box::default());
    pending.conditions = Box::new([condition("PodScheduled", false)]);
    pending.conditions[0].reason = "Unschedulable".into();
    pending.conditions[0].message = "0/3 nodes are available".into();
    let mut done = pod("shop", "web-2").labelled("app=web");
    (done.phase, done.statuses[0].state) = ("Succeeded".into(), samples::ended("Completed", 0, 0));
    let finding =
        only(examine(web(), behind(vec![unready("10.244.1.7", "web-0")]), vec![crashing, pending, done]));
    assert_eq!((finding.code, finding.severity), ("no-ready-endpoints", Severity::Error));
    assert_eq!(
        finding.message,
        "the only endpoint of shop/web is not ready: its name resolves, but connections are refused or hang"
    );
    assert_eq!(
        finding.evidence,
        [
            "pod web-0 is not ready: CrashLoopBackOff, restarts 5 (2m ago); condition Ready not True for 5m \
             (ContainersNotReady: containers with unready status: [main]); container main ended last with OOMKilled",
            "pod web-1 is not ready: Pending; condition PodScheduled not True (Unschedulable: 0/3 nodes are available)",
            "pod web-2 has finished (Completed): such pods are no endpoints",
        ]
    );
    assert_eq!(finding.advice, "look at the pod: kubectl describe pod web-0 -n shop");
}

#[test]
fn ready_pods_without_endpoints_are_explained() {
    let ready = || pod("shop", "web-0").labelled("app=web");
    let line = |service, pod| only(examine(service, empty(), vec![pod])).evidence.join("");
    assert_eq!(
        line(web(), ready()),
        "pod web-0 is ready at 10.244.1.7, but no EndpointSlice lists it as ready: its controller is behind, or not running"
    );
    assert_eq!(
        line(web().with_ips(&["fd00::1"]), ready()),
        "pod web-0 is ready at 10.244.1.7, but the Service wants IPv6"
    );
    let mut leaving = ready();
    leaving.deleting = Some(now());
    assert_eq!(line(web(), leaving), "pod web-0 is being deleted (Terminating)");
}

#[test]
fn headless_services_have_their_own_code_as_the_name_is_gone() {
    let service = web().with_ips(&["None"]);
    let pods = vec![pod("shop", "web-0").labelled("app=web").unready("", "", 5)];
    let finding = only(examine(service, behind(vec![unready("10.244.1.7", "web-0")]), pods));
    assert_eq!(finding.code, "headless-no-ready-endpoints");
    assert!(finding.message.ends_with("its name does not resolve (NXDOMAIN)"), "{}", finding.message);
}

#[test]
fn many_pods_are_counted_not_listed() {
    let pods =
        (0..20).map(|i| pod("shop", &format!("web-{i:02}")).labelled("app=web").unready("", "", 5)).collect();
    let finding = only(examine(web(), empty(), pods));
    assert_eq!(finding.evidence.len(), 9);
    assert_eq!(finding.evidence[8], "and 12 more pods");
}

#[test]
fn all_on_their_way_out() {
    let leaving = |serving| {
        endpoint("10.244.1.7").of("shop", "web-0").conditions(Some(false), Some(serving), Some(true))
    };
    let pods = || {
        let mut old = pod("shop", "web-0").labelled("app=web");
        old.deleting = Some(now());
        let mut new = pod("shop", "web-1").labelled("app=web").unready("", "", 5);
        new.phase = "Pending".into();
        vec![old, new]
    };
    let finding = only(examine(web(), behind(vec![leaving(false)]), pods()));
    assert_eq!((finding.code, finding.severity), ("all-endpoints-terminating", Severity::Error));
    assert_eq!(finding.evidence[0], "endpoint 10.244.1.7 (Pod web-0) is terminating");
    assert!(finding.evidence[1].starts_with("pod web-1 is not ready"), "{:?}", finding.evidence);
    assert_eq!(finding.advice, "see why no new pod takes over: kubectl get pods -n shop -l app=web");

    // kube-proxy falls back to endpoints that still serve; DNS does not.
    let finding = only(examine(web(), behind(vec![leaving(true)]), pods()));
    assert_eq!((finding.code, finding.severity), ("all-endpoints-terminating", Severity::Warning));
    let finding = only(examine(web().with_ips(&["None"]), behind(vec![leaving(true)]), pods()));
    assert_eq!((finding.code, finding.severity), ("all-endpoints-terminating", Severity::Error));
}

#[test]
fn services_without_selector() {
    let by_hand = || Service { selector: labels(""), ..web() };
    let finding = only(examine(by_hand(), vec![], vec![]));
    assert_eq!((finding.code, finding.severity), ("no-selector-no-slices", Severity::Warning));
    assert_eq!(finding.evidence[1], "no EndpointSlice has the label kubernetes.io/service-name=web");
    let finding = only(examine(by_hand(), empty(), vec![]));
    assert_eq!(finding.evidence[1], "its EndpointSlice lists no endpoint");

    let down = endpoint("192.0.2.1").conditions(Some(false), None, None);
    let finding = only(examine(by_hand(), behind(vec![down]), vec![]));
    assert_eq!(finding.code, "no-ready-endpoints");
    assert_eq!(finding.evidence, ["endpoint 192.0.2.1 is not ready"]);
    // Written by hand without conditions: that is ready.
    assert_eq!(
        examine(by_hand(), behind(vec![endpoint("192.0.2.1").conditions(None, None, None)]), vec![]),
        []
    );

    // The port's name differs from that of the Service, so kube-proxy does not join them.
    let unnamed = vec![slice("shop", "web", "a").with_port("", 8080).with(endpoint("192.0.2.1"))];
    let finding = only(examine(by_hand(), unnamed, vec![]));
    assert_eq!((finding.code, finding.severity), ("port-not-in-slices", Severity::Error));
    assert_eq!(finding.message, "no EndpointSlice of shop/web has the port http (80/TCP)");
    assert_eq!(finding.evidence[0], "its EndpointSlices have unnamed (8080/TCP)");
}

#[test]
fn target_port_names_that_pods_do_not_declare() {
    let named = || samples::service("shop", "web").with_port("http", 80, "web");
    let declaring = |name: &str| pod("shop", "web-0").labelled("app=web").declaring(name, 8080);
    let served = || behind(vec![endpoint("10.244.1.7").of("shop", "web-0")]);
    // The controller leaves the port out of the slice, but lists the endpoint.
    let portless = || vec![slice("shop", "web", "a").with(endpoint("10.244.1.7").of("shop", "web-0"))];

    assert_eq!(examine(named(), served(), vec![declaring("web")]), []);
    let finding = only(examine(named(), portless(), vec![declaring("http")]));
    assert_eq!((finding.code, finding.severity), ("target-port-not-declared", Severity::Error));
    assert_eq!(
        finding.message,
        "port http (80/TCP) of shop/web leads to the target port `web`, which no pod declares"
    );
    assert_eq!(
        finding.evidence,
        [
            "its EndpointSlices have endpoints, but no TCP port named `http`",
            "without it: web-0",
            "they declare http (8080/TCP)"
        ]
    );

    // The protocol counts (endpointslice: FindPort).
    let mut udp = named();
    udp.ports[0].protocol = Protocol::Udp;
    assert_eq!(only(examine(udp, portless(), vec![declaring("web")])).code, "target-port-not-declared");

    // During a rollout only some do.
    let old = pod("shop", "web-1").labelled("app=web");
    let finding = only(examine(named(), served(), vec![declaring("web"), old]));
    assert_eq!(finding.severity, Severity::Warning);
    assert_eq!(
        finding.message,
        "port http (80/TCP) of shop/web leads to the target port `web`, which 1 of 2 pods does not declare"
    );
    assert_eq!(finding.evidence, ["without it: web-1", "they declare no port"]);

    // Address records of a headless Service do not need the port.
    let finding = only(examine(named().with_ips(&["None"]), portless(), vec![declaring("http")]));
    assert_eq!(finding.severity, Severity::Warning);

    // Finished pods and init containers do not count.
    let mut init = declaring("web");
    std::sync::Arc::make_mut(&mut init.spec).containers[0].role = crate::model::pod::ContainerRole::Init;
    assert_eq!(only(examine(named(), portless(), vec![init])).severity, Severity::Error);
}

#[test]
fn target_port_numbers_are_never_an_error() {
    let served = || behind(vec![endpoint("10.244.1.7").of("shop", "web-0")]);
    let plain = pod("shop", "web-0").labelled("app=web");
    assert_eq!(examine(web(), served(), vec![plain.clone()]), [], "declaring nothing is common");
    assert_eq!(examine(web(), served(), vec![plain.clone().declaring("", 8080)]), []);
    let finding = only(examine(web(), served(), vec![plain.declaring("admin", 9000)]));
    assert_eq!((finding.code, finding.severity), ("target-port-not-declared", Severity::Info));
    assert_eq!(
        finding.message,
        "port http (80/TCP) of shop/web leads to port 8080/TCP, which no pod declares"
    );
    assert_eq!(finding.evidence, ["they declare admin (9000/TCP)"]);
}

#[test]
fn local_policies_name_the_nodes_that_lack() {
    let served = || behind(vec![endpoint("10.244.1.7").of("shop", "web-0").on("node-1")]);
    let on = |name: &str, node: &str| {
        let mut pod = pod("shop", name).labelled("app=web");
        pod.node = node.into();
        pod
    };
    let pods = || vec![on("web-0", "node-1"), on("x", "node-2"), on("y", "")];
    let internal = Service { internal_local: true, ..web() };
    let finding = only(examine(internal.clone(), served(), pods()));
    assert_eq!((finding.code, finding.severity), ("local-policy-no-local-endpoint", Severity::Warning));
    assert_eq!(
        finding.message,
        "internalTrafficPolicy of shop/web is Local, and 1 known node has no ready endpoint: pods there cannot connect"
    );
    assert_eq!(finding.evidence[..2], ["without a ready endpoint: node-2", "with one: node-1"]);
    assert_eq!(examine(internal, served(), vec![on("web-0", "node-1")]), [], "no other node is known");

    let mut external = Service { external_local: true, ..web() };
    external.kind = ServiceType::NodePort;
    assert_eq!(only(examine(external.clone(), served(), pods())).severity, Severity::Warning);
    external.kind = ServiceType::LoadBalancer;
    assert_eq!(only(examine(external, served(), pods())).severity, Severity::Info);
}

#[test]
fn external_names() {
    for (name, code) in [
        ("api.example.com", None),
        ("db.shop.svc.cluster.local", None),
        ("db.shop.svc.cluster.local.", None),
        ("db-0.db.shop.svc.cluster.local", None),
        ("missing.shop.svc.cluster.local", Some("external-name-target-missing")),
        ("DB.Stage.SVC.Cluster.Local", Some("external-name-target-missing")),
        ("db.shop.svc", Some("external-name-target-missing")),
        ("web.shop.svc.cluster.local", Some("external-name-target-missing")),
        ("", Some("external-name-target-missing")),
        ("10.0.0.1", Some("external-name-is-ip")),
        ("10.0.0.1.", Some("external-name-is-ip")),
        ("10.0.0.1.example", None),
        ("shop.svc.other.domain", None),
        ("10-1-2-3.shop.pod.cluster.local", None),
    ] {
        let facts = samples::facts(samples::service("shop", "web").external(name), vec![]);
        let db = samples::facts(samples::service("shop", "db"), vec![]);
        let mut snapshot = snapshot(vec![facts.clone(), db], vec![]);
        let found = diagnose(&facts, &snapshot, now(), DOMAIN);
        assert_eq!(found.first().map(|f| f.code), code, "{name}");
        assert_eq!(needs_attention(&facts), name.is_empty() || code == Some("external-name-is-ip"), "{name}");
        // Where Services of that namespace are not known, nothing is claimed about them.
        snapshot.loads.clear();
        let found = diagnose(&facts, &snapshot, now(), DOMAIN);
        let by_itself = name.is_empty() || name.starts_with("10.0.0.1") || name == "db.shop.svc";
        let own = name.starts_with("web.");
        assert_eq!(!found.is_empty(), code.is_some() && (by_itself || own), "{name} without Services");
    }
    let facts =
        samples::facts(samples::service("shop", "web").external("db.stage.svc.cluster.local"), vec![]);
    let db = samples::facts(samples::service("shop", "db"), vec![]);
    let found = only(diagnose(&facts, &snapshot(vec![facts.clone(), db], vec![]), now(), DOMAIN));
    assert_eq!(found.evidence[1..], ["there is no Service stage/db", "there is a Service shop/db"]);
}

#[test]
fn what_is_not_known_is_said_or_left_out() {
    let forbidden = || Load::Forbidden { verb: "list".into(), message: "no rights".into() };
    let failed = || Load::Failed { since: ago(60).unwrap(), why: "timeout".into() };
    let facts = samples::facts(web(), empty());
    let with = |slices: Option<Load>, pods: Option<Load>| {
        let mut snapshot = snapshot(vec![facts.clone()], vec![]);
        snapshot.loads.clear();
        for (kind, load) in [(Kind::EndpointSlice, slices), (Kind::Pod, pods)] {
            if let Some(load) = load {
                set_load(&mut snapshot, kind, load);
            }
        }
        diagnose(&facts, &snapshot, now(), DOMAIN)
    };
    for (slices, pods, expected) in [
        (None, None, &[][..]),
        (Some(Load::Loading(3)), Some(Load::Live), &[]),
        (Some(Load::Live), Some(Load::Live), &[("selector-matches-nothing", Severity::Error)]),
        (Some(Load::Live), None, &[("no-ready-endpoints", Severity::Error)]),
        (Some(Load::Live), Some(Load::Loading(0)), &[("no-ready-endpoints", Severity::Error)]),
        (
            Some(Load::Live),
            Some(forbidden()),
            &[("no-ready-endpoints", Severity::Error), ("forbidden", Severity::Info)],
        ),
        (
            Some(Load::Live),
            Some(failed()),
            &[("no-ready-endpoints", Severity::Error), ("unreachable", Severity::Info)],
        ),
        (Some(forbidden()), None, &[("forbidden", Severity::Info)]),
        (
            Some(forbidden()),
            Some(Load::Live),
            &[("selector-matches-nothing", Severity::Error), ("forbidden", Severity::Info)],
        ),
        (Some(failed()), Some(forbidden()), &[("unreachable", Severity::Info)]),
        (
            Some(Load::Stale { since: ago(60).unwrap(), why: "reset".into() }),
            Some(Load::Live),
            &[("selector-matches-nothing", Severity::Error), ("unreachable", Severity::Info)],
        ),
    ] {
        assert_eq!(codes(&with(slices.clone(), pods.clone())), expected, "{slices:?} {pods:?}");
    }
    let found = with(Some(Load::Live), Some(forbidden()));
    assert_eq!(found[1].message, "cannot check the pods behind shop/web: not allowed to list pods");
    assert_eq!(found[1].evidence, ["list pods in namespace shop: no rights"]);
    let found = with(Some(forbidden()), None);
    assert_eq!(
        found[0].message,
        "cannot check what is behind shop/web: not allowed to list endpointslices.discovery.k8s.io"
    );
}

#[test]
fn without_pods_the_slices_still_tell_of_a_lost_port() {
    let service = samples::service("shop", "web").with_port("http", 80, "web");
    let portless = vec![slice("shop", "web", "a").with(endpoint("10.244.1.7").of("shop", "web-0"))];
    let facts = samples::facts(service, portless);
    let mut snapshot = snapshot(vec![facts.clone()], vec![]);
    snapshot.loads.retain(|l| l.kind != Kind::Pod);
    let finding = only(diagnose(&facts, &snapshot, now(), DOMAIN));
    assert_eq!(finding.code, "target-port-not-declared");
    assert_eq!(finding.evidence, ["its EndpointSlices have endpoints, but no TCP port named `http`"]);
    assert!(needs_attention(&facts));
}

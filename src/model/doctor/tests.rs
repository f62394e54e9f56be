//! One case for each cause, with the smallest world that shows it.

mod resolver;
mod server;

use std::sync::Arc;

use super::*;
use crate::model::dns::{Rcode, Record};
use crate::model::samples::{self, endpoint, facts, labels, now, service, set_load, slice, waiting};
use crate::model::{ConfigData, Kind, Load, Namespace, Pod, Protocol, Service, ServiceFacts};

/// A healthy cluster: a DNS server, `default/my-app` with one endpoint, and a pod `shop/client`.
struct World {
    services: Vec<ServiceFacts>,
    pods: Vec<Pod>,
    corefile: Option<String>,
    namespaces: Vec<&'static str>,
    extra: Extra,
    forbidden: Vec<Kind>,
}

fn ready(service: Service) -> ServiceFacts {
    let (namespace, name) = (service.key.namespace.to_string(), service.key.name.to_string());
    let mut slice = slice(&namespace, &name, "x");
    for port in &service.ports {
        slice = slice.with_port(&port.name, 80);
    }
    facts(service, vec![slice.with(endpoint("10.244.1.7").of(&namespace, &format!("{name}-0")))])
}

fn web(namespace: &str, name: &str) -> Service {
    service(namespace, name).with_port("http", 80, "").with_ips(&["10.96.14.2"])
}

fn pod_of(namespace: &str, name: &str, text: &str) -> Pod {
    samples::pod(namespace, name).labelled(text)
}

fn dns_service() -> Service {
    let mut dns = service("kube-system", "kube-dns").with_port("dns", 53, "").with_ips(&["10.96.0.10"]);
    dns.selector = labels("k8s-app=kube-dns");
    dns
}

impl World {
    fn new() -> Self {
        let mut extra = Extra { policies: Known::Known(vec![]), ..Extra::default() };
        extra.deployment = Known::Known(Some(Replicas { wanted: 1, ready: 1 }));
        let dns = facts(
            dns_service(),
            vec![
                slice("kube-system", "kube-dns", "x")
                    .with_port("dns", 53)
                    .with(endpoint("10.244.0.2").of("kube-system", "coredns-0")),
            ],
        );
        Self {
            services: vec![ready(web("default", "my-app")), dns],
            pods: vec![
                pod_of("default", "my-app-0", "app=my-app"),
                pod_of("shop", "client", "app=client"),
                pod_of("kube-system", "coredns-0", "k8s-app=kube-dns"),
            ],
            corefile: None,
            namespaces: vec!["default", "shop", "kube-system"],
            extra,
            forbidden: vec![],
        }
    }

    fn with(mut self, facts: ServiceFacts) -> Self {
        self.services.retain(|f| f.key() != facts.key());
        self.services.push(facts);
        self
    }

    fn pod(mut self, pod: Pod) -> Self {
        self.pods.retain(|p| p.key != pod.key);
        self.pods.push(pod);
        self
    }

    /// With the client's resolver settings.
    fn client(self, change: impl FnOnce(&mut crate::model::pod::PodSpec)) -> Self {
        let mut client = pod_of("shop", "client", "app=client");
        change(Arc::make_mut(&mut client.spec));
        self.pod(client)
    }

    fn corefile(mut self, text: &str) -> Self {
        self.corefile = Some(text.to_owned());
        self
    }

    fn diagnose(&self, name: &str, kind: Option<RecordType>, from: Asker) -> Diagnosis {
        let mut snapshot = samples::snapshot(self.services.clone(), self.pods.clone());
        let namespace = |n: &&'static str| {
            Arc::new(Namespace {
                name: (*n).into(),
                labels: labels(&format!("kubernetes.io/metadata.name={n}")),
                terminating: false,
            })
        };
        let mut names = self.namespaces.clone();
        names.sort_unstable();
        snapshot.namespaces = Arc::new(names.iter().map(namespace).collect());
        set_load(&mut snapshot, Kind::Namespace, Load::Live);
        for kind in &self.forbidden {
            set_load(&mut snapshot, *kind, Load::Forbidden { verb: "list".into(), message: "no".into() });
        }
        if let Some(text) = &self.corefile {
            let key = ObjectKey::new("kube-system", "coredns");
            let data = [("Corefile".into(), Box::from(text.as_bytes()))].into();
            let map = ConfigData { key: key.clone(), data, binary: Box::default() };
            snapshot.config_maps = Arc::new([(key, Arc::new(map))].into());
        }
        let question = Question { name: name.to_owned(), kind, from };
        let cluster = Cluster::new(&snapshot);
        examine(&question, &snapshot, &cluster, &self.extra, now())
    }

    fn asked_by_client(&self, name: &str, libc: Libc) -> Diagnosis {
        self.diagnose(name, None, Asker::Pod(ObjectKey::new("shop", "client"), Some(libc)))
    }

    #[track_caller]
    fn says(&self, name: &str, code: &str) -> Diagnosis {
        let diagnosis = self.asked_by_client(name, Libc::Glibc);
        check(&diagnosis, code);
        diagnosis
    }

    #[track_caller]
    fn musl_says(&self, name: &str, code: &str) -> Diagnosis {
        let diagnosis = self.asked_by_client(name, Libc::Musl);
        check(&diagnosis, code);
        diagnosis
    }
}

#[track_caller]
fn check(diagnosis: &Diagnosis, code: &str) {
    assert_eq!(diagnosis.verdict.code, code, "{diagnosis:#?}");
    assert!(diagnosis.verdict.is_ok() || !diagnosis.findings.is_empty());
    assert!(diagnosis.steps.iter().all(|s| !s.evidence.is_empty()), "{diagnosis:#?}");
}

fn has(diagnosis: &Diagnosis, code: &str) -> bool {
    diagnosis.findings.iter().any(|f| f.code == code)
}

#[test]
fn a_healthy_name_is_fine_from_a_pod() {
    let world = World::new();
    let diagnosis = world.says("my-app.default", "ok");
    assert_eq!(diagnosis.resolves, Some(true));
    assert_eq!(diagnosis.addresses, ["10.96.14.2".parse::<IpAddr>().unwrap()]);
    assert_eq!(diagnosis.service, Some(ObjectKey::new("default", "my-app")));
    assert!(diagnosis.verdict.message.contains("one endpoint is ready"), "{}", diagnosis.verdict.message);
    for name in ["my-app.default.svc", "my-app.default.svc.cluster.local."] {
        world.says(name, "ok");
        world.musl_says(name, "ok");
    }
    let diagnosis = world.says("my-app.default.svc.cluster.local", "ok");
    assert_eq!(diagnosis.resolves, None, "the node's own search domains are asked before it");
    world.musl_says("my-app.default.svc.cluster.local", "not-determined");
}

fn laptop(answer: Result<LiveAnswer, Text>) -> Asker {
    let reply = |kind| LaptopReply {
        name: "my-app.default.".to_owned(),
        kind,
        server: "127.0.0.53".into(),
        result: answer.clone(),
    };
    Asker::Laptop(Box::new(LaptopFacts {
        file: "/etc/resolv.conf".to_owned(),
        nameservers: vec!["127.0.0.53".into()],
        ndots: 1,
        replies: [RecordType::A, RecordType::AAAA].map(reply).into(),
        ..LaptopFacts::default()
    }))
}

fn nxdomain(soa: &str) -> Result<LiveAnswer, Text> {
    Ok(LiveAnswer { rcode: Rcode::NxDomain, answers: vec![], soa: Some(soa.to_owned()) })
}

#[test]
fn the_riddle_of_the_tutorial() {
    let diagnosis = World::new().diagnose("my-app.default", None, laptop(nxdomain(".")));
    check(&diagnosis, "asked-outside-cluster");
    assert_eq!(diagnosis.resolves, Some(false));
    let message = &diagnosis.verdict.message;
    assert!(message.contains("127.0.0.53") && message.contains("systemd-resolved"), "{message}");
    assert!(message.contains("my-app.default.svc.cluster.local."), "{message}");
    let seen = &diagnosis.steps.iter().find(|s| s.what == "where it is asked").unwrap().evidence;
    assert!(seen.iter().any(|l| l.contains("NXDOMAIN from 127.0.0.53")), "{seen:?}");
    assert!(diagnosis.try_next.iter().any(|t| t == "kdisco forward svc/my-app"), "{:?}", diagnosis.try_next);
    assert!(diagnosis.try_next.iter().any(|t| t.starts_with("press f")), "{:?}", diagnosis.try_next);
    let behind = diagnosis.steps.iter().find(|s| s.what == "behind it").unwrap();
    assert_eq!(behind.outcome, Outcome::Ok);
    // Nothing is said of a server that was not heard, and no pod is offered to ask from where none would find it.
    let diagnosis = World::new().diagnose("nope.default", None, laptop(Err("timed out".into())));
    check(&diagnosis, "asked-outside-cluster");
    assert!(diagnosis.verdict.message.contains("did not answer"), "{}", diagnosis.verdict.message);
    assert!(!diagnosis.try_next.iter().any(|t| t.contains("may well be known")), "{:?}", diagnosis.try_next);
}

#[test]
fn on_a_laptop_the_name_may_be_known_all_the_same() {
    let found = |ip: &str| {
        let answers = vec![Record::new("my-app.default.", RecordType::A, 5, ip)];
        laptop(Ok(LiveAnswer { rcode: Rcode::NoError, answers, soa: None }))
    };
    check(&World::new().diagnose("my-app.default", None, found("10.96.14.2")), "ok");
    check(&World::new().diagnose("my-app.default", None, found("203.0.113.1")), "asked-outside-cluster");
    check(&World::new().diagnose("example.com", None, found("203.0.113.1")), "ok");
}

#[test]
fn a_short_name_means_the_own_namespace() {
    let diagnosis = World::new().says("my-app", "service-in-other-namespace");
    assert!(diagnosis.try_next[0].contains("my-app.default"), "{:?}", diagnosis.try_next);
    World::new().says("my-ap.default", "service-not-found");
    let diagnosis = World::new().says("my-app.defualt", "namespace-not-found");
    assert!(diagnosis.try_next[0].contains("default"), "{:?}", diagnosis.try_next);
    World::new().says("my-app.nowhere.svc.cluster.local.", "namespace-not-found");
}

#[test]
fn similar_names_are_offered() {
    let diagnosis = World::new().says("my-ap.default", "service-not-found");
    assert!(diagnosis.findings[0].advice.contains("my-app"), "{:?}", diagnosis.findings);
}

#[test]
fn the_label_svc_and_the_domain() {
    let diagnosis = World::new().says("my-app.default.cluster.local", "missing-svc-label");
    assert!(diagnosis.findings[0].advice.contains("my-app.default.svc.cluster.local."));
    World::new().says("my-app.default.svc.k8s.corp", "wrong-cluster-domain");
    World::new().says("my-app.default.svc.cluster.lokal.", "wrong-cluster-domain");
    World::new().says("my-app.default.svc.", "search-list-not-used");
    World::new().says("my-app.default.", "search-list-not-used");
}

#[test]
fn headless_without_anything_ready() {
    let mut peers = web("default", "peers").with_ips(&["None"]);
    peers.selector = labels("app=peers");
    let unready =
        endpoint("10.244.1.9").of("default", "peers-0").conditions(Some(false), Some(false), Some(false));
    let world = World::new()
        .with(facts(peers.clone(), vec![slice("default", "peers", "x").with_port("http", 80).with(unready)]))
        .pod(pod_of("default", "peers-0", "app=peers").unready("ContainersNotReady", "", 60));
    let diagnosis = world.says("peers.default", "headless-no-ready-endpoints");
    assert_ne!(diagnosis.resolves, Some(true));
    let nothing = World::new().with(facts(peers, vec![slice("default", "peers", "x")]));
    nothing.says("peers.default", "selector-matches-nothing");
}

#[test]
fn it_resolves_and_nothing_answers() {
    let unready =
        || endpoint("10.244.1.9").of("default", "slow-0").conditions(Some(false), Some(false), Some(false));
    let leaving = || endpoint("10.244.1.9").conditions(Some(false), Some(false), Some(true));
    let with = |name: &str, e| {
        facts(web("default", name), vec![slice("default", name, "x").with_port("http", 80).with(e)])
    };
    let world = World::new()
        .with(with("slow", unready()))
        .with(with("leaving", leaving()))
        .with(facts(web("default", "lost"), vec![slice("default", "lost", "x")]))
        .pod(pod_of("default", "slow-0", "app=slow").unready("ContainersNotReady", "", 60));
    for (name, code) in [
        ("slow.default", "no-ready-endpoints"),
        ("leaving.default", "all-endpoints-terminating"),
        ("lost.default", "selector-matches-nothing"),
    ] {
        assert_eq!(world.says(name, code).resolves, Some(true), "{name}");
    }
    let mut bare = web("default", "bare");
    bare.selector = labels("");
    World::new().with(facts(bare, vec![])).says("bare.default", "no-selector-no-slices");
}

#[test]
fn target_ports_that_nobody_declares() {
    let slices =
        |name: &str| vec![slice("default", name, "x").with(endpoint("10.244.1.7").of("default", "p-0"))];
    let named = service("default", "p").with_port("http", 80, "nope").with_ips(&["10.96.1.1"]);
    let world = World::new()
        .with(facts(named, slices("p")))
        .pod(pod_of("default", "p-0", "app=p").declaring("http", 80));
    world.says("p.default", "target-port-not-declared");
    let numbered = service("default", "p").with_port("http", 80, "9999").with_ips(&["10.96.1.1"]);
    let listed = vec![
        slice("default", "p", "x").with_port("http", 9999).with(endpoint("10.244.1.7").of("default", "p-0")),
    ];
    let world = World::new()
        .with(facts(numbered, listed))
        .pod(pod_of("default", "p-0", "app=p").declaring("http", 80));
    world.says("p.default", "target-port-not-declared");
}

#[test]
fn external_names() {
    let world = World::new()
        .with(facts(service("default", "ip").external("192.0.2.7"), vec![]))
        .with(facts(service("default", "gone").external("nope.default.svc.cluster.local"), vec![]))
        .with(facts(service("default", "alias").external("my-app.default.svc.cluster.local"), vec![]))
        .with(facts(service("default", "out").external("db.corp.example"), vec![]));
    world.says("ip.default", "external-name-is-ip");
    world.says("gone.default", "external-name-target-missing");
    let diagnosis = world.says("alias.default", "ok");
    assert_eq!(diagnosis.service, Some(ObjectKey::new("default", "my-app")), "the Service at its end");
    world.says("out.default", "not-determined");
    let mut asked = world;
    let cname = Record::new("out.default.svc.cluster.local.", RecordType::CNAME, 5, "db.corp.example.");
    asked.extra.live = live("out.default.svc.cluster.local.", Rcode::NoError, vec![cname]);
    asked.says("out.default", "external-name-unresolvable");
}

/// The server's answer for both families.
fn live(name: &str, rcode: Rcode, answers: Vec<Record>) -> Known<Vec<LiveReply>> {
    let reply = |kind| LiveReply {
        name: name.to_owned(),
        kind,
        server: "coredns-0:53 by port-forward".into(),
        millis: 2,
        result: Ok(LiveAnswer {
            rcode,
            answers: answers
                .iter()
                .filter(|r| r.kind == kind || r.kind == RecordType::CNAME)
                .cloned()
                .collect(),
            soa: None,
        }),
    };
    Known::Known(vec![reply(RecordType::A), reply(RecordType::AAAA)])
}

#[test]
fn the_server_says_something_else() {
    let name = "my-app.default.svc.cluster.local.";
    let mut world = World::new();
    world.extra.live = live(name, Rcode::NxDomain, vec![]);
    assert_ne!(world.says("my-app.default", "live-differs-from-prediction").resolves, Some(true));
    world.extra.live = live(name, Rcode::ServFail, vec![]);
    world.says("my-app.default", "coredns-not-synced");
    world.extra.live = live(name, Rcode::NoError, vec![Record::new(name, RecordType::A, 5, "10.96.14.2")]);
    assert_eq!(world.says("my-app.default", "ok").resolves, Some(true));
    let mut young = web("default", "my-app");
    young.created = samples::ago(3);
    let mut world = World::new()
        .with(ready(young))
        .corefile(".:53 {\n kubernetes cluster.local\n forward . /etc/resolv.conf\n cache 30\n}\n");
    world.extra.live = live(name, Rcode::NxDomain, vec![]);
    world.says("my-app.default", "cached-negative");
}

#[test]
fn types_and_ports() {
    let world = World::new();
    let ask = |name: &str, kind| world.diagnose(name, Some(kind), Asker::Namespace("shop".into(), None));
    check(&ask("my-app.default", RecordType::AAAA), "no-such-record-type");
    check(&ask("my-app.default", RecordType::A), "ok");
    check(&ask("_http._tcp.my-app.default", RecordType::SRV), "ok");
    let diagnosis = ask("_https._tcp.my-app.default.svc.cluster.local.", RecordType::SRV);
    check(&diagnosis, "port-name-not-found");
    assert!(diagnosis.findings[0].advice.contains("_http._tcp"), "{:?}", diagnosis.findings[0]);
    check(&ask("nobody.my-app.default.svc.cluster.local.", RecordType::A), "endpoint-not-found");
}

#[test]
fn what_may_not_be_seen_is_said() {
    let mut world = World::new();
    world.forbidden = vec![Kind::Service, Kind::Namespace];
    world.services.clear();
    world.namespaces.clear();
    let diagnosis = world.asked_by_client("my-app.default.svc.cluster.local.", Libc::Glibc);
    assert!(["forbidden", "not-determined"].contains(&diagnosis.verdict.code), "{diagnosis:#?}");
    assert_eq!(diagnosis.resolves, None);
    let mut world = World::new();
    world.forbidden = vec![Kind::EndpointSlice];
    check(&world.asked_by_client("my-app.default", Libc::Glibc), "forbidden");
}

#[test]
fn names_that_can_not_be_asked() {
    for name in ["", "a..b", &"a".repeat(64), &"ab.".repeat(100)] {
        let diagnosis = World::new().says(name, "invalid-name");
        assert_eq!(diagnosis.resolves, Some(false));
    }
    World::new().asked_by_client("my app\u{1b}[2J", Libc::Glibc);
    World::new().asked_by_client("数据.default", Libc::Musl);
}

#[test]
fn a_pod_that_does_not_exist_and_a_namespace_alone() {
    let world = World::new();
    let from = Asker::Pod(ObjectKey::new("shop", "nobody"), None);
    check(&world.diagnose("my-app.default", None, from), "pod-not-found");
    check(&world.diagnose("my-app", None, Asker::Namespace("default".into(), None)), "ok");
    check(
        &world.diagnose("my-app", None, Asker::Namespace("shop".into(), None)),
        "service-in-other-namespace",
    );
}

#[test]
fn the_document_has_the_names_of_the_contract() {
    let diagnosis = World::new().says("my-app", "service-in-other-namespace");
    let document = serde_json::to_value(&diagnosis).unwrap();
    for field in ["question", "askedFrom", "verdict", "steps", "findings", "tryNext"] {
        assert!(!document[field].is_null(), "{field}");
    }
    assert_eq!(document["askedFrom"], "shop/client");
    assert!(document["steps"][0]["evidence"].is_string());
    assert_eq!(document["steps"][0]["outcome"], "ok");
}

#[test]
fn questions_for_the_server() {
    let world = World::new();
    let snapshot = samples::snapshot(world.services.clone(), world.pods.clone());
    let cluster = Cluster::new(&snapshot);
    let from = Asker::Pod(ObjectKey::new("shop", "client"), None);
    let question = Question { name: "my-app.default".to_owned(), kind: Some(RecordType::A), from };
    let names: Vec<String> = questions(&question, &snapshot, &cluster).into_iter().map(|(n, _)| n).collect();
    assert_eq!(
        names,
        [
            "my-app.default.shop.svc.cluster.local.",
            "my-app.default.svc.cluster.local.",
            "my-app.default.cluster.local.",
        ]
    );
    let mut from = laptop(nxdomain("."));
    if let Asker::Laptop(facts) = &mut from {
        facts.namespace = Some("default".into());
    }
    let question = Question { name: "nope.default".to_owned(), kind: Some(RecordType::A), from };
    let asked = questions(&question, &snapshot, &cluster);
    assert_eq!(
        asked,
        [("nope.default.svc.cluster.local.".to_owned(), RecordType::A)],
        "what is most likely meant"
    );
}

mod more;

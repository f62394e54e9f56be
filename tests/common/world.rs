//! A world made by hand: the tutorial's Services with pods behind them, for tests of what is drawn.

#![allow(dead_code, reason = "each test program uses a part of it")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use kdisco::app::{App, Identity, Message};
use kdisco::model::pod::{
    Condition, Container, ContainerPort, ContainerRole, ContainerState, ContainerStatus, EnvValue, EnvVar,
    PodSpec,
};
use kdisco::model::snapshot::LoadEntry;
use kdisco::model::time::Timestamp;
use kdisco::model::{
    AddressType, ClusterSnapshot, ConfigData, Endpoint, EndpointSlice, Hints, Kind, Labels, Load, Namespace,
    NamespaceScope, ObjectKey, Pod, Port, PortTarget, Protocol, Service, ServiceFacts, ServiceType,
    SlicePort, TargetRef, Text,
};

/// The moment at which everything takes place: 2026-11-24 04:00:00 UTC.
pub fn now() -> Timestamp {
    Timestamp::from_second(1_795_492_800).unwrap()
}

/// So many seconds before.
pub fn ago(seconds: i64) -> Timestamp {
    Timestamp::from_second(now().as_second() - seconds).unwrap()
}

pub const MINUTE: i64 = 60;
pub const HOUR: i64 = 3600;
pub const DAY: i64 = 86_400;

pub fn labels(text: &str) -> Labels {
    Labels::new(text.split(',').filter_map(|p| p.split_once('=')).map(|(k, v)| (k.into(), v.into())))
}

fn texts(items: &[&str]) -> Box<[Text]> {
    items.iter().map(|s| (*s).into()).collect()
}

/// A Service with `NAME:PORT/TARGET` ports.
pub fn service(namespace: &str, name: &str, ips: &[&str], ports: &[&str], age: i64) -> Service {
    let ports = ports.iter().map(|text| {
        let (name, rest) = text.split_once(':').unwrap();
        let (port, target) = rest.split_once('/').unwrap_or((rest, ""));
        Port {
            name: name.into(),
            port: port.parse().unwrap(),
            protocol: Protocol::Tcp,
            target: match target.parse() {
                Ok(number) => PortTarget::Number(number),
                Err(_) if target.is_empty() => PortTarget::Same,
                Err(_) => PortTarget::Name(target.into()),
            },
            node_port: 0,
            app_protocol: "".into(),
        }
    });
    Service {
        key: ObjectKey::new(namespace, name),
        uid: format!("{namespace}-{name}").into(),
        created: Some(ago(age)),
        deleting: None,
        labels: labels(&format!("app.kubernetes.io/name={name}")),
        kind: ServiceType::ClusterIp,
        cluster_ip: ips.first().copied().unwrap_or_default().into(),
        cluster_ips: texts(ips),
        external_ips: Box::default(),
        external_name: "".into(),
        ports: ports.collect(),
        selector: labels(&format!("app={name}")),
        publish_not_ready: false,
        internal_local: false,
        external_local: false,
        ingress: Box::default(),
        changes: Box::default(),
    }
}

/// A running, ready pod with one container called `main`.
pub fn pod(namespace: &str, name: &str, app: &str, ip: &str, node: &str, age: i64) -> Pod {
    let container = Container {
        name: "main".into(),
        role: ContainerRole::Main,
        image: format!("registry.example/{app}:1.4").into(),
        ports: [ContainerPort { name: "http".into(), port: 8080, protocol: Protocol::Tcp }].into(),
        env: [
            EnvVar { name: "LOG_LEVEL".into(), value: EnvValue::Literal("info".into()) },
            EnvVar { name: "POD_NAME".into(), value: EnvValue::Field("metadata.name".into()) },
            EnvVar {
                name: "DATABASE_URL".into(),
                value: EnvValue::Literal("mysql://$(MYSQL_SERVICE_HOST):3306/shop".into()),
            },
        ]
        .into(),
        env_from: Box::default(),
        tty: false,
        limits: Labels::default(),
        requests: Labels::default(),
    };
    let spec = PodSpec {
        containers: [container].into(),
        service_links: true,
        service_account: "default".into(),
        ..PodSpec::default()
    };
    let status = ContainerStatus {
        name: "main".into(),
        ready: true,
        started: true,
        restarts: 0,
        state: ContainerState::Running(Some(ago(age - 4))),
        last_finished: None,
        last_reason: "".into(),
    };
    Pod {
        key: ObjectKey::new(namespace, name),
        uid: format!("{namespace}-{name}").into(),
        created: Some(ago(age)),
        deleting: None,
        labels: labels(&format!("app={app}")),
        annotations: Labels::default(),
        owner: None,
        spec: Arc::new(spec),
        node: node.into(),
        hostname: None,
        phase: "Running".into(),
        reason: "".into(),
        ips: texts(&[ip]),
        host_ips: texts(&["192.168.1.10"]),
        conditions: [condition("Ready", true, "", age - 9)].into(),
        statuses: [status].into(),
    }
}

fn condition(kind: &str, status: bool, reason: &str, age: i64) -> Condition {
    Condition { kind: kind.into(), status, reason: reason.into(), message: "".into(), since: Some(ago(age)) }
}

/// The pod does not pass its readiness probe.
pub fn unready(mut pod: Pod, since: i64) -> Pod {
    pod.conditions = [condition("Ready", false, "ContainersNotReady", since)].into();
    for status in &mut pod.statuses {
        status.ready = false;
    }
    pod
}

/// The pod's container crashes again and again.
pub fn crashing(pod: Pod, restarts: i32) -> Pod {
    let mut pod = unready(pod, 10 * MINUTE);
    for status in &mut pod.statuses {
        status.restarts = restarts;
        status.state = ContainerState::Waiting("CrashLoopBackOff".into());
        status.last_finished = Some(ago(3 * MINUTE));
        status.last_reason = "Error".into();
    }
    pod
}

/// Pods and Services as they are collected.
#[derive(Default)]
pub struct World {
    services: Vec<(Service, Vec<EndpointSlice>)>,
    pods: Vec<Pod>,
    namespaces: Vec<&'static str>,
}

impl World {
    /// A Service with these pods behind it: an endpoint each, as the endpoint controller writes it.
    pub fn add(&mut self, service: Service, target: i32, pods: Vec<Pod>) -> &mut Self {
        let named: Vec<_> = service
            .ports
            .iter()
            .map(|p| SlicePort {
                name: p.name.clone(),
                port: Some(match p.target {
                    PortTarget::Number(n) => n,
                    _ => target,
                }),
                protocol: p.protocol.clone(),
            })
            .collect();
        let slice = EndpointSlice {
            key: ObjectKey::new(&*service.key.namespace, format!("{}-7xk2p", service.key.name)),
            service: service.key.name.clone(),
            labels: Labels::default(),
            created: service.created,
            address_type: AddressType::Ipv4,
            ports: named.into(),
            endpoints: pods.iter().map(endpoint).collect(),
        };
        self.pods.extend(pods);
        self.services.push((service, vec![slice]));
        self
    }

    /// A Service without anything behind it.
    pub fn alone(&mut self, service: Service) -> &mut Self {
        self.services.push((service, vec![]));
        self
    }

    /// Pods that no Service leads to.
    pub fn idle(&mut self, pods: Vec<Pod>) -> &mut Self {
        self.pods.extend(pods);
        self
    }

    /// The snapshot of it, all watches live.
    pub fn snapshot(self) -> ClusterSnapshot {
        let mut facts: Vec<_> = self
            .services
            .into_iter()
            .map(|(s, slices)| {
                Arc::new(ServiceFacts::new(Arc::new(s), slices.into_iter().map(Arc::new).collect()))
            })
            .collect();
        facts.sort_by(|a, b| a.key().cmp(b.key()));
        let mut pods: BTreeMap<Text, Vec<Arc<Pod>>> = BTreeMap::new();
        for pod in self.pods {
            pods.entry(pod.key.namespace.clone()).or_default().push(Arc::new(pod));
        }
        for list in pods.values_mut() {
            list.sort_by(|a, b| a.key.cmp(&b.key));
        }
        let mut services_of_pod: BTreeMap<Text, BTreeMap<Text, Vec<Text>>> = BTreeMap::new();
        for f in &facts {
            for target in f.slices.iter().flat_map(|s| &s.endpoints).filter_map(|e| e.target.as_ref()) {
                let names = services_of_pod
                    .entry(f.key().namespace.clone())
                    .or_default()
                    .entry(target.name.clone())
                    .or_default();
                if names.last() != Some(&f.key().name) {
                    names.push(f.key().name.clone());
                }
            }
        }
        let mut names: BTreeSet<Text> = facts.iter().map(|f| f.key().namespace.clone()).collect();
        names.extend(self.namespaces.into_iter().map(Text::from));
        let namespaces: Vec<_> = names
            .into_iter()
            .map(|name| Arc::new(Namespace { name, labels: Labels::default(), terminating: false }))
            .collect();
        ClusterSnapshot {
            epoch: 1,
            services: Arc::new(facts),
            pods: pods.into_iter().map(|(ns, list)| (ns, Arc::new(list))).collect(),
            services_of_pod: services_of_pod.into_iter().map(|(ns, index)| (ns, Arc::new(index))).collect(),
            namespaces: Arc::new(namespaces),
            config_maps: Arc::new(BTreeMap::from([corefile()])),
            loads: loads(&Load::Live),
            ..ClusterSnapshot::default()
        }
    }
}

/// The Corefile that kubeadm writes.
fn corefile() -> (ObjectKey, Arc<ConfigData>) {
    let text = ".:53 {\n  errors\n  kubernetes cluster.local in-addr.arpa ip6.arpa {\n    pods insecure\n    \
                fallthrough in-addr.arpa ip6.arpa\n    ttl 30\n  }\n  forward . /etc/resolv.conf\n  cache 30\n}\n";
    let key = ObjectKey::new("kube-system", "coredns");
    let data = BTreeMap::from([("Corefile".into(), text.as_bytes().into())]);
    (key.clone(), Arc::new(ConfigData { key, data, binary: Box::default() }))
}

fn endpoint(pod: &Pod) -> Endpoint {
    Endpoint {
        addresses: texts(&[&pod.ips[0]]),
        ready: Some(pod.is_ready() && pod.deleting.is_none()),
        serving: Some(pod.is_ready()),
        terminating: Some(pod.deleting.is_some()),
        hostname: None,
        node: Some(pod.node.clone()),
        zone: Some(if pod.node.ends_with('2') { "zone-b" } else { "zone-a" }.into()),
        hints: Hints::default(),
        target: Some(TargetRef {
            kind: "Pod".into(),
            namespace: pod.key.namespace.clone(),
            name: pod.key.name.clone(),
        }),
    }
}

/// The same state for every kind, cluster-wide.
pub fn loads(load: &Load) -> Vec<LoadEntry> {
    [Kind::Namespace, Kind::Service, Kind::EndpointSlice, Kind::Pod]
        .map(|kind| LoadEntry { kind, namespace: None, load: load.clone() })
        .into()
}

/// Another state for one kind.
pub fn with_load(
    mut snapshot: ClusterSnapshot,
    kind: Kind,
    namespace: Option<&str>,
    load: Load,
) -> ClusterSnapshot {
    snapshot.loads.retain(|e| e.kind != kind);
    snapshot.loads.push(LoadEntry { kind, namespace: namespace.map(Into::into), load });
    snapshot
}

/// The tutorial's cluster.
pub fn tutorial() -> ClusterSnapshot {
    let mut world = World::default();
    let mut kubernetes = service("default", "kubernetes", &["10.96.0.1"], &["https:443/6443"], 41 * DAY);
    kubernetes.selector = Labels::default();
    world.add(kubernetes, 6443, vec![]);
    world.services[0].1[0].endpoints = [Endpoint {
        addresses: texts(&["192.168.1.2"]),
        ready: Some(true),
        serving: None,
        terminating: None,
        hostname: None,
        node: None,
        zone: None,
        hints: Hints::default(),
        target: None,
    }]
    .into();
    let my_app = |suffix: &str, ip: &str, node: &str, age| {
        pod("default", &format!("my-app-6d4cf56db6-{suffix}"), "my-app", ip, node, age)
    };
    world.add(
        service("default", "my-app", &["10.96.14.2"], &["http:80/8080"], 3 * DAY),
        8080,
        vec![
            my_app("x2k9q", "10.244.1.7", "node-1", 3 * DAY),
            my_app("9qz4t", "10.244.1.8", "node-1", 2 * HOUR),
            my_app("k7wbn", "10.244.2.3", "node-2", 4 * MINUTE + 12),
        ],
    );
    world.add(
        service("default", "mysql", &["10.96.80.9"], &["mysql:3306"], 90 * MINUTE),
        3306,
        vec![pod("default", "mysql-0", "mysql", "10.244.2.9", "node-2", 90 * MINUTE)],
    );
    world.add(
        service("default", "cache", &["None"], &["redis:6379"], 2 * HOUR),
        6379,
        vec![
            crashing(pod("default", "cache-0", "cache", "10.244.1.21", "node-1", 2 * HOUR), 14),
            unready(pod("default", "cache-1", "cache", "10.244.2.22", "node-2", 95), 80),
        ],
    );
    let mut docs = service("default", "docs", &[], &[], 12 * DAY);
    docs.kind = ServiceType::ExternalName;
    docs.external_name = "docs.example.com".into();
    docs.selector = Labels::default();
    world.alone(docs);
    let mut reports = service("default", "reports", &["10.96.201.77"], &["http:8080"], 26 * HOUR);
    reports.selector = labels("app=report");
    world.add(reports, 8080, vec![]);
    world.idle(vec![pod(
        "default",
        "reports-5b9c7d9f4d-8hx2m",
        "reports",
        "10.244.1.30",
        "node-1",
        26 * HOUR,
    )]);
    world.add(
        service("default", "cart", &["10.96.33.4"], &["http:80/http", "metrics:9090"], 7 * DAY + 5 * HOUR),
        8080,
        vec![unready(
            pod("default", "cart-7f6b5d8c9-zzt4v", "cart", "10.244.2.31", "node-2", 35 * MINUTE),
            34 * MINUTE,
        )],
    );
    let mut checkout = service(
        "default",
        "checkout",
        &["10.96.112.200", "fd00:10:96::a3f1"],
        &["https:443/8443", "grpc:9000"],
        200 * DAY,
    );
    checkout.kind = ServiceType::NodePort;
    checkout.ports[0].node_port = 30443;
    checkout.ports[1].node_port = 30900;
    let checkout_pod = |suffix: &str, ip: &str, node: &str| {
        pod("default", &format!("checkout-{suffix}"), "checkout", ip, node, 9 * DAY)
    };
    let mut leaving = checkout_pod("86fd4b5c7-p0xx1", "10.244.1.44", "node-1");
    leaving.deleting = Some(ago(12));
    world.add(
        checkout,
        8443,
        vec![
            checkout_pod("7b88bf9f6-2xw7l", "10.244.1.40", "node-1"),
            checkout_pod("7b88bf9f6-qq5sd", "10.244.2.41", "node-2"),
            leaving,
        ],
    );
    let mut web =
        service("default", "web-gateway", &["10.96.5.80"], &["http:80/8080", "https:443/8443"], 400 * DAY);
    web.kind = ServiceType::LoadBalancer;
    web.ports[0].node_port = 31080;
    web.ports[1].node_port = 31443;
    web.ingress = texts(&["203.0.113.18"]);
    world.add(
        web,
        8080,
        vec![pod("default", "web-gateway-59c4f-aaaaa", "web-gateway", "10.244.1.50", "node-1", 30 * DAY)],
    );
    let dns = |suffix: &str, ip: &str, node: &str| {
        pod("kube-system", &format!("coredns-668d6bf9bc-{suffix}"), "kube-dns", ip, node, 41 * DAY)
    };
    let mut kube_dns =
        service("kube-system", "kube-dns", &["10.96.0.10"], &["dns-tcp:53", "metrics:9153"], 41 * DAY);
    kube_dns.selector = labels("app=kube-dns");
    world.add(kube_dns, 53, vec![dns("4xv2c", "10.244.1.2", "node-1"), dns("m9r6w", "10.244.2.2", "node-2")]);
    for (name, age) in [("basket", 5 * DAY), ("catalog", 5 * DAY), ("payments-gateway-internal", 3 * HOUR)] {
        let pods = vec![pod("shop", &format!("{name}-5c7d8f9b-abcde"), name, "10.244.1.90", "node-1", age)];
        world.add(service("shop", name, &["10.96.77.3"], &["http:80/8080"], age), 8080, pods);
    }
    world.snapshot()
}

/// Names and addresses that nobody should have.
pub fn hostile() -> ClusterSnapshot {
    let mut world = World::default();
    for (at, name) in [
        "\u{1b}[31mred\u{1b}[0m\u{1b}]0;title\u{7}",
        "数据库服务器数据库服务器数据库服务器数据库服务器",
        "👩\u{200d}💻👩\u{200d}💻👩\u{200d}💻 e\u{301}e\u{301}",
        "a\u{202e}gnp.exe",
        "line\nbreak\ttab\rreturn",
        "\u{200b}\u{feff}",
        "",
    ]
    .into_iter()
    .enumerate()
    {
        let long = format!("{name}-{}", "x".repeat(300));
        for name in [name, &long] {
            let mut odd = service("default", name, &[name], &["a:70000/b", "c:-1", "d:0"], -100);
            odd.cluster_ip = name.into();
            odd.ports[0].name = name.into();
            odd.selector = Labels::new([(name.into(), name.into())]);
            odd.uid = format!("{at}").into();
            let mut p = pod("default", name, name, name, name, -50);
            p.phase = name.into();
            p.spec = Arc::new(PodSpec { service_account: name.into(), ..(*p.spec).clone() });
            world.add(odd, -5, vec![p]);
        }
    }
    world.snapshot()
}

/// As many Services as asked for, over many namespaces.
pub fn huge(services: usize) -> ClusterSnapshot {
    let mut world = World::default();
    for n in 0..services {
        let namespace = format!("team-{:02}", n % 40);
        let name = format!("service-{n:05}");
        let ip = format!("10.{}.{}.{}", 100 + n / 65_536, n / 256 % 256, n % 256);
        let pods = vec![pod(&namespace, &format!("{name}-6d4cf56db6-x2k9q"), &name, &ip, "node-1", 3 * DAY)];
        world.add(service(&namespace, &name, &[&ip], &["http:80/8080"], 3 * DAY), 8080, pods);
    }
    world.snapshot()
}

/// Who we are in all tests.
pub fn identity() -> Identity {
    Identity {
        context: "prod-eu".into(),
        cluster: "prod-eu".into(),
        user: "alice".into(),
        server: "https://10.0.0.1:6443".into(),
        namespace: "default".into(),
        insecure: false,
        known_namespaces: BTreeSet::new(),
        file: None,
    }
}

/// The explorer, connected, looking at a snapshot.
pub fn app(snapshot: ClusterSnapshot, scope: NamespaceScope) -> App {
    let mut app = connecting();
    app.update(Message::Connected { epoch: 1, identity: identity(), scope });
    app.update(Message::Snapshot(Arc::new(snapshot)));
    app
}

/// The explorer before it knows anything.
pub fn connecting() -> App {
    App::start(now()).0
}

/// One Service with that many pods behind it.
pub fn crowded(pods: usize) -> ClusterSnapshot {
    let mut world = World::default();
    let pods = (0..pods)
        .map(|n| {
            let ip = format!("10.244.{}.{}", n / 250, n % 250 + 1);
            let p = pod("default", &format!("crowd-6d4cf56db6-{n:05}"), "crowd", &ip, "node-1", 3 * DAY);
            if n % 7 == 6 { unready(p, HOUR) } else { p }
        })
        .collect();
    world.add(service("default", "crowd", &["10.96.14.3"], &["http:80/8080"], 3 * DAY), 8080, pods);
    world.snapshot()
}

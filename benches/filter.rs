//! How long one keystroke in the filter line takes over a big cluster: parse the text, score every Service.
#![expect(missing_docs, reason = "the macros of criterion make items without docs")]

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use kdisco::app::filter::{Filter, Matcher};
use kdisco::model::{
    AddressType, Endpoint, EndpointSlice, Hints, Labels, ObjectKey, Port, PortTarget, Protocol, Service,
    ServiceFacts, ServiceType, SlicePort, TargetRef, Text,
};

const SERVICES: usize = 5_000;
const ENDPOINTS: usize = 5;

/// Services with names as people give them, five endpoints each.
fn world() -> Vec<Arc<ServiceFacts>> {
    let words =
        ["payment", "checkout", "inventory", "user-profile", "notification", "search", "mysql", "redis"];
    let roles = ["api", "worker", "cache", "db", "gateway"];
    (0..SERVICES)
        .map(|i| {
            let namespace: Text = format!("team-{:03}", i % 100).into();
            let name = format!("{}-{}-{i}", words[i % words.len()], roles[i % roles.len()]);
            let labels =
                Labels::new([("app".into(), Text::from(&*name)), ("tier".into(), roles[i % 5].into())]);
            let ip: Text = format!("10.{}.{}.{}", 96 + i / 65_536, i / 256 % 256, i % 256).into();
            let service = Service {
                key: ObjectKey::new(namespace.clone(), &*name),
                uid: "".into(),
                created: None,
                deleting: None,
                labels: labels.clone(),
                kind: if i % 7 == 0 { ServiceType::NodePort } else { ServiceType::ClusterIp },
                cluster_ip: ip.clone(),
                cluster_ips: [ip].into(),
                external_ips: Box::default(),
                external_name: "".into(),
                ports: Box::new([port("http", 80), port("metrics", 9_090)]),
                selector: labels,
                publish_not_ready: false,
                internal_local: false,
                external_local: false,
                ingress: Box::default(),
                changes: Box::default(),
            };
            Arc::new(ServiceFacts::new(Arc::new(service), vec![Arc::new(slice(&namespace, &name, i))]))
        })
        .collect()
}

fn port(name: &str, port: i32) -> Port {
    Port {
        name: name.into(),
        port,
        protocol: Protocol::Tcp,
        target: PortTarget::Name(name.into()),
        node_port: 0,
        app_protocol: "".into(),
    }
}

fn slice(namespace: &Text, service: &str, i: usize) -> EndpointSlice {
    let endpoint = |e: usize| Endpoint {
        addresses: [Text::from(format!("10.244.{}.{}", i % 256, e * 50))].into(),
        ready: Some(true),
        serving: Some(true),
        terminating: Some(false),
        hostname: None,
        node: Some(format!("node-{e}").into()),
        zone: None,
        hints: Hints::default(),
        target: Some(TargetRef {
            kind: "Pod".into(),
            namespace: namespace.clone(),
            name: format!("{service}-{e}").into(),
        }),
    };
    EndpointSlice {
        key: ObjectKey::new(namespace.clone(), format!("{service}-x")),
        service: service.into(),
        labels: Labels::default(),
        created: None,
        address_type: AddressType::Ipv4,
        ports: Box::new([SlicePort { name: "http".into(), port: Some(8_080), protocol: Protocol::Tcp }]),
        endpoints: (0..ENDPOINTS).map(endpoint).collect(),
    }
}

fn keystroke(c: &mut Criterion) {
    let world = world();
    let mut matcher = Matcher::default();
    let mut group = c.benchmark_group("keystroke over 5000 Services");
    for typed in [
        "p",
        "pay",
        "payment-api-4",
        "zzz",
        "10.96.1",
        "10.244.7.150",
        "9090",
        "team-042/my",
        "my !worker port:80",
        "ip:10.244.7",
        "type:headless ready:no",
        "-l tier=db,app",
        "label:app=mysql",
        "pod:mysql-cache-12",
    ] {
        group.bench_function(typed, |b| {
            b.iter(|| {
                let filter = Filter::parse(black_box(typed)).unwrap_or_default();
                world.iter().filter_map(|f| filter.score_service(&mut matcher, f)).map(u64::from).sum::<u64>()
            });
        });
    }
    group.finish();
    let filter = Filter::parse("pay api").unwrap_or_default();
    c.bench_function("highlight one screen", |b| {
        b.iter(|| {
            let names = world.iter().take(50).map(|f| filter.highlights(&mut matcher, &f.service.key.name));
            names.map(|m| m.len()).sum::<usize>()
        });
    });
}

criterion_group!(benches, keystroke);
criterion_main!(benches);

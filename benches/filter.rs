//! How long one keystroke in the filter line takes over a big cluster: parse the text, score every Service.

use std::collections::BTreeSet;
use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use kdisco::app::filter::{Filter, Matcher};
use kdisco::app::{Action, App, Edit, Identity, Message};
use kdisco::config::{Keymap, Theme};
use kdisco::model::time::Timestamp;
use kdisco::model::{
    AddressType, ClusterSnapshot, Endpoint, EndpointSlice, Hints, Labels, NamespaceScope, ObjectKey, Port,
    PortTarget, Protocol, Service, ServiceFacts, ServiceType, SlicePort, TargetRef, Text,
};
use kdisco::ui::{Look, view};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

const SERVICES: usize = 5_000;
const ENDPOINTS: usize = 5;

/// One copy of each text, as the store keeps them.
#[derive(Default)]
struct Texts(BTreeSet<Text>);

impl Texts {
    fn of(&mut self, text: &str) -> Text {
        if let Some(known) = self.0.get(text) {
            return known.clone();
        }
        let new = Text::from(text);
        self.0.insert(new.clone());
        new
    }
}

/// Services with names as people give them, five endpoints each.
fn world() -> Vec<Arc<ServiceFacts>> {
    let mut texts = Texts::default();
    let words =
        ["payment", "checkout", "inventory", "user-profile", "notification", "search", "mysql", "redis"];
    let roles = ["api", "worker", "cache", "db", "gateway"];
    (0..SERVICES)
        .map(|i| {
            let namespace = texts.of(&format!("team-{:03}", i * 100 / SERVICES));
            let name = texts.of(&format!("{}-{}-{i}", words[i % words.len()], roles[i % roles.len()]));
            let labels =
                Labels::new([(texts.of("app"), name.clone()), (texts.of("tier"), texts.of(roles[i % 5]))]);
            let ip = texts.of(&format!("10.96.{}.{}", i / 256, i % 256));
            let service = Service {
                key: ObjectKey::new(namespace.clone(), name.clone()),
                uid: texts.of(""),
                created: None,
                deleting: None,
                labels: labels.clone(),
                kind: if i % 7 == 0 { ServiceType::NodePort } else { ServiceType::ClusterIp },
                cluster_ip: ip.clone(),
                cluster_ips: [ip].into(),
                external_ips: Box::default(),
                external_name: texts.of(""),
                ports: Box::new([port(&mut texts, "http", 80), port(&mut texts, "metrics", 9_090)]),
                selector: labels,
                publish_not_ready: false,
                internal_local: false,
                external_local: false,
                ingress: Box::default(),
                changes: Box::default(),
            };
            Arc::new(ServiceFacts::new(
                Arc::new(service),
                vec![Arc::new(slice(&mut texts, &namespace, &name, i))],
            ))
        })
        .collect()
}

fn port(texts: &mut Texts, name: &str, port: i32) -> Port {
    Port {
        name: texts.of(name),
        port,
        protocol: Protocol::Tcp,
        target: PortTarget::Name(texts.of(name)),
        node_port: 0,
        app_protocol: texts.of(""),
    }
}

fn slice(texts: &mut Texts, namespace: &Text, service: &str, i: usize) -> EndpointSlice {
    let mut endpoint = |e: usize| Endpoint {
        addresses: [texts.of(&format!("10.244.{}.{}", i % 256, e * 50))].into(),
        ready: Some(true),
        serving: Some(true),
        terminating: Some(false),
        hostname: None,
        node: Some(texts.of(&format!("node-{e}"))),
        zone: None,
        hints: Hints::default(),
        target: Some(TargetRef {
            kind: texts.of("Pod"),
            namespace: namespace.clone(),
            name: texts.of(&format!("{service}-{e}")),
        }),
    };
    let endpoints = (0..ENDPOINTS).map(&mut endpoint).collect();
    EndpointSlice {
        key: ObjectKey::new(namespace.clone(), format!("{service}-x")),
        service: service.into(),
        labels: Labels::default(),
        created: None,
        address_type: AddressType::Ipv4,
        ports: Box::new([SlicePort { name: texts.of("http"), port: Some(8_080), protocol: Protocol::Tcp }]),
        endpoints,
    }
}

/// From the key to the finished frame, as the loop does it: the message, the new list, the panes, every cell.
fn frame(c: &mut Criterion) {
    let mut services = world();
    services.sort_by(|a, b| a.key().cmp(b.key()));
    let (mut app, _) = App::start(Timestamp::UNIX_EPOCH);
    app.update(Message::Connected { epoch: 1, identity: Identity::default(), scope: NamespaceScope::All });
    let snapshot = ClusterSnapshot { epoch: 1, services: Arc::new(services), ..ClusterSnapshot::default() };
    app.update(Message::Snapshot(Arc::new(snapshot)));
    app.update(Message::Action(Action::Filter));
    let look = Look::new(Theme::default(), false, Keymap::default());
    let area = Rect::new(0, 0, 160, 48);
    let mut buffer = Buffer::empty(area);
    let mut draw = |app: &mut App| {
        let drawn = view(app, &look, area, &mut buffer);
        app.update(Message::Viewport(drawn.viewport));
    };
    draw(&mut app);
    let mut group = c.benchmark_group("key to frame over 5000 Services");
    for typed in ["p", "payment-api-4", "10.244.7.150", "pod:mysql-cache-12"] {
        let (before, last) = typed.split_at(typed.len() - 1);
        group.bench_function(typed, |b| {
            app.update(Message::Action(Action::ClearLine));
            app.update(Message::Edit(Edit::Insert(before.to_owned())));
            b.iter(|| {
                app.update(Message::Edit(Edit::Insert(last.to_owned())));
                draw(&mut app);
                // The way back is part of it, so this is two keys and one frame: an upper bound.
                app.update(Message::Edit(Edit::Backspace));
            });
        });
    }
    group.finish();
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

criterion_group!(benches, keystroke, frame);
criterion_main!(benches);

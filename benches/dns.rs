//! How long predictions take in a big cluster: all records of 5,000 Services, and 10,000 look-ups as pods make them.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use kdisco::cluster::objects;
use kdisco::model::ClusterSnapshot;
use kdisco::model::dns::records::{Zone, service_records};
use kdisco::model::dns::{Cluster, ClusterDomain, Libc, Question, Server};
use serde_json::{Value, json};

const SERVICES: usize = 5_000;
const NAMESPACES: usize = 100;
const ENDPOINTS: usize = 4;
const LOOKUPS: usize = 10_000;

/// Services of all kinds with their slices and pods, read as a saved file is.
fn world() -> ClusterSnapshot {
    let mut items: Vec<Value> = (0..NAMESPACES)
        .map(|n| json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": format!("team-{n}") } }))
        .collect();
    for i in 0..SERVICES {
        let (namespace, name) = (format!("team-{}", i % NAMESPACES), format!("service-{i}"));
        let metadata = json!({ "name": name, "namespace": namespace });
        let ports = json!([{ "name": "http", "port": 80, "protocol": "TCP" }, { "name": "grpc", "port": 90, "protocol": "TCP" }]);
        let spec = match i % 10 {
            0 => {
                json!({ "type": "ExternalName", "externalName": format!("service-{}.team-{}.svc.cluster.local", i + 1, (i + 1) % NAMESPACES) })
            }
            1 | 2 => {
                json!({ "clusterIP": "None", "clusterIPs": ["None"], "ports": ports, "selector": { "app": name } })
            }
            _ => {
                let ip = format!("10.{}.{}.{}", 96 + i / 65536, i / 256 % 256, i % 256);
                json!({ "clusterIP": ip, "clusterIPs": [ip], "ports": ports, "selector": { "app": name } })
            }
        };
        let endpoints: Vec<Value> = (0..ENDPOINTS)
            .map(|e| {
                json!({
                    "addresses": [format!("10.244.{}.{}", i / 60, i % 60 * ENDPOINTS + e)],
                    "conditions": { "ready": true },
                    "targetRef": { "kind": "Pod", "namespace": namespace, "name": format!("{name}-{e}") },
                })
            })
            .collect();
        items.push(json!({ "apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec }));
        items.push(json!({
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": { "name": format!("{name}-x"), "namespace": namespace, "labels": { "kubernetes.io/service-name": name } },
            "addressType": "IPv4",
            "endpoints": endpoints,
            "ports": [{ "name": "http", "port": 8080, "protocol": "TCP" }, { "name": "grpc", "port": 9090, "protocol": "TCP" }],
        }));
        items.push(json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": { "name": format!("{name}-0"), "namespace": namespace, "labels": { "app": name } },
            "spec": { "containers": [{ "name": "main", "image": "x" }], "dnsPolicy": "ClusterFirst" },
            "status": { "phase": "Running", "podIP": format!("10.244.{}.{}", i / 60, i % 60 * ENDPOINTS) },
        }));
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    let list = json!({ "apiVersion": "v1", "kind": "List", "items": items });
    std::fs::write(file.path(), list.to_string()).unwrap();
    objects::load(file.path()).unwrap().snapshot
}

fn predictions(criterion: &mut Criterion) {
    let snapshot = world();
    assert_eq!(snapshot.services.len(), SERVICES);
    let mut group = criterion.benchmark_group("dns");
    group.sample_size(20);
    group.bench_function("the records of 5,000 Services", |b| {
        b.iter(|| {
            let server = Server::of(&snapshot);
            let zone = Zone::new(&server, &ClusterDomain::of(&snapshot, &server));
            let records = snapshot.services.iter().map(|facts| service_records(facts, &zone).len());
            black_box(records.sum::<usize>())
        });
    });
    group.bench_function("10,000 predicted look-ups", |b| {
        let pods: Vec<_> = snapshot.pods.values().flat_map(|pods| pods.iter()).collect();
        let questions: Vec<Question> = (0..LOOKUPS)
            .map(|i| {
                let (namespace, name) = (i * 7 % SERVICES % NAMESPACES, i * 7 % SERVICES);
                Question::addresses(match i % 3 {
                    0 => format!("service-{name}.team-{namespace}.svc.cluster.local."),
                    _ => format!("service-{name}.team-{namespace}"),
                })
            })
            .collect();
        b.iter(|| {
            let cluster = Cluster::new(&snapshot);
            let found = questions.iter().enumerate().filter(|(i, question)| {
                let libc = if i % 2 == 0 { Libc::Glibc } else { Libc::Musl };
                cluster.predicted((*question).clone(), Some(pods[i % pods.len()]), libc).found()
            });
            let found = found.count();
            assert!(found > LOOKUPS / 2, "{found}");
            black_box(found)
        });
    });
    group.finish();
}

criterion_group!(benches, predictions);
criterion_main!(benches);

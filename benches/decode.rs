//! From the API's bytes to a snapshot: how long the lists of a big cluster, and single changes to it, keep the
//! program busy. The objects look like those of an API server, field managers included; what is not read from them
//! is still in their bytes.

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use kdisco::cluster::convert::{Converter, Encoding, Object};
use kdisco::cluster::slim;
use kdisco::cluster::store::{Delta, Store};
use kdisco::model::Kind;
use prost::Message;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

const SERVICES: usize = 2_014;
const PODS_PER_SERVICE: usize = 5;

fn name(i: usize) -> (String, String) {
    let kinds = ["api", "web", "db", "cache", "queue", "auth", "search", "billing", "orders", "mail"];
    (format!("team-{:03}", i % 20), format!("{}-{i:05}", kinds[i % kinds.len()]))
}

fn pod_name(service: &str, i: usize, p: usize) -> String {
    format!("{service}-{p:03}-{:05}", (i * 7919 + p) % 99_991)
}

fn address(i: usize, p: usize) -> String {
    format!("10.{}.{}.{}", (i >> 8) & 255, i & 255, p + 1)
}

fn metadata(namespace: &str, name: &str, labels: &Value, managed: &Value) -> Value {
    json!({
        "name": name, "namespace": namespace, "uid": format!("0b5c1f0e-2d0c-4f5e-9d6e-{:012x}", name.len()),
        "resourceVersion": "123456", "creationTimestamp": "2026-11-01T00:00:00Z", "labels": labels,
        "annotations": {"note": "x".repeat(200)}, "managedFields": managed,
    })
}

fn labels(namespace: &str, service: &str) -> Value {
    json!({
        "app": service, "team": namespace, "app.kubernetes.io/name": service, "app.kubernetes.io/managed-by": "loader",
    })
}

fn managed(fields: &[Value]) -> Value {
    let entry = |fields| {
        json!({"manager": "loader", "operation": "Update", "apiVersion": "v1", "time": "2026-11-01T00:00:00Z",
            "fieldsType": "FieldsV1", "fieldsV1": fields})
    };
    fields.iter().map(entry).collect()
}

fn service(i: usize) -> Value {
    let (namespace, name) = name(i);
    let port = json!({".": {}, "f:name": {}, "f:port": {}, "f:protocol": {}, "f:targetPort": {}});
    let managed = managed(&[json!({
        "f:metadata": {"f:annotations": {".": {}, "f:note": {}}, "f:labels": {".": {}, "f:app": {}, "f:team": {}}},
        "f:spec": {"f:internalTrafficPolicy": {}, "f:ports": {".": {},
            "k:{\"port\":80,\"protocol\":\"TCP\"}": port, "k:{\"port\":9090,\"protocol\":\"TCP\"}": port},
            "f:selector": {}, "f:sessionAffinity": {}, "f:type": {}},
    })]);
    let ip = format!("10.96.{}.{}", i >> 8, i & 255);
    json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": metadata(&namespace, &name, &labels(&namespace, &name), &managed),
        "spec": {
            "clusterIP": ip, "clusterIPs": [ip], "internalTrafficPolicy": "Cluster", "ipFamilies": ["IPv4"],
            "ipFamilyPolicy": "SingleStack", "selector": {"app": name}, "sessionAffinity": "None", "type": "ClusterIP",
            "ports": [{"name": "http", "port": 80, "protocol": "TCP", "targetPort": 8080},
                {"name": "metrics", "port": 9090, "protocol": "TCP", "targetPort": 9090}],
        },
        "status": {"loadBalancer": {}},
    })
}

fn slice(i: usize) -> Value {
    let (namespace, name) = name(i);
    let endpoints = (0..PODS_PER_SERVICE).map(|p| {
        json!({"addresses": [address(i, p)], "conditions": {"ready": true, "serving": true, "terminating": false},
            "nodeName": format!("node-{:02}", i % 50), "zone": format!("zone-{}", p % 3),
            "targetRef": {"kind": "Pod", "name": pod_name(&name, i, p), "namespace": namespace}})
    });
    let labels =
        json!({"kubernetes.io/service-name": name, "endpointslice.kubernetes.io/managed-by": "loader"});
    json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
        "metadata": metadata(&namespace, &format!("{name}-x1"), &labels, &managed(&[])),
        "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}, {"name": "metrics", "port": 9090, "protocol": "TCP"}],
        "endpoints": endpoints.collect::<Value>(),
    })
}

fn pod(i: usize, p: usize) -> Value {
    let (namespace, service) = name(i);
    let env = |k| (format!("k:{{\"name\":\"SETTING_{k}\"}}"), json!({".": {}, "f:name": {}, "f:value": {}}));
    let env: serde_json::Map<String, Value> = (0..8).map(env).collect();
    let conditions = ["Initialized", "Ready", "ContainersReady", "PodScheduled"].map(|kind| {
        json!({"type": kind, "status": "True", "lastProbeTime": null, "lastTransitionTime": "2026-11-01T00:00:00Z"})
    });
    let managed = managed(&[
        json!({"f:metadata": {"f:annotations": {".": {}, "f:note": {}}, "f:labels": {".": {}, "f:app": {}, "f:team": {}}},
            "f:spec": {"f:containers": {"k:{\"name\":\"app\"}": {".": {}, "f:env": env, "f:image": {}, "f:name": {},
                "f:imagePullPolicy": {}, "f:ports": {}, "f:resources": {}, "f:terminationMessagePath": {}}},
                "f:dnsPolicy": {}, "f:enableServiceLinks": {}, "f:nodeName": {}, "f:restartPolicy": {},
                "f:schedulerName": {}, "f:securityContext": {}, "f:terminationGracePeriodSeconds": {}}}),
        json!({"f:status": {"f:conditions": {}, "f:containerStatuses": {}, "f:hostIP": {}, "f:phase": {}, "f:podIP": {},
            "f:podIPs": {".": {}, "k:{\"ip\":\"10.0.0.1\"}": {".": {}, "f:ip": {}}}, "f:startTime": {}}}),
    ]);
    let env = (0..8).map(|k| json!({"name": format!("SETTING_{k}"), "value": "v".repeat(20)}));
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": metadata(&namespace, &pod_name(&service, i, p), &labels(&namespace, &service), &managed),
        "spec": {
            "nodeName": format!("node-{:02}", i % 50), "enableServiceLinks": true, "dnsPolicy": "ClusterFirst",
            "restartPolicy": "Always", "schedulerName": "default-scheduler", "serviceAccountName": "default",
            "securityContext": {}, "terminationGracePeriodSeconds": 30,
            "volumes": [{"name": "kube-api-access", "projected": {"defaultMode": 420, "sources": [
                {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
                {"configMap": {"items": [{"key": "ca.crt", "path": "ca.crt"}], "name": "kube-root-ca.crt"}}]}}],
            "tolerations": [{"effect": "NoExecute", "key": "node.kubernetes.io/not-ready", "operator": "Exists"}],
            "containers": [{"name": "app", "image": "registry.example/app:1", "imagePullPolicy": "IfNotPresent",
                "ports": [{"name": "http", "containerPort": 8080, "protocol": "TCP"},
                    {"name": "metrics", "containerPort": 9090, "protocol": "TCP"}],
                "env": env.collect::<Value>(),
                "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}},
                "volumeMounts": [{"mountPath": "/var/run/secrets/kubernetes.io/serviceaccount", "name": "kube-api-access"}]}],
        },
        "status": {
            "phase": "Running", "podIP": address(i, p), "podIPs": [{"ip": address(i, p)}], "hostIP": "10.255.0.1",
            "hostIPs": [{"ip": "10.255.0.1"}], "startTime": "2026-11-01T00:00:00Z", "qosClass": "Burstable",
            "conditions": conditions,
            "containerStatuses": [{"name": "app", "ready": true, "started": true, "restartCount": 0,
                "image": "registry.example/app:1", "imageID": format!("sha256:{}", "0".repeat(64)),
                "containerID": format!("containerd://{}", "0".repeat(64)), "lastState": {},
                "state": {"running": {"startedAt": "2026-11-01T00:00:00Z"}}}],
        },
    })
}

/// A length-delimited protobuf field.
fn field(tag: u8, bytes: &[u8]) -> Vec<u8> {
    let mut field = Vec::new();
    prost::encoding::encode_varint(u64::from(tag) << 3 | 2, &mut field);
    prost::encoding::encode_varint(bytes.len() as u64, &mut field);
    field.extend(bytes);
    field
}

/// The object in protobuf. What the slim type does not know is put in as fields to be skipped: a message may come in
/// several parts, which add up.
fn protobuf<T: Message + DeserializeOwned + Default>(object: &Value) -> Vec<u8> {
    let known: T = serde_json::from_value(object.clone()).expect("an object");
    let mut bytes = known.encode_to_vec();
    for (tag, path, inner) in
        [(1, "/metadata/managedFields", 17), (2, "/spec/volumes", 1), (2, "/spec/tolerations", 22)]
    {
        let skipped = object.pointer(path).filter(|_| object["kind"] == "Pod");
        bytes.extend(
            skipped.into_iter().flat_map(|value| field(tag, &field(inner, value.to_string().as_bytes()))),
        );
    }
    bytes
}

/// A list in both encodings, an object each.
struct List {
    kind: Kind,
    what: &'static str,
    json: Vec<Vec<u8>>,
    protobuf: Vec<Vec<u8>>,
}

impl List {
    fn new<T: Message + DeserializeOwned + Default>(
        kind: Kind,
        what: &'static str,
        objects: &[Value],
    ) -> Self {
        Self {
            kind,
            what,
            json: objects.iter().map(|object| object.to_string().into_bytes()).collect(),
            protobuf: objects.iter().map(protobuf::<T>).collect(),
        }
    }

    fn decode(&self, converter: &mut Converter, encoding: Encoding) -> Vec<Object> {
        let list = if encoding == Encoding::Json { &self.json } else { &self.protobuf };
        list.iter().map(|bytes| converter.object(self.kind, bytes, encoding).expect("an object").0).collect()
    }
}

fn lists() -> [List; 3] {
    let services: Vec<Value> = (0..SERVICES).map(service).collect();
    let slices: Vec<Value> = (0..SERVICES).map(slice).collect();
    let pods = (0..SERVICES).flat_map(|i| (0..PODS_PER_SERVICE).map(move |p| pod(i, p)));
    let pods: Vec<Value> = pods.take(10_000).collect();
    [
        List::new::<slim::Service>(Kind::Service, "2,014 Services", &services),
        List::new::<slim::EndpointSlice>(Kind::EndpointSlice, "2,014 slices", &slices),
        List::new::<slim::Pod>(Kind::Pod, "10,000 pods", &pods),
    ]
}

fn decoding(c: &mut Criterion) {
    let mut group = c.benchmark_group("decode");
    group.sample_size(20);
    for list in lists() {
        for (encoding, bytes) in [(Encoding::Protobuf, &list.protobuf), (Encoding::Json, &list.json)] {
            group.throughput(Throughput::Bytes(bytes.iter().map(|object| object.len() as u64).sum()));
            group.bench_function(format!("{} {encoding:?}", list.what), |b| {
                b.iter_with_large_drop(|| list.decode(&mut Converter::new(), encoding));
            });
        }
    }
}

fn folding(c: &mut Criterion) {
    let mut group = c.benchmark_group("store");
    group.sample_size(20);
    let mut converter = Converter::new();
    let objects: Vec<Object> =
        lists().iter().flat_map(|list| list.decode(&mut converter, Encoding::Protobuf)).collect();
    let filled = || {
        let mut store = Store::new();
        for object in &objects {
            store.apply(Delta::Applied(object.clone()));
        }
        store
    };
    group.bench_function("all lists to the first snapshot", |b| {
        b.iter_with_large_drop(|| {
            let mut store = filled();
            (store.snapshot(0), store)
        });
    });
    let mut store = filled();
    let mut last = store.snapshot(0);
    let mut flip = false;
    for (what, kind, changes) in [
        ("one pod changed", Kind::Pod, [("Running", "Running"), ("Running", "Pending")]),
        (
            "one endpoint changed",
            Kind::EndpointSlice,
            [("true", "true"), ("\"ready\":true", "\"ready\":false")],
        ),
    ] {
        let json = if kind == Kind::Pod { pod(7, 3) } else { slice(7) }.to_string();
        let states = changes.map(|(from, to)| {
            let json = json.replacen(from, to, 1);
            converter.object(kind, json.as_bytes(), Encoding::Json).expect("an object").0
        });
        group.bench_function(format!("{what} to the next snapshot"), |b| {
            b.iter_batched(
                || {
                    flip = !flip;
                    states[usize::from(flip)].clone()
                },
                |object| {
                    store.apply(Delta::Applied(object));
                    last = black_box(store.snapshot(0));
                },
                BatchSize::SmallInput,
            );
        });
    }
}

criterion_group!(benches, decoding, folding);
criterion_main!(benches);

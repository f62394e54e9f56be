//! A large world, made in a moment: the same each time for the same numbers.
//!
//! Objects of one kind differ in a few words only. So each kind is built once with marks in the places of these
//! words, serialised, and cut at the marks; every object is then a concatenation.

use super::pod::{self, Stage, stamp, zone_of};
use super::random::hash;
use super::{World, controllers, service};
use crate::demo::resource::Resource;
use crate::demo::store::Object;
use bytes::Bytes;
use jiff::SignedDuration;
use serde_json::{Value, json};

/// Over how many namespaces everything is spread.
const NAMESPACES: usize = 20;
/// As many endpoints are in a slice at most.
const SLICE: usize = 100;
/// What stands in the places of words; the digit is the word's number.
const MARKS: [&str; 10] = ["@0@", "@1@", "@2@", "@3@", "@4@", "@5@", "@6@", "@7@", "@8@", "@9@"];

/// The first words of every object; those after them each kind uses as it likes.
const REVISION: &str = MARKS[0];
const NAMESPACE: &str = MARKS[1];
const APP: &str = MARKS[2];
const HASH: &str = MARKS[3];
const UID: &str = MARKS[4];

/// A serialised object, cut at its marks.
struct Template {
    /// Text, and the number of the word behind it.
    pieces: Vec<(String, usize)>,
    end: String,
}

impl Template {
    /// Cuts an object. The words with the numbers in `bare` take the place of their mark and its quotes.
    fn cut(mut value: Value, bare: &[usize]) -> Self {
        if value["metadata"].is_object() {
            value["metadata"]["resourceVersion"] = REVISION.into();
        }
        let marks: Vec<String> = MARKS
            .iter()
            .enumerate()
            .map(
                |(number, mark)| {
                    if bare.contains(&number) { format!("\"{mark}\"") } else { (*mark).to_owned() }
                },
            )
            .collect();
        let text = value.to_string();
        let (mut pieces, mut rest) = (Vec::new(), text.as_str());
        while let Some((at, number)) = marks
            .iter()
            .enumerate()
            .filter_map(|(number, mark)| Some((rest.find(mark.as_str())?, number)))
            .min()
        {
            pieces.push((rest[..at].to_owned(), number));
            rest = &rest[at + marks[number].len()..];
        }
        Self { pieces, end: rest.to_owned() }
    }

    fn write(&self, words: &[&str], out: &mut Vec<u8>) {
        for (text, number) in &self.pieces {
            out.extend_from_slice(text.as_bytes());
            out.extend_from_slice(words.get(*number).copied().unwrap_or_default().as_bytes());
        }
        out.extend_from_slice(self.end.as_bytes());
    }
}

/// What is generated, cut and ready.
struct Shapes {
    /// Of ordinary, headless, node port Services.
    services: [Template; 3],
    deployment: Template,
    replica_set: Template,
    pod: Template,
    slice: Template,
    endpoint: Template,
}

/// Fills a world up to so many Services and pods in all.
pub(super) fn fill(world: &mut World, services: usize, pods: usize) {
    let services = services.saturating_sub(world.store.count(Resource::Services));
    let pods = pods.saturating_sub(world.store.count(Resource::Pods));
    let shapes = shapes(world);
    for number in 0..NAMESPACES {
        let name = namespace(number);
        let created = stamp(world.start - SignedDuration::from_hours(24 * 90));
        let value = json!({
            "metadata": {
                "name": name, "uid": world.random.uid(), "creationTimestamp": created,
                "labels": {"kubernetes.io/metadata.name": name},
            },
            "spec": {"finalizers": ["kubernetes"]},
            "status": {"phase": "Active"},
        });
        world.store.put(Resource::Namespaces, value);
        let _ = world.zone.add(&format!("{name}.svc EXISTS"));
    }
    let mut made = 0;
    for number in 0..services {
        let left = services - number;
        let share = (pods - made) / left;
        // Every fiftieth has nothing behind it, and the one after it twice as much.
        let count = match number % 50 {
            0 if left > 1 => 0,
            _ if left == 1 => pods - made,
            1 => (share * 2).min(pods - made),
            _ => share,
        };
        one(world, &shapes, number, made, count);
        made += count;
    }
}

fn namespace(number: usize) -> String {
    format!("team-{:02}", number % NAMESPACES)
}

/// The words for an application's parts.
const WORDS: [&str; 24] = [
    "api", "auth", "billing", "cart", "catalog", "chat", "events", "export", "feed", "gateway", "geo",
    "images", "ledger", "mail", "orders", "payments", "pricing", "profile", "quotes", "search", "session",
    "stock", "tracker", "users",
];

/// One Service, its workload, its pods and its slices.
fn one(world: &mut World, shapes: &Shapes, number: usize, first_pod: usize, count: usize) {
    let namespace = namespace(number);
    let app = format!("{}-{:04}", WORDS[number / NAMESPACES % WORDS.len()], number);
    let hash = hash(&app, 10);
    let (service_uid, deployment_uid, set_uid) = (world.random.uid(), world.random.uid(), world.random.uid());
    let number_in_range = u32::try_from(number).unwrap_or_default();
    let address = format!("10.{}.{}.{}", 100 + number / 64_516, number / 254 % 254, number % 254 + 1);
    let node_port = (30_000 + number_in_range % 2768).to_string();
    let replicas = count.to_string();
    let labels = vec![("app".to_owned(), app.clone()), ("tier".to_owned(), "generated".to_owned())];
    let shape = match number % 10 {
        9 => 1,
        4 => 2,
        _ => 0,
    };
    let mut put = |resource: Resource, template: &Template, name: &str, uid: &str, words: [&str; 4]| {
        world.store.fill(resource, |version| {
            let revision = version.to_string();
            let [fifth, sixth, seventh, eighth] = words;
            let mut json = Vec::with_capacity(6 * 1024);
            template
                .write(&[&revision, &namespace, &app, &hash, uid, fifth, sixth, seventh, eighth], &mut json);
            object(&namespace, name, &labels, version, json)
        });
    };
    put(Resource::Services, &shapes.services[shape], &app, &service_uid, [&address, &node_port, "", ""]);
    put(Resource::Deployments, &shapes.deployment, &app, &deployment_uid, [&replicas, "", "", ""]);
    let set = format!("{app}-{hash}");
    put(Resource::ReplicaSets, &shapes.replica_set, &set, &set_uid, [&replicas, &deployment_uid, "", ""]);
    records(world, &namespace, &app, (shape != 1).then_some(&address));
    let mut endpoints = Vec::new();
    for at in 0..count {
        let place = first_pod + at;
        let uid = world.random.uid();
        let name = format!("{set}-{}", world.random.letters(5));
        // Addresses of their own range, so that they differ from those of the written pods.
        let address = format!("10.{}.{}.{}", 200 + place / 64_516, place / 254 % 254, place % 254 + 1);
        let node = format!("node-{}", place % 2 + 1);
        let mut labels = labels.clone();
        labels.push(("pod-template-hash".to_owned(), hash.clone()));
        world.store.fill(Resource::Pods, |version| {
            let revision = version.to_string();
            let host = pod::node_address(&node);
            let words = [&revision, &namespace, &app, &hash, &uid, &name, &address, &node, &set_uid, &host];
            let mut json = Vec::with_capacity(6 * 1024);
            shapes.pod.write(&words.map(String::as_str), &mut json);
            Object { phase: "Running".to_owned(), ..object(&namespace, &name, &labels, version, json) }
        });
        let mut endpoint = Vec::with_capacity(400);
        shapes.endpoint.write(
            &["", &namespace, &app, &hash, &uid, &name, &address, &node, zone_of(&node)],
            &mut endpoint,
        );
        endpoints.push(endpoint);
    }
    slices(world, shapes, &namespace, &app, &service_uid, &endpoints);
}

/// Writes the records of a generated Service with an address into the zone.
fn records(world: &mut World, namespace: &str, app: &str, address: Option<&String>) {
    let name = format!("{app}.{namespace}.svc");
    let Some(address) = address else { return };
    for line in [
        format!("{name} A {address}"),
        format!("{name} SRV 0 100 80 {name}"),
        format!("_http._tcp.{name} SRV 0 100 80 {name}"),
    ] {
        // Made of nothing but lower case letters, digits and dashes, so it can be read.
        let _ = world.zone.add(&line);
    }
}

fn slices(
    world: &mut World,
    shapes: &Shapes,
    namespace: &str,
    app: &str,
    service_uid: &str,
    endpoints: &[Vec<u8>],
) {
    let parts: Vec<&[Vec<u8>]> =
        if endpoints.is_empty() { vec![&[]] } else { endpoints.chunks(SLICE).collect() };
    for part in parts {
        let name = format!("{app}-{}", world.random.letters(5));
        let uid = world.random.uid();
        let labels = [
            ("app", app),
            ("tier", "generated"),
            ("endpointslice.kubernetes.io/managed-by", "endpointslice-controller.k8s.io"),
            ("kubernetes.io/service-name", app),
        ];
        let labels: Vec<(String, String)> =
            labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into_iter().collect();
        let (list, ports) = if part.is_empty() {
            ("null".to_owned(), "null")
        } else {
            let list = part.join(&b","[..]);
            (
                format!("[{}]", String::from_utf8_lossy(&list)),
                r#"[{"name":"http","port":8080,"protocol":"TCP"}]"#,
            )
        };
        world.store.fill(Resource::EndpointSlices, |version| {
            let revision = version.to_string();
            let words = [&revision, namespace, app, service_uid, &uid, &name, &list, ports];
            let mut json = Vec::with_capacity(1024 + list.len());
            shapes.slice.write(&words, &mut json);
            object(namespace, &name, &labels, version, json)
        });
    }
}

fn object(namespace: &str, name: &str, labels: &[(String, String)], version: u64, json: Vec<u8>) -> Object {
    Object {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        labels: labels.to_vec(),
        phase: String::new(),
        version,
        json: Bytes::from(json),
    }
}

fn shapes(world: &World) -> Shapes {
    let born = world.start - SignedDuration::from_hours(24 * 12);
    let created = stamp(born);
    let [_, _, _, _, _, fifth, sixth, seventh, eighth, ninth] = MARKS;
    let labels = json!({"app": APP, "tier": "generated"});
    let metadata = |name: &str| {
        json!({
            "name": name, "namespace": NAMESPACE, "uid": UID, "creationTimestamp": created,
            "labels": labels,
        })
    };
    let service = |kind: &str, address: &str, ports: Value| {
        let mut value = json!({
            "metadata": metadata(APP),
            "spec": {"type": kind, "clusterIP": address, "selector": {"app": APP}, "ports": ports},
        });
        service::complete(&mut value);
        value["metadata"]["managedFields"] = service::managed_fields(&value, born, None);
        Template::cut(value, &[6])
    };
    let port = json!({"name": "http", "port": 80, "targetPort": "http"});
    let mut node_port = port.clone();
    node_port["nodePort"] = sixth.into();
    let services = [
        service("ClusterIP", fifth, json!([port])),
        service("ClusterIP", "None", json!([{"name": "http", "port": 8080, "targetPort": "http"}])),
        service("NodePort", fifth, json!([node_port])),
    ];
    let template = json!({
        "metadata": {"labels": {"app": APP, "tier": "generated"}},
        "spec": {"containers": [{
            "name": "server",
            "image": format!("registry.example.com/{APP}:1.4"),
            "ports": [{"name": "http", "containerPort": 8080}],
            "env": [
                {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
                {"name": "LOG_LEVEL", "value": "info"},
            ],
            "readinessProbe": {"httpGet": {"path": "/health", "port": "http", "scheme": "HTTP"}, "periodSeconds": 5},
            "resources": {"requests": {"cpu": "50m", "memory": "64Mi"}, "limits": {"memory": "256Mi"}},
        }]},
    });
    let mut deployment = json!({
        "metadata": metadata(APP),
        "spec": {"replicas": fifth, "selector": {"matchLabels": labels}, "template": template},
        "status": {
            "observedGeneration": 1, "replicas": fifth, "updatedReplicas": fifth, "readyReplicas": fifth,
            "availableReplicas": fifth,
        },
    });
    deployment["metadata"]["generation"] = 1.into();
    let mut set = controllers::replica_set(&deployment, HASH, 1, UID, &created);
    set["metadata"]["ownerReferences"][0]["uid"] = sixth.into();
    set["status"] = json!({"replicas": fifth, "readyReplicas": fifth, "availableReplicas": fifth, "observedGeneration": 1});
    set["metadata"]["annotations"] = json!({"deployment.kubernetes.io/revision": "1"});
    let mut reference = set.clone();
    reference["metadata"]["uid"] = eighth.into();
    let mut pod = pod::from_template(&set["spec"]["template"], NAMESPACE, fifth, UID, born);
    pod["metadata"]["generateName"] = format!("{APP}-{HASH}-").into();
    pod["metadata"]["ownerReferences"] = controllers::owner_reference(Resource::ReplicaSets, &reference);
    pod["spec"]["nodeName"] = seventh.into();
    pod::stage(&mut pod, &Stage::Creating, born);
    pod["status"]["hostIP"] = ninth.into();
    pod["status"]["hostIPs"] = json!([{"ip": ninth}]);
    pod["status"]["podIP"] = sixth.into();
    pod["status"]["podIPs"] = json!([{"ip": sixth}]);
    pod::stage(&mut pod, &Stage::Ready, born + SignedDuration::from_secs(3));
    pod["metadata"]["managedFields"] = pod::managed_fields(&pod, &created, &created);
    let slice = json!({
        "metadata": {
            "name": fifth, "generateName": format!("{APP}-"), "namespace": NAMESPACE, "uid": UID, "generation": 1,
            "creationTimestamp": created,
            "labels": {
                "app": APP, "tier": "generated",
                "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
                "kubernetes.io/service-name": APP,
            },
            "ownerReferences": [{
                "apiVersion": "v1", "kind": "Service", "name": APP, "uid": HASH, "controller": true,
                "blockOwnerDeletion": true,
            }],
        },
        "addressType": "IPv4", "endpoints": sixth, "ports": seventh,
    });
    let endpoint = json!({
        "addresses": [sixth],
        "conditions": {"ready": true, "serving": true, "terminating": false},
        "targetRef": {"kind": "Pod", "namespace": NAMESPACE, "name": fifth, "uid": UID},
        "nodeName": seventh,
        "zone": eighth,
    });
    Shapes {
        services,
        deployment: Template::cut(deployment, &[5]),
        replica_set: Template::cut(set, &[5]),
        pod: Template::cut(pod, &[]),
        slice: Template::cut(slice, &[6, 7]),
        endpoint: Template::cut(endpoint, &[]),
    }
}

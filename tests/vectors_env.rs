//! The environment rules against `vectors/env.json`: expected values that were written down from the kubelet's
//! sources and tests, not computed by this program.

#![expect(clippy::unwrap_used, reason = "a vector that is not as its README says fails its test")]

use std::collections::BTreeMap;
use std::sync::Arc;

use kdisco::model::env::{
    Options, Secrets, Start, Status, Verdict, container_environment, expand_with, service_variables, verdict,
};
use kdisco::model::pod::{
    Container, ContainerRole, ContainerState, ContainerStatus, EnvFrom, EnvValue, EnvVar, KeyRef, PodSpec,
};
use kdisco::model::service::SpecChange;
use kdisco::model::snapshot::LoadEntry;
use kdisco::model::time::Timestamp;
use kdisco::model::{
    ClusterSnapshot, ConfigData, Kind, Labels, Load, ObjectKey, Pod, Port, PortTarget, Protocol, Service,
    ServiceFacts, ServiceType, Text,
};
use serde_json::Value;

fn cases(kind: &str) -> Vec<Value> {
    let all: Value = serde_json::from_str(include_str!("vectors/env.json")).unwrap();
    let of_kind: Vec<_> =
        all["cases"].as_array().unwrap().iter().filter(|c| c["kind"] == kind).cloned().collect();
    assert!(!of_kind.is_empty(), "there are cases of kind {kind}");
    of_kind
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], |v| v)
}

fn text(value: &Value) -> Text {
    value.as_str().unwrap_or_default().into()
}

fn time(value: &Value) -> Option<Timestamp> {
    value.as_str().map(|t| t.parse().unwrap())
}

fn service(json: &Value) -> Service {
    let (meta, spec) = (&json["metadata"], &json["spec"]);
    let ports = list(&spec["ports"]).iter().map(|port| Port {
        name: text(&port["name"]),
        port: i32::try_from(port["port"].as_i64().unwrap()).unwrap(),
        protocol: Protocol::from(&*text(&port["protocol"])),
        target: PortTarget::Same,
        node_port: 0,
        app_protocol: "".into(),
    });
    Service {
        key: ObjectKey::new(text(&meta["namespace"]), text(&meta["name"])),
        uid: "".into(),
        created: time(&meta["creationTimestamp"]).or(Some(Timestamp::UNIX_EPOCH)),
        deleting: None,
        labels: Labels::default(),
        kind: ServiceType::from(&*text(&spec["type"])),
        cluster_ip: text(&spec["clusterIP"]),
        cluster_ips: list(&spec["clusterIPs"]).iter().map(text).collect(),
        external_ips: [].into(),
        external_name: "".into(),
        ports: ports.collect(),
        selector: Labels::default(),
        publish_not_ready: false,
        internal_local: false,
        external_local: false,
        ingress: [].into(),
        changes: [].into(),
    }
}

fn env_value(entry: &Value) -> EnvValue {
    let from = &entry["valueFrom"];
    let key_ref =
        |r: &Value| KeyRef { name: text(&r["name"]), key: text(&r["key"]), optional: r["optional"] == true };
    if from["fieldRef"].is_object() {
        EnvValue::Field(text(&from["fieldRef"]["fieldPath"]))
    } else if from["resourceFieldRef"].is_object() {
        let r = &from["resourceFieldRef"];
        EnvValue::Resource {
            container: "".into(),
            resource: text(&r["resource"]),
            divisor: text(&r["divisor"]),
        }
    } else if from["configMapKeyRef"].is_object() {
        EnvValue::ConfigMapKey(key_ref(&from["configMapKeyRef"]))
    } else if from["secretKeyRef"].is_object() {
        EnvValue::SecretKey(key_ref(&from["secretKeyRef"]))
    } else {
        assert!(from.is_null(), "a source that this test does not know: {from}");
        EnvValue::Literal(text(&entry["value"]))
    }
}

fn container(json: &Value, limits: Labels) -> Container {
    let from = list(&json["envFrom"]).iter().map(|source| {
        let secret = source["secretRef"].is_object();
        let object = if secret { &source["secretRef"] } else { &source["configMapRef"] };
        EnvFrom {
            prefix: text(&source["prefix"]),
            secret,
            name: text(&object["name"]),
            optional: object["optional"] == true,
        }
    });
    let env = list(&json["env"]).iter().map(|e| EnvVar { name: text(&e["name"]), value: env_value(e) });
    Container {
        name: "main".into(),
        role: ContainerRole::Main,
        image: "".into(),
        ports: [].into(),
        env: env.collect(),
        env_from: from.collect(),
        tty: false,
        limits,
        requests: Labels::default(),
    }
}

fn pod(json: &Value, container: Container, state: ContainerState, downward: &Value) -> Pod {
    let addresses =
        |field: &str| text(&downward[field]).split(',').filter(|ip| !ip.is_empty()).map(Text::from).collect();
    let spec = PodSpec {
        containers: [container].into(),
        service_links: json["enableServiceLinks"] != false,
        ..PodSpec::default()
    };
    let status = ContainerStatus {
        name: "main".into(),
        ready: true,
        started: true,
        restarts: 0,
        state,
        last_finished: None,
        last_reason: "".into(),
    };
    Pod {
        key: ObjectKey::new(text(&json["namespace"]), "pod"),
        uid: "".into(),
        created: None,
        deleting: None,
        labels: Labels::default(),
        annotations: Labels::default(),
        owner: None,
        spec: Arc::new(spec),
        node: text(&downward["spec.nodeName"]),
        hostname: None,
        phase: "Running".into(),
        reason: "".into(),
        ips: addresses("status.podIPs"),
        host_ips: [].into(),
        conditions: [].into(),
        statuses: [status].into(),
    }
}

fn config(namespace: &str, objects: &Value) -> Arc<BTreeMap<ObjectKey, Arc<ConfigData>>> {
    let objects = objects.as_object().into_iter().flatten().map(|(name, data)| {
        let key = ObjectKey::new(namespace, name.as_str());
        let data =
            data.as_object().unwrap().iter().map(|(k, v)| (k.as_str().into(), text(v).as_bytes().into()));
        (key.clone(), Arc::new(ConfigData { key, data: data.collect(), binary: [].into() }))
    });
    Arc::new(objects.collect())
}

fn snapshot(namespace: &str, case: &Value) -> ClusterSnapshot {
    let mut services: Vec<_> = list(&case["services"])
        .iter()
        .map(|s| Arc::new(ServiceFacts::new(Arc::new(service(s)), vec![])))
        .collect();
    services.sort_by(|a, b| a.key().cmp(b.key()));
    let loads = [Kind::Service, Kind::ConfigMap, Kind::Secret];
    ClusterSnapshot {
        services: Arc::new(services),
        config_maps: config(namespace, &case["configMaps"]),
        secrets: config(namespace, &case["secrets"]),
        loads: loads.into_iter().map(|kind| LoadEntry { kind, namespace: None, load: Load::Live }).collect(),
        ..ClusterSnapshot::default()
    }
}

#[test]
fn the_variables_of_services_and_their_order() {
    for case in cases("service_vars") {
        let said: Vec<_> =
            list(&case["services"]).iter().flat_map(|s| service_variables(&service(s))).collect();
        let expected: Vec<(String, String)> = list(&case["expect"]["ordered"])
            .iter()
            .map(|p| (text(&p[0]).to_string(), text(&p[1]).to_string()))
            .collect();
        assert_eq!(said, expected, "{}", case["id"]);
    }
}

#[test]
fn whole_environments() {
    let long_ago: Timestamp = "2026-01-02T00:00:00Z".parse().unwrap();
    for case in cases("pod_env") {
        let id = &case["id"];
        let fails = case["expect"]["error"] == true;
        let state =
            if fails { ContainerState::Waiting("".into()) } else { ContainerState::Running(Some(long_ago)) };
        let limits = text(&case["downward"]["limits.cpu"]);
        let limits = Labels::new((!limits.is_empty()).then(|| ("cpu".into(), limits)));
        let pod = pod(&case["pod"], container(&case["container"], limits), state, &case["downward"]);
        let snapshot = snapshot(&pod.key.namespace, &case);
        let options = Options { secrets: Secrets::Shown, ..Options::default() };
        let said = container_environment(&snapshot, &pod, &pod.spec.containers[0], &options);
        assert_eq!(!said.blocked.is_empty(), fails, "{id}: {:?}", said.blocked);
        if fails {
            continue;
        }
        let free = case["expect"]["oneOf"].as_object();
        let said: BTreeMap<_, _> =
            said.variables().filter(|v| v.name != "HOSTNAME").map(|v| (v.name, v)).collect();
        let expected: BTreeMap<_, _> =
            case["expect"]["env"].as_object().unwrap().iter().map(|(k, v)| (&**k, text(v))).collect();
        assert_eq!(said.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>(), "{id}");
        for (name, value) in expected {
            let said = said[name];
            if let Some(allowed) = free.and_then(|free| free.get(name)) {
                assert_eq!((said.value, said.status), (None, Status::Uncertain), "{id}: {name}");
                let mut candidates: Vec<_> = said.candidates().map(|c| Text::from(c.value)).collect();
                let mut allowed: Vec<_> = list(allowed).iter().map(text).collect();
                candidates.sort();
                allowed.sort();
                assert_eq!(candidates, allowed, "{id}: {name}");
            } else {
                assert_eq!((said.value, said.status), (Some(&*value), Status::Present), "{id}: {name}");
            }
        }
    }
}

#[test]
fn expansion_of_references() {
    for case in cases("expansion") {
        let lookup = |name: &str| case["vars"].get(name).map(|v| text(v).to_string());
        assert_eq!(
            expand_with(&text(&case["input"]), lookup),
            *text(&case["expect"]["output"]),
            "{}",
            case["id"]
        );
    }
}

#[test]
fn presence_by_time() {
    for case in cases("presence") {
        let mut service = service(&serde_json::json!({"metadata": case["service"], "spec": case["service"]}));
        service.changes = time(&case["service"]["lastSpecChange"])
            .map(|at| SpecChange {
                manager: "m".into(),
                at,
                owns_type: false,
                owns_cluster_ip: false,
                owns_ports: true,
            })
            .into_iter()
            .collect();
        let state = match time(&case["container"]["state"]["running"]["startedAt"]) {
            Some(at) => ContainerState::Running(Some(at)),
            None => ContainerState::Waiting("".into()),
        };
        let pod = pod(&case["pod"], container(&Value::Null, Labels::default()), state, &Value::Null);
        let start = Start::of(&pod, &pod.spec.containers[0]);
        let said = match verdict(&pod, &start, &service, None) {
            Verdict::Present => "present",
            Verdict::Absent { .. } => "absent",
            Verdict::Uncertain(_) => "uncertain",
            Verdict::NextStart => "next-start",
            Verdict::NotEligible(_) => "not-eligible",
            Verdict::Stale { .. } => "present-maybe-stale",
        };
        assert_eq!(said, &*text(&case["expect"]["verdict"]), "{}", case["id"]);
    }
}

//! The rules that the vectors and recordings do not single out, one test each.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::*;
use crate::model::pod::{ContainerStatus, EnvFrom, EnvValue, EnvVar, KeyRef, PodSpec};
use crate::model::service::SpecChange;
use crate::model::snapshot::LoadEntry;
use crate::model::{ConfigData, Labels, Load, Node, Port, PortTarget, Protocol, ServiceFacts, ServiceType};

mod hostile;
mod local;
mod restart;
mod sources;
mod telling;
mod time;
mod verify;

const START: i64 = 1_000_000;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(START + seconds).unwrap()
}

/// A Service with one unnamed TCP port, created so many seconds after the start of all containers here.
fn service(name: &str, ip: &str, created: i64) -> Service {
    Service {
        key: key(name),
        uid: name.into(),
        created: Some(at(created)),
        deleting: None,
        labels: Labels::default(),
        kind: ServiceType::ClusterIp,
        cluster_ip: ip.into(),
        cluster_ips: [].into(),
        external_ips: [].into(),
        external_name: "".into(),
        ports: [port("", 80)].into(),
        selector: Labels::default(),
        publish_not_ready: false,
        internal_local: false,
        external_local: false,
        ingress: [].into(),
        changes: [].into(),
    }
}

/// `ns/name`, or a name in the namespace `a`.
fn key(name: &str) -> ObjectKey {
    let (namespace, name) = name.split_once('/').unwrap_or(("a", name));
    ObjectKey::new(namespace, name)
}

fn port(name: &str, port: i32) -> Port {
    let protocol = Protocol::Tcp;
    Port {
        name: name.into(),
        port,
        protocol,
        target: PortTarget::Same,
        node_port: 0,
        app_protocol: "".into(),
    }
}

fn change(after: i64, owns: &str) -> SpecChange {
    SpecChange {
        manager: "kubectl-edit".into(),
        at: at(after),
        owns_type: owns.contains("type"),
        owns_cluster_ip: owns.contains("ip"),
        owns_ports: owns.contains("ports"),
    }
}

fn container(env: Vec<(&str, EnvValue)>) -> Container {
    Container {
        name: "main".into(),
        role: ContainerRole::Main,
        image: "registry:5000/library/nginx:1.27".into(),
        ports: [].into(),
        env: env.into_iter().map(|(name, value)| EnvVar { name: name.into(), value }).collect(),
        env_from: [].into(),
        tty: false,
        limits: Labels::default(),
        requests: Labels::default(),
    }
}

fn status(name: &str, state: ContainerState) -> ContainerStatus {
    ContainerStatus {
        name: name.into(),
        ready: true,
        started: true,
        restarts: 0,
        state,
        last_finished: None,
        last_reason: "".into(),
    }
}

fn pod(container: Container) -> Pod {
    let statuses = [status(&container.name, ContainerState::Running(Some(at(0))))].into();
    Pod {
        key: key("pod"),
        uid: "u-1".into(),
        created: Some(at(-3600)),
        deleting: None,
        labels: Labels::new([("app".into(), "web".into())]),
        annotations: Labels::default(),
        owner: None,
        spec: Arc::new(PodSpec { containers: [container].into(), service_links: true, ..PodSpec::default() }),
        node: "node-1".into(),
        hostname: None,
        phase: "Running".into(),
        reason: "".into(),
        ips: ["10.0.0.7".into(), "fd00::7".into()].into(),
        host_ips: ["192.0.2.1".into()].into(),
        conditions: [].into(),
        statuses,
    }
}

fn plain() -> Pod {
    pod(container(vec![]))
}

fn edit(pod: &mut Pod, change: impl FnOnce(&mut PodSpec)) {
    change(Arc::make_mut(&mut pod.spec));
}

fn snapshot(services: Vec<Service>) -> ClusterSnapshot {
    let mut facts: Vec<_> =
        services.into_iter().map(|s| Arc::new(ServiceFacts::new(Arc::new(s), vec![]))).collect();
    facts.sort_by(|a, b| a.key().cmp(b.key()));
    let loads = [Kind::Service, Kind::ConfigMap, Kind::Secret];
    ClusterSnapshot {
        services: Arc::new(facts),
        loads: loads.map(|kind| LoadEntry { kind, namespace: None, load: Load::Live }).into(),
        ..ClusterSnapshot::default()
    }
}

fn config(name: &str, data: &[(&str, &str)]) -> Arc<BTreeMap<ObjectKey, Arc<ConfigData>>> {
    let data = data.iter().map(|(k, v)| ((*k).into(), v.as_bytes().into())).collect();
    Arc::new(BTreeMap::from([(key(name), Arc::new(ConfigData { key: key(name), data, binary: [].into() }))]))
}

fn predicted(snapshot: &ClusterSnapshot, pod: &Pod) -> ContainerEnvironment {
    predicted_with(snapshot, pod, &Options { secrets: Secrets::Shown, ..Options::default() })
}

fn predicted_with(snapshot: &ClusterSnapshot, pod: &Pod, options: &Options) -> ContainerEnvironment {
    container_environment(snapshot, pod, &pod.spec.containers[0], options)
}

/// Status and value of one variable.
fn said<'a>(environment: &'a ContainerEnvironment, name: &str) -> Option<(Status, Option<&'a str>)> {
    environment.get(name).map(|v| (v.status, v.value))
}

fn reason(environment: &ContainerEnvironment, name: &str) -> String {
    environment.get(name).and_then(|v| v.reason()).unwrap_or_default()
}

fn status_with(service: Service, pod: &Pod) -> Status {
    let name = format!("{}_SERVICE_HOST", mangle(&service.key.name));
    predicted(&snapshot(vec![service]), pod).get(&name).unwrap().status
}

fn literal(text: &str) -> EnvValue {
    EnvValue::Literal(text.into())
}

fn key_ref(name: &str, key: &str, optional: bool) -> KeyRef {
    KeyRef { name: name.into(), key: key.into(), optional }
}

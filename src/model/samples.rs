//! Objects for tests: the smallest valid ones, to be changed by the test that needs more.

use std::sync::Arc;

use super::pod::{
    Condition, Container, ContainerPort, ContainerRole, ContainerState, ContainerStatus, PodSpec,
};
use super::snapshot::LoadEntry;
use super::time::Timestamp;
use super::{
    AddressType, ClusterSnapshot, Endpoint, EndpointSlice, Hints, Kind, Labels, Load, ObjectKey, Pod, Port,
    PortTarget, Protocol, Service, ServiceFacts, ServiceType, SlicePort, TargetRef, Text,
};

/// The moment at which all tests take place.
pub(crate) fn now() -> Timestamp {
    Timestamp::from_second(1_767_225_600).unwrap()
}

/// A moment before [`now`].
#[expect(clippy::unnecessary_wraps, reason = "the fields that take it are optional")]
pub(crate) fn ago(seconds: i64) -> Option<Timestamp> {
    Some(Timestamp::from_second(now().as_second() - seconds).unwrap())
}

/// `a=b,c=d` as labels.
pub(crate) fn labels(text: &str) -> Labels {
    Labels::new(text.split(',').filter_map(|p| p.split_once('=')).map(|(k, v)| (k.into(), v.into())))
}

fn texts(items: &[&str]) -> Box<[Text]> {
    items.iter().map(|s| (*s).into()).collect()
}

/// A ClusterIP Service without ports that selects `app=NAME`.
pub(crate) fn service(namespace: &str, name: &str) -> Service {
    Service {
        key: ObjectKey::new(namespace, name),
        uid: "".into(),
        created: None,
        deleting: None,
        labels: Labels::default(),
        kind: ServiceType::ClusterIp,
        cluster_ip: "10.96.0.10".into(),
        cluster_ips: texts(&["10.96.0.10"]),
        external_ips: Box::default(),
        external_name: "".into(),
        ports: Box::default(),
        selector: labels(&format!("app={name}")),
        publish_not_ready: false,
        internal_local: false,
        external_local: false,
        ingress: Box::default(),
        changes: Box::default(),
    }
}

impl Service {
    /// With other cluster addresses; none at all, or `None` alone for headless.
    pub(crate) fn with_ips(mut self, ips: &[&str]) -> Self {
        self.cluster_ip = ips.first().copied().unwrap_or_default().into();
        self.cluster_ips = texts(ips);
        self
    }

    /// With one more port; the target is a number, a name, or empty for the same number.
    pub(crate) fn with_port(mut self, name: &str, port: i32, target: &str) -> Self {
        let target = match target.parse() {
            Ok(number) => PortTarget::Number(number),
            Err(_) if target.is_empty() => PortTarget::Same,
            Err(_) => PortTarget::Name(target.into()),
        };
        let mut ports = self.ports.into_vec();
        ports.push(Port {
            name: name.into(),
            port,
            protocol: Protocol::Tcp,
            target,
            node_port: 0,
            app_protocol: "".into(),
        });
        self.ports = ports.into();
        self
    }

    /// As an ExternalName.
    pub(crate) fn external(mut self, target: &str) -> Self {
        self.kind = ServiceType::ExternalName;
        self.external_name = target.into();
        self.selector = Labels::default();
        self.with_ips(&[])
    }

    /// With addresses from the load balancer.
    pub(crate) fn with_ingress(mut self, ingress: &[&str]) -> Self {
        self.kind = ServiceType::LoadBalancer;
        self.ingress = texts(ingress);
        self
    }

    /// With external addresses.
    pub(crate) fn with_external_ips(mut self, ips: &[&str]) -> Self {
        self.external_ips = texts(ips);
        self
    }
}

/// An empty IPv4 slice of a Service.
pub(crate) fn slice(namespace: &str, service: &str, suffix: &str) -> EndpointSlice {
    EndpointSlice {
        key: ObjectKey::new(namespace, format!("{service}-{suffix}")),
        service: service.into(),
        labels: labels(&format!("kubernetes.io/service-name={service}")),
        created: None,
        address_type: AddressType::Ipv4,
        ports: Box::default(),
        endpoints: Box::default(),
    }
}

impl EndpointSlice {
    /// With one more TCP port.
    pub(crate) fn with_port(mut self, name: &str, port: i32) -> Self {
        let mut ports = self.ports.into_vec();
        ports.push(SlicePort { name: name.into(), port: Some(port), protocol: Protocol::Tcp });
        self.ports = ports.into();
        self
    }

    /// With one more endpoint.
    pub(crate) fn with(mut self, endpoint: Endpoint) -> Self {
        let mut endpoints = self.endpoints.into_vec();
        endpoints.push(endpoint);
        self.endpoints = endpoints.into();
        self
    }

    /// With IPv6 addresses.
    pub(crate) fn v6(mut self) -> Self {
        self.address_type = AddressType::Ipv6;
        self
    }
}

/// A ready endpoint without a target.
pub(crate) fn endpoint(address: &str) -> Endpoint {
    Endpoint {
        addresses: texts(&[address]),
        ready: Some(true),
        serving: Some(true),
        terminating: Some(false),
        hostname: None,
        node: None,
        zone: None,
        hints: Hints::default(),
        target: None,
    }
}

impl Endpoint {
    /// Backed by a pod.
    pub(crate) fn of(mut self, namespace: &str, pod: &str) -> Self {
        self.target = Some(TargetRef { kind: "Pod".into(), namespace: namespace.into(), name: pod.into() });
        self
    }

    /// With these conditions.
    pub(crate) fn conditions(
        mut self,
        ready: Option<bool>,
        serving: Option<bool>,
        terminating: Option<bool>,
    ) -> Self {
        (self.ready, self.serving, self.terminating) = (ready, serving, terminating);
        self
    }

    /// On a node.
    pub(crate) fn on(mut self, node: &str) -> Self {
        self.node = Some(node.into());
        self
    }
}

/// A Service and its slices, joined.
pub(crate) fn facts(service: Service, slices: Vec<EndpointSlice>) -> ServiceFacts {
    ServiceFacts::new(Arc::new(service), slices.into_iter().map(Arc::new).collect())
}

/// A running, ready pod with one container `main`.
pub(crate) fn pod(namespace: &str, name: &str) -> Pod {
    Pod {
        key: ObjectKey::new(namespace, name),
        uid: "".into(),
        created: None,
        deleting: None,
        labels: Labels::default(),
        annotations: Labels::default(),
        owner: None,
        spec: Arc::new(PodSpec {
            containers: Box::new([container("main", ContainerRole::Main)]),
            service_links: true,
            ..PodSpec::default()
        }),
        node: "node-1".into(),
        hostname: None,
        phase: "Running".into(),
        reason: "".into(),
        ips: texts(&["10.244.1.7"]),
        host_ips: Box::default(),
        conditions: Box::new([condition("Ready", true)]),
        statuses: Box::new([status("main", running())]),
    }
}

impl Pod {
    /// With these labels.
    pub(crate) fn labelled(mut self, text: &str) -> Self {
        self.labels = labels(text);
        self
    }

    /// With a port declared by its first container.
    pub(crate) fn declaring(mut self, name: &str, port: i32) -> Self {
        let spec = Arc::make_mut(&mut self.spec);
        let mut ports = std::mem::take(&mut spec.containers[0].ports).into_vec();
        ports.push(ContainerPort { name: name.into(), port, protocol: Protocol::Tcp });
        spec.containers[0].ports = ports.into();
        self
    }

    /// Not ready, for that reason, for a number of seconds.
    pub(crate) fn unready(mut self, reason: &str, message: &str, since: i64) -> Self {
        self.conditions = Box::new([Condition {
            kind: "Ready".into(),
            status: false,
            reason: reason.into(),
            message: message.into(),
            since: ago(since),
        }]);
        self
    }
}

/// A container without anything.
pub(crate) fn container(name: &str, role: ContainerRole) -> Container {
    Container {
        name: name.into(),
        role,
        image: "".into(),
        ports: Box::default(),
        env: Box::default(),
        env_from: Box::default(),
        tty: false,
        limits: Labels::default(),
        requests: Labels::default(),
    }
}

/// A condition without reason and time.
pub(crate) fn condition(kind: &str, status: bool) -> Condition {
    Condition { kind: kind.into(), status, reason: "".into(), message: "".into(), since: None }
}

/// A container status that is ready when running.
pub(crate) fn status(name: &str, state: ContainerState) -> ContainerStatus {
    let up = matches!(state, ContainerState::Running(_));
    ContainerStatus {
        name: name.into(),
        ready: up,
        started: up,
        restarts: 0,
        state,
        last_finished: None,
        last_reason: "".into(),
    }
}

/// The state of a running container.
pub(crate) fn running() -> ContainerState {
    ContainerState::Running(None)
}

/// The state of a waiting container.
pub(crate) fn waiting(reason: &str) -> ContainerState {
    ContainerState::Waiting(reason.into())
}

/// The state of a container that has ended.
pub(crate) fn ended(reason: &str, exit_code: i32, signal: i32) -> ContainerState {
    ContainerState::Terminated { reason: reason.into(), exit_code, signal, started: None, finished: None }
}

/// A snapshot in which everything is watched cluster-wide and live.
pub(crate) fn snapshot(services: Vec<ServiceFacts>, pods: Vec<Pod>) -> ClusterSnapshot {
    let mut snapshot = ClusterSnapshot::default();
    let mut services: Vec<_> = services.into_iter().map(Arc::new).collect();
    services.sort_by(|a, b| a.key().cmp(b.key()));
    let mut index = std::collections::BTreeMap::<Text, std::collections::BTreeMap<Text, Vec<Text>>>::new();
    for facts in &services {
        for target in facts.slices.iter().flat_map(|s| &s.endpoints).filter_map(|e| e.target.as_ref()) {
            let names =
                index.entry(target.namespace.clone()).or_default().entry(target.name.clone()).or_default();
            if !names.contains(&facts.key().name) {
                names.push(facts.key().name.clone());
            }
        }
    }
    snapshot.services_of_pod = index.into_iter().map(|(k, v)| (k, Arc::new(v))).collect();
    snapshot.services = Arc::new(services);
    let mut by_namespace = std::collections::BTreeMap::<Text, Vec<Arc<Pod>>>::new();
    for pod in pods {
        by_namespace.entry(pod.key.namespace.clone()).or_default().push(Arc::new(pod));
    }
    for pods in by_namespace.values_mut() {
        pods.sort_by(|a, b| a.key.cmp(&b.key));
    }
    snapshot.pods = by_namespace.into_iter().map(|(k, v)| (k, Arc::new(v))).collect();
    for kind in [Kind::Service, Kind::EndpointSlice, Kind::Pod] {
        set_load(&mut snapshot, kind, Load::Live);
    }
    snapshot
}

/// Sets the state of the cluster-wide watch of a kind.
pub(crate) fn set_load(snapshot: &mut ClusterSnapshot, kind: Kind, load: Load) {
    snapshot.loads.retain(|e| e.kind != kind);
    snapshot.loads.push(LoadEntry { kind, namespace: None, load });
}

//! The cluster's DNS, asked live: which pods serve it, the way to them, and what they count of themselves.
//!
//! What it is: the joint of `cluster` (rights, port-forward, the API's proxy) and `dns` (the client), for the
//! explorer's effects and for the command line. What it is not: it judges no answer and shows nothing.

use std::sync::{Arc, Mutex, PoisonError};

use futures_util::StreamExt as _;
use futures_util::future::join_all;
use futures_util::stream;

use crate::cluster::access::{self, Question as Right};
use crate::cluster::client::{Asked, Client};
use crate::cluster::reader::Reader;
use crate::cluster::{ApiError, ApiErrorKind, Denied};
use crate::dns::resolver::{Limits, Place, Whom};
use crate::dns::{Connect, Resolver};
use crate::model::dns::{Cluster, DnsHealth, DnsServer, LiveLookup, LiveStep, Metrics, Question, Software};
use crate::model::dns::{Libc, RecordType, hosts};
use crate::model::time::Timestamp;
use crate::model::{ClusterSnapshot, Kind, NamespaceScope, ObjectKey, Pod, Text};
use crate::session::stream::{OpenError, PodStream, Refusal, Tunnels};

/// The port on which CoreDNS tells its metrics.
const METRICS_PORT: u16 = 9153;

/// Opens streams to the DNS port of pods.
#[derive(Debug)]
pub struct PodPorts {
    tunnels: Tunnels,
    pods: Vec<(ObjectKey, u16)>,
    /// The last failure, which says more than the sentence that the resolver gets.
    failure: Mutex<Option<ApiError>>,
}

impl Connect for PodPorts {
    type Stream = PodStream;

    async fn open(&self, server: usize) -> Result<PodStream, String> {
        let Some((pod, port)) = self.pods.get(server) else {
            return Err("there is no such server".to_owned());
        };
        self.tunnels.open(&pod.namespace, &pod.name, *port).await.map_err(|error| {
            let error = told(&error, pod);
            let text = error.to_string();
            *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
            text
        })
    }
}

/// The rights of which a port-forward takes one: `create` is enough for a POST, before Kubernetes 1.35 `get` is enough
/// for a WebSocket (from then on that asks for both: `AuthorizePodWebsocketUpgradeCreatePermission`).
pub fn rights(namespace: &Text) -> [Right; 2] {
    ["create", "get"]
        .map(|verb| Right::new(verb, "pods").subresource("portforward").namespace(namespace.clone()))
}

/// Why there is no stream, as an error of the API.
fn told(error: &OpenError, pod: &ObjectKey) -> ApiError {
    let what = format!("cannot forward to pod {}", pod.name);
    let denied = || Denied {
        verb: "create".into(),
        resource: "pods/portforward".into(),
        namespace: Some(pod.namespace.clone()),
    };
    let kind = match error.refusal {
        Refusal::Unauthorized => ApiErrorKind::Unauthorized,
        Refusal::Forbidden => ApiErrorKind::Forbidden(Box::new(denied())),
        Refusal::NotFound => ApiErrorKind::NotFound,
        Refusal::NotReady => ApiErrorKind::Server(500),
        Refusal::Unsupported => ApiErrorKind::Protocol,
        Refusal::Unreachable => ApiErrorKind::Unreachable,
    };
    ApiError::new(kind, what, error.to_string())
}

/// Which servers are asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Which {
    /// The first ready one; another where that one is gone.
    #[default]
    Best,
    /// All, each the same.
    All,
    /// The pod of this name, and no other.
    Pod(Text),
}

/// The cluster's DNS servers with a way to them. Clones share the connections.
#[derive(Clone, Debug)]
pub struct LiveDns {
    resolver: Arc<Resolver<PodPorts>>,
    all: bool,
    window: usize,
}

impl LiveDns {
    /// Finds out whether the servers may be asked, and opens the way to the first that answers. `health` says which
    /// there are.
    ///
    /// # Errors
    /// No server, no right (the error names which), no connection to any.
    pub async fn open(
        client: &Client,
        health: &DnsHealth,
        which: &Which,
        limits: Limits,
    ) -> Result<Self, ApiError> {
        let servers = chosen(health, which)?;
        let namespace = servers[0].pod.namespace.clone();
        let what = "cannot ask the cluster's DNS server through a port-forward";
        access::require_any(client, what, &rights(&namespace)).await?;
        let labels = servers.iter().map(|s| label(&s.pod, s.port)).collect();
        let pods = servers.iter().map(|s| (s.pod.clone(), s.port)).collect();
        let ports =
            PodPorts { tunnels: Tunnels::new(client.kube().clone()), pods, failure: Mutex::default() };
        let resolver = Arc::new(Resolver::new(ports, labels, limits));
        let live = Self { resolver, all: *which == Which::All, window: limits.window };
        let mut why = String::new();
        for server in 0..servers.len() {
            match live.resolver.open(server).await {
                Ok(()) => return Ok(live),
                Err(error) => why = error,
            }
        }
        let kept = live.resolver.connect().failure.lock().unwrap_or_else(PoisonError::into_inner).take();
        Err(kept.unwrap_or_else(|| ApiError::new(ApiErrorKind::Timeout, what, why)))
    }

    /// What asks, for questions of one's own.
    pub fn resolver(&self) -> &Arc<Resolver<PodPorts>> {
        &self.resolver
    }

    /// How many look-ups of a batch are to be under way at once.
    pub fn window(&self) -> usize {
        self.window
    }

    /// Looks a name up, once, or on every server where all are to be asked.
    pub async fn lookup(&self, question: &Question, place: Option<&Place>, libc: Libc) -> Vec<LiveLookup> {
        self.lookup_of(0, question, place, libc).await
    }

    /// The same for one of many: the servers share them by their numbers.
    pub async fn lookup_of(
        &self,
        number: usize,
        question: &Question,
        place: Option<&Place>,
        libc: Libc,
    ) -> Vec<LiveLookup> {
        let one = |whom| self.resolver.lookup(whom, question.clone(), place, libc);
        join_all(self.whom(number).map(one)).await
    }

    /// Asks many questions, pipelined; the servers share them, or each gets every one where all are to be asked.
    pub fn ask_all(
        &self,
        questions: Vec<(String, RecordType)>,
    ) -> impl futures_util::Stream<Item = Vec<LiveStep>> {
        let this = self.clone();
        let asked = move |(number, (name, kind)): (usize, (String, _))| {
            let this = this.clone();
            async move { this.ask_of(number, &name, kind).await }
        };
        stream::iter(questions.into_iter().enumerate()).map(asked).buffered(self.window)
    }

    /// Asks one question, once, or every server where all are to be asked.
    pub async fn ask(&self, name: &str, kind: RecordType) -> Vec<LiveStep> {
        self.ask_of(0, name, kind).await
    }

    async fn ask_of(&self, number: usize, name: &str, kind: RecordType) -> Vec<LiveStep> {
        join_all(self.whom(number).map(|whom| self.resolver.ask(whom, name, kind))).await
    }

    /// Who is asked: everybody, or for the question of a number the one whose turn it is.
    fn whom(&self, number: usize) -> impl Iterator<Item = Whom> {
        let everybody = (0..self.resolver.servers()).filter(|_| self.all).map(Whom::Only);
        everybody.chain((!self.all).then(|| self.resolver.turn(number)))
    }
}

/// How a way is shown.
fn label(pod: &ObjectKey, port: u16) -> Text {
    format!("{}:{port} by port-forward", pod.name).into()
}

/// The servers to ask, the preferred one first; at least one.
fn chosen(health: &DnsHealth, which: &Which) -> Result<Vec<DnsServer>, ApiError> {
    let named = |name: &Text| {
        let known = health.servers.iter().find(|s| s.pod.name == *name);
        // Who names a pod need not be able to list them.
        known.cloned().or_else(|| health.unknown.is_some().then(|| unlisted(name)))
    };
    let what = "cannot find the cluster's DNS server";
    if let Which::Pod(name) = which {
        let there: Vec<&str> = health.servers.iter().map(|s| &*s.pod.name).collect();
        return named(name).map(|server| vec![server]).ok_or_else(|| {
            let why = format!("no pod that serves DNS is called {name}; there are {}", there.join(", "));
            ApiError::new(ApiErrorKind::NotFound, what, why)
        });
    }
    let mut servers = health.servers.clone();
    // One that is not ready is asked only where nothing else is there: its answer may be old, but it may be one.
    if servers.iter().any(|s| s.ready) {
        servers.retain(|s| s.ready);
    }
    if !servers.is_empty() {
        return Ok(servers);
    }
    Err(match &health.unknown {
        Some(why) => {
            let denied = Denied {
                verb: "list".into(),
                resource: "pods".into(),
                namespace: Some("kube-system".into()),
            };
            ApiError::new(ApiErrorKind::Forbidden(Box::new(denied)), what, why.clone())
                .hint("name the pod, if you know one, or ask for the right to list pods in kube-system")
        }
        None => ApiError::new(ApiErrorKind::NotFound, what, "no pod serves DNS in kube-system")
            .hint("see kubectl -n kube-system get deployment coredns"),
    })
}

fn unlisted(name: &Text) -> DnsServer {
    DnsServer {
        pod: ObjectKey::new("kube-system", name.clone()),
        software: Software::CoreDns,
        version: None,
        ready: true,
        restarts: 0,
        state: "".into(),
        node: "".into(),
        port: 53,
    }
}

/// The place that a pod looks names up from, and what is to be said if it would ask somebody else.
pub fn place(cluster: &Cluster, pod: &Pod) -> (Place, Option<String>) {
    let conf = cluster.resolv_conf(pod);
    let note = cluster.asks_others(&conf).map(|why| format!("{why}; here the cluster's server was asked"));
    let hosts = hosts::of_pod(pod, &cluster.kubelet().cluster_domain);
    (Place { pod: pod.key.clone(), conf, hosts }, note)
}

/// What of a cluster says where its DNS is and how it is set up: the pods of kube-system and of `also`, the settings
/// that may be read, the DNS Service. Pods that may not be listed are a forbidden load in it.
///
/// # Errors
/// No connection, no credential.
pub async fn surroundings(client: &Client, also: &[Text]) -> Result<ClusterSnapshot, ApiError> {
    let namespaces = also.iter().cloned().chain(["kube-system".into()]).collect();
    // No load tells since when: what is not forbidden and fails is an error here.
    let mut reader = Reader::new(client, Timestamp::UNIX_EPOCH);
    reader.list(&[Kind::Pod], &NamespaceScope::Only(namespaces)).await;
    if let Some(error) = reader.failure() {
        return Err(error.clone());
    }
    reader.settings().await;
    Ok(reader.snapshot())
}

/// What a server counts of itself, by the API server's proxy.
///
/// # Errors
/// No right to `pods/proxy`, or nothing that tells metrics there.
pub async fn metrics(client: &Client, server: &DnsServer) -> Result<Metrics, ApiError> {
    let ObjectKey { namespace, name } = &server.pod;
    let path = format!("/api/v1/namespaces/{namespace}/pods/{name}:{METRICS_PORT}/proxy/metrics");
    let asked = Asked { verb: "get", resource: "pods/proxy".to_owned(), namespace: Some(namespace.clone()) };
    let (body, _) = client.get_whole(&path, "text/plain", &asked).await?;
    Ok(Metrics::parse(&String::from_utf8_lossy(&body)))
}

/// The state of the cluster's DNS with the metrics of its ready servers, where they may be read.
pub async fn health(client: &Client, snapshot: &ClusterSnapshot, cluster: &Cluster) -> DnsHealth {
    let mut health = DnsHealth::of(snapshot, cluster);
    let ready: Vec<DnsServer> = health.servers.iter().filter(|s| s.ready).cloned().collect();
    let told = join_all(ready.iter().map(|server| metrics(client, server))).await;
    for (server, result) in ready.into_iter().zip(told) {
        health.metrics.insert(server.pod.name, result.map_err(|error| error.to_string()));
    }
    health
}

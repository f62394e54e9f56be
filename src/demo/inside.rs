//! What is inside the demo's pods: programs that listen, files, commands, environments.
//!
//! What it is: small servers on in-memory connections, reached by port-forward and by the API server's proxy, and the
//! answers of a few commands. What it is not: containers. For the demo alone.

pub(super) mod dns;
pub(super) mod environment;
pub(super) mod exec;
pub(super) mod programs;
pub(super) mod web;

use super::api::server::Shared;
use super::resource::Resource;
use serde_json::Value;
use std::sync::Arc;
use tokio::io::{DuplexStream, duplex};

/// How much a connection into a pod holds in each direction before the writer has to wait.
const BUFFER: usize = 64 * 1024;

/// Nothing listens there. The text is what the container runtime says.
#[derive(Debug)]
pub(super) struct Refused(pub(super) String);

/// What listens on a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Program {
    Web,
    Echo,
    Discard,
    Generator,
    Mysql,
    Redis,
    Dns,
    Metrics,
    DnsReady,
    DnsHealth,
}

/// Connects to a port on the loopback of a pod, as port-forwards do. The program serves until the other end is
/// dropped.
pub(super) fn connect(
    shared: &Arc<Shared>,
    namespace: &str,
    name: &str,
    port: u16,
) -> Result<DuplexStream, Refused> {
    let stored = shared.world().store.get(Resource::Pods, namespace, name);
    let Some(pod) = stored.map(|pod| pod.value()) else {
        return Err(Refused(no_sandbox(port, namespace, name)));
    };
    let Some(program) = listener(&pod, port) else {
        return Err(Refused(refusal(&pod, port)));
    };
    let (near, far) = duplex(BUFFER);
    let ready = super::world::pod::is_ready(&pod);
    let shared_too = Arc::clone(shared);
    let name = name.to_owned();
    let app = pod["metadata"]["labels"]["app"].as_str().unwrap_or("coredns").to_owned();
    let key = (namespace.to_owned(), name.clone());
    let uid = pod["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
    let serving = async move {
        match program {
            Program::Web => web::serve(far, web::Site { app, pod: name, ready }).await,
            Program::Echo => programs::echo(far).await,
            Program::Discard => programs::discard(far).await,
            Program::Generator => programs::generate(far).await,
            Program::Mysql => programs::mysql(far).await,
            Program::Redis => programs::redis(far, ready).await,
            Program::Dns => dns::serve(far, &shared_too).await,
            Program::Metrics => web::fixed(far, "/metrics", METRICS).await,
            Program::DnsReady => web::fixed(far, "/ready", "OK").await,
            Program::DnsHealth => web::fixed(far, "/health", "OK").await,
        }
    };
    let shared = Arc::clone(shared);
    shared.clone().spawn(async move {
        tokio::select! {
            () = serving => {}
            // The kernel of a pod that is gone answers nobody.
            () = gone(&shared, &key, &uid) => {}
        }
    });
    Ok(near)
}

/// Some lines of what CoreDNS counts.
const METRICS: &str = "# HELP coredns_build_info A metric with a constant '1' value.
# TYPE coredns_build_info gauge
coredns_build_info{goversion=\"go1.24.1\",revision=\"707c7c1\",version=\"1.12.1\"} 1
# HELP coredns_dns_requests_total Counter of DNS requests made per zone, protocol and family.
# TYPE coredns_dns_requests_total counter
coredns_dns_requests_total{family=\"1\",proto=\"udp\",server=\"dns://:53\",type=\"A\",view=\"\",zone=\".\"} 48213
coredns_dns_requests_total{family=\"1\",proto=\"tcp\",server=\"dns://:53\",type=\"A\",view=\"\",zone=\".\"} 97
# TYPE coredns_dns_responses_total counter
coredns_dns_responses_total{plugin=\"\",rcode=\"NOERROR\",server=\"dns://:53\",view=\"\",zone=\".\"} 31044
coredns_dns_responses_total{plugin=\"\",rcode=\"NXDOMAIN\",server=\"dns://:53\",view=\"\",zone=\".\"} 17251
coredns_dns_responses_total{plugin=\"\",rcode=\"SERVFAIL\",server=\"dns://:53\",view=\"\",zone=\".\"} 15
# TYPE coredns_dns_request_duration_seconds histogram
coredns_dns_request_duration_seconds_bucket{server=\"dns://:53\",view=\"\",zone=\".\",le=\"0.00025\"} 40120
coredns_dns_request_duration_seconds_bucket{server=\"dns://:53\",view=\"\",zone=\".\",le=\"0.004\"} 48011
coredns_dns_request_duration_seconds_bucket{server=\"dns://:53\",view=\"\",zone=\".\",le=\"+Inf\"} 48310
coredns_dns_request_duration_seconds_sum{server=\"dns://:53\",view=\"\",zone=\".\"} 19.4
coredns_dns_request_duration_seconds_count{server=\"dns://:53\",view=\"\",zone=\".\"} 48310
# TYPE coredns_cache_hits_total counter
coredns_cache_hits_total{server=\"dns://:53\",type=\"success\",view=\"\",zones=\".\"} 1204
coredns_cache_misses_total{server=\"dns://:53\",view=\"\",zones=\".\"} 3310
coredns_panics_total 0
";

/// Waits until a pod does not exist any more.
async fn gone(shared: &Arc<Shared>, key: &(String, String), uid: &str) {
    let mut news = shared.world().store.news();
    loop {
        news.mark_unchanged();
        let pod = shared.world().store.get(Resource::Pods, &key.0, &key.1);
        if pod.is_none_or(|pod| pod.value()["metadata"]["uid"] != *uid) || news.changed().await.is_err() {
            return;
        }
    }
}

/// What listens on a pod's port. Declared ports are served by a web server unless they are known for something else;
/// a pod with the port `http` also runs the small services of old (RFC 862 to 864), undeclared as they often are.
fn listener(pod: &Value, port: u16) -> Option<Program> {
    let running = pod["status"]["containerStatuses"].as_array().into_iter().flatten();
    if !running.into_iter().any(|one| one["state"]["running"].is_object()) {
        return None;
    }
    if pod["metadata"]["labels"]["k8s-app"] == "kube-dns" {
        return match port {
            53 => Some(Program::Dns),
            9153 => Some(Program::Metrics),
            8080 => Some(Program::DnsHealth),
            8181 => Some(Program::DnsReady),
            _ => None,
        };
    }
    let containers = pod["spec"]["containers"].as_array().into_iter().flatten();
    let ports: Vec<&Value> =
        containers.flat_map(|one| one["ports"].as_array().into_iter().flatten()).collect();
    if ports.iter().any(|one| one["containerPort"] == port && one["protocol"] == "TCP") {
        return Some(match port {
            3306 => Program::Mysql,
            6379 => Program::Redis,
            _ => Program::Web,
        });
    }
    let small_services = ports.iter().any(|one| one["name"] == "http");
    match port {
        7 if small_services => Some(Program::Echo),
        9 if small_services => Some(Program::Discard),
        19 if small_services => Some(Program::Generator),
        _ => None,
    }
}

/// The sandbox that a pod's containers share, as the runtime names it.
fn sandbox(pod: &Value) -> String {
    let uid = pod["metadata"]["uid"].as_str().unwrap_or_default().replace('-', "");
    format!("{uid}{uid}")
}

/// The text for a port where nothing listens.
fn refusal(pod: &Value, port: u16) -> String {
    let sandbox = sandbox(pod);
    let uid = pod["metadata"]["uid"].as_str().unwrap_or_default();
    let dial =
        |family: &str, address: &str| format!("dial {family} {address}:{port}: connect: connection refused");
    format!(
        "error forwarding port {port} to pod {sandbox}, uid : failed to execute portforward in network namespace \
         \"/var/run/netns/cni-{uid}\": failed to connect to localhost:{port} inside namespace \"{sandbox}\", IPv4: {} \
         IPv6 {} ",
        dial("tcp4", "127.0.0.1"),
        dial("tcp6", "[::1]"),
    )
}

/// The text for a pod that is gone.
fn no_sandbox(port: u16, namespace: &str, name: &str) -> String {
    let id = super::world::random::hash(&format!("{namespace}/{name}"), 20);
    format!(
        "error forwarding port {port} to pod {id}, uid : failed to find sandbox \"{id}\" in store: not found"
    )
}

//! The cells of kubectl's tables: `kubectl get services|pods|endpointslices -o wide`, column by column.
//!
//! What it is: the rules of the API server's table printers (kubernetes, `pkg/printers/internalversion`), which are
//! what kubectl shows. What it is not: it neither lays out nor cleans; text from the cluster stays verbatim.
//! Panes and reports call it.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::pod::{ContainerRole, ContainerState, ContainerStatus};
use super::time::{self, Timestamp};
use super::{EndpointSlice, Labels, Pod, Service, ServiceType, Text};

/// Whether a table is the narrow or the wide one (`-o wide`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Width {
    /// As without `-o`.
    Narrow,
    /// As with `-o wide`.
    Wide,
}

/// What kubectl shows for a missing value.
pub const NONE: &str = "<none>";

/// Headings of the Service table; the last one only in the wide form.
pub const SERVICE_HEADINGS: [&str; 7] =
    ["NAME", "TYPE", "CLUSTER-IP", "EXTERNAL-IP", "PORT(S)", "AGE", "SELECTOR"];

/// Headings of the pod table; the last two only in the wide form.
pub const POD_HEADINGS: [&str; 7] = ["NAME", "READY", "STATUS", "RESTARTS", "AGE", "IP", "NODE"];

/// Headings of the EndpointSlice table.
pub const SLICE_HEADINGS: [&str; 5] = ["NAME", "ADDRESSTYPE", "PORTS", "ENDPOINTS", "AGE"];

/// The longest list of load balancer addresses, in bytes, that the narrow form shows whole
/// (printers: `loadBalancerWidth`).
const LOAD_BALANCER_WIDTH: usize = 16;

/// TYPE. A headless Service is a ClusterIP here.
pub fn service_type(service: &Service) -> &str {
    service.kind.as_str()
}

/// CLUSTER-IP (printers: `printService`): the primary address, `None` for headless ones.
pub fn cluster_ip(service: &Service) -> &str {
    let primary = service.cluster_ips.first().unwrap_or(&service.cluster_ip);
    if primary.is_empty() && service.cluster_ips.is_empty() { NONE } else { primary }
}

/// EXTERNAL-IP (printers: `getServiceExternalIP`).
pub fn external_ip(service: &Service, width: Width) -> Cow<'_, str> {
    let external = || service.external_ips.join(",");
    match &service.kind {
        ServiceType::ClusterIp | ServiceType::NodePort if service.external_ips.is_empty() => NONE.into(),
        ServiceType::ClusterIp | ServiceType::NodePort => external().into(),
        ServiceType::LoadBalancer => {
            let balancer = load_balancer(&service.ingress, width);
            match (balancer.is_empty(), service.external_ips.is_empty()) {
                (true, true) => "<pending>".into(),
                (false, true) => balancer.into(),
                (true, false) => external().into(),
                (false, false) => format!("{balancer},{}", external()).into(),
            }
        }
        ServiceType::ExternalName => (&*service.external_name).into(),
        ServiceType::Other(_) => "<unknown>".into(),
    }
}

/// The addresses of a load balancer: a sorted set, cut in the narrow form (printers: `loadBalancerStatusStringer`).
fn load_balancer(ingress: &[Text], width: Width) -> String {
    let set: BTreeSet<&str> = ingress.iter().map(|i| &**i).filter(|i| !i.is_empty()).collect();
    let mut text = set.into_iter().collect::<Vec<_>>().join(",");
    if width == Width::Narrow && text.len() > LOAD_BALANCER_WIDTH {
        text.truncate(text.floor_char_boundary(LOAD_BALANCER_WIDTH - 3));
        text.push_str("...");
    }
    text
}

/// PORT(S) (printers: `makePortString`): `80:30080/TCP,443/TCP`.
pub fn service_ports(service: &Service) -> String {
    let pieces: Vec<_> = service
        .ports
        .iter()
        .map(|p| match p.node_port {
            1.. => format!("{}:{}/{}", p.port, p.node_port, p.protocol.as_str()),
            _ => format!("{}/{}", p.port, p.protocol.as_str()),
        })
        .collect();
    if pieces.is_empty() { NONE.to_owned() } else { pieces.join(",") }
}

/// SELECTOR (apimachinery: `labels.FormatLabels`).
pub fn selector(selector: &Labels) -> String {
    selector.to_string()
}

/// All cells of a Service in the order of [`SERVICE_HEADINGS`].
pub fn service_row(service: &Service, now: Timestamp, width: Width) -> Vec<String> {
    let mut cells = vec![
        service.key.name.to_string(),
        service_type(service).to_owned(),
        cluster_ip(service).to_owned(),
        external_ip(service, width).into_owned(),
        service_ports(service),
        time::age(service.created, now),
    ];
    if width == Width::Wide {
        cells.push(selector(&service.selector));
    }
    cells
}

/// What the API server's printer makes of a pod's status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodSummary {
    /// Containers that are ready, sidecars included.
    pub ready: usize,
    /// Containers that should be, sidecars included.
    pub total: usize,
    /// STATUS: the phase, or what keeps the pod from being Running.
    pub status: String,
    /// Restarts: those of the init containers while they run, else those of the main ones and the sidecars.
    pub restarts: i64,
    /// When the newest run that is over ended.
    pub last_restart: Option<Timestamp>,
}

impl PodSummary {
    /// The READY cell.
    pub fn ready_cell(&self) -> String {
        format!("{}/{}", self.ready, self.total)
    }

    /// The RESTARTS cell: `3 (5m ago)`.
    pub fn restarts_cell(&self, now: Timestamp) -> String {
        match self.last_restart {
            Some(_) if self.restarts != 0 => {
                format!("{} ({} ago)", self.restarts, time::age(self.last_restart, now))
            }
            _ => self.restarts.to_string(),
        }
    }
}

/// READY, STATUS and RESTARTS of a pod (printers: `printPod`).
pub fn pod_summary(pod: &Pod) -> PodSummary {
    let role = |s: &&ContainerStatus| pod.spec.container(&s.name).map(|c| c.role);
    let is_init =
        |s: &&ContainerStatus| matches!(role(s), Some(ContainerRole::Init | ContainerRole::Sidecar));
    let is_sidecar = |s: &&ContainerStatus| role(s) == Some(ContainerRole::Sidecar);
    let init: Vec<_> = pod.statuses.iter().filter(is_init).collect();
    let main: Vec<_> =
        pod.statuses.iter().filter(|s| !is_init(s) && role(s) != Some(ContainerRole::Ephemeral)).collect();

    let mut summary = PodSummary {
        ready: 0,
        total: count_roles(pod, &[ContainerRole::Main, ContainerRole::Sidecar]),
        status: first_status(pod),
        restarts: 0,
        last_restart: None,
    };
    // Like the printer, count what the init containers did only as far as they have come.
    let mut sidecars = (0, None);
    let mut blocked = None;
    for (i, status) in init.iter().enumerate() {
        add_restarts((&mut summary.restarts, &mut summary.last_restart), status);
        if is_sidecar(status) {
            add_restarts((&mut sidecars.0, &mut sidecars.1), status);
        }
        if is_sidecar(status) && status.started && !ended_well(status) {
            summary.ready += usize::from(status.ready);
        } else if !ended_well(status) {
            blocked = Some(init_reason(
                status,
                i,
                count_roles(pod, &[ContainerRole::Init, ContainerRole::Sidecar]),
            ));
            break;
        }
    }
    let still_initializing = blocked.is_some() && !initialized(pod);
    if let Some(reason) = blocked {
        summary.status = reason;
    }
    if !still_initializing {
        (summary.restarts, summary.last_restart) = sidecars;
        add_main_containers(&mut summary, &main, pod.is_ready());
    }
    if pod.deleting.is_some() && &*pod.reason == "NodeLost" {
        "Unknown".clone_into(&mut summary.status);
    } else if pod.deleting.is_some() && !pod.finished() {
        "Terminating".clone_into(&mut summary.status);
    }
    summary
}

/// The status before any container is looked at: the pod's own reason, its phase, or the gate that holds it.
fn first_status(pod: &Pod) -> String {
    const GATED: &str = "SchedulingGated";
    let gated = pod.condition("PodScheduled").is_some_and(|c| &*c.reason == GATED);
    match () {
        () if gated => GATED.to_owned(),
        () if !pod.reason.is_empty() => pod.reason.to_string(),
        () => pod.phase.to_string(),
    }
}

/// Whether the `Initialized` condition is True. Of the conditions that are True the model keeps only `Ready`, and
/// the kubelet writes both at once: so it is True when `Ready` is there and `Initialized` is not.
fn initialized(pod: &Pod) -> bool {
    pod.condition("Initialized").map_or_else(|| pod.condition("Ready").is_some(), |c| c.status)
}

fn count_roles(pod: &Pod, roles: &[ContainerRole]) -> usize {
    pod.spec.containers.iter().filter(|c| roles.contains(&c.role)).count()
}

fn add_restarts((restarts, last): (&mut i64, &mut Option<Timestamp>), status: &ContainerStatus) {
    *restarts += i64::from(status.restarts);
    *last = (*last).max(status.last_finished);
}

fn ended_well(status: &ContainerStatus) -> bool {
    matches!(status.state, ContainerState::Terminated { exit_code: 0, .. })
}

/// Why initialization has come no further than this container.
fn init_reason(status: &ContainerStatus, index: usize, total: usize) -> String {
    match &status.state {
        ContainerState::Terminated { reason, exit_code, signal, .. } => {
            format!("Init:{}", ended_reason(reason, *exit_code, *signal))
        }
        ContainerState::Waiting(reason) if !reason.is_empty() && &**reason != "PodInitializing" => {
            format!("Init:{reason}")
        }
        _ => format!("Init:{index}/{total}"),
    }
}

fn ended_reason(reason: &str, exit_code: i32, signal: i32) -> String {
    match () {
        () if !reason.is_empty() => reason.to_owned(),
        () if signal != 0 => format!("Signal:{signal}"),
        () => format!("ExitCode:{exit_code}"),
    }
}

/// The main containers' share: the first one that does not run names the status.
fn add_main_containers(summary: &mut PodSummary, main: &[&ContainerStatus], pod_ready: bool) {
    let mut running = false;
    for status in main.iter().rev() {
        add_restarts((&mut summary.restarts, &mut summary.last_restart), status);
        match &status.state {
            ContainerState::Waiting(reason) if !reason.is_empty() => summary.status = reason.to_string(),
            ContainerState::Terminated { reason, exit_code, signal, .. } => {
                summary.status = ended_reason(reason, *exit_code, *signal);
            }
            ContainerState::Running(_) if status.ready => {
                running = true;
                summary.ready += 1;
            }
            _ => {}
        }
    }
    if summary.status == "Completed" && running {
        (if pod_ready { "Running" } else { "NotReady" }).clone_into(&mut summary.status);
    }
}

/// All cells of a pod in the order of [`POD_HEADINGS`].
pub fn pod_row(pod: &Pod, now: Timestamp, width: Width) -> Vec<String> {
    let summary = pod_summary(pod);
    let mut cells = vec![
        pod.key.name.to_string(),
        summary.ready_cell(),
        summary.restarts_cell(now),
        time::age(pod.created, now),
    ];
    cells.insert(2, summary.status);
    if width == Width::Wide {
        cells.push(pod.ips.first().filter(|ip| !ip.is_empty()).map_or(NONE, |ip| ip).to_owned());
        cells.push((if pod.node.is_empty() { NONE } else { &pod.node }).to_owned());
    }
    cells
}

/// PORTS of a slice (printers: `formatDiscoveryPorts`). The API fills in an empty name, so "all ports" of an
/// unnamed port prints as nothing.
pub fn slice_ports(slice: &EndpointSlice) -> String {
    first_three(slice.ports.iter().map(|p| match p.port {
        Some(number) => number.to_string().into(),
        None => Cow::Borrowed(&*p.name),
    }))
}

/// ENDPOINTS of a slice (printers: `formatDiscoveryEndpoints`).
pub fn slice_endpoints(slice: &EndpointSlice) -> String {
    first_three(slice.endpoints.iter().flat_map(|e| &e.addresses).map(|a| Cow::Borrowed(&**a)))
}

/// Three items and how many more there are (printers: `listWithMoreString`).
fn first_three<'a>(mut items: impl Iterator<Item = Cow<'a, str>>) -> String {
    let shown = items.by_ref().take(3).collect::<Vec<_>>().join(",");
    match items.count() {
        0 if shown.is_empty() => "<unset>".to_owned(),
        0 => shown,
        more => format!("{shown} + {more} more..."),
    }
}

/// All cells of a slice in the order of [`SLICE_HEADINGS`].
pub fn slice_row(slice: &EndpointSlice, now: Timestamp) -> Vec<String> {
    vec![
        slice.key.name.to_string(),
        slice.address_type.as_str().to_owned(),
        slice_ports(slice),
        slice_endpoints(slice),
        time::age(slice.created, now),
    ]
}

#[cfg(test)]
mod tests;

//! What can be copied of a Service, a pod or an endpoint: names, addresses, URLs, connection strings, commands.
//!
//! What it is: texts with a label each, in the order in which a menu offers them. What it is not: a judgement of what
//! works from where; that is the viewpoint's. Commands are quoted for a POSIX shell; control characters stay, as
//! everywhere in the model, and whoever copies cleans them.

mod scheme;

use std::borrow::Cow;
use std::fmt::Write as _;

use super::join::EndpointRow;
use super::pod::{ContainerPort, ContainerRole};
use super::{Pod, Port, PortTarget, Protocol, Service, ServiceFacts, ServiceType, TargetRef};

pub use scheme::{Guess, connection_scheme, url_scheme};

/// One thing to copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopyItem {
    /// What it is, for a menu.
    pub label: String,
    /// What is copied.
    pub text: String,
}

/// The items of one menu.
#[derive(Default)]
struct Items(Vec<CopyItem>);

impl Items {
    fn add(&mut self, label: impl Into<String>, text: impl Into<String>) {
        self.0.push(CopyItem { label: label.into(), text: text.into() });
    }
}

/// What a Service offers. `domain` is the cluster domain, without a dot at its end.
pub fn of_service(facts: &ServiceFacts, domain: &str) -> Vec<CopyItem> {
    let service = &*facts.service;
    let (name, namespace) = (&service.key.name, &service.key.namespace);
    let host = format!("{name}.{namespace}.svc.{domain}");
    let mut items = Items::default();
    items.add("short name", &**name);
    items.add("name.namespace", format!("{name}.{namespace}"));
    items.add("full name", &*host);
    items.add("full name, absolute", format!("{host}."));
    if service.kind == ServiceType::ExternalName {
        items.add("external name", &*service.external_name);
        return items.0;
    }
    for address in service.addresses() {
        if service.ports.is_empty() {
            items.add("address", &**address);
        }
        for port in &service.ports {
            items.add(labelled("address:port", service, port), host_port(address, port.port));
        }
    }
    for port in &service.ports {
        reach(&mut items, facts, port, &host);
    }
    for port in service.ports.iter().filter(|p| !p.name.is_empty()) {
        let protocol = port.protocol.as_str().to_ascii_lowercase();
        items.add(labelled("SRV name", service, port), format!("_{}._{protocol}.{host}", port.name));
    }
    if let Some(line) = env_line(service) {
        items.add("environment", line);
    }
    for port in service.ports.iter().filter(|p| p.protocol == Protocol::Tcp) {
        items.add(labelled("proxy path", service, port), service_proxy_path(service, port));
    }
    for port in service.ports.iter().filter(|_| !service.selector.is_empty()) {
        if let Some(command) = forward_service(facts, port) {
            items.add(labelled("port-forward command", service, port), command);
        }
    }
    items.0
}

/// URL and connection string of one port.
fn reach(items: &mut Items, facts: &ServiceFacts, port: &Port, host: &str) {
    let service = &*facts.service;
    // Behind a headless name there is no translation: one has to dial the pods' own port.
    let Some(number) = dialled_port(facts, port) else { return };
    if port.protocol != Protocol::Tcp {
        return;
    }
    if let Some(Guess { scheme, why }) = url_scheme(port) {
        let label = labelled(&format!("URL ({scheme}, by {why})"), service, port);
        let default = (scheme == "http" && number == 80) || (scheme == "https" && number == 443);
        let authority = if default { host.to_owned() } else { host_port(host, number) };
        items.add(label, format!("{scheme}://{authority}/"));
    } else if let Some(scheme) = connection_scheme(port) {
        let label = labelled(&format!("connection string ({})", scheme.name), service, port);
        items.add(label, format!("{}{}{}", scheme.before, host_port(host, number), scheme.after));
    }
}

/// The port to dial behind the Service's name. For headless ones that is the target port, as far as it is one number
/// for all pods.
pub fn dialled_port(facts: &ServiceFacts, port: &Port) -> Option<i32> {
    if !facts.service.headless() {
        return Some(port.port);
    }
    match &port.target {
        PortTarget::Same => Some(port.port),
        PortTarget::Number(number) => Some(*number),
        PortTarget::Name(_) => {
            let same = |p: &&super::SlicePort| p.name == port.name && p.protocol == port.protocol;
            let mut numbers = facts.slices.iter().flat_map(|s| &s.ports).filter(same).filter_map(|p| p.port);
            let first = numbers.next()?;
            numbers.all(|n| n == first).then_some(first)
        }
    }
}

/// The label, with the port named where a Service has several.
fn labelled(label: &str, service: &Service, port: &Port) -> String {
    match (service.ports.len(), &*port.name) {
        (0 | 1, _) => label.to_owned(),
        (_, "") => format!("{label}: {}", port.port),
        (_, name) => format!("{label}: {name}"),
    }
}

/// `export X_SERVICE_HOST=… X_SERVICE_PORT=…` as the kubelet would set them (kubelet: `makeServiceEnvironment`).
/// `None` for Services that no environment has, and for names that a shell cannot export.
pub fn env_line(service: &Service) -> Option<String> {
    if service.cluster_ip.is_empty()
        || service.headless()
        || service.key.name.starts_with(|c: char| c.is_ascii_digit())
    {
        return None;
    }
    let prefix = service.key.name.to_uppercase().replace('-', "_");
    if !prefix.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
        return None;
    }
    let mut line = format!("export {prefix}_SERVICE_HOST={}", shell_quote(&service.cluster_ip));
    if let Some(port) = service.ports.first() {
        let _ = write!(line, " {prefix}_SERVICE_PORT={}", port.port);
    }
    Some(line)
}

/// Path of a Service's port in the API server's proxy (registry/core/service: `ResourceLocation`).
///
/// An unnamed port is meant by the bare name, a named one by its name; a name of digits alone would be read as a
/// number, so such a port goes by its number.
pub fn service_proxy_path(service: &Service, port: &Port) -> String {
    let https = url_scheme(port).is_some_and(|g| g.scheme == "https");
    let name = segment(&service.key.name);
    let identifier = match (https, &*port.name) {
        (false, "") => name,
        (true, "") => format!("https:{name}:"),
        (https, port_name) => {
            let number = port_name.bytes().all(|b| b.is_ascii_digit());
            let port = if number { port.port.to_string() } else { segment(port_name) };
            format!("{}{name}:{port}", if https { "https:" } else { "" })
        }
    };
    format!("/api/v1/namespaces/{}/services/{identifier}/proxy/", segment(&service.key.namespace))
}

/// Path of a pod's port in the API server's proxy (registry/core/pod: `ResourceLocation`); the port has to be a number,
/// and the scheme is said where name or number tell of TLS.
pub fn pod_proxy_path(pod: &Pod, port: &ContainerPort) -> String {
    let (namespace, name) = (segment(&pod.key.namespace), segment(&pod.key.name));
    let scheme = if scheme::tells_https(&port.name, port.port) { "https:" } else { "" };
    format!("/api/v1/namespaces/{namespace}/pods/{scheme}{name}:{}/proxy/", port.port)
}

/// `kubectl port-forward` for a Service's port; `None` where kubectl refuses (UDP alone), or would dial the wrong port:
/// behind a headless Service it takes the Service's number and ignores the target port (kubectl:
/// `translateServicePortToTargetPort`).
fn forward_service(facts: &ServiceFacts, port: &Port) -> Option<String> {
    let key = &facts.service.key;
    let right = port.protocol == Protocol::Tcp && dialled_port(facts, port) == Some(port.port);
    right.then(|| forward("svc", &key.namespace, &key.name, port.port))
}

/// The command, with a local port that needs no rights: those below 1024 get 8000 more.
fn forward(kind: &str, namespace: &str, name: &str, port: i32) -> String {
    let ports = if (1..1024).contains(&port) { format!("{}:{port}", port + 8000) } else { port.to_string() };
    let (target, namespace) = (format!("{kind}/{name}"), shell_quote(namespace));
    format!("kubectl port-forward {} -n {namespace} {ports}", shell_quote(&target))
}

/// What a pod offers.
pub fn of_pod(pod: &Pod, domain: &str) -> Vec<CopyItem> {
    let (name, namespace) = (&pod.key.name, &pod.key.namespace);
    let mut items = Items::default();
    items.add("name", &**name);
    items.add("namespace/name", format!("{namespace}/{name}"));
    for ip in &pod.ips {
        items.add("address", &**ip);
    }
    let hostname = pod.hostname.as_ref().filter(|h| !h.is_empty() && !pod.spec.subdomain.is_empty());
    if let Some(hostname) = hostname {
        let subdomain = &pod.spec.subdomain;
        items.add("full name", format!("{hostname}.{subdomain}.{namespace}.svc.{domain}"));
    }
    let ports: Vec<&ContainerPort> = pod
        .spec
        .containers
        .iter()
        .filter(|c| matches!(c.role, ContainerRole::Main | ContainerRole::Sidecar))
        .flat_map(|c| &c.ports)
        .collect();
    for (ip, port) in pod.ips.iter().flat_map(|ip| ports.iter().map(move |p| (ip, p))) {
        items.add(format!("address:port, {}", container_port(port)), host_port(ip, port.port));
    }
    for port in ports.iter().filter(|p| p.protocol == Protocol::Tcp) {
        items.add(
            format!("port-forward command, {}", container_port(port)),
            forward("pod", namespace, name, port.port),
        );
        items.add(format!("proxy path, {}", container_port(port)), pod_proxy_path(pod, port));
    }
    if !pod.node.is_empty() {
        items.add("node", &*pod.node);
    }
    let (name, namespace) = (shell_quote(name), shell_quote(namespace));
    for container in pod.spec.main_containers() {
        let container = shell_quote(&container.name);
        items.add("shell command", format!("kubectl exec -it {name} -n {namespace} -c {container} -- sh"));
        items.add("log command", format!("kubectl logs {name} -n {namespace} -c {container} -f"));
    }
    items.0
}

fn container_port(port: &ContainerPort) -> String {
    let number = format!("{}/{}", port.port, port.protocol.as_str());
    if port.name.is_empty() { number } else { format!("{} ({number})", port.name) }
}

/// What one row of the Endpoints pane offers; `service` is the Service that it stands behind.
pub fn of_endpoint(row: &EndpointRow, service: &Service, domain: &str) -> Vec<CopyItem> {
    let mut items = Items::default();
    items.add("address", &*row.address);
    for port in &row.ports {
        let Some(number) = port.port else { continue };
        let label = if port.name.is_empty() { number.to_string() } else { port.name.to_string() };
        items.add(format!("address:port, {label}"), host_port(&row.address, number));
    }
    if let Some(hostname) = row.hostname.as_ref().filter(|h| !h.is_empty() && service.headless()) {
        let (name, namespace) = (&service.key.name, &service.key.namespace);
        items.add("full name", format!("{hostname}.{name}.{namespace}.svc.{domain}"));
    }
    if let Some(TargetRef { kind, namespace, name }) = &row.target {
        items.add(kind.to_lowercase(), &**name);
        if &**kind == "Pod" {
            for port in row.ports.iter().filter(|p| p.protocol == Protocol::Tcp).filter_map(|p| p.port) {
                items.add(format!("port-forward command, {port}"), forward("pod", namespace, name, port));
            }
            let (name, namespace) = (shell_quote(name), shell_quote(namespace));
            items.add("shell command", format!("kubectl exec -it {name} -n {namespace} -- sh"));
        }
    }
    if let Some(node) = &row.node {
        items.add("node", &**node);
    }
    items.0
}

/// Host and port, IPv6 addresses in brackets.
pub fn host_port(host: &str, port: i32) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// A text as one word for a POSIX shell. What needs no quotes gets none.
pub fn shell_quote(text: &str) -> Cow<'_, str> {
    // A word that begins with ~ or = means something to some shells, and one with - to the command.
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_./:=,@%+".contains(&b);
    if !text.is_empty() && !text.starts_with(['=', '-']) && text.bytes().all(plain) {
        text.into()
    } else {
        format!("'{}'", text.replace('\'', r"'\''")).into()
    }
}

/// A text as one segment of a URL's path (RFC 3986: unreserved characters stay).
fn segment(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests;

/// How a running forward is reached on this computer: its address, and what the port's name, number or
/// `appProtocol` says how to speak to it. `port` is the Service's port, where there is one.
pub fn of_forward(address: std::net::SocketAddr, port: Option<&Port>) -> Vec<CopyItem> {
    let mut items = Items::default();
    let (host, number) = (address.ip().to_string(), i32::from(address.port()));
    if let Some(Guess { scheme, why }) = port.and_then(url_scheme) {
        items.add(format!("URL ({scheme}, by {why})"), format!("{scheme}://{}/", host_port(&host, number)));
    } else if let Some(scheme) = port.and_then(connection_scheme) {
        let text = format!("{}{}{}", scheme.before, host_port(&host, number), scheme.after);
        items.add(format!("connection string ({})", scheme.name), text);
    }
    items.add("address of the forward", host_port(&host, number));
    items.0
}

//! What a container of the demo sees: its variables and the files that the kubelet writes.
//!
//! Sources: Kubernetes documentation, "Accessing the Service" (environment variables), "Define dependent environment
//! variables", "DNS for Services and Pods". It is the demo's own reading of them, on purpose: what kdisco predicts is
//! compared with it.

use crate::demo::resource::Resource;
use crate::demo::world::World;
use base64::Engine as _;
use jiff::Timestamp;
use serde_json::Value;
use std::fmt::Write as _;

/// Variables in the order in which a process has them.
type Variables = Vec<(String, String)>;

/// The environment of a container, as `env` prints it.
pub(in crate::demo) fn variables(world: &World, pod: &Value, container: &Value) -> Variables {
    let mut out = vec![
        ("PATH".to_owned(), "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned()),
        ("HOSTNAME".to_owned(), hostname(pod)),
    ];
    let services = services(world, pod, started(pod, container));
    let mut own = Variables::new();
    from_sources(world, pod, container, &mut own);
    for entry in list(container, "env") {
        let name = text(entry, "name");
        if let Some(value) = value_of(world, pod, entry, &own, &services) {
            set(&mut own, &name, value);
        }
    }
    for (name, value) in services {
        if !own.iter().any(|(have, _)| *have == name) {
            own.push((name, value));
        }
    }
    for (name, value) in own {
        set(&mut out, &name, value);
    }
    out.push(("HOME".to_owned(), "/root".to_owned()));
    out
}

fn set(variables: &mut Variables, name: &str, value: String) {
    match variables.iter_mut().find(|(have, _)| have == name) {
        Some(found) => found.1 = value,
        None => variables.push((name.to_owned(), value)),
    }
}

fn list<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    value[key].as_array().into_iter().flatten()
}

fn text(value: &Value, key: &str) -> String {
    value[key].as_str().unwrap_or_default().to_owned()
}

fn started(pod: &Value, container: &Value) -> Option<Timestamp> {
    let statuses = list(&pod["status"], "containerStatuses");
    let status = statuses.into_iter().find(|status| status["name"] == container["name"])?;
    status.pointer("/state/running/startedAt")?.as_str()?.parse().ok()
}

/// The host name of a pod.
pub(in crate::demo) fn hostname(pod: &Value) -> String {
    if pod["spec"]["hostNetwork"] == true {
        return text(&pod["spec"], "nodeName");
    }
    match pod["spec"]["hostname"].as_str() {
        Some(name) => name.to_owned(),
        None => text(&pod["metadata"], "name"),
    }
}

/// The Service variables that a container got when it was started.
fn services(world: &World, pod: &Value, started: Option<Timestamp>) -> Variables {
    let namespace = text(&pod["metadata"], "namespace");
    let links = pod["spec"]["enableServiceLinks"] != false;
    let own = world.store.list(Resource::Services, Some(&namespace)).filter(|_| links);
    let master = world.store.get(Resource::Services, "default", "kubernetes");
    let mut all: Vec<Value> = own.map(|service| service.value()).collect();
    if let Some(master) = master
        && !all.iter().any(|service| service["metadata"]["name"] == "kubernetes")
    {
        all.push(master.value());
    }
    let mut out = Variables::new();
    for service in &all {
        let created: Option<Timestamp> = text(&service["metadata"], "creationTimestamp").parse().ok();
        let was_there = created.zip(started).is_some_and(|(created, started)| created < started);
        let address = text(&service["spec"], "clusterIP");
        if was_there && !matches!(address.as_str(), "" | "None") {
            of_service(world, service, &address, started, &mut out);
        }
    }
    out
}

fn of_service(
    world: &World,
    service: &Value,
    address: &str,
    started: Option<Timestamp>,
    out: &mut Variables,
) {
    let upper = |text: &str| text.to_uppercase().replace('-', "_");
    let prefix = upper(&text(&service["metadata"], "name"));
    let former = started.and_then(|started| world.former_ports(service, started));
    let ports: Vec<&Value> =
        former.unwrap_or(&service["spec"]["ports"]).as_array().into_iter().flatten().collect();
    let Some(first) = ports.first() else { return };
    out.push((format!("{prefix}_SERVICE_HOST"), address.to_owned()));
    out.push((format!("{prefix}_SERVICE_PORT"), first["port"].to_string()));
    for port in &ports {
        if let Some(name) = port["name"].as_str() {
            out.push((format!("{prefix}_SERVICE_PORT_{}", upper(name)), port["port"].to_string()));
        }
    }
    let host = if address.contains(':') { format!("[{address}]") } else { address.to_owned() };
    for (at, port) in ports.iter().enumerate() {
        let (number, protocol) = (&port["port"], port["protocol"].as_str().unwrap_or("TCP"));
        let url = format!("{}://{host}:{number}", protocol.to_lowercase());
        if at == 0 {
            out.push((format!("{prefix}_PORT"), url.clone()));
        }
        let stem = format!("{prefix}_PORT_{number}_{protocol}");
        out.push((stem.clone(), url));
        out.push((format!("{stem}_PROTO"), protocol.to_lowercase()));
        out.push((format!("{stem}_PORT"), number.to_string()));
        out.push((format!("{stem}_ADDR"), address.to_owned()));
    }
}

fn from_sources(world: &World, pod: &Value, container: &Value, out: &mut Variables) {
    let namespace = text(&pod["metadata"], "namespace");
    for source in list(container, "envFrom") {
        let prefix = text(source, "prefix");
        for (key, resource) in [("configMapRef", Resource::ConfigMaps), ("secretRef", Resource::Secrets)] {
            let name = text(&source[key], "name");
            let Some(object) = world.store.get(resource, &namespace, &name) else { continue };
            let value = object.value();
            for key in value["data"].as_object().into_iter().flatten().map(|(key, _)| key) {
                if let Some(found) = entry(&value, resource, key) {
                    set(out, &format!("{prefix}{key}"), found);
                }
            }
        }
    }
}

/// One value of a ConfigMap or Secret.
fn entry(object: &Value, resource: Resource, key: &str) -> Option<String> {
    let written = object["data"][key].as_str()?;
    if resource == Resource::ConfigMaps {
        return Some(written.to_owned());
    }
    let bytes = base64::engine::general_purpose::STANDARD.decode(written).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

fn value_of(
    world: &World,
    pod: &Value,
    variable: &Value,
    before: &Variables,
    services: &Variables,
) -> Option<String> {
    let namespace = text(&pod["metadata"], "namespace");
    let from = &variable["valueFrom"];
    if let Some(path) = from["fieldRef"]["fieldPath"].as_str() {
        return Some(field(pod, path));
    }
    for (key, resource) in [("configMapKeyRef", Resource::ConfigMaps), ("secretKeyRef", Resource::Secrets)] {
        if let Some(name) = from[key]["name"].as_str() {
            let object = world.store.get(resource, &namespace, name)?.value();
            return entry(&object, resource, &text(&from[key], "key"));
        }
    }
    let look_up = |name: &str| {
        let found = before.iter().chain(services).find(|(have, _)| have == name);
        found.map(|(_, value)| value.clone())
    };
    Some(expand(&text(variable, "value"), &look_up))
}

fn field(pod: &Value, path: &str) -> String {
    match path {
        "status.podIPs" => {
            let all: Vec<String> = list(&pod["status"], "podIPs").map(|one| text(one, "ip")).collect();
            all.join(",")
        }
        path => {
            let keyed = path.strip_suffix("']").and_then(|path| path.split_once("['"));
            let (path, key) = keyed.map_or((path, None), |(path, key)| (path, Some(key)));
            let found = pod.pointer(&format!("/{}", path.replace('.', "/"))).unwrap_or(&Value::Null);
            key.map_or(found, |key| &found[key]).as_str().unwrap_or_default().to_owned()
        }
    }
}

/// Replaces `$(NAME)` where the name is known; `$$` is a dollar.
fn expand(text: &str, look_up: &dyn Fn(&str) -> Option<String>) -> String {
    let (mut out, mut rest) = (String::new(), text);
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        if let Some(tail) = after.strip_prefix('$') {
            out.push('$');
            rest = tail;
        } else if let Some((name, tail)) = after.strip_prefix('(').and_then(|inner| inner.split_once(')')) {
            out.push_str(&look_up(name).unwrap_or_else(|| format!("$({name})")));
            rest = tail;
        } else {
            out.push('$');
            rest = after;
        }
    }
    out.push_str(rest);
    out
}

/// `/etc/resolv.conf` of a pod. The nodes have a name server and no search list.
pub(in crate::demo) fn resolv_conf(pod: &Value) -> String {
    let policy = text(&pod["spec"], "dnsPolicy");
    if policy == "Default" || (policy == "ClusterFirst" && pod["spec"]["hostNetwork"] == true) {
        return "nameserver 192.0.2.53\n".to_owned();
    }
    format!("search {}\nnameserver 10.96.0.10\noptions ndots:5\n", search_list(pod).join(" "))
}

/// The search list of a pod that uses the cluster's DNS.
pub(in crate::demo) fn search_list(pod: &Value) -> Vec<String> {
    let namespace = text(&pod["metadata"], "namespace");
    ["{}.svc.cluster.local", "svc.cluster.local", "cluster.local"]
        .map(|part| part.replace("{}", &namespace))
        .to_vec()
}

/// `/etc/hosts` of a pod.
pub(in crate::demo) fn hosts(pod: &Value) -> String {
    let mut file = "# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n\
                    fe00::\tip6-localnet\nfe00::\tip6-mcastprefix\nfe00::1\tip6-allnodes\nfe00::2\tip6-allrouters\n"
        .to_owned();
    let host = hostname(pod);
    let names = match pod["spec"]["subdomain"].as_str() {
        Some(domain) if pod["spec"]["hostname"].is_string() => {
            let namespace = text(&pod["metadata"], "namespace");
            format!("{host}.{domain}.{namespace}.svc.cluster.local\t{host}")
        }
        _ => host,
    };
    for one in list(&pod["status"], "podIPs") {
        let _ = writeln!(file, "{}\t{names}", text(one, "ip"));
    }
    file
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expansion() {
        let look_up = |name: &str| (name == "A").then(|| "x".to_owned());
        for (text, expanded) in
            [("$(A)", "x"), ("$(B)", "$(B)"), ("$$(A)", "$(A)"), ("1$(A", "1$(A"), ("$A$", "$A$")]
        {
            assert_eq!(expand(text, &look_up), expanded, "{text}");
        }
    }
}

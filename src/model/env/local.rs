//! An environment for a program on this computer: hosts and ports of Services replaced by those of running forwards.
//!
//! What it is: the service variables, and every other value that names a Service as a host (`mysql`, `mysql.shop`,
//! `mysql.shop.svc.cluster.local`, its cluster address) where it can be told from other words. What it is not: it
//! opens no forward. What refers to a Service without a forward stays as it is and is told.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;

use super::{ContainerEnvironment, Origin, mangle};
use crate::model::{ClusterSnapshot, ObjectKey, Protocol, Service, Text};

/// A forward that runs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Forward {
    /// The Service that it leads to.
    pub service: ObjectKey,
    /// Port of the Service.
    pub port: u16,
    /// Host that it listens on (`127.0.0.1`).
    pub host: String,
    /// Port that it listens on.
    pub local_port: u16,
}

/// What refers to a Service and could not be rewritten.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unmapped {
    /// The Service.
    pub service: ObjectKey,
    /// Its port, where one is named.
    pub port: Option<u16>,
    /// The variables.
    pub variables: Vec<Text>,
}

/// The result.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Local {
    /// The values that are other ones here, by name.
    pub values: BTreeMap<Text, String>,
    /// What could not be rewritten, by Service and port.
    pub unmapped: Vec<Unmapped>,
    /// Names whose host was rewritten but whose port is in no variable that could be found: the program has to be
    /// told the port by other means. With the port to use.
    pub ports_to_tell: Vec<(Text, u16)>,
}

/// The Services and their ports behind which a pod's port is: what a forward to that pod can stand for.
pub fn services_of_pod(snapshot: &ClusterSnapshot, pod: &ObjectKey, port: u16) -> Vec<(ObjectKey, u16)> {
    let mut found = Vec::new();
    for facts in snapshot.services_in(&pod.namespace) {
        let slices = facts.slices.iter().filter(|slice| {
            let targets = slice.endpoints.iter().filter_map(|endpoint| endpoint.target.as_ref());
            targets.into_iter().any(|target| &*target.kind == "Pod" && target.name == pod.name)
        });
        let names = slices.flat_map(|slice| &slice.ports).filter(|p| p.port == Some(i32::from(port)));
        let names: BTreeSet<&Text> = names.map(|port| &port.name).collect();
        let ports = facts.service.ports.iter().filter(|port| names.contains(&port.name));
        let numbers = ports.filter_map(|port| u16::try_from(port.port).ok());
        found.extend(numbers.map(|number| (facts.key().clone(), number)));
    }
    found
}

/// Rewrites an environment. `domain` is the cluster's DNS domain.
pub fn rewrite(
    environment: &ContainerEnvironment,
    snapshot: &ClusterSnapshot,
    domain: &str,
    forwards: &[Forward],
) -> Local {
    let mut work = Work::new(environment, snapshot, domain, forwards);
    let mut hosts = Vec::new();
    for variable in environment.variables().filter(super::Variable::may_be_there) {
        let Some(value) = variable.value else { continue };
        if variable.origin == Origin::Service {
            if let Some(service) = variable.service.and_then(|key| snapshot.service(key)) {
                work.service_variable(&service.service, variable.name);
            }
        } else if let Some(bare) = work.text(variable.name, value) {
            hosts.push((variable.name, bare));
        }
    }
    for (name, service) in hosts {
        work.sibling_port(name, &service);
    }
    work.finish()
}

struct Work<'a> {
    environment: &'a ContainerEnvironment,
    snapshot: &'a ClusterSnapshot,
    domain: &'a str,
    forwards: BTreeMap<&'a ObjectKey, BTreeMap<u16, &'a Forward>>,
    addresses: HashMap<&'a str, &'a ObjectKey>,
    unmapped: BTreeMap<(ObjectKey, Option<u16>), BTreeSet<Text>>,
    local: Local,
    /// The new values of a Service's variables.
    made: HashMap<ObjectKey, HashMap<String, Result<String, Option<u16>>>>,
}

impl<'a> Work<'a> {
    fn new(
        environment: &'a ContainerEnvironment,
        snapshot: &'a ClusterSnapshot,
        domain: &'a str,
        forwards: &'a [Forward],
    ) -> Self {
        let mut by_service: BTreeMap<_, BTreeMap<_, _>> = BTreeMap::new();
        for forward in forwards {
            by_service.entry(&forward.service).or_default().entry(forward.port).or_insert(forward);
        }
        let mut addresses = HashMap::new();
        for facts in snapshot.services.iter() {
            addresses.extend(facts.service.addresses().map(|address| (&**address, facts.key())));
        }
        Self {
            environment,
            snapshot,
            domain: domain.trim_end_matches('.'),
            forwards: by_service,
            addresses,
            unmapped: BTreeMap::new(),
            local: Local::default(),
            made: HashMap::new(),
        }
    }

    fn forward(&self, service: &ObjectKey, port: u16) -> Option<&'a Forward> {
        self.forwards.get(service)?.get(&port).copied()
    }

    fn any_forward(&self, service: &ObjectKey) -> Option<&'a Forward> {
        self.forwards.get(service)?.values().next().copied()
    }

    fn cannot(&mut self, service: &ObjectKey, port: Option<u16>, name: &str) {
        self.unmapped.entry((service.clone(), port)).or_default().insert(name.into());
    }

    /// A variable that the kubelet made of a Service.
    fn service_variable(&mut self, service: &Service, name: &str) {
        if !self.made.contains_key(&service.key) {
            let made = self.service_values(service);
            self.made.insert(service.key.clone(), made);
        }
        match self.made[&service.key].get(name).cloned() {
            Some(Ok(value)) => drop(self.local.values.insert(name.into(), value)),
            Some(Err(port)) => self.cannot(&service.key, port, name),
            // The protocol's name, and names of ports that the Service has no more.
            None => {}
        }
    }

    fn service_values(&self, service: &Service) -> HashMap<String, Result<String, Option<u16>>> {
        let mut values = HashMap::new();
        let prefix = mangle(&service.key.name);
        let mut first = true;
        for port in &service.ports {
            let Ok(number) = u16::try_from(port.port) else { continue };
            let tcp = port.protocol == Protocol::Tcp;
            let forward = self.forward(&service.key, number).filter(|_| tcp);
            let told = |text: &dyn Fn(&Forward) -> String| forward.map(text).ok_or(Some(number));
            let (host, local) = (told(&|f| f.host.clone()), told(&|f| f.local_port.to_string()));
            let url = told(&|f| format!("tcp://{}", authority(&f.host, f.local_port)));
            let start = format!("{prefix}_PORT_{number}_{}", port.protocol.as_str().to_uppercase());
            if first {
                let any = self.any_forward(&service.key).map(|f| f.host.clone()).ok_or(Some(number));
                values.insert(format!("{prefix}_SERVICE_HOST"), host.clone().or(any));
                values.insert(format!("{prefix}_SERVICE_PORT"), local.clone());
                values.insert(format!("{prefix}_PORT"), url.clone());
                first = false;
            }
            if !port.name.is_empty() {
                values.insert(format!("{prefix}_SERVICE_PORT_{}", mangle(&port.name)), local.clone());
            }
            values.insert(format!("{start}_PORT"), local);
            values.insert(format!("{start}_ADDR"), host);
            values.insert(start, url);
        }
        values
    }

    /// Any other value. The result is the Service where the whole value is its name.
    fn text(&mut self, name: &str, value: &str) -> Option<ObjectKey> {
        if let Some(service) = self.service_of(value) {
            match self.any_forward(&service) {
                Some(forward) => drop(self.local.values.insert(name.into(), forward.host.clone())),
                None => self.cannot(&service, None, name),
            }
            return Some(service);
        }
        let (mut out, mut at, mut changed) = (String::new(), 0, false);
        while at < value.len() {
            let Some((start, end)) = next_host(value, at) else { break };
            out.push_str(&value[at..start]);
            let replaced = self.place(name, value, start, end);
            let (text, next) = replaced.unwrap_or_else(|| (value[start..end].to_owned(), end));
            changed |= text != value[start..next];
            out.push_str(&text);
            at = next;
        }
        if changed {
            out.push_str(&value[at..]);
            self.local.values.insert(name.into(), out);
        }
        None
    }

    /// What stands for a host at that place, with a port behind it, and where it goes on.
    fn place(&mut self, name: &str, value: &str, start: usize, end: usize) -> Option<(String, usize)> {
        let service = self.service_of(value[start..end].trim_matches(['[', ']']))?;
        // What stands before an @ is a user, not a host.
        let rest = value[end..].split(['/', '?', '#', ',', ' ']).next().unwrap_or_default();
        if rest.contains('@') {
            return None;
        }
        let (port, next) = match port_behind(&value[end..]) {
            Some((port, length)) => (Some(port), end + length),
            None => (None, end),
        };
        let scheme = scheme_before(&value[..start]);
        if port.is_none() && scheme.is_none() {
            return None;
        }
        let Some(wanted) = port.or_else(|| usual_port(scheme?)).or_else(|| self.only_port(&service)) else {
            self.cannot(&service, None, name);
            return None;
        };
        let Some(forward) = self.forward(&service, wanted) else {
            self.cannot(&service, Some(wanted), name);
            return None;
        };
        Some((authority(&forward.host, forward.local_port), next))
    }

    fn only_port(&self, service: &ObjectKey) -> Option<u16> {
        match &*self.snapshot.service(service)?.service.ports {
            [only] => u16::try_from(only.port).ok(),
            _ => None,
        }
    }

    /// The Service that a host means in this container.
    fn service_of(&self, host: &str) -> Option<ObjectKey> {
        if let Ok(address) = host.parse::<IpAddr>() {
            let key = self.addresses.get(host).copied();
            return key.or_else(|| self.addresses.get(&*address.to_string()).copied()).cloned();
        }
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let mut labels = host.splitn(3, '.');
        let name = labels.next().filter(|name| !name.is_empty())?;
        let namespace = labels.next().unwrap_or(&self.environment.pod.namespace);
        let rest = labels.next().unwrap_or("svc");
        let domain = rest.strip_prefix("svc")?;
        if !domain.is_empty() && domain.strip_prefix('.') != Some(self.domain) {
            return None;
        }
        let key = ObjectKey::new(namespace, name);
        self.snapshot.service(&key).map(|_| key)
    }

    /// `DB_PORT=3306` beside `DB_HOST=mysql`.
    fn sibling_port(&mut self, name: &str, service: &ObjectKey) {
        let Some(forwards) = self.forwards.get(service).cloned() else { return };
        let sibling = ["HOSTNAME", "HOST", "ADDRESS", "ADDR", "SERVER", "ENDPOINT"].iter().find_map(|word| {
            let stem = name.strip_suffix(word).or_else(|| name.strip_suffix(&*word.to_ascii_lowercase()))?;
            let port = if name.ends_with(word) { "PORT" } else { "port" };
            let name = format!("{stem}{port}");
            let value = self.environment.get(&name)?.value?.parse::<u16>().ok()?;
            Some((name, value))
        });
        match sibling {
            Some((port_name, port)) => match forwards.get(&port) {
                Some(forward) => {
                    self.local.values.insert(port_name.into(), forward.local_port.to_string());
                }
                None => self.cannot(service, Some(port), &port_name),
            },
            None => {
                if let Some(forward) = forwards.values().find(|f| f.port != f.local_port) {
                    self.local.ports_to_tell.push((name.into(), forward.local_port));
                }
            }
        }
    }

    fn finish(mut self) -> Local {
        self.local.unmapped = self
            .unmapped
            .into_iter()
            .map(|((service, port), names)| Unmapped {
                service,
                port,
                variables: names.into_iter().collect(),
            })
            .collect();
        self.local
    }
}

/// `host:port`, with brackets around an IPv6 address.
fn authority(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// The next run of characters that a host name may have, or a bracketed address.
fn next_host(value: &str, from: usize) -> Option<(usize, usize)> {
    let bytes = value.as_bytes();
    let of_name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
    let mut start = from;
    while start < bytes.len() {
        if bytes[start] == b'[' {
            if let Some(length) = value[start..].find(']') {
                return Some((start, start + length + 1));
            }
        } else if of_name(bytes[start]) {
            let length = bytes[start..].iter().take_while(|b| of_name(**b)).count();
            return Some((start, start + length));
        }
        start += 1;
    }
    None
}

/// `:3306` at the front: the port and how long it is.
fn port_behind(rest: &str) -> Option<(u16, usize)> {
    let digits = rest.strip_prefix(':')?;
    let length = digits.bytes().take_while(u8::is_ascii_digit).count();
    Some((digits[..length].parse().ok()?, length + 1))
}

/// The scheme of the URL whose host begins here (`mysql://user:secret@`, `http://`).
fn scheme_before(before: &str) -> Option<&str> {
    let (head, authority) = before.rsplit_once("://")?;
    if !authority.is_empty() && (!authority.ends_with('@') || authority.contains('/')) {
        return None;
    }
    let start = head.rfind(|c: char| !(c.is_ascii_alphanumeric() || "+.-".contains(c))).map_or(0, |i| i + 1);
    Some(&head[start..])
}

/// The port that a URL without one means.
fn usual_port(scheme: &str) -> Option<u16> {
    Some(match scheme.to_ascii_lowercase().as_str() {
        "http" | "ws" => 80,
        "https" | "wss" => 443,
        "postgres" | "postgresql" => 5432,
        "mysql" | "mariadb" => 3306,
        "redis" | "rediss" => 6379,
        "mongodb" => 27017,
        "amqp" => 5672,
        "amqps" => 5671,
        "nats" => 4222,
        "ldap" => 389,
        "ldaps" => 636,
        "smtp" => 25,
        "ftp" => 21,
        _ => return None,
    })
}

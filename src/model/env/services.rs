//! The variables that Services give to containers (kubelet: `envvars.FromServices`), and the table of them that all
//! containers of a namespace share.

use std::sync::Arc;

use super::verdict::{Exclusion, Start, Times, Verdict, has_address, is_master};
use crate::model::{ClusterSnapshot, Kind, Load, Service, Text};

/// Upper case, and `_` for `-`; nothing else (kubelet: `makeEnvVariableName`). Also the rule for port names.
pub fn mangle(name: &str) -> String {
    name.chars().map(|c| if c == '-' { '_' } else { c.to_ascii_uppercase() }).collect()
}

/// One Service's variables in the kubelet's order; none when it has no address.
pub fn service_variables(service: &Service) -> Vec<(String, String)> {
    if !has_address(service) {
        return Vec::new();
    }
    let (prefix, host) = (mangle(&service.key.name), &*service.cluster_ip);
    // Only URLs bracket an IPv6 address; the address itself stays as the API has it (net.JoinHostPort).
    let url_host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    let mut out = Vec::with_capacity(3 + 5 * service.ports.len());
    out.push((format!("{prefix}_SERVICE_HOST"), host.to_owned()));
    if let Some(first) = service.ports.first() {
        out.push((format!("{prefix}_SERVICE_PORT"), first.port.to_string()));
    }
    for port in service.ports.iter().filter(|port| !port.name.is_empty()) {
        out.push((format!("{prefix}_SERVICE_PORT_{}", mangle(&port.name)), port.port.to_string()));
    }
    for (i, port) in service.ports.iter().enumerate() {
        let (number, protocol) = (port.port, port.protocol.as_str());
        let url = format!("{}://{url_host}:{number}", protocol.to_lowercase());
        let start = format!("{prefix}_PORT_{number}_{}", protocol.to_uppercase());
        if i == 0 {
            out.push((format!("{prefix}_PORT"), url.clone()));
        }
        out.push((start.clone(), url));
        out.push((format!("{start}_PROTO"), protocol.to_lowercase()));
        out.push((format!("{start}_PORT"), number.to_string()));
        out.push((format!("{start}_ADDR"), host.to_owned()));
    }
    out
}

/// The variables of all Services that containers of one namespace can get: its own Services and
/// `default/kubernetes`. Made once per snapshot and namespace, shared by every container's prediction.
#[derive(Debug)]
pub struct NamespaceVariables {
    namespace: Text,
    /// The namespace's Services by name, then `default/kubernetes` unless it is one of them.
    services: Box<[Arc<Service>]>,
    /// Their times; `None` for those without an address.
    times: Box<[Option<Times>]>,
    /// Which of them is `default/kubernetes`.
    master: Option<usize>,
    /// Sorted by name, then by Service.
    rows: Box<[Row]>,
    /// The Service called `kubernetes` in this namespace, when it is not the `default` one.
    own_kubernetes: Option<usize>,
    /// Why Services may be missing here, in a sentence.
    incomplete: Option<Text>,
    /// Why `default/kubernetes` is not here although every container has it.
    master_unknown: Option<Text>,
}

/// One variable of one Service.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) name: Box<str>,
    pub(super) value: Box<str>,
    /// Index into the table's Services.
    pub(super) service: usize,
    /// How many further rows have this very name: other Services make the same variable.
    pub(super) rivals: usize,
}

impl NamespaceVariables {
    /// Collects and sorts the variables of a namespace.
    pub fn new(snapshot: &ClusterSnapshot, namespace: &str) -> Arc<Self> {
        let mut services: Vec<_> =
            snapshot.services_in(namespace).iter().map(|f| f.service.clone()).collect();
        let own_kubernetes = services.iter().position(|s| &*s.key.name == "kubernetes");
        let mut master_unknown = None;
        if namespace != "default" {
            let default = snapshot.services_in("default");
            match default.iter().find(|f| &*f.key().name == "kubernetes") {
                Some(facts) => services.push(facts.service.clone()),
                None => master_unknown = incomplete(snapshot, "default"),
            }
        }
        let mut rows: Vec<Row> = Vec::new();
        for (service, facts) in services.iter().enumerate() {
            let made = service_variables(facts).into_iter();
            rows.extend(made.map(|(name, value)| Row {
                name: name.into(),
                value: value.into(),
                service,
                rivals: 0,
            }));
        }
        // Stable: within a Service the later variable of a name is the one that counts, as in the kubelet's map.
        rows.sort_by(|a, b| a.name.cmp(&b.name).then(a.service.cmp(&b.service)));
        rows.dedup_by(|later, kept| {
            let same = later.name == kept.name && later.service == kept.service;
            if same {
                std::mem::swap(&mut later.value, &mut kept.value);
            }
            same
        });
        for i in (1..rows.len()).rev() {
            if rows[i].name == rows[i - 1].name {
                rows[i - 1].rivals = rows[i].rivals + 1;
            }
        }
        Arc::new(Self {
            namespace: namespace.into(),
            times: services.iter().map(|s| has_address(s).then(|| Times::of(s))).collect(),
            master: services.iter().position(|s| is_master(s)),
            services: services.into(),
            rows: rows.into(),
            own_kubernetes: own_kubernetes.filter(|_| namespace != "default"),
            incomplete: incomplete(snapshot, namespace),
            master_unknown,
        })
    }

    /// The namespace that this is about.
    pub fn namespace(&self) -> &Text {
        &self.namespace
    }

    /// The Services looked at, those without an address included.
    pub fn services(&self) -> &[Arc<Service>] {
        &self.services
    }

    /// Why Services may be missing here: their list has not arrived, or may not be read.
    pub fn incomplete(&self) -> Option<&str> {
        self.incomplete.as_deref()
    }

    /// Why `default/kubernetes`, whose variables every container has, is not known here.
    pub fn master_unknown(&self) -> Option<&str> {
        self.master_unknown.as_deref()
    }

    /// The verdict on every Service for a container of a pod of this namespace.
    pub(super) fn verdicts(&self, start: &Start, service_links: bool) -> Box<[Verdict]> {
        let each = self.times.iter().enumerate().map(|(i, times)| match times {
            None => Verdict::NotEligible(Exclusion::NoAddress),
            Some(times) if service_links || self.master == Some(i) => times.verdict(start),
            Some(_) => Verdict::NotEligible(Exclusion::LinksOff),
        });
        let mut verdicts: Box<[Verdict]> = each.collect();
        if let (Some(master), Some(own)) = (self.master, self.own_kubernetes) {
            verdicts[master] = verdicts[master].beside(verdicts[own]);
        }
        verdicts
    }

    pub(super) fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// Where the rows of a name begin, or where they would.
    pub(super) fn position(&self, name: &str) -> Result<usize, usize> {
        let at = self.rows.partition_point(|row| &*row.name < name);
        if self.rows.get(at).is_some_and(|row| &*row.name == name) { Ok(at) } else { Err(at) }
    }

    /// Whether a row is its Service's `…_SERVICE_HOST`, and no other Service makes that.
    pub(super) fn is_host(&self, at: usize) -> bool {
        let row = &self.rows[at];
        let prefix = row.name.strip_suffix("_SERVICE_HOST");
        let alone = row.rivals == 0 && (at == 0 || self.rows[at - 1].name != row.name);
        alone && prefix.is_some_and(|prefix| prefix == mangle(&self.services[row.service].key.name))
    }

    /// A Service changed since the start that may have made this variable before, though it does not today.
    pub(super) fn formerly_of(&self, name: &str, verdicts: &[Verdict]) -> Option<usize> {
        let stale = |i: &usize| matches!(verdicts[*i], Verdict::Stale { .. });
        (0..self.services.len()).filter(stale).find(|i| {
            let rest = name.strip_prefix(&*mangle(&self.services[*i].key.name));
            rest.is_some_and(|rest| {
                rest == "_PORT" || rest.starts_with("_PORT_") || rest.starts_with("_SERVICE_")
            })
        })
    }
}

/// Why the Services of a namespace are not all known; `None` when they are.
fn incomplete(snapshot: &ClusterSnapshot, namespace: &str) -> Option<Text> {
    Some(match snapshot.load(Kind::Service, namespace) {
        Some(Load::Live | Load::Stale { .. }) => return None,
        Some(Load::Loading(_)) => format!("the Services of {namespace} are still being read").into(),
        Some(Load::Forbidden { verb, .. }) => format!("no right to {verb} Services in {namespace}").into(),
        Some(Load::Failed { why, .. }) => {
            format!("the Services of {namespace} could not be read: {why}").into()
        }
        None => format!("the Services of {namespace} are not looked at").into(),
    })
}

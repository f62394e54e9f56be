//! Services, and who changed them.

use std::cmp::Reverse;
use std::sync::Arc;

use serde::de::{IgnoredAny, MapAccess};

use super::{Converter, timestamp};
use crate::cluster::slim::loose::{self, Loose};
use crate::cluster::slim::meta::{FieldsV1, IntOrString, ManagedFieldsEntry, ServiceMeta};
use crate::cluster::slim::service as slim;
use crate::model::Service;
use crate::model::service::{Port, PortTarget, Protocol, ServiceType, SpecChange};

/// The annotation from before `spec.publishNotReadyAddresses` (endpoint controllers still read it).
const TOLERATE_UNREADY: &str = "service.alpha.kubernetes.io/tolerate-unready-endpoints";

impl Converter {
    /// A Service; `None` when it has no name.
    pub fn service(&mut self, slim: &slim::Service) -> Option<Arc<Service>> {
        let meta = slim.metadata.as_ref()?;
        let key = self.key(&meta.namespace, &meta.name)?;
        let no_spec = slim::ServiceSpec::default();
        let spec = slim.spec.as_ref().unwrap_or(&no_spec);
        let ingress = slim.status.as_ref().and_then(|status| status.load_balancer.as_ref());
        let ingress = ingress.map_or(&[][..], |balancer| &balancer.ingress);
        Some(Arc::new(Service {
            key,
            uid: meta.uid.as_str().into(),
            created: timestamp(meta.creation_timestamp),
            deleting: timestamp(meta.deletion_timestamp),
            labels: self.intern.labels(pairs(&meta.labels)),
            kind: ServiceType::from(spec.kind.as_str()),
            cluster_ip: self.intern.text(&spec.cluster_ip),
            cluster_ips: self.texts(&spec.cluster_ips),
            external_ips: self.texts(&spec.external_ips),
            external_name: self.intern.text(&spec.external_name),
            ports: spec.ports.iter().map(|port| self.service_port(port)).collect(),
            selector: self.intern.labels(pairs(&spec.selector)),
            publish_not_ready: spec.publish_not_ready_addresses || tolerates_unready(meta),
            internal_local: spec.internal_traffic_policy == "Local",
            external_local: spec.external_traffic_policy == "Local",
            ingress: ingress
                .iter()
                .map(|i| if i.ip.is_empty() { &i.hostname } else { &i.ip })
                .filter(|text| !text.is_empty())
                .map(|text| self.intern.text(text))
                .collect(),
            changes: self.changes(&meta.managed_fields),
        }))
    }

    fn service_port(&mut self, port: &slim::ServicePort) -> Port {
        Port {
            name: self.intern.text(&port.name),
            port: port.port,
            protocol: Protocol::from(port.protocol.as_str()),
            target: port.target_port.as_ref().map_or(PortTarget::Same, |target| self.target(target)),
            node_port: port.node_port,
            app_protocol: self.intern.text(&port.app_protocol),
        }
    }

    fn target(&mut self, target: &IntOrString) -> PortTarget {
        match target.kind {
            0 if target.number == 0 => PortTarget::Same,
            0 => PortTarget::Number(target.number),
            _ if target.text.is_empty() => PortTarget::Same,
            _ => PortTarget::Name(self.intern.text(&target.text)),
        }
    }

    /// The writes that environments depend on, newest first. The status is written without any effect on them.
    fn changes(&mut self, entries: &[ManagedFieldsEntry]) -> Box<[SpecChange]> {
        let mut changes: Vec<SpecChange> = entries
            .iter()
            .filter(|entry| entry.subresource.is_empty())
            .filter_map(|entry| {
                let owned = Owned::of(entry.fields.as_ref()?);
                let at = timestamp(entry.time)?;
                (owned != Owned::default()).then(|| SpecChange {
                    manager: self.intern.text(&entry.manager),
                    at,
                    owns_type: owned.kind,
                    owns_cluster_ip: owned.cluster_ip,
                    owns_ports: owned.ports,
                })
            })
            .collect();
        changes.sort_by_key(|change| Reverse(change.at));
        changes.into()
    }
}

/// The pairs of a map, borrowed.
pub(super) fn pairs(map: &std::collections::BTreeMap<String, String>) -> impl Iterator<Item = (&str, &str)> {
    map.iter().map(|(k, v)| (k.as_str(), v.as_str()))
}

/// endpointslice: `tolerateUnreadyEndpoints`, which reads it with Go's `strconv.ParseBool`.
fn tolerates_unready(meta: &ServiceMeta) -> bool {
    let value = meta.annotations.get(TOLERATE_UNREADY);
    value.is_some_and(|value| matches!(value.as_str(), "1" | "t" | "T" | "true" | "TRUE" | "True"))
}

/// Which parts of the spec that environments depend on a field manager owns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Owned {
    kind: bool,
    cluster_ip: bool,
    ports: bool,
}

impl Owned {
    /// From a tree of field names; what can't be read owns nothing.
    fn of(fields: &FieldsV1) -> Self {
        let mut json = serde_json::Deserializer::from_slice(&fields.raw);
        loose::read::<Root, _>(&mut json).map(|root| root.0).unwrap_or_default()
    }
}

#[derive(Default)]
struct Root(Owned);

impl Loose for Root {
    fn from_map<'de, A: MapAccess<'de>>(mut map: A) -> Result<Option<Self>, A::Error> {
        let mut root = Self::default();
        while let Some(position) = map.next_key_seed(loose::Position(&["f:spec"]))? {
            match position {
                Some(_) => root = Self(loose::value::<Spec, A>(&mut map)?.0),
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(Some(root))
    }
}

#[derive(Default)]
struct Spec(Owned);

impl Loose for Spec {
    fn from_map<'de, A: MapAccess<'de>>(mut map: A) -> Result<Option<Self>, A::Error> {
        let names = loose::Position(&["f:type", "f:clusterIP", "f:clusterIPs", "f:ports"]);
        let mut owned = Owned::default();
        while let Some(position) = map.next_key_seed(names)? {
            if position == Some(3) {
                owned.ports |= loose::value::<Ports, A>(&mut map)?.0;
                continue;
            }
            map.next_value::<IgnoredAny>()?;
            owned.kind |= position == Some(0);
            owned.cluster_ip |= matches!(position, Some(1 | 2));
        }
        Ok(Some(Self(owned)))
    }
}

/// `f:ports`: a map from each owned port to the owned fields of it. A part that is owned whole is an empty map.
#[derive(Default)]
struct Ports(bool);

impl Loose for Ports {
    fn from_map<'de, A: MapAccess<'de>>(mut map: A) -> Result<Option<Self>, A::Error> {
        let (mut owned, mut whole) = (false, true);
        while map.next_key::<IgnoredAny>()?.is_some() {
            owned |= loose::value::<PortFields, A>(&mut map)?.0;
            whole = false;
        }
        Ok(Some(Self(owned || whole)))
    }
}

/// Whether a port's owned fields are more than those that no variable depends on.
#[derive(Default)]
struct PortFields(bool);

impl Loose for PortFields {
    fn from_map<'de, A: MapAccess<'de>>(mut map: A) -> Result<Option<Self>, A::Error> {
        let names = loose::Position(&["f:targetPort", "f:nodePort", "f:appProtocol"]);
        let (mut owned, mut whole) = (false, true);
        while let Some(position) = map.next_key_seed(names)? {
            map.next_value::<IgnoredAny>()?;
            owned |= position.is_none();
            whole = false;
        }
        Ok(Some(Self(owned || whole)))
    }
}

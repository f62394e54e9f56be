//! EndpointSlices.

use std::sync::Arc;

use super::service::pairs;
use super::{Converter, timestamp};
use crate::cluster::slim::slice as slim;
use crate::model::endpoint::{AddressType, Endpoint, Hints, SlicePort, TargetRef};
use crate::model::{EndpointSlice, service::Protocol};

/// discovery/v1: `LabelServiceName`.
const SERVICE_NAME: &str = "kubernetes.io/service-name";

impl Converter {
    /// An EndpointSlice; `None` when it has no name.
    pub fn slice(&mut self, slim: &slim::EndpointSlice) -> Option<Arc<EndpointSlice>> {
        let meta = slim.metadata.as_ref()?;
        let service = meta.labels.get(SERVICE_NAME).map_or("", String::as_str);
        Some(Arc::new(EndpointSlice {
            key: self.key(&meta.namespace, &meta.name)?,
            service: self.intern.text(service),
            labels: self.intern.labels(pairs(&meta.labels)),
            created: timestamp(meta.creation_timestamp),
            address_type: AddressType::from(slim.address_type.as_str()),
            ports: slim
                .ports
                .iter()
                .map(|port| SlicePort {
                    name: self.intern.text(&port.name),
                    port: port.port,
                    protocol: Protocol::from(port.protocol.as_str()),
                })
                .collect(),
            endpoints: slim.endpoints.iter().map(|endpoint| self.endpoint(endpoint)).collect(),
        }))
    }

    fn endpoint(&mut self, slim: &slim::Endpoint) -> Endpoint {
        let conditions = slim.conditions.as_ref();
        Endpoint {
            addresses: self.texts(&slim.addresses),
            ready: conditions.and_then(|c| c.ready),
            serving: conditions.and_then(|c| c.serving),
            terminating: conditions.and_then(|c| c.terminating),
            hostname: slim.hostname.as_deref().and_then(|text| self.intern.some(text)),
            node: slim.node_name.as_deref().and_then(|text| self.intern.some(text)),
            zone: slim.zone.as_deref().and_then(|text| self.intern.some(text)),
            hints: slim.hints.as_ref().map_or_else(Hints::default, |hints| Hints {
                zones: self.texts(hints.for_zones.iter().map(|zone| &zone.name)),
                nodes: self.texts(hints.for_nodes.iter().map(|node| &node.name)),
            }),
            target: slim.target_ref.as_ref().map(|target| TargetRef {
                kind: self.intern.text(&target.kind),
                namespace: self.intern.text(&target.namespace),
                name: self.intern.text(&target.name),
            }),
        }
    }
}

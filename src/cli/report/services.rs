//! `kdisco services`: kubectl's table, and how many endpoints are ready.

use std::cell::OnceCell;
use std::sync::Arc;

use serde_json::{Value, json};

use super::dns::{service_names, zone};
use super::{Report, optional};
use crate::cli::facts::Facts;
use crate::cli::names::Query;
use crate::model::columns::{SERVICE_HEADINGS, Width, service_row};
use crate::model::diagnose::diagnose;
use crate::model::dns::{ClusterDomain, Zone};
use crate::model::{Kind, Port, PortTarget, Service, ServiceFacts, ServiceType};

/// The Services that were asked for.
#[derive(Debug)]
pub struct Services<'a> {
    facts: &'a Facts,
    query: &'a Query,
    /// Made when a document asks for names and findings.
    zone: OnceCell<(ClusterDomain, Zone)>,
}

impl<'a> Services<'a> {
    /// The Services of `query`.
    pub fn new(facts: &'a Facts, query: &'a Query) -> Self {
        Self { facts, query, zone: OnceCell::new() }
    }

    fn zone(&self) -> &(ClusterDomain, Zone) {
        self.zone.get_or_init(|| zone(self.facts))
    }
}

impl Report for Services<'_> {
    type Row = Arc<ServiceFacts>;
    const KIND: &'static str = "ServiceList";

    fn facts(&self) -> &Facts {
        self.facts
    }

    fn rows(&self) -> Vec<Self::Row> {
        self.facts.services(self.query)
    }

    fn headings(&self, wide: bool) -> Vec<&'static str> {
        let kubectl = if wide { &SERVICE_HEADINGS[..] } else { &SERVICE_HEADINGS[..6] };
        kubectl.iter().copied().chain(["ENDPOINTS"]).collect()
    }

    fn lines(&self, row: &Self::Row, wide: bool) -> Vec<Vec<String>> {
        let width = if wide { Width::Wide } else { Width::Narrow };
        let mut cells = service_row(&row.service, self.facts.now, width);
        cells.push(match counts(self.facts, row) {
            Some((ready, total)) => format!("{ready}/{total}"),
            None => "<unknown>".to_owned(),
        });
        vec![cells]
    }

    fn namespace<'a>(&self, row: &'a Self::Row) -> &'a str {
        &row.key().namespace
    }

    fn name(&self, row: &Self::Row) -> String {
        format!("service/{}", row.key().name)
    }

    fn identity(&self, row: &Self::Row) -> String {
        row.key().to_string()
    }

    fn item(&self, row: &Self::Row) -> Value {
        let service = &*row.service;
        let (domain, zone) = self.zone();
        json!({
            "namespace": service.key.namespace,
            "name": service.key.name,
            "type": service.kind,
            "headless": service.headless(),
            "clusterIPs": service.addresses().collect::<Vec<_>>(),
            "externalAddresses": service.ingress.iter().chain(&service.external_ips).collect::<Vec<_>>(),
            "externalName": optional(&service.external_name),
            "ports": service.ports.iter().map(port).collect::<Vec<_>>(),
            "selector": service.selector,
            "creationTimestamp": service.created,
            "endpoints": counts(self.facts, row).map(|(ready, total)| json!({ "ready": ready, "total": total })),
            "dnsNames": service_names(self.facts, row, zone),
            "findings": diagnose(row, &self.facts.snapshot, self.facts.now, domain.text()),
        })
    }

    fn nothing(&self) -> String {
        format!("No Services found {}.", self.facts.where_())
    }
}

/// Ready and total endpoints, where the slices are known. Nothing is behind an ExternalName, whatever is known.
fn counts(facts: &Facts, row: &ServiceFacts) -> Option<(usize, usize)> {
    let known = facts.knows(Kind::EndpointSlice, &row.key().namespace) || external(&row.service);
    known.then_some((row.ready, row.total))
}

fn external(service: &Service) -> bool {
    service.kind == ServiceType::ExternalName
}

fn port(port: &Port) -> Value {
    json!({
        "name": optional(&port.name),
        "port": port.port,
        "protocol": port.protocol,
        "targetPort": match &port.target {
            PortTarget::Same => json!(port.port),
            PortTarget::Number(number) => json!(number),
            PortTarget::Name(name) => json!(name),
        },
        "nodePort": (port.node_port != 0).then_some(port.node_port),
    })
}

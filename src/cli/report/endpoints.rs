//! `kdisco endpoints`: a line an address, all slices of a Service merged.

use std::sync::Arc;

use serde_json::{Value, json};

use super::Report;
use crate::cli::facts::Facts;
use crate::cli::names::Query;
use crate::model::columns::{NONE, pod_summary};
use crate::model::join::{AddressOrder, EndpointRow, TargetPod, endpoint_rows};
use crate::model::{ServiceFacts, SlicePort, Text};

/// The endpoints of the Services that were asked for.
#[derive(Debug)]
pub struct Endpoints<'a> {
    /// The facts.
    pub facts: &'a Facts,
    /// Which Services.
    pub query: &'a Query,
}

/// One address behind one Service.
#[derive(Debug)]
pub struct Row {
    service: Arc<ServiceFacts>,
    endpoint: EndpointRow,
}

impl Report for Endpoints<'_> {
    type Row = Row;
    const KIND: &'static str = "EndpointList";

    fn facts(&self) -> &Facts {
        self.facts
    }

    fn rows(&self) -> Vec<Row> {
        let of = |service: Arc<ServiceFacts>| {
            let mut rows = endpoint_rows(&service, &self.facts.snapshot);
            // By address alone, not by state as in the pane: two runs can be compared line by line.
            rows.sort_by_cached_key(|row| (AddressOrder::new(&row.address), row.target.clone()));
            rows.into_iter().map(move |endpoint| Row { service: service.clone(), endpoint })
        };
        self.facts.services(self.query).into_iter().flat_map(of).collect()
    }

    fn headings(&self, wide: bool) -> Vec<&'static str> {
        let mut headings = vec!["SERVICE", "ADDRESS", "STATE", "PORTS", "TARGET", "NODE", "ZONE"];
        if wide {
            headings.extend(["STATUS", "RESTARTS", "HOSTNAME", "HINTS", "SLICE"]);
        }
        headings
    }

    fn lines(&self, row: &Row, wide: bool) -> Vec<Vec<String>> {
        let e = &row.endpoint;
        let or_none = |text: &Option<Text>| text.as_deref().unwrap_or(NONE).to_owned();
        let mut cells = vec![
            row.service.key().name.to_string(),
            e.address.to_string(),
            e.state.as_str().replace(' ', "-"),
            ports(&e.ports),
            target(e),
            or_none(&e.node),
            or_none(&e.zone),
        ];
        if wide {
            let (status, restarts) = pod_cells(&e.pod, self.facts);
            let hints: Vec<&str> = e.hints.zones.iter().chain(&e.hints.nodes).map(|h| &**h).collect();
            let hints = if hints.is_empty() { NONE.to_owned() } else { hints.join(",") };
            cells.extend([status, restarts, or_none(&e.hostname), hints, e.slices.join(",")]);
        }
        vec![cells]
    }

    fn namespace<'a>(&self, row: &'a Row) -> &'a str {
        &row.service.key().namespace
    }

    fn name(&self, row: &Row) -> String {
        match &row.endpoint.target {
            Some(target) => format!("{}/{}", target.kind.to_lowercase(), target.name),
            None => row.endpoint.address.to_string(),
        }
    }

    fn identity(&self, row: &Row) -> String {
        let target = row.endpoint.target.as_ref().map(ToString::to_string).unwrap_or_default();
        format!("{} {} {target}", row.service.key(), row.endpoint.address)
    }

    fn item(&self, row: &Row) -> Value {
        let e = &row.endpoint;
        json!({
            "namespace": row.service.key().namespace,
            "service": row.service.key().name,
            "address": e.address,
            "addressType": e.address_type,
            "ready": e.ready,
            "serving": e.serving,
            "terminating": e.terminating,
            "hostname": e.hostname,
            "node": e.node,
            "zone": e.zone,
            "hints": e.hints.zones,
            "nodeHints": e.hints.nodes,
            "target": e.target,
            "ports": e.ports,
            "slice": e.slices.first(),
            "slices": e.slices,
        })
    }

    fn nothing(&self) -> String {
        match self.facts.services(self.query).as_slice() {
            [] => format!("No Services found {}.", self.facts.where_()),
            [one] => format!("Nothing is behind the Service {}.", one.key()),
            _ => format!("Nothing is behind the Services {}.", self.facts.where_()),
        }
    }
}

/// `80/TCP,443/TCP`; an empty list and "all ports" are what a slice without numbers says.
fn ports(ports: &[SlicePort]) -> String {
    let one = |p: &SlicePort| match p.port {
        Some(number) => format!("{number}/{}", p.protocol.as_str()),
        None => "all".to_owned(),
    };
    if ports.is_empty() { NONE.to_owned() } else { ports.iter().map(one).collect::<Vec<_>>().join(",") }
}

/// `pod/web-0`, in another namespace `pod/shop/web-0`.
fn target(endpoint: &EndpointRow) -> String {
    match &endpoint.target {
        Some(target) => format!("{}/{}", target.kind.to_lowercase(), target.name),
        None => NONE.to_owned(),
    }
}

fn pod_cells(pod: &TargetPod, facts: &Facts) -> (String, String) {
    let both = |text: &str| (text.to_owned(), text.to_owned());
    match pod {
        TargetPod::None => both(NONE),
        TargetPod::Unknown => both("<unknown>"),
        TargetPod::Missing => both("<gone>"),
        TargetPod::Known(pod) => {
            let summary = pod_summary(pod);
            let restarts = summary.restarts_cell(facts.now);
            (summary.status, restarts)
        }
    }
}

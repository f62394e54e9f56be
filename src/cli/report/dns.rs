//! `kdisco dns`: the records that exist, computed from the API's objects.

use serde_json::{Value, json};

use super::Report;
use crate::cli::facts::Facts;
use crate::cli::names::Query;
use crate::model::dns::{ClusterDomain, Record, RecordType, Server, Zone, pod_record, service_records};
use crate::model::{Kind, Pod, ServiceFacts};

/// The records of the Services and pods that were asked for.
#[derive(Debug)]
pub struct Records<'a> {
    facts: &'a Facts,
    query: &'a Query,
    domain: ClusterDomain,
    zone: Zone,
}

/// The cluster's DNS zone, and from where its domain is known.
pub fn zone(facts: &Facts) -> (ClusterDomain, Zone) {
    let server = Server::of(&facts.snapshot);
    let domain = ClusterDomain::of(&facts.snapshot, &server);
    let zone = Zone::new(&server, &domain);
    (domain, zone)
}

impl<'a> Records<'a> {
    /// The records of what `query` is about.
    pub fn new(facts: &'a Facts, query: &'a Query) -> Self {
        let (domain, zone) = zone(facts);
        Self { facts, query, domain, zone }
    }

    /// Whether a pod is named; without names records of Services alone are listed.
    fn wants_pod(&self, pod: &Pod) -> bool {
        !self.query.wishes.is_empty() && self.query.wants(&self.facts.scope, Kind::Pod, &pod.key, &pod.labels)
    }

    /// The record of the pod's own address, and those of Services that stand for it.
    fn of_pod(&self, pod: &Pod) -> Vec<Record> {
        let mut records: Vec<Record> = pod_record(pod, &self.zone).into_iter().collect();
        for service in self.facts.snapshot.services_in(&pod.key.namespace) {
            let all = service_records(service, &self.zone);
            records.extend(all.into_iter().filter(|r| r.pod.as_ref() == Some(&pod.key)));
        }
        records
    }
}

/// The names that a Service has in DNS; `None` where its endpoints would have to be known for that.
pub fn service_names(facts: &Facts, service: &ServiceFacts, zone: &Zone) -> Option<Vec<String>> {
    if service.service.headless() && !facts.knows(Kind::EndpointSlice, &service.key().namespace) {
        return None;
    }
    let mut names: Vec<String> = Vec::new();
    for record in service_records(service, zone) {
        if record.kind != RecordType::PTR && !names.contains(&record.name) {
            names.push(record.name);
        }
    }
    Some(names)
}

/// Where a record stands among those of its Service: its own name, its ports, its endpoints, reverse names.
fn place(record: &Record, own: &str) -> u8 {
    match () {
        () if record.kind == RecordType::PTR => 3,
        () if record.name == own => 0,
        () if record.name.starts_with('_') => 1,
        () => 2,
    }
}

/// One record with the namespace that it is listed under.
#[derive(Debug)]
pub struct Row {
    namespace: String,
    record: Record,
}

impl Report for Records<'_> {
    type Row = Row;
    const KIND: &'static str = "RecordList";

    fn facts(&self) -> &Facts {
        self.facts
    }

    fn rows(&self) -> Vec<Row> {
        let row = |namespace: &str, record| Row { namespace: namespace.to_owned(), record };
        let mut rows = Vec::new();
        for service in self.facts.services(self.query) {
            let mut records = service_records(&service, &self.zone);
            // Slices list endpoints in any order; two runs should print the same.
            let own = self.zone.service_name(service.key());
            records.sort_by_cached_key(|r| (place(r, &own), r.clone()));
            rows.extend(records.into_iter().map(|r| row(&service.key().namespace, r)));
        }
        for pod in
            self.facts.snapshot.pods.values().flat_map(|pods| pods.iter()).filter(|p| self.wants_pod(p))
        {
            rows.extend(self.of_pod(pod).into_iter().map(|r| row(&pod.key.namespace, r)));
        }
        rows
    }

    fn headings(&self, wide: bool) -> Vec<&'static str> {
        let mut headings = vec!["NAME", "TTL", "TYPE", "DATA"];
        if wide {
            headings.extend(["SERVICE", "POD"]);
        }
        headings
    }

    fn lines(&self, row: &Row, wide: bool) -> Vec<Vec<String>> {
        let r = &row.record;
        let mut cells = vec![r.name.clone(), r.ttl.to_string(), r.kind.to_string(), r.data.clone()];
        if wide {
            let name = |key: &Option<crate::model::ObjectKey>| {
                key.as_ref().map_or_else(|| crate::model::columns::NONE.to_owned(), |k| k.name.to_string())
            };
            cells.extend([name(&r.service), name(&r.pod)]);
        }
        vec![cells]
    }

    fn namespace<'a>(&self, row: &'a Row) -> &'a str {
        &row.namespace
    }

    fn name(&self, row: &Row) -> String {
        row.record.name.clone()
    }

    fn identity(&self, row: &Row) -> String {
        format!("{} {} {}", row.record.name, row.record.kind, row.record.data)
    }

    fn item(&self, row: &Row) -> Value {
        json!(row.record)
    }

    fn nothing(&self) -> String {
        match self.facts.services(self.query).as_slice() {
            [] => format!("No Services found {}.", self.facts.where_()),
            [one] => format!("No name of the Service {} exists: nothing ready is behind it.", one.key()),
            _ => format!("No names exist {}.", self.facts.where_()),
        }
    }

    fn more(&self) -> Vec<(&'static str, Value)> {
        let domain = json!({ "name": self.domain.text(), "how": self.domain.how.to_string() });
        vec![("clusterDomain", domain)]
    }
}

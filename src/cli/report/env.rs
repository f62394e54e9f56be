//! `kdisco env`: the variables that containers have, and those they lack until they start again.

use serde_json::{Value, json};

use super::Report;
use super::dns::zone;
use crate::cli::facts::Facts;
use crate::cli::names::Query;
use crate::model::env::{ContainerEnvironment, NamespaceVariables, Options, Origin, Secrets, Status};
use crate::model::env::{Variable, predict};
use crate::model::{Kind, Pod};

/// The environments of the pods that were asked for.
#[derive(Debug)]
pub struct Environments<'a> {
    facts: &'a Facts,
    query: &'a Query,
    container: Option<&'a str>,
    show_secrets: bool,
    /// `None` where it would only be assumed: a variable made of it would be a guess.
    cluster_domain: Option<String>,
}

impl<'a> Environments<'a> {
    /// The environments of the pods of `query`; only of the container of one name, if one is given.
    pub fn new(facts: &'a Facts, query: &'a Query, container: Option<&'a str>, show_secrets: bool) -> Self {
        let (domain, _) = zone(facts);
        let cluster_domain = (!domain.how.is_assumed()).then(|| domain.text().to_owned());
        Self { facts, query, container, show_secrets, cluster_domain }
    }
}

/// The widest value that the narrow table shows whole.
const VALUE_WIDTH: usize = 60;

impl Report for Environments<'_> {
    type Row = ContainerEnvironment;
    const KIND: &'static str = "EnvironmentList";

    fn facts(&self) -> &Facts {
        self.facts
    }

    fn rows(&self) -> Vec<ContainerEnvironment> {
        let secrets = if self.show_secrets { Secrets::Shown } else { Secrets::Hidden };
        let options = Options {
            secrets,
            cluster_domain: self.cluster_domain.as_deref(),
            fetches: Some(&self.facts.fetches),
        };
        let (mut rows, mut table) = (Vec::new(), None);
        for pod in wanted(self.facts, self.query) {
            // Pods come sorted by namespace: one table serves all of one.
            let namespace = &pod.key.namespace;
            if table.as_ref().is_none_or(|(of, _)| of != namespace) {
                table = Some((namespace.clone(), NamespaceVariables::new(&self.facts.snapshot, namespace)));
            }
            let Some((_, table)) = &table else { continue };
            let containers =
                pod.spec.containers.iter().filter(|c| self.container.is_none_or(|name| &*c.name == name));
            rows.extend(containers.map(|c| predict(&self.facts.snapshot, table, pod, c, &options)));
        }
        rows
    }

    fn headings(&self, wide: bool) -> Vec<&'static str> {
        let mut headings = vec!["POD", "CONTAINER", "NAME", "VALUE", "STATUS", "FROM"];
        if wide {
            headings.push("REASON");
        }
        headings
    }

    fn lines(&self, row: &ContainerEnvironment, wide: bool) -> Vec<Vec<String>> {
        let line = |v: Variable<'_>| {
            let mut cells = vec![
                row.pod.name.to_string(),
                row.container.to_string(),
                v.name.to_owned(),
                value(&v, wide),
                v.status.as_str().to_owned(),
                from(&v),
            ];
            if wide {
                cells.push(v.reason().unwrap_or_default());
            }
            cells
        };
        row.variables().map(line).collect()
    }

    fn namespace<'a>(&self, row: &'a ContainerEnvironment) -> &'a str {
        &row.pod.namespace
    }

    fn name(&self, row: &ContainerEnvironment) -> String {
        format!("pod/{}", row.pod.name)
    }

    fn identity(&self, row: &ContainerEnvironment) -> String {
        format!("{} {}", row.pod, row.container)
    }

    fn item(&self, row: &ContainerEnvironment) -> Value {
        json!({
            "namespace": row.pod.namespace,
            "pod": row.pod.name,
            "container": row.container,
            "state": row.state_word(),
            "startedAt": row.started(),
            "serviceLinks": row.service_links,
            "bytes": row.bytes(),
            "variables": row.variables().map(|v| variable(&v)).collect::<Vec<_>>(),
            "unknown": row.unknowns(),
        })
    }

    fn nothing(&self) -> String {
        match (self.container, wanted(self.facts, self.query).next()) {
            (Some(name), Some(_)) => format!("No container is called {name}."),
            _ => format!("No pods found {}.", self.facts.where_()),
        }
    }
}

/// The pods that a query is about, sorted by namespace and name.
pub fn wanted<'a>(facts: &'a Facts, query: &'a Query) -> impl Iterator<Item = &'a Pod> {
    let pods = facts.snapshot.pods.values().flat_map(|pods| pods.iter());
    pods.filter(|p| query.wants(&facts.scope, Kind::Pod, &p.key, &p.labels)).map(|p| &**p)
}

fn variable(v: &Variable<'_>) -> Value {
    json!({
        "name": v.name,
        "value": v.value,
        "status": v.status.as_str(),
        "origin": v.origin.as_str(),
        "service": v.service,
        "reason": v.reason(),
    })
}

/// The value; in the narrow table no longer than fits beside the rest.
fn value(v: &Variable<'_>, wide: bool) -> String {
    match v.value {
        None if v.status == Status::Unreadable => "<unreadable>".to_owned(),
        None => "<unknown>".to_owned(),
        Some(value) if !wide && value.chars().count() > VALUE_WIDTH => {
            let cut: String = value.chars().take(VALUE_WIDTH - 3).collect();
            format!("{cut}...")
        }
        Some(value) => value.to_owned(),
    }
}

fn from(v: &Variable<'_>) -> String {
    match (v.origin, v.service) {
        (Origin::Service, Some(service)) => format!("service/{}", service.name),
        (Origin::Service, None) if v.collides() => "services".to_owned(),
        (origin, _) => origin.as_str().to_owned(),
    }
}

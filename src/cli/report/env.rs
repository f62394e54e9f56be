//! `kdisco env`: the variables that containers have, and those they lack until they start again.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Report;
use super::dns::zone;
use crate::app::Problem;
use crate::cli::facts::Facts;
use crate::cli::names::Query;
use crate::model::env::findings::{ENVIRONMENT_LIMIT, findings};
use crate::model::env::local::{Forward, Local, rewrite};
use crate::model::env::verify::{Check, Verification, Verified};
use crate::model::env::{ContainerEnvironment, NamespaceVariables, Options, Origin, Secrets, Status};
use crate::model::env::{Variable, predict};
use crate::model::{ObjectKey, Text};

/// What verifying one container came to, by pod and container.
pub type Verifications = BTreeMap<(ObjectKey, Text), Result<Verification, Problem>>;

/// The environments of the pods that were asked for.
#[derive(Debug)]
pub struct Environments<'a> {
    facts: &'a Facts,
    query: &'a Query,
    container: Option<&'a str>,
    show_secrets: bool,
    /// `None` where it would only be assumed: a variable made of it would be a guess.
    cluster_domain: Option<String>,
    /// The domain, assumed or not: what names in values may end with.
    domain: String,
    /// What the containers really have, where that was asked for.
    pub verified: Option<Verifications>,
    /// The forwards to rewrite values to, where that was asked for.
    pub forwards: Option<Vec<Forward>>,
}

impl<'a> Environments<'a> {
    /// The environments of the pods of `query`; only of the container of one name, if one is given.
    pub fn new(facts: &'a Facts, query: &'a Query, container: Option<&'a str>, show_secrets: bool) -> Self {
        let (domain, _) = zone(facts);
        let cluster_domain = (!domain.how.is_assumed()).then(|| domain.text().to_owned());
        let domain = domain.text().to_owned();
        Self { facts, query, container, show_secrets, cluster_domain, domain, verified: None, forwards: None }
    }

    /// The values that are other ones on this computer.
    pub fn local(&self, row: &ContainerEnvironment) -> Local {
        let forwards = self.forwards.as_deref();
        forwards.map_or_else(Local::default, |f| rewrite(row, &self.facts.snapshot, &self.domain, f))
    }

    fn verification(&self, row: &ContainerEnvironment) -> Option<&Result<Verification, Problem>> {
        self.verified.as_ref()?.get(&(row.pod.clone(), row.container.clone()))
    }

    /// A line for each container that was verified, for a person.
    pub fn summaries(&self) -> Vec<String> {
        let results = self.verified.iter().flatten();
        let told = results.filter_map(|((pod, container), result)| {
            let result = result.as_ref().ok()?;
            let mut line = format!("{} / {container}: {} ({})", pod.name, result.summary(), result.by);
            for note in &result.notes {
                line = format!("{line}; {note}");
            }
            Some(line)
        });
        told.collect()
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
        for pod in self.facts.pods(self.query) {
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
        if self.verified.is_some() {
            headings.extend(["VERIFIED", "ACTUAL"]);
        }
        if wide {
            headings.push("REASON");
        }
        headings
    }

    fn lines(&self, row: &ContainerEnvironment, wide: bool) -> Vec<Vec<String>> {
        let (local, verification) = (self.local(row), self.verification(row));
        let result = verification.and_then(|v| v.as_ref().ok());
        let begin = |name: &str| vec![row.pod.name.to_string(), row.container.to_string(), name.to_owned()];
        let line = |v: Variable<'_>| {
            let (mut cells, check) = (begin(v.name), result.and_then(|result| result.get(v.name)));
            let here = local.values.get(v.name).map(|text| cut(text, wide));
            cells.extend([here.unwrap_or_else(|| value(&v, wide)), v.status.as_str().to_owned(), from(&v)]);
            if verification.is_some() {
                cells.extend(verdict(check, wide));
            }
            if wide {
                let note = check.and_then(|check| check.note.clone());
                let reasons: Vec<String> = v.reason().into_iter().chain(note).collect();
                cells.push(reasons.join("; "));
            }
            cells
        };
        let extra = |check: &Check| {
            let mut cells = begin(&check.name);
            cells.extend(["<none>", "<none>", "<none>"].map(str::to_owned));
            cells.extend(verdict(Some(check), wide));
            if wide {
                cells.extend(check.note.clone());
            }
            cells
        };
        let mut lines: Vec<Vec<String>> = row.variables().map(line).collect();
        if let Some(result) = result {
            lines.extend(result.unpredicted().map(extra));
            lines.sort_by(|a, b| a[2].cmp(&b[2]));
        }
        lines
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
        let pod = self.facts.snapshot.pod(&row.pod.namespace, &row.pod.name);
        let mut item = json!({
            "namespace": row.pod.namespace,
            "pod": row.pod.name,
            "container": row.container,
            "state": row.state_word(),
            "startedAt": row.started(),
            "serviceLinks": row.service_links,
            "bytes": row.bytes(),
            "serviceBytes": row.service_bytes(),
            "bytesLimit": ENVIRONMENT_LIMIT,
            "variables": self.documents(row),
            "unknown": row.unknowns(),
            "blocked": row.blocked,
            "findings": pod.map(|pod| findings(row, pod)).unwrap_or_default(),
        });
        match self.verification(row) {
            Some(Ok(result)) => {
                item["verifiedBy"] = json!(result.by);
                item["verifyNotes"] = json!(result.notes);
            }
            Some(Err(problem)) => {
                item["verifyError"] = json!(format!("{}: {}", problem.what, problem.why));
            }
            None => {}
        }
        item
    }

    fn nothing(&self) -> String {
        match (self.container, self.facts.pods(self.query).next()) {
            (Some(name), Some(_)) => format!("No container is called {name}."),
            _ => format!("No pods found {}.", self.facts.where_()),
        }
    }
}

impl Environments<'_> {
    /// The variables as a document has them, sorted by name; those that were not predicted among them.
    fn documents(&self, row: &ContainerEnvironment) -> Vec<Value> {
        let (local, verification) = (self.local(row), self.verification(row));
        let result = verification.and_then(|v| v.as_ref().ok());
        let mut all: Vec<(String, Value)> = Vec::new();
        for v in row.variables() {
            let mut document = variable(&v);
            if self.forwards.is_some() {
                document["local"] = json!(local.values.get(v.name));
            }
            if verification.is_some() {
                put_check(&mut document, result.and_then(|result| result.get(v.name)));
            }
            all.push((v.name.to_owned(), document));
        }
        let Some(result) = result else { return all.into_iter().map(|(_, document)| document).collect() };
        for check in result.unpredicted() {
            let mut document = json!({
                "name": check.name, "value": null, "status": null, "origin": null, "service": null, "reason": null,
            });
            put_check(&mut document, Some(check));
            all.push((check.name.to_string(), document));
        }
        all.sort_by(|a, b| a.0.cmp(&b.0));
        all.into_iter().map(|(_, document)| document).collect()
    }
}

fn put_check(document: &mut Value, check: Option<&Check>) {
    document["actual"] = json!(check.and_then(|check| check.actual.as_deref()));
    document["verified"] = json!(check.map_or(Verified::Unverifiable, |check| check.verified));
    document["actualHidden"] = json!(check.is_some_and(|check| check.hidden));
    document["verifyNote"] = json!(check.and_then(|check| check.note.as_deref()));
}

/// The verdict, and the value in the container where it is another one than predicted.
fn verdict(check: Option<&Check>, wide: bool) -> [String; 2] {
    let Some(check) = check else { return ["unverifiable", "<unknown>"].map(str::to_owned) };
    let actual = match &check.actual {
        Some(_) if check.verified == Verified::Equal => "<same>".to_owned(),
        _ if check.hidden => "<hidden>".to_owned(),
        Some(value) => cut(value, wide),
        None => "<none>".to_owned(),
    };
    [check.verified.as_str().to_owned(), actual]
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
        Some(value) => cut(value, wide),
    }
}

/// A value; in the narrow table no longer than fits beside the rest.
fn cut(value: &str, wide: bool) -> String {
    if wide || value.chars().count() <= VALUE_WIDTH {
        return value.to_owned();
    }
    let cut: String = value.chars().take(VALUE_WIDTH - 3).collect();
    format!("{cut}...")
}

fn from(v: &Variable<'_>) -> String {
    match (v.origin, v.service) {
        (Origin::Service, Some(service)) => format!("service/{}", service.name),
        (Origin::Service, None) if v.collides() => "services".to_owned(),
        (origin, _) => origin.as_str().to_owned(),
    }
}

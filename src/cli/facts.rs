//! What a command works on: the facts of a saved file or of a cluster, and what of them is not known.

use std::path::Path;
use std::sync::Arc;

use super::args::Explore;
use super::failure::{Exit, Failure};
use super::names::Query;
use crate::app::Problem;
use crate::cluster::objects::{self, ObjectsError};
use crate::model::env::Fetches;
use crate::model::time::Timestamp;
use crate::model::{ClusterSnapshot, Kind, Load, NamespaceScope, Pod, ServiceFacts};

/// The facts, and how sure they are.
#[derive(Debug)]
pub struct Facts {
    /// What is known.
    pub snapshot: Arc<ClusterSnapshot>,
    /// Name of the context; `None` for a file.
    pub context: Option<String>,
    /// The namespaces that were looked at.
    pub scope: NamespaceScope,
    /// The time that ages are told by.
    pub now: Timestamp,
    /// ConfigMaps, Secrets and nodes that were asked for by name and could not be read.
    pub fetches: Fetches,
    /// What did not work but did not stop the command.
    pub warnings: Vec<Problem>,
    /// The exit code that the warnings ask for.
    pub exit: Exit,
}

/// What a command has to know.
#[derive(Clone, Debug, Default)]
pub struct Needs {
    /// Kinds without which there is nothing to print.
    pub required: Vec<Kind>,
    /// Kinds without which something in what is printed is unknown.
    pub helpful: Vec<Kind>,
    /// Whether names of the cluster's domain are printed.
    pub dns: bool,
}

impl Needs {
    /// What computing the answers of the cluster's DNS takes.
    pub fn of_answers() -> Self {
        let helpful = vec![Kind::Namespace, Kind::EndpointSlice, Kind::Pod];
        Self { required: vec![Kind::Service], helpful, dns: true }
    }
}

impl Facts {
    /// The Services that a query is about, sorted by namespace and name.
    pub fn services(&self, query: &Query) -> Vec<Arc<ServiceFacts>> {
        let wants =
            |f: &&Arc<ServiceFacts>| query.wants(&self.scope, Kind::Service, f.key(), &f.service.labels);
        self.snapshot.services.iter().filter(wants).cloned().collect()
    }

    /// The pods that a query is about, sorted by namespace and name.
    pub fn pods<'a>(&'a self, query: &'a Query) -> impl Iterator<Item = &'a Pod> {
        let pods = self.snapshot.pods.values().flat_map(|pods| pods.iter());
        pods.filter(|p| query.wants(&self.scope, Kind::Pod, &p.key, &p.labels)).map(|p| &**p)
    }

    /// Whether rows have to say their namespace.
    pub fn several_namespaces(&self) -> bool {
        self.scope.single().is_none()
    }

    /// Whether everything of that kind in that namespace is known.
    pub fn knows(&self, kind: Kind, namespace: &str) -> bool {
        // What was known when the connection was lost is what there is to go by; a watch tells that it was.
        matches!(self.snapshot.load(kind, namespace), Some(Load::Live | Load::Stale { .. }))
    }

    /// The namespaces that were looked at, in words.
    pub fn where_(&self) -> String {
        in_words(&self.scope)
    }
}

/// Namespaces as the end of a sentence.
pub fn in_words(scope: &NamespaceScope) -> String {
    match scope {
        NamespaceScope::All => "in any namespace".to_owned(),
        NamespaceScope::Only(names) => {
            let names: Vec<&str> = names.iter().map(|n| &**n).collect();
            let word = if names.len() == 1 { "namespace" } else { "namespaces" };
            format!("in {word} {}", names.join(", "))
        }
    }
}

/// Reads a saved file.
///
/// # Errors
/// A file that can't be used, or that holds nothing of what the command is about.
pub fn from_file(file: &Path, explore: &Explore, query: &Query, needs: &Needs) -> Result<Facts, Failure> {
    let loaded = objects::load(file).map_err(|e| cannot_load(&e))?;
    // A file has no current namespace: without a word it is everything that is in it.
    let scope = match &query.scope {
        None if query.wishes.iter().all(|w| w.namespace.is_none()) => NamespaceScope::All,
        _ => query.namespaces("default"),
    };
    let now = explore.now.or(loaded.newest).unwrap_or_else(Timestamp::now);
    let mut facts = Facts {
        snapshot: Arc::new(loaded.snapshot),
        context: None,
        scope,
        now,
        fetches: Fetches::new(),
        warnings: vec![],
        exit: Exit::Fine,
    };
    if loaded.skipped > 0 {
        facts.warnings.push(Problem {
            what: format!("{} entries of the file were passed over", loaded.skipped),
            why: "They are no Kubernetes objects, or have no name.".to_owned(),
            hint: String::new(),
        });
    }
    let missing = |kind: &Kind| facts.snapshot.loads.iter().all(|l| l.kind != *kind);
    if let Some(kind) = needs.required.iter().find(|k| missing(k)) {
        return Err(Failure::new(
            Exit::Problems,
            format!("{} holds no {}", file.display(), kind.resource()),
            "Whether the cluster has any is unknown.",
            format!("Save them as well: {SAVE}"),
        ));
    }
    let unknown: Vec<&str> = needs.helpful.iter().filter(|k| missing(k)).map(|k| k.resource()).collect();
    if !unknown.is_empty() {
        facts.warnings.push(Problem {
            what: format!("nothing is known of {}", unknown.join(" and ")),
            why: "The file holds none.".to_owned(),
            hint: format!("Save them as well: {SAVE}"),
        });
    }
    Ok(facts)
}

/// How a file that holds everything is made.
pub const SAVE: &str = "kubectl get namespaces,services,endpointslices,pods,configmaps,secrets,networkpolicies -A -o json > saved.json";

/// What is wrong with a saved file.
pub fn cannot_load(error: &ObjectsError) -> Failure {
    let (what, why) = match error {
        ObjectsError::Read { file, error } => (format!("cannot read {file}"), sentence(&error.to_string())),
        ObjectsError::Json { file, error } => {
            (format!("{file} is broken JSON"), sentence(&error.to_string()))
        }
        ObjectsError::Yaml { file, what } => (format!("{file} is broken YAML"), sentence(what)),
        ObjectsError::Empty { file } => (
            format!("{file} holds no Kubernetes object that is read here"),
            "Services, EndpointSlices, pods, namespaces, ConfigMaps, Secrets and nodes are.".to_owned(),
        ),
    };
    Failure::new(Exit::Usage, what, why, format!("Make one with: {SAVE}"))
}

/// Words of the system or a library as a sentence.
fn sentence(words: &str) -> String {
    let mut characters = words.trim_end_matches('.').chars();
    let first = characters.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", characters.as_str())
}

//! The facts of a cluster: gathered once for a command that prints and ends, or followed for a watch.
//!
//! What it is not: the explorer's own way, which `runtime` goes. A command asks for what it prints and nothing else.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream;

use super::args::Explore;
use super::explore::overrides;
use super::facts::{Facts, Needs};
use super::failure::{Exit, Failure};
use super::list::List;
use super::names::Query;
use crate::app::Problem;
use crate::cluster::client::{Client, Terminal};
use crate::cluster::convert::Object;
use crate::cluster::kubeconfig::{Environment, Kubeconfig, Overrides};
use crate::cluster::reader::Reader;
use crate::cluster::session::fetch_once;
use crate::cluster::{ApiError, ApiErrorKind};
use crate::model::env::{Fetch, Fetches, references};
use crate::model::snapshot::LoadEntry;
use crate::model::time::Timestamp;
use crate::model::{ClusterSnapshot, Kind, Load, NamespaceScope, ObjectKey, ServiceFacts, Text};

mod follow;

/// What decides the answers of a cluster's DNS.
const WORLD: [Kind; 4] = [Kind::Namespace, Kind::Service, Kind::EndpointSlice, Kind::Pod];
/// So many objects are read at the same time.
const PARALLEL: usize = 8;

/// A cluster that a command works on.
#[derive(Debug)]
pub struct Cluster {
    client: Client,
    context: Option<String>,
    scope: NamespaceScope,
    now: Option<Timestamp>,
}

impl Cluster {
    /// Signs in to the cluster that flags and kubeconfig name; `kubeconfig` is one that beats both.
    ///
    /// # Errors
    /// A configuration that can't be used, credentials that can't be had.
    pub async fn open(
        explore: &Explore,
        kubeconfig: Option<PathBuf>,
        query: &Query,
    ) -> Result<Self, Failure> {
        let client = connect(explore, kubeconfig).await?;
        let target = client.target();
        let scope = query.namespaces(&target.namespace);
        let context = Some(target.context.clone()).filter(|c| !c.is_empty());
        Ok(Self { client, context, scope, now: explore.now })
    }

    /// Everything that a list needs, once.
    ///
    /// # Errors
    /// No answer, or no right to what the list is about.
    pub async fn once(&self, list: &List, query: &Query, needs: &Needs) -> Result<Facts, Failure> {
        let kinds: Vec<Kind> = needs.required.iter().chain(&needs.helpful).copied().collect();
        let mut reader = Reader::new(&self.client, self.now());
        reader.list(&kinds, &self.scope).await;
        if let Some(error) = reader.failure().or_else(|| reader.refused(Kind::Service)) {
            return Err(failed(error.clone()));
        }
        if needs.dns {
            reader.settings().await;
        }
        let mut facts = self.facts(Arc::new(reader.snapshot()));
        judge(&mut facts, needs)?;
        if let List::Env { show_secrets, .. } = list {
            self.read_references(&mut facts, query, *show_secrets).await;
        }
        self.check_namespaces(&facts, query).await?;
        Ok(facts)
    }

    /// The context's name.
    pub fn context(&self) -> Option<&str> {
        self.context.as_deref()
    }

    /// The namespace of the context (or of `-n`), for what is named without one.
    pub fn namespace(&self) -> &str {
        &self.client.target().namespace
    }

    /// Facts that were gathered otherwise, as everything here uses them.
    pub fn facts_of(&self, snapshot: ClusterSnapshot) -> Facts {
        self.facts(Arc::new(snapshot))
    }

    /// The connection, for requests of one's own.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Everything that decides what the cluster's DNS answers: of the whole cluster, or where that is not allowed of
    /// the namespace that is used and of `also`.
    ///
    /// # Errors
    /// No answer, or no right to the Services of any of them.
    pub async fn world(&self, also: &[Text]) -> Result<Facts, Failure> {
        let instead: BTreeSet<Text> = match &self.scope {
            NamespaceScope::Only(names) => names.iter().chain(also).cloned().collect(),
            NamespaceScope::All => also.iter().cloned().collect(),
        };
        let mut reader = Reader::new(&self.client, self.now());
        let scope = reader.list_everywhere(&WORLD, &instead).await;
        let lost = reader.failure().or_else(|| reader.refused(Kind::Service).filter(|_| instead.is_empty()));
        if let Some(error) = lost {
            return Err(failed(error.clone()));
        }
        reader.settings().await;
        let mut snapshot = reader.snapshot();
        if scope != NamespaceScope::All {
            // It is said once and below where answers come from, not for each kind.
            let narrow: BTreeSet<Kind> =
                snapshot.loads.iter().filter(|l| l.namespace.is_some()).map(|l| l.kind).collect();
            snapshot.loads.retain(|l| l.namespace.is_some() || !narrow.contains(&l.kind));
        }
        let mut facts = Facts { scope, ..self.facts(Arc::new(snapshot)) };
        judge(&mut facts, &Needs::of_answers())?;
        if facts.scope != NamespaceScope::All {
            facts.warnings.push(Problem {
                what: format!("answers are computed {} alone", facts.where_()),
                why: "Services of the whole cluster may not be listed.".to_owned(),
                hint: "Names of other namespaces are said to be unknown.".to_owned(),
            });
        }
        Ok(facts)
    }

    fn now(&self) -> Timestamp {
        self.now.unwrap_or_else(Timestamp::now)
    }

    fn facts(&self, snapshot: Arc<ClusterSnapshot>) -> Facts {
        Facts {
            snapshot,
            context: self.context.clone(),
            scope: self.scope.clone(),
            now: self.now(),
            fetches: Fetches::new(),
            warnings: vec![],
            exit: Exit::Fine,
        }
    }

    /// What environments refer to: ConfigMaps, nodes, Secrets if they are to be shown, and `default/kubernetes`.
    async fn read_references(&self, facts: &mut Facts, query: &Query, show_secrets: bool) {
        let mut wanted = wanted_references(facts, query, show_secrets);
        wanted.insert((Kind::Service, ObjectKey::new("default", "kubernetes")));
        let snapshot = Arc::make_mut(&mut facts.snapshot);
        wanted.retain(|(kind, key)| *kind != Kind::Service || snapshot.service(key).is_none());
        for ((kind, key), result) in self.fetch_all(wanted).await {
            match result {
                Ok(object) => put(snapshot, Some(object)),
                Err(error) => drop(facts.fetches.insert((kind, key), without_data(error))),
            }
        }
    }

    async fn fetch_all(
        &self,
        wanted: BTreeSet<(Kind, ObjectKey)>,
    ) -> Vec<((Kind, ObjectKey), Result<Object, ApiError>)> {
        stream::iter(wanted)
            .map(|(kind, key)| async move {
                let result = fetch_once(&self.client, kind, &key).await;
                ((kind, key), result)
            })
            .buffer_unordered(PARALLEL)
            .collect()
            .await
    }

    /// A namespace without anything in it may be one that does not exist; where that can be asked, it is.
    async fn check_namespaces(&self, facts: &Facts, query: &Query) -> Result<(), Failure> {
        let NamespaceScope::Only(names) = &facts.scope else { return Ok(()) };
        if query.scope.is_none() && query.wishes.iter().all(|w| w.namespace.is_none()) {
            return Ok(());
        }
        for name in names {
            let empty =
                facts.snapshot.services_in(name).is_empty() && facts.snapshot.pods_in(name).is_empty();
            let key = ObjectKey::new("", name.clone());
            if empty
                && let Err(error) = fetch_once(&self.client, Kind::Namespace, &key).await
                && error.kind == ApiErrorKind::NotFound
            {
                return Err(Failure::new(
                    Exit::Problems,
                    format!("namespace \"{name}\" not found"),
                    "The cluster has none of that name.",
                    "`kubectl get namespaces` lists them; -A looks at all.",
                ));
            }
        }
        Ok(())
    }
}

/// What the environments of the wanted pods refer to. Secrets are read only where their values are to be shown.
fn wanted_references(facts: &Facts, query: &Query, show_secrets: bool) -> BTreeSet<(Kind, ObjectKey)> {
    facts
        .pods(query)
        .flat_map(|pod| pod.spec.containers.iter().flat_map(move |c| references(pod, c)))
        .filter(|(kind, _)| show_secrets || *kind != Kind::Secret)
        .collect()
}

/// Puts an object that was read by name into a snapshot.
fn put(snapshot: &mut ClusterSnapshot, object: Option<Object>) {
    match object {
        Some(Object::ConfigMap(data)) => {
            Arc::make_mut(&mut snapshot.config_maps).insert(data.key.clone(), data);
        }
        Some(Object::Secret(data)) => {
            Arc::make_mut(&mut snapshot.secrets).insert(data.key.clone(), data);
        }
        Some(Object::Node(node)) => {
            Arc::make_mut(&mut snapshot.nodes).insert(node.name.clone(), node);
        }
        Some(Object::Service(service)) => {
            let services = Arc::make_mut(&mut snapshot.services);
            if let Err(at) = services.binary_search_by(|f| f.key().cmp(&service.key)) {
                services.insert(at, Arc::new(ServiceFacts::new(service, vec![])));
            }
        }
        _ => {}
    }
}

fn without_data(error: ApiError) -> Fetch {
    match error.kind {
        ApiErrorKind::NotFound => Fetch::Missing,
        ApiErrorKind::Forbidden { .. } => Fetch::Forbidden(error.why.into()),
        _ => Fetch::Failed(error.why.into()),
    }
}

/// The entries of the kinds that a list needs, in the namespaces that it looks at.
fn entries<'a>(facts: &'a Facts, kinds: &'a [Kind]) -> impl Iterator<Item = &'a LoadEntry> {
    facts.snapshot.loads.iter().filter(|entry| {
        kinds.contains(&entry.kind) && entry.namespace.as_ref().is_none_or(|n| facts.scope.contains(n))
    })
}

/// Whether every list has come to an end, a good one or not.
fn loaded(facts: &Facts, needs: &Needs) -> bool {
    let known = |kind: &Kind| entries(facts, std::slice::from_ref(kind)).next().is_some();
    needs.required.iter().chain(&needs.helpful).all(known)
        && entries(facts, &needs.required)
            .chain(entries(facts, &needs.helpful))
            .all(|entry| !matches!(entry.load, Load::Loading(_)))
}

/// What can't be shown for lack of rights or of a connection: a failure where nothing is left to show, else warnings.
fn judge(facts: &mut Facts, needs: &Needs) -> Result<(), Failure> {
    let mut problems = Vec::new();
    for (kinds, required) in [(&needs.required, true), (&needs.helpful, false)] {
        let shown = entries(facts, kinds).any(|entry| matches!(entry.load, Load::Live | Load::Stale { .. }));
        for entry in entries(facts, kinds) {
            let Some((exit, problem)) = trouble(entry) else { continue };
            if required && !shown {
                return Err(Failure { exit, problem });
            }
            problems.push((if required { exit } else { Exit::Fine }, problem));
        }
    }
    for (exit, problem) in problems {
        facts.exit = facts.exit.max(exit);
        facts.warnings.push(problem);
    }
    Ok(())
}

fn trouble(entry: &LoadEntry) -> Option<(Exit, Problem)> {
    let place = match &entry.namespace {
        Some(namespace) => format!("in namespace {namespace}"),
        None => "in the whole cluster".to_owned(),
    };
    let resource = entry.kind.resource_and_group();
    match &entry.load {
        Load::Forbidden { verb, message } => Some((
            Exit::Forbidden,
            Problem {
                what: format!("no right to {verb} {resource} {place}"),
                why: message.to_string(),
                hint: match (&entry.namespace, entry.kind.namespaced()) {
                    (None, true) => "Name namespaces that you may see with -n.".to_owned(),
                    _ => format!("Ask for a role that allows {verb} of {resource}, such as \"view\"."),
                },
            },
        )),
        Load::Failed { why, .. } => Some((
            Exit::Unreachable,
            Problem {
                what: format!("cannot list {resource} {place}"),
                why: why.to_string(),
                hint: "Check that the API server can be reached: kubectl cluster-info.".to_owned(),
            },
        )),
        Load::Loading(_) | Load::Live | Load::Stale { .. } => None,
    }
}

/// Why what is printed may be out of date, if it may.
fn lost_connection(facts: &Facts, needs: &Needs) -> Option<Problem> {
    entries(facts, &needs.required).chain(entries(facts, &needs.helpful)).find_map(|e| match &e.load {
        Load::Stale { why, .. } => Some(Problem {
            what: format!("the connection is lost; {} may be out of date", e.kind.resource()),
            why: why.to_string(),
            hint: "It is tried again.".to_owned(),
        }),
        _ => None,
    })
}

/// Signs in to the cluster that flags and kubeconfig name; `kubeconfig` is one that beats both.
///
/// # Errors
/// A configuration that can't be used, credentials that can't be had.
pub async fn connect(explore: &Explore, kubeconfig: Option<PathBuf>) -> Result<Client, Failure> {
    let overrides = overrides(explore)?;
    let overrides = Overrides { kubeconfig: kubeconfig.or(overrides.kubeconfig.clone()), ..overrides };
    let target = Kubeconfig::load(&overrides, &Environment::of_process())
        .and_then(|kubeconfig| kubeconfig.target())
        .map_err(|e| failed(e.into()))?;
    let client = Client::new(target, Terminal::Shared).map_err(failed)?;
    client.sign_in().await.map_err(failed)?;
    Ok(client)
}

/// An error of the API server or the way to it.
pub(super) fn failed(error: ApiError) -> Failure {
    let exit = match error.kind {
        ApiErrorKind::Config => Exit::Usage,
        ApiErrorKind::Forbidden { .. } | ApiErrorKind::Unauthorized | ApiErrorKind::Credential => {
            Exit::Forbidden
        }
        ApiErrorKind::NotFound => Exit::Problems,
        _ => Exit::Unreachable,
    };
    Failure::new(exit, error.what, error.why, error.hint)
}

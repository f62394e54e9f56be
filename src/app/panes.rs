//! The right-hand panes: the rows that follow the selection, and where each pane's own selection is.
//!
//! Rows are made again only when what they show changed, and only for panes that are on the screen. A selection is
//! text (an address, a record, a variable), so it stays on its line.

mod containers;
mod environment;

use std::sync::Arc;

use crate::model::dns::forms::FormKind;
use crate::model::dns::resolvconf::{KubeletDns, ResolvConf};
use crate::model::dns::search::Libc;
use crate::model::dns::{self, ClusterDomain, NameForm, Record, Server, Zone};
use crate::model::env::verify::Verification;
use crate::model::env::{self, ContainerEnvironment};
use crate::model::join::{self, EndpointRow, PodService};
use crate::model::snapshot::LoadEntry;
use crate::model::{ClusterSnapshot, Finding, ObjectKey, Pod, Service, ServiceFacts, Text, diagnose};

use super::cursor::Cursor;
use super::state::{Pane, Viewpoint};
use super::{App, MainView};

/// What the panes are about.
#[derive(Clone, Debug)]
pub enum Subject {
    /// A Service.
    Service(Arc<ServiceFacts>),
    /// A pod.
    Pod(Arc<Pod>),
}

impl Subject {
    /// Its key.
    pub fn key(&self) -> &ObjectKey {
        match self {
            Self::Service(facts) => facts.key(),
            Self::Pod(pod) => &pod.key,
        }
    }

    fn same_object(&self, other: &Self) -> bool {
        self.key() == other.key()
            && matches!((self, other), (Self::Service(_), Self::Service(_)) | (Self::Pod(_), Self::Pod(_)))
    }

    fn same_data(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Service(a), Self::Service(b)) => Arc::ptr_eq(a, b),
            (Self::Pod(a), Self::Pod(b)) => Arc::ptr_eq(a, b),
            _ => false,
        }
    }
}

/// A line of the Environment pane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EnvRow {
    /// A heading: the variables of this Service follow, or with `None` those that come from elsewhere.
    Heading(Option<ObjectKey>),
    /// A variable, to be looked up in the environment by its name.
    Variable(Box<str>),
    /// A heading: what the container has besides, and no prediction speaks of.
    Besides,
    /// A variable that was not predicted, to be looked up in the verification by its name.
    Unpredicted(Box<str>),
}

/// What the Environment pane shows.
#[derive(Debug)]
pub enum EnvironmentPane {
    /// The environment of a container.
    Container {
        /// The pod.
        pod: Arc<Pod>,
        /// The container.
        container: Text,
        /// Its variables.
        environment: Box<ContainerEnvironment>,
        /// The lines.
        rows: Vec<EnvRow>,
        /// How many variables there are, and how many of them the lines show.
        counts: (usize, usize),
        /// What is worth telling about it, worst first.
        findings: Vec<Finding>,
        /// The prediction held against the last look into the container.
        verification: Option<Box<Verification>>,
    },
    /// No pod is known: what the Service gives to a container that starts now in its namespace.
    Service(Vec<(String, String)>),
}

/// ConfigMaps or Secrets by name.
type ConfigMaps = std::collections::BTreeMap<ObjectKey, Arc<crate::model::ConfigData>>;

/// The DNS server's settings as the snapshot tells them, parsed once for each state of the ConfigMaps.
#[derive(Clone, Debug)]
struct Settings {
    of: Arc<ConfigMaps>,
    zone: Zone,
    kubelet: KubeletDns,
}

/// What the rows were made from; they are made again when it differs.
#[derive(Clone, Debug, Default)]
struct MadeFrom {
    subject: Option<Subject>,
    pods: Option<Arc<Vec<Arc<Pod>>>>,
    loads: Vec<LoadEntry>,
    services: Vec<Arc<Service>>,
    zone: Option<Zone>,
    from: Option<dns::Viewpoint>,
    container: Option<(ObjectKey, Text)>,
    config_maps: Option<Arc<ConfigMaps>>,
    secrets: Option<Arc<ConfigMaps>>,
    visible: [bool; 4],
}

/// Rows and selections of the right-hand panes.
#[derive(Debug, Default)]
pub struct Panes {
    /// What the panes are about.
    pub subject: Option<Subject>,
    /// Rows of the Endpoints pane, where the subject is a Service.
    pub endpoints: Vec<EndpointRow>,
    /// Rows of the Endpoints pane, where the subject is a pod: the Services that lead to it.
    pub leading: Vec<PodService>,
    /// What is the matter with the subject, worst first.
    pub findings: Vec<Finding>,
    /// The cluster's domain and how it is known.
    pub domain: ClusterDomain,
    /// Rows of the DNS pane.
    pub records: Vec<Record>,
    /// The ways to write the Service's name, shortest first, and which of them work from the viewpoint.
    pub names: Vec<NameForm>,
    /// The Environment pane; `None` while nothing is known that could be shown.
    pub environment: Option<EnvironmentPane>,
    cursors: [Cursor<String>; 4],
    made_from: MadeFrom,
    settings: Option<Settings>,
}

impl Panes {
    /// The selection of a pane.
    pub fn cursor(&self, pane: Pane) -> &Cursor<String> {
        &self.cursors[pane.index()]
    }

    /// The container that the Environment pane is about and, unless another viewpoint is pinned, that everything is
    /// seen from.
    pub fn container(&self) -> Option<&(ObjectKey, Text)> {
        self.made_from.container.as_ref()
    }

    /// Whether there is a record of the Service's own name now: a search list alone finds nothing. One rule for what
    /// is shown and what is copied.
    pub fn name_exists(&self) -> bool {
        let whole = self.names.iter().find(|f| f.kind == FormKind::Absolute);
        whole.is_some_and(|f| self.records.iter().any(|r| r.name.eq_ignore_ascii_case(&f.text)))
    }

    /// How many rows a pane has.
    pub fn len(&self, pane: Pane) -> usize {
        match pane {
            Pane::Main => 0,
            Pane::Endpoints if matches!(self.subject, Some(Subject::Pod(_))) => self.leading.len(),
            Pane::Endpoints => self.endpoints.len(),
            Pane::Dns => self.records.len(),
            Pane::Environment => match &self.environment {
                Some(EnvironmentPane::Container { rows, .. }) => rows.len(),
                Some(EnvironmentPane::Service(variables)) => variables.len(),
                None => 0,
            },
        }
    }

    /// What a row is found again by.
    fn key_at(&self, pane: Pane, row: usize) -> String {
        match pane {
            Pane::Main => String::new(),
            Pane::Endpoints if matches!(self.subject, Some(Subject::Pod(_))) => {
                self.leading[row].service.key().to_string()
            }
            Pane::Endpoints => {
                let row = &self.endpoints[row];
                format!("{} {}", row.address, row.target.as_ref().map_or("", |t| &t.name))
            }
            Pane::Dns => {
                let r = &self.records[row];
                format!("{} {} {}", r.name, r.kind, r.data)
            }
            Pane::Environment => match &self.environment {
                Some(EnvironmentPane::Container { rows, .. }) => match &rows[row] {
                    EnvRow::Heading(service) => format!("={}", service.as_ref().map_or("", |s| &s.name)),
                    EnvRow::Variable(name) | EnvRow::Unpredicted(name) => name.to_string(),
                    EnvRow::Besides => "+".to_owned(),
                },
                Some(EnvironmentPane::Service(variables)) => variables[row].0.clone(),
                None => String::new(),
            },
        }
    }

    fn anchor(&mut self, pane: Pane, page: usize) {
        let mut cursor = std::mem::take(&mut self.cursors[pane.index()]);
        let len = self.len(pane);
        cursor.anchor(
            len,
            page,
            |key| (0..len).find(|row| self.key_at(pane, *row) == *key),
            |row| self.key_at(pane, row),
        );
        self.cursors[pane.index()] = cursor;
    }

    /// What was fetched by name changed: the environment is made again with the next look.
    pub(super) fn fetches_changed(&mut self) {
        self.made_from.config_maps = None;
    }

    fn with_cursor(&mut self, pane: Pane, act: impl FnOnce(&mut Cursor<String>, &Self, usize)) {
        let mut cursor = std::mem::take(&mut self.cursors[pane.index()]);
        act(&mut cursor, self, self.len(pane));
        self.cursors[pane.index()] = cursor;
    }

    pub(super) fn step(&mut self, pane: Pane, by: isize, page: usize) {
        self.with_cursor(pane, |cursor, panes, len| {
            cursor.step(by, len, page, |row| panes.key_at(pane, row));
        });
    }

    pub(super) fn go(&mut self, pane: Pane, to: usize, page: usize) {
        self.with_cursor(pane, |cursor, panes, len| cursor.go(to, len, page, |row| panes.key_at(pane, row)));
    }

    pub(super) fn scroll(&mut self, pane: Pane, by: isize, page: usize) {
        self.with_cursor(pane, |cursor, panes, len| {
            cursor.scroll(by, len, page, |row| panes.key_at(pane, row));
        });
    }
}

impl App {
    /// Makes the rows of the right-hand panes again, as far as something they show changed.
    pub(super) fn repane(&mut self) {
        let subject = match self.view {
            MainView::Services => self.services.selected().cloned().map(Subject::Service),
            MainView::Pods => self.pods.selected().cloned().map(Subject::Pod),
        };
        let moved = match (&subject, &self.panes.subject) {
            (Some(new), Some(old)) => !new.same_object(old),
            (None, None) => false,
            _ => true,
        };
        if moved {
            self.panes.cursors = Default::default();
            self.container_choice = None;
            self.environment.revealed.clear();
        }
        self.panes.subject.clone_from(&subject);
        let Some(subject) = subject else {
            let settings = self.panes.settings.take();
            self.panes = Panes { domain: self.panes.domain.clone(), settings, ..Panes::default() };
            return;
        };
        self.refresh_settings();
        self.keep_container(&subject);
        let made_from = self.made_from(&subject);
        let old = std::mem::replace(&mut self.panes.made_from, made_from);
        let new = self.panes.made_from.clone();
        let subject_changed = !old.subject.as_ref().is_some_and(|s| s.same_data(&subject));
        let pods_changed = !same(old.pods.as_ref(), new.pods.as_ref());
        let loads_changed = old.loads != new.loads;
        let shown = |pane: Pane| new.visible[pane.index()] && !old.visible[pane.index()];
        if subject_changed || pods_changed || loads_changed || old.zone != new.zone {
            self.make_endpoints(&subject);
        }
        if subject_changed || pods_changed || old.zone != new.zone || old.from != new.from {
            self.make_names(&subject);
        }
        let services_changed = old.services.len() != new.services.len()
            || old.services.iter().zip(&new.services).any(|(a, b)| !Arc::ptr_eq(a, b));
        if subject_changed
            || services_changed
            || loads_changed
            || pods_changed
            || old.container != new.container
            || !same(old.config_maps.as_ref(), new.config_maps.as_ref())
            || !same(old.secrets.as_ref(), new.secrets.as_ref())
            || shown(Pane::Environment)
        {
            self.make_environment(&subject);
        }
    }

    /// Reads the settings of the cluster's DNS again, if the ConfigMaps that tell them changed.
    fn refresh_settings(&mut self) {
        let of = &self.snapshot.config_maps;
        if self.panes.settings.as_ref().is_none_or(|s| !Arc::ptr_eq(&s.of, of)) {
            let server = Server::of(&self.snapshot);
            let domain = ClusterDomain::of(&self.snapshot, &server);
            let zone = Zone::new(&server, &domain);
            let kubelet = KubeletDns::of(&self.snapshot, &domain);
            self.panes.domain = domain;
            self.panes.settings = Some(Settings { of: of.clone(), zone, kubelet });
        }
    }

    fn made_from(&self, subject: &Subject) -> MadeFrom {
        let snapshot = &self.snapshot;
        let namespace = &subject.key().namespace;
        let container = self.container(subject);
        let environment_namespace = container.as_ref().map_or(namespace, |(pod, _)| &pod.namespace);
        let visible = Pane::ALL.map(|pane| self.layout.viewport.rows[pane.index()] > 0);
        let services = if visible[Pane::Environment.index()] {
            let kubernetes = ObjectKey::new("default", "kubernetes");
            snapshot
                .services_in(environment_namespace)
                .iter()
                .chain(snapshot.service(&kubernetes))
                .map(|f| f.service.clone())
                .collect()
        } else {
            Vec::new()
        };
        MadeFrom {
            subject: Some(subject.clone()),
            pods: snapshot.pods.get(namespace).cloned(),
            loads: snapshot.loads.clone(),
            services,
            zone: self.panes.settings.as_ref().map(|s| s.zone.clone()),
            from: Some(self.dns_viewpoint(subject)),
            container,
            config_maps: Some(snapshot.config_maps.clone()),
            secrets: Some(snapshot.secrets.clone()),
            visible,
        }
    }

    fn make_endpoints(&mut self, subject: &Subject) {
        let snapshot = self.snapshot.clone();
        match subject {
            Subject::Service(facts) => {
                self.panes.endpoints = join::endpoint_rows(facts, &snapshot);
                self.panes.findings =
                    diagnose::diagnose(facts, &snapshot, self.now, self.panes.domain.text());
                self.panes.leading.clear();
            }
            Subject::Pod(pod) => {
                self.panes.leading = join::services_of_pod(pod, &snapshot);
                self.panes.endpoints.clear();
                self.panes.findings.clear();
            }
        }
        let page = self.page(Pane::Endpoints);
        self.panes.anchor(Pane::Endpoints, page);
    }

    fn make_names(&mut self, subject: &Subject) {
        let from = self.panes.made_from.from.clone().unwrap_or(dns::Viewpoint::Laptop);
        let Some(zone) = self.panes.made_from.zone.clone() else { return };
        match subject {
            Subject::Service(facts) => {
                self.panes.records = dns::service_records(facts, &zone);
                self.panes.names = dns::names_for(facts.key(), &from, &zone.domain);
            }
            Subject::Pod(pod) => {
                self.panes.records = dns::pod_record(pod, &zone).into_iter().collect();
                self.panes.names.clear();
            }
        }
        let page = self.page(Pane::Dns);
        self.panes.anchor(Pane::Dns, page);
    }

    fn make_environment(&mut self, subject: &Subject) {
        if !self.panes.made_from.visible[Pane::Environment.index()] {
            return;
        }
        let snapshot = self.snapshot.clone();
        let chosen = self.panes.made_from.container.clone();
        if self.environment.revealed_of != chosen {
            self.environment.revealed.clear();
            self.environment.revealed_of.clone_from(&chosen);
        }
        let found = chosen.and_then(|(pod, name)| {
            let pod = snapshot.pod(&pod.namespace, &pod.name)?.clone();
            pod.spec.container(&name)?;
            Some((pod, name))
        });
        self.panes.environment = match (found, subject) {
            (Some((pod, container)), _) => {
                let options = env::Options {
                    cluster_domain: Some(self.panes.domain.text()),
                    fetches: Some(&self.fetches),
                    secrets: env::Secrets::Named(&self.environment.revealed),
                };
                Some(environment::of(&snapshot, &options, (pod, container), subject, self))
            }
            (None, Subject::Service(facts)) if snapshot_knows_pods(&snapshot, facts) => {
                Some(EnvironmentPane::Service(env::service_variables(&facts.service)))
            }
            _ => None,
        };
        let page = self.page(Pane::Environment);
        self.panes.anchor(Pane::Environment, page);
    }

    /// Lists the environment's lines again: a key of the search line costs no prediction.
    pub(super) fn relist_environment(&mut self) {
        if let Some(pane) = &mut self.panes.environment {
            environment::relist(pane, self.panes.subject.as_ref(), &self.environment);
        }
        let page = self.page(Pane::Environment);
        self.panes.anchor(Pane::Environment, page);
    }

    /// From where names are looked at, as the DNS rules need it.
    fn dns_viewpoint(&self, subject: &Subject) -> dns::Viewpoint {
        let of_pod = |key: &ObjectKey| {
            let pod = self.snapshot.pod(&key.namespace, &key.name)?;
            let kubelet = &self.panes.settings.as_ref()?.kubelet;
            Some(dns::Viewpoint::Pod {
                namespace: key.namespace.clone(),
                resolv_conf: ResolvConf::of_pod(pod, kubelet),
                // The API does not tell what is in an image; glibc is what most have.
                libc: Libc::Glibc,
            })
        };
        match &self.viewpoint {
            Viewpoint::Laptop => dns::Viewpoint::Laptop,
            Viewpoint::Namespace(namespace) => dns::Viewpoint::Namespace(namespace.clone()),
            Viewpoint::Container { pod, .. } => {
                of_pod(pod).unwrap_or_else(|| dns::Viewpoint::Namespace(pod.namespace.clone()))
            }
            Viewpoint::Selection => self
                .container(subject)
                .and_then(|(pod, _)| of_pod(&pod))
                .unwrap_or_else(|| dns::Viewpoint::Namespace(subject.key().namespace.clone())),
        }
    }
}

fn same<T>(a: Option<&Arc<T>>, b: Option<&Arc<T>>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => Arc::ptr_eq(a, b),
        (None, None) => true,
        _ => false,
    }
}

fn snapshot_knows_pods(snapshot: &ClusterSnapshot, facts: &ServiceFacts) -> bool {
    snapshot.pods.contains_key(&facts.key().namespace)
        || snapshot
            .load(crate::model::Kind::Pod, &facts.key().namespace)
            .is_some_and(crate::model::Load::is_live)
}

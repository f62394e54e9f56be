//! The pure state machine behind the screen: a message in, a new state and effects out.
//!
//! What it is: everything that a person's keys, the cluster's news and the passing of time do to what is shown.
//! What it is not: it never fails, waits, reads a clock, opens a socket or knows a key by its code. Time is a
//! message ([`Message::Tick`]); what has to be done outside is data ([`Effect`]) that `runtime` carries out.
//!
//! One owner for each fact: what the cluster says lives in the snapshot, what a person wants lives here, sockets
//! live in `runtime`.

pub mod action;
pub mod cursor;
pub mod effect;
pub mod environment;
pub mod filter;
pub mod input;
pub mod lookups;
pub mod message;
pub mod overlay;
pub mod panes;
pub mod problem;
pub mod profiles;
pub mod sessions;
pub mod state;
pub mod table;

mod choose;
mod copy;
pub mod cure;
mod keys;

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

pub use action::{Action, Group, Mode};
pub use effect::{Effect, Id};
pub use input::Line;
pub use message::{ContextInfo, CopyOutcome, Edit, Identity, Message, Target, Viewport};
pub use overlay::{Choice, Confirm, Entry, Overlay, Picker, PickerKind};
pub use problem::Problem;
pub use state::{Connection, Layout, MainView, Notice, Pane, Tone, Viewpoint};
pub use table::{Column, Row, Table};

use crate::model::dns::{self, DnsHealth};
use crate::model::time::Timestamp;
use crate::model::{ClusterSnapshot, Kind, NamespaceScope, ObjectKey, Pod, ServiceFacts, Text, env};

/// Where the pods are that serve the cluster's DNS.
const DNS_NAMESPACE: &str = "kube-system";

/// The whole state of the explorer.
#[derive(Debug, Default)]
pub struct App {
    /// The time, as the last tick told it.
    pub now: Timestamp,
    /// The newest picture of the cluster.
    pub snapshot: Arc<ClusterSnapshot>,
    /// The connection.
    pub connection: Connection,
    /// Namespaces that are looked at; `None` until the connection knows.
    pub scope: Option<NamespaceScope>,
    /// The scope to come back to from all namespaces.
    narrow_scope: Option<NamespaceScope>,
    /// Namespaces that a person typed in or the configuration names, for clusters that may not be listed.
    pub known_namespaces: BTreeSet<Text>,
    /// Services or pods.
    pub view: MainView,
    /// The list of Services.
    pub services: Table<ServiceFacts>,
    /// The list of pods.
    pub pods: Table<Pod>,
    /// The right-hand panes.
    pub panes: panes::Panes,
    /// What a person wants to see of the environment.
    pub environment: environment::EnvironmentView,
    /// The forwards and the API proxy.
    pub sessions: sessions::Sessions,
    /// The pods that serve the cluster's DNS, as far as they are known.
    pub dns_health: DnsHealth,
    /// Names asked about.
    pub lookups: lookups::Lookups,
    /// The last look into a container.
    pub look: Option<cure::Look>,
    /// Who lacks the selected Service's variables, while a page shows it.
    pub lacking: Option<cure::Lacking>,
    /// The restart that is being planned, and for which Service.
    planning: Option<(Id, ObjectKey)>,
    /// Nothing in the cluster may be changed.
    pub read_only: bool,
    /// The container that was chosen for the Environment pane.
    container_choice: Option<(ObjectKey, Text)>,
    matcher: filter::Matcher,
    /// The pane that keys go to.
    pub focus: Pane,
    /// From where everything is seen.
    pub viewpoint: Viewpoint,
    /// What lies over the panes, the topmost last.
    pub overlays: Vec<Overlay>,
    /// Whether the filter line is being typed.
    pub filtering: bool,
    /// What just happened, newest last.
    pub notices: VecDeque<Notice>,
    /// How the screen is divided.
    pub layout: Layout,
    /// Namespaces whose pods are watched (`None`: all).
    pod_demand: BTreeSet<Option<Text>>,
    /// ConfigMaps that were asked for, and what came of it where they did not come.
    fetches: env::Fetches,
    /// The copy that is under way.
    copying: Option<(Id, String)>,
    next_id: Id,
    /// The program is to end.
    pub quitting: bool,
}

impl App {
    /// A state that has just begun: the effects open the first connection.
    pub fn start(now: Timestamp) -> (Self, Vec<Effect>) {
        let mut app = Self { now, ..Self::default() };
        let effects = app.connect(None);
        (app, effects)
    }

    /// Which set of key bindings applies now.
    pub fn mode(&self) -> Mode {
        match self.overlays.last() {
            Some(Overlay::Picker(_) | Overlay::Confirm(overlay::Confirm { word: Some(_), .. })) => {
                Mode::Input
            }
            Some(_) => Mode::Menu,
            None if self.filtering => Mode::Input,
            None => Mode::Browse,
        }
    }

    /// Takes in one message. Never fails; what is late or unknown is dropped.
    pub fn update(&mut self, message: Message) -> Vec<Effect> {
        let mut effects = match message {
            Message::Snapshot(snapshot) => self.take_snapshot(snapshot),
            Message::Connected { epoch, identity, scope } => self.connected(epoch, identity, scope),
            Message::ConnectFailed { epoch, problem } => {
                if epoch == self.connection.epoch {
                    self.connection.problem = Some(problem);
                }
                vec![]
            }
            Message::Contexts(contexts) => {
                self.connection.contexts = contexts;
                vec![]
            }
            Message::Action(action) => self.act(action),
            Message::Edit(edit) => self.edit(&edit),
            Message::Click { target, double } => self.click(target, double),
            Message::Wheel { target, lines } => self.wheel(&target, lines),
            Message::DragSplit(share) => {
                self.layout.split = share.clamp(200, 800);
                vec![]
            }
            Message::Viewport(viewport) => self.resized(viewport),
            Message::Tick(now) => self.tick(now),
            Message::NotFetched { epoch, kind, key, why } => {
                if epoch == self.connection.epoch {
                    self.fetches.insert((kind, key), why);
                    self.panes.fetches_changed();
                    self.repane();
                }
                vec![]
            }
            Message::SignInAsked { epoch, why } => {
                self.sign_in_asked(epoch, why);
                vec![]
            }
            Message::SignedIn { epoch, problem } => self.signed_in(epoch, problem),
            Message::Forwards(forwards) => {
                self.take_forwards(forwards);
                vec![]
            }
            Message::Resolved { id, result } => {
                self.resolved(id, result);
                vec![]
            }
            Message::DnsMetrics { epoch, metrics } => {
                if epoch == self.connection.epoch {
                    self.dns_health.metrics = metrics;
                }
                vec![]
            }
            Message::Examined { id, result } => {
                self.examined(id, *result);
                vec![]
            }
            Message::Looked { id, result } => {
                self.looked(id, result);
                vec![]
            }
            Message::RestartPlanned { id, result } => {
                self.planned(id, result);
                vec![]
            }
            Message::Restarted(result) => {
                self.restarted(result);
                vec![]
            }
            Message::Profiles { epoch, act, result } => self.take_profiles(epoch, &act, result),
            Message::Proxy(proxy) => {
                self.take_proxy(proxy);
                vec![]
            }
            Message::Refused(problem) => {
                self.refused(problem);
                vec![]
            }
            Message::Note(text) => {
                self.note(text);
                vec![]
            }
            Message::Copied { id, outcome } => self.copied(id, outcome),
        };
        self.refresh_lacking();
        effects.extend(self.demand_pods());
        effects.extend(self.demand_config_maps());
        effects
    }

    /// The selected Service, where the list is of Services.
    pub fn selected_service(&self) -> Option<&Arc<ServiceFacts>> {
        match self.view {
            MainView::Services => self.services.selected(),
            MainView::Pods => None,
        }
    }

    /// The selected pod, where the list is of pods.
    pub fn selected_pod(&self) -> Option<&Arc<Pod>> {
        match self.view {
            MainView::Pods => self.pods.selected(),
            MainView::Services => None,
        }
    }

    /// Namespace of the selection.
    pub fn selected_namespace(&self) -> Option<&Text> {
        match self.view {
            MainView::Services => self.services.selected().map(|f| &f.service.key.namespace),
            MainView::Pods => self.pods.selected().map(|p| &p.key.namespace),
        }
    }

    /// Rows that a pane has room for.
    fn page(&self, pane: Pane) -> usize {
        self.layout.viewport.rows[pane.index()].max(1)
    }

    fn id(&mut self) -> Id {
        self.next_id += 1;
        self.next_id
    }

    /// Tells what just happened.
    fn notify(&mut self, tone: Tone, text: impl Into<String>) {
        let until = self.now.saturating_add(jiff::SignedDuration::from_secs(state::NOTICE_SECONDS));
        self.notices.push_back(Notice { tone, text: text.into(), until: until.unwrap_or(self.now) });
        while self.notices.len() > 3 {
            self.notices.pop_front();
        }
    }

    /// Tells what can't be done, why, and what to do about it.
    fn refused(&mut self, problem: Problem) {
        if !problem.hint.is_empty() {
            self.notify(Tone::Note, problem.hint);
        }
        let why = if problem.why.is_empty() { String::new() } else { format!(": {}", problem.why) };
        self.notify(Tone::Fault, format!("{}{why}", problem.what));
    }

    /// Opens a connection; everything of the one before is forgotten, late data included.
    fn connect(&mut self, context: Option<Text>) -> Vec<Effect> {
        self.connection.epoch += 1;
        self.connection.wanted.clone_from(&context);
        self.connection.identity = None;
        self.connection.problem = None;
        self.connection.asks = None;
        self.snapshot =
            Arc::new(ClusterSnapshot { epoch: self.connection.epoch, ..ClusterSnapshot::default() });
        self.scope = None;
        self.narrow_scope = None;
        self.viewpoint = Viewpoint::Selection;
        self.look = None;
        self.planning = None;
        self.lookups = lookups::Lookups::default();
        self.dns_health = DnsHealth::default();
        self.pod_demand.clear();
        self.fetches.clear();
        self.sessions.profiles = Arc::default();
        self.services.cursor.reset();
        self.pods.cursor.reset();
        self.relist();
        vec![Effect::Connect { epoch: self.connection.epoch, context }]
    }

    fn connected(&mut self, epoch: u64, identity: Identity, scope: NamespaceScope) -> Vec<Effect> {
        if epoch == self.connection.epoch {
            self.connection.problem = None;
            self.known_namespaces.extend(identity.known_namespaces.iter().cloned());
            self.connection.identity = Some(identity);
            if scope != NamespaceScope::All {
                self.narrow_scope = Some(scope.clone());
            }
            self.scope = Some(scope);
            return self.read_profiles();
        }
        vec![]
    }

    /// A plugin wants to talk to a person, or no longer does. It is never given the terminal unasked.
    fn sign_in_asked(&mut self, epoch: u64, why: Option<Text>) {
        if epoch != self.connection.epoch {
            return;
        }
        if why.is_some() {
            let text = "signing in needs you: try again to lend the terminal to the credential plugin";
            self.notify(Tone::Fault, text);
        }
        self.connection.asks = why;
    }

    fn signed_in(&mut self, epoch: u64, problem: Option<Problem>) -> Vec<Effect> {
        if epoch != self.connection.epoch {
            return vec![];
        }
        match problem {
            Some(problem) => {
                self.notify(Tone::Fault, format!("{}: {}", problem.what, problem.why));
                vec![]
            }
            None => vec![Effect::RetryNow { epoch }],
        }
    }

    fn take_snapshot(&mut self, snapshot: Arc<ClusterSnapshot>) -> Vec<Effect> {
        if snapshot.epoch == self.connection.epoch {
            let before = std::mem::replace(&mut self.snapshot, snapshot);
            self.refresh_dns_health(&before);
            self.relist();
            self.refresh_picker();
        }
        vec![]
    }

    /// Reads again how the cluster's DNS is, if what tells it changed.
    fn refresh_dns_health(&mut self, before: &ClusterSnapshot) {
        let (old, new) = (before.pods.get(DNS_NAMESPACE), self.snapshot.pods.get(DNS_NAMESPACE));
        let same_pods = match (old, new) {
            (Some(old), Some(new)) => Arc::ptr_eq(old, new),
            (None, None) => true,
            _ => false,
        };
        let same_load = before.load(Kind::Pod, DNS_NAMESPACE) == self.snapshot.load(Kind::Pod, DNS_NAMESPACE);
        if same_pods && same_load && Arc::ptr_eq(&before.config_maps, &self.snapshot.config_maps) {
            return;
        }
        // Only what concerns the servers: an index of everything would cost more than it tells.
        let service = self.snapshot.service(&ObjectKey::new(DNS_NAMESPACE, "kube-dns")).cloned();
        let small = ClusterSnapshot {
            services: Arc::new(service.into_iter().collect()),
            pods: new.map(|pods| (Text::from(DNS_NAMESPACE), pods.clone())).into_iter().collect(),
            config_maps: self.snapshot.config_maps.clone(),
            loads: self.snapshot.loads.clone(),
            ..ClusterSnapshot::default()
        };
        let metrics = std::mem::take(&mut self.dns_health.metrics);
        self.dns_health = DnsHealth { metrics, ..DnsHealth::of(&small, &dns::Cluster::new(&small)) };
    }

    /// Looks at other namespaces.
    fn set_scope(&mut self, scope: NamespaceScope) -> Vec<Effect> {
        if self.scope.as_ref() == Some(&scope) {
            return vec![];
        }
        if let NamespaceScope::Only(names) = &scope {
            self.known_namespaces.extend(names.iter().cloned());
            self.narrow_scope = Some(scope.clone());
        }
        self.scope = Some(scope.clone());
        self.relist();
        vec![Effect::SetScope { epoch: self.connection.epoch, scope }]
    }

    /// Which pods have to be watched for what is on the screen: those of the list, or those of the namespaces of
    /// the selection and of the viewpoint.
    fn demand_pods(&mut self) -> Option<Effect> {
        let mut wanted = BTreeSet::new();
        let scope = self.scope.as_ref()?;
        if self.view == MainView::Pods {
            match scope {
                NamespaceScope::All => drop(wanted.insert(None)),
                NamespaceScope::Only(names) => wanted.extend(names.iter().cloned().map(Some)),
            }
        }
        if !wanted.contains(&None) {
            wanted.extend(self.selected_namespace().cloned().map(Some));
            if let Viewpoint::Container { pod, .. } = &self.viewpoint {
                wanted.insert(Some(pod.namespace.clone()));
            }
        }
        // How the cluster's DNS is stands in the top line.
        if !self.is_saved() && !wanted.contains(&None) {
            wanted.insert(Some(DNS_NAMESPACE.into()));
        }
        if wanted.is_empty() || wanted == self.pod_demand {
            return None;
        }
        self.pod_demand.clone_from(&wanted);
        Some(Effect::WatchPods { epoch: self.connection.epoch, namespaces: wanted })
    }

    /// The ConfigMaps that the open container's environment refers to, each asked for once. Secrets are left alone:
    /// they are read only when a person asks for one.
    fn demand_config_maps(&mut self) -> Vec<Effect> {
        let Some(panes::EnvironmentPane::Container { pod, container, .. }) = &self.panes.environment else {
            return vec![];
        };
        // A saved file holds what it holds.
        if self.connection.identity.as_ref().is_none_or(|i| i.file.is_some()) {
            return vec![];
        }
        let references = pod.spec.container(container).map(|c| env::references(pod, c)).unwrap_or_default();
        let epoch = self.connection.epoch;
        let mut effects = Vec::new();
        for (kind, key) in references {
            let known = self.snapshot.config_maps.contains_key(&key);
            if kind == Kind::ConfigMap && !known && !self.fetches.contains_key(&(kind, key.clone())) {
                self.fetches.insert((kind, key.clone()), env::Fetch::Pending);
                effects.push(Effect::Fetch { epoch, kind, key });
            }
        }
        effects
    }

    fn resized(&mut self, viewport: Viewport) -> Vec<Effect> {
        if self.layout.viewport != viewport {
            self.layout.viewport = viewport;
            self.relist();
        }
        vec![]
    }

    fn tick(&mut self, now: Timestamp) -> Vec<Effect> {
        // A clock that was set back is believed as well: ages are told by the same clock as the notices.
        self.now = now;
        self.notices.retain(|n| n.until > now);
        vec![]
    }

    /// The filter to begin with.
    pub fn start_filter(&mut self, text: &str) {
        self.services.filter = Line::new(text);
        self.pods.filter = Line::new(text);
    }

    /// A line about something that the start found odd.
    pub fn note(&mut self, text: String) {
        self.notify(Tone::Note, text);
    }

    /// Makes the list that is shown again from snapshot, filter and order.
    fn relist(&mut self) {
        let page = self.page(Pane::Main);
        match self.view {
            MainView::Services => self.relist_services(page),
            MainView::Pods => self.relist_pods(page),
        }
        self.repane();
    }

    fn relist_services(&mut self, page: usize) {
        let (snapshot, scope) = (&self.snapshot, self.scope.as_ref());
        let (table, matcher) = (&mut self.services, &mut self.matcher);
        let filter = table.parse_filter();
        let mut unfiltered = 0;
        let mut rows = Vec::new();
        for facts in snapshot.services.iter() {
            // The Service default/kubernetes is always known, for the environments; it is listed only in scope.
            if !scope.is_some_and(|s| s.contains(&facts.key().namespace)) {
                continue;
            }
            unfiltered += 1;
            if filter.is_empty() || filter.score_service(matcher, facts).is_some() {
                rows.push(Row {
                    item: facts.clone(),
                    matched: filter.highlights(matcher, &facts.key().name),
                });
            }
        }
        table.set_rows(rows, unfiltered, page);
    }

    fn relist_pods(&mut self, page: usize) {
        let (snapshot, scope) = (&self.snapshot, self.scope.as_ref());
        let (table, matcher) = (&mut self.pods, &mut self.matcher);
        let filter = table.parse_filter();
        let mut unfiltered = 0;
        let mut rows = Vec::new();
        let in_scope =
            snapshot.pods.iter().filter(|(namespace, _)| scope.is_some_and(|s| s.contains(namespace)));
        for pod in in_scope.flat_map(|(_, pods)| pods.iter()) {
            unfiltered += 1;
            if filter.is_empty() || filter.score_pod(matcher, pod, snapshot.services_of(&pod.key)).is_some() {
                rows.push(Row { item: pod.clone(), matched: filter.highlights(matcher, &pod.key.name) });
            }
        }
        table.set_rows(rows, unfiltered, page);
    }
}

#[cfg(test)]
mod tests;

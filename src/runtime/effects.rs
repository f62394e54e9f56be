//! Carries out what the state machine asks for. Every effect that takes time is a task; what comes of it is a
//! message. Dropping [`Effects`] stops everything that it started.

mod cure;
mod names;
mod sessions;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{mpsc, watch};
use tokio::task::{AbortHandle, JoinSet};

use crate::app::{ContextInfo, Effect, Identity, Message, Problem};
use crate::cluster::client::{Client, Terminal};
use crate::cluster::kubeconfig::{Environment, Kubeconfig, KubeconfigError, Overrides};
use crate::cluster::reader::dns_settings;
use crate::cluster::session::{Connection, Start};
use crate::cluster::watch::Timing;
use crate::cluster::write::MayWrite;
use crate::cluster::{ApiError, ApiErrorKind};
use crate::model::env::Fetch;
use crate::model::session::ForwardSpec;
use crate::model::{ClusterSnapshot, Kind, Load, NamespaceScope, ObjectKey, Text};
use crate::runtime::forwards::Forwards;

/// Where the facts come from.
#[derive(Clone, Debug)]
pub enum Source {
    /// A cluster, by kubeconfig and flags.
    Cluster {
        /// The flags.
        overrides: Box<Overrides>,
        /// Which namespaces to begin with; `None`: the context's own.
        scope: Option<NamespaceScope>,
        /// Namespaces that the configuration names.
        known: KnownNamespaces,
    },
    /// A saved file: a picture that never changes.
    Saved {
        /// Name of the file.
        file: Text,
        /// What is in it.
        snapshot: Arc<ClusterSnapshot>,
        /// Which namespaces to show.
        scope: NamespaceScope,
    },
}

/// Namespaces that the configuration names, for clusters whose namespaces may not be listed.
#[derive(Clone, Debug, Default)]
pub struct KnownNamespaces {
    /// In every context.
    pub everywhere: BTreeSet<Text>,
    /// In single contexts, by name.
    pub by_context: BTreeMap<Text, BTreeSet<Text>>,
}

impl KnownNamespaces {
    /// Those that count in a context.
    pub fn of(&self, context: &str) -> BTreeSet<Text> {
        self.everywhere.iter().chain(self.by_context.get(context).into_iter().flatten()).cloned().collect()
    }
}

/// The connection that is used now; replaced as a whole, so that nothing of a former one is left.
#[derive(Debug, Default)]
struct Current {
    epoch: u64,
    connection: Option<Arc<Connection>>,
    /// What was asked for before the connection stood.
    pods: BTreeSet<Option<Text>>,
    scope: Option<NamespaceScope>,
    /// The way to the cluster's DNS.
    names: Arc<names::Names>,
}

/// The world outside of the state machine.
#[derive(Debug)]
pub struct Effects {
    source: Source,
    messages: mpsc::UnboundedSender<Message>,
    snapshots: Arc<watch::Sender<Arc<ClusterSnapshot>>>,
    current: Arc<Mutex<Current>>,
    connecting: Option<AbortHandle>,
    /// Nothing in the cluster may be changed.
    pub read_only: bool,
    /// Where other processes are told of the forwards.
    pub directory: Option<PathBuf>,
    /// The file with the forwards that are kept under a name.
    pub profiles: Option<PathBuf>,
    proxies: sessions::Proxies,
    forwards: Forwards,
    watching_forwards: bool,
    tasks: JoinSet<()>,
}

impl Effects {
    /// A world that has not begun. The receiver sees the snapshots of whatever connection is current.
    pub fn new(
        source: Source,
        messages: mpsc::UnboundedSender<Message>,
    ) -> (Self, watch::Receiver<Arc<ClusterSnapshot>>) {
        let (snapshots, receiver) = watch::channel(Arc::new(ClusterSnapshot::default()));
        let effects = Self {
            source,
            messages,
            snapshots: Arc::new(snapshots),
            current: Arc::default(),
            connecting: None,
            read_only: false,
            directory: None,
            profiles: None,
            proxies: sessions::Proxies::default(),
            forwards: Forwards::new(jiff::Timestamp::now),
            watching_forwards: false,
            tasks: JoinSet::new(),
        };
        (effects, receiver)
    }

    /// Carries out one effect. Returns at once.
    pub fn run(&mut self, effect: Effect) {
        match effect {
            Effect::Connect { epoch, context } => self.connect(epoch, context),
            Effect::SetScope { epoch, scope } => {
                self.current().scope = Some(scope.clone());
                self.with(epoch, |c| c.set_scope(scope));
            }
            Effect::WatchPods { epoch, namespaces } => {
                self.current().pods.clone_from(&namespaces);
                self.with(epoch, |c| c.set_pod_demand(namespaces));
            }
            Effect::Fetch { epoch, kind, key } => self.fetch(epoch, kind, key),
            Effect::RetryNow { epoch } => self.with(epoch, Connection::retry_now),
            Effect::ReadEnvironment { id, epoch, pod, container } => {
                self.ask(epoch, |client| cure::look(client, id, (pod, container)));
            }
            Effect::PlanRestart { id, epoch, pods } => self.ask(epoch, |client| cure::plan(client, id, pods)),
            Effect::Restart { epoch, plan } => {
                let (client, may) = (self.client(epoch), MayWrite::unless(self.read_only));
                if let (Some(client), Some(may)) = (client, may) {
                    self.tasks.spawn(cure::restart(client, plan, may, self.messages.clone()));
                }
            }
            Effect::Resolve { id, epoch, questions, from, libc } => {
                let names = self.current().names.clone();
                let asked = names::Asked { questions, from, libc };
                self.ask(epoch, |client| names::resolve(names, client, id, asked));
            }
            Effect::DnsMetrics { epoch } => self.ask(epoch, |client| names::metrics(client, epoch)),
            Effect::StartProxy { epoch, wide } => {
                if let Some(client) = self.client(epoch) {
                    self.proxies.start(client, wide, self.messages.clone(), &mut self.tasks);
                }
            }
            Effect::StopProxy => self.proxies.stop(&self.messages),
            Effect::Examine { id, epoch, name, from } => {
                let Some(connection) = self.connection(epoch) else { return };
                let known = connection.snapshots().borrow().clone();
                self.ask(epoch, |client| names::diagnose(client, known, id, name, from));
            }
            Effect::StartForwards { epoch, specs } => self.start_forwards(epoch, specs),
            Effect::Profiles { epoch, context, act } => {
                let (file, messages) = (self.profiles.clone(), self.messages.clone());
                self.tasks.spawn_blocking(move || {
                    let result = sessions::profiles(file.as_deref(), &context, &act);
                    let _ = messages.send(Message::Profiles { epoch, act, result });
                });
            }
            Effect::StopForwards { ids } => ids.into_iter().for_each(|id| self.forwards.stop(id)),
            Effect::OpenUrl { url } => self.open_url(&url),
            // These need the terminal: the loop has done them.
            Effect::Copy { .. } | Effect::SignIn { .. } | Effect::Redraw | Effect::Quit => {}
        }
    }

    fn current(&self) -> std::sync::MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something with the connection, if it is still the one that was meant.
    fn with(&self, epoch: u64, act: impl FnOnce(&Connection)) {
        let current = self.current();
        if current.epoch == epoch
            && let Some(connection) = &current.connection
        {
            act(connection);
        }
    }

    /// The connection, if it is still the one that was meant.
    fn connection(&self, epoch: u64) -> Option<Arc<Connection>> {
        let current = self.current();
        current.connection.clone().filter(|_| current.epoch == epoch)
    }

    /// The client of the current connection, if that is still the one that is meant.
    pub fn client(&self, epoch: u64) -> Option<Client> {
        self.connection(epoch).map(|connection| connection.client().clone())
    }

    /// Asks something of the cluster, in a task of its own that ends with one message.
    fn ask<F>(&mut self, epoch: u64, question: impl FnOnce(Client) -> F)
    where
        F: Future<Output = Message> + Send + 'static,
    {
        let Some(client) = self.client(epoch) else { return };
        let (messages, answer) = (self.messages.clone(), question(client));
        self.tasks.spawn(async move { drop(messages.send(answer.await)) });
        while self.tasks.try_join_next().is_some() {}
    }

    /// This computer has slept since then: whatever is open may be dead.
    pub fn woke(&self, since: jiff::Timestamp) {
        let current = self.current();
        if let Some(connection) = &current.connection {
            connection.woke(since);
        }
        current.names.forget();
        drop(current);
        self.forwards.woke(since);
    }

    fn fetch(&mut self, epoch: u64, kind: Kind, key: ObjectKey) {
        let Some(connection) = self.connection(epoch) else { return };
        let messages = self.messages.clone();
        self.tasks.spawn(async move {
            // What is found comes with the next snapshot.
            if let Err(error) = connection.fetch_config(kind, &key).await {
                let why = match error.kind {
                    ApiErrorKind::NotFound => Fetch::Missing,
                    ApiErrorKind::Forbidden { .. } => Fetch::Forbidden(error.why.as_str().into()),
                    _ => Fetch::Failed(error.why.as_str().into()),
                };
                let _ = messages.send(Message::NotFetched { epoch, kind, key, why });
            }
        });
        while self.tasks.try_join_next().is_some() {}
    }

    fn start_forwards(&mut self, epoch: u64, specs: Vec<ForwardSpec>) {
        let Some(client) = self.client(epoch) else { return };
        for spec in specs {
            self.forwards.start(&client, spec);
        }
        if !std::mem::replace(&mut self.watching_forwards, true) {
            if let Some(directory) = &self.directory {
                // Only a convenience for other processes.
                let _ = self.forwards.register_in(directory);
            }
            self.tasks.spawn(sessions::tell(self.forwards.statuses(), self.messages.clone()));
        }
    }

    /// Shows a page in the person's browser; the address is that of a forward of ours.
    fn open_url(&self, url: &str) {
        if let Err(error) = open::that_detached(url) {
            let _ = self.messages.send(Message::Refused(Problem {
                what: format!("no browser could be started for {url}"),
                why: error.to_string(),
                hint: "copy the address and open it yourself".to_owned(),
            }));
        }
    }

    fn connect(&mut self, epoch: u64, context: Option<Text>) {
        if let Some(task) = self.connecting.take() {
            task.abort();
        }
        *self.current() = Current { epoch, ..Current::default() };
        match &self.source {
            Source::Saved { file, snapshot, scope } => {
                let snapshot = Arc::new(ClusterSnapshot { epoch, ..(**snapshot).clone() });
                let identity = Identity { file: Some(file.clone()), ..Identity::default() };
                let _ = self.messages.send(Message::Connected { epoch, identity, scope: scope.clone() });
                self.snapshots.send_replace(snapshot);
            }
            Source::Cluster { overrides, scope, known } => {
                let attempt = Attempt {
                    epoch,
                    context,
                    overrides: (**overrides).clone(),
                    scope: scope.clone(),
                    known: known.clone(),
                    messages: self.messages.clone(),
                    snapshots: self.snapshots.clone(),
                    current: self.current.clone(),
                };
                self.connecting = Some(self.tasks.spawn(attempt.run()));
                while self.tasks.try_join_next().is_some() {}
            }
        }
    }
}

/// One attempt to connect, and the forwarding of what the connection says. Aborting its task ends both.
struct Attempt {
    epoch: u64,
    context: Option<Text>,
    overrides: Overrides,
    scope: Option<NamespaceScope>,
    known: KnownNamespaces,
    messages: mpsc::UnboundedSender<Message>,
    snapshots: Arc<watch::Sender<Arc<ClusterSnapshot>>>,
    current: Arc<Mutex<Current>>,
}

impl Attempt {
    async fn run(self) {
        let epoch = self.epoch;
        match self.open() {
            Ok((client, start)) => self.follow(client, start).await,
            Err(problem) => drop(self.messages.send(Message::ConnectFailed { epoch, problem })),
        }
    }

    /// Reads the configuration and makes a client of it. Nothing is sent yet.
    fn open(&self) -> Result<(Client, Start), Problem> {
        let kubeconfig =
            Kubeconfig::load(&self.overrides, &Environment::of_process()).map_err(|e| config_problem(&e))?;
        let contexts = kubeconfig.contexts().into_iter().map(|c| ContextInfo {
            name: c.name.into(),
            cluster: c.cluster.into(),
            user: c.user.into(),
            namespace: c.namespace.unwrap_or_else(|| "default".to_owned()).into(),
        });
        let _ = self.messages.send(Message::Contexts(Arc::new(contexts.collect())));
        let target = match &self.context {
            Some(context) => kubeconfig.target_of(context),
            None => kubeconfig.target(),
        }
        .map_err(|e| config_problem(&e))?;
        let identity = Identity {
            context: target.context.as_str().into(),
            cluster: target.cluster.as_str().into(),
            user: target.user.as_str().into(),
            server: target.server.to_string().into(),
            namespace: target.namespace.as_str().into(),
            insecure: target.insecure,
            known_namespaces: self.known.of(&target.context),
            file: None,
        };
        // The flags speak of the first context only.
        let flagged = self.scope.clone().filter(|_| self.context.is_none());
        let scope = flagged.unwrap_or_else(|| NamespaceScope::one(target.namespace.as_str()));
        let client = Client::new(target, Terminal::Ours).map_err(api_problem)?;
        let start = Start {
            epoch: self.epoch,
            scope: scope.clone(),
            known: identity.known_namespaces.clone(),
            clock: jiff::Timestamp::now,
            timing: Timing::default(),
        };
        let _ = self.messages.send(Message::Connected { epoch: self.epoch, identity, scope });
        Ok((client, start))
    }

    /// Starts the watches and hands on their snapshots and the sign-in's notices until the task is aborted.
    async fn follow(self, client: Client, start: Start) {
        let (mut notices, mut asks) = (client.notices(), client.asks_for_terminal());
        let connection = Arc::new(Connection::start(client, start));
        let mut snapshots = connection.snapshots();
        {
            let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
            if current.epoch != self.epoch {
                return;
            }
            if !current.pods.is_empty() {
                connection.set_pod_demand(current.pods.clone());
            }
            if let Some(scope) = &current.scope {
                connection.set_scope(scope.clone());
            }
            current.connection = Some(connection.clone());
        }
        let settings = read_dns_settings(&connection);
        tokio::pin!(settings);
        let mut reading = true;
        loop {
            tokio::select! {
                changed = snapshots.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    self.snapshots.send_replace(snapshots.borrow_and_update().clone());
                }
                () = &mut settings, if reading => reading = false,
                Ok(()) = asks.changed() => {
                    let why = asks.borrow_and_update().as_ref().map(|error| error.why.as_str().into());
                    let _ = self.messages.send(Message::SignInAsked { epoch: self.epoch, why });
                }
                Ok(()) = notices.changed() => {
                    let lines = notices.borrow_and_update().clone();
                    if let Some(line) = lines.last() {
                        let _ = self.messages.send(Message::Note(line.clone()));
                    }
                }
            }
        }
    }
}

/// Reads what tells the DNS settings, if anything does. Optional: without them the usual ones are assumed and said
/// to be. The first lists go ahead of it.
async fn read_dns_settings(connection: &Connection) {
    let mut snapshots = connection.snapshots();
    let listed = |s: &Arc<ClusterSnapshot>| {
        let mut kinds = s.loads.iter().filter(|l| matches!(l.kind, Kind::Service | Kind::EndpointSlice));
        kinds.all(|l| !matches!(l.load, Load::Loading(_)))
    };
    if snapshots.wait_for(listed).await.is_err() {
        return;
    }
    for (kind, key) in dns_settings().filter(|(kind, _)| *kind == Kind::ConfigMap) {
        let _ = connection.fetch_config(kind, &key).await;
    }
}

fn config_problem(error: &KubeconfigError) -> Problem {
    let hint = error.hint();
    Problem { what: "The configuration can't be used".to_owned(), why: error.to_string(), hint }
}

pub(super) fn api_problem(error: ApiError) -> Problem {
    Problem { what: error.what, why: error.why, hint: error.hint }
}

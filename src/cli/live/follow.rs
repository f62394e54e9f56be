//! The facts of a cluster as they change, for commands that watch.
//!
//! What it is not: it prints nothing and asks no name server.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::sync::watch;

use super::{Cluster, WORLD, judge, loaded, lost_connection, put, wanted_references, without_data};
use crate::app::Problem;
use crate::cli::facts::{Facts, Needs};
use crate::cli::failure::{Exit, Failure};
use crate::cli::list::List;
use crate::cli::names::Query;
use crate::cluster::convert::Object;
use crate::cluster::reader::dns_settings;
use crate::cluster::session::{Connection, Start};
use crate::cluster::watch::Timing;
use crate::model::env::Fetches;
use crate::model::time::Timestamp;
use crate::model::{ClusterSnapshot, Kind, NamespaceScope, ObjectKey};

/// Watches that stand, and what was read by name besides.
pub struct Following<'a> {
    cluster: &'a Cluster,
    scope: NamespaceScope,
    needs: Needs,
    /// Whose environments refer to what has to be read, and whether Secrets are among it.
    references: Option<(&'a Query, bool)>,
    connection: Connection,
    snapshots: watch::Receiver<Arc<ClusterSnapshot>>,
    /// The latest snapshot was told.
    told: bool,
    /// The first facts were told.
    begun: bool,
    wanted: BTreeSet<(Kind, ObjectKey)>,
    asked: BTreeSet<(Kind, ObjectKey)>,
    fetches: Fetches,
    fetched: Vec<Object>,
    lost: Option<Problem>,
}

impl Cluster {
    /// Follows what a list is about: `print` gets the facts whenever something changed, from the moment on when
    /// everything that the list needs is there. Ends with an error alone.
    ///
    /// # Errors
    /// No right to what the list is about, no connection at the start, and what `print` says.
    pub async fn follow<E: From<Failure>>(
        &self,
        list: &List,
        query: &Query,
        needs: &Needs,
        mut print: impl FnMut(&Facts, Option<&Problem>) -> Result<(), E>,
    ) -> Result<std::convert::Infallible, E> {
        let references = match list {
            List::Env { show_secrets, .. } => Some((query, *show_secrets)),
            _ => None,
        };
        let mut following = Following::start(self, self.scope.clone(), needs.clone(), references);
        loop {
            let (facts, lost) = following.next().await?;
            print(&facts, lost.as_ref())?;
        }
    }

    /// Follows everything that decides what the cluster's DNS answers: of the whole cluster, or where that is not
    /// allowed of the namespaces that are known.
    pub fn follow_world(&self) -> Following<'_> {
        let needs = Needs { helpful: WORLD.to_vec(), required: vec![Kind::Service], dns: true };
        Following::start(self, NamespaceScope::All, needs, None)
    }
}

impl<'a> Following<'a> {
    fn start(
        cluster: &'a Cluster,
        scope: NamespaceScope,
        needs: Needs,
        references: Option<(&'a Query, bool)>,
    ) -> Self {
        let known = match &cluster.scope {
            NamespaceScope::Only(names) => names.clone(),
            NamespaceScope::All => BTreeSet::new(),
        };
        let start =
            Start { epoch: 1, scope: scope.clone(), known, clock: Timestamp::now, timing: Timing::default() };
        let connection = Connection::start(cluster.client.clone(), start);
        if needs.required.contains(&Kind::Pod) || needs.helpful.contains(&Kind::Pod) {
            connection.set_pod_demand(match &scope {
                NamespaceScope::All => BTreeSet::from([None]),
                NamespaceScope::Only(names) => names.iter().cloned().map(Some).collect(),
            });
        }
        let wanted = if needs.dns { dns_settings().collect() } else { BTreeSet::new() };
        Self {
            cluster,
            scope,
            needs,
            references,
            snapshots: connection.snapshots(),
            connection,
            told: false,
            begun: false,
            wanted,
            asked: BTreeSet::new(),
            fetches: Fetches::new(),
            fetched: Vec::new(),
            lost: None,
        }
    }

    /// The facts, when they are other than those that were told last; and that the connection is lost, when that is
    /// new. May be dropped while it waits.
    ///
    /// # Errors
    /// No right to what is needed, no connection at the start.
    pub async fn next(&mut self) -> Result<(Facts, Option<Problem>), Failure> {
        loop {
            if self.told && self.snapshots.changed().await.is_err() {
                let what = "the connection came to an end";
                return Err(Failure::new(Exit::Unreachable, what, "", "Start the command again."));
            }
            self.told = false;
            self.fetch().await;
            let snapshot = self.snapshots.borrow_and_update().clone();
            self.told = true;
            let mut facts = Facts { scope: self.scope.clone(), ..self.cluster.facts(snapshot) };
            if !loaded(&facts, &self.needs) {
                continue;
            }
            // The next snapshot has them as well; what is printed now should not lack them.
            for object in &self.fetched {
                put(Arc::make_mut(&mut facts.snapshot), Some(object.clone()));
            }
            facts.fetches.clone_from(&self.fetches);
            if !self.begun {
                judge(&mut facts, &self.needs)?;
            }
            if let Some((query, show_secrets)) = self.references {
                self.wanted = wanted_references(&facts, query, show_secrets);
                if !self.wanted.is_subset(&self.asked) {
                    self.told = false;
                    continue;
                }
            }
            self.begun = true;
            let lost = lost_connection(&facts, &self.needs);
            let news = lost.clone().filter(|_| lost != self.lost);
            self.lost = lost;
            return Ok((facts, news));
        }
    }

    /// Reads the settings of the cluster's DNS again with the next facts: nobody watches them.
    pub fn read_settings_again(&mut self) {
        for one in dns_settings() {
            self.fetched.retain(|object| (object.kind(), object.key()) != one);
            self.asked.remove(&one);
            self.wanted.insert(one);
        }
        self.told = false;
    }

    /// Reads by name what is wanted and was not asked for.
    async fn fetch(&mut self) {
        while let Some(one) = self.wanted.difference(&self.asked).next().cloned() {
            let (kind, key) = &one;
            match self.connection.fetch_config(*kind, key).await {
                Ok(object) => self.fetched.push(object),
                Err(error) => drop(self.fetches.insert(one.clone(), without_data(error))),
            }
            self.asked.insert(one);
        }
        self.wanted.clear();
    }
}

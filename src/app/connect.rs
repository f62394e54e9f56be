//! What a connection brings and takes away: its epoch, whose it is, and a plugin that wants to talk.
//!
//! What it is not: it connects nothing; effects do.

use std::sync::Arc;

use super::{App, Effect, Identity, Problem, Tone, Viewpoint, lookups};
use crate::model::dns::DnsHealth;
use crate::model::{ClusterSnapshot, NamespaceScope, Text};

impl App {
    /// Opens a connection; everything of the one before is forgotten, late data included.
    pub(super) fn connect(&mut self, context: Option<Text>) -> Vec<Effect> {
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
        self.access = None;
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

    pub(super) fn connected(&mut self, epoch: u64, identity: Identity, scope: NamespaceScope) -> Vec<Effect> {
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
    pub(super) fn sign_in_asked(&mut self, epoch: u64, why: Option<Text>) {
        if epoch != self.connection.epoch {
            return;
        }
        if why.is_some() {
            let text = "signing in needs you: try again to lend the terminal to the credential plugin";
            self.notify(Tone::Fault, text);
        }
        self.connection.asks = why;
    }

    pub(super) fn signed_in(&mut self, epoch: u64, problem: Option<Problem>) -> Vec<Effect> {
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
}

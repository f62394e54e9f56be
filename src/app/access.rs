//! What the credential may use: the page that says what works, what is missing, and the role that allows it.
//!
//! Only `app` uses it. The judgement is `model::access`'s, the same that `kdisco access` prints.

use crate::model::access::{Judged, roles};
use crate::model::{Kind, Load, NamespaceScope};

use super::effect::{Effect, Id};
use super::lookups::Asked;
use super::overlay::Overlay;
use super::problem::Problem;
use super::state::Tone;
use super::{Action, App};

/// What was found out about rights.
#[derive(Clone, Debug)]
pub struct Access {
    /// Every feature.
    pub judged: Vec<Judged>,
    /// Why some questions have no answer, where that is so.
    pub silent: Option<String>,
}

impl Access {
    /// The smallest roles that allow what is missing; empty where nothing is.
    pub fn roles(&self) -> String {
        roles(self.judged.iter().flat_map(|judged| &judged.missing))
    }
}

impl App {
    /// The right that is missing to see a kind where the selection is, or in what is looked at: `list pods in shop`.
    pub(super) fn forbidden(&self, kind: Kind) -> Option<String> {
        let here = self.selected_namespace().or_else(|| self.scope.as_ref().and_then(NamespaceScope::single));
        self.snapshot.loads.iter().filter(|entry| entry.kind == kind).find_map(|entry| {
            let counts = entry.namespace.is_none() || here.is_none() || entry.namespace.as_ref() == here;
            let Load::Forbidden { verb, .. } = &entry.load else { return None };
            let place = entry.namespace.as_deref().unwrap_or("the whole cluster");
            counts.then(|| format!("{verb} {} in {place}", kind.resource_and_group()))
        })
    }

    /// Asks what may be used in the namespaces that are looked at, and opens the page.
    pub(super) fn ask_access(&mut self) -> Vec<Effect> {
        if self.is_saved() {
            self.notify(Tone::Note, "a saved file is shown: there is no API server to ask for rights");
            return vec![];
        }
        let (Some(identity), Some(scope)) = (&self.connection.identity, &self.scope) else {
            self.notify(Tone::Note, "not connected yet");
            return vec![];
        };
        let namespaces = match scope {
            NamespaceScope::All => vec![],
            NamespaceScope::Only(names) => names.iter().cloned().collect(),
        };
        let whom = if identity.user.is_empty() { "you" } else { &identity.user };
        let place = match namespaces.as_slice() {
            [] => "all namespaces".to_owned(),
            names => names.join(", "),
        };
        let title = format!("What {whom} may use in {place}");
        let id = self.id();
        self.access = Some(Asked { title, waiting: Some(id), result: None, at: self.now });
        if !matches!(self.overlays.last(), Some(Overlay::Access { .. })) {
            self.overlays.push(Overlay::Access { offset: 0 });
        }
        vec![Effect::AskAccess { id, epoch: self.connection.epoch, namespaces }]
    }

    /// The server has said what may be used, or can't be asked.
    pub(super) fn access_found(&mut self, id: Id, result: Result<Access, Problem>) {
        let at = self.now;
        if let Some(page) = self.access.as_mut().filter(|page| page.waiting == Some(id)) {
            page.waiting = None;
            page.at = at;
            page.result = Some(result);
        }
    }

    /// Keys on that page.
    pub(super) fn act_access(&mut self, action: Action) -> Option<Vec<Effect>> {
        match action {
            Action::Copy => {
                let found = self.access.as_ref().and_then(|page| page.result.as_ref());
                let Some(Ok(access)) = found else { return Some(vec![]) };
                let role = access.roles();
                if role.is_empty() {
                    self.notify(Tone::Note, "nothing is missing: there is no role to copy");
                    return Some(vec![]);
                }
                Some(self.copy_lines(role.lines()))
            }
            Action::Access => {
                self.overlays.pop();
                Some(vec![])
            }
            Action::Retry => Some(self.ask_access()),
            _ => None,
        }
    }
}

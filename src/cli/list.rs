//! The commands that print a list: what each is about, what it needs to know, and its report.

use std::collections::BTreeSet;
use std::io::{self, Write};

use super::args::{Form, Output};
use super::facts::{Facts, Needs};
use super::failure::tell;
use super::names::{Query, Wish};
use super::report::dns::Records;
use super::report::endpoints::Endpoints;
use super::report::env::Environments;
use super::report::resolvconf::ResolvConfs;
use super::report::services::Services;
use super::report::{self, Watch};
use crate::app::Problem;
use crate::config::nearest;
use crate::model::{Kind, NamespaceScope, ObjectKey};

/// One of the lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum List {
    /// `services`.
    Services,
    /// `endpoints`.
    Endpoints,
    /// `dns`.
    Dns,
    /// `resolvconf`.
    ResolvConf,
    /// `env`.
    Env {
        /// Only the container of this name.
        container: Option<String>,
        /// Whether values that come from Secrets are shown.
        show_secrets: bool,
    },
}

impl List {
    /// The kinds of objects that can be named.
    pub fn kinds(&self) -> &'static [Kind] {
        match self {
            Self::Services | Self::Endpoints => &[Kind::Service],
            Self::Dns => &[Kind::Service, Kind::Pod],
            Self::ResolvConf | Self::Env { .. } => &[Kind::Pod],
        }
    }

    /// What has to be known for printing it in this form, and what else is of use.
    pub fn needs(&self, query: &Query, form: Form) -> Needs {
        let document = form.is_document();
        let mut needs = match self {
            Self::Services => {
                Needs { required: vec![Kind::Service], helpful: vec![Kind::EndpointSlice], dns: document }
            }
            Self::Endpoints => {
                Needs { required: vec![Kind::Service, Kind::EndpointSlice], ..Needs::default() }
            }
            Self::Dns => {
                Needs { required: vec![Kind::Service], helpful: vec![Kind::EndpointSlice], dns: true }
            }
            // The address of the DNS server is that of a Service, which is read by name.
            Self::ResolvConf => Needs { required: vec![Kind::Pod], helpful: vec![], dns: true },
            Self::Env { .. } => Needs { required: vec![Kind::Pod], helpful: vec![Kind::Service], dns: true },
        };
        // Findings, the state of what is behind, and names that may be a pod's.
        let pods = match self {
            Self::Services => document,
            Self::Endpoints => form == Form::Wide,
            Self::Dns => query.wishes.iter().any(|w| w.kind != Some(Kind::Service)),
            Self::ResolvConf | Self::Env { .. } => false,
        };
        if pods {
            needs.helpful.push(Kind::Pod);
        }
        needs
    }

    /// Prints the list once. Where there is nothing to print, the result is what to tell instead.
    ///
    /// # Errors
    /// Those of the output.
    pub fn print(
        &self,
        facts: &Facts,
        query: &Query,
        output: Output,
        out: &mut impl Write,
    ) -> io::Result<Option<String>> {
        match self {
            Self::Services => report::print(&Services::new(facts, query), output, out),
            Self::Endpoints => report::print(&Endpoints { facts, query }, output, out),
            Self::Dns => report::print(&Records::new(facts, query), output, out),
            Self::ResolvConf => report::print(&ResolvConfs::new(facts, query), output, out),
            Self::Env { container, show_secrets } => report::print(
                &Environments::new(facts, query, container.as_deref(), *show_secrets),
                output,
                out,
            ),
        }
    }

    /// Prints what changed since the last time.
    ///
    /// # Errors
    /// Those of the output.
    pub fn print_changes(
        &self,
        facts: &Facts,
        query: &Query,
        output: Output,
        watch: &mut Watch,
        out: &mut impl Write,
    ) -> io::Result<()> {
        match self {
            Self::Services => watch.print(&Services::new(facts, query), output, out),
            Self::Endpoints => watch.print(&Endpoints { facts, query }, output, out),
            Self::Dns => watch.print(&Records::new(facts, query), output, out),
            Self::ResolvConf => watch.print(&ResolvConfs::new(facts, query), output, out),
            Self::Env { container, show_secrets } => watch.print(
                &Environments::new(facts, query, container.as_deref(), *show_secrets),
                output,
                out,
            ),
        }
    }

    /// What was named and does not exist, each with what may have been meant.
    pub fn missing(&self, facts: &Facts, query: &Query) -> Vec<Problem> {
        let known = self.known(facts);
        let mut problems: Vec<Problem> =
            query.wishes.iter().filter_map(|wish| self.absent(wish, facts, query, &known)).collect();
        if let Self::Env { container: Some(name), .. } = self
            && problems.is_empty()
        {
            let pods = facts.pods(query);
            let there: BTreeSet<&str> = pods.flat_map(|pod| &pod.spec.containers).map(|c| &*c.name).collect();
            if !there.is_empty() && !there.contains(name.as_str()) {
                let there: Vec<&str> = there.into_iter().collect();
                problems.push(Problem {
                    what: format!("no container is called \"{name}\""),
                    why: format!("There are {}.", there.join(", ")),
                    hint: String::new(),
                });
            }
        }
        problems
    }

    /// Tells what was named and does not exist. Whether there was something to tell.
    pub fn tell_missing(&self, facts: &Facts, query: &Query) -> bool {
        let problems = self.missing(facts, query);
        for problem in &problems {
            tell(&mut io::stderr(), "error", problem);
        }
        !problems.is_empty()
    }

    /// Everything that could be named.
    fn known<'a>(&self, facts: &'a Facts) -> Vec<(Kind, &'a ObjectKey)> {
        let mut known = Vec::new();
        if self.kinds().contains(&Kind::Service) {
            known.extend(facts.snapshot.services.iter().map(|f| (Kind::Service, f.key())));
        }
        if self.kinds().contains(&Kind::Pod) {
            known.extend(facts.snapshot.pods.values().flat_map(|p| p.iter()).map(|p| (Kind::Pod, &p.key)));
        }
        known
    }

    fn absent(
        &self,
        wish: &Wish,
        facts: &Facts,
        query: &Query,
        known: &[(Kind, &ObjectKey)],
    ) -> Option<Problem> {
        let labels = crate::model::Labels::default();
        let alone = Query { wishes: vec![wish.clone()], ..query.clone() };
        if known.iter().any(|(kind, key)| alone.wants(&facts.scope, *kind, key, &labels)) {
            return None;
        }
        let kinds: Vec<&str> = match wish.kind {
            Some(kind) => vec![kind.name()],
            None => self.kinds().iter().map(|k| k.name()).collect(),
        };
        let place = match &wish.namespace {
            Some(namespace) => NamespaceScope::one(namespace.clone()),
            None => facts.scope.clone(),
        };
        let elsewhere =
            known.iter().find(|(kind, key)| Wish { namespace: None, ..wish.clone() }.is(*kind, key));
        let names = known.iter().filter(|(_, key)| place.contains(&key.namespace)).map(|(_, key)| &*key.name);
        let hint = match (elsewhere, nearest(&wish.name, names)) {
            (Some((_, key)), _) => format!("There is one in namespace {}: use -n {0}.", key.namespace),
            (None, Some(near)) => format!("Did you mean {near}?"),
            (None, None) => String::new(),
        };
        Some(Problem {
            what: format!("{} \"{}\" not found", kinds.join(" or "), wish.name),
            why: format!("There is none {}.", super::facts::in_words(&place)),
            hint,
        })
    }
}

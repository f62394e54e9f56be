//! What `y` copies and what `Y` offers: the text that works for who pastes it.

use crate::model::dns::forms;
use crate::model::{Kind, Load, ObjectKey, copy};

use super::App;
use super::effect::Effect;
use super::environment::row_text;
use super::overlay::{Choice, Entry};
use super::panes::{EnvRow, EnvironmentPane, Subject};
use super::state::{Pane, Tone};

impl App {
    /// Copies what is most likely wanted of the focused pane's selection.
    pub(super) fn copy_best(&mut self) -> Vec<Effect> {
        let row = self.panes.cursor(self.focus).index();
        let one = |text: Option<String>| text.map(|t| vec![t]);
        let text = match self.focus {
            Pane::Main => one(self.best_name()),
            Pane::Endpoints => match &self.panes.subject {
                Some(Subject::Pod(_)) => {
                    one(self.panes.leading.get(row).map(|s| name_in_namespaces(s.service.key())))
                }
                _ => one(self.panes.endpoints.get(row).map(|endpoint| {
                    let port = endpoint.ports.iter().find_map(|p| p.port);
                    port.map_or_else(
                        || endpoint.address.to_string(),
                        |port| copy::host_port(&endpoint.address, port),
                    )
                })),
            },
            Pane::Dns => one(self.panes.records.get(row).map(|r| r.name.trim_end_matches('.').to_owned())),
            Pane::Environment => self.environment_text(row),
        };
        if let Some(text) = text {
            return self.copy_lines(text.iter().map(String::as_str));
        }
        self.notify(Tone::Note, "there is nothing to copy here");
        vec![]
    }

    /// The shortest name of the selected Service that works from the viewpoint; a pod's address.
    fn best_name(&mut self) -> Option<String> {
        // Outside the cluster a forward is the only way there is.
        if self.viewpoint == super::Viewpoint::Laptop
            && let Some(item) = self.forwards_here().first().and_then(|f| self.forward_texts(f).pop())
        {
            return Some(item.text);
        }
        match self.panes.subject.clone()? {
            Subject::Service(facts) => {
                let best = forms::shortest(&self.panes.names).map(|form| form.text.clone());
                if best.is_some() {
                    if self.name_is_missing() {
                        let name = &facts.key().name;
                        self.notify(
                            Tone::Note,
                            format!("{name} has no DNS record now: its name does not resolve yet"),
                        );
                    }
                    return best;
                }
                // No name of it works from here; the whole one is at least right inside.
                let whole = self.panes.names.iter().find(|f| f.kind == forms::FormKind::Full)?.text.clone();
                let where_ = if self.viewpoint == super::Viewpoint::Laptop { "this laptop" } else { "there" };
                self.notify(
                    Tone::Note,
                    format!(
                        "{} has no name that resolves on {where_}: this one works inside the cluster",
                        facts.key().name
                    ),
                );
                Some(whole)
            }
            Subject::Pod(pod) => pod.ips.first().map(ToString::to_string),
        }
    }

    /// Whether it is known that no record of the selected Service's name exists (headless without ready endpoints,
    /// hidden by the DNS server's settings). While slices are not known, neither is this.
    fn name_is_missing(&self) -> bool {
        let namespace = self.selected_namespace().map_or("", |n| n);
        let known = self.snapshot.load(Kind::EndpointSlice, namespace).is_some_and(Load::is_live);
        known && !self.panes.name_exists()
    }

    /// A line of the Environment pane as `NAME=value`; a heading stands for all lines below it.
    fn environment_text(&self, row: usize) -> Option<Vec<String>> {
        match self.panes.environment.as_ref()? {
            EnvironmentPane::Service(variables) => {
                variables.get(row).map(|(name, value)| vec![format!("{name}={value}")])
            }
            EnvironmentPane::Container { environment, rows, verification, .. } => {
                let text = |row: &EnvRow| row_text(environment, verification.as_deref(), row);
                match rows.get(row)? {
                    EnvRow::Heading(_) | EnvRow::Besides => {
                        Some(rows[row + 1..].iter().map_while(text).collect())
                    }
                    one => text(one).map(|line| vec![line]),
                }
            }
        }
    }

    /// What the copy menu offers: for the row of the focused pane where that is an endpoint, else for the selection.
    pub(super) fn copy_entries(&self) -> Vec<Entry> {
        let domain = self.panes.domain.text();
        let row = self.panes.cursor(self.focus).index();
        let items = match (&self.panes.subject, self.focus) {
            (Some(Subject::Service(facts)), Pane::Endpoints) => match self.panes.endpoints.get(row) {
                Some(endpoint) => copy::of_endpoint(endpoint, &facts.service, domain),
                None => copy::of_service(facts, domain),
            },
            (Some(Subject::Service(facts)), _) => copy::of_service(facts, domain),
            (Some(Subject::Pod(pod)), _) => copy::of_pod(pod, domain),
            (None, _) => Vec::new(),
        };
        let mut items = items;
        let here = self.forwards_here().into_iter().flat_map(|f| self.forward_texts(f));
        items.splice(0..0, here);
        // A path of the API is of use where something answers for it.
        for item in &mut items {
            if item.label.starts_with("proxy path")
                && let Some(url) = self.proxied(&item.text)
            {
                item.label = item.label.replacen("proxy path", "URL by the API proxy", 1);
                item.text = url;
            }
        }
        let missing = self.name_is_missing();
        let entry = |item: copy::CopyItem| {
            let form = self.panes.names.iter().find(|f| f.text == item.text);
            let works = form.map_or("", |f| match f.step {
                Some(_) if missing => "does not exist now",
                Some(_) => "works from here",
                None => "not from here",
            });
            let note = if works.is_empty() { item.label } else { format!("{}, {works}", item.label) };
            Entry { label: item.text.clone(), note, choice: Choice::Copy(item.text) }
        };
        items.into_iter().map(entry).collect()
    }
}

fn name_in_namespaces(key: &ObjectKey) -> String {
    format!("{}.{}", key.name, key.namespace)
}

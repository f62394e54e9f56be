//! What a person does with the Environment pane: search it, see only what differs, have Secret values shown one by
//! one, take it away as text.
//!
//! Only `app` uses it. What the pane shows is made in [`super::panes`].

use std::collections::BTreeSet;

use crate::model::env::export::{self, Format};
use crate::model::env::verify::{Check, Verification, Verified};
use crate::model::env::{self, Status};
use crate::model::pod::EnvValue;
use crate::model::{Kind, ObjectKey, Text};

use super::App;
use super::effect::Effect;
use super::input::Line;
use super::overlay::{Choice, Entry, Overlay};
use super::panes::{EnvRow, EnvironmentPane};
use super::state::{Pane, Tone};

/// What a person wants to see of a container's environment.
#[derive(Clone, Debug, Default)]
pub struct EnvironmentView {
    /// Words that a line has to contain; a `!` in front keeps out.
    pub filter: Line,
    /// Only variables that a restart would change, or that are not surely as shown.
    pub differences: bool,
    /// Variables whose secret values are shown, of the container that is open.
    pub revealed: BTreeSet<Text>,
    /// The container that they are of.
    pub revealed_of: Option<(ObjectKey, Text)>,
}

impl EnvironmentView {
    /// Whether a variable is to be listed.
    pub fn shows(&self, variable: &env::Variable<'_>, check: Option<&Check>) -> bool {
        // Where somebody has looked, what was seen decides.
        let differs = check.map_or_else(|| differs(variable), |c| c.verified != Verified::Equal);
        if self.differences && !differs {
            return false;
        }
        let service = variable.service.map_or("", |s| &s.name);
        self.matches(variable.name, variable.value.unwrap_or(""), service)
    }

    /// Whether a variable that was not predicted is to be listed.
    pub fn shows_besides(&self, check: &Check) -> bool {
        self.matches(&check.name, check.actual.as_deref().unwrap_or(""), "")
    }

    fn matches(&self, name: &str, value: &str, service: &str) -> bool {
        let typed = self.filter.text();
        if typed.trim().is_empty() {
            return true;
        }
        let line = format!("{name}={value} {service}").to_lowercase();
        typed.to_lowercase().split_whitespace().all(|word| match word.strip_prefix('!') {
            Some("") => true,
            Some(not) => !line.contains(not),
            None => line.contains(word),
        })
    }

    /// Whether some of the variables may be left out.
    pub fn narrows(&self) -> bool {
        self.differences || !self.filter.text().trim().is_empty()
    }
}

/// Whether a variable is something else than simply there with the value shown.
fn differs(variable: &env::Variable<'_>) -> bool {
    match variable.status {
        Status::Present | Status::NextStart => variable.collides() || variable.hidden().next().is_some(),
        Status::Absent | Status::Stale | Status::Uncertain | Status::Unreadable => true,
    }
}

/// A form to take an environment away in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExportForm {
    /// For dotenv libraries and Docker Compose.
    Dotenv,
    /// For a POSIX shell.
    Shell,
    /// For `docker run --env-file`.
    Docker,
    /// The lines that the pane shows.
    Shown,
}

/// A line as `NAME=value`; a name alone where the value is not known or not shown. `None` for headings.
pub(super) fn row_text(
    environment: &env::ContainerEnvironment,
    verification: Option<&Verification>,
    row: &EnvRow,
) -> Option<String> {
    let (name, value) = match row {
        EnvRow::Variable(name) => (&**name, environment.get(name)?.value.map(str::to_owned)),
        EnvRow::Unpredicted(name) => (&**name, verification?.get(name)?.actual.as_deref().map(str::to_owned)),
        EnvRow::Heading(_) | EnvRow::Besides => return None,
    };
    Some(value.map_or_else(|| name.to_owned(), |value| format!("{name}={value}")))
}

impl App {
    /// Whether keys that search go to the Environment pane.
    pub(super) fn searches_environment(&self) -> bool {
        self.focus == Pane::Environment
            && matches!(self.panes.environment, Some(EnvironmentPane::Container { .. }))
    }

    /// What a person wants to see of the environment changed.
    pub(super) fn environment_changed(&mut self) {
        self.panes.fetches_changed();
        self.repane();
    }

    /// Opens the page of the containers that lack the selected Service's variables.
    pub(super) fn show_missing(&mut self) {
        match self
            .selected_service()
            .map(|facts| facts.service.headless() || facts.service.cluster_ips.is_empty())
        {
            None => self.notify(Tone::Note, "go to a Service to see which containers lack its variables"),
            Some(true) => {
                self.notify(Tone::Note, "no container gets variables of it: it has no cluster address");
            }
            Some(false) => self.overlays.push(Overlay::Missing { offset: 0 }),
        }
    }

    pub(super) fn toggle_differences(&mut self) {
        self.environment.differences = !self.environment.differences;
        self.focus_on(Pane::Environment);
        self.relist_environment();
    }

    /// Shows the secret value of the selected variable, or hides it again. Reads the Secret if nobody has yet.
    pub(super) fn reveal(&mut self) -> Vec<Effect> {
        let Some((name, secrets)) = self.secret_under_cursor() else {
            self.notify(Tone::Note, "go to a variable that comes from a Secret (pane Environment) to see it");
            return vec![];
        };
        match name {
            Some(name) if self.environment.revealed.remove(&name) => {
                self.environment_changed();
                return vec![];
            }
            Some(name) => drop(self.environment.revealed.insert(name)),
            None => self.notify(Tone::Note, "reading the names of its variables; values stay hidden"),
        }
        let mut effects = Vec::new();
        let saved = self.connection.identity.as_ref().is_none_or(|i| i.file.is_some());
        for key in secrets {
            let place = (Kind::Secret, key.clone());
            let refused = self.fetches.get(&place).is_some_and(|f| *f != env::Fetch::Pending);
            if saved || self.snapshot.secrets.contains_key(&key) {
                continue;
            }
            if refused || !self.fetches.contains_key(&place) {
                self.fetches.insert(place, env::Fetch::Pending);
                effects.push(Effect::Fetch { epoch: self.connection.epoch, kind: Kind::Secret, key });
            }
        }
        self.environment_changed();
        effects
    }

    /// The selected variable, if something secret may be in it, and the Secrets that it needs; no name where the
    /// heading of Secrets is selected that nobody has read.
    fn secret_under_cursor(&self) -> Option<(Option<Text>, Vec<ObjectKey>)> {
        let Some(EnvironmentPane::Container { pod, container, environment, rows, .. }) =
            &self.panes.environment
        else {
            return None;
        };
        let spec = pod.spec.container(container)?;
        let here = |name: &Text| ObjectKey::new(pod.key.namespace.clone(), name.clone());
        let unread: Vec<_> =
            environment.gaps.iter().filter(|g| g.kind == Kind::Secret).map(|g| g.key.clone()).collect();
        let row = rows.get(self.panes.cursor(Pane::Environment).index());
        let Some(EnvRow::Variable(name)) = row else {
            return (!unread.is_empty()).then_some((None, unread));
        };
        let name: Text = (&**name).into();
        if self.environment.revealed.contains(&name) {
            return Some((Some(name), vec![]));
        }
        let variable = environment.get(&name)?;
        if variable.status != Status::Unreadable {
            return (!unread.is_empty()).then_some((None, unread));
        }
        let mut secrets: Vec<_> = spec
            .env
            .iter()
            .filter_map(|entry| match &entry.value {
                EnvValue::SecretKey(reference) => Some(here(&reference.name)),
                _ => None,
            })
            .collect();
        // An expanded value may hold those of any entry before it, `envFrom` included.
        secrets.extend(spec.env_from.iter().filter(|f| f.secret).map(|f| here(&f.name)));
        let own = spec.env.iter().rev().find(|e| e.name == name);
        if let Some(EnvValue::SecretKey(reference)) = own.map(|e| &e.value) {
            secrets = vec![here(&reference.name)];
        }
        secrets.sort();
        secrets.dedup();
        Some((Some(name), secrets))
    }

    /// What the export menu offers.
    pub(super) fn export_entries(&self) -> Vec<Entry> {
        if !matches!(self.panes.environment, Some(EnvironmentPane::Container { .. })) {
            return vec![];
        }
        let entry = |label: &str, note: &str, form| Entry {
            label: label.into(),
            note: note.into(),
            choice: Choice::Export(form),
        };
        vec![
            entry("dotenv", "NAME=value, for dotenv libraries and Docker Compose", ExportForm::Dotenv),
            entry("shell", "export NAME='value', for a POSIX shell", ExportForm::Shell),
            entry("docker", "NAME=value unquoted, for docker run --env-file", ExportForm::Docker),
            entry("shown", "the lines that the pane shows now", ExportForm::Shown),
        ]
    }

    /// Copies the open container's environment in a form, and tells what that form can't hold.
    pub(super) fn export(&mut self, form: ExportForm) -> Vec<Effect> {
        let Some(EnvironmentPane::Container { environment, rows, verification, .. }) =
            &self.panes.environment
        else {
            return vec![];
        };
        let format = match form {
            ExportForm::Dotenv => Format::Dotenv,
            ExportForm::Shell => Format::Shell,
            ExportForm::Docker => Format::DockerEnvFile,
            ExportForm::Shown => {
                let lines: Vec<_> = rows
                    .iter()
                    .filter_map(|row| row_text(environment, verification.as_deref(), row))
                    .collect();
                return self.copy_lines(lines.iter().map(String::as_str));
            }
        };
        let (pairs, mut left_out) = export::exportable(environment);
        let exported = export::export(pairs, format);
        left_out.extend(exported.left_out);
        if let Some(first) = left_out.first() {
            let more = match left_out.len() {
                1 => String::new(),
                all => format!(", and {} more", all - 1),
            };
            let text = format!("left out {}: {}{more}", crate::model::text::clean(&first.name), first.why);
            self.notify(Tone::Note, text);
        }
        if exported.text.is_empty() {
            self.notify(Tone::Note, "there is nothing to export");
            return vec![];
        }
        self.copy_lines(exported.text.lines())
    }
}

//! Pickers: what they offer, and what choosing means.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::model::target::PortWish;
use crate::model::{NamespaceScope, Pod, Text};

use super::App;
use super::Id;
use super::action::Action;
use super::effect::Effect;
use super::message::CopyOutcome;
use super::overlay::{Choice, Entry, Overlay, Picker, PickerKind};
use super::profiles::ProfileUse;
use super::state::{Tone, Viewpoint};

/// Commands of the palette that take a word: what is typed, what it means.
const COMMANDS: [(&str, &str); 8] = [
    ("ns", "ns NAME[,NAME…]|all: look at these namespaces"),
    ("ctx", "ctx NAME: connect to this context"),
    ("filter", "filter TEXT: filter the list"),
    ("svc", "svc NAME: go to a Service"),
    ("resolve", "resolve NAME [TYPE] [@NAMESPACE/POD] [glibc|musl]: look a name up live"),
    ("profile", "profile NAME: start the forwards that are kept under it"),
    ("profile-save", "profile-save NAME: keep the running forwards under it"),
    ("doctor", "doctor NAME: why it does not resolve or connect from the viewpoint"),
];

impl App {
    /// Opens a picker.
    pub(super) fn open(&mut self, kind: PickerKind) {
        let entries = match kind {
            PickerKind::Palette => Self::palette_entries(),
            PickerKind::Namespaces => self.namespace_entries(),
            PickerKind::Contexts => self.context_entries(),
            PickerKind::Viewpoint => self.viewpoint_entries(),
            PickerKind::Copy => self.copy_entries(),
            PickerKind::Export => self.export_entries(),
            // Opened where its target is known.
            PickerKind::Ports | PickerKind::Resolve | PickerKind::Profile(_) => return,
        };
        if entries.is_empty() {
            let why = match kind {
                PickerKind::Contexts => "this configuration has no contexts",
                PickerKind::Export => "no container's environment is open",
                _ => "nothing is selected",
            };
            return self.notify(Tone::Note, why);
        }
        let mut picker = Picker::new(kind, entries);
        match kind {
            PickerKind::Namespaces => {
                if let Some(NamespaceScope::Only(names)) = &self.scope {
                    picker.marked.clone_from(names);
                    let first = names.first().cloned();
                    if let Some(at) = picker
                        .entries
                        .iter()
                        .position(|e| matches!(&e.choice, Choice::Namespace(n) if Some(n) == first.as_ref()))
                    {
                        picker.select(at, self.layout.viewport.overlay_rows);
                    }
                }
            }
            PickerKind::Contexts => {
                let here = self.connection.identity.as_ref().map(|i| i.context.clone());
                if let Some(at) = picker
                    .entries
                    .iter()
                    .position(|e| matches!(&e.choice, Choice::Context(c) if Some(c) == here.as_ref()))
                {
                    picker.select(at, self.layout.viewport.overlay_rows);
                }
            }
            _ => {}
        }
        self.overlays.push(Overlay::Picker(picker));
    }

    /// Makes the open picker's entries again after the cluster changed: what was not known when it was opened is
    /// offered as soon as it is. What is typed and selected stays.
    pub(super) fn refresh_picker(&mut self) {
        let Some(Overlay::Picker(picker)) = self.overlays.last() else { return };
        let entries = match picker.kind {
            PickerKind::Namespaces => self.namespace_entries(),
            PickerKind::Viewpoint => self.viewpoint_entries(),
            PickerKind::Profile(what) => self.profile_entries(what),
            PickerKind::Palette
            | PickerKind::Contexts
            | PickerKind::Copy
            | PickerKind::Export
            | PickerKind::Ports
            | PickerKind::Resolve => return,
        };
        let page = self.layout.viewport.overlay_rows;
        if let Some(Overlay::Picker(picker)) = self.overlays.last_mut()
            && picker.entries != entries
        {
            let selected = picker.selected().map(|e| e.choice.clone());
            picker.entries = entries;
            picker.narrow(page);
            let again =
                picker.shown.iter().position(|i| Some(&picker.entries[*i].choice) == selected.as_ref());
            picker.select(again.unwrap_or(0), page);
        }
    }

    fn palette_entries() -> Vec<Entry> {
        let commands = COMMANDS.iter().map(|(name, note)| Entry {
            label: (*name).to_owned(),
            note: (*note).to_owned(),
            choice: Choice::Action(match *name {
                "ns" => Action::Namespaces,
                "ctx" => Action::Contexts,
                "svc" => Action::Services,
                "resolve" => Action::ResolveAny,
                "doctor" => Action::Doctor,
                "profile" => Action::Profile,
                "profile-save" => Action::ProfileSave,
                _ => Action::Filter,
            }),
        });
        let actions = Action::ALL
            .iter()
            .filter(|a| a.group() != super::action::Group::Type && **a != Action::Palette)
            .map(|a| Entry {
                label: a.name().to_owned(),
                note: a.help().to_owned(),
                choice: Choice::Action(*a),
            });
        commands.chain(actions).collect()
    }

    /// Every namespace that is known by any way: listed, seen in objects, configured, typed in.
    pub fn namespace_names(&self) -> BTreeSet<Text> {
        let mut names = self.known_namespaces.clone();
        names.extend(self.snapshot.namespaces.iter().map(|n| n.name.clone()));
        names.extend(self.snapshot.services.iter().map(|f| f.service.key.namespace.clone()));
        if let Some(NamespaceScope::Only(chosen)) = &self.scope {
            names.extend(chosen.iter().cloned());
        }
        names
            .extend(self.connection.identity.as_ref().map(|i| i.namespace.clone()).filter(|n| !n.is_empty()));
        names
    }

    fn namespace_entries(&self) -> Vec<Entry> {
        let all =
            Entry { label: "all namespaces".into(), note: String::new(), choice: Choice::AllNamespaces };
        let names = self.namespace_names().into_iter().map(|name| {
            let terminating = self.snapshot.namespaces.iter().any(|n| n.name == name && n.terminating);
            let seen = self.scope.as_ref().is_some_and(|s| s.contains(&name));
            let count = self.snapshot.services_in(&name).len();
            let services = if seen { format!("{count} Services") } else { String::new() };
            let note = if terminating { format!("{services} being deleted") } else { services };
            Entry { label: name.to_string(), note: note.trim().to_owned(), choice: Choice::Namespace(name) }
        });
        std::iter::once(all).chain(names).collect()
    }

    fn context_entries(&self) -> Vec<Entry> {
        self.connection
            .contexts
            .iter()
            .map(|c| Entry {
                label: c.name.to_string(),
                note: format!("{} as {}", c.cluster, c.user),
                choice: Choice::Context(c.name.clone()),
            })
            .collect()
    }

    /// The running pods to look from: those behind the selected Service, its possible clients in the namespace, then
    /// the others; each with what it is to the Service.
    fn pods_to_look_from(&self) -> Vec<(u8, String, &Arc<Pod>)> {
        let service = self.selected_service().map(|facts| &facts.service);
        let mut pods: Vec<_> = self
            .snapshot
            .pods
            .values()
            .flat_map(|pods| pods.iter())
            .filter(|p| !p.finished())
            .map(|pod| match service {
                Some(s) if s.key.namespace == pod.key.namespace && s.selector.selects(&pod.labels) => {
                    (0, format!("behind {}", s.key.name), pod)
                }
                Some(s) if s.key.namespace == pod.key.namespace => (1, format!("beside {}", s.key.name), pod),
                _ => (2, String::new(), pod),
            })
            .collect();
        pods.sort_by_key(|(rank, ..)| *rank);
        pods
    }

    fn viewpoint_entries(&self) -> Vec<Entry> {
        let mut entries = vec![
            Entry {
                label: "selection".into(),
                note: "the selected Service's own first pod".into(),
                choice: Choice::Viewpoint(Viewpoint::Selection),
            },
            Entry {
                label: "laptop".into(),
                note: "this computer, outside the cluster".into(),
                choice: Choice::Viewpoint(Viewpoint::Laptop),
            },
        ];
        entries.extend(self.namespace_names().into_iter().map(|n| Entry {
            label: format!("ns/{n}"),
            note: "any pod of this namespace with default settings".into(),
            choice: Choice::Viewpoint(Viewpoint::Namespace(n)),
        }));
        for (_, note, pod) in self.pods_to_look_from() {
            entries.extend(pod.spec.containers.iter().map(|c| Entry {
                label: format!("{}/{}/{}", pod.key.namespace, pod.key.name, c.name),
                note: note.clone(),
                choice: Choice::Viewpoint(Viewpoint::Container {
                    pod: pod.key.clone(),
                    container: c.name.clone(),
                }),
            }));
        }
        entries
    }

    /// Marks or unmarks the selected namespace.
    pub(super) fn toggle_mark(&mut self) {
        let page = self.layout.viewport.overlay_rows;
        if let Some(Overlay::Picker(picker)) = self.overlays.last_mut()
            && let Some(name) = picker.selected().and_then(|entry| match &entry.choice {
                Choice::Namespace(name) => Some(name.clone()),
                Choice::ForwardPorts(ports) if ports.len() == 1 => Some(entry.label.as_str().into()),
                _ => None,
            })
        {
            if !picker.marked.remove(&name) {
                picker.marked.insert(name);
            }
            picker.select(picker.selected + 1, page);
        }
    }

    /// Takes what is selected or typed in the open picker.
    pub(super) fn choose(&mut self) -> Vec<Effect> {
        let Some(Overlay::Picker(picker)) = self.overlays.pop() else { return vec![] };
        let typed = picker.line.text().trim().to_owned();
        match picker.kind {
            PickerKind::Palette => {
                if let Some((word, rest)) = typed.split_once(' ')
                    && COMMANDS.iter().any(|(name, _)| *name == word)
                {
                    return self.command(word, rest.trim());
                }
            }
            PickerKind::Namespaces => {
                let chosen = picker.selected().map(|e| &e.choice);
                let several: BTreeSet<Text> = picker
                    .marked
                    .iter()
                    .cloned()
                    .chain(match chosen {
                        Some(Choice::Namespace(n)) => Some(n.clone()),
                        _ => None,
                    })
                    .collect();
                let started_with = match &self.scope {
                    Some(NamespaceScope::Only(names)) => names.clone(),
                    _ => BTreeSet::new(),
                };
                if picker.marked != started_with && !several.is_empty() && typed.is_empty() {
                    return self.set_scope(NamespaceScope::Only(picker.marked));
                }
                if chosen.is_none() {
                    return self.command("ns", &typed);
                }
            }
            // What is typed with a colon or a flag is meant as it stands.
            PickerKind::Ports
                if picker.selected().is_none_or(|e| e.choice == Choice::Nothing)
                    || typed.contains([':', ' ', '-']) =>
            {
                if typed.is_empty() {
                    return vec![];
                }
                return self.forward_typed(&typed);
            }
            PickerKind::Resolve if picker.selected().is_none_or(|e| e.choice == Choice::Nothing) => {
                if typed.is_empty() {
                    return vec![];
                }
                return self.resolve_typed(&typed);
            }
            // What is typed is a name as it stands, when one is to be given.
            PickerKind::Profile(ProfileUse::Save) if !typed.is_empty() => {
                return self.use_profile(ProfileUse::Save, &typed);
            }
            PickerKind::Profile(what) => {
                return match picker.selected().map(|e| e.choice.clone()) {
                    Some(Choice::Profile(name)) => self.use_profile(what, &name),
                    Some(_) => vec![],
                    None => self.use_profile(what, &typed),
                };
            }
            PickerKind::Ports => {
                let marked: Vec<PortWish> = picker
                    .entries
                    .iter()
                    .filter(|e| picker.marked.contains(&*e.label))
                    .filter_map(|e| match &e.choice {
                        Choice::ForwardPorts(ports) => Some(ports.clone()),
                        _ => None,
                    })
                    .flatten()
                    .collect();
                if !marked.is_empty() {
                    return self.forward_chosen(marked);
                }
            }
            _ => {}
        }
        match picker.selected().map(|e| e.choice.clone()) {
            Some(Choice::Action(action)) => self.act(action),
            Some(Choice::AllNamespaces) => self.set_scope(NamespaceScope::All),
            Some(Choice::Namespace(name)) => self.set_scope(NamespaceScope::one(name)),
            Some(Choice::Context(name)) => self.connect(Some(name)),
            Some(Choice::Viewpoint(viewpoint)) => {
                self.viewpoint = viewpoint;
                self.repane();
                vec![]
            }
            Some(Choice::Copy(text)) => self.copy(&text),
            Some(Choice::Export(form)) => self.export(form),
            Some(Choice::ForwardPorts(ports)) => self.forward_chosen(ports),
            Some(Choice::Resolve(question)) => self.resolve_chosen(question),
            Some(Choice::Nothing | Choice::Profile(_)) => vec![],
            None => {
                self.notify(Tone::Fault, format!("nothing is called \"{typed}\""));
                vec![]
            }
        }
    }

    /// A command with a word behind it.
    fn command(&mut self, word: &str, rest: &str) -> Vec<Effect> {
        match word {
            "ns" if rest == "all" || rest == "*" => self.set_scope(NamespaceScope::All),
            "ns" => {
                let names: BTreeSet<Text> =
                    rest.split([',', ' ']).filter(|n| !n.is_empty()).map(Text::from).collect();
                match names.iter().find(|n| !is_dns_label(n)) {
                    Some(bad) => self.notify(
                        Tone::Fault,
                        format!(
                            "\"{bad}\" can't be a namespace: lower-case letters, digits and '-', at most 63"
                        ),
                    ),
                    None if names.is_empty() => self.open(PickerKind::Namespaces),
                    None => return self.set_scope(NamespaceScope::Only(names)),
                }
                vec![]
            }
            "ctx" => {
                let name = self.connection.contexts.iter().find(|c| &*c.name == rest).map(|c| c.name.clone());
                if name.is_some() {
                    return self.connect(name);
                }
                self.notify(Tone::Fault, format!("the kubeconfig has no context \"{rest}\""));
                vec![]
            }
            "resolve" => self.resolve_typed(rest),
            "doctor" => self.examine(rest.to_owned()),
            "profile" => self.use_profile(ProfileUse::Start, rest),
            "profile-save" => self.use_profile(ProfileUse::Save, rest),
            "filter" => {
                self.focus_on(super::Pane::Main);
                self.set_filter(super::Line::new(rest));
                vec![]
            }
            _ => self.go_to_service(rest),
        }
    }

    fn go_to_service(&mut self, text: &str) -> Vec<Effect> {
        self.act(Action::Services);
        let page = self.page(super::Pane::Main);
        let (namespace, name) = text.split_once('/').map_or((None, text), |(ns, name)| (Some(ns), name));
        let key = self
            .services
            .rows
            .iter()
            .map(|r| &r.item.service.key)
            .find(|k| &*k.name == name && namespace.is_none_or(|ns| &*k.namespace == ns))
            .cloned();
        match key {
            Some(key) => {
                self.services.select(&key, page);
                self.repane();
            }
            None => self.notify(Tone::Fault, format!("no Service \"{text}\" in the list")),
        }
        vec![]
    }

    /// Copies text; what came of it is told when the clipboard or the terminal has it.
    pub(super) fn copy(&mut self, text: &str) -> Vec<Effect> {
        self.copy_lines([text])
    }

    /// Copies lines. Line breaks are between them, never in them, whatever the cluster wrote there.
    pub(super) fn copy_lines<'a>(&mut self, lines: impl IntoIterator<Item = &'a str>) -> Vec<Effect> {
        let id = self.id();
        let safe = |line: &str| line.chars().filter(|c| crate::model::text::is_safe(*c)).collect::<String>();
        let text = lines.into_iter().map(safe).collect::<Vec<_>>().join("\n");
        self.copying = Some((id, text.clone()));
        vec![Effect::Copy { id, text }]
    }

    pub(super) fn copied(&mut self, id: Id, outcome: CopyOutcome) -> Vec<Effect> {
        let Some((_, text)) = self.copying.take_if(|(waiting, _)| *waiting == id) else { return vec![] };
        let told = match text.lines().count() {
            0 | 1 => text.clone(),
            lines => format!("{lines} lines"),
        };
        match outcome {
            CopyOutcome::Clipboard => self.notify(Tone::Done, format!("copied  {told}")),
            CopyOutcome::Terminal => self.notify(Tone::Done, format!("copied by the terminal  {told}")),
            CopyOutcome::Failed(why) => self.overlays.push(Overlay::Text {
                title: format!("Could not copy: {why}. Select it here:"),
                lines: text.lines().map(str::to_owned).collect(),
                offset: 0,
            }),
        }
        vec![]
    }
}

/// RFC 1123 label, as namespaces have to be (apimachinery: `IsDNS1123Label`).
fn is_dns_label(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (1..=63).contains(&text.len())
        && text.chars().all(inner)
        && !text.starts_with('-')
        && !text.ends_with('-')
}

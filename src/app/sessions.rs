//! Forwards and the API proxy as a person handles them: which key starts, stops, opens or copies what.
//!
//! Only `app` uses it. The sockets are elsewhere; what is true of them arrives as a message.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::model::copy::{self, CopyItem};
use crate::model::proxy::ProxyStatus;
use crate::model::session::profile::Profile;
use crate::model::session::{
    Choice as PodChoice, ForwardId, ForwardSpec, ForwardState, ForwardStatus, Listen,
};
use crate::model::target::{self, PortWish, RemotePort, Target, TargetKind};
use crate::model::{ObjectKey, Port, Protocol, ServiceType, Text};

use super::cursor::Cursor;
use super::effect::Effect;
use super::overlay::{Choice, Confirm, Entry, Overlay, Picker, PickerKind};
use super::panes::Subject;
use super::profiles::ProfileUse;
use super::state::{Pane, Tone};
use super::{Action, App};

/// What runs, and where the selection of its page is.
#[derive(Debug, Default)]
pub struct Sessions {
    /// The forwards, as they were a moment ago; those that have ended stay until they are put away.
    pub forwards: Arc<Vec<ForwardStatus>>,
    /// The API proxy that runs, or ran last.
    pub proxy: Option<ProxyStatus>,
    /// What is kept under a name for the context that is looked at.
    pub profiles: Arc<Vec<Profile>>,
    /// Contexts whose profiles have been started by themselves.
    pub(super) autostarted: BTreeSet<Text>,
    /// The selection of the page of sessions.
    pub cursor: Cursor<ForwardId>,
    /// Ports that were chosen for a target, so that it is asked once.
    chosen: BTreeMap<Target, Vec<PortWish>>,
    /// The target that the open menu of ports is about.
    asked: Option<Target>,
}

impl Sessions {
    /// The forwards of a target that have not ended.
    pub fn of<'a>(&'a self, target: &'a Target) -> impl Iterator<Item = &'a ForwardStatus> {
        self.running().filter(move |f| f.spec.target == *target)
    }

    /// The forwards that have not ended.
    pub fn running(&self) -> impl Iterator<Item = &ForwardStatus> {
        self.forwards.iter().filter(|f| !matches!(f.state, ForwardState::Closed { .. }))
    }

    /// The API proxy, while it runs.
    pub fn running_proxy(&self) -> Option<&ProxyStatus> {
        self.proxy.as_ref().filter(|p| p.ended.is_none())
    }

    /// The selected forward.
    pub fn selected(&self) -> Option<&ForwardStatus> {
        self.forwards.get(self.cursor.index())
    }
}

/// What is typed behind the ports when a forward is chosen in detail.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Wish {
    ports: Vec<PortWish>,
    addresses: Vec<String>,
    choice: PodChoice,
}

impl Wish {
    /// `8080:http 9090 --address 127.0.0.1 --pod web-0`, with the words of `kubectl port-forward`.
    fn parse(typed: &str) -> Result<Self, String> {
        let mut wish = Self::default();
        let mut words = typed.split_whitespace();
        while let Some(word) = words.next() {
            let (flag, inline) = word.split_once('=').map_or((word, None), |(f, v)| (f, Some(v)));
            let mut value = || inline.or_else(|| words.next()).ok_or(format!("{flag} needs a value"));
            match flag {
                "--address" => wish.addresses.extend(value()?.split(',').map(str::to_owned)),
                "--pod" => wish.choice = PodChoice::Pinned(value()?.into()),
                "--least-connections" => wish.choice = PodChoice::LeastConnections,
                "--kubectl" => wish.choice = PodChoice::Kubectl,
                _ if flag.starts_with('-') => {
                    let known = "--address IP, --pod NAME, --least-connections, --kubectl";
                    return Err(format!("{flag} is not known here; there are {known}"));
                }
                _ => wish.ports.push(PortWish::parse(word).map_err(|e| e.to_string())?),
            }
        }
        Ok(wish)
    }
}

impl App {
    /// What a forward from the selection would lead to, and the ports it has.
    fn forward_target(&self) -> Result<(Target, Vec<(PortWish, String)>), String> {
        let row = self.panes.cursor(self.focus).index();
        match (&self.panes.subject, self.focus) {
            (Some(Subject::Service(facts)), Pane::Endpoints) if !self.panes.endpoints.is_empty() => {
                let endpoint = self.panes.endpoints.get(row).ok_or("no endpoint is selected")?;
                let pod = endpoint.target.as_ref().filter(|t| &*t.kind == "Pod");
                let pod = pod.ok_or("there is no pod behind this endpoint, and a forward needs one")?;
                let ports = endpoint.ports.iter().filter_map(|p| {
                    let number = u16::try_from(p.port?).ok()?;
                    Some((PortWish::number(number), p.name.to_string()))
                });
                Ok((Target::pod(facts.key().namespace.clone(), pod.name.clone()), ports.collect()))
            }
            (Some(Subject::Service(facts)), _) => {
                let key = facts.key();
                if facts.service.kind == ServiceType::ExternalName {
                    return Err(format!("{} is an ExternalName: no pod is behind it", key.name));
                }
                let ports = facts.service.ports.iter().filter_map(|port| {
                    let wish = PortWish::number(u16::try_from(port.port).ok()?);
                    target::service_port(&facts.service, &wish.remote).ok()?;
                    Some((wish, port.name.to_string()))
                });
                let mut ports: Vec<_> = ports.collect();
                ports.dedup_by(|a, b| a.0 == b.0);
                if ports.is_empty() {
                    return Err(format!("{} has no TCP port, and only TCP can be forwarded", key.name));
                }
                Ok((Target::service(key.namespace.clone(), key.name.clone()), ports))
            }
            (Some(Subject::Pod(pod)), _) => {
                let ports = pod.spec.containers.iter().flat_map(|c| c.ports.iter()).filter_map(|port| {
                    let wish = PortWish::number(u16::try_from(port.port).ok()?);
                    target::pod_port(pod, &wish.remote).ok()?;
                    Some((wish, port.name.to_string()))
                });
                Ok((Target::pod(pod.key.namespace.clone(), pod.key.name.clone()), ports.collect()))
            }
            (None, _) => Err("nothing is selected".to_owned()),
        }
    }

    /// Starts the forward of the selection, or stops it.
    pub(super) fn toggle_forward(&mut self) -> Vec<Effect> {
        if self.is_saved() {
            self.notify(Tone::Note, "a saved file is shown: there is no cluster to forward to");
            return vec![];
        }
        let (target, ports) = match self.forward_target() {
            Ok(found) => found,
            Err(why) => {
                self.notify(Tone::Note, why);
                return vec![];
            }
        };
        let running: Vec<ForwardId> = self.sessions.of(&target).map(|f| f.id).collect();
        if !running.is_empty() {
            self.notify(Tone::Done, format!("stopped the forward to {target}"));
            return vec![Effect::StopForwards { ids: running }];
        }
        match (self.sessions.chosen.get(&target), &*ports) {
            (Some(chosen), _) => {
                let chosen = chosen.clone();
                self.start_forwards(&target, chosen, &Listen::default(), &PodChoice::default())
            }
            (None, [(only, _)]) => {
                let only = only.clone();
                self.start_forwards(&target, vec![only], &Listen::default(), &PodChoice::default())
            }
            _ => {
                self.choose_forward();
                vec![]
            }
        }
    }

    /// Opens the menu of the selection's ports.
    pub(super) fn choose_forward(&mut self) {
        let (target, ports) = match self.forward_target() {
            _ if self.is_saved() => {
                return self.notify(Tone::Note, "a saved file is shown: there is no cluster to forward to");
            }
            Ok(found) => found,
            Err(why) => return self.notify(Tone::Note, why),
        };
        let mut entries: Vec<Entry> = ports
            .iter()
            .map(|(wish, name)| Entry {
                label: wish.to_string(),
                note: name.clone(),
                choice: Choice::ForwardPorts(vec![wish.clone()]),
            })
            .collect();
        if ports.len() > 1 {
            let all = ports.iter().map(|(wish, _)| wish.clone()).collect();
            entries.insert(
                0,
                Entry { label: "all".into(), note: "every port".into(), choice: Choice::ForwardPorts(all) },
            );
        }
        entries.push(Entry {
            label: "or type".into(),
            note: "LOCAL:REMOTE [--address IP] [--pod NAME] [--least-connections] [--kubectl]".into(),
            choice: Choice::Nothing,
        });
        self.sessions.asked = Some(target);
        self.overlays.push(Overlay::Picker(Picker::new(PickerKind::Ports, entries)));
    }

    /// Takes what was typed into the menu of ports.
    pub(super) fn forward_typed(&mut self, typed: &str) -> Vec<Effect> {
        let Some(target) = self.sessions.asked.clone() else { return vec![] };
        let wish = Wish::parse(typed).and_then(|wish| {
            let listen = Listen::parse(wish.addresses.iter().map(String::as_str))?;
            if wish.ports.is_empty() { Err("a port is needed".to_owned()) } else { Ok((wish, listen)) }
        });
        match wish {
            Ok((wish, listen)) => self.start_forwards(&target, wish.ports, &listen, &wish.choice),
            Err(why) => {
                self.notify(Tone::Fault, why);
                vec![]
            }
        }
    }

    /// Takes ports that were chosen in the menu, and remembers them.
    pub(super) fn forward_chosen(&mut self, ports: Vec<PortWish>) -> Vec<Effect> {
        let Some(target) = self.sessions.asked.take() else { return vec![] };
        self.sessions.chosen.insert(target.clone(), ports.clone());
        self.start_forwards(&target, ports, &Listen::default(), &PodChoice::default())
    }

    fn start_forwards(
        &mut self,
        target: &Target,
        ports: Vec<PortWish>,
        listen: &Listen,
        choice: &PodChoice,
    ) -> Vec<Effect> {
        let specs: Vec<ForwardSpec> = ports
            .into_iter()
            .map(|port| ForwardSpec {
                listen: listen.clone(),
                choice: choice.clone(),
                ..ForwardSpec::new(target.clone(), port)
            })
            .collect();
        self.start_specs(&format!("the forward to {target}"), specs)
    }

    /// Starts forwards; those that others than this computer could reach only after a typed word.
    pub(super) fn start_specs(&mut self, what: &str, specs: Vec<ForwardSpec>) -> Vec<Effect> {
        let mut lines: Vec<String> = Vec::new();
        for spec in &specs {
            let exposed: Vec<String> = spec.listen.exposed().map(|a| a.to_string()).collect();
            let line = format!("The forward to {} would listen on {}.", spec.target, exposed.join(", "));
            if !exposed.is_empty() && !lines.contains(&line) {
                lines.push(line);
            }
        }
        let start = vec![Effect::StartForwards { epoch: self.connection.epoch, specs }];
        if lines.is_empty() {
            self.notify(Tone::Note, format!("starting {what}"));
            return start;
        }
        lines.push(
            "Everybody who reaches this computer there reaches the pod, without signing in.".to_owned(),
        );
        let title = "Listen for other computers?";
        self.overlays.push(Overlay::Confirm(Confirm::typed(title, lines, "expose", start)));
        vec![]
    }

    /// News of the forwards.
    pub(super) fn take_forwards(&mut self, forwards: Arc<Vec<ForwardStatus>>) {
        for now in forwards.iter() {
            let before = self.sessions.forwards.iter().find(|f| f.id == now.id);
            let closed = |f: &ForwardStatus| matches!(f.state, ForwardState::Closed { .. });
            if closed(now) && before.is_some_and(|b| !closed(b)) && now.last_error.is_some() {
                let why = now.state.why().unwrap_or_default().to_owned();
                self.notify(Tone::Fault, format!("the forward to {} ended: {why}", now.spec.target));
            } else if before.is_none_or(|b| b.local.is_empty())
                && let Some(address) = now.address()
            {
                let instead = match &now.taken {
                    Some(taken) if taken.privileged => {
                        format!(" ({} needs rights that you lack)", taken.port)
                    }
                    Some(taken) => match &taken.by {
                        Some(by) => format!(" ({} is taken by {by})", taken.port),
                        None => format!(" ({} is taken)", taken.port),
                    },
                    None => String::new(),
                };
                self.notify(Tone::Done, format!("{} is on {address}{instead}", now.spec.target));
            }
        }
        self.sessions.forwards = forwards;
        let all = self.sessions.forwards.clone();
        let page = self.layout.viewport.overlay_rows;
        self.sessions.cursor.anchor(
            all.len(),
            page,
            |id| all.iter().position(|f| f.id == *id),
            |row| all[row].id,
        );
    }

    /// The Service's port that a forward leads to, where it is known.
    pub fn forwarded_port(&self, forward: &ForwardStatus) -> Option<Port> {
        let target = &forward.spec.target;
        if target.kind != TargetKind::Service {
            return None;
        }
        let facts = self.snapshot.service(&ObjectKey::new(target.namespace.clone(), target.name.clone()))?;
        target::service_port(&facts.service, &forward.spec.port.remote).ok().cloned()
    }

    /// How a forward is reached from here, the best way first.
    pub fn forward_texts(&self, forward: &ForwardStatus) -> Vec<CopyItem> {
        let port = self.forwarded_port(forward);
        forward.address().map_or_else(Vec::new, |address| copy::of_forward(address, port.as_ref()))
    }

    /// Running forwards of the selected Service or pod, as the list shows it.
    pub fn forwards_of_subject(&self) -> impl Iterator<Item = &ForwardStatus> {
        let wanted = self.panes.subject.as_ref().map(|subject| match subject {
            Subject::Service(facts) => (TargetKind::Service, facts.key()),
            Subject::Pod(pod) => (TargetKind::Pod, &pod.key),
        });
        self.sessions.running().filter(move |f| {
            let target = &f.spec.target;
            wanted.is_some_and(|(kind, key)| {
                target.kind == kind && target.name == key.name && target.namespace == key.namespace
            })
        })
    }

    /// Running forwards of the selection, in the order in which they were started.
    pub fn forwards_here(&self) -> Vec<&ForwardStatus> {
        self.forward_target().map_or_else(
            |_| Vec::new(),
            |(target, _)| self.sessions.running().filter(|f| f.spec.target == target).collect(),
        )
    }

    /// The running forward that a person means: the selected one of the page of sessions, or that of the selection.
    fn meant_forward(&self) -> Option<&ForwardStatus> {
        if matches!(self.overlays.last(), Some(Overlay::Sessions)) {
            return self.sessions.selected();
        }
        self.forwards_here().into_iter().next()
    }

    /// Opens the forward that is meant in a browser.
    pub(super) fn open_forward(&mut self) -> Vec<Effect> {
        let Some(forward) = self.meant_forward() else {
            let path = match &self.panes.subject {
                Some(Subject::Service(facts)) => facts
                    .service
                    .ports
                    .iter()
                    .find(|p| p.protocol == Protocol::Tcp)
                    .map(|port| copy::service_proxy_path(&facts.service, port)),
                _ => None,
            };
            if let Some(url) = path.and_then(|path| self.proxied(&path)) {
                self.notify(Tone::Done, format!("opening {url}"));
                return vec![Effect::OpenUrl { url }];
            }
            self.notify(
                Tone::Note,
                "nothing is forwarded here that a browser could open: start a forward first",
            );
            return vec![];
        };
        let Some(address) = forward.address() else {
            self.notify(Tone::Note, "the forward does not listen");
            return vec![];
        };
        let texts = self.forward_texts(forward);
        let url = texts.iter().find(|i| i.text.starts_with("http")).map(|i| i.text.clone());
        let url = url.unwrap_or_else(|| format!("http://{address}/"));
        self.notify(Tone::Done, format!("opening {url}"));
        vec![Effect::OpenUrl { url }]
    }

    /// Starts the API proxy, for reading alone, or stops it.
    pub(super) fn toggle_proxy(&mut self) -> Vec<Effect> {
        if self.is_saved() {
            self.notify(Tone::Note, "a saved file is shown: there is no API server to hand requests to");
            return vec![];
        }
        if self.sessions.running_proxy().is_some() {
            self.notify(Tone::Done, "stopped the API proxy");
            return vec![Effect::StopProxy];
        }
        self.notify(Tone::Note, "starting the API proxy, for GET and HEAD alone");
        vec![Effect::StartProxy { epoch: self.connection.epoch, wide: false }]
    }

    /// Asks whether the API proxy may pass everything on that `kubectl proxy` does.
    pub(super) fn widen_proxy(&mut self) {
        if self.is_saved() {
            return self
                .notify(Tone::Note, "a saved file is shown: there is no API server to hand requests to");
        }
        let as_whom = self.connection.identity.as_ref().map_or("you", |i| &i.user).to_owned();
        self.overlays.push(Overlay::Confirm(Confirm::typed(
            "Let the API proxy pass writes as well?",
            vec![
                format!("Every program on this computer could then change the cluster as {as_whom}: create, delete, everything your rights allow."),
                "The host filter stays on, and so does the list of refused paths (exec, attach), as with kubectl proxy.".to_owned(),
            ],
            "writes",
            vec![Effect::StartProxy { epoch: self.connection.epoch, wide: true }],
        )));
    }

    /// News of the API proxy.
    pub(super) fn take_proxy(&mut self, now: Option<ProxyStatus>) {
        let before = self.sessions.running_proxy().map(|p| p.address.clone());
        match &now {
            Some(ProxyStatus { ended: Some(why), .. }) if before.is_some() && !why.is_empty() => {
                let text = format!("the API proxy ended: {why}");
                self.notify(Tone::Fault, text);
            }
            Some(proxy) if proxy.ended.is_none() && before.as_ref() != Some(&proxy.address) => {
                let how = if proxy.openness.narrow { ", for GET and HEAD alone" } else { "" };
                let text = format!("the API proxy is on {}{how}", proxy.address);
                self.notify(Tone::Done, text);
            }
            _ => {}
        }
        self.sessions.proxy = now;
    }

    /// The URL of a path of the API behind the running proxy.
    pub fn proxied(&self, path: &str) -> Option<String> {
        let proxy = self.sessions.running_proxy()?;
        Some(format!("http://{}{path}", proxy.address))
    }

    /// Keys on the page of sessions.
    pub(super) fn act_sessions(&mut self, action: Action) -> Option<Vec<Effect>> {
        let selected = self.sessions.selected().map(|f| (f.id, f.spec.target.clone()));
        match (action, selected) {
            (Action::Forward, Some((id, target))) => {
                self.notify(Tone::Done, format!("stopped the forward to {target}"));
                Some(vec![Effect::StopForwards { ids: vec![id] }])
            }
            (Action::Copy, Some(_)) => {
                let forward = self.sessions.selected()?;
                let text = self.forward_texts(forward).into_iter().next().map(|i| i.text)?;
                Some(self.copy(&text))
            }
            (Action::Open, _) => Some(self.open_forward()),
            (Action::Proxy, _) => Some(self.toggle_proxy()),
            (Action::Profile, _) => Some(self.choose_profile(ProfileUse::Start)),
            (Action::ProfileSave, _) => Some(self.choose_profile(ProfileUse::Save)),
            (Action::ProfileAutostart, _) => Some(self.choose_profile(ProfileUse::Autostart)),
            (Action::ProfileDelete, _) => Some(self.choose_profile(ProfileUse::Delete)),
            (Action::Sessions, _) => {
                self.overlays.pop();
                Some(vec![])
            }
            _ => None,
        }
    }

    /// Moves the selection of the page of sessions.
    pub(super) fn step_sessions(&mut self, by: isize) {
        let all = self.sessions.forwards.clone();
        let page = self.layout.viewport.overlay_rows.max(1);
        self.sessions.cursor.step(by, all.len(), page, |row| all[row].id);
    }

    /// Whether a saved file is shown, with no cluster behind it.
    pub fn is_saved(&self) -> bool {
        self.connection.identity.as_ref().is_some_and(|i| i.file.is_some())
    }

    /// A short word for what is forwarded to where: `3306 → 127.0.0.1:3306`.
    pub fn forward_line(forward: &ForwardStatus) -> Text {
        let remote = match &forward.spec.port.remote {
            RemotePort::Number(n) => n.to_string(),
            RemotePort::Name(name) => name.to_string(),
        };
        match forward.address() {
            Some(address) => format!("{address} to {remote}").into(),
            None => remote.into(),
        }
    }
}

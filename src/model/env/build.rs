//! What a container has besides service variables: `envFrom`, `env` and the runtime's own, in the kubelet's order
//! (kubelet: `makeEnvironmentVariables`).

use std::collections::BTreeMap;

use super::expand::{Expanded, LONGEST, Meaning, expand};
use super::runtime::{Hostname, hostname};
use super::sources::{Data, Field, Options, data, field, resource};
use super::verdict::{Start, Verdict, address_is_sure};
use super::{Gap, NamespaceVariables, Origin, Own, Status, resolve};
use crate::model::pod::{Container, EnvFrom, EnvValue, EnvVar, KeyRef};
use crate::model::{ClusterSnapshot, ConfigData, Kind, ObjectKey, Pod, Text};

/// Everything that goes into one container's environment.
pub(super) struct Builder<'a> {
    pub(super) snapshot: &'a ClusterSnapshot,
    pub(super) options: &'a Options<'a>,
    pub(super) pod: &'a Pod,
    pub(super) container: &'a Container,
    pub(super) start: &'a Start,
    pub(super) table: &'a NamespaceVariables,
    pub(super) verdicts: &'a [Verdict],
}

/// What came out.
#[derive(Default)]
pub(super) struct Built {
    pub(super) own: BTreeMap<Text, Own>,
    pub(super) gaps: Vec<Gap>,
    pub(super) blocked: Vec<String>,
}

impl Builder<'_> {
    /// Walks `envFrom`, then `env`, then what the runtime adds below them.
    pub(super) fn build(&self) -> Built {
        let mut built = Built::default();
        for source in &self.container.env_from {
            self.env_from(source, &mut built);
        }
        for entry in &self.container.env {
            self.env(entry, &mut built);
        }
        self.runtime(&mut built);
        for own in built.own.values_mut() {
            self.finish(own);
        }
        built
    }

    fn env_from(&self, source: &EnvFrom, built: &mut Built) {
        let kind = if source.secret { Kind::Secret } else { Kind::ConfigMap };
        let key = ObjectKey::new(self.pod.key.namespace.clone(), source.name.clone());
        let why = match data(self.snapshot, self.options, kind, &key) {
            Data::Known(found) => return take_all(found, source, kind, built),
            Data::Missing if source.optional => return,
            Data::Missing if !self.start.running => {
                built.blocked.push(format!("{} {} does not exist", kind.name(), key.name));
                return;
            }
            Data::Missing => "does not exist any more; it did when the container started".to_owned(),
            Data::Unread(why) => why,
        };
        built.gaps.push(Gap { kind, key, prefix: source.prefix.clone(), why });
    }

    fn env(&self, entry: &EnvVar, built: &mut Built) {
        let made = match &entry.value {
            EnvValue::Literal(text) => Some(self.literal(text, built)),
            EnvValue::Field(path) => {
                Some(self.field(Origin::FieldRef, field(self.pod, path), &entry.name, built))
            }
            EnvValue::Resource { container: named, resource: what, divisor } => {
                let which = (&**named, &**what, &**divisor);
                let found = resource(self.snapshot, self.options, self.pod, self.container, which);
                Some(self.field(Origin::ResourceFieldRef, found, &entry.name, built))
            }
            EnvValue::ConfigMapKey(reference) => self.key(Kind::ConfigMap, reference, &entry.name, built),
            EnvValue::SecretKey(reference) => self.key(Kind::Secret, reference, &entry.name, built),
            EnvValue::FileKey { path, key, optional } => {
                let mut why = format!(
                    "the value is the key {key} of the file {path} in the pod, which the API can't show"
                );
                if *optional {
                    why.push_str("; optional, so it may also be missing");
                }
                Some(Own::unknown(Origin::FileKeyRef, why))
            }
        };
        let Some(mut own) = made else { return };
        if let Some(former) = built.own.remove(&entry.name) {
            own.hides = Some(former.source());
        }
        built.own.insert(entry.name.clone(), own);
    }

    /// A literal with its references. Look-up order: what the container has so far, then service variables.
    fn literal(&self, text: &Text, built: &Built) -> Own {
        if !text.contains('$') {
            return Own::known(Origin::Env, text.clone());
        }
        let mut own = Own::known(Origin::Env, text.clone());
        let expanded = expand(text, |name| self.meaning(name, built, &mut own));
        match expanded {
            Expanded::Text(text) => own.value = Some(text.into()),
            Expanded::Torn(text) => {
                own.value = Some(text.into());
                own.weaken(
                    Status::Uncertain,
                    "the kubelet tears the non-ASCII character after a $".to_owned(),
                );
            }
            Expanded::Unknown => own.value = None,
            Expanded::TooLong => {
                own.value = None;
                let why = format!("expanded it is longer than {LONGEST} bytes: no process starts with that");
                own.weaken(Status::Uncertain, why);
            }
        }
        own
    }

    /// What `$(name)` stands for; notes in `own` what the answer depends on.
    fn meaning<'b>(&'b self, name: &str, built: &'b Built, own: &mut Own) -> Meaning<'b> {
        if let Some(gap) = built.gaps.iter().find(|gap| gap.may_set(name))
            && built.own.get(name).is_none_or(|set| set.origin == Origin::EnvFrom)
        {
            own.note(format!(
                "$({name}) is as shown unless {} {}, which {}, sets it",
                gap.kind.name(),
                gap.key.name,
                gap.why
            ));
        }
        if let Some(set) = built.own.get(name) {
            own.secret |= set.secret;
            if set.status != Status::Present {
                own.weaken(set.status, format!("depends on $({name})"));
            }
            return set.value.as_deref().map_or(Meaning::Unknown, |text| Meaning::Text(text.into()));
        }
        self.service_meaning(name, own)
    }

    fn service_meaning(&self, name: &str, own: &mut Own) -> Meaning<'_> {
        let found = self.table.position(name).ok().map(|at| resolve(self.table, self.verdicts, at));
        let Some(found) = found.filter(|found| found.eligible) else {
            if let Some(i) = self.table.formerly_of(name, self.verdicts) {
                let service = &self.table.services()[i].key.name;
                own.weaken(
                    Status::Stale,
                    format!(
                        "$({name}) may be a former variable of the Service {service}, which was changed since"
                    ),
                );
            }
            return Meaning::Unset;
        };
        let row = &self.table.rows()[found.row];
        let service = &self.table.services()[row.service].key.name;
        match found.status {
            Status::Present => {}
            Status::Absent => {
                own.note(format!("$({name}) stays as written: the container started before the Service {service} was created"));
                return Meaning::Unset;
            }
            status if found.differing => own.weaken(status, format!("depends on $({name}), which several Services make")),
            Status::Uncertain => own.weaken(
                Status::Uncertain,
                format!("whether $({name}) of the Service {service} was there when the container started is uncertain"),
            ),
            Status::Stale if self.table.is_host(found.row) && address_is_sure(&self.table.services()[row.service], self.start) => {
                own.note(format!("uses the address of the Service {service}, which was changed since but has kept its address"));
            }
            Status::Stale => {
                own.weaken(Status::Stale, format!("depends on $({name}) of the Service {service}, which was changed since"));
            }
            status => own.weaken(status, format!("depends on $({name}) of the Service {service}")),
        }
        if found.differing { Meaning::Unknown } else { Meaning::Text((&*row.value).into()) }
    }

    fn field(&self, origin: Origin, found: Field, name: &str, built: &mut Built) -> Own {
        match found {
            Field::Value(text) => Own::known(origin, text.into()),
            Field::NotYet(why) => {
                let mut own = Own::unknown(origin, why.to_owned());
                own.status = if self.start.running { Status::Uncertain } else { Status::NextStart };
                own
            }
            Field::Unknown(why) => Own::unknown(origin, why),
            Field::Refused(why) => {
                built.blocked.push(format!("{name}: {why}"));
                Own::unknown(origin, why)
            }
        }
    }

    /// `configMapKeyRef` and `secretKeyRef`; `None` when the entry is skipped.
    fn key(&self, kind: Kind, reference: &KeyRef, name: &str, built: &mut Built) -> Option<Own> {
        let origin = if kind == Kind::Secret { Origin::SecretKeyRef } else { Origin::ConfigMapKeyRef };
        let key = ObjectKey::new(self.pod.key.namespace.clone(), reference.name.clone());
        let whole = format!("{} {}", kind.name(), key.name);
        let missing = match data(self.snapshot, self.options, kind, &key) {
            Data::Known(found) => match value(found, kind, &reference.key) {
                Some(bytes) => return Some(Own::from_bytes(origin, bytes, kind == Kind::Secret)),
                None => format!("{whole} has no key {}", reference.key),
            },
            Data::Missing => format!("{whole} does not exist"),
            Data::Unread(why) => return Some(Own::unknown(origin, format!("{whole} {why}"))),
        };
        if reference.optional {
            return None;
        }
        if self.start.running {
            return Some(Own::unknown(
                origin,
                format!("{missing} any more; it did when the container started"),
            ));
        }
        built.blocked.push(format!("{name}: {missing}"));
        Some(Own::unknown(origin, missing))
    }

    fn runtime(&self, built: &mut Built) {
        let own = match hostname(self.pod, self.options) {
            Hostname::Sure(name) => Own::known(Origin::Runtime, name.into()),
            Hostname::Probably(name, why) => {
                let mut own = Own::known(Origin::Runtime, name.into());
                own.value = own.value.filter(|name| !name.is_empty());
                own.weaken(Status::Uncertain, why);
                own
            }
            Hostname::Refused(why) => {
                built.blocked.push(why.clone());
                Own::unknown(Origin::Runtime, why)
            }
        };
        below(built, "HOSTNAME", own);
        if self.container.tty {
            below(built, "TERM", Own::known(Origin::Runtime, "xterm".into()));
        }
    }

    /// What holds for every variable, whatever its source.
    fn finish(&self, own: &mut Own) {
        if !self.start.running && matches!(own.status, Status::Present | Status::Stale) {
            own.status = Status::NextStart;
        }
        if own.value.as_deref().is_some_and(|value| value.contains('\0')) {
            own.weaken(Status::Uncertain, "the value holds a NUL byte, which no environment can".to_owned());
        }
    }
}

/// A variable of the runtime: anything that the pod says hides it.
fn below(built: &mut Built, name: &str, own: Own) {
    match built.own.get_mut(name) {
        Some(set) if set.hides.is_none() => set.hides = Some("what the runtime would set".to_owned()),
        Some(_) => {}
        None => drop(built.own.insert(name.into(), own)),
    }
}

/// Every key of a source. Keys are taken as they are and values are not expanded.
fn take_all(found: &ConfigData, source: &EnvFrom, kind: Kind, built: &mut Built) {
    for (key, bytes) in &found.data {
        if kind == Kind::ConfigMap && found.binary.contains(key) {
            continue;
        }
        let name: Text =
            if source.prefix.is_empty() { key.clone() } else { format!("{}{key}", source.prefix).into() };
        let mut own = Own::from_bytes(Origin::EnvFrom, bytes, source.secret);
        own.object = Some((kind, source.name.clone()));
        if let Some(former) = built.own.remove(&name) {
            own.hides = Some(former.source());
        }
        built.own.insert(name, own);
    }
}

fn value<'a>(found: &'a ConfigData, kind: Kind, key: &Text) -> Option<&'a [u8]> {
    if kind == Kind::ConfigMap && found.binary.contains(key) {
        None
    } else {
        found.data.get(key).map(|bytes| &**bytes)
    }
}

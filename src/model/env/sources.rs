//! Where values come from besides Services: the data of ConfigMaps and Secrets, fields of the pod, resources.
//!
//! Three things that look alike are kept apart: data that is there, an object that does not exist, and one that was
//! not read (yet, or for lack of rights).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::verdict::is_static;
use crate::model::pod::{Container, ContainerRole, EnvValue};
use crate::model::quantity::{Quantity, divide_rounding_up};
use crate::model::{ClusterSnapshot, ConfigData, Kind, Labels, Load, ObjectKey, Pod, Text};

/// What fetching an object by name came to, when it brought no data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fetch {
    /// On its way.
    Pending,
    /// It does not exist.
    Missing,
    /// Not allowed; the API server's words.
    Forbidden(Text),
    /// It did not work, and it is no matter of rights; why.
    Failed(Text),
}

/// The fetches that brought no data, by object.
pub type Fetches = BTreeMap<(Kind, ObjectKey), Fetch>;

/// Which values of Secrets may be shown.
#[derive(Clone, Copy, Debug, Default)]
pub enum Secrets<'a> {
    /// None.
    #[default]
    Hidden,
    /// Those of the variables of these names.
    Named(&'a BTreeSet<Text>),
    /// All.
    Shown,
}

impl Secrets<'_> {
    /// Whether the value of a variable that holds something secret may be shown.
    pub fn shows(self, variable: &str) -> bool {
        match self {
            Self::Hidden => false,
            Self::Named(names) => names.contains(variable),
            Self::Shown => true,
        }
    }
}

/// What a prediction may use besides the snapshot.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options<'a> {
    /// Which values of Secrets may be shown.
    pub secrets: Secrets<'a>,
    /// The cluster's DNS domain, for pods with `setHostnameAsFQDN`; the API has no field for it.
    pub cluster_domain: Option<&'a str>,
    /// Fetches of ConfigMaps, Secrets and nodes that brought no data.
    pub fetches: Option<&'a Fetches>,
}

/// The data of a ConfigMap or Secret.
pub(super) enum Data<'a> {
    Known(&'a Arc<ConfigData>),
    Missing,
    /// Why, in a clause.
    Unread(String),
}

/// What is known about a ConfigMap or Secret.
pub(super) fn data<'a>(
    snapshot: &'a ClusterSnapshot,
    options: &Options,
    kind: Kind,
    key: &ObjectKey,
) -> Data<'a> {
    let store = if kind == Kind::Secret { &snapshot.secrets } else { &snapshot.config_maps };
    if let Some(found) = store.get(key) {
        return Data::Known(found);
    }
    match unread(snapshot, options, kind, key) {
        None => Data::Missing,
        Some(why) => Data::Unread(why),
    }
}

/// Why an object that the snapshot lacks is not known; `None` when it does not exist.
fn unread(snapshot: &ClusterSnapshot, options: &Options, kind: Kind, key: &ObjectKey) -> Option<String> {
    let fetch = options.fetches.and_then(|fetches| fetches.get(&(kind, key.clone())));
    match (fetch, snapshot.load(kind, &key.namespace)) {
        (Some(Fetch::Missing), _) | (None, Some(Load::Live)) => None,
        (Some(Fetch::Pending), _) => Some("is being read".to_owned()),
        (Some(Fetch::Forbidden(words)), _) => Some(format!("may not be read: {words}")),
        (Some(Fetch::Failed(why)), _) => Some(format!("could not be read: {why}")),
        (None, Some(Load::Forbidden { message, .. })) => Some(format!("may not be read: {message}")),
        (None, _) => Some("was not read".to_owned()),
    }
}

/// The ConfigMaps, Secrets and nodes that the prediction of a container needs, to be fetched by name.
pub fn references(pod: &Pod, container: &Container) -> BTreeSet<(Kind, ObjectKey)> {
    let here = |kind: Kind, name: &Text| (kind, ObjectKey::new(pod.key.namespace.clone(), name.clone()));
    let from = container
        .env_from
        .iter()
        .map(|f| here(if f.secret { Kind::Secret } else { Kind::ConfigMap }, &f.name));
    let env = container.env.iter().filter_map(|entry| match &entry.value {
        EnvValue::ConfigMapKey(r) => Some(here(Kind::ConfigMap, &r.name)),
        EnvValue::SecretKey(r) => Some(here(Kind::Secret, &r.name)),
        EnvValue::Resource { .. } if !pod.node.is_empty() => {
            Some((Kind::Node, ObjectKey::new("", pod.node.clone())))
        }
        _ => None,
    });
    from.chain(env).collect()
}

/// A value that the API's objects lead to, or why they don't.
pub(super) enum Field {
    Value(String),
    /// Known only once the pod is placed or runs.
    NotYet(&'static str),
    /// It can't be known; why.
    Unknown(String),
    /// The kubelet refuses it: the container does not start.
    Refused(String),
}

/// `fieldRef` (kubelet: `podFieldSelectorRuntimeValue`; apimachinery: `fieldpath.ExtractFieldPathAsString`).
pub(super) fn field(pod: &Pod, path: &str) -> Field {
    let text = |text: &str| Field::Value(text.to_owned());
    let later =
        |text: &str, what| if text.is_empty() { Field::NotYet(what) } else { Field::Value(text.to_owned()) };
    match path {
        "metadata.name" => text(&pod.key.name),
        "metadata.namespace" => text(&pod.key.namespace),
        "metadata.uid" if is_static(pod) => Field::Unknown(
            "the kubelet gives a static pod a UID of its own, which its mirror does not have".to_owned(),
        ),
        "metadata.uid" => text(&pod.uid),
        "spec.nodeName" => later(&pod.node, "the pod has no node yet"),
        "spec.serviceAccountName" => text(&pod.spec.service_account),
        "status.hostIP" => later(pod.host_ips.first().map_or("", |ip| ip), "the pod has no node yet"),
        "status.hostIPs" => later(&one_per_family(&pod.host_ips), "the pod has no node yet"),
        "status.podIP" => later(pod.ips.first().map_or("", |ip| ip), "the pod has no address yet"),
        "status.podIPs" => later(&one_per_family(&pod.ips), "the pod has no address yet"),
        _ => match subscript(path) {
            Some(("metadata.labels", key)) => text(pod.labels.get(key).map_or("", |v| v)),
            Some(("metadata.annotations", key)) => text(pod.annotations.get(key).map_or("", |v| v)),
            _ => Field::Refused(format!("the kubelet knows no field {path}")),
        },
    }
}

/// `path['key']` in its two parts.
fn subscript(path: &str) -> Option<(&str, &str)> {
    path.strip_suffix("']")?.split_once("['")
}

fn one_per_family(addresses: &[Text]) -> String {
    let first = |six: bool| addresses.iter().position(|ip| ip.contains(':') == six);
    let (four, six) = (first(false), first(true));
    let kept = addresses.iter().enumerate().filter(|(i, _)| Some(*i) == four || Some(*i) == six);
    kept.map(|(_, ip)| &**ip).collect::<Vec<_>>().join(",")
}

/// `resourceFieldRef` (kubelet: `containerResourceRuntimeValue`; resource helpers: `ExtractContainerResourceValue`).
pub(super) fn resource(
    snapshot: &ClusterSnapshot,
    options: &Options,
    pod: &Pod,
    own: &Container,
    (container, resource, divisor): (&str, &str, &str),
) -> Field {
    let (target, may_fall_back) = if container.is_empty() {
        (own, true)
    } else {
        // By name the kubelet finds main and init containers, and gives node limits to the main ones only.
        match pod.spec.container(container).filter(|c| c.role != ContainerRole::Ephemeral) {
            Some(found) => (found, found.role == ContainerRole::Main),
            None => return Field::Refused(format!("there is no container {container}")),
        }
    };
    let Some((list, name)) = resource.split_once('.') else {
        return Field::Refused(format!("the kubelet knows no resource {resource}"));
    };
    let amount = match list {
        "limits" if may_fall_back && falls_back(name) => match quantity(&target.limits, name) {
            Some(limit) if !limit.is_zero() => limit,
            own => match allocatable(snapshot, options, pod, name) {
                Ok(found) => found.or(own).unwrap_or(Quantity::ZERO),
                Err(unknown) => return unknown,
            },
        },
        "limits" if known(name) => quantity(&target.limits, name).unwrap_or(Quantity::ZERO),
        "requests" if known(name) => quantity(&target.requests, name).unwrap_or(Quantity::ZERO),
        _ => return Field::Refused(format!("the kubelet knows no resource {resource}")),
    };
    let divisor = Quantity::parse(divisor).filter(|d| !d.is_zero()).unwrap_or(Quantity::ONE);
    let number = if name == "cpu" {
        divide_rounding_up(amount.milli_value(), divisor.milli_value())
    } else {
        divide_rounding_up(amount.value(), divisor.value())
    };
    Field::Value(number.to_string())
}

/// Resources that take the node's allocatable amount where there is no limit (`MergeContainerResourceLimits`).
fn falls_back(name: &str) -> bool {
    matches!(name, "cpu" | "memory" | "ephemeral-storage")
}

fn known(name: &str) -> bool {
    falls_back(name) || name.starts_with("hugepages-")
}

fn quantity(list: &Labels, name: &str) -> Option<Quantity> {
    list.get(name).and_then(|text| Quantity::parse(text))
}

/// The node's allocatable amount.
fn allocatable(
    snapshot: &ClusterSnapshot,
    options: &Options,
    pod: &Pod,
    name: &str,
) -> Result<Option<Quantity>, Field> {
    if pod.node.is_empty() {
        return Err(Field::NotYet("there is no limit, and the pod has no node yet to take it from"));
    }
    if let Some(node) = snapshot.nodes.get(&pod.node) {
        return Ok(quantity(&node.allocatable, name));
    }
    let why = unread(snapshot, options, Kind::Node, &ObjectKey::new("", pod.node.clone()));
    let why = why.unwrap_or_else(|| "does not exist any more".to_owned());
    Err(Field::Unknown(format!(
        "there is no limit, so it is what node {} can allocate, which {why}",
        pod.node
    )))
}

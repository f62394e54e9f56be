//! Which pods a workload selects: one object, read for its selector alone.
//!
//! What it is: `spec.selector` of Deployments, ReplicaSets, StatefulSets, `DaemonSets`, Jobs and replication
//! controllers (kubectl: `polymorphichelpers.SelectorsForObject`). What it is not: a watch; a selector can't be
//! changed but by making the object anew.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Deserialize;

use super::client::{Asked, Client};
use super::watch::path::escape;
use super::{ApiError, ApiErrorKind};
use crate::model::selector::Selector;
use crate::model::target::{Target, TargetKind};

#[derive(Deserialize)]
struct Object<S> {
    spec: Spec<S>,
}

#[derive(Deserialize)]
struct Spec<S> {
    selector: S,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct LabelSelector {
    match_labels: BTreeMap<String, String>,
    match_expressions: Vec<Expression>,
}

#[derive(Deserialize)]
struct Expression {
    key: String,
    operator: String,
    #[serde(default)]
    values: Vec<String>,
}

/// Reads the selector of a workload.
///
/// # Errors
/// Not found, forbidden, no answer, or one that makes no sense.
pub async fn selector(client: &Client, target: &Target) -> Result<Selector, ApiError> {
    let (group, resource) = (target.kind.group(), target.kind.resource());
    let root = if group.is_empty() { "/api/v1".to_owned() } else { format!("/apis/{group}/v1") };
    let (namespace, name) = (escape(&target.namespace), escape(&target.name));
    let path = format!("{root}/namespaces/{namespace}/{resource}/{name}");
    let full = if group.is_empty() { resource.to_owned() } else { format!("{resource}.{group}") };
    let asked = Asked { verb: "get", resource: full, namespace: Some(target.namespace.clone()) };
    let (body, _) = client.get_whole(&path, "application/json", &asked).await?;
    let broken = |error: serde_json::Error| ApiError::protocol(format!("{target} has no selector: {error}"));
    let text = if target.kind == TargetKind::ReplicationController {
        let object: Object<BTreeMap<String, String>> = serde_json::from_slice(&body).map_err(broken)?;
        written(&LabelSelector { match_labels: object.spec.selector, match_expressions: Vec::new() })
    } else {
        let object: Object<LabelSelector> = serde_json::from_slice(&body).map_err(broken)?;
        written(&object.spec.selector)
    };
    Selector::parse(&text).map_err(|error| ApiError::protocol(format!("the selector of {target}: {error}")))
}

/// The selector as `-l` takes it (apimachinery: `LabelSelectorAsSelector`).
fn written(selector: &LabelSelector) -> String {
    let mut out = String::new();
    for (key, value) in &selector.match_labels {
        let _ = write!(out, "{key}={value},");
    }
    for Expression { key, operator, values } in &selector.match_expressions {
        let values = values.join(",");
        let _ = match operator.as_str() {
            "In" => write!(out, "{key} in ({values}),"),
            "NotIn" => write!(out, "{key} notin ({values}),"),
            "Exists" => write!(out, "{key},"),
            _ => write!(out, "!{key},"),
        };
    }
    out.trim_end_matches(',').to_owned()
}

impl ApiError {
    /// Whether it makes no sense to try again: it is not a matter of the way to the server.
    pub fn is_final(&self) -> bool {
        matches!(self.kind, ApiErrorKind::NotFound | ApiErrorKind::Forbidden(_) | ApiErrorKind::Rejected(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_selector_in_every_form() {
        let json = r#"{"spec":{"selector":{"matchLabels":{"app":"web"},"matchExpressions":[
            {"key":"tier","operator":"In","values":["a","b"]},{"key":"x","operator":"NotIn","values":["y"]},
            {"key":"on","operator":"Exists"},{"key":"off","operator":"DoesNotExist"}]}}}"#;
        let object: Object<LabelSelector> = serde_json::from_str(json).unwrap();
        let text = written(&object.spec.selector);
        assert_eq!(text, "app=web,tier in (a,b),x notin (y),on,!off");
        assert!(Selector::parse(&text).is_ok());
    }
}

//! Label and field selectors as the API server reads them.
//!
//! Sources: apimachinery `pkg/labels/selector.go` (equality and set based requirements) and `pkg/fields/selector.go`.
//! For the demo alone.

use super::resource::Resource;
use super::store::Object;
use serde_json::Value;

/// A label or field selector that the server cannot read; the text goes into a 400.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unreadable(pub(super) String);

#[derive(Debug, PartialEq, Eq)]
enum Requirement {
    In(String, Vec<String>),
    /// True also where the label is missing.
    NotIn(String, Vec<String>),
    Exists(String),
    Missing(String),
}

/// What a list or watch is limited to.
#[derive(Debug, Default)]
pub(super) struct Selector {
    labels: Vec<Requirement>,
    /// Path, wanted value, and whether it must be equal (or must differ).
    fields: Vec<(String, String, bool)>,
}

impl Selector {
    /// Reads both selectors, as they stand decoded in the query.
    pub(super) fn parse(resource: Resource, labels: &str, fields: &str) -> Result<Self, Unreadable> {
        Ok(Self { labels: parse_labels(labels)?, fields: parse_fields(resource, fields)? })
    }

    /// Whether it selects everything.
    pub(super) fn is_empty(&self) -> bool {
        self.labels.is_empty() && self.fields.is_empty()
    }

    /// Whether the object is selected.
    pub(super) fn matches(&self, object: &Object) -> bool {
        self.labels.iter().all(|one| one.holds(&object.labels))
            && self.fields.iter().all(|(path, wanted, equal)| (field(object, path) == *wanted) == *equal)
    }
}

/// Whether a Service's or workload's `matchLabels` selects these labels; an empty one selects nothing.
pub(super) fn selects(selector: &Value, labels: &[(String, String)]) -> bool {
    selector.as_object().is_some_and(|wanted| {
        !wanted.is_empty()
            && wanted.iter().all(|(key, value)| {
                labels.iter().any(|(have, is)| have == key && Some(is.as_str()) == value.as_str())
            })
    })
}

impl Requirement {
    fn holds(&self, labels: &[(String, String)]) -> bool {
        let value = |key: &str| labels.iter().find(|(have, _)| have == key).map(|(_, value)| value);
        match self {
            Self::In(key, values) => value(key).is_some_and(|is| values.contains(is)),
            Self::NotIn(key, values) => value(key).is_none_or(|is| !values.contains(is)),
            Self::Exists(key) => value(key).is_some(),
            Self::Missing(key) => value(key).is_none(),
        }
    }
}

fn parse_labels(text: &str) -> Result<Vec<Requirement>, Unreadable> {
    split_outside_brackets(text).into_iter().filter(|part| !part.is_empty()).map(parse_requirement).collect()
}

/// Splits at the commas that are not inside `(…)`.
fn split_outside_brackets(text: &str) -> Vec<&str> {
    let (mut parts, mut depth, mut start) = (Vec::new(), 0_usize, 0);
    for (at, letter) in text.char_indices() {
        match letter {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                parts.push(text[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(text[start..].trim());
    parts
}

fn parse_requirement(text: &str) -> Result<Requirement, Unreadable> {
    let unreadable = || Unreadable(format!("unable to parse requirement: found '{text}'"));
    if let Some(rest) = text.strip_suffix(')') {
        let (head, values) = rest.split_once('(').ok_or_else(unreadable)?;
        let values = values.split(',').map(|value| value.trim().to_owned()).collect();
        let mut words = head.split_whitespace();
        return match (words.next(), words.next(), words.next()) {
            (Some(key), Some("in"), None) => Ok(Requirement::In(key.to_owned(), values)),
            (Some(key), Some("notin"), None) => Ok(Requirement::NotIn(key.to_owned(), values)),
            _ => Err(unreadable()),
        };
    }
    if text.matches('=').count() > 1 && !text.contains("==") && !text.contains("!=") {
        return Err(Unreadable("found '=', expected: ',' or 'end of string'".to_owned()));
    }
    let clean = |part: &str| part.trim().to_owned();
    let requirement = if let Some((key, value)) = text.split_once("!=") {
        Requirement::NotIn(clean(key), vec![clean(value)])
    } else if let Some((key, value)) = text.split_once("==").or_else(|| text.split_once('=')) {
        Requirement::In(clean(key), vec![clean(value)])
    } else if let Some(key) = text.strip_prefix('!') {
        Requirement::Missing(clean(key))
    } else {
        Requirement::Exists(clean(text))
    };
    match &requirement {
        Requirement::In(key, _)
        | Requirement::NotIn(key, _)
        | Requirement::Exists(key)
        | Requirement::Missing(key)
            if key.is_empty() || key.contains(char::is_whitespace) =>
        {
            Err(unreadable())
        }
        Requirement::In(key, _)
        | Requirement::NotIn(key, _)
        | Requirement::Exists(key)
        | Requirement::Missing(key)
            if !is_name(key.rsplit('/').next().unwrap_or(key)) =>
        {
            Err(Unreadable(format!(
                "unable to parse requirement: <nil>: Invalid value: \"{key}\": {NAME_PART}"
            )))
        }
        _ => Ok(requirement),
    }
}

/// What a label's name has to be (apimachinery: `validation.IsQualifiedName`).
const NAME_PART: &str = "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with \
    an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is \
    '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";

fn is_name(text: &str) -> bool {
    let inside = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    text.chars().all(inside)
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.ends_with(|c: char| c.is_ascii_alphanumeric())
}

fn parse_fields(resource: Resource, text: &str) -> Result<Vec<(String, String, bool)>, Unreadable> {
    let mut out = Vec::new();
    for part in text.split(',').filter(|part| !part.is_empty()) {
        let (path, value, equal) = if let Some((path, value)) = part.split_once("!=") {
            (path, value, false)
        } else if let Some((path, value)) = part.split_once("==").or_else(|| part.split_once('=')) {
            (path, value, true)
        } else {
            return Err(Unreadable(format!("invalid selector: '{text}'; can't understand '{part}'")));
        };
        if !field_is_known(resource, path) {
            return Err(Unreadable(format!("field label not supported: {path}")));
        }
        out.push((path.to_owned(), value.to_owned(), equal));
    }
    Ok(out)
}

fn field_is_known(resource: Resource, path: &str) -> bool {
    match path {
        "metadata.name" => true,
        "metadata.namespace" => resource.info().namespaced,
        "status.phase" => matches!(resource, Resource::Pods | Resource::Namespaces),
        "spec.nodeName" | "spec.restartPolicy" | "spec.serviceAccountName" | "status.podIP" => {
            resource == Resource::Pods
        }
        "spec.clusterIP" | "spec.type" => resource == Resource::Services,
        "type" | "reason" => matches!(resource, Resource::Events | Resource::Secrets),
        _ => resource == Resource::Events && path.starts_with("involvedObject."),
    }
}

fn field(object: &Object, path: &str) -> String {
    match path {
        "metadata.name" => object.name.clone(),
        "metadata.namespace" => object.namespace.clone(),
        "status.phase" => object.phase.clone(),
        other => {
            let value = object.value();
            let pointer = format!("/{}", other.replace('.', "/"));
            value.pointer(&pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::store::Store;
    use serde_json::json;

    fn chosen(labels: &str, fields: &str) -> bool {
        let mut store = Store::new(0);
        let pod = store.put(
            Resource::Pods,
            json!({"metadata": {"namespace": "shop", "name": "cart", "labels": {"app": "cart", "tier": "back"}},
                   "spec": {"nodeName": "node-1"}, "status": {"phase": "Running"}}),
        );
        Selector::parse(Resource::Pods, labels, fields).unwrap().matches(&pod)
    }

    #[test]
    fn labels() {
        for yes in [
            "",
            "app=cart",
            "app==cart,tier!=front",
            "app in (cart, web),tier",
            "!gone",
            "gone notin (a)",
            "gone!=a",
        ] {
            assert!(chosen(yes, ""), "{yes}");
        }
        for no in ["app=web", "app!=cart", "app notin (cart)", "gone", "!app", "app in (web,front)"] {
            assert!(!chosen(no, ""), "{no}");
        }
    }

    #[test]
    fn fields() {
        assert!(chosen("", "metadata.name=cart,status.phase!=Failed,spec.nodeName=node-1"));
        assert!(!chosen("", "status.phase=Pending"));
        let refused = Selector::parse(Resource::Pods, "", "spec.color=red").unwrap_err();
        assert_eq!(refused.0, "field label not supported: spec.color");
    }

    #[test]
    fn an_empty_selector_of_a_service_selects_nothing() {
        let labels = [("app".to_owned(), "web".to_owned())];
        assert!(selects(&json!({"app": "web"}), &labels));
        assert!(!selects(&json!({"app": "web", "tier": "x"}), &labels));
        assert!(!selects(&json!({}), &labels));
        assert!(!selects(&Value::Null, &labels));
    }

    #[test]
    fn nonsense_is_refused() {
        for bad in ["=a", "a b", "a in b)", "a like (b)"] {
            assert!(parse_labels(bad).is_err(), "{bad}");
        }
    }
}

//! What the credential in use may do, asked before it is done (`SelfSubjectAccessReview`).
//!
//! What it is: one exact question and its answer, several at the same time, and the error that names every right that
//! is missing. What it is not: the final word. A webhook or a policy may refuse later what a review allows, so the
//! request's own 403 still has to be told. Whoever forwards, execs, restarts or asks DNS may use it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use futures_util::StreamExt;
use futures_util::stream;
use http::{Request, header};
use kube::client::Body;
use serde::{Deserialize, Serialize};

use super::client::{Asked, Client};
use super::{ApiError, ApiErrorKind, Denied};
use crate::model::Text;
use crate::model::access::Right;

/// So many questions are asked at the same time.
const PARALLEL: usize = 8;
/// Where reviews are posted; every authenticated user may (`system:basic-user`).
const PATH: &str = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";

/// One thing that somebody wants to do, in RBAC's words.
///
/// ```
/// use kdisco::cluster::access::Question;
/// let exec = Question::new("create", "pods").subresource("exec").namespace("shop").name("web-0");
/// assert_eq!(exec.to_string(), "create pods/exec in shop");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Question {
    /// `get`, `list`, `watch`, `create`, `patch`, `delete`, …
    pub verb: Text,
    /// API group; empty for the core group.
    pub group: Text,
    /// Plural of the kind (`pods`).
    pub resource: Text,
    /// What is below the object (`exec`, `portforward`), or empty.
    pub subresource: Text,
    /// Namespace; empty means all of them, or a kind that has none.
    pub namespace: Text,
    /// One object; empty means all of them.
    pub name: Text,
}

impl Question {
    /// A verb on a resource of the core group, everywhere.
    pub fn new(verb: impl Into<Text>, resource: impl Into<Text>) -> Self {
        Self { verb: verb.into(), resource: resource.into(), ..Self::default() }
    }

    /// The same in another group.
    #[must_use]
    pub fn group(mut self, group: impl Into<Text>) -> Self {
        self.group = group.into();
        self
    }

    /// The same on a part of the object.
    #[must_use]
    pub fn subresource(mut self, subresource: impl Into<Text>) -> Self {
        self.subresource = subresource.into();
        self
    }

    /// The same in one namespace.
    #[must_use]
    pub fn namespace(mut self, namespace: impl Into<Text>) -> Self {
        self.namespace = namespace.into();
        self
    }

    /// The same on one object.
    #[must_use]
    pub fn name(mut self, name: impl Into<Text>) -> Self {
        self.name = name.into();
        self
    }

    /// The resource as RBAC messages write it: `deployments.apps`, `pods/exec`.
    pub fn full_resource(&self) -> String {
        let mut out = self.resource.to_string();
        if !self.group.is_empty() {
            out = format!("{out}.{}", self.group);
        }
        if !self.subresource.is_empty() {
            out = format!("{out}/{}", self.subresource);
        }
        out
    }

    fn denied(&self) -> Denied {
        let namespace = (!self.namespace.is_empty()).then(|| self.namespace.clone());
        Denied { verb: self.verb.clone(), resource: self.full_resource().into(), namespace }
    }
}

impl From<&Right> for Question {
    fn from(right: &Right) -> Self {
        let (resource, subresource) = right.resource.split_once('/').unwrap_or((&right.resource, ""));
        Self::new(right.verb.clone(), resource)
            .group(right.group.clone())
            .subresource(subresource)
            .namespace(right.namespace.clone())
            .name(right.name.clone())
    }
}

impl fmt::Display for Question {
    /// `create pods/exec in shop`; `list namespaces in the whole cluster`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ", self.verb, self.full_resource())?;
        if self.namespace.is_empty() {
            f.write_str("in the whole cluster")
        } else {
            write!(f, "in {}", self.namespace)
        }
    }
}

/// What the API server says to a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Whether it may be done.
    pub allowed: bool,
    /// What the server adds: the rule that allows it, or why it could not find out. Often empty.
    pub reason: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Review<'a> {
    api_version: &'static str,
    kind: &'static str,
    spec: Spec<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Spec<'a> {
    resource_attributes: Attributes<'a>,
}

/// `authorization.k8s.io/v1` `ResourceAttributes`. Empty fields are left out: an empty namespace or name means all.
#[derive(Serialize)]
struct Attributes<'a> {
    verb: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    group: &'a str,
    resource: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    subresource: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    namespace: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    name: &'a str,
}

#[derive(Deserialize)]
struct Reviewed {
    status: Status,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    /// Missing means no (the field is required, but an absent answer must not allow anything).
    #[serde(default)]
    allowed: bool,
    #[serde(default)]
    reason: String,
    #[serde(default)]
    evaluation_error: String,
}

/// Asks one question.
///
/// # Errors
/// No answer, or no right even to ask. That is no answer to the question.
pub async fn may(client: &Client, question: &Question) -> Result<Answer, ApiError> {
    let review = Review {
        api_version: "authorization.k8s.io/v1",
        kind: "SelfSubjectAccessReview",
        spec: Spec {
            resource_attributes: Attributes {
                verb: &question.verb,
                group: &question.group,
                resource: &question.resource,
                subresource: &question.subresource,
                namespace: &question.namespace,
                name: &question.name,
            },
        },
    };
    let body = serde_json::to_vec(&review).map_err(|error| ApiError::protocol(error.to_string()))?;
    let request = Request::post(PATH)
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::ACCEPT, "application/json")
        .body(Body::from(body))
        .map_err(|error| ApiError::protocol(error.to_string()))?;
    let asked = Asked {
        verb: "create",
        resource: "selfsubjectaccessreviews.authorization.k8s.io".to_owned(),
        namespace: None,
    };
    let (body, _) = client.send_whole(request, &asked).await?;
    let Reviewed { status } = serde_json::from_slice(&body)
        .map_err(|error| ApiError::protocol(format!("no access review came back: {error}")))?;
    let reason = if status.reason.is_empty() { status.evaluation_error } else { status.reason };
    Ok(Answer { allowed: status.allowed, reason })
}

/// Asks several questions at the same time; the answers stand in the order of the questions.
pub async fn may_all(client: &Client, questions: &[Question]) -> Vec<Result<Answer, ApiError>> {
    let asking: Vec<_> = questions.iter().map(|question| may(client, question)).collect();
    stream::iter(asking).buffered(PARALLEL).collect().await
}

/// Asks about many rights; those that the server does not answer are left out, and the last reason is beside them.
///
/// Servers from 1.35 on ask for `create` of `pods/portforward` whatever the request
/// (`AuthorizePodWebsocketUpgradeCreatePermission`), so on them `get` without it counts as no.
///
/// # Errors
/// None of them was answered.
pub async fn answers(
    client: &Client,
    rights: &BTreeSet<Right>,
) -> Result<(BTreeMap<Right, bool>, Option<ApiError>), ApiError> {
    let questions: Vec<Question> = rights.iter().map(Question::from).collect();
    let (mut answers, mut silent) = (BTreeMap::new(), None);
    for (right, answer) in rights.iter().zip(may_all(client, &questions).await) {
        match answer {
            Ok(answer) => drop(answers.insert(right.clone(), answer.allowed)),
            Err(error) => silent = Some(error),
        }
    }
    match silent {
        Some(error) if answers.is_empty() => Err(error),
        silent => {
            let alone = useless_alone(&answers);
            if !alone.is_empty() && client.server_version().await.is_ok_and(|version| version.is_from(1, 35))
            {
                answers.extend(alone.into_iter().map(|right| (right, false)));
            }
            Ok((answers, silent))
        }
    }
}

/// Where `get` of port-forwards is allowed, and `create` is not.
fn useless_alone(answers: &BTreeMap<Right, bool>) -> Vec<Right> {
    let refused =
        |right: &&Right| answers.get(&Right { verb: "create".into(), ..(*right).clone() }) == Some(&false);
    let allowed = answers.iter().filter(|(_, allowed)| **allowed).map(|(right, _)| right);
    let gets = allowed.filter(|right| (&*right.resource, &*right.verb) == ("pods/portforward", "get"));
    gets.filter(refused).cloned().collect()
}

/// What of these may not be done, each with the server's reason; empty where all is allowed. A question that this
/// server does not answer (reviews are forbidden or not served) is not counted as missing: the request itself will
/// tell.
///
/// # Errors
/// No connection, or the credential is not accepted.
pub async fn missing(client: &Client, questions: &[Question]) -> Result<Vec<(Question, String)>, ApiError> {
    let mut missing = Vec::new();
    for (question, answer) in questions.iter().zip(may_all(client, questions).await) {
        match answer {
            Ok(answer) if answer.allowed => {}
            Ok(answer) => missing.push((question.clone(), answer.reason)),
            Err(error) if unanswerable(&error.kind) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(missing)
}

/// Lets nothing pass that is not allowed: an error that names every right that is missing. `what` says what cannot be
/// done without (`cannot read the environment of web-0`).
///
/// # Errors
/// [`ApiErrorKind::Forbidden`] with the first missing right, or as [`missing`].
pub async fn require(client: &Client, what: &str, questions: &[Question]) -> Result<(), ApiError> {
    match forbidden(what, &missing(client, questions).await?) {
        Some(error) => Err(error),
        None => Ok(()),
    }
}

/// Lets pass what has any of these rights; an error that names the first of them where none is allowed.
///
/// # Errors
/// As [`require`].
pub async fn require_any(client: &Client, what: &str, questions: &[Question]) -> Result<(), ApiError> {
    let missing = missing(client, questions).await?;
    let first = if missing.len() == questions.len() { missing.first() } else { None };
    first.and_then(|first| forbidden(what, std::slice::from_ref(first))).map_or(Ok(()), Err)
}

/// The error for missing rights, as [`missing`] lists them; `None` where none are.
pub fn forbidden(what: &str, missing: &[(Question, String)]) -> Option<ApiError> {
    let (first, _) = missing.first()?;
    let all: Vec<String> = missing.iter().map(|(question, _)| question.to_string()).collect();
    let rights = if all.len() == 1 { "the right" } else { "the rights" };
    let list = all.join(", and ");
    let said: Vec<&str> =
        missing.iter().map(|(_, reason)| reason.as_str()).filter(|r| !r.is_empty()).collect();
    let mut why = format!("you have no right to {list}");
    if let Some(said) = said.first() {
        why = format!("{why} ({said})");
    }
    let kind = ApiErrorKind::Forbidden(Box::new(first.denied()));
    Some(ApiError::new(kind, what, why).hint(format!("ask for {rights} to {list}")))
}

/// Whether the server does not answer such questions at all. What it says to the request itself has to do then.
fn unanswerable(kind: &ApiErrorKind) -> bool {
    matches!(kind, ApiErrorKind::Forbidden(_) | ApiErrorKind::NotFound | ApiErrorKind::Rejected(_))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::client::ServerVersion;

    #[test]
    fn an_error_names_every_right_that_is_missing() {
        let exec = |verb: &str| Question::new(verb, "pods").subresource("exec").namespace("shop");
        let missing = [(exec("create"), String::new()), (exec("get"), "RBAC: broken".to_owned())];
        let error = forbidden("cannot exec", &missing).unwrap();
        assert_eq!(
            error.to_string(),
            "cannot exec: you have no right to create pods/exec in shop, and get pods/exec in shop (RBAC: broken)"
        );
        let ApiErrorKind::Forbidden(denied) = error.kind else { panic!("{error}") };
        assert_eq!((&*denied.verb, &*denied.resource), ("create", "pods/exec"));
        assert!(forbidden("x", &[]).is_none());
    }

    #[test]
    fn get_of_port_forwards_is_found_where_it_stands_alone() {
        let right = |verb: &str, resource: &str, namespace: &str| Right {
            namespace: namespace.into(),
            group: "".into(),
            resource: resource.into(),
            name: "".into(),
            verb: verb.into(),
        };
        let forward = |verb, namespace| right(verb, "pods/portforward", namespace);
        let answers = BTreeMap::from([
            (forward("get", "alone"), true),
            (forward("create", "alone"), false),
            (forward("get", "both"), true),
            (forward("create", "both"), true),
            (forward("get", "none"), false),
            (forward("create", "none"), false),
            // Nothing is known of its `create`.
            (forward("get", "half"), true),
            (right("get", "pods", "pods"), true),
            (right("create", "pods", "pods"), false),
        ]);
        assert_eq!(useless_alone(&answers), [forward("get", "alone")]);
    }

    #[test]
    fn versions_are_compared_by_their_numbers() {
        let from = |major: &str, minor: &str| {
            let version = ServerVersion { major: major.into(), minor: minor.into(), git_version: "".into() };
            version.is_from(1, 35)
        };
        assert!(from("1", "35") && from("1", "100+") && from("2", "0"));
        assert!(
            !from("1", "34") && !from("1", "9") && !from("1", "34+") && !from("", "") && !from("x", "99")
        );
    }

    #[test]
    fn a_group_stands_behind_the_resource() {
        let question = Question::new("patch", "deployments").group("apps").name("web");
        assert_eq!(question.to_string(), "patch deployments.apps in the whole cluster");
    }
}

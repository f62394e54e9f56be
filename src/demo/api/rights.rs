//! Who asks, and what they may.
//!
//! There are two users: `demo`, who may do everything, and `demo-viewer`, who may read Services and their slices in
//! two namespaces and nothing else. A client that sends no token is whoever its port belongs to: kubectl sends no
//! credentials over plain HTTP (client-go: `ClientConfig` merges the user only for TLS transports).

use super::faults::{Faults, Scope};
use super::request::Target;
use super::status::Refusal;
use hyper::Method;
use hyper::header::{AUTHORIZATION, HeaderMap};
use serde_json::{Value, json};

/// The viewer's name, context and token.
pub(in crate::demo) const VIEWER: &str = "demo-viewer";
/// The admin's name, context and token.
pub(in crate::demo) const ADMIN: &str = "demo";
/// The account of the pods that serve DNS.
const DNS_ACCOUNT: &str = "system:serviceaccount:kube-system:coredns";
/// Where the viewer may read Services and slices.
const VIEWER_NAMESPACES: [&str; 2] = ["default", "shop"];

/// A user of the demo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::demo) enum User {
    Admin,
    Viewer,
}

/// One question of rights, in RBAC's words. Empty namespace: all namespaces.
#[derive(Clone, Debug, Default)]
pub(in crate::demo) struct Attributes {
    pub(in crate::demo) verb: String,
    pub(in crate::demo) group: String,
    pub(in crate::demo) resource: String,
    pub(in crate::demo) sub: String,
    pub(in crate::demo) namespace: String,
    pub(in crate::demo) name: String,
}

impl User {
    /// Whom the token stands for; without one, the user of the port.
    pub(in crate::demo) fn of(headers: &HeaderMap, of_port: Self) -> Result<Self, Refusal> {
        let Some(value) = headers.get(AUTHORIZATION) else { return Ok(of_port) };
        match value.to_str().ok().and_then(|text| text.strip_prefix("Bearer ")) {
            Some(ADMIN) => Ok(Self::Admin),
            Some(VIEWER) => Ok(Self::Viewer),
            _ => Err(Refusal::unauthorized()),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Admin => ADMIN,
            Self::Viewer => VIEWER,
        }
    }

    /// Whether the user may do it, the faults that forbid things included.
    pub(in crate::demo) fn may(self, what: &Attributes, faults: &Faults) -> bool {
        if faults.forbids(&what.scope()) {
            return false;
        }
        match self {
            Self::Admin => true,
            Self::Viewer => {
                let review = what.group == "authorization.k8s.io" && what.verb == "create";
                let reads = matches!(what.verb.as_str(), "get" | "list" | "watch");
                let kind = matches!(
                    (what.group.as_str(), what.resource.as_str()),
                    ("", "services") | ("discovery.k8s.io", "endpointslices")
                );
                let place = VIEWER_NAMESPACES.contains(&what.namespace.as_str());
                review || (reads && kind && place && what.sub.is_empty())
            }
        }
    }

    /// The refusal that the API server words for it.
    pub(in crate::demo) fn refusal(self, what: &Attributes, target: &Target) -> Refusal {
        let mut resource = what.resource.clone();
        if !what.sub.is_empty() {
            resource = format!("{resource}/{}", what.sub);
        }
        let place = if what.namespace.is_empty() {
            "at the cluster scope".to_owned()
        } else {
            format!("in the namespace \"{}\"", what.namespace)
        };
        let object = if what.name.is_empty() { String::new() } else { format!(" \"{}\"", what.name) };
        let message = format!(
            "{}{object} is forbidden: User \"{}\" cannot {} resource \"{resource}\" in API group \"{}\" {place}",
            target.resource.qualified(),
            self.name(),
            what.verb,
            what.group,
        );
        Refusal::forbidden(target.resource, &what.name, message)
    }

    /// The refusal to answer any review of this kind.
    pub(in crate::demo) fn no_review(self, kind: &str) -> Refusal {
        let resource = format!("{kind}.authorization.k8s.io");
        Refusal::forbidden_kind(
            "authorization.k8s.io",
            kind,
            format!(
                "{resource} is forbidden: User \"{}\" cannot create resource \"{kind}\" in API group \
                 \"authorization.k8s.io\" at the cluster scope",
                self.name(),
            ),
        )
    }

    /// The refusal to do anything but post a review of this kind.
    pub(in crate::demo) fn no_other_review(self, kind: &str, method: &Method) -> Refusal {
        if self == Self::Admin {
            return Refusal::not_allowed();
        }
        let verb = match *method {
            Method::PUT => "update",
            Method::PATCH => "patch",
            Method::DELETE => "deletecollection",
            _ => "list",
        };
        Refusal::forbidden_kind(
            "authorization.k8s.io",
            kind,
            format!(
                "{kind}.authorization.k8s.io is forbidden: User \"{}\" cannot {verb} resource \"{kind}\" in API group \
                 \"authorization.k8s.io\" at the cluster scope",
                self.name(),
            ),
        )
    }

    /// Why it is allowed, in the words of the RBAC authorizer; nothing where it is not (kube-apiserver: `rbac.go`).
    fn reason(self, what: &Attributes) -> String {
        match self {
            Self::Admin => String::new(),
            Self::Viewer if what.group == "authorization.k8s.io" => {
                "RBAC: allowed by ClusterRoleBinding \"system:basic-user\" of ClusterRole \"system:basic-user\" to \
                 Group \"system:authenticated\""
                    .to_owned()
            }
            Self::Viewer => format!(
                "RBAC: allowed by RoleBinding \"{VIEWER}/{}\" of Role \"service-reader\" to User \"{VIEWER}\"",
                what.namespace
            ),
        }
    }

    /// The rules that a `SelfSubjectRulesReview` lists for a namespace.
    fn rules(self, namespace: &str) -> Value {
        let all = json!(["*"]);
        match self {
            Self::Admin => json!([{"verbs": all, "apiGroups": all, "resources": all}]),
            Self::Viewer => {
                let mut rules = vec![json!({
                    "verbs": ["create"],
                    "apiGroups": ["authorization.k8s.io"],
                    "resources": ["selfsubjectaccessreviews", "selfsubjectrulesreviews"],
                })];
                if VIEWER_NAMESPACES.contains(&namespace) {
                    let reads = json!(["get", "list", "watch"]);
                    rules.push(json!({"verbs": reads, "apiGroups": [""], "resources": ["services"]}));
                    rules.push(json!({
                        "verbs": reads, "apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"],
                    }));
                }
                Value::Array(rules)
            }
        }
    }

    /// Answers a review that was posted; `None` when nobody serves this kind of review.
    pub(in crate::demo) fn review(
        self,
        kind: &str,
        posted: &Value,
        faults: &Faults,
    ) -> Result<Option<Value>, Refusal> {
        let text = |path: &str| {
            let asked = posted.pointer(path).and_then(Value::as_str);
            asked.unwrap_or_default().to_owned()
        };
        let (kind, status) = match kind {
            "selfsubjectaccessreviews" | "subjectaccessreviews"
                if posted.pointer("/spec/resourceAttributes").is_none() =>
            {
                return Err(Refusal::invalid(
                    ("authorization.k8s.io", "", ""),
                    "spec.resourceAttributes",
                    "FieldValueInvalid",
                    "Invalid value: null: exactly one of nonResourceAttributes or resourceAttributes must be specified",
                ));
            }
            "subjectaccessreviews" if self == Self::Viewer => return Err(self.no_review(kind)),
            "selfsubjectaccessreviews" | "subjectaccessreviews" => {
                let what = Attributes {
                    verb: text("/spec/resourceAttributes/verb"),
                    group: text("/spec/resourceAttributes/group"),
                    resource: text("/spec/resourceAttributes/resource"),
                    sub: text("/spec/resourceAttributes/subresource"),
                    namespace: text("/spec/resourceAttributes/namespace"),
                    name: text("/spec/resourceAttributes/name"),
                };
                if kind == "subjectaccessreviews" {
                    // The demo's DNS server may read what it reads; nobody else is asked about.
                    let allowed =
                        text("/spec/user") == DNS_ACCOUNT && what.verb != "create" && what.verb != "delete";
                    ("SubjectAccessReview", json!({ "allowed": allowed }))
                } else {
                    let mut status = json!({"allowed": self.may(&what, faults)});
                    let reason = self.reason(&what);
                    if status["allowed"] == true && !reason.is_empty() {
                        status["reason"] = reason.into();
                    }
                    ("SelfSubjectAccessReview", status)
                }
            }
            "selfsubjectrulesreviews" => (
                "SelfSubjectRulesReview",
                json!({
                    "resourceRules": self.rules(&text("/spec/namespace")),
                    "nonResourceRules": [{"verbs": ["get"], "nonResourceURLs": ["/version", "/healthz", "/api", "/apis"]}],
                    "incomplete": false,
                }),
            ),
            _ => return Ok(None),
        };
        Ok(Some(json!({
            "kind": kind,
            "apiVersion": "authorization.k8s.io/v1",
            "metadata": {},
            "spec": posted.get("spec").cloned().unwrap_or_default(),
            "status": status,
        })))
    }
}

impl Attributes {
    /// The question that a request for a target asks.
    pub(in crate::demo) fn of(verb: &str, target: &Target) -> Self {
        let own = |text: Option<&String>| text.cloned().unwrap_or_default();
        let namespace = if target.resource == crate::demo::resource::Resource::Namespaces {
            own(target.name.as_ref())
        } else {
            own(target.namespace.as_ref())
        };
        Self {
            verb: verb.to_owned(),
            group: target.resource.info().group.to_owned(),
            resource: target.resource.info().plural.to_owned(),
            sub: own(target.sub.as_ref()),
            namespace,
            name: own(target.name.as_ref()),
        }
    }

    /// The same in the words of faults.
    pub(in crate::demo) fn scope(&self) -> Scope {
        let resource = if self.sub.is_empty() {
            self.resource.clone()
        } else {
            format!("{}/{}", self.resource, self.sub)
        };
        Scope {
            verb: Some(self.verb.clone()),
            resource: Some(resource),
            namespace: Some(self.namespace.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn may(verb: &str, resource: &str, namespace: &str) -> bool {
        let what = Attributes {
            verb: verb.to_owned(),
            resource: resource.to_owned(),
            namespace: namespace.to_owned(),
            ..Attributes::default()
        };
        User::Viewer.may(&what, &Faults::default())
    }

    #[test]
    fn the_viewer_reads_services_in_two_namespaces_and_nothing_else() {
        assert!(may("list", "services", "shop"));
        assert!(!may("list", "services", ""));
        assert!(!may("list", "services", "monitoring"));
        assert!(!may("list", "pods", "shop"));
        assert!(!may("delete", "services", "shop"));
    }

    #[test]
    fn a_review_says_what_a_request_would() {
        let posted = json!({"spec": {"resourceAttributes": {"verb": "list", "resource": "services", "namespace": "shop"}}});
        let ask = |user: User, kind: &str, posted: &Value| user.review(kind, posted, &Faults::default());
        let answer = ask(User::Viewer, "selfsubjectaccessreviews", &posted).unwrap().unwrap();
        assert_eq!(answer["status"]["allowed"], true);
        assert!(ask(User::Admin, "tokenreviews", &posted).unwrap().is_none());
        let mut of_server = posted.clone();
        of_server["spec"]["user"] = DNS_ACCOUNT.into();
        let answer = ask(User::Admin, "subjectaccessreviews", &of_server).unwrap().unwrap();
        assert_eq!(answer["status"]["allowed"], true);
        assert_eq!(ask(User::Viewer, "subjectaccessreviews", &of_server).unwrap_err().code, 403);
        let nothing = json!({"spec": {}});
        assert_eq!(ask(User::Admin, "selfsubjectaccessreviews", &nothing).unwrap_err().code, 422);
    }
}

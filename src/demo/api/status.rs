//! Errors as the API server tells them: `Status` objects.
//!
//! Source of the texts: apimachinery `pkg/api/errors/errors.go`.

use super::body::{Answer, json};
use crate::demo::resource::Resource;
use hyper::StatusCode;
use hyper::header::{HeaderValue, RETRY_AFTER, X_CONTENT_TYPE_OPTIONS};
use serde_json::{Value, json as object};

/// A refusal: HTTP code, machine-readable reason, message and details.
#[derive(Clone, Debug)]
pub(in crate::demo) struct Refusal {
    pub(in crate::demo) code: u16,
    reason: &'static str,
    pub(in crate::demo) message: String,
    details: Option<Box<Value>>,
    /// Seconds of the `Retry-After` header.
    retry_after: Option<u64>,
}

impl Refusal {
    fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self { code, reason, message: message.into(), details: None, retry_after: None }
    }

    /// 404 for an object.
    pub(in crate::demo) fn not_found(resource: Resource, name: &str) -> Self {
        let message = format!("{} \"{name}\" not found", resource.qualified());
        Self::new(404, "NotFound", message).about(resource, name)
    }

    /// 404 for a kind that nobody serves.
    pub(in crate::demo) fn no_such_kind() -> Self {
        Self::new(404, "NotFound", "the server could not find the requested resource").with(object!({}))
    }

    /// 401.
    pub(in crate::demo) fn unauthorized() -> Self {
        Self::new(401, "Unauthorized", "Unauthorized")
    }

    /// 403; the message is complete.
    pub(in crate::demo) fn forbidden(resource: Resource, name: &str, message: impl Into<String>) -> Self {
        Self::new(403, "Forbidden", message).about(resource, name)
    }

    /// 403 for a kind that has no objects, such as a review; the message is complete.
    pub(in crate::demo) fn forbidden_kind(group: &str, plural: &str, message: impl Into<String>) -> Self {
        let mut refusal = Self::new(403, "Forbidden", message);
        refusal.details = Some(Box::new(object!({"group": group, "kind": plural})));
        refusal
    }

    /// 400.
    pub(in crate::demo) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    /// 405.
    pub(in crate::demo) fn not_allowed() -> Self {
        let message = "the server does not allow this method on the requested resource";
        Self::new(405, "MethodNotAllowed", message).with(object!({}))
    }

    /// 406; a real server has more to offer than JSON.
    pub(in crate::demo) fn not_acceptable() -> Self {
        let message = "406: Not Acceptable\n\nAvailable representations: application/json, application/json;stream=watch";
        Self::new(406, "NotAcceptable", message).with(object!({}))
    }

    /// 409 for an object that was changed by somebody else.
    pub(in crate::demo) fn conflict(resource: Resource, name: &str) -> Self {
        let message = format!(
            "Operation cannot be fulfilled on {} \"{name}\": the object has been modified; \
             please apply your changes to the latest version and try again",
            resource.qualified()
        );
        Self::new(409, "Conflict", message).about(resource, name)
    }

    /// 409 for another object of the same name than the one that was meant (apiserver: `storage.NewInvalidObjError`).
    pub(in crate::demo) fn another_object(resource: Resource, name: &str, wanted: &str, found: &str) -> Self {
        let kind = resource.info().kind;
        let message = format!(
            "Operation cannot be fulfilled on {kind} \"{name}\": the UID in the precondition ({wanted}) does not match \
             the UID in record ({found}). The object might have been deleted and then recreated"
        );
        Self::new(409, "Conflict", message).with(object!({"name": name, "kind": kind}))
    }

    /// 410 for a list or watch from a revision that is forgotten.
    pub(in crate::demo) fn expired(message: impl Into<String>) -> Self {
        Self::new(410, "Expired", message)
    }

    /// 415 for a patch of another kind.
    pub(in crate::demo) fn unsupported_media() -> Self {
        Self::new(415, "UnsupportedMediaType", "415: Unsupported Media Type").with(object!({}))
    }

    /// 422 for an object that makes no sense: what is wrong with which field.
    pub(in crate::demo) fn invalid(
        (group, kind, name): (&str, &str, &str),
        field: &str,
        reason: &str,
        why: impl Into<String>,
    ) -> Self {
        let why = why.into();
        let cause = object!({"reason": reason, "message": why, "field": field});
        let mut details = object!({"group": group, "causes": [cause]});
        for (key, value) in [("kind", kind), ("name", name)] {
            if !value.is_empty() {
                details[key] = value.into();
            }
        }
        let message = format!("{kind}.{group} \"{name}\" is invalid: {field}: {why}");
        Self::new(422, "Invalid", message).with(details)
    }

    /// 422 for options of a request (`ListOptions`, `PatchOptions`) that make no sense.
    pub(in crate::demo) fn options(kind: &str, field: &str, reason: &str, why: impl Into<String>) -> Self {
        Self::invalid(("meta.k8s.io", kind, ""), field, reason, why)
    }

    /// 429.
    pub(in crate::demo) fn too_many_requests(seconds: u64) -> Self {
        let mut refusal = Self::new(429, "TooManyRequests", "too many requests, please try again later");
        refusal.retry_after = Some(seconds);
        refusal.details = Some(Box::new(object!({"retryAfterSeconds": seconds})));
        refusal
    }

    /// 500 of an error that nobody thought of: it has no reason.
    pub(in crate::demo) fn unforeseen(message: impl Into<String>) -> Self {
        Self::new(500, "", message)
    }

    /// 500; the message is complete.
    pub(in crate::demo) fn internal(message: impl Into<String>) -> Self {
        Self::new(500, "InternalError", message)
    }

    /// 503.
    pub(in crate::demo) fn unavailable(message: impl Into<String>) -> Self {
        Self::new(503, "ServiceUnavailable", message)
    }

    /// 504 for a revision that is not there yet.
    pub(in crate::demo) fn from_the_future(wanted: u64, current: u64) -> Self {
        let message = format!("Timeout: Too large resource version: {wanted}, current: {current}");
        let mut refusal = Self::new(504, "Timeout", message);
        refusal.retry_after = Some(1);
        refusal.details = Some(Box::new(object!({
            "causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}],
            "retryAfterSeconds": 1,
        })));
        refusal
    }

    fn with(mut self, details: Value) -> Self {
        self.details = Some(Box::new(details));
        self
    }

    fn about(mut self, resource: Resource, name: &str) -> Self {
        let mut details = object!({});
        if !name.is_empty() {
            details["name"] = name.into();
        }
        if !resource.info().group.is_empty() {
            details["group"] = resource.info().group.into();
        }
        details["kind"] = resource.info().plural.into();
        self.details = Some(Box::new(details));
        self
    }

    /// The `Status` object.
    pub(in crate::demo) fn status(&self) -> Value {
        let mut status = object!({
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
        });
        if !self.reason.is_empty() {
            status["reason"] = self.reason.into();
        }
        if let Some(details) = &self.details {
            status["details"] = Value::clone(details);
        }
        status["code"] = self.code.into();
        status
    }

    /// The whole answer.
    pub(in crate::demo) fn answer(&self) -> Answer {
        let code = StatusCode::from_u16(self.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut answer = json(code, &self.status());
        if self.reason == "Forbidden" {
            // apiserver: `responsewriters.Forbidden`.
            answer.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        }
        if let Some(seconds) = self.retry_after {
            answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        answer
    }
}

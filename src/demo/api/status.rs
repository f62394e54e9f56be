//! Errors as the API server tells them: `Status` objects.
//!
//! Source of the texts: apimachinery `pkg/api/errors/errors.go`.

use super::body::{Answer, json};
use crate::demo::resource::Resource;
use hyper::StatusCode;
use hyper::header::{HeaderValue, RETRY_AFTER};
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

    /// 404 for a path that nobody serves.
    pub(in crate::demo) fn no_such_path() -> Self {
        let mut refusal = Self::new(404, "NotFound", "the server could not find the requested resource");
        refusal.details = Some(Box::new(object!({})));
        refusal
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
        Self::new(405, "MethodNotAllowed", message)
    }

    /// 406.
    pub(in crate::demo) fn not_acceptable() -> Self {
        let message = "only the following media types are accepted: application/json";
        Self::new(406, "NotAcceptable", message)
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

    /// 410 for a list or watch from a revision that is forgotten.
    pub(in crate::demo) fn expired(message: impl Into<String>) -> Self {
        Self::new(410, "Expired", message)
    }

    /// 415 for a patch of another kind.
    pub(in crate::demo) fn unsupported_media(message: impl Into<String>) -> Self {
        Self::new(415, "UnsupportedMediaType", message)
    }

    /// 422 for an object or options that make no sense.
    pub(in crate::demo) fn invalid(message: impl Into<String>) -> Self {
        Self::new(422, "Invalid", message)
    }

    /// 429.
    pub(in crate::demo) fn too_many_requests(seconds: u64) -> Self {
        let mut refusal = Self::new(429, "TooManyRequests", "too many requests, please try again later");
        refusal.retry_after = Some(seconds);
        refusal.details = Some(Box::new(object!({"retryAfterSeconds": seconds})));
        refusal
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
        let message = format!("Too large resource version: {wanted}, current: {current}");
        let mut refusal = Self::new(504, "Timeout", message);
        refusal.details = Some(Box::new(object!({
            "causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}],
            "retryAfterSeconds": 1,
        })));
        refusal
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
            "reason": self.reason,
        });
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
        if let Some(seconds) = self.retry_after {
            answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        answer
    }
}

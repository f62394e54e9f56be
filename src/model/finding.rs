//! One thing worth telling about an object: what, how bad, why we think so, what to do.

use serde::Serialize;

use super::{Kind, ObjectKey};

/// How bad a finding is. Orders from worst to mildest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// It does not work.
    Error,
    /// It may not work, or not as intended.
    Warning,
    /// Worth knowing.
    Info,
}

/// The object that a finding is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct ObjectRef {
    /// Its kind.
    pub kind: Kind,
    /// Its namespace and name.
    #[serde(flatten)]
    pub key: ObjectKey,
}

/// One finding. The code is stable (kebab-case, documented in the command line's JSON reference).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Stable code, for example `no-ready-endpoints`.
    pub code: &'static str,
    /// How bad.
    pub severity: Severity,
    /// About what.
    pub object: ObjectRef,
    /// One sentence that says what is the matter.
    pub message: String,
    /// What we saw, a line each.
    pub evidence: Vec<String>,
    /// What to do next; empty when there is nothing to do.
    pub advice: String,
}

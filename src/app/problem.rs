//! What went wrong, as a person is told: what, why, and what to do.

/// A problem in three sentences. Errors become one at the boundary of the effects; `update` and `view` never fail.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problem {
    /// What did not work.
    pub what: String,
    /// Why.
    pub why: String,
    /// What to do about it; may have several lines.
    pub hint: String,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.what, self.why)
    }
}

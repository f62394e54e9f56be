//! Forwards that are kept under a name, as facts: the file is read and written elsewhere.

use super::ForwardSpec;
use crate::model::Text;

/// Forwards of one context that are kept under a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// The name; unique in its context.
    pub name: Text,
    /// Started as soon as its context is looked at.
    pub autostart: bool,
    /// The forwards, or what is wrong with what the file says of them.
    pub forwards: Result<Vec<ForwardSpec>, Text>,
}

impl Profile {
    /// What it holds in a few words: `svc/web 8080:http, pod/db-0 5432`.
    pub fn words(&self) -> String {
        match &self.forwards {
            Ok(forwards) if forwards.is_empty() => "nothing".to_owned(),
            Ok(forwards) => {
                let words: Vec<String> =
                    forwards.iter().map(|spec| format!("{} {}", spec.target, spec.port)).collect();
                words.join(", ")
            }
            Err(why) => format!("can't be used: {why}"),
        }
    }
}

/// What is done with the profiles of a context.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProfileAct {
    /// They are only read.
    Read,
    /// Forwards are kept under a name, in the place of those that had it before.
    Save {
        /// The name.
        name: Text,
        /// The forwards.
        forwards: Vec<ForwardSpec>,
    },
    /// One is forgotten.
    Delete(Text),
    /// One is started with its context from now on, or no longer.
    Autostart(Text, bool),
}

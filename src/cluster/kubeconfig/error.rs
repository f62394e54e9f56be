//! Why a kubeconfig cannot be used, in sentences. None of them carries the content of a credential.

use std::path::PathBuf;

use crate::cluster::{ApiError, ApiErrorKind};

/// Why a kubeconfig cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KubeconfigError {
    /// There is no configuration at all, and this is no pod of a cluster.
    #[error("no kubeconfig found (looked for {})", paths(.looked))]
    NoConfiguration {
        /// Where it was looked for.
        looked: Vec<PathBuf>,
    },
    /// A file that should be read cannot be.
    #[error("cannot read the kubeconfig {}: {why}", .file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// The system's words.
        why: String,
    },
    /// A file is no kubeconfig.
    #[error("cannot understand the kubeconfig {}{}: {why}", .file.display(), at(*.line))]
    BrokenYaml {
        /// The file.
        file: PathBuf,
        /// Line in it, if known.
        line: Option<u64>,
        /// The reason, without content.
        why: String,
    },
    /// The kubeconfig names no current context, and no flag does.
    #[error("the kubeconfig has no current context")]
    NoCurrentContext {
        /// Contexts that could be chosen.
        known: Vec<String>,
    },
    /// A context, cluster or user that does not exist.
    #[error("there is no {kind} \"{name}\" in the kubeconfig{}", .by.as_ref().map(|c| format!(", though context \"{c}\" names it")).unwrap_or_default())]
    Unknown {
        /// `context`, `cluster` or `user`.
        kind: &'static str,
        /// The name that was looked for.
        name: String,
        /// The context that names it, unless a flag did.
        by: Option<String>,
        /// Names that exist and look like it, or some that exist.
        near: Vec<String>,
    },
    /// A context that names no cluster.
    #[error("context \"{context}\" names no cluster")]
    ContextWithoutCluster {
        /// The context.
        context: String,
    },
    /// A cluster that names no server.
    #[error("cluster \"{cluster}\" has no server address")]
    NoServer {
        /// The cluster.
        cluster: String,
    },
    /// A field with a value that makes no sense.
    #[error("{field} of \"{owner}\" cannot be used: {why}")]
    BadValue {
        /// The field as the file writes it.
        field: &'static str,
        /// Name of the cluster or user.
        owner: String,
        /// Why not.
        why: String,
    },
    /// A file that the kubeconfig names and that cannot be read.
    #[error("cannot read {field} of \"{owner}\", {}: {why}", .file.display())]
    MissingFile {
        /// The field as the file writes it.
        field: &'static str,
        /// Name of the cluster or user.
        owner: String,
        /// The file.
        file: PathBuf,
        /// Why not.
        why: String,
    },
    /// Fields that contradict each other, which kubectl refuses too.
    #[error("\"{owner}\" has {fields}, which exclude each other")]
    Conflict {
        /// Name of the cluster or user.
        owner: String,
        /// The fields.
        fields: &'static str,
    },
}

impl KubeconfigError {
    /// What to do next.
    pub fn hint(&self) -> String {
        match self {
            Self::NoConfiguration { .. } => {
                "set KUBECONFIG or --kubeconfig, or try the built-in demo cluster: kdisco --demo".to_owned()
            }
            Self::Unreadable { .. } | Self::MissingFile { .. } => {
                "check the path and its permissions".to_owned()
            }
            Self::BrokenYaml { .. } => "kubectl config view reads the same file and may say more".to_owned(),
            Self::NoCurrentContext { known } if known.is_empty() => {
                "it has no contexts at all: is it the right file?".to_owned()
            }
            Self::NoCurrentContext { known } => format!("choose one with --context: {}", list(known)),
            Self::Unknown { near, kind, .. } if !near.is_empty() => {
                format!("{kind}s like it: {}", list(near))
            }
            Self::Unknown { kind, .. } => format!("kubectl config get-{kind}s lists what there is"),
            Self::ContextWithoutCluster { .. } | Self::NoServer { .. } => {
                "complete the kubeconfig, or give --server".to_owned()
            }
            Self::BadValue { .. } | Self::Conflict { .. } => "correct the kubeconfig".to_owned(),
        }
    }
}

impl From<KubeconfigError> for ApiError {
    fn from(error: KubeconfigError) -> Self {
        let hint = error.hint();
        let (what, why) = match &error {
            KubeconfigError::NoConfiguration { looked } => (
                "no cluster is configured".to_owned(),
                format!("no kubeconfig found (looked for {})", paths(looked)),
            ),
            other => ("the kubeconfig cannot be used".to_owned(), other.to_string()),
        };
        Self::new(ApiErrorKind::Config, what, why).hint(hint)
    }
}

fn at(line: Option<u64>) -> String {
    line.map(|line| format!(", line {line}")).unwrap_or_default()
}

fn list(names: &[String]) -> String {
    let shown = names.iter().take(8).map(String::as_str).collect::<Vec<_>>().join(", ");
    if names.len() > 8 { format!("{shown}, … ({} in all)", names.len()) } else { shown }
}

fn paths(paths: &[PathBuf]) -> String {
    if paths.is_empty() {
        return "none: neither KUBECONFIG nor HOME is set".to_owned();
    }
    paths.iter().map(|p| p.display().to_string()).collect::<Vec<_>>().join(", ")
}

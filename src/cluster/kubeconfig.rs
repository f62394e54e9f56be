//! Which cluster, as which user, in which namespace: kubeconfig files and the flags that override them, read by
//! kubectl's rules (client-go: `tools/clientcmd`; Kubernetes docs: "Organizing Cluster Access Using kubeconfig
//! Files").
//!
//! What it is: [`Kubeconfig`] lists the contexts and turns one of them into a [`Target`]. What it is not: it opens
//! no connection and runs no plugin; [`super::client`] does. It never writes a kubeconfig.
//!
//! On purpose different from kubectl: without any configuration, and with a context whose cluster is missing,
//! kubectl silently tries `http://localhost:8080`; here that is an error that says what to do. `--token` beats the
//! `tokenFile` of the kubeconfig's user.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

mod error;
mod file;
mod in_cluster;
mod oidc;
mod proxy;
mod resolve;
mod target;

pub use error::KubeconfigError;
pub(super) use file::{Exec, Secret};
pub(super) use proxy::{Proxy, ProxyKind};
pub use target::Target;
pub(super) use target::{CredentialSource, Identity, Impersonate, Material, Oidc};

use file::{AuthProvider, File};

/// What the command line says about the connection; names and meaning are kubectl's.
#[derive(Clone, Default)]
pub struct Overrides {
    /// `--kubeconfig`: this file alone, and it must exist.
    pub kubeconfig: Option<PathBuf>,
    /// `--context`.
    pub context: Option<String>,
    /// `--cluster`: another entry of `clusters`.
    pub cluster: Option<String>,
    /// `--user`: another entry of `users`.
    pub user: Option<String>,
    /// `-n`, `--namespace`.
    pub namespace: Option<String>,
    /// `--as`.
    pub as_user: Option<String>,
    /// `--as-group`, each.
    pub as_group: Vec<String>,
    /// `--as-uid`.
    pub as_uid: Option<String>,
    /// `--token`.
    pub token: Option<String>,
    /// `-s`, `--server`.
    pub server: Option<String>,
    /// `--tls-server-name`.
    pub tls_server_name: Option<String>,
    /// `--insecure-skip-tls-verify`.
    pub insecure_skip_tls_verify: bool,
    /// `--certificate-authority`.
    pub certificate_authority: Option<PathBuf>,
    /// `--client-certificate`.
    pub client_certificate: Option<PathBuf>,
    /// `--client-key`.
    pub client_key: Option<PathBuf>,
    /// `--username`.
    pub username: Option<String>,
    /// `--password`.
    pub password: Option<String>,
    /// `--request-timeout`, see [`parse_timeout`]. Bounds lists and single requests, never watches.
    pub request_timeout: Option<Duration>,
    /// `--proxy-url`.
    pub proxy_url: Option<String>,
}

impl Overrides {
    /// The same flags for another context: what names a context, a cluster, a user or a namespace is replaced.
    #[must_use]
    pub fn for_context(&self, context: &str) -> Self {
        Self { context: Some(context.to_owned()), cluster: None, user: None, namespace: None, ..self.clone() }
    }
}

impl std::fmt::Debug for Overrides {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Overrides")
            .field("kubeconfig", &self.kubeconfig)
            .field("context", &self.context)
            .field("cluster", &self.cluster)
            .field("user", &self.user)
            .field("namespace", &self.namespace)
            .field("server", &self.server)
            .finish_non_exhaustive()
    }
}

/// A duration as `--request-timeout` takes it: whole seconds, or numbers with units (`1m30s`, `500ms`); zero means
/// no limit (client-go: `ParseTimeout`).
///
/// # Errors
/// A sentence for the user when it is neither.
pub fn parse_timeout(text: &str) -> Result<Option<Duration>, String> {
    let wrong =
        || format!("\"{text}\" is no duration: give seconds, or numbers with units such as 1m30s or 500ms");
    let total = if let Ok(seconds) = text.parse::<u32>() {
        f64::from(seconds)
    } else {
        let mut rest = text;
        let mut total = 0.0;
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(wrong)?;
            let number: f64 = rest[..digits].parse().map_err(|_| wrong())?;
            rest = &rest[digits..];
            let unit = rest.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len());
            total += number
                * match &rest[..unit] {
                    "h" => 3600.0,
                    "m" => 60.0,
                    "s" => 1.0,
                    "ms" => 1e-3,
                    "us" | "µs" => 1e-6,
                    "ns" => 1e-9,
                    _ => return Err(wrong()),
                };
            rest = &rest[unit..];
        }
        if text.is_empty() {
            return Err(wrong());
        }
        total
    };
    let duration = Duration::try_from_secs_f64(total).map_err(|_| wrong())?;
    Ok((!duration.is_zero()).then_some(duration))
}

/// What the process' surroundings say. A value, so that nothing below reads the environment by itself.
#[derive(Clone, Debug)]
pub struct Environment {
    /// The variables that matter.
    pub variables: BTreeMap<String, OsString>,
    /// Where a pod finds its service account (token, `ca.crt`, namespace).
    pub service_account: PathBuf,
}

impl Environment {
    const NAMES: [&str; 13] = [
        "KUBECONFIG",
        "HOME",
        "USERPROFILE",
        "KUBERNETES_MASTER",
        "KUBERNETES_SERVICE_HOST",
        "KUBERNETES_SERVICE_PORT",
        "POD_NAMESPACE",
        "HTTP_PROXY",
        "http_proxy",
        "HTTPS_PROXY",
        "https_proxy",
        "NO_PROXY",
        "no_proxy",
    ];

    /// This process' own.
    pub fn of_process() -> Self {
        Self {
            variables: Self::NAMES
                .into_iter()
                .filter_map(|name| Some((name.to_owned(), std::env::var_os(name)?)))
                .collect(),
            service_account: PathBuf::from("/var/run/secrets/kubernetes.io/serviceaccount"),
        }
    }

    fn path(&self, name: &str) -> Option<PathBuf> {
        self.variables.get(name).filter(|v| !v.is_empty()).map(PathBuf::from)
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.variables.get(name)?.to_str().filter(|v| !v.is_empty())
    }

    /// The files to read: the list in `KUBECONFIG` without empty entries and repetitions, else `~/.kube/config`.
    fn files(&self) -> Vec<PathBuf> {
        let Some(list) = self.variables.get("KUBECONFIG").filter(|v| !v.is_empty()) else {
            let home = self.path("HOME").or_else(|| self.path("USERPROFILE"));
            return home.map(|h| h.join(".kube").join("config")).into_iter().collect();
        };
        let mut files: Vec<PathBuf> = Vec::new();
        for file in std::env::split_paths(list) {
            if !file.as_os_str().is_empty() && !files.contains(&file) {
                files.push(file);
            }
        }
        files
    }
}

/// One context, for the context switcher.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContextInfo {
    /// Name.
    pub name: String,
    /// Its cluster's name; empty if it names none.
    pub cluster: String,
    /// Its user's name; empty if it names none.
    pub user: String,
    /// Its namespace, if it names one (else `default` is meant).
    pub namespace: Option<String>,
    /// Whether it is the current one, flags considered.
    pub current: bool,
}

/// All kubeconfig files, read and merged.
#[derive(Clone, Debug)]
pub struct Kubeconfig {
    merged: File,
    /// The files that were read, in order.
    sources: Vec<PathBuf>,
    /// The files that were looked for.
    looked: Vec<PathBuf>,
    environment: Environment,
    overrides: Overrides,
}

impl Kubeconfig {
    /// Reads what kubectl would read: `--kubeconfig` alone, or the files of `KUBECONFIG`, or `~/.kube/config`.
    /// Missing files of a list are skipped; the first file to name something wins. No file at all is no error yet:
    /// flags or the surroundings of a pod may be enough, see [`Self::target`].
    ///
    /// # Errors
    /// A file that cannot be read or understood; `--kubeconfig` that does not exist.
    pub fn load(overrides: &Overrides, environment: &Environment) -> Result<Self, KubeconfigError> {
        let looked = match &overrides.kubeconfig {
            Some(file) => vec![file.clone()],
            None => environment.files(),
        };
        let (mut merged, mut sources) = (File::default(), Vec::new());
        for path in &looked {
            if let Some(file) = File::read(path)? {
                merged.merge(file);
                sources.push(path.clone());
            } else if overrides.kubeconfig.is_some() {
                let why = "there is no such file".to_owned();
                return Err(KubeconfigError::Unreadable { file: path.clone(), why });
            }
        }
        Ok(Self { merged, sources, looked, environment: environment.clone(), overrides: overrides.clone() })
    }

    /// The files that were read, the one that wins first.
    pub fn sources(&self) -> &[PathBuf] {
        &self.sources
    }

    /// The flags it was loaded with.
    pub fn overrides(&self) -> &Overrides {
        &self.overrides
    }

    /// Name of the context that is used without further words: `--context`, else `current-context`.
    pub fn current(&self) -> Option<&str> {
        self.overrides.context.as_deref().or(self.merged.current_context.as_deref())
    }

    /// All contexts, by name.
    pub fn contexts(&self) -> Vec<ContextInfo> {
        let mut contexts: Vec<_> = self
            .merged
            .contexts
            .iter()
            .map(|c| ContextInfo {
                name: c.name.clone(),
                cluster: c.context.cluster.clone().unwrap_or_default(),
                user: c.context.user.clone().unwrap_or_default(),
                namespace: c.context.namespace.clone(),
                current: self.current() == Some(&c.name),
            })
            .collect();
        contexts.sort_by(|a, b| a.name.cmp(&b.name));
        contexts
    }

    /// The current context with all flags applied; in a pod without kubeconfig, the pod's own cluster.
    ///
    /// # Errors
    /// What is missing or contradictory.
    pub fn target(&self) -> Result<Target, KubeconfigError> {
        self.resolve(&self.overrides)
    }

    /// Another context, with the flags that are not about the choice of context
    /// ([`Overrides::for_context`]).
    ///
    /// # Errors
    /// As [`Self::target`].
    pub fn target_of(&self, context: &str) -> Result<Target, KubeconfigError> {
        self.resolve(&self.overrides.for_context(context))
    }
}

/// Names like one that is unknown, best first: what a person may have meant.
fn near<'a>(wanted: &str, names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let wanted_lower = wanted.to_lowercase();
    let mut found: Vec<(usize, &str)> = names
        .filter_map(|name| {
            let lower = name.to_lowercase();
            let distance = edit_distance(&wanted_lower, &lower);
            let part = !wanted.is_empty() && (lower.contains(&wanted_lower) || wanted_lower.contains(&lower));
            (part || distance <= 1 + wanted.chars().count() / 4).then_some((distance, name))
        })
        .collect();
    found.sort_unstable();
    found.into_iter().take(5).map(|(_, name)| name.to_owned()).collect()
}

/// How many letters must change to turn one text into the other (Levenshtein).
fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, cb) in b.iter().enumerate() {
            let above = row[j + 1];
            row[j + 1] = (above + 1).min(row[j] + 1).min(diagonal + usize::from(ca != *cb));
            diagonal = above;
        }
    }
    row[b.len()]
}

/// A file that must be readable, for the messages about it.
fn read_file(path: &Path, field: &'static str, owner: &str) -> Result<Vec<u8>, KubeconfigError> {
    std::fs::read(path).map_err(|error| KubeconfigError::MissingFile {
        field,
        owner: owner.to_owned(),
        file: path.to_owned(),
        why: if error.kind() == std::io::ErrorKind::NotFound {
            "there is no such file".to_owned()
        } else {
            error.to_string()
        },
    })
}

//! The kubeconfig file format, one file and several merged (client-go: `tools/clientcmd/api/v1`, `loader.go`).
//!
//! Every field may be missing or null, as kubectl has it; what must be there is judged later, for the one context
//! that is used. Nothing here prints the values of secrets.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Deserializer};

use super::KubeconfigError;

/// Text that must not be printed.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub(in crate::cluster) struct Secret(String);

impl Secret {
    pub(in crate::cluster) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself. Keep it away from errors and logs.
    pub(in crate::cluster) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<hidden>")
    }
}

/// One kubeconfig file, or several merged.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct File {
    #[serde(default, deserialize_with = "nullable")]
    pub(super) clusters: Vec<NamedCluster>,
    #[serde(default, deserialize_with = "nullable")]
    pub(super) users: Vec<NamedUser>,
    #[serde(default, deserialize_with = "nullable")]
    pub(super) contexts: Vec<NamedContext>,
    #[serde(default, rename = "current-context", deserialize_with = "text")]
    pub(super) current_context: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct NamedCluster {
    #[serde(default, deserialize_with = "nullable")]
    pub(super) name: String,
    #[serde(default, deserialize_with = "nullable")]
    pub(super) cluster: Cluster,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct NamedUser {
    #[serde(default, deserialize_with = "nullable")]
    pub(super) name: String,
    #[serde(default, deserialize_with = "nullable")]
    pub(super) user: User,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct NamedContext {
    #[serde(default, deserialize_with = "nullable")]
    pub(super) name: String,
    #[serde(default, deserialize_with = "nullable")]
    pub(super) context: Context,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Cluster {
    #[serde(default, deserialize_with = "text")]
    pub(super) server: Option<String>,
    #[serde(default, deserialize_with = "text")]
    pub(super) tls_server_name: Option<String>,
    #[serde(default, deserialize_with = "nullable")]
    pub(super) insecure_skip_tls_verify: bool,
    #[serde(default, deserialize_with = "nullable")]
    pub(super) disable_compression: bool,
    #[serde(default, deserialize_with = "text")]
    pub(super) certificate_authority: Option<String>,
    #[serde(default, deserialize_with = "text")]
    pub(super) certificate_authority_data: Option<String>,
    #[serde(default, deserialize_with = "text")]
    pub(super) proxy_url: Option<String>,
    #[serde(default, deserialize_with = "nullable")]
    pub(super) extensions: Vec<Extension>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Extension {
    #[serde(default, deserialize_with = "nullable")]
    pub(super) name: String,
    #[serde(default)]
    pub(super) extension: serde_json::Value,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Context {
    #[serde(default, deserialize_with = "text")]
    pub(super) cluster: Option<String>,
    #[serde(default, deserialize_with = "text")]
    pub(super) user: Option<String>,
    #[serde(default, deserialize_with = "text")]
    pub(super) namespace: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct User {
    #[serde(default, deserialize_with = "text")]
    pub(super) client_certificate: Option<String>,
    #[serde(default, deserialize_with = "text")]
    pub(super) client_certificate_data: Option<String>,
    #[serde(default, deserialize_with = "text")]
    pub(super) client_key: Option<String>,
    #[serde(default, deserialize_with = "secret")]
    pub(super) client_key_data: Option<Secret>,
    #[serde(default, deserialize_with = "secret")]
    pub(super) token: Option<Secret>,
    #[serde(default, rename = "tokenFile", deserialize_with = "text")]
    pub(super) token_file: Option<String>,
    #[serde(default, rename = "as", deserialize_with = "text")]
    pub(super) impersonate: Option<String>,
    #[serde(default, deserialize_with = "text")]
    pub(super) as_uid: Option<String>,
    #[serde(default, deserialize_with = "nullable")]
    pub(super) as_groups: Vec<String>,
    #[serde(default, deserialize_with = "nullable")]
    pub(super) as_user_extra: BTreeMap<String, Vec<String>>,
    #[serde(default, deserialize_with = "text")]
    pub(super) username: Option<String>,
    #[serde(default, deserialize_with = "secret")]
    pub(super) password: Option<Secret>,
    #[serde(default)]
    pub(super) auth_provider: Option<AuthProvider>,
    #[serde(default)]
    pub(super) exec: Option<Exec>,
}

/// The old way of signing in with a provider built into the client.
#[derive(Clone, Deserialize)]
pub(super) struct AuthProvider {
    #[serde(default, deserialize_with = "nullable")]
    pub(super) name: String,
    /// Holds tokens.
    #[serde(default, deserialize_with = "nullable")]
    pub(super) config: BTreeMap<String, String>,
}

impl fmt::Debug for AuthProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthProvider").field("name", &self.name).finish_non_exhaustive()
    }
}

/// A program that prints a credential (client.authentication.k8s.io).
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::cluster) struct Exec {
    #[serde(default, deserialize_with = "text")]
    pub(in crate::cluster) api_version: Option<String>,
    #[serde(default, deserialize_with = "nullable")]
    pub(in crate::cluster) command: String,
    #[serde(default, deserialize_with = "nullable")]
    pub(in crate::cluster) args: Vec<String>,
    #[serde(default, deserialize_with = "nullable")]
    pub(in crate::cluster) env: Vec<ExecEnv>,
    #[serde(default, deserialize_with = "text")]
    pub(in crate::cluster) install_hint: Option<String>,
    #[serde(default, deserialize_with = "text")]
    pub(in crate::cluster) interactive_mode: Option<String>,
    #[serde(default, deserialize_with = "nullable")]
    pub(in crate::cluster) provide_cluster_info: bool,
}

impl fmt::Debug for Exec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exec").field("command", &self.command).finish_non_exhaustive()
    }
}

#[derive(Clone, Deserialize)]
pub(in crate::cluster) struct ExecEnv {
    #[serde(default, deserialize_with = "nullable")]
    pub(in crate::cluster) name: String,
    #[serde(default, deserialize_with = "nullable")]
    pub(in crate::cluster) value: String,
}

/// Null is as good as missing.
fn nullable<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// An empty text is as good as missing (Go's zero value).
fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.filter(|t| !t.is_empty()))
}

fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Secret>, D::Error> {
    Ok(text(deserializer)?.map(Secret))
}

impl File {
    /// Reads one file and makes the paths in it absolute. The outer `None`: there is no such file.
    pub(super) fn read(path: &Path) -> Result<Option<Self>, KubeconfigError> {
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => {
                return Err(KubeconfigError::Unreadable { file: path.to_owned(), why: error.to_string() });
            }
        };
        let broken = |line, why: String| KubeconfigError::BrokenYaml { file: path.to_owned(), line, why };
        let text =
            decode(&bytes).ok_or_else(|| broken(None, "it is not text (UTF-8 or UTF-16)".to_owned()))?;
        let mut file = Self::parse(&text).map_err(|(line, why)| broken(line, why))?;
        let parent = path.parent().unwrap_or(Path::new(""));
        file.resolve_paths(&std::path::absolute(parent).unwrap_or_else(|_| parent.to_owned()));
        Ok(Some(file))
    }

    /// Reads the first YAML document of a text. The error has the line and a reason without any content: lines of
    /// a kubeconfig hold credentials.
    pub(super) fn parse(text: &str) -> Result<Self, (Option<u64>, String)> {
        let options = serde_saphyr::options! { with_snippet: false };
        let mut reader = text.as_bytes();
        let mut documents = serde_saphyr::read_with_options::<_, Option<Self>>(&mut reader, options);
        let file = match documents.next() {
            None => Self::default(),
            Some(Ok(file)) => file.unwrap_or_default(),
            Some(Err(error)) => return Err((error.location().map(|at| at.line()), reason(&error))),
        };
        // client-go: Convert_Slice_v1_Named…_To_Map refuses two entries of one name in one file.
        for (list, names) in [
            ("clusters", file.clusters.iter().map(|c| &c.name).collect::<Vec<_>>()),
            ("users", file.users.iter().map(|u| &u.name).collect()),
            ("contexts", file.contexts.iter().map(|c| &c.name).collect()),
        ] {
            let mut seen = std::collections::BTreeSet::new();
            if let Some(twice) = names.into_iter().find(|n| !seen.insert(n.as_str())) {
                return Err((None, format!("\"{twice}\" is there twice in {list}")));
            }
        }
        Ok(file)
    }

    /// Adds what another file has and this one has not: the first file to name something wins, whole.
    pub(super) fn merge(&mut self, next: Self) {
        fn add<T>(into: &mut Vec<T>, from: Vec<T>, name: impl Fn(&T) -> &str) {
            for item in from {
                if !into.iter().any(|have| name(have) == name(&item)) {
                    into.push(item);
                }
            }
        }
        add(&mut self.clusters, next.clusters, |c| &c.name);
        add(&mut self.users, next.users, |u| &u.name);
        add(&mut self.contexts, next.contexts, |c| &c.name);
        self.current_context = self.current_context.take().or(next.current_context);
    }

    /// Relative paths are relative to the file that names them (client-go: `ResolveLocalPaths`).
    fn resolve_paths(&mut self, folder: &Path) {
        let fix = |path: &mut Option<String>| {
            if let Some(text) = path
                && Path::new(text.as_str()).is_relative()
            {
                *text = tidy(&folder.join(text.as_str())).to_string_lossy().into_owned();
            }
        };
        for cluster in &mut self.clusters {
            fix(&mut cluster.cluster.certificate_authority);
        }
        for NamedUser { user, .. } in &mut self.users {
            fix(&mut user.client_certificate);
            fix(&mut user.client_key);
            fix(&mut user.token_file);
            // A bare name is looked up in PATH; one with a separator is a path.
            if let Some(exec) = &mut user.exec
                && exec.command.contains(std::path::MAIN_SEPARATOR)
            {
                let mut command = Some(std::mem::take(&mut exec.command));
                fix(&mut command);
                exec.command = command.unwrap_or_default();
            }
        }
    }
}

/// The reason without position and without the offending text.
fn reason(error: &serde_saphyr::Error) -> String {
    let text = error.without_snippet().to_string();
    let first = text.lines().next().unwrap_or_default();
    // Quoted content may be a credential.
    match first.find(['"', '`', '\'']) {
        Some(at) if at > 8 => format!("{}…", first[..at].trim_end()),
        _ => first.to_owned(),
    }
}

/// UTF-8, with or without a byte order mark, or UTF-16 with one (Windows editors).
fn decode(bytes: &[u8]) -> Option<String> {
    let utf16 = |bytes: &[u8], unit: fn([u8; 2]) -> u16| {
        let units: Vec<u16> = bytes.as_chunks::<2>().0.iter().map(|pair| unit(*pair)).collect();
        String::from_utf16(&units).ok()
    };
    match bytes {
        [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes),
        [0xef, 0xbb, 0xbf, rest @ ..] => String::from_utf8(rest.to_vec()).ok(),
        _ => String::from_utf8(bytes.to_vec()).ok(),
    }
}

/// Without `.` and `..`, as Go's `filepath.Join` leaves it.
fn tidy(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                out.pop();
            }
            other => out.push(other),
        }
    }
    out
}

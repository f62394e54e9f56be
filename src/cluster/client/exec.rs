//! Credential plugins: programs that print an `ExecCredential` (client-go: `plugin/pkg/client/auth/exec`).
//!
//! While the program owns the screen a plugin gets neither input nor a terminal (`/dev/tty` is none), and what it writes to its standard error becomes
//! notices, line by line as it comes: it may say where to sign in.

use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::Command;
use tokio::sync::watch;

use super::{Terminal, detached};
use crate::cluster::kubeconfig::{Exec, Secret};
use crate::cluster::{ApiError, ApiErrorKind};

/// A plugin may wait for a person in a browser; it may not wait for ever.
const LIMIT: Duration = Duration::from_mins(5);
/// More than any credential needs.
const MAX_OUTPUT: u64 = 4 << 20;
/// So many lines of notices are kept.
const MAX_NOTICES: usize = 20;

/// A plugin, ready to be run.
pub(super) struct Plugin {
    exec: Exec,
    cluster: Option<serde_json::Value>,
}

impl Plugin {
    pub(super) fn new(exec: Exec, cluster: Option<serde_json::Value>) -> Self {
        Self { exec, cluster }
    }

    /// The command, as the kubeconfig writes it.
    pub(super) fn name(&self) -> &str {
        &self.exec.command
    }

    /// Whether it may talk to a person in a terminal (`interactiveMode`).
    pub(super) fn may_talk(&self) -> bool {
        self.exec.interactive_mode.as_deref() != Some("Never")
    }

    fn version(&self) -> &str {
        self.exec.api_version.as_deref().unwrap_or_default()
    }
}

/// What a plugin gave.
pub(super) struct Issued {
    pub(super) token: Option<Secret>,
    pub(super) certificate: Option<(String, Secret)>,
    pub(super) expires: Option<Timestamp>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    api_version: Option<String>,
    status: Option<Status>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    token: Option<Secret>,
    client_certificate_data: Option<String>,
    client_key_data: Option<Secret>,
    expiration_timestamp: Option<String>,
}

/// Runs the plugin and reads what it prints.
pub(super) async fn run(
    plugin: &Plugin,
    terminal: Terminal,
    notices: &watch::Sender<Arc<[String]>>,
) -> Result<Issued, ApiError> {
    let failed = |why: String| {
        let what = format!("the credential plugin {} failed", plugin.name());
        ApiError::new(ApiErrorKind::Credential, what, why)
            .hint("run it by hand, or any kubectl command, to see more")
    };
    let shared = terminal == Terminal::Shared && std::io::IsTerminal::is_terminal(&std::io::stdin());
    if plugin.exec.interactive_mode.as_deref() == Some("Always") && !shared {
        return Err(failed("it must talk to you in a terminal (interactiveMode: Always)".to_owned())
            .hint("sign in with any kubectl command first, or let the plugin have the terminal"));
    }
    let output = output(plugin, shared && plugin.may_talk(), notices).await.map_err(|error| match error {
        Trouble::Start(error) => missing(plugin, &error),
        Trouble::Failed(why) => failed(why),
    })?;
    read(plugin, &output).map_err(|why| failed(why.to_owned()))
}

enum Trouble {
    Start(std::io::Error),
    Failed(String),
}

async fn output(
    plugin: &Plugin,
    interactive: bool,
    notices: &watch::Sender<Arc<[String]>>,
) -> Result<Vec<u8>, Trouble> {
    let broken = |error: std::io::Error| Trouble::Failed(error.to_string());
    let mut info = serde_json::json!({
        "kind": "ExecCredential",
        "apiVersion": plugin.version(),
        "spec": {"interactive": interactive},
    });
    if let Some(cluster) = &plugin.cluster {
        info["spec"]["cluster"] = cluster.clone();
    }
    // One that must not talk gets no terminal to talk in either: it may open /dev/tty without being asked.
    let mut command = if interactive {
        Command::new(&plugin.exec.command)
    } else {
        detached::command(&plugin.exec.command)
    };
    command
        .args(&plugin.exec.args)
        .envs(plugin.exec.env.iter().map(|e| (&e.name, &e.value)))
        .env("KUBERNETES_EXEC_INFO", info.to_string())
        .stdin(if interactive { Stdio::inherit() } else { Stdio::null() })
        .stdout(Stdio::piped())
        .stderr(if interactive { Stdio::inherit() } else { Stdio::piped() })
        .kill_on_drop(true);
    let mut child = command.spawn().map_err(Trouble::Start)?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let exchange = async {
        let reading = async {
            let mut bytes = Vec::new();
            if let Some(stdout) = stdout {
                stdout.take(MAX_OUTPUT).read_to_end(&mut bytes).await?;
            }
            Ok::<_, std::io::Error>(bytes)
        };
        let listening = async {
            let mut lines = Vec::new();
            if let Some(stderr) = stderr {
                let mut stderr = BufReader::new(stderr.take(MAX_OUTPUT));
                let mut line = Vec::new();
                while stderr.read_until(b'\n', &mut line).await.is_ok_and(|n| n > 0) {
                    let text = String::from_utf8_lossy(&line).trim().to_owned();
                    line.clear();
                    if text.is_empty() {
                        continue;
                    }
                    lines.push(text.chars().take(500).collect::<String>());
                    if lines.len() > MAX_NOTICES {
                        lines.remove(0);
                    }
                    notices.send_replace(lines.clone().into());
                }
            }
            lines
        };
        let (bytes, lines) = tokio::join!(reading, listening);
        Ok::<_, std::io::Error>((bytes?, lines, child.wait().await?))
    };
    let Ok(result) = tokio::time::timeout(LIMIT, exchange).await else {
        return Err(Trouble::Failed(format!("it did not end within {} s", LIMIT.as_secs())));
    };
    let (bytes, lines, status) = result.map_err(broken)?;
    if status.success() {
        return Ok(bytes);
    }
    let code = status.code().filter(|_| !interactive && detached::is_offered() && lines.is_empty());
    match code {
        Some(detached::NOT_FOUND) => return Err(Trouble::Start(std::io::ErrorKind::NotFound.into())),
        Some(detached::NOT_ALLOWED) => {
            return Err(Trouble::Start(std::io::ErrorKind::PermissionDenied.into()));
        }
        _ => {}
    }
    let said = lines.last().cloned().unwrap_or_else(|| "it says nothing".to_owned());
    Err(Trouble::Failed(format!("{said} ({status})")))
}

fn missing(plugin: &Plugin, error: &std::io::Error) -> ApiError {
    let name = plugin.name();
    let why = match error.kind() {
        std::io::ErrorKind::NotFound => format!("the program {name} is not installed, or not in PATH"),
        std::io::ErrorKind::PermissionDenied => format!("{name} may not be run"),
        _ => format!("{name}: {error}"),
    };
    let hint = plugin.exec.install_hint.as_deref().map(str::trim).filter(|h| !h.is_empty());
    ApiError::new(ApiErrorKind::Credential, "the kubeconfig's credential plugin cannot be run", why)
        .hint(hint.unwrap_or("install it; it is part of your cluster provider's tools"))
}

/// Reads an `ExecCredential`. What is wrong is said without the plugin's output, which holds the credential.
fn read(plugin: &Plugin, output: &[u8]) -> Result<Issued, &'static str> {
    let text = std::str::from_utf8(output).map_err(|_| "its output is no text")?;
    let options = serde_saphyr::options! { with_snippet: false };
    let answer: Answer =
        serde_saphyr::from_str_with_options(text, options).map_err(|_| "its output is no ExecCredential")?;
    if answer.api_version.as_deref() != Some(plugin.version()) {
        return Err("it answers in another apiVersion than the kubeconfig asks for");
    }
    let status = answer.status.ok_or("its output has no status")?;
    let filled = |secret: Option<Secret>| secret.filter(|s| !s.expose().is_empty());
    let token = filled(status.token);
    let certificate =
        match (status.client_certificate_data.filter(|c| !c.is_empty()), filled(status.client_key_data)) {
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (None, None) => None,
            _ => return Err("it gave a certificate or a key, not both"),
        };
    if token.is_none() && certificate.is_none() {
        return Err("it gave neither a token nor a certificate");
    }
    let expires = match status.expiration_timestamp {
        Some(text) => Some(text.parse().map_err(|_| "its expirationTimestamp is no time")?),
        None => None,
    };
    Ok(Issued { token, certificate, expires })
}

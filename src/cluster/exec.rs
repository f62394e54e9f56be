//! A command in a container, run by exec over a WebSocket; nothing but the API server is needed for it.
//!
//! What it is: one command without input, what it printed, and how it ended, within bounds of time and size. Dropping
//! the future ends it. What it is not: a terminal; and it never runs by itself, only for whoever asked for it.
//!
//! Protocol: apimachinery `pkg/util/remotecommand/constants.go`: each message begins with the number of its channel;
//! 1 and 2 are what the command prints, 3 is a `Status` at its end. Version 5 lets a client close a channel, which a
//! command without input has no use for, so 5 and 4 are the same here.

pub mod environ;

use std::time::Duration;

use futures_util::StreamExt;
use serde::Deserialize;
use tokio_tungstenite::tungstenite::Message;

use super::access::{self, Question};
use super::client::{Asked, Client};
use super::watch::path;
use super::{ApiError, ApiErrorKind};
use crate::model::{Kind, ObjectKey};

/// The sub-protocols, the preferred one first. Servers before 1.30 know the second alone.
const PROTOCOLS: [&str; 2] = ["v5.channel.k8s.io", "v4.channel.k8s.io"];
const STDOUT: u8 = 1;
const STDERR: u8 = 2;
const STATUS: u8 = 3;
/// No `Status` is longer; its message may quote what a runtime said.
const MAX_STATUS: usize = 1 << 20;

/// Where a command runs.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The pod.
    pub pod: &'a ObjectKey,
    /// The container: main, sidecar, ephemeral or a running init container.
    pub container: &'a str,
}

/// How long and how much a command may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of standard output; what prints more is cut off and ended.
    pub stdout: usize,
    /// Bytes of standard error that are kept; more is passed over.
    pub stderr: usize,
    /// For everything: connecting, starting, running.
    pub deadline: Duration,
}

impl Default for Limits {
    /// Enough for any environment: Linux lets a process start with no more than a quarter of its stack limit.
    fn default() -> Self {
        Self { stdout: 16 << 20, stderr: 64 << 10, deadline: Duration::from_secs(15) }
    }
}

/// What a command that was started came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Output {
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard error, its beginning.
    pub stderr: Vec<u8>,
    /// The exit code; `None` where it was ended because it printed too much.
    pub code: Option<i32>,
}

/// Why a command did not run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecError {
    /// Which sort of failure it is; callers decide by this.
    pub kind: ExecErrorKind,
    /// What, why and what to do.
    pub error: ApiError,
}

/// Which sort of failure it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExecErrorKind {
    /// The image has no such program. Another command may work.
    NoProgram,
    /// The container does not run (not yet, not any more, or between two starts).
    NotRunning,
    /// There is no such pod, or it has no such container.
    Gone,
    /// Anything else: rights, connection, time. In [`ExecError::error`].
    Other,
}

impl std::fmt::Display for ExecError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.error.fmt(f)
    }
}

impl std::error::Error for ExecError {}

impl From<ApiError> for ExecError {
    fn from(error: ApiError) -> Self {
        let kind =
            if error.kind == ApiErrorKind::NotFound { ExecErrorKind::Gone } else { ExecErrorKind::Other };
        Self { kind, error }
    }
}

/// The rights that running something in a pod's container takes. Every server asks for `get`, as a WebSocket begins
/// with a GET; servers from 1.35 on ask for `create` as well (`AuthorizePodWebsocketUpgradeCreatePermission`).
pub fn rights(pod: &ObjectKey) -> [Question; 2] {
    ["get", "create"].map(|verb| {
        Question::new(verb, "pods")
            .subresource("exec")
            .namespace(pod.namespace.clone())
            .name(pod.name.clone())
    })
}

/// Runs a command and waits for its end. A command that fails has run: its code is in the output.
///
/// # Errors
/// The container or its program is not there, no right, no connection, no end in time.
pub async fn run(
    client: &Client,
    place: Place<'_>,
    command: &[&str],
    limits: &Limits,
) -> Result<Output, ExecError> {
    match tokio::time::timeout(limits.deadline, attempt(client, place, command, limits)).await {
        Ok(Err(error)) if matches!(error.error.kind, ApiErrorKind::Forbidden(_)) => {
            Err(with_missing_rights(client, place, error).await)
        }
        Ok(result) => result,
        Err(_) => {
            let what = cannot(place, command);
            let seconds = limits.deadline.as_secs_f32();
            let why = format!("it was not done after {seconds} s");
            Err(ApiError::new(ApiErrorKind::Timeout, what, why)
                .hint(
                    "the node may be slow or unreachable, or the container stopped (a debugger, the freezer)",
                )
                .into())
        }
    }
}

async fn attempt(
    client: &Client,
    place: Place<'_>,
    command: &[&str],
    limits: &Limits,
) -> Result<Output, ExecError> {
    let namespace = place.pod.namespace.clone();
    let asked = Asked { verb: "create", resource: "pods/exec".to_owned(), namespace: Some(namespace) };
    let socket = client.web_socket(&uri(place, command), &PROTOCOLS, &asked).await;
    let mut socket = socket.map_err(|error| refused(error, place, command))?;
    let (mut output, mut status) = (Output::default(), Vec::new());
    while let Some(message) = socket.next().await {
        let message = message.map_err(|error| cut_off(place, command, &error.to_string()))?;
        let Message::Binary(bytes) = message else {
            if message.is_close() {
                break;
            }
            continue;
        };
        match bytes.split_first() {
            Some((&STDOUT, payload)) => {
                let room = limits.stdout - output.stdout.len();
                output.stdout.extend_from_slice(&payload[..payload.len().min(room)]);
                if payload.len() > room {
                    return Ok(output);
                }
            }
            Some((&STDERR, payload)) => {
                let room = limits.stderr - output.stderr.len();
                output.stderr.extend_from_slice(&payload[..payload.len().min(room)]);
            }
            Some((&STATUS, payload)) if !payload.is_empty() => {
                status.extend_from_slice(payload);
                // The runtime opens the channel with an empty message; the Status may come in pieces.
                match serde_json::from_slice::<Ended>(&status) {
                    Ok(ended) => return judge(ended, output, place, command),
                    Err(error) if error.is_eof() && status.len() < MAX_STATUS => {}
                    Err(error) => return Err(cut_off(place, command, &format!("no status: {error}"))),
                }
            }
            _ => {}
        }
    }
    Err(cut_off(place, command, "the connection was closed before the command's end"))
}

fn uri(place: Place<'_>, command: &[&str]) -> String {
    let pod = path::object(Kind::Pod, &place.pod.namespace, &place.pod.name);
    let words: Vec<String> = command.iter().map(|word| format!("&command={}", path::escape(word))).collect();
    let container = path::escape(place.container);
    format!(
        "{pod}/exec?container={container}&stdin=false&stdout=true&stderr=true&tty=false{}",
        words.concat()
    )
}

/// `metav1.Status` at the end of a command.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Ended {
    status: String,
    message: String,
    reason: String,
    details: Details,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Details {
    causes: Vec<Cause>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Cause {
    reason: String,
    message: String,
}

/// What a status says: an exit code, or why nothing ran.
fn judge(ended: Ended, mut output: Output, place: Place<'_>, command: &[&str]) -> Result<Output, ExecError> {
    if ended.status == "Success" {
        output.code = Some(0);
        return Ok(output);
    }
    let code = ended.details.causes.iter().find(|cause| cause.reason == "ExitCode");
    let code = code.and_then(|cause| cause.message.parse::<i32>().ok());
    let text = |bytes: &[u8]| String::from_utf8_lossy(&bytes[..bytes.len().min(2000)]).into_owned();
    // containerd tells in the status that there is no such program; others exit with a code and say it where the
    // command would have printed.
    let said = format!("{}\n{}\n{}", ended.message, text(&output.stderr), text(&output.stdout));
    if no_program(&said, code) {
        return Err(without_program(place, command));
    }
    match code {
        Some(code) if ended.reason == "NonZeroExitCode" => {
            output.code = Some(code);
            Ok(output)
        }
        _ => {
            let error = ApiError::new(ApiErrorKind::Server(500), cannot(place, command), ended.message);
            Err(refused(error, place, command))
        }
    }
}

/// Whether a runtime says that there is no such program in the image. `code` is the command's, if it had one.
fn no_program(said: &str, code: Option<i32>) -> bool {
    // runc and youki; crun; runsc; kata. With another code than the ones for this (a shell's and docker's 126 and
    // 127, CRI-O's 255) the text is the program's own.
    let words = [
        "executable file not found",
        "executable file `",
        "no such file or directory",
        "No such file or directory",
        "error finding executable",
    ];
    let may_be = code.is_none_or(|code| matches!(code, 126 | 127 | 255 | -1));
    may_be && said.contains("exec") && words.iter().any(|word| said.contains(word))
}

fn without_program(place: Place<'_>, command: &[&str]) -> ExecError {
    let program = command.first().copied().unwrap_or_default();
    let why = format!("its image has no program {program}");
    let error = ApiError::new(ApiErrorKind::NotFound, cannot(place, command), why).hint(format!(
        "images without a shell and tools are like that; an ephemeral container can look at the process: kubectl \
         debug -n {} {} --image=busybox --target={}",
        place.pod.namespace, place.pod.name, place.container
    ));
    ExecError { kind: ExecErrorKind::NoProgram, error }
}

/// Finds out from the server's words which sort of refusal it is.
fn refused(mut error: ApiError, place: Place<'_>, command: &[&str]) -> ExecError {
    let said = error.why.clone();
    let Place { pod, container } = place;
    let (kind, why, hint) = if error.kind == ApiErrorKind::NotFound {
        let hint = "it was deleted or replaced meanwhile; look which pods there are now";
        (ExecErrorKind::Gone, format!("there is no pod {}", pod.name), hint)
    } else if said.contains("is not valid for pod") {
        (ExecErrorKind::Gone, format!("the pod has no container {container}"), "")
    } else if said.contains("does not have a host assigned") {
        (ExecErrorKind::NotRunning, "the pod is not scheduled to a node yet".to_owned(), "wait until it runs")
    } else if ["container not found", "is not running", "not created or running", "in a completed pod"]
        .iter()
        .any(|words| said.contains(words))
        || (said.contains("container is in") && said.contains("state"))
    {
        let hint = "its next start gets a fresh environment; try again when it runs";
        (ExecErrorKind::NotRunning, format!("container {container} is not running"), hint)
    } else if no_program(&said, None) {
        return without_program(place, command);
    } else {
        if !matches!(error.kind, ApiErrorKind::Unreachable | ApiErrorKind::Certificate) {
            error.what = cannot(place, command);
        }
        return ExecError { kind: ExecErrorKind::Other, error };
    };
    let error = ApiError::new(error.kind, cannot(place, command), why).hint(hint);
    ExecError { kind, error }
}

fn cut_off(place: Place<'_>, command: &[&str], why: &str) -> ExecError {
    ApiError::new(ApiErrorKind::Unreachable, cannot(place, command), why)
        .hint("the node, its kubelet or something on the way ended the connection; try again")
        .into()
}

fn cannot(place: Place<'_>, command: &[&str]) -> String {
    format!("cannot run {} in container {} of pod {}", command.join(" "), place.container, place.pod)
}

/// A 403 says one verb; a person who asks for rights should ask once.
async fn with_missing_rights(client: &Client, place: Place<'_>, error: ExecError) -> ExecError {
    match access::missing(client, &rights(place.pod)).await {
        Ok(missing) => match access::forbidden(&error.error.what, &missing) {
            Some(told) => ExecError { kind: ExecErrorKind::Other, error: told },
            None => error,
        },
        Err(_) => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> ObjectKey {
        ObjectKey::new("shop", "web-0")
    }

    fn end(status: &str, stderr: &str) -> Result<Output, ExecError> {
        let output = Output { stderr: stderr.into(), ..Output::default() };
        let key = key();
        let place = Place { pod: &key, container: "main" };
        judge(serde_json::from_str(status).unwrap(), output, place, &["env", "-0"])
    }

    fn exit(code: i32) -> String {
        format!(
            r#"{{"status":"Failure","reason":"NonZeroExitCode","message":"command terminated with non-zero exit code",
                "details":{{"causes":[{{"reason":"ExitCode","message":"{code}"}}]}}}}"#
        )
    }

    #[test]
    fn a_command_that_failed_has_run_and_has_its_code() {
        assert_eq!(end(r#"{"metadata":{},"status":"Success"}"#, "").unwrap().code, Some(0));
        assert_eq!(end(&exit(3), "env: exec: No such file or directory").unwrap().code, Some(3));
    }

    #[test]
    fn a_missing_program_is_known_whoever_says_so() {
        let containerd = r#"{"status":"Failure","reason":"InternalError","code":500,"message":"Internal error occurred: error executing command in container: failed to exec in container: failed to start exec \"x\": OCI runtime exec failed: exec failed: unable to start container process: exec: \"env\": executable file not found in $PATH: unknown"}"#;
        let docker = "OCI runtime exec failed: exec failed: container_linux.go:380: starting container process \
                      caused: exec: \"env\": executable file not found in $PATH: unknown\r\n";
        let crun =
            "error executing command: executable file `env` not found in $PATH: No such file or directory";
        for (status, stderr) in
            [(containerd, ""), (&*exit(126), docker), (&*exit(255), crun), (&*exit(127), docker)]
        {
            let error = end(status, stderr).unwrap_err();
            assert_eq!(error.kind, ExecErrorKind::NoProgram, "{error}");
            assert_eq!(error.error.why, "its image has no program env");
        }
    }

    #[test]
    fn a_container_that_does_not_run_is_told_so() {
        let status = r#"{"status":"Failure","reason":"InternalError","code":500,
            "message":"Internal error occurred: unable to upgrade connection: container not found (\"main\")"}"#;
        let error = end(status, "").unwrap_err();
        assert_eq!(
            (error.kind, &*error.error.why),
            (ExecErrorKind::NotRunning, "container main is not running")
        );
    }

    #[test]
    fn words_of_a_command_stay_words() {
        let key = key();
        let place = Place { pod: &key, container: "a&b" };
        assert_eq!(
            uri(place, &["cat", "/proc/1/environ", "a b"]),
            "/api/v1/namespaces/shop/pods/web-0/exec?container=a%26b&stdin=false&stdout=true&stderr=true&tty=false\
             &command=cat&command=%2Fproc%2F1%2Fenviron&command=a%20b"
        );
    }
}

//! The environment that a container really has, printed by whatever its image has for that.
//!
//! What it is: a few commands, tried one after the other. What it is not: it compares nothing, and knows no variable.

use super::{ExecError, ExecErrorKind, Limits, Output, Place, run};
use crate::cluster::client::Client;
use crate::cluster::{ApiError, ApiErrorKind};
use crate::model::env::verify::Form;

/// What a container printed as its environment. `Debug` does not print it.
#[derive(Clone, PartialEq, Eq)]
pub struct Printed {
    /// The text.
    pub text: Vec<u8>,
    /// How variables are separated in it.
    pub form: Form,
    /// How it was got (`exec env`).
    pub by: &'static str,
}

impl std::fmt::Debug for Printed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} bytes by {}", self.text.len(), self.by)
    }
}

/// One way of printing the environment.
struct Way {
    command: &'static [&'static str],
    form: Form,
    by: &'static str,
}

/// The best first. A process that exec starts has the container's own environment; so `environ` of the very process
/// that reads it is as good as `env`, and unlike that of PID 1 it is right in pods that share a process namespace.
const WAYS: [Way; 3] = [
    // GNU, busybox and toybox; values with line ends survive.
    Way { command: &["env", "-0"], form: Form::Nul, by: "exec env" },
    Way { command: &["cat", "/proc/self/environ"], form: Form::Nul, by: "exec /proc/self/environ" },
    // Where `-0` is unknown and there is no cat.
    Way { command: &["env"], form: Form::Lines, by: "exec env" },
];

/// Reads the environment of a container.
///
/// # Errors
/// As [`run`]; [`ExecErrorKind::NoProgram`] where the image has neither `env` nor `cat`.
pub async fn environment(client: &Client, place: Place<'_>, limits: &Limits) -> Result<Printed, ExecError> {
    let mut failure = None;
    for Way { command, form, by } in WAYS {
        match run(client, place, command, limits).await {
            Ok(Output { code: Some(0), stdout, .. }) if looks_like_one(&stdout, form) => {
                return Ok(Printed { text: stdout, form, by });
            }
            Ok(output) => failure = failure.or(Some(failed(place, command, &output, limits))),
            Err(error) if error.kind == ExecErrorKind::NoProgram => {}
            Err(error) => return Err(error),
        }
    }
    Err(failure.unwrap_or_else(|| without(place)))
}

/// An `env` that takes `-0` for something else prints lines or nothing.
fn looks_like_one(stdout: &[u8], form: Form) -> bool {
    form == Form::Lines || stdout.last().is_none_or(|byte| *byte == 0)
}

fn failed(place: Place<'_>, command: &[&str], output: &Output, limits: &Limits) -> ExecError {
    let what = format!("cannot read the environment of container {} of pod {}", place.container, place.pod);
    let command = command.join(" ");
    let why = match output.code {
        None => format!("{command} printed more than {} MiB", limits.stdout >> 20),
        Some(0) => format!("{command} printed something else than an environment"),
        Some(code) => {
            // Never standard output, which may hold values.
            let said = String::from_utf8_lossy(&output.stderr[..output.stderr.len().min(300)]);
            let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
            format!("{command} ended with exit code {code}: {said}")
        }
    };
    ApiError::new(ApiErrorKind::Protocol, what, why).into()
}

fn without(place: Place<'_>) -> ExecError {
    let what = format!("cannot read the environment of container {} of pod {}", place.container, place.pod);
    let why = "its image has neither env nor cat (no shell and no tools, as distroless images)";
    let hint = format!(
        "an ephemeral container can look at the process from outside: kubectl debug -n {} {} -it --image=busybox \
         --target={} -- cat /proc/1/environ",
        place.pod.namespace, place.pod.name, place.container
    );
    let error = ApiError::new(ApiErrorKind::NotFound, what, why).hint(hint);
    ExecError { kind: ExecErrorKind::NoProgram, error }
}

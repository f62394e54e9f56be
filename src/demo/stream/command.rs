//! Exec by WebSocket: channels 1 and 2 are what the command prints, 3 is how it ended.
//!
//! Source: apimachinery `pkg/util/remotecommand/constants.go`; version 5 adds that the client can close a channel.

use super::channels::message;
use super::upgrade::{Choice, Duplex, agree, choose, run};
use super::{container, pod};
use crate::demo::api::body::Answer;
use crate::demo::api::request::{Query, Target};
use crate::demo::api::server::Shared;
use crate::demo::api::status::Refusal;
use crate::demo::inside::exec::{self, Output};
use hyper::Request;
use hyper::body::Incoming;
use serde_json::{Value, json};
use std::sync::Arc;

const STDOUT: u8 = 1;
const STDERR: u8 = 2;
const STATUS: u8 = 3;
/// The longest payload of a message.
const PIECE: usize = 32 * 1024;

/// Starts a command.
pub(super) fn start(
    request: Request<Incoming>,
    shared: &Arc<Shared>,
    target: &Target,
    query: &Query,
) -> Result<Answer, Refusal> {
    let pod = pod(shared, target)?;
    let container = container(&pod, query.get("container"))?;
    let statuses = pod["status"]["containerStatuses"].as_array().into_iter().flatten();
    let running = statuses
        .into_iter()
        .any(|one| one["name"] == container["name"] && one["state"]["running"].is_object());
    if !running {
        let container = container["name"].as_str().unwrap_or_default();
        return Err(Refusal::internal(format!(
            "unable to upgrade connection: container not found (\"{container}\")"
        )));
    }
    let command: Vec<&str> = query.all("command").collect();
    let wanted = match choose(&request, &["v5.channel.k8s.io", "v4.channel.k8s.io"], None) {
        Choice::Agreed(wanted) => wanted,
        choice => return choice.refused(),
    };
    // Without a command the runtime is asked to start nothing, and says so in the stream.
    let output = exec::run(&shared.world(), &pod, container, &command);
    let (answer, upgrade) = agree(request, &wanted, "");
    shared.spawn(run(upgrade, wanted, move |duplex| tell(duplex, output)));
    Ok(answer)
}

/// Tells the client everything, and waits for it to go.
async fn tell(duplex: Duplex, output: Output) {
    let Duplex { mut from, to } = duplex;
    // The runtime opens the channels with empty messages.
    for channel in [STDOUT, STDERR, STATUS] {
        let _ = to.send(message(channel, b"")).await;
    }
    for (channel, text) in [(STDOUT, &output.stdout), (STDERR, &output.stderr)] {
        for piece in text.as_bytes().chunks(PIECE) {
            if to.send(message(channel, piece)).await.is_err() {
                return;
            }
        }
    }
    let _ = to.send(message(STATUS, status(&output).to_string().as_bytes())).await;
    drop(to);
    while from.recv().await.is_some() {}
}

fn status(output: &Output) -> Value {
    if output.code == 0 {
        return json!({"metadata": {}, "status": "Success"});
    }
    let words = format!("command terminated with non-zero exit code: exit status {}", output.code);
    json!({
        "metadata": {},
        "status": "Failure",
        "message": output.failure.clone().unwrap_or(words),
        "reason": "NonZeroExitCode",
        "details": {"causes": [{"reason": "ExitCode", "message": output.code.to_string()}]},
    })
}

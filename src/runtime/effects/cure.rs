//! Looks into containers and restarts: what takes a request of its own, each with one message at its end.
//!
//! Only [`super`] uses it.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::api_problem;
use crate::app::cure::Printed;
use crate::app::{Id, Message};
use crate::cluster::client::Client;
use crate::cluster::exec::environ::environment;
use crate::cluster::exec::{Limits, Place};
use crate::cluster::write::{self, DryRun, MayWrite};
use crate::model::env::restart::Plan;
use crate::model::{ObjectKey, Pod, Text};

/// Has a container print its environment.
pub(super) async fn look(client: Client, id: Id, (pod, container): (ObjectKey, Text)) -> Message {
    let place = Place { pod: &pod, container: &container };
    let result = environment(&client, place, &Limits::default()).await;
    let result = result
        .map(|printed| Printed { bytes: printed.text, form: printed.form, by: printed.by.into() })
        .map_err(|failure| api_problem(failure.error));
    Message::Looked { id, result }
}

/// Finds out what a restart would change, and whether it is allowed.
pub(super) async fn plan(client: Client, id: Id, pods: Vec<Arc<Pod>>) -> Message {
    let pods: Vec<Pod> = pods.iter().map(|pod| (**pod).clone()).collect();
    let result = async {
        let plan = write::plan(&client, &pods).await?;
        write::check_rights(&client, &plan).await?;
        Ok(plan)
    };
    Message::RestartPlanned { id, result: result.await.map_err(api_problem) }
}

/// Does what was agreed to, one step after the other; a step that fails stops none of the others.
pub(super) async fn restart(
    client: Client,
    plan: Plan,
    may: MayWrite,
    messages: mpsc::UnboundedSender<Message>,
) {
    for step in plan.possible() {
        let result = write::execute(&client, step, jiff::Timestamp::now(), DryRun::No, may).await;
        let result = result.map(|done| done.to_string()).map_err(api_problem);
        if messages.send(Message::Restarted(result)).is_err() {
            return;
        }
    }
}

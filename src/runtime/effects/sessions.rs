//! What stays open: news of the forwards, and the API proxy of the explorer, one or none. Dropping the tasks closes
//! what they run.
//!
//! Only [`super`] uses it.

use std::path::Path;
use std::sync::Arc;

use tokio::sync::{mpsc, watch};
use tokio::task::{AbortHandle, JoinSet};

use crate::app::{Message, Problem};
use crate::cluster::client::Client;
use crate::model::session::ForwardStatus;
use crate::model::session::profile::{Profile, ProfileAct};
use crate::runtime::api_proxy::ApiProxy;
use crate::session::profile::{self, ProfileError};
use crate::session::proxy::{Listen, ProxySpec};

/// Hands on what is true of the forwards, whenever it changes.
pub(super) async fn tell(
    mut statuses: watch::Receiver<Arc<Vec<ForwardStatus>>>,
    messages: mpsc::UnboundedSender<Message>,
) {
    loop {
        let now = statuses.borrow_and_update().clone();
        if messages.send(Message::Forwards(now)).is_err() || statuses.changed().await.is_err() {
            return;
        }
    }
}

/// Does what is asked with the profiles of a context.
pub(super) fn profiles(
    file: Option<&Path>,
    context: &str,
    act: &ProfileAct,
) -> Result<Arc<Vec<Profile>>, Problem> {
    let what = || match act {
        ProfileAct::Read => "the profiles can't be read",
        _ => "the profile was not changed",
    };
    match file {
        Some(file) => profile::act(file, context, act).map(Arc::new).map_err(|error| Problem {
            what: what().to_owned(),
            why: error.to_string(),
            hint: match &error {
                ProfileError::Broken { .. } => {
                    "mend the file or move it away; it is not written over".to_owned()
                }
                _ => String::new(),
            },
        }),
        None if *act == ProfileAct::Read => Ok(Arc::default()),
        None => Err(Problem {
            what: what().to_owned(),
            why: "there is no home directory to keep profiles in".to_owned(),
            hint: "set HOME".to_owned(),
        }),
    }
}

/// The proxy that runs, if one does.
#[derive(Debug, Default)]
pub(super) struct Proxies {
    running: Option<AbortHandle>,
}

impl Proxies {
    /// Starts one; one that runs is closed first.
    pub(super) fn start(
        &mut self,
        client: Client,
        wide: bool,
        messages: mpsc::UnboundedSender<Message>,
        tasks: &mut JoinSet<()>,
    ) {
        self.close();
        self.running = Some(tasks.spawn(run(client, wide, messages)));
    }

    /// Closes the one that runs, and says so.
    pub(super) fn stop(&mut self, messages: &mpsc::UnboundedSender<Message>) {
        if self.close() {
            let _ = messages.send(Message::Proxy(None));
        }
    }

    fn close(&mut self) -> bool {
        self.running.take().map(|task| task.abort()).is_some()
    }
}

/// Runs a proxy until the task is aborted or it ends by itself.
async fn run(client: Client, wide: bool, messages: mpsc::UnboundedSender<Message>) {
    let listen = Listen::Tcp { address: "127.0.0.1".to_owned(), port: 8001, next_free: true };
    let spec = if wide { ProxySpec { listen, ..ProxySpec::kubectl() } } else { ProxySpec::narrow() };
    let proxy = match ApiProxy::start(&client, spec).await {
        Ok(proxy) => proxy,
        Err(problem) => return drop(messages.send(Message::Refused(problem))),
    };
    let mut status = proxy.status();
    loop {
        let now = status.borrow_and_update().clone();
        if messages.send(Message::Proxy(Some((*now).clone()))).is_err() || status.changed().await.is_err() {
            return;
        }
    }
}

//! One local connection, from its acceptance to its end: which pod gets it, and what happens when that one can't.
//!
//! What it is: tries ready pods until one has taken the connection, for a bounded time. What it is not: it never ends
//! the forward, whatever happens to it.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use super::Core;
use crate::model::session::backends::Backend;
use crate::session::stream::{End, OpenError, Refusal};

/// How long a connection that all pods refused waits for another pod, where connections have worked before: it may
/// have met a pod that is leaving.
const AGAIN: Duration = Duration::from_secs(2);
/// How long after a failed round the pods are tried again, when nothing has changed meanwhile.
const ROUND: Duration = Duration::from_millis(300);

/// Why a connection got no pod.
enum Fate {
    /// It was carried to its end.
    Done,
    /// It never got anywhere, or was cut: why.
    Failed(String),
}

impl Core {
    /// Carries a connection.
    pub(super) async fn connection(self: &Arc<Self>, socket: TcpStream) {
        let _open = self.live.connection();
        if let Fate::Failed(why) = self.carried(socket).await {
            self.live.failed(&why);
        }
    }

    async fn carried(&self, mut socket: TcpStream) -> Fate {
        let begun = Instant::now();
        let deadline = begun + Duration::from_millis(self.spec.patience_ms);
        let (mut first, mut tried, mut refused) = (Vec::new(), HashSet::new(), None::<String>);
        let mut until = deadline;
        loop {
            let Ok(backend) = self.backend(&tried, until).await else {
                let none = || self.backends.borrow().why_none.to_string();
                return Fate::Failed(refused.unwrap_or_else(none));
            };
            let Some(backend) = backend else {
                // All have been tried: once more, after a while or when something has changed.
                self.changed_or(Instant::now() + ROUND).await;
                tried.clear();
                if Instant::now() >= until {
                    return Fate::Failed(refused.unwrap_or_default());
                }
                continue;
            };
            self.balance.begin(&backend.pod);
            self.live.uses(&backend);
            let carried = self
                .tunnels
                .carry(
                    &self.spec.target.namespace,
                    &backend.pod,
                    backend.port,
                    socket,
                    std::mem::take(&mut first),
                    self.live.meter(),
                )
                .await;
            self.balance.end(&backend.pod);
            let (why, again) = match carried {
                Ok(carried) => match carried.end {
                    End::Pod | End::Local => {
                        if carried.down > 0 || carried.end == End::Pod {
                            self.balance.worked(&backend.pod);
                            self.live.worked();
                        }
                        return Fate::Done;
                    }
                    End::Refused(text) => {
                        let why = plain(&text, &backend);
                        let limit = if self.live.has_worked() { AGAIN } else { Duration::ZERO };
                        // A port that refuses is told soon; a pod that is gone is replaced by another.
                        if text.contains("connection refused") {
                            until = until.min(begun + limit);
                        }
                        (why, carried.again)
                    }
                    End::Lost(why) => (why.to_string(), carried.again),
                },
                Err((error, back, bytes)) => {
                    if matches!(error.refusal, Refusal::Forbidden | Refusal::Unauthorized) {
                        return Fate::Failed(explain(&error, &backend));
                    }
                    (explain(&error, &backend), Some((back, bytes)))
                }
            };
            self.balance.failed(&backend.pod);
            tried.insert(backend.pod);
            let Some((back, bytes)) = again else { return Fate::Failed(why) };
            (socket, first) = (back, bytes);
            self.live.problem(&why);
            refused = Some(why);
        }
    }

    /// A pod for the connection; `None` when all have been tried, an error when none has come in time.
    async fn backend(
        &self,
        tried: &HashSet<crate::model::Text>,
        until: Instant,
    ) -> Result<Option<Backend>, ()> {
        let mut backends = self.backends.clone();
        loop {
            let facts = backends.borrow_and_update().clone();
            if let Some(backend) = self.balance.pick(&facts.ready, tried) {
                return Ok(Some(backend));
            }
            if !facts.ready.is_empty() {
                return if Instant::now() < until { Ok(None) } else { Err(()) };
            }
            if facts.wrong.is_some() || !matches!(timeout_at(until, backends.changed()).await, Ok(Ok(()))) {
                return Err(());
            }
        }
    }

    async fn changed_or(&self, time: Instant) {
        let mut backends = self.backends.clone();
        backends.mark_unchanged();
        let _ = timeout_at(time, backends.changed()).await;
    }
}

/// The runtime's long text in a sentence.
fn plain(text: &str, backend: &Backend) -> String {
    let Backend { pod, port } = backend;
    if text.contains("connection refused") {
        format!("nothing listens on port {port} of pod {pod} (connection refused)")
    } else if text.contains("not found") || text.contains("is closed") {
        format!("pod {pod} is gone: {text}")
    } else {
        format!("pod {pod}, port {port}: {text}")
    }
}

fn explain(error: &OpenError, backend: &Backend) -> String {
    match error.refusal {
        Refusal::NotFound => format!("pod {} is gone", backend.pod),
        Refusal::NotReady => format!("pod {} can't be reached yet: {error}", backend.pod),
        _ => error.to_string(),
    }
}

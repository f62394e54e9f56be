//! One local connection, from its acceptance to its end: which pod gets it, and what happens when that one can't.
//!
//! What it is: tries ready pods until one has taken the connection, for a bounded time. What it is not: it never ends
//! the forward, whatever happens to it.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use super::Core;
use crate::model::session::backends::Backend;
use crate::session::stream::{End, Meter, OpenError, Refusal};

/// How long a connection that all pods refused waits for another pod, where connections have worked before: it may
/// have met a pod that is leaving.
const AGAIN: Duration = Duration::from_secs(2);
/// How long after a failed round the pods are tried again, when nothing has changed meanwhile.
const ROUND: Duration = Duration::from_millis(300);

/// How long a client that gets no answer has to take note of the end.
const FAREWELL: Duration = Duration::from_secs(1);

/// What became of a connection.
enum Fate {
    /// It was carried to its end.
    Done,
    /// It was cut: why.
    Cut(String),
    /// It never got anywhere: why; nobody has answered it.
    Failed(String, TcpStream),
}

impl Core {
    /// Carries a connection.
    pub(super) async fn connection(self: &Arc<Self>, socket: TcpStream) {
        let open = self.live.connection();
        match self.carried(socket, &open.meter).await {
            Fate::Done => {}
            Fate::Cut(why) => self.live.failed(&why),
            Fate::Failed(why, socket) => {
                self.live.failed(&why);
                farewell(socket).await;
            }
        }
    }

    async fn carried(&self, mut socket: TcpStream, meter: &Arc<Meter>) -> Fate {
        let begun = Instant::now();
        let deadline = begun + Duration::from_millis(self.spec.patience_ms);
        let (mut first, mut tried, mut refused) = (Vec::new(), HashSet::new(), None::<String>);
        let mut until = deadline;
        loop {
            let Ok(backend) = self.backend(&tried, until).await else {
                let none = || self.backends.borrow().why_none.to_string();
                return Fate::Failed(refused.unwrap_or_else(none), socket);
            };
            let Some(backend) = backend else {
                // All have been tried: once more, after a while or when something has changed.
                self.changed_or(Instant::now() + ROUND).await;
                tried.clear();
                if Instant::now() >= until {
                    return Fate::Failed(refused.unwrap_or_default(), socket);
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
                    meter.clone(),
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
                        if carried.end == End::Pod
                            && !carried.answered
                            && self.balance.has_left(&backend.pod, Instant::now())
                        {
                            self.live.cut(&format!(
                                "pod {}, which was going away, ended a connection after {} bytes: there may have been more",
                                backend.pod, carried.down
                            ));
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
                        return Fate::Failed(explain(&error, &backend), back);
                    }
                    (explain(&error, &backend), Some((back, bytes)))
                }
            };
            self.balance.failed(&backend.pod);
            tried.insert(backend.pod);
            let Some((back, bytes)) = again else { return Fate::Cut(why) };
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

/// Ends a connection that nobody has answered. What its client has sent is read first: to close a socket over unread
/// bytes resets it, and the client would see a broken connection instead of an end.
async fn farewell(mut socket: TcpStream) {
    let _ = socket.shutdown().await;
    // In a vector: an array would be part of the task of every connection.
    let mut unread = vec![0; 4096];
    let rest = async { while matches!(socket.read(&mut unread).await, Ok(1..)) {} };
    let _ = timeout_at(Instant::now() + FAREWELL, rest).await;
}

/// The runtime's long text in a sentence.
fn plain(text: &str, backend: &Backend) -> String {
    let Backend { pod, port } = backend;
    if text.contains("connection refused") {
        format!("nothing listens on port {port} of pod {pod} (connection refused)")
    } else if text.contains("not found") || text.contains("is closed") {
        // The rest is the runtime's number of it.
        format!("pod {pod} is gone")
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

#[cfg(test)]
mod tests {
    use super::*;

    fn size<F: Future>(_: impl FnOnce(Arc<Core>, TcpStream) -> F) -> usize {
        size_of::<F>()
    }

    /// Two hundred connections are two hundred of these; what seldom runs belongs into a box.
    #[test]
    fn an_open_connection_is_small() {
        let size = size(|core, socket| async move { core.connection(socket).await });
        assert!(size < 1200, "{size} bytes");
    }
}

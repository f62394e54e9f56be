//! A stream to a port of a pod, by port-forward: one WebSocket for one connection.
//!
//! What it is: what a single long-lived connection needs, such as that to a DNS server. What it is not: a listener, nor
//! many connections on one session (`session` has those). The runtime may use it.
//!
//! Protocol: `v4.channel.k8s.io`, which kube speaks; a refused connection is told on the error channel after the
//! upgrade has succeeded, so it shows as an error of the stream.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use http::StatusCode;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::Portforwarder;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};

use super::access::Question;
use super::client::{Asked, Client, from_status};
use super::{ApiError, ApiErrorKind};
use crate::model::{ObjectKey, Text};
use crate::wire::k8s::Status;

/// The rights that it takes. Every server asks for `get` of the WebSocket's GET; servers from 1.35 on ask for `create`
/// as well (`AuthorizePodWebsocketUpgradeCreatePermission`).
pub fn rights(namespace: &Text) -> [Question; 2] {
    ["create", "get"]
        .map(|verb| Question::new(verb, "pods").subresource("portforward").namespace(namespace.clone()))
}

/// A connection to a port of a pod. Dropping it closes it.
pub struct PodStream {
    stream: DuplexStream,
    forwarder: Portforwarder,
    /// What the node said about the port.
    refusal: Arc<Mutex<Option<String>>>,
}

impl fmt::Debug for PodStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PodStream").finish_non_exhaustive()
    }
}

/// Connects to a port of a pod, on the pod's own loopback.
///
/// # Errors
/// No such pod, no right, no connection. That nothing listens shows when the stream is read.
pub async fn open(client: &Client, pod: &ObjectKey, port: u16) -> Result<PodStream, ApiError> {
    let api: Api<Pod> = Api::namespaced(client.kube().clone(), &pod.namespace);
    let mut forwarder = api.portforward(&pod.name, &[port]).await.map_err(|e| failed(&e, pod))?;
    let Some(stream) = forwarder.take_stream(port) else {
        return Err(ApiError::protocol("the port-forward has no stream"));
    };
    let refusal = Arc::<Mutex<Option<String>>>::default();
    if let Some(error) = forwarder.take_error(port) {
        let refusal = refusal.clone();
        tokio::spawn(async move {
            let said = error.await;
            *refusal.lock().unwrap_or_else(PoisonError::into_inner) = said;
        });
    }
    Ok(PodStream { stream, forwarder, refusal })
}

fn failed(error: &kube::Error, pod: &ObjectKey) -> ApiError {
    let asked = Asked {
        verb: "create",
        resource: "pods/portforward".to_owned(),
        namespace: Some(pod.namespace.clone()),
    };
    match error {
        kube::Error::Api(status) => {
            let code = StatusCode::from_u16(status.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            let said = Status { message: status.message.clone(), ..Status::default() };
            let error = from_status(code, &said, &asked);
            ApiError { what: format!("cannot forward to pod {}", pod.name), ..error }
        }
        kube::Error::UpgradeConnection(error) => {
            let what = format!("cannot forward to pod {}", pod.name);
            ApiError::new(ApiErrorKind::Protocol, what, error.to_string())
                .hint("a proxy before the API server may not let WebSockets through")
        }
        other => ApiError::transport(other),
    }
}

/// The words of the runtime, cut down to what a person needs.
fn plainly(said: &str) -> String {
    if said.contains("connection refused") {
        return "nothing listens on that port of the pod".to_owned();
    }
    if said.contains("not found") || said.contains("is closed") {
        return "the pod is gone".to_owned();
    }
    said.trim().to_owned()
}

impl AsyncRead for PodStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let result = std::task::ready!(Pin::new(&mut self.stream).poll_read(context, buffer));
        if result.is_ok() && buffer.filled().len() == before {
            let said = self.refusal.lock().unwrap_or_else(PoisonError::into_inner).clone();
            if let Some(said) = said {
                return Poll::Ready(Err(io::Error::other(plainly(&said))));
            }
        }
        Poll::Ready(result)
    }
}

impl AsyncWrite for PodStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

impl Drop for PodStream {
    fn drop(&mut self) {
        self.forwarder.abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_runtimes_words_become_a_sentence() {
        let said = "failed to connect to localhost:53 inside namespace \"x\", IPv4: dial tcp4 127.0.0.1:53: connect: \
                    connection refused";
        assert_eq!(plainly(said), "nothing listens on that port of the pod");
        assert_eq!(plainly("failed to find sandbox \"a\" in store: not found"), "the pod is gone");
        assert_eq!(plainly(" odd \n"), "odd");
    }
}

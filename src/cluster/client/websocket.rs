//! From a request to a WebSocket, over the same connections and credentials as everything else.
//!
//! What it is: the handshake (RFC 6455) with a choice of sub-protocols, judged as every other request is, so that a
//! 401 is tried again with a renewed credential and a 403 names the right. What it is not: it knows nothing of what
//! is said on the socket.

use http::{HeaderValue, Request, StatusCode, header};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use kube::client::Body;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

use super::{Asked, Client, refusal};
use crate::cluster::ApiError;

/// The largest message that is taken; API servers send pieces of 32 KiB.
const MAX_MESSAGE: usize = 4 << 20;

/// A WebSocket to the API server.
pub type WebSocket = WebSocketStream<TokioIo<Upgraded>>;

impl Client {
    /// Opens a WebSocket at a path, speaking one of `protocols` (the preferred first). No time limit beyond that for
    /// connecting.
    ///
    /// # Errors
    /// As [`Self::get`], and a server that does not change to a WebSocket or to none of these protocols.
    pub async fn web_socket(
        &self,
        path: &str,
        protocols: &[&'static str],
        asked: &Asked,
    ) -> Result<WebSocket, ApiError> {
        let key = generate_key();
        let request = Request::get(path)
            .header(header::CONNECTION, "Upgrade")
            .header(header::UPGRADE, "websocket")
            .header(header::SEC_WEBSOCKET_VERSION, "13")
            .header(header::SEC_WEBSOCKET_KEY, &key)
            // Servers read one header with a list, not several headers.
            .header(header::SEC_WEBSOCKET_PROTOCOL, protocols.join(", "))
            .body(Body::empty())
            .map_err(|error| ApiError::protocol(format!("the request could not be built: {error}")))?;
        let response = self.send(request).await?;
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            if response.status().is_success() {
                return Err(no_web_socket("the answer is an ordinary one"));
            }
            return Err(refusal(response, asked).await);
        }
        let told = |name| response.headers().get(name).map(HeaderValue::as_bytes).unwrap_or_default();
        if !told(header::UPGRADE).eq_ignore_ascii_case(b"websocket")
            || told(header::SEC_WEBSOCKET_ACCEPT) != derive_accept_key(key.as_bytes()).as_bytes()
        {
            return Err(no_web_socket("it changes to something else"));
        }
        let protocol = told(header::SEC_WEBSOCKET_PROTOCOL);
        if !protocols.iter().any(|wanted| wanted.as_bytes() == protocol) {
            let words = String::from_utf8_lossy(protocol);
            let why = format!("it speaks {words:?}, none of {}", protocols.join(", "));
            return Err(no_web_socket(&why));
        }
        let upgraded = hyper::upgrade::on(response).await.map_err(|error| ApiError::transport(&error))?;
        let config =
            WebSocketConfig::default().max_message_size(Some(MAX_MESSAGE)).max_frame_size(Some(MAX_MESSAGE));
        Ok(WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Client, Some(config)).await)
    }
}

fn no_web_socket(why: &str) -> ApiError {
    ApiError::protocol(format!("no WebSocket can be opened: {why}"))
        .hint("a proxy before the API server may not pass WebSockets on")
}

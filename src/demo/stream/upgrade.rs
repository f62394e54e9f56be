//! From HTTP to something else: which protocol is spoken, and the connection as frames in and out.

use crate::demo::api::body::{Answer, from_node, plain_error, whole};
use crate::demo::api::status::Refusal;
use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use hyper::body::Incoming;
use hyper::header::{CONNECTION, HeaderName, HeaderValue, UPGRADE};
use hyper::upgrade::OnUpgrade;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::mpsc;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role};
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

/// How many messages wait in each direction before the writer has to.
const WAITING: usize = 16;

/// What the client wants to speak, if it is something that this path offers.
#[derive(Debug)]
pub(super) enum Wanted {
    /// A WebSocket with this sub-protocol.
    WebSocket(&'static str),
    /// SPDY/3.1 on the bare connection.
    Spdy,
}

/// A connection of messages. WebSocket messages keep their bounds, bytes of a bare connection come as they come.
pub(super) struct Duplex {
    pub(super) from: mpsc::Receiver<Bytes>,
    pub(super) to: mpsc::Sender<Bytes>,
}

/// What came of the talk about protocols.
#[derive(Debug)]
pub(super) enum Choice {
    Agreed(Wanted),
    /// A WebSocket whose sub-protocols nobody knows; or SPDY whose streams nobody knows: the refusal.
    NoneInCommon(Option<String>),
    /// Something else than an upgrade that is served.
    Refused(Refusal),
}

impl Choice {
    /// The answer to a choice that is none.
    pub(super) fn refused(self) -> Result<Answer, Refusal> {
        match self {
            Self::Agreed(_) => Err(Refusal::internal("unable to upgrade connection")),
            Self::Refused(refusal) => Err(refusal),
            Self::NoneInCommon(Some(words)) => Ok(from_node(plain_error(StatusCode::FORBIDDEN, &words))),
            // golang.org/x/net/websocket: a failed handshake.
            Self::NoneInCommon(None) => {
                let mut answer = Response::new(whole(""));
                *answer.status_mut() = StatusCode::FORBIDDEN;
                answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                Ok(from_node(answer))
            }
        }
    }
}

/// Chooses the protocol. `offered` are the sub-protocols of the path, the preferred ones of a client come first in its
/// own list; `streams` is the version of the streams where bare SPDY is served.
pub(super) fn choose(
    request: &Request<Incoming>,
    offered: &[&'static str],
    streams: Option<&'static str>,
) -> Choice {
    let header = |name: &HeaderName| {
        request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    };
    let upgrade = header(&UPGRADE).to_ascii_lowercase();
    match upgrade.as_str() {
        "websocket" if request.method() == Method::GET => {
            let asked = request.headers().get_all("sec-websocket-protocol").iter();
            let asked = asked.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
            let found = asked.map(str::trim).find_map(|name| offered.iter().find(|offer| **offer == name));
            found.map_or(Choice::NoneInCommon(None), |protocol| Choice::Agreed(Wanted::WebSocket(protocol)))
        }
        "spdy/3.1" if streams.is_some() => {
            let streams = streams.unwrap_or_default();
            let asked = header(&HeaderName::from_static("x-stream-protocol-version"));
            if asked.is_empty() || asked.split(',').any(|one| one.trim() == streams) {
                return Choice::Agreed(Wanted::Spdy);
            }
            Choice::NoneInCommon(Some(format!(
                "unable to upgrade: unable to negotiate protocol: client supports [{asked}], server accepts [{streams}]"
            )))
        }
        "" => Choice::Refused(Refusal::bad_request("Upgrade request required")),
        other => {
            Choice::Refused(Refusal::bad_request(format!("unable to upgrade: {other} is not served here")))
        }
    }
}

/// The answer that agrees, and the connection behind it once the answer has been sent.
pub(super) fn agree(
    mut request: Request<Incoming>,
    wanted: &Wanted,
    protocol: &'static str,
) -> (Answer, OnUpgrade) {
    let mut answer = Response::new(whole(""));
    *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = answer.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    match wanted {
        Wanted::WebSocket(protocol) => {
            headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
            headers.insert("sec-websocket-protocol", HeaderValue::from_static(protocol));
            let key = request.headers().get("sec-websocket-key").map_or(&b""[..], HeaderValue::as_bytes);
            if let Ok(accept) = HeaderValue::from_str(&derive_accept_key(key)) {
                headers.insert("sec-websocket-accept", accept);
            }
        }
        Wanted::Spdy => {
            headers.insert(UPGRADE, HeaderValue::from_static("SPDY/3.1"));
            headers.insert("x-stream-protocol-version", HeaderValue::from_static(protocol));
        }
    }
    (answer, hyper::upgrade::on(&mut request))
}

/// Waits for the upgrade and runs `work` over the connection; ends when the work or the connection does.
pub(super) async fn run<W, F>(upgrade: OnUpgrade, wanted: Wanted, work: W)
where
    W: FnOnce(Duplex) -> F,
    F: Future<Output = ()>,
{
    let Ok(upgraded) = upgrade.await else { return };
    let (to_work, from) = mpsc::channel(WAITING);
    let (to, from_work) = mpsc::channel(WAITING);
    let work = work(Duplex { from, to });
    let io = TokioIo::new(upgraded);
    match wanted {
        Wanted::WebSocket(_) => {
            let socket = WebSocketStream::from_raw_socket(io, Role::Server, None).await;
            tokio::join!(work, web_socket(socket, to_work, from_work));
        }
        Wanted::Spdy => {
            tokio::join!(work, bare(io, to_work, from_work));
        }
    }
}

/// Moves binary messages both ways. It ends when either side has.
async fn web_socket<S>(
    socket: WebSocketStream<S>,
    to_work: mpsc::Sender<Bytes>,
    mut from_work: mpsc::Receiver<Bytes>,
) where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    let (mut sink, mut stream) = socket.split();
    let reading = async {
        while let Some(Ok(message)) = stream.next().await {
            let Message::Binary(bytes) = message else {
                if message.is_close() {
                    break;
                }
                continue;
            };
            if to_work.send(bytes).await.is_err() {
                break;
            }
        }
        drop(to_work);
    };
    let writing = async {
        while let Some(bytes) = from_work.recv().await {
            if sink.send(Message::Binary(bytes)).await.is_err() {
                return;
            }
        }
        let normal = CloseFrame { code: CloseCode::Normal, reason: Utf8Bytes::from_static("") };
        let _ = sink.send(Message::Close(Some(normal))).await;
    };
    tokio::select! {
        () = reading => {}
        () = writing => {}
    }
}

/// Moves bytes both ways. It ends when either side has.
async fn bare<S>(io: S, to_work: mpsc::Sender<Bytes>, mut from_work: mpsc::Receiver<Bytes>)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite,
{
    let (mut read, mut write) = tokio::io::split(io);
    let reading = async {
        loop {
            let mut buffer = bytes::BytesMut::with_capacity(32 * 1024);
            if !matches!(read.read_buf(&mut buffer).await, Ok(1..))
                || to_work.send(buffer.freeze()).await.is_err()
            {
                break;
            }
        }
        drop(to_work);
    };
    let writing = async {
        while let Some(bytes) = from_work.recv().await {
            if write.write_all(&bytes).await.is_err() {
                return;
            }
        }
        let _ = write.shutdown().await;
    };
    tokio::select! {
        () = reading => {}
        () = writing => {}
    }
}

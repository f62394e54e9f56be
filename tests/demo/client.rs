//! A client of the demo: plain requests, watches, WebSockets, and SPDY in them or without.

#![expect(dead_code, unreachable_pub, reason = "each test program uses a part of it")]

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use kdisco::demo::Demo;
use kdisco::wire::spdy::{Decoder, Encoder, Frame, Headers};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

fn address(demo: &Demo) -> String {
    demo.server().strip_prefix("http://").unwrap().to_owned()
}

/// An answer that has been read to its end.
pub struct Answer {
    pub status: u16,
    pub body: Vec<u8>,
    /// The connection ended before the body did.
    pub broken: bool,
    headers: hyper::HeaderMap,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

async fn send(
    demo: &Demo,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Response<Incoming> {
    let stream = TcpStream::connect(address(demo)).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let mut request = Request::builder().method(method).uri(path);
    if !headers.iter().any(|(name, _)| *name == "host") {
        request = request.header("host", address(demo));
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    sender.send_request(request.body(Full::new(Bytes::from(body.to_owned()))).unwrap()).await.unwrap()
}

/// Sends a request and reads the whole answer.
pub async fn request(demo: &Demo, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let answer = send(demo, method, path, headers, body).await;
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    let (mut incoming, mut body, mut broken) = (answer.into_body(), Vec::new(), false);
    while let Some(frame) = incoming.frame().await {
        match frame {
            Ok(frame) => body.extend_from_slice(&frame.into_data().unwrap_or_default()),
            Err(_) => {
                broken = true;
                break;
            }
        }
    }
    Answer { status, body, broken, headers }
}

/// The object at a path.
pub async fn get(demo: &Demo, path: &str) -> Value {
    let answer = request(demo, "GET", path, &[], "").await;
    assert_eq!(answer.status, 200, "{path}: {}", String::from_utf8_lossy(&answer.body));
    answer.json()
}

/// The names in a list.
pub fn names(list: &Value) -> Vec<String> {
    list["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["metadata"]["name"].as_str().unwrap().to_owned())
        .collect()
}

/// A running watch.
pub struct Watch {
    body: Incoming,
    waiting: Vec<u8>,
    pub broken: bool,
}

/// Starts a watch.
pub async fn watch(demo: &Demo, path: &str) -> Watch {
    let answer = send(demo, "GET", path, &[], "").await;
    assert_eq!(answer.status(), 200);
    Watch { body: answer.into_body(), waiting: Vec::new(), broken: false }
}

impl Watch {
    /// The next event, `None` at the end.
    pub async fn next(&mut self) -> Option<Value> {
        loop {
            if let Some(end) = self.waiting.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.waiting.drain(..=end).collect();
                return Some(serde_json::from_slice(&line).unwrap());
            }
            match self.body.frame().await? {
                Ok(frame) => self.waiting.extend_from_slice(&frame.into_data().unwrap_or_default()),
                Err(_) => {
                    self.broken = true;
                    return None;
                }
            }
        }
    }
}

/// A WebSocket.
pub struct Socket(WebSocketStream<TcpStream>);

impl Socket {
    pub async fn open(demo: &Demo, path: &str, protocol: &str) -> Self {
        let mut request = format!("ws://{}{path}", address(demo)).into_client_request().unwrap();
        request.headers_mut().insert("sec-websocket-protocol", protocol.parse().unwrap());
        let stream = TcpStream::connect(address(demo)).await.unwrap();
        let (socket, answer) = tokio_tungstenite::client_async(request, stream).await.unwrap();
        assert_eq!(answer.headers()["sec-websocket-protocol"], protocol);
        Self(socket)
    }

    /// Runs a command in the first container of a pod of `default`; what it printed, and its status.
    pub async fn exec(demo: &Demo, pod: &str, command: &[&str]) -> (String, Value) {
        let words: Vec<String> = command.iter().map(|word| format!("command={word}")).collect();
        let path =
            format!("/api/v1/namespaces/default/pods/{pod}/exec?stdout=true&stderr=true&{}", words.join("&"));
        let mut socket = Self::open(demo, &path, "v5.channel.k8s.io").await;
        let (mut printed, mut status) = (Vec::new(), Vec::new());
        while let Some(message) = socket.next().await {
            match message.split_first() {
                Some((1, payload)) => printed.extend_from_slice(payload),
                Some((3, payload)) => status.extend_from_slice(payload),
                _ => {}
            }
        }
        (String::from_utf8(printed).unwrap(), serde_json::from_slice(&status).unwrap())
    }

    /// The next binary message, `None` at the end.
    pub async fn next(&mut self) -> Option<Bytes> {
        loop {
            match self.0.next().await?.ok()? {
                Message::Binary(bytes) => return Some(bytes),
                Message::Close(_) => return None,
                _ => {}
            }
        }
    }

    pub async fn send(&mut self, bytes: &[u8]) {
        self.0.send(Message::Binary(Bytes::copy_from_slice(bytes))).await.unwrap();
    }
}

enum Carrier {
    Tunnel(Box<Socket>),
    Bare(TcpStream),
}

/// A SPDY connection of a port-forward.
pub struct Spdy {
    carrier: Carrier,
    encoder: Encoder,
    decoder: Decoder,
}

/// What has come back on a pair of streams.
#[derive(Default)]
pub struct Fetched {
    pub data: Vec<u8>,
    pub error: String,
}

impl Spdy {
    pub async fn tunnel(demo: &Demo, namespace: &str, pod: &str) -> Self {
        let path = format!("/api/v1/namespaces/{namespace}/pods/{pod}/portforward");
        let socket = Socket::open(demo, &path, "SPDY/3.1+portforward.k8s.io").await;
        let carrier = Carrier::Tunnel(Box::new(socket));
        Self { carrier, encoder: Encoder::new(), decoder: Decoder::default() }
    }

    pub async fn bare(demo: &Demo, namespace: &str, pod: &str) -> Self {
        let mut stream = TcpStream::connect(address(demo)).await.unwrap();
        let request = format!(
            "POST /api/v1/namespaces/{namespace}/pods/{pod}/portforward HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\n\
             Upgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: portforward.k8s.io\r\nContent-Length: 0\r\n\r\n",
            address(demo)
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        let head = String::from_utf8(head).unwrap().to_lowercase();
        assert!(head.starts_with("http/1.1 101 "), "{head}");
        assert!(head.contains("x-stream-protocol-version: portforward.k8s.io"), "{head}");
        Self { carrier: Carrier::Bare(stream), encoder: Encoder::new(), decoder: Decoder::default() }
    }

    pub async fn send(&mut self, frames: &[Frame]) {
        let mut bytes = Vec::new();
        for frame in frames {
            self.encoder.encode(frame, &mut bytes).unwrap();
        }
        match &mut self.carrier {
            Carrier::Tunnel(socket) => socket.send(&bytes).await,
            Carrier::Bare(stream) => stream.write_all(&bytes).await.unwrap(),
        }
    }

    pub async fn next(&mut self) -> Frame {
        loop {
            if let Some(frame) = self.decoder.frame().unwrap() {
                return frame;
            }
            let bytes = match &mut self.carrier {
                Carrier::Tunnel(socket) => socket.next().await.unwrap(),
                Carrier::Bare(stream) => {
                    let mut buffer = vec![0; 65_536];
                    let count = stream.read(&mut buffer).await.unwrap();
                    assert!(count > 0, "the server has ended the connection");
                    buffer.truncate(count);
                    buffer.into()
                }
            };
            self.decoder.push(bytes);
        }
    }

    /// The frames that open a pair of streams for a port.
    pub fn pair(error: u32, data: u32, port: u16) -> [Frame; 2] {
        let open = |id: u32, kind: &str| Frame::SynStream {
            id,
            associated: 0,
            priority: 0,
            fin: kind == "error",
            unidirectional: false,
            headers: Headers::new()
                .with("streamType", kind)
                .with("port", port.to_string())
                .with("requestID", error.to_string()),
        };
        [open(error, "error"), open(data, "data")]
    }

    pub fn data(id: u32, payload: &[u8], fin: bool) -> Frame {
        Frame::Data { id, fin, payload: Bytes::copy_from_slice(payload) }
    }

    /// Opens a pair, sends bytes along without waiting, and reads until both streams have ended.
    pub async fn fetch(&mut self, error: u32, port: u16, payload: &[u8], fin: bool) -> Fetched {
        let data = error + 2;
        self.send(&Self::pair(error, data, port)).await;
        for piece in payload.chunks(16 * 1024) {
            self.send(&[Self::data(data, piece, false)]).await;
        }
        if fin {
            self.send(&[Self::data(data, b"", true)]).await;
        }
        let (mut fetched, mut open) = (Fetched::default(), vec![error, data]);
        while !open.is_empty() {
            match self.next().await {
                Frame::Data { id, fin, payload } => {
                    if id == data {
                        fetched.data.extend_from_slice(&payload);
                    } else {
                        fetched.error.push_str(std::str::from_utf8(&payload).unwrap());
                    }
                    if fin {
                        open.retain(|stream| *stream != id);
                    }
                }
                Frame::SynReply { .. } => {}
                other => panic!("{other:?}"),
            }
        }
        fetched
    }

    /// The next ping that comes back.
    pub async fn pong(&mut self) -> u32 {
        loop {
            if let Frame::Ping { id } = self.next().await {
                return id;
            }
        }
    }
}

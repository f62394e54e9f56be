//! Where a proxy listens, and the life of its connections.

use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
#[cfg(unix)]
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinSet;

use super::ProxyError;
use super::serve::{Shared, answer};

/// The most bytes that a request's head may have (Go: `http.DefaultMaxHeaderBytes`, with what its reader adds).
const MAX_HEAD: usize = (1 << 20) + 4096;
/// The most headers of a request. Go counts bytes alone; each request makes room for all of these.
const MAX_HEADERS: usize = 512;
/// A client whose first request has fewer, all in its first bytes, needs no such room: it gets that of a hundred, which
/// costs nothing.
const FEW_HEADERS: usize = 64;
const FIRST: usize = 4096;
/// So long nothing is accepted when the system has no more descriptors.
const PAUSE: Duration = Duration::from_millis(50);
/// So many ports are tried for the next free one.
const TRIES: u16 = 64;

/// Where to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    /// An address and a port. They are joined with a colon, so IPv6 needs its brackets; 0 is a port that the system
    /// chooses.
    Tcp {
        /// The address or name; empty means all addresses.
        address: String,
        /// The port.
        port: u16,
        /// Where the port is taken, the next free one will do.
        next_free: bool,
    },
    /// A Unix socket that only its owner may use. A socket of that name is replaced, another file is not.
    Unix(PathBuf),
}

/// A listening socket and what is known of it.
pub(super) struct Bound {
    pub(super) socket: Socket,
    pub(super) address: String,
    pub(super) beyond_loopback: bool,
    pub(super) file: Option<SocketFile>,
}

pub(super) enum Socket {
    Tcp(TcpListener),
    #[cfg(unix)]
    Unix(UnixListener),
}

/// The file of a Unix socket; removed when dropped.
#[derive(Debug)]
pub(super) struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        // It may have been replaced or removed by others; nothing depends on it.
        let _ = std::fs::remove_file(&self.0);
    }
}

pub(super) async fn bind(listen: &Listen) -> Result<Bound, ProxyError> {
    match listen {
        Listen::Tcp { address, port, next_free } => tcp(address, *port, *next_free).await,
        Listen::Unix(path) => {
            unix(path).map_err(|error| ProxyError::Listen { address: path.display().to_string(), error })
        }
    }
}

async fn tcp(address: &str, port: u16, next_free: bool) -> Result<Bound, ProxyError> {
    // As Go: no address is every address, of both families.
    let host = if address.is_empty() { "[::]" } else { address };
    let last = if next_free && port != 0 { port.saturating_add(TRIES) } else { port };
    let mut result = Err(io::Error::from(io::ErrorKind::AddrInUse));
    for port in port..=last {
        result = TcpListener::bind(format!("{host}:{port}")).await;
        if !matches!(&result, Err(error) if error.kind() == io::ErrorKind::AddrInUse) {
            break;
        }
    }
    let told = |error| ProxyError::Listen { address: format!("{address}:{port}"), error };
    let listener = result.map_err(told)?;
    let local = listener.local_addr().map_err(told)?;
    Ok(Bound {
        socket: Socket::Tcp(listener),
        address: local.to_string(),
        beyond_loopback: !local.ip().to_canonical().is_loopback(),
        file: None,
    })
}

#[cfg(unix)]
fn unix(path: &Path) -> io::Result<Bound> {
    use std::os::unix::fs::FileTypeExt as _;
    if std::fs::metadata(path).is_ok_and(|file| file.file_type().is_socket()) {
        std::fs::remove_file(path)?;
    }
    // The mask is the process', for the moment of one system call, as in kubectl: there is no other way to make a
    // socket that nobody else can connect to before its rights are changed.
    let before = rustix::process::umask(rustix::fs::Mode::from_bits_truncate(0o077));
    let listener = UnixListener::bind(path);
    rustix::process::umask(before);
    Ok(Bound {
        socket: Socket::Unix(listener?),
        address: path.display().to_string(),
        beyond_loopback: false,
        file: Some(SocketFile(path.to_owned())),
    })
}

#[cfg(not(unix))]
fn unix(_: &Path) -> io::Result<Bound> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "this system has no Unix sockets"))
}

/// Accepts and serves connections until dropped, all connections with it.
pub(super) async fn serve(socket: Socket, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = accept(&socket) => match accepted {
                Ok((Accepted::Tcp(stream), peer)) => {
                    let shared = Arc::clone(&shared);
                    connections.spawn(async move {
                        let many = many_headers(&stream).await;
                        connection(stream, many, peer, shared).await;
                    });
                }
                #[cfg(unix)]
                Ok((Accepted::Unix(stream), peer)) => {
                    connections.spawn(connection(stream, true, peer, Arc::clone(&shared)));
                }
                Err(error) if passing(&error) => tokio::time::sleep(PAUSE).await,
                Err(error) => {
                    shared.counters.ended(&format!("the listener broke: {error}"));
                    return;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Whether a failure to accept is one connection's, or lasts only as long as there are too many.
fn passing(error: &io::Error) -> bool {
    !matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::NotConnected)
}

enum Accepted {
    Tcp(TcpStream),
    #[cfg(unix)]
    Unix(UnixStream),
}

async fn accept(socket: &Socket) -> io::Result<(Accepted, Option<HeaderValue>)> {
    match socket {
        Socket::Tcp(listener) => {
            let (stream, peer) = listener.accept().await?;
            // Answers are small and many: waiting to fill segments would only slow them down.
            let _ = stream.set_nodelay(true);
            Ok((Accepted::Tcp(stream), named(peer.ip())))
        }
        #[cfg(unix)]
        Socket::Unix(listener) => Ok((Accepted::Unix(listener.accept().await?.0), None)),
    }
}

/// A client's address as a header has it.
fn named(address: IpAddr) -> Option<HeaderValue> {
    HeaderValue::try_from(address.to_canonical().to_string()).ok()
}

/// Whether the first request of a client may have many headers. Waits for it, and leaves it where it is.
async fn many_headers(stream: &TcpStream) -> bool {
    let mut first = vec![0; FIRST];
    let count = stream.peek(&mut first).await.unwrap_or(0);
    let end = first[..count].windows(4).position(|part| part == b"\r\n\r\n");
    end.is_none_or(|end| first[..end].split(|byte| *byte == b'\n').count() > FEW_HEADERS)
}

/// Serves one client. `many` makes room for more headers than a hundred.
pub(super) async fn connection(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    many: bool,
    peer: Option<HeaderValue>,
    shared: Arc<Shared>,
) {
    let service = service_fn(move |request| {
        let (shared, peer) = (Arc::clone(&shared), peer.clone());
        async move { Ok::<_, std::convert::Infallible>(answer(&shared, peer.as_ref(), request).await) }
    });
    let mut http = http1::Builder::new();
    // Head and body of a small answer in one piece. With the room above, a request takes some 3 % less of our time.
    http.max_buf_size(MAX_HEAD).writev(false);
    if many {
        http.max_headers(MAX_HEADERS);
    }
    // A client that goes away in the middle is nobody's error.
    let _ = http.serve_connection(TokioIo::new(stream), service).with_upgrades().await;
}

//! A relay between a client and a server that spoils what goes through it, as bad ways and bad servers do. It knows
//! nothing of HTTP except that a request begins with its method.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

/// What happens on the way from the server to the client.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Way {
    /// Nothing.
    Clear,
    /// Each piece comes so much later.
    Slow(Duration),
    /// So many bytes at a time.
    Trickle(usize),
    /// One piece in so many ends its connection with a reset.
    Reset(usize),
    /// Nothing comes any more, and nobody says so; on old connections and on new ones.
    Stalled,
    /// One piece in so many is cut in the middle, and the connection ends as if all were said.
    Truncated(usize),
    /// One piece in so many is overwritten.
    Corrupted(usize),
    /// No connection is taken, and those there are end.
    Gone,
}

struct Shared {
    way: watch::Sender<Way>,
    /// Counts the times at which all connections were ended.
    cuts: watch::Sender<u64>,
    server: Mutex<SocketAddr>,
    /// How often each path was asked for.
    requests: Mutex<BTreeMap<String, usize>>,
    news: Notify,
    open: AtomicUsize,
    attempts: AtomicUsize,
    pieces: AtomicUsize,
}

/// The relay. Dropping it ends everything that goes through it.
pub(crate) struct Faulty {
    pub(crate) url: String,
    shared: Arc<Shared>,
    _tasks: JoinSet<()>,
}

#[expect(dead_code, reason = "each program of tests uses its own part")]
impl Faulty {
    pub(crate) async fn before(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let shared = Arc::new(Shared {
            way: watch::Sender::new(Way::Clear),
            cuts: watch::Sender::new(0),
            server: Mutex::new(server),
            requests: Mutex::default(),
            news: Notify::new(),
            open: AtomicUsize::new(0),
            attempts: AtomicUsize::new(0),
            pieces: AtomicUsize::new(0),
        });
        let mut tasks = JoinSet::new();
        let relay = shared.clone();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (client, _) = listener.accept().await.unwrap();
                relay.attempts.fetch_add(1, Ordering::SeqCst);
                relay.news.notify_one();
                connections.spawn(carry(relay.clone(), client));
                while connections.try_join_next().is_some() {}
            }
        });
        Self { url, shared, _tasks: tasks }
    }

    /// From now on, for what is under way too.
    pub(crate) fn set(&self, way: Way) {
        self.shared.way.send_replace(way);
    }

    /// Ends the connections that there are.
    pub(crate) fn cut(&self) {
        self.shared.cuts.send_modify(|n| *n += 1);
    }

    /// Another server stands where the former one was; connections to that one end.
    pub(crate) fn replace_server(&self, server: SocketAddr) {
        *self.shared.server.lock().unwrap() = server;
        self.cut();
    }

    /// How often each path was asked for since this was last called.
    pub(crate) fn take_requests(&self) -> BTreeMap<String, usize> {
        std::mem::take(&mut self.shared.requests.lock().unwrap())
    }

    /// Returns when some list or watch was asked for so often.
    pub(crate) async fn asked(&self, times: usize) {
        // All watches ask alike which cluster this is.
        let few = |(path, count): (&String, &usize)| *count < times || path.ends_with("/kube-system");
        while self.shared.requests.lock().unwrap().iter().all(few) {
            self.shared.news.notified().await;
        }
    }

    /// Returns when so many connections have been tried in all, whether they were taken or not.
    pub(crate) async fn tried(&self, times: usize) {
        while self.attempts() < times {
            self.shared.news.notified().await;
        }
    }

    /// Connections that have been tried.
    pub(crate) fn attempts(&self) -> usize {
        self.shared.attempts.load(Ordering::SeqCst)
    }

    /// Connections that are open now.
    pub(crate) fn open(&self) -> usize {
        self.shared.open.load(Ordering::SeqCst)
    }
}

async fn carry(shared: Arc<Shared>, client: TcpStream) {
    let (mut way, mut cuts) = (shared.way.subscribe(), shared.cuts.subscribe());
    if *way.borrow_and_update() == Way::Gone {
        let _ = client.set_zero_linger();
        return;
    }
    let server = *shared.server.lock().unwrap();
    let Ok(server) = TcpStream::connect(server).await else { return };
    shared.open.fetch_add(1, Ordering::SeqCst);
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    tokio::select! {
        () = up(&shared, from_client, to_server) => {}
        () = down(&shared, from_server, to_client) => {}
        _ = way.wait_for(|way| *way == Way::Gone) => {}
        _ = cuts.changed() => {}
    }
    shared.open.fetch_sub(1, Ordering::SeqCst);
}

/// From the client to the server: as it is, and counted.
async fn up(shared: &Shared, mut from: OwnedReadHalf, mut to: OwnedWriteHalf) {
    let mut buffer = vec![0; 1 << 16];
    loop {
        match from.read(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(n) => {
                if let Some(line) = buffer[..n].strip_prefix(b"GET ") {
                    let path: Vec<u8> = line.iter().copied().take_while(|b| !b"? \r".contains(b)).collect();
                    let path = String::from_utf8(path).unwrap();
                    *shared.requests.lock().unwrap().entry(path).or_default() += 1;
                    shared.news.notify_one();
                }
                if to.write_all(&buffer[..n]).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// From the server to the client, with what happens on the way.
async fn down(shared: &Shared, mut from: OwnedReadHalf, mut to: OwnedWriteHalf) {
    let mut buffer = vec![0; 1 << 14];
    let mut way = shared.way.subscribe();
    loop {
        let Ok(n) = from.read(&mut buffer).await else { return };
        if n == 0 {
            return;
        }
        let strikes = |every: usize| shared.pieces.fetch_add(1, Ordering::SeqCst) % every == every - 1;
        let now = *way.borrow_and_update();
        let mut last = false;
        let mut piece = buffer[..n].to_vec();
        match now {
            Way::Clear | Way::Gone => {}
            Way::Slow(time) => tokio::time::sleep(time).await,
            Way::Trickle(size) => {
                let pieces = piece.chunks(size).map(<[u8]>::to_vec).collect::<Vec<_>>();
                for some in pieces {
                    if to.write_all(&some).await.is_err() || to.flush().await.is_err() {
                        return;
                    }
                    tokio::task::yield_now().await;
                }
                continue;
            }
            Way::Reset(every) if strikes(every) => {
                let _ = to.as_ref().set_zero_linger();
                return;
            }
            Way::Truncated(every) if strikes(every) => {
                piece.truncate(n / 2);
                last = true;
            }
            Way::Corrupted(every) if strikes(every) => piece.fill(0xff),
            Way::Reset(_) | Way::Truncated(_) | Way::Corrupted(_) => {}
            // What was on the way when the way was blocked is lost.
            Way::Stalled => {
                if way.wait_for(|way| *way != Way::Stalled).await.is_err() {
                    return;
                }
                std::future::pending::<()>().await;
            }
        }
        if to.write_all(&piece).await.is_err() || last {
            return;
        }
    }
}

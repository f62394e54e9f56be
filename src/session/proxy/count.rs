//! What went through a proxy: counted where it happens, published now and then.

use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use jiff::Timestamp;
use tokio::sync::{Notify, watch};

use crate::model::Text;
use crate::model::proxy::ProxyStatus;

/// The least time between two publications.
const PERIOD: Duration = Duration::from_millis(200);

/// The last failure, and why the proxy has ended.
type Told = (Option<(Timestamp, Text)>, Option<Text>);

/// The counts of one proxy.
#[derive(Debug)]
pub(super) struct Counters {
    requests: AtomicU64,
    open: AtomicU64,
    rejected: AtomicU64,
    failed: AtomicU64,
    pub(super) up: AtomicU64,
    pub(super) down: AtomicU64,
    told: Mutex<Told>,
    changed: Notify,
    status: watch::Sender<Arc<ProxyStatus>>,
}

impl Counters {
    pub(super) fn new(first: ProxyStatus) -> (Arc<Self>, watch::Receiver<Arc<ProxyStatus>>) {
        let (status, receiver) = watch::channel(Arc::new(first));
        let counters = Self {
            requests: AtomicU64::new(0),
            open: AtomicU64::new(0),
            rejected: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            up: AtomicU64::new(0),
            down: AtomicU64::new(0),
            told: Mutex::default(),
            changed: Notify::new(),
            status,
        };
        (Arc::new(counters), receiver)
    }

    /// A request has come in; it is open until what is returned is dropped.
    pub(super) fn begin(self: &Arc<Self>) -> Open {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.open.fetch_add(1, Ordering::Relaxed);
        self.changed.notify_one();
        Open(Arc::clone(self))
    }

    pub(super) fn rejected(&self) {
        self.rejected.fetch_add(1, Ordering::Relaxed);
        self.changed.notify_one();
    }

    /// The server could not be reached, or its answer made no sense.
    pub(super) fn failed(&self, why: &str) {
        self.failed.fetch_add(1, Ordering::Relaxed);
        self.told.lock().unwrap_or_else(PoisonError::into_inner).0 = Some((Timestamp::now(), why.into()));
        self.changed.notify_one();
    }

    /// The listener is broken.
    pub(super) fn ended(&self, why: &str) {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).1 = Some(why.into());
        self.status.send_replace(Arc::new(self.now()));
    }

    fn now(&self) -> ProxyStatus {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let (last_error, ended) = self.told.lock().unwrap_or_else(PoisonError::into_inner).clone();
        ProxyStatus {
            requests: of(&self.requests),
            open: of(&self.open),
            rejected: of(&self.rejected),
            failed: of(&self.failed),
            up: of(&self.up),
            down: of(&self.down),
            last_error,
            ended,
            ..(**self.status.borrow()).clone()
        }
    }

    /// Publishes until dropped. Nothing is woken while nothing happens.
    pub(super) async fn publish(self: Arc<Self>) {
        loop {
            self.changed.notified().await;
            // A proxy that nobody looks at needs no status.
            if self.status.receiver_count() > 1 {
                self.status.send_replace(Arc::new(self.now()));
            }
            tokio::time::sleep(PERIOD).await;
        }
    }
}

/// A request or a tunnel that is open.
#[derive(Debug)]
pub(super) struct Open(Arc<Counters>);

impl Open {
    pub(super) fn add_up(&self, bytes: usize) {
        self.0.up.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(super) fn add_down(&self, bytes: usize) {
        self.0.down.fetch_add(bytes as u64, Ordering::Relaxed);
        self.0.changed.notify_one();
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
        self.0.changed.notify_one();
    }
}

/// A body whose bytes are counted, and whose end ends the request.
#[derive(Debug)]
pub(super) struct Counted<B> {
    body: B,
    open: Arc<Open>,
    add: fn(&Open, usize),
}

impl<B> Counted<B> {
    /// Bytes on their way to the server.
    pub(super) fn up(body: B, open: &Arc<Open>) -> Self {
        Self { body, open: Arc::clone(open), add: Open::add_up }
    }

    /// Bytes on their way to the client.
    pub(super) fn down(body: B, open: Arc<Open>) -> Self {
        Self { body, open, add: Open::add_down }
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Counted<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if let Some(Ok(frame)) = &frame
            && let Some(data) = frame.data_ref()
        {
            (self.add)(&self.open, data.len());
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

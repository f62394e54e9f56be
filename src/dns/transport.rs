//! DNS over TCP (RFC 7766) over any byte stream: many questions under way at once, each with its own deadline.
//!
//! What it is: framing, matching of replies to questions, and what goes wrong on the way. What it is not: it opens no
//! stream and never asks twice. Cancelling a question (dropping its future) costs the others nothing; its late reply is
//! thrown away. Dropping the connection closes the stream.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::{self, Stream};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use super::message::{self, Asked};
use crate::model::dns::{LiveReply, RecordType};

/// CoreDNS closes a connection after 10 s without a question, and through a port-forward the close arrives a second
/// late: a question sent in that second is lost. So an idle connection is ended before.
pub const IDLE: Duration = Duration::from_secs(8);
/// So many questions of one batch are under way at once: enough to fill a connection of 100 ms, and no flood.
pub const WINDOW: usize = 128;
/// So many ids may be waiting on one connection, those whose asker has gone included.
const MOST_WAITING: usize = 4096;
/// What is read at once.
const CHUNK: usize = 16 * 1024;

/// Why a question got no reply.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// Nothing in time.
    #[error("no answer within {:.1} s", .0.as_secs_f32())]
    Timeout(Duration),
    /// The connection has ended.
    #[error("{0}")]
    Lost(Arc<str>),
    /// The reply makes no sense.
    #[error("{0}")]
    Nonsense(Arc<str>),
}

/// A question on its way.
struct Waiting {
    /// Name in lower case.
    name: Box<str>,
    kind: RecordType,
    reply: oneshot::Sender<Result<LiveReply, Trouble>>,
}

#[derive(Default)]
struct Board {
    waiting: HashMap<u16, Waiting>,
    /// Why no more replies will come.
    ended: Option<Trouble>,
    next: u16,
}

struct Shared {
    board: Mutex<Board>,
    /// A place has become free.
    room: Notify,
    ended: watch::Sender<bool>,
}

/// A connection to one server. Clones ask on the same.
#[derive(Clone)]
pub struct Connection {
    shared: Arc<Shared>,
    questions: mpsc::UnboundedSender<(Asked, oneshot::Sender<Result<LiveReply, Trouble>>)>,
    _tasks: Arc<JoinSet<()>>,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").field("ended", &self.ended()).finish_non_exhaustive()
    }
}

impl Connection {
    /// Begins to talk over a stream. Must be called inside a tokio runtime.
    pub fn new(stream: impl AsyncRead + AsyncWrite + Send + 'static) -> Self {
        Self::with_idle(stream, IDLE)
    }

    /// The same with another time after which an idle connection is ended.
    pub fn with_idle(stream: impl AsyncRead + AsyncWrite + Send + 'static, idle: Duration) -> Self {
        let (questions, queue) = mpsc::unbounded_channel();
        let next = u16::try_from(RandomState::new().hash_one(0) & 0xffff).unwrap_or(0);
        let shared = Arc::new(Shared {
            board: Mutex::new(Board { next, ..Board::default() }),
            room: Notify::new(),
            ended: watch::Sender::new(false),
        });
        let (from, to) = tokio::io::split(stream);
        let mut tasks = JoinSet::new();
        tasks.spawn(write(to, queue, shared.clone()));
        tasks.spawn(read(from, shared.clone(), idle));
        Self { shared, questions, _tasks: Arc::new(tasks) }
    }

    /// Why it has ended, if it has. An idle one ends by itself; nobody has to be told.
    pub fn ended(&self) -> Option<Trouble> {
        self.shared.lock().ended.clone()
    }

    /// Waits until it has ended.
    pub async fn closed(&self) {
        let _ = self.shared.ended.subscribe().wait_for(|ended| *ended).await;
    }

    /// Asks one question.
    ///
    /// # Errors
    /// No reply in time, a lost connection, a reply without sense.
    pub async fn ask(&self, asked: Asked, limit: Duration) -> Result<LiveReply, Trouble> {
        let (reply, answer) = oneshot::channel();
        if self.questions.send((asked, reply)).is_err() {
            return Err(self.ended().unwrap_or_else(lost_quietly));
        }
        match timeout(limit, answer).await {
            Err(_) => Err(Trouble::Timeout(limit)),
            Ok(Err(_)) => Err(self.ended().unwrap_or_else(lost_quietly)),
            Ok(Ok(result)) => result,
        }
    }

    /// Asks many, [`WINDOW`] of them at once; the answers come in the order of the questions, each with how long it
    /// took.
    pub fn ask_all(
        &self,
        questions: impl IntoIterator<Item = Asked>,
        limit: Duration,
    ) -> impl Stream<Item = (Result<LiveReply, Trouble>, Duration)> {
        stream::iter(questions)
            .map(move |asked| {
                let connection = self.clone();
                async move {
                    let start = Instant::now();
                    let reply = connection.ask(asked, limit).await;
                    (reply, start.elapsed())
                }
            })
            .buffered(WINDOW)
    }
}

fn lost_quietly() -> Trouble {
    Trouble::Lost("the connection has ended".into())
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// No more replies: tells everybody who waits.
    fn end(&self, why: &Trouble) {
        let waiting = {
            let mut board = self.lock();
            board.ended.get_or_insert_with(|| why.clone());
            std::mem::take(&mut board.waiting)
        };
        for (_, one) in waiting {
            let _ = one.reply.send(Err(why.clone()));
        }
        self.ended.send_replace(true);
        self.room.notify_waiters();
    }

    /// Gives a question an id; `None` if all are taken.
    fn enter(&self, asked: &Asked, reply: oneshot::Sender<Result<LiveReply, Trouble>>) -> Entered {
        let mut board = self.lock();
        if let Some(why) = &board.ended {
            let _ = reply.send(Err(why.clone()));
            return Entered::Ended;
        }
        if board.waiting.len() >= MOST_WAITING {
            return Entered::Full(reply);
        }
        while board.waiting.contains_key(&board.next) {
            board.next = board.next.wrapping_add(1);
        }
        let id = board.next;
        board.next = id.wrapping_add(1);
        board.waiting.insert(id, Waiting { name: asked.name().lower().into(), kind: asked.kind(), reply });
        Entered::As(id)
    }

    /// Hands a message to whoever waits for it.
    fn take(&self, bytes: &[u8]) -> Result<(), Trouble> {
        let nonsense = |why: &str| Trouble::Nonsense(why.into());
        let id =
            message::id(bytes).ok_or_else(|| nonsense("the server sent what is too short for a message"))?;
        let one = self.lock().waiting.remove(&id);
        let one = one.ok_or_else(|| nonsense("the server sent a reply to a question that was not asked"))?;
        self.room.notify_one();
        let _ = one.reply.send(judge(bytes, &one.name, one.kind));
        Ok(())
    }
}

/// Reads a reply and holds it against its question.
fn judge(bytes: &[u8], name: &str, kind: RecordType) -> Result<LiveReply, Trouble> {
    let nonsense = |why: &str| Trouble::Nonsense(why.into());
    let reply = message::read(bytes).map_err(|why| nonsense(&why))?;
    let same = match &reply.question {
        Some((n, k)) => **n == *name && *k == kind,
        // A server that could not read the question may leave it out.
        None => reply.said.answers.is_empty(),
    };
    if !same {
        return Err(nonsense("the reply is to another question"));
    }
    if reply.cut {
        return Err(nonsense("the server cut its reply short, although TCP has room for it"));
    }
    Ok(reply.said)
}

enum Entered {
    As(u16),
    Full(oneshot::Sender<Result<LiveReply, Trouble>>),
    Ended,
}

type Queue = mpsc::UnboundedReceiver<(Asked, oneshot::Sender<Result<LiveReply, Trouble>>)>;

/// Sends what is in the queue: everything that is there goes out in one write.
async fn write(mut to: impl AsyncWrite + Unpin, mut queue: Queue, shared: Arc<Shared>) {
    let (mut some, mut bytes) = (Vec::with_capacity(WINDOW), Vec::with_capacity(CHUNK));
    let mut ended = shared.ended.subscribe();
    loop {
        let count = tokio::select! {
            count = queue.recv_many(&mut some, 2 * WINDOW) => count,
            _ = ended.wait_for(|ended| *ended) => 0,
        };
        if count == 0 {
            break;
        }
        for (asked, mut reply) in some.drain(..) {
            // An asker who has gone by now costs nothing.
            if reply.is_closed() {
                continue;
            }
            loop {
                let room = shared.room.notified();
                match shared.enter(&asked, reply) {
                    Entered::As(id) => asked.write(id, &mut bytes),
                    Entered::Ended => {}
                    Entered::Full(back) => {
                        reply = back;
                        room.await;
                        continue;
                    }
                }
                break;
            }
        }
        if !bytes.is_empty() {
            let written = async {
                to.write_all(&bytes).await?;
                to.flush().await
            };
            if let Err(error) = written.await {
                shared.end(&Trouble::Lost(format!("the connection broke: {error}").into()));
            }
        }
        bytes.clear();
    }
    let _ = to.shutdown().await;
    // What was queued meanwhile is told the same.
    queue.close();
    while let Some((_, reply)) = queue.recv().await {
        let why = shared.lock().ended.clone().unwrap_or_else(lost_quietly);
        let _ = reply.send(Err(why));
    }
}

/// Reads replies until the stream ends, makes no sense, or has been idle.
async fn read(mut from: impl AsyncRead + Unpin, shared: Arc<Shared>, idle: Duration) {
    let mut buffer = bytes::BytesMut::with_capacity(CHUNK);
    let why = loop {
        buffer.reserve(CHUNK);
        let count = match timeout(idle, from.read_buf(&mut buffer)).await {
            Err(_) if shared.lock().waiting.is_empty() => {
                break Trouble::Lost("it was idle".into());
            }
            // Whoever waits has a deadline of its own.
            Err(_) => continue,
            Ok(Err(error)) => break Trouble::Lost(format!("the connection broke: {error}").into()),
            Ok(Ok(count)) => count,
        };
        if count == 0 {
            let words = if buffer.is_empty() {
                "the server closed the connection"
            } else {
                "the server closed the connection in the middle of a reply"
            };
            break Trouble::Lost(words.into());
        }
        if let Err(why) = deliver(&mut buffer, &shared) {
            break why;
        }
    };
    shared.end(&why);
}

/// Takes every whole message out of the buffer.
fn deliver(buffer: &mut bytes::BytesMut, shared: &Shared) -> Result<(), Trouble> {
    while let Some(length) = buffer.first_chunk::<2>() {
        let length = usize::from(u16::from_be_bytes(*length));
        if buffer.len() < 2 + length {
            return Ok(());
        }
        shared.take(&buffer[2..2 + length])?;
        bytes::Buf::advance(buffer, 2 + length);
    }
    Ok(())
}

#[cfg(test)]
mod tests;

//! What comes in over a connection, and goes on to the streams.

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt as _, ReadHalf};

use super::super::dial::Way;
use super::super::lock;
use super::super::pipe::Pipe;
use super::super::writer::Io;
use super::{ONLY, Tunnel, lost};
use crate::wire::spdy::{Frame, Piece, Pieces};
use crate::wire::websocket::{self, Event, Opcode};

/// What is taken from a connection at once: all that was read from its socket, and a record more.
const READ: usize = 288 * 1024;
/// A read of so much may be one of several that are there: TLS gives them out record by record, 16 KiB each at most.
const MUCH: usize = 8 * 1024;

/// Reads what is there, into the room that the buffer has: what many records bring goes to a local socket in one
/// write. 0 is the end.
async fn fill(io: &mut ReadHalf<Io>, buffer: &mut BytesMut) -> io::Result<usize> {
    poll_fn(|context| {
        let mut whole = 0;
        loop {
            let read = {
                let once = pin!(io.read_buf(buffer));
                once.poll(context)
            };
            match read {
                Poll::Ready(Ok(count)) => {
                    whole += count;
                    if count < MUCH || buffer.capacity() - buffer.len() < MUCH {
                        return Poll::Ready(Ok(whole));
                    }
                }
                // An error comes again, or the end in its place.
                _ if whole > 0 => return Poll::Ready(Ok(whole)),
                other => return other,
            }
        }
    })
    .await
}

impl Tunnel {
    pub(super) async fn read(self: Arc<Self>, mut io: ReadHalf<Io>) {
        let mut buffer = BytesMut::new();
        let mut framing = Framing::new(self.way);
        let why = loop {
            buffer.reserve(READ);
            match fill(&mut io, &mut buffer).await {
                Ok(0) => break self.closed(""),
                Ok(_) => {}
                Err(error) => break lost(&error),
            }
            {
                let mut state = lock(&self.state);
                state.heard = state.tick;
            }
            let mut input = buffer.split().freeze();
            if let Err(why) = self.understand(&mut framing, &mut input).await {
                break why;
            }
        };
        self.close(&why);
    }

    /// The other side has closed the connection; by channels that is how the pod's end is told.
    fn closed(&self, reason: &str) -> String {
        if self.way == Way::Channels
            && let Some((pipe, _)) = self.stream(ONLY)
        {
            pipe.finished();
            pipe.error(b"", true);
        }
        let colon = if reason.is_empty() { "" } else { ": " };
        format!("the API server has closed the connection{colon}{reason}")
    }

    async fn understand(&self, framing: &mut Framing, input: &mut Bytes) -> Result<(), String> {
        let Framing { socket, pieces, channels, data } = framing;
        match socket {
            None => self.pieces(pieces, data, input).await?,
            Some(socket) => {
                while let Some(event) = socket.next(input).map_err(|error| error.to_string())? {
                    match event {
                        Event::Piece { mut payload, .. } if self.way == Way::Tunnel => {
                            self.pieces(pieces, data, &mut payload).await?;
                        }
                        Event::Piece { first, payload } => channels.piece(self, first, payload).await,
                        Event::Ping(payload) => {
                            let sent = self.writer.lock().await.control(Opcode::Pong, &payload).await;
                            let _ = self.judge(sent);
                        }
                        Event::Pong(_) => {}
                        Event::Close(reason) => {
                            self.pass_on(data).await;
                            return Err(self.closed(&reason));
                        }
                    }
                }
            }
        }
        self.pass_on(data).await;
        Ok(())
    }

    async fn pieces(&self, pieces: &mut Pieces, data: &mut Data, input: &mut Bytes) -> Result<(), String> {
        while let Some(piece) = pieces.next(input).map_err(|error| error.to_string())? {
            match piece {
                Piece::Data { id, payload, fin } => {
                    if id != data.id {
                        self.pass_on(data).await;
                        data.id = id;
                    }
                    if !payload.is_empty() {
                        data.pieces.push(payload);
                    }
                    if fin {
                        data.fin = true;
                        self.pass_on(data).await;
                    }
                }
                Piece::Control(frame) => {
                    // Each stream sees things in their order.
                    self.pass_on(data).await;
                    self.control(frame).await;
                }
            }
        }
        Ok(())
    }

    async fn control(&self, frame: Frame) {
        match frame {
            Frame::Ping { id } => {
                if id % 2 == 1 {
                    lock(&self.state).health.answer(id);
                    self.pongs.notify_waiters();
                } else {
                    let sent = self.writer.lock().await.frames(&[Frame::Ping { id }]).await;
                    let _ = self.judge(sent);
                }
            }
            Frame::SynReply { id, .. } => {
                if let Some((pipe, false)) = self.stream(id) {
                    pipe.accepted();
                }
            }
            Frame::RstStream { id, .. } => {
                if let Some((pipe, error)) = self.stream(id) {
                    if !error {
                        pipe.finished();
                    }
                    pipe.error(b"", true);
                }
            }
            Frame::GoAway { .. } => {
                lock(&self.state).retiring = true;
                if let Some(pool) = self.pool.upgrade() {
                    pool.replenish();
                }
            }
            _ => {}
        }
    }

    fn stream(&self, id: u32) -> Option<(Arc<Pipe>, bool)> {
        lock(&self.state).streams.get(&id).cloned()
    }

    /// Hands collected bytes of a stream on. While its local side is far behind, nothing more is read: that is the only
    /// way to slow a pod down. So this connection must carry nobody else by then (see [`Self::bulky`]).
    async fn pass_on(&self, data: &mut Data) {
        let (id, fin) = (data.id, std::mem::take(&mut data.fin));
        if data.pieces.is_empty() && !fin {
            return;
        }
        let stream = self.stream(id);
        let Some((pipe, error)) = stream else { return data.pieces.clear() };
        if error {
            for piece in data.pieces.drain(..) {
                pipe.error(&piece, false);
            }
            if fin {
                pipe.error(b"", true);
            }
            return;
        }
        let length: u64 = data.pieces.iter().map(|piece| piece.len() as u64).sum();
        let (held, down) = pipe.deliver(&mut data.pieces);
        if length > 0
            && down == length
            && let Some(pool) = self.pool.upgrade()
        {
            // Its first bytes: something listens there, so the next streams need not be careful.
            pool.serves(pipe.port);
        }
        if fin {
            pipe.finished();
        }
        let tuning = &self.tuning;
        if down > tuning.bulk || held > tuning.queue / 4 {
            self.bulky(&pipe);
        }
        if held > tuning.queue {
            let bound = if self.pairs() > 1 { tuning.queue_shared } else { tuning.queue };
            if held > bound {
                lock(&self.state).stalled = true;
                pipe.wait_for_space(bound).await;
                let mut state = lock(&self.state);
                state.stalled = false;
                state.heard = state.tick;
            }
        }
    }
}

/// What is between the connection's bytes and its streams.
struct Framing {
    socket: Option<websocket::Decoder>,
    pieces: Pieces,
    channels: Channels,
    data: Data,
}

/// Bytes of one stream that have come together.
#[derive(Default)]
struct Data {
    id: u32,
    pieces: Vec<Bytes>,
    /// They are its last.
    fin: bool,
}

impl Framing {
    fn new(way: Way) -> Self {
        let socket = (way != Way::Plain).then(websocket::Decoder::new);
        Self { socket, pieces: Pieces::default(), channels: Channels::default(), data: Data::default() }
    }
}

/// A connection by channels: each message begins with its channel, the first two bytes of each channel are the port.
#[derive(Default)]
struct Channels {
    channel: u8,
    /// Bytes of the port that are still to come, of data and errors.
    port: [usize; 2],
    begun: [bool; 2],
}

impl Channels {
    async fn piece(&mut self, tunnel: &Tunnel, first: bool, mut payload: Bytes) {
        if first {
            self.channel = payload.split_to(1)[0];
        }
        let at = usize::from(self.channel.min(1));
        if !std::mem::replace(&mut self.begun[at], true) {
            self.port[at] = 2;
        }
        let skipped = self.port[at].min(payload.len());
        self.port[at] -= skipped;
        let payload = payload.split_off(skipped);
        if payload.is_empty() {
            return;
        }
        match self.channel {
            0 => tunnel.early(ONLY, payload).await,
            1 => tunnel.early(ONLY + 1, payload).await,
            _ => {}
        }
    }
}

impl Tunnel {
    /// Data of the only stream, which may come before anybody uses a spare connection.
    async fn early(&self, id: u32, payload: Bytes) {
        loop {
            let changed = self.pongs.notified();
            if self.stream(id).is_some() || self.is_over() {
                break;
            }
            changed.await;
        }
        self.pass_on(&mut Data { id, pieces: vec![payload], fin: false }).await;
    }

    /// A spare connection has got its stream.
    pub(in super::super) fn claimed(&self) {
        self.pongs.notify_waiters();
    }
}

//! The sending side of a connection: frames into bytes, one after the other.
//!
//! What it is: framing, masking and writing. What it is not: what may be sent when. [`super::tunnel`] holds it behind
//! a lock, so frames go out in the order in which they were encoded.

use std::io;

use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncWriteExt as _, WriteHalf};
use tokio::sync::watch;

use super::dial::Way;
use crate::wire::spdy::{Encoder, Frame};
use crate::wire::websocket::{self, LONGEST_HEAD, Opcode};

/// What stands before a payload in a buffer of [`Writer::data`]: a WebSocket head and the head of a DATA frame.
pub(super) const ROOM: usize = LONGEST_HEAD + 8;

/// The connection's bytes.
pub(super) type Io = TokioIo<Upgraded>;

/// See the module.
pub(super) struct Writer {
    io: WriteHalf<Io>,
    way: Way,
    encoder: Encoder,
    /// For masks, which have to be unpredictable to who chooses the payload, and no more.
    random: u64,
    /// A frame was cut short: the other side would take what follows for its rest.
    cut: bool,
    /// The connection is being closed.
    closed: watch::Receiver<bool>,
    buffer: Vec<u8>,
}

impl Writer {
    pub(super) fn new(io: WriteHalf<Io>, way: Way, closed: watch::Receiver<bool>) -> Self {
        use std::hash::{BuildHasher as _, RandomState};
        let random = RandomState::new().hash_one(0) | 1;
        Self { io, way, encoder: Encoder::new(), random, cut: false, closed, buffer: Vec::new() }
    }

    fn mask(&mut self) -> [u8; 4] {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        let [a, b, c, d, ..] = self.random.to_ne_bytes();
        [a, b, c, d]
    }

    /// Sends control frames, and data of a stream behind them, as one message.
    pub(super) async fn frames(&mut self, frames: &[Frame]) -> io::Result<()> {
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.clear();
        buffer.resize(LONGEST_HEAD, 0);
        for frame in frames {
            self.encoder.encode(frame, &mut buffer).map_err(io::Error::other)?;
        }
        let start = self.head(Opcode::Binary, &mut buffer);
        let result = self.write(&buffer[start..]).await;
        if buffer.capacity() <= 16 * 1024 {
            self.buffer = buffer;
        }
        result
    }

    /// Sends the payload that begins at [`ROOM`] of the buffer as data of a stream; what is before it and the payload
    /// itself are overwritten. `pings` go with it.
    pub(super) async fn data(
        &mut self,
        id: u32,
        fin: bool,
        buffer: &mut Vec<u8>,
        pings: &[u32],
    ) -> io::Result<()> {
        let length = buffer.len() - ROOM;
        let start = if self.way == Way::Channels {
            // One byte before the payload says which channel.
            buffer[ROOM - 1] = 0;
            let whole = &mut buffer[ROOM - 1 - LONGEST_HEAD..];
            let key = self.mask();
            let (room, payload) = whole.split_at_mut(LONGEST_HEAD);
            let mut head = [0; LONGEST_HEAD];
            let start = websocket::head(Opcode::Binary, payload.len(), key, &mut head);
            websocket::mask(key, payload);
            room.copy_from_slice(&head);
            ROOM - 1 - LONGEST_HEAD + start
        } else {
            let head = Encoder::data_head(id, fin, length).map_err(io::Error::other)?;
            buffer[LONGEST_HEAD..ROOM].copy_from_slice(&head);
            for id in pings {
                self.encoder.encode(&Frame::Ping { id: *id }, buffer).map_err(io::Error::other)?;
            }
            self.head(Opcode::Binary, buffer)
        };
        self.write(&buffer[start..]).await
    }

    /// A control frame of the WebSocket, where there is one.
    pub(super) async fn control(&mut self, opcode: Opcode, payload: &[u8]) -> io::Result<()> {
        if self.way == Way::Plain {
            return Ok(());
        }
        let mut buffer = vec![0; LONGEST_HEAD];
        buffer.extend_from_slice(payload);
        let start = self.head(opcode, &mut buffer);
        self.write(&buffer[start..]).await
    }

    /// Completes a message in place: the first bytes of the buffer are room for its head. Says where it begins.
    fn head(&mut self, opcode: Opcode, buffer: &mut [u8]) -> usize {
        if self.way == Way::Plain {
            return LONGEST_HEAD;
        }
        let key = self.mask();
        let (room, payload) = buffer.split_at_mut(LONGEST_HEAD);
        let mut head = [0; LONGEST_HEAD];
        let start = websocket::head(opcode, payload.len(), key, &mut head);
        websocket::mask(key, payload);
        room.copy_from_slice(&head);
        start
    }

    async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.cut {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        // Stays set when this future is dropped in the middle.
        self.cut = true;
        let (io, closed) = (&mut self.io, &mut self.closed);
        let write = async {
            io.write_all(bytes).await?;
            io.flush().await
        };
        tokio::select! {
            biased;
            result = write => result?,
            _ = closed.wait_for(|closed| *closed) => return Err(io::ErrorKind::ConnectionAborted.into()),
        }
        self.cut = false;
        Ok(())
    }
}

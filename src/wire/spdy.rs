//! SPDY/3.1 frames, as Kubernetes uses them for exec and port-forward.
//!
//! What it is: the frame layer in both directions: [`Decoder`] takes bytes in any pieces and gives frames,
//! [`Encoder`] makes bytes of frames; each holds the state of one direction's header compression, so a connection
//! needs one of each. What it is not: streams, flow control and the rules of who may send what; those belong to who
//! uses it.
//!
//! Source: the SPDY protocol, draft 3.1, section 2.2 (frames) and 2.6.10 (name/value header block).

mod dictionary;
mod headers;
mod pieces;
#[cfg(test)]
mod tests;

pub use self::headers::Headers;
pub use self::pieces::{Piece, Pieces};

use self::headers::{Deflater, Inflater};
use bytes::{Buf as _, Bytes, BytesMut};

/// The protocol version in every control frame.
const VERSION: u16 = 3;
/// Every frame begins with so many bytes.
const HEAD: usize = 8;
/// The largest length that a frame can state.
const LONGEST: usize = 0x00ff_ffff;
/// Flag of every frame of a stream but `RST_STREAM` and `WINDOW_UPDATE`: the sender sends no more on this stream.
const FLAG_FIN: u8 = 1;
/// Flag of `SYN_STREAM`: the receiver may not send on this stream.
const FLAG_UNIDIRECTIONAL: u8 = 2;

const SYN_STREAM: u16 = 1;
const SYN_REPLY: u16 = 2;
const RST_STREAM: u16 = 3;
const SETTINGS: u16 = 4;
const PING: u16 = 6;
const GOAWAY: u16 = 7;
const HEADERS: u16 = 8;
const WINDOW_UPDATE: u16 = 9;

/// One frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// Opens a stream. Clients use odd ids, servers even ones, each rising.
    SynStream {
        /// The new stream.
        id: u32,
        /// The stream that this one belongs to, 0 for none.
        associated: u32,
        /// 0 (highest) to 7.
        priority: u8,
        /// The sender sends nothing on it.
        fin: bool,
        /// The receiver may send nothing on it.
        unidirectional: bool,
        /// What the stream is for.
        headers: Headers,
    },
    /// Accepts a stream.
    SynReply {
        /// The stream.
        id: u32,
        /// The sender sends nothing on it.
        fin: bool,
        /// What the acceptance says.
        headers: Headers,
    },
    /// Ends a stream at once, both ways.
    RstStream {
        /// The stream.
        id: u32,
        /// Why; 1 is a protocol error, 3 refused, 5 cancelled.
        status: u32,
    },
    /// Parameters of the session.
    Settings {
        /// Forget the values kept from earlier sessions.
        clear: bool,
        /// In the order of the frame.
        entries: Vec<Setting>,
    },
    /// Comes back unchanged from the peer; odd from clients, even from servers.
    Ping {
        /// What makes it this ping.
        id: u32,
    },
    /// No more streams are accepted.
    GoAway {
        /// The last stream that was accepted.
        last: u32,
        /// Why; 0 is fine, 1 a protocol error, 2 an internal one.
        status: u32,
    },
    /// More headers of a stream.
    Headers {
        /// The stream.
        id: u32,
        /// The sender sends no more on it.
        fin: bool,
        /// What is added.
        headers: Headers,
    },
    /// Allows the peer to send more.
    WindowUpdate {
        /// The stream, 0 for the session.
        id: u32,
        /// So many bytes more.
        delta: u32,
    },
    /// Bytes of a stream.
    Data {
        /// The stream.
        id: u32,
        /// These were the last.
        fin: bool,
        /// The bytes.
        payload: Bytes,
    },
}

/// One entry of SETTINGS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setting {
    /// 1: to be kept for later sessions; 2: was kept.
    pub flags: u8,
    /// Which parameter, 24 bits; 7 is the initial window.
    pub id: u32,
    /// Its value.
    pub value: u32,
}

/// Bytes that are no SPDY/3.1, or more than the limits allow. The connection cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A control frame of another version.
    #[error("SPDY version {0}, not 3")]
    Version(u16),
    /// A frame whose length does not fit its kind.
    #[error("a SPDY frame of kind {kind} with {length} bytes")]
    Length {
        /// Number of the frame's kind; 0 for DATA.
        kind: u16,
        /// The length that it states.
        length: usize,
    },
    /// A frame for a stream that cannot be.
    #[error("a SPDY frame of kind {0} for stream 0")]
    StreamZero(u16),
    /// A header block that cannot be decompressed.
    #[error("a SPDY header block that does not decompress")]
    Compression,
    /// A header block that says more than it holds, or names in it that may not be.
    #[error("a broken SPDY header block")]
    HeaderBlock,
    /// A header block that is larger than allowed.
    #[error("a SPDY header block of more than {0} bytes")]
    HeadersTooLarge(usize),
    /// A frame that cannot be written, as its parts are too large for it.
    #[error("a SPDY frame that is too large to be written")]
    TooLarge,
}

/// What a decoder accepts at most, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Payload of a DATA frame.
    pub data: usize,
    /// A control frame, compressed.
    pub control: usize,
    /// A header block, decompressed.
    pub headers: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { data: 1024 * 1024, control: 64 * 1024, headers: 64 * 1024 }
    }
}

/// Bytes of one direction in, frames out.
pub struct Decoder {
    limits: Limits,
    waiting: BytesMut,
    inflater: Inflater,
    /// Bytes of a frame of unknown kind that are still to be passed over.
    skip: usize,
    failed: Option<Error>,
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new(Limits::default())
    }
}

impl Decoder {
    /// A decoder for a new connection.
    pub fn new(limits: Limits) -> Self {
        Self { limits, waiting: BytesMut::new(), inflater: Inflater::new(), skip: 0, failed: None }
    }

    /// Takes the next bytes. They are kept until [`Decoder::frame`] has been called often enough, so call it until
    /// it says `None` before the next ones are taken.
    pub fn push(&mut self, bytes: Bytes) {
        if self.waiting.is_empty() {
            // Bytes that nobody else holds are taken over as they are.
            self.waiting = BytesMut::from(bytes);
        } else {
            self.waiting.extend_from_slice(&bytes);
        }
    }

    /// How many bytes are waiting for the rest of their frame.
    pub fn pending(&self) -> usize {
        self.waiting.len()
    }

    /// The next frame, `None` until more bytes have come. Frames of unknown kinds are passed over.
    ///
    /// # Errors
    /// Once; and then the same each time, as the place where the next frame begins is lost.
    pub fn frame(&mut self) -> Result<Option<Frame>, Error> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let result = self.next();
        self.failed = result.as_ref().err().copied();
        result
    }

    fn next(&mut self) -> Result<Option<Frame>, Error> {
        loop {
            let passed = self.skip.min(self.waiting.len());
            self.waiting.advance(passed);
            self.skip -= passed;
            let Some(head) = self.waiting.first_chunk::<HEAD>().copied() else { return Ok(None) };
            let [first, second, third, fourth, flags, lengths @ ..] = head;
            let length = usize::try_from(u32::from_be_bytes([0, lengths[0], lengths[1], lengths[2]]))
                .unwrap_or(LONGEST);
            let control = first & 0x80 != 0;
            if !control {
                let id = u32::from_be_bytes([first, second, third, fourth]);
                return self.data(id, flags, length);
            }
            let version = u16::from_be_bytes([first & 0x7f, second]);
            if version != VERSION {
                return Err(Error::Version(version));
            }
            let kind = u16::from_be_bytes([third, fourth]);
            if !matches!(kind, SYN_STREAM..=SETTINGS | PING..=WINDOW_UPDATE) {
                self.skip = HEAD + length;
                continue;
            }
            if length > self.limits.control {
                return Err(Error::Length { kind, length });
            }
            if self.waiting.len() < HEAD + length {
                return Ok(None);
            }
            self.waiting.advance(HEAD);
            let body = self.waiting.split_to(length);
            return self.control(kind, flags, &body).map(Some);
        }
    }

    fn data(&mut self, id: u32, flags: u8, length: usize) -> Result<Option<Frame>, Error> {
        if length > self.limits.data {
            return Err(Error::Length { kind: 0, length });
        }
        if id == 0 {
            return Err(Error::StreamZero(0));
        }
        if self.waiting.len() < HEAD + length {
            return Ok(None);
        }
        self.waiting.advance(HEAD);
        let payload = self.waiting.split_to(length).freeze();
        Ok(Some(Frame::Data { id, fin: flags & FLAG_FIN != 0, payload }))
    }

    fn control(&mut self, kind: u16, flags: u8, body: &[u8]) -> Result<Frame, Error> {
        let wrong = || Error::Length { kind, length: body.len() };
        let fin = flags & FLAG_FIN != 0;
        let number = |at: usize| word(body, at).ok_or_else(wrong);
        let stream = || match number(0)? & 0x7fff_ffff {
            0 => Err(Error::StreamZero(kind)),
            id => Ok(id),
        };
        let exactly = |length: usize| if body.len() == length { Ok(()) } else { Err(wrong()) };
        let limit = self.limits.headers;
        let mut read = |from: usize| self.inflater.read(body.get(from..).unwrap_or_default(), limit);
        Ok(match kind {
            SYN_STREAM => {
                let priority = body.get(8).ok_or_else(wrong)? >> 5;
                let (id, associated) = (stream()?, number(4)? & 0x7fff_ffff);
                if body.len() < 10 {
                    return Err(wrong());
                }
                let unidirectional = flags & FLAG_UNIDIRECTIONAL != 0;
                Frame::SynStream { id, associated, priority, fin, unidirectional, headers: read(10)? }
            }
            SYN_REPLY => Frame::SynReply { id: stream()?, fin, headers: read(4)? },
            HEADERS => Frame::Headers { id: stream()?, fin, headers: read(4)? },
            RST_STREAM => {
                exactly(8)?;
                Frame::RstStream { id: stream()?, status: number(4)? }
            }
            SETTINGS => {
                let count = usize::try_from(number(0)?).unwrap_or(usize::MAX);
                if count.checked_mul(8).and_then(|size| size.checked_add(4)) != Some(body.len()) {
                    return Err(wrong());
                }
                Frame::Settings {
                    clear: flags & 1 != 0,
                    entries: body[4..].chunks_exact(8).map(setting).collect(),
                }
            }
            PING => {
                exactly(4)?;
                Frame::Ping { id: number(0)? }
            }
            GOAWAY => {
                exactly(8)?;
                Frame::GoAway { last: number(0)? & 0x7fff_ffff, status: number(4)? }
            }
            _ => {
                exactly(8)?;
                Frame::WindowUpdate { id: number(0)? & 0x7fff_ffff, delta: number(4)? & 0x7fff_ffff }
            }
        })
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().copied().map(u32::from_be_bytes)
}

fn setting(entry: &[u8]) -> Setting {
    let (head, value) = (word(entry, 0).unwrap_or_default(), word(entry, 4).unwrap_or_default());
    Setting { flags: head.to_be_bytes()[0], id: head & 0x00ff_ffff, value }
}

/// Frames in, bytes of one direction out.
pub struct Encoder {
    deflater: Deflater,
}

impl Default for Encoder {
    fn default() -> Self {
        Self::new()
    }
}

impl Encoder {
    /// An encoder for a new connection.
    pub fn new() -> Self {
        Self { deflater: Deflater::new() }
    }

    /// The eight bytes before the payload of a DATA frame, for who writes the payload himself.
    ///
    /// # Errors
    /// When the payload is longer than a frame can be (16 MiB).
    pub fn data_head(id: u32, fin: bool, length: usize) -> Result<[u8; HEAD], Error> {
        let size = u32::try_from(length).ok().filter(|_| length <= LONGEST).ok_or(Error::TooLarge)?;
        let [first, second] = [id & 0x7fff_ffff, u32::from(fin) << 24 | size].map(u32::to_be_bytes);
        let mut head = [0; HEAD];
        head[..4].copy_from_slice(&first);
        head[4..].copy_from_slice(&second);
        Ok(head)
    }

    /// Appends a frame to `out`. Frames have to be sent in the order in which they were encoded.
    ///
    /// # Errors
    /// When a part is too large for its frame; nothing is appended then.
    pub fn encode(&mut self, frame: &Frame, out: &mut Vec<u8>) -> Result<(), Error> {
        let id_mask = |id: u32| (id & 0x7fff_ffff).to_be_bytes();
        match frame {
            Frame::Data { id, fin, payload } => {
                out.extend_from_slice(&Self::data_head(*id, *fin, payload.len())?);
                out.extend_from_slice(payload);
                Ok(())
            }
            Frame::SynStream { id, associated, priority, fin, unidirectional, headers } => {
                let flags = u8::from(*fin) * FLAG_FIN + u8::from(*unidirectional) * FLAG_UNIDIRECTIONAL;
                let mut body = [id_mask(*id), id_mask(*associated)].concat();
                body.extend_from_slice(&[(priority & 7) << 5, 0]);
                self.deflater.write(headers, &mut body)?;
                control(SYN_STREAM, flags, &body, out)
            }
            Frame::SynReply { id, fin, headers } => {
                let mut body = id_mask(*id).to_vec();
                self.deflater.write(headers, &mut body)?;
                control(SYN_REPLY, u8::from(*fin), &body, out)
            }
            Frame::Headers { id, fin, headers } => {
                let mut body = id_mask(*id).to_vec();
                self.deflater.write(headers, &mut body)?;
                control(HEADERS, u8::from(*fin), &body, out)
            }
            Frame::RstStream { id, status } => {
                control(RST_STREAM, 0, &[id_mask(*id), status.to_be_bytes()].concat(), out)
            }
            Frame::Settings { clear, entries } => {
                let count = u32::try_from(entries.len()).map_err(|_| Error::TooLarge)?;
                let mut body = count.to_be_bytes().to_vec();
                for entry in entries {
                    let [_, a, b, c] = entry.id.to_be_bytes();
                    body.extend_from_slice(&[entry.flags, a, b, c]);
                    body.extend_from_slice(&entry.value.to_be_bytes());
                }
                control(SETTINGS, u8::from(*clear), &body, out)
            }
            Frame::Ping { id } => control(PING, 0, &id.to_be_bytes(), out),
            Frame::GoAway { last, status } => {
                control(GOAWAY, 0, &[id_mask(*last), status.to_be_bytes()].concat(), out)
            }
            Frame::WindowUpdate { id, delta } => {
                control(WINDOW_UPDATE, 0, &[id_mask(*id), id_mask(*delta)].concat(), out)
            }
        }
    }
}

fn control(kind: u16, flags: u8, body: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
    let size = u32::try_from(body.len()).ok().filter(|_| body.len() <= LONGEST).ok_or(Error::TooLarge)?;
    out.extend_from_slice(&(0x8000 | VERSION).to_be_bytes());
    out.extend_from_slice(&kind.to_be_bytes());
    out.extend_from_slice(&((u32::from(flags) << 24) | size).to_be_bytes());
    out.extend_from_slice(body);
    Ok(())
}

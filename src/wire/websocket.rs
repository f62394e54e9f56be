//! WebSocket frames (RFC 6455), as a client that tunnels bytes needs them.
//!
//! What it is: [`Decoder`] gives the payload of binary messages piece by piece as it arrives, without holding a
//! message; [`head`] and [`mask`] make a client's frames in the buffer that they are sent from. What it is not: the
//! opening handshake, which is HTTP's, and text, which nothing here means.

use bytes::{Buf as _, Bytes};

/// A frame's head is at most so long: two bytes, eight of length, four of mask.
pub const LONGEST_HEAD: usize = 14;
/// The longest payload of a control frame.
const CONTROL: usize = 125;

/// Kinds of frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opcode {
    /// A binary message.
    Binary,
    /// The end of the connection.
    Close,
    /// To be answered by a pong with the same payload.
    Ping,
    /// The answer.
    Pong,
}

/// What has arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Bytes of a binary message; never empty.
    Piece {
        /// They are its first.
        first: bool,
        /// The bytes.
        payload: Bytes,
    },
    /// To be answered.
    Ping(Vec<u8>),
    /// An answer.
    Pong(Vec<u8>),
    /// The peer ends the connection; its reason, if it gives one.
    Close(String),
}

/// Bytes that are no WebSocket frames of a server. The connection cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Servers do not mask (section 5.1).
    #[error("a masked WebSocket frame from a server")]
    Masked,
    /// Bits or opcodes that no extension was agreed for.
    #[error("a WebSocket frame with an unknown meaning ({0:#04x})")]
    Unknown(u8),
    /// A control frame that is too long or in pieces.
    #[error("a broken WebSocket control frame")]
    Control,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Body {
    /// The next bytes are a head.
    #[default]
    Head,
    Binary,
    /// Passed over.
    Text,
    Control(u8),
}

/// Bytes from a server in, pieces of messages out.
#[derive(Debug, Default)]
pub struct Decoder {
    head: Vec<u8>,
    body: Body,
    left: u64,
    /// The message that continuations belong to is text.
    text: bool,
    /// The next piece begins a message.
    first: bool,
    control: Vec<u8>,
}

impl Decoder {
    /// A decoder for a new connection.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes from `input` what makes the next event; `None` when more bytes are needed, and then `input` is empty.
    ///
    /// # Errors
    /// What a server may not send. Nothing can be read afterwards.
    pub fn next(&mut self, input: &mut Bytes) -> Result<Option<Event>, Error> {
        loop {
            if self.body == Body::Head {
                if !self.read_head(input)? {
                    return Ok(None);
                }
                continue;
            }
            let here = usize::try_from(self.left).unwrap_or(usize::MAX).min(input.len());
            if here == 0 && self.left > 0 {
                return Ok(None);
            }
            self.left -= here as u64;
            let payload = input.split_to(here);
            let body = self.body;
            if self.left == 0 {
                self.body = Body::Head;
            }
            match body {
                Body::Binary if !payload.is_empty() => {
                    return Ok(Some(Event::Piece { first: std::mem::take(&mut self.first), payload }));
                }
                Body::Control(opcode) => {
                    self.control.extend_from_slice(&payload);
                    if self.left == 0 {
                        return Ok(Some(control(opcode, std::mem::take(&mut self.control))));
                    }
                }
                _ => {}
            }
        }
    }

    /// Completes the head byte by byte; false when more are needed.
    fn read_head(&mut self, input: &mut Bytes) -> Result<bool, Error> {
        loop {
            let needed = match self.head.get(1).map(|second| second & 0x7f) {
                Some(126) => 4,
                Some(127) => 10,
                _ => 2,
            };
            if self.head.len() == needed {
                break;
            }
            if input.is_empty() {
                return Ok(false);
            }
            self.head.push(input.get_u8());
        }
        let (first, second) = (self.head[0], self.head[1]);
        if second & 0x80 != 0 {
            return Err(Error::Masked);
        }
        if first & 0x70 != 0 {
            return Err(Error::Unknown(first));
        }
        let length = match &self.head[2..] {
            [] => u64::from(second),
            bytes => bytes.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)),
        };
        self.head.clear();
        self.left = length;
        self.body = match first & 0x0f {
            0 if self.text => Body::Text,
            0 => Body::Binary,
            1 => {
                self.text = true;
                Body::Text
            }
            2 => {
                (self.text, self.first) = (false, true);
                Body::Binary
            }
            opcode @ 8..=10 if first & 0x80 != 0 && length <= CONTROL as u64 => Body::Control(opcode),
            8..=10 => return Err(Error::Control),
            _ => return Err(Error::Unknown(first)),
        };
        Ok(true)
    }
}

fn control(opcode: u8, payload: Vec<u8>) -> Event {
    match opcode {
        8 => Event::Close(String::from_utf8_lossy(payload.get(2..).unwrap_or_default()).into_owned()),
        9 => Event::Ping(payload),
        _ => Event::Pong(payload),
    }
}

/// Writes the head of a client's frame with a payload of `length` bytes so that it ends at the end of `room`; says
/// where in `room` it begins.
pub fn head(opcode: Opcode, length: usize, key: [u8; 4], room: &mut [u8; LONGEST_HEAD]) -> usize {
    let first = 0x80
        | match opcode {
            Opcode::Binary => 2,
            Opcode::Close => 8,
            Opcode::Ping => 9,
            Opcode::Pong => 10,
        };
    room[10..].copy_from_slice(&key);
    let wide = (length as u64).to_be_bytes();
    let start = match length {
        0..=125 => {
            room[9] = 0x80 | wide[7];
            8
        }
        126..=0xffff => {
            room[8..10].copy_from_slice(&wide[6..]);
            room[7] = 0xfe;
            6
        }
        _ => {
            room[2..10].copy_from_slice(&wide);
            room[1] = 0xff;
            0
        }
    };
    room[start] = first;
    start
}

/// Masks a payload in its place; once more unmasks it.
pub fn mask(key: [u8; 4], payload: &mut [u8]) {
    let wide = u64::from_ne_bytes([key[0], key[1], key[2], key[3], key[0], key[1], key[2], key[3]]);
    let (chunks, rest) = payload.as_chunks_mut::<8>();
    for chunk in chunks {
        *chunk = (u64::from_ne_bytes(*chunk) ^ wide).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(key.iter().cycle()) {
        *byte ^= key;
    }
}

#[cfg(test)]
mod tests;

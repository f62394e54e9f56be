//! A protobuf watch: frames of a big-endian length and a `metav1.WatchEvent {type = 1, object = 2 {raw = 1}}`; `raw`
//! is again a message with envelope.

use super::proto::{self, Envelope, Field, Fields};
use super::{EventType, MAX_OBJECT, WireError};

/// Decoder of a protobuf watch.
#[derive(Debug, Default)]
pub struct ProtoWatch {
    carry: Vec<u8>,
}

const HEAD: usize = 4;

impl ProtoWatch {
    /// Takes the next bytes of the body and hands on every event that they complete.
    ///
    /// # Errors
    /// The first thing that makes no sense, or the first error of `event`. The decoder is of no use after it.
    pub fn push<E: From<WireError>>(
        &mut self,
        mut chunk: &[u8],
        mut event: impl FnMut(EventType, Envelope<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        // Complete the frame that was begun; whole frames are read where they lie.
        while !self.carry.is_empty() {
            let wanted = frame(&self.carry)?.unwrap_or(HEAD);
            let missing = wanted.saturating_sub(self.carry.len()).min(chunk.len());
            self.carry.extend_from_slice(&chunk[..missing]);
            chunk = &chunk[missing..];
            match frame(&self.carry)? {
                Some(wanted) if self.carry.len() >= wanted => {
                    one(&self.carry[HEAD..wanted], &mut event)?;
                    self.carry.clear();
                }
                _ if chunk.is_empty() => return Ok(()),
                _ => {}
            }
        }
        while let Some(wanted) = frame(chunk)? {
            let Some(body) = chunk.get(HEAD..wanted) else { break };
            one(body, &mut event)?;
            chunk = &chunk[wanted..];
        }
        self.carry.extend_from_slice(chunk);
        Ok(())
    }

    /// Whether the stream may end here: between two frames.
    pub fn at_boundary(&self) -> bool {
        self.carry.is_empty()
    }
}

/// Size of the frame at the start of `data`, head included; `None` when that is not yet known.
fn frame(data: &[u8]) -> Result<Option<usize>, WireError> {
    let Some(head) = data.first_chunk::<HEAD>() else { return Ok(None) };
    let size = u32::from_be_bytes(*head) as usize;
    if size > MAX_OBJECT { Err(WireError::TooLarge("an event", MAX_OBJECT)) } else { Ok(Some(HEAD + size)) }
}

fn one<E: From<WireError>>(
    data: &[u8],
    event: &mut impl FnMut(EventType, Envelope<'_>) -> Result<(), E>,
) -> Result<(), E> {
    let (mut kind, mut object): (&[u8], &[u8]) = (&[], &[]);
    for field in Fields(data) {
        match field? {
            (1, Field::Bytes(word)) => kind = word,
            (2, Field::Bytes(extension)) => {
                for field in Fields(extension) {
                    if let (1, Field::Bytes(raw)) = field? {
                        object = raw;
                    }
                }
            }
            _ => {}
        }
    }
    event(EventType::from(kind), proto::unwrap(object)?)
}

//! The same bytes as [`Decoder`] reads, with the payload of DATA handed on as it arrives.
//!
//! What it is: for who passes payload on at once and must not hold frames; a DATA frame may come out as several
//! pieces. What it is not: another understanding of the frames; control frames are [`Decoder`]'s.

use super::{Decoder, Error, FLAG_FIN, Frame, HEAD, Limits};
use bytes::{Buf as _, Bytes};

/// What has arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Anything but DATA.
    Control(Frame),
    /// Bytes of a stream. Empty ones come only from empty frames.
    Data {
        /// The stream.
        id: u32,
        /// The bytes.
        payload: Bytes,
        /// These were the last of the stream.
        fin: bool,
    },
}

/// Bytes of one direction in, pieces out.
pub struct Pieces {
    control: Decoder,
    head: Vec<u8>,
    /// Bytes that are still to come of the frame at hand.
    left: usize,
    /// Its stream and whether it is the last, if it is DATA.
    data: Option<(u32, bool)>,
}

impl Default for Pieces {
    fn default() -> Self {
        Self::new(Limits::default())
    }
}

impl Pieces {
    /// For a new connection. The limit for DATA does not apply, as none is held.
    pub fn new(limits: Limits) -> Self {
        Self { control: Decoder::new(limits), head: Vec::with_capacity(HEAD), left: 0, data: None }
    }

    /// Takes from `input` what makes the next piece; `None` when more bytes are needed, and then `input` is empty.
    ///
    /// # Errors
    /// As [`Decoder::frame`]; nothing can be read afterwards.
    pub fn next(&mut self, input: &mut Bytes) -> Result<Option<Piece>, Error> {
        loop {
            if self.left == 0 {
                while self.head.len() < HEAD {
                    if input.is_empty() {
                        return Ok(None);
                    }
                    self.head.push(input.get_u8());
                }
                if let Some(piece) = self.begin()? {
                    return Ok(Some(piece));
                }
                continue;
            }
            if input.is_empty() {
                return Ok(None);
            }
            let payload = input.split_to(self.left.min(input.len()));
            self.left -= payload.len();
            if let Some((id, fin)) = self.data {
                return Ok(Some(Piece::Data { id, payload, fin: fin && self.left == 0 }));
            }
            self.control.push(payload);
            if let Some(frame) = self.control.frame()? {
                return Ok(Some(Piece::Control(frame)));
            }
        }
    }

    /// Understands a head. What is complete with it comes out at once.
    fn begin(&mut self) -> Result<Option<Piece>, Error> {
        let word = |at: usize| self.head[at..].first_chunk().copied().map_or(0, u32::from_be_bytes);
        let (id, second) = (word(0), word(4));
        self.left = usize::try_from(second & 0x00ff_ffff).unwrap_or(usize::MAX);
        if id & 0x8000_0000 == 0 {
            self.head.clear();
            if id == 0 {
                return Err(Error::StreamZero(0));
            }
            let fin = (second >> 24) & u32::from(FLAG_FIN) != 0;
            self.data = Some((id, fin));
            return Ok((self.left == 0).then(|| Piece::Data { id, payload: Bytes::new(), fin }));
        }
        self.data = None;
        self.control.push(Bytes::copy_from_slice(&self.head));
        self.head.clear();
        Ok(self.control.frame()?.map(Piece::Control))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Encoder, Headers};
    use super::*;
    use proptest::prelude::*;

    fn frame() -> impl Strategy<Value = Frame> {
        let headers = prop::collection::vec("[!-~]{1,20}", 0..4).prop_map(|values| {
            let named = values.into_iter().enumerate();
            named.fold(Headers::new(), |headers, (at, value)| headers.with(&format!("name-{at}"), value))
        });
        let payload = prop::collection::vec(any::<u8>(), 0..3000);
        prop_oneof![
            (1_u32..100, any::<bool>(), payload).prop_map(|(id, fin, payload)| Frame::Data {
                id,
                fin,
                payload: payload.into()
            }),
            (1_u32..100, any::<bool>(), headers).prop_map(|(id, fin, headers)| Frame::SynReply {
                id,
                fin,
                headers
            }),
            any::<u32>().prop_map(|id| Frame::Ping { id }),
        ]
    }

    /// Frames with the pieces of each DATA frame put together again.
    fn read(bytes: &[u8], size: usize) -> Result<Vec<Frame>, Error> {
        let (mut pieces, mut frames, mut open) = (Pieces::default(), Vec::new(), Vec::new());
        for chunk in bytes.chunks(size) {
            let mut input = Bytes::copy_from_slice(chunk);
            while let Some(piece) = pieces.next(&mut input)? {
                match piece {
                    Piece::Control(frame) => frames.push(frame),
                    Piece::Data { id, payload, fin } => {
                        open.extend_from_slice(&payload);
                        if pieces.left == 0 {
                            frames.push(Frame::Data { id, fin, payload: std::mem::take(&mut open).into() });
                        } else {
                            assert!(!fin, "only the last piece ends a stream");
                        }
                    }
                }
            }
            assert!(input.is_empty());
        }
        Ok(frames)
    }

    proptest! {
        #[test]
        fn the_same_frames_as_whole_ones(frames in prop::collection::vec(frame(), 0..12), size in 1_usize..4000) {
            let (mut encoder, mut bytes) = (Encoder::new(), Vec::new());
            for (at, frame) in frames.iter().enumerate() {
                encoder.encode(frame, &mut bytes).unwrap();
                if at == 2 {
                    // A kind that nobody knows is passed over.
                    bytes.extend_from_slice(&[0x80, 3, 0, 99, 0, 0, 0, 2, 1, 2]);
                }
            }
            prop_assert_eq!(read(&bytes, size).unwrap(), frames);
        }

        #[test]
        fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..2000), size in 1_usize..50) {
            let _ = read(&bytes, size);
        }
    }
}

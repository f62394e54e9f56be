//! Compressed answers, unpacked as they arrive.

use std::fmt;

use flate2::{Decompress, FlushDecompress, Status};

use super::WireError;

/// So much is unpacked at a time, whatever it expands to: that is all that stands in memory.
const PIECE: usize = 64 << 10;
/// gzip's largest window, two to the power of this.
const WINDOW: u8 = 15;

/// Unpacks a gzip stream.
pub struct Gunzip {
    inner: Decompress,
    piece: Vec<u8>,
    ended: bool,
}

impl fmt::Debug for Gunzip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gunzip").field("ended", &self.ended).finish_non_exhaustive()
    }
}

impl Default for Gunzip {
    fn default() -> Self {
        Self { inner: Decompress::new_gzip(WINDOW), piece: Vec::with_capacity(PIECE), ended: false }
    }
}

impl Gunzip {
    /// Takes the next bytes and hands on what they unpack to, in pieces.
    ///
    /// # Errors
    /// Bytes that are no gzip stream or follow its end, or the first error of `take`.
    pub fn push<E: From<WireError>>(
        &mut self,
        mut chunk: &[u8],
        mut take: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let broken = WireError::Malformed("its compression is broken");
        loop {
            if self.ended {
                return if chunk.is_empty() { Ok(()) } else { Err(broken.into()) };
            }
            let before = self.inner.total_in();
            self.piece.clear();
            let status = self.inner.decompress_vec(chunk, &mut self.piece, FlushDecompress::None);
            let status = status.map_err(|_| broken.clone())?;
            let used = usize::try_from(self.inner.total_in() - before).unwrap_or(chunk.len());
            chunk = chunk.get(used..).unwrap_or_default();
            if !self.piece.is_empty() {
                take(&self.piece)?;
            }
            self.ended = status == Status::StreamEnd;
            // A full piece may have left something inside, even when all input is used.
            if chunk.is_empty() && self.piece.len() < self.piece.capacity() && !self.ended {
                return Ok(());
            }
            if used == 0 && self.piece.is_empty() && !self.ended {
                return Err(broken.into());
            }
        }
    }

    /// The stream has ended.
    ///
    /// # Errors
    /// [`WireError::Truncated`] when it was not complete.
    pub fn finish(&self) -> Result<(), WireError> {
        if self.ended { Ok(()) } else { Err(WireError::Truncated) }
    }
}

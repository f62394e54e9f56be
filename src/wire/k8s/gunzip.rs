//! Compressed answers, unpacked as they arrive.

use std::fmt;
use std::io::Write;

use super::WireError;

/// So much is unpacked at a time: gzip expands at most a thousandfold, so what stands in memory stays bounded.
const PIECE: usize = 16 << 10;

/// Unpacks a gzip stream.
pub struct Gunzip(flate2::write::GzDecoder<Vec<u8>>);

impl fmt::Debug for Gunzip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Gunzip")
    }
}

impl Default for Gunzip {
    fn default() -> Self {
        Self(flate2::write::GzDecoder::new(Vec::new()))
    }
}

impl Gunzip {
    /// Takes the next bytes and hands on what they unpack to, in pieces.
    ///
    /// # Errors
    /// Bytes that are no gzip stream, or the first error of `take`.
    pub fn push<E: From<WireError>>(
        &mut self,
        chunk: &[u8],
        mut take: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        for piece in chunk.chunks(PIECE) {
            self.0.write_all(piece).map_err(|_| WireError::Malformed("its compression is broken"))?;
            self.give(&mut take)?;
        }
        Ok(())
    }

    /// The stream has ended: hands on the rest.
    ///
    /// # Errors
    /// A stream that is not complete, or an error of `take`.
    pub fn finish<E: From<WireError>>(
        &mut self,
        mut take: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        self.0.try_finish().map_err(|_| WireError::Truncated)?;
        self.give(&mut take)
    }

    fn give<E>(&mut self, take: &mut impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        let unpacked = self.0.get_mut();
        let result = if unpacked.is_empty() { Ok(()) } else { take(unpacked) };
        unpacked.clear();
        result
    }
}

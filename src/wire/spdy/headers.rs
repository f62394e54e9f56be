//! Header blocks: names and values, compressed over the whole life of a connection.

use super::Error;
use super::dictionary::dictionary;
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

/// Names and values of a header block, in order. Names are lower case; several values of one name are joined by a
/// zero byte.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers(Vec<(Vec<u8>, Vec<u8>)>);

impl Headers {
    /// None.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a header; the name goes to lower case.
    pub fn push(&mut self, name: &str, value: impl Into<Vec<u8>>) {
        self.0.push((name.to_ascii_lowercase().into_bytes(), value.into()));
    }

    /// The same, in a row.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Vec<u8>>) -> Self {
        self.push(name, value);
        self
    }

    /// The value of a header, if there is one and it is text. Case makes no difference.
    pub fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(have, _)| have.eq_ignore_ascii_case(name.as_bytes()));
        found.and_then(|(_, value)| std::str::from_utf8(value).ok())
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.0.iter().map(|(name, value)| (name.as_slice(), value.as_slice()))
    }

    /// Reads a decompressed block.
    fn parse(mut block: &[u8]) -> Result<Self, Error> {
        let count = number(&mut block)?;
        let mut all: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
        for _ in 0..count {
            let name = text(&mut block)?;
            let value = text(&mut block)?;
            let repeated = all.iter().any(|(have, _)| *have == name);
            if name.is_empty() || repeated || name.iter().any(u8::is_ascii_uppercase) {
                return Err(Error::HeaderBlock);
            }
            all.push((name, value));
        }
        if block.is_empty() { Ok(Self(all)) } else { Err(Error::HeaderBlock) }
    }

    /// Writes a block that is not yet compressed.
    fn render(&self) -> Result<Vec<u8>, Error> {
        let length = |length: usize| u32::try_from(length).map(u32::to_be_bytes).map_err(|_| Error::TooLarge);
        let mut block = length(self.0.len())?.to_vec();
        for part in self.0.iter().flat_map(|(name, value)| [name, value]) {
            block.extend_from_slice(&length(part.len())?);
            block.extend_from_slice(part);
        }
        Ok(block)
    }
}

fn number(block: &mut &[u8]) -> Result<usize, Error> {
    let (number, rest) = block.split_first_chunk().ok_or(Error::HeaderBlock)?;
    *block = rest;
    usize::try_from(u32::from_be_bytes(*number)).map_err(|_| Error::HeaderBlock)
}

fn text(block: &mut &[u8]) -> Result<Vec<u8>, Error> {
    let length = number(block)?;
    let (text, rest) = block.split_at_checked(length).ok_or(Error::HeaderBlock)?;
    *block = rest;
    Ok(text.to_vec())
}

/// Decompresses the header blocks of one direction.
pub(super) struct Inflater(Decompress);

impl Inflater {
    pub(super) fn new() -> Self {
        Self(Decompress::new(true))
    }

    /// The headers in a compressed block, which has at most `limit` bytes decompressed.
    pub(super) fn read(&mut self, mut block: &[u8], limit: usize) -> Result<Headers, Error> {
        let mut plain = vec![0; 1024];
        let mut filled = 0;
        loop {
            let (taken, made) = (self.0.total_in(), self.0.total_out());
            let result = self.0.decompress(block, &mut plain[filled..], FlushDecompress::Sync);
            let taken = usize::try_from(self.0.total_in() - taken).unwrap_or(usize::MAX);
            filled += usize::try_from(self.0.total_out() - made).unwrap_or(usize::MAX);
            block = block.get(taken..).ok_or(Error::Compression)?;
            match result {
                Ok(Status::Ok | Status::BufError) => {}
                Err(error) if error.needs_dictionary().is_some() => {
                    self.0.set_dictionary(dictionary()).map_err(|_| Error::Compression)?;
                    continue;
                }
                // The stream lasts as long as the connection; its end is no end of a block.
                Ok(Status::StreamEnd) | Err(_) => return Err(Error::Compression),
            }
            if filled > limit {
                return Err(Error::HeadersTooLarge(limit));
            }
            if filled < plain.len() {
                // There was room left, so there is nothing more to come out.
                if !block.is_empty() && taken == 0 {
                    return Err(Error::Compression);
                }
                if block.is_empty() {
                    return Headers::parse(&plain[..filled]);
                }
            } else {
                plain.resize(plain.len() * 2, 0);
            }
        }
    }
}

/// Compresses the header blocks of one direction.
pub(super) struct Deflater(Option<Compress>);

impl Deflater {
    pub(super) fn new() -> Self {
        let mut compress = Compress::new(Compression::fast(), true);
        // It is refused only once something has been compressed.
        let ready = compress.set_dictionary(dictionary()).is_ok();
        Self(ready.then_some(compress))
    }

    /// Appends the headers as a compressed block.
    pub(super) fn write(&mut self, headers: &Headers, out: &mut Vec<u8>) -> Result<(), Error> {
        let plain = headers.render()?;
        let compress = self.0.as_mut().ok_or(Error::Compression)?;
        let mut rest = plain.as_slice();
        loop {
            // Room for the block and the mark of a flush: a few bytes more than what goes in.
            out.reserve(rest.len() + rest.len() / 8 + 64);
            let before = compress.total_in();
            compress.compress_vec(rest, out, FlushCompress::Sync).map_err(|_| Error::Compression)?;
            let taken = usize::try_from(compress.total_in() - before).unwrap_or(usize::MAX);
            rest = rest.get(taken..).ok_or(Error::Compression)?;
            if rest.is_empty() && out.len() < out.capacity() {
                return Ok(());
            }
        }
    }
}

//! Reads much at once from a socket where much arrives.
//!
//! TLS asks for one record at a time, 16 KiB at most; each is a call to the system and an answer to the peer that there
//! is room again. What it is: a buffer between the two that exists only while it is worth it. What it is not: it never
//! waits for more than there is; it lets others run first where little came, and takes what is there then.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use hyper_util::client::legacy::connect::{Connected, Connection};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What is read at once. With 96 KiB downloads through a forward were some 4 % slower.
const ROOM: usize = 256 * 1024;
/// Where a read brought less, who sends runs first, if it waits for this processor: the next read brings more, and costs
/// both sides less. (Two processors, all of them busy: a download through a forward is 1.2 times as fast and takes a
/// quarter less of our time.) Where reads bring more the sender has had its turn, and others who want the processor would
/// only hold us up.
const LITTLE: usize = ROOM / 2;
/// A read that fills so much may have left something; one that brings less has not.
const MUCH: usize = 4 * 1024;

/// See the module.
#[derive(Debug)]
pub(super) struct Gather<T> {
    io: T,
    /// Empty where little arrives.
    buffer: Vec<u8>,
    /// What of it has been read, and what of that has not been handed on.
    read: usize,
    handed: usize,
    /// The last read found much.
    much: bool,
}

impl<T> Gather<T> {
    pub(super) fn new(io: T) -> Self {
        Self { io, buffer: Vec::new(), read: 0, handed: 0, much: false }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Gather<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.handed == this.read {
            if !this.much {
                let (before, room) = (out.filled().len(), out.remaining());
                ready!(Pin::new(&mut this.io).poll_read(context, out))?;
                this.much = room >= MUCH && out.filled().len() - before == room;
                return Poll::Ready(Ok(()));
            }
            if this.buffer.is_empty() {
                this.buffer = vec![0; ROOM];
            }
            if this.read < LITTLE {
                std::thread::yield_now();
            }
            let mut large = ReadBuf::new(&mut this.buffer);
            ready!(Pin::new(&mut this.io).poll_read(context, &mut large))?;
            (this.read, this.handed) = (large.filled().len(), 0);
            this.much = this.read >= MUCH;
        }
        let part = (this.read - this.handed).min(out.remaining());
        out.put_slice(&this.buffer[this.handed..this.handed + part]);
        this.handed += part;
        if this.handed == this.read && !this.much {
            this.buffer = Vec::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Gather<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}

impl<T: Connection> Connection for Gather<T> {
    fn connected(&self) -> Connected {
        self.io.connected()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    use super::*;

    #[tokio::test]
    async fn much_is_gathered_and_nothing_is_lost_or_waited_for() {
        let (mut far, near) = duplex(1 << 20);
        let mut gather = Gather::new(near);
        let sent: Vec<u8> = (0..400_000_u32).map(|n| n.to_le_bytes()[0] ^ n.to_le_bytes()[1]).collect();
        let (mut got, mut small) = (Vec::new(), [0; MUCH]);
        for (size, gathers) in [(10, false), (sent.len(), true), (7, false), (ROOM + MUCH, true), (3, false)]
        {
            far.write_all(&sent[..size]).await.unwrap();
            let mut gathered = false;
            while got.len() < size {
                let count = gather.read(&mut small).await.unwrap();
                got.extend_from_slice(&small[..count]);
                gathered |= !gather.buffer.is_empty();
            }
            assert!(got == sent[..size], "{size}");
            assert_eq!(gathered, gathers, "{size}");
            got.clear();
        }
        drop(far);
        assert_eq!(gather.read(&mut small).await.unwrap(), 0);
        assert!(gather.buffer.is_empty(), "a quiet connection holds no buffer");
    }
}

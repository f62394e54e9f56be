//! An upgraded connection: bytes both ways until either side ends (apimachinery: `UpgradeAwareHandler.tryUpgrade`).

use std::io;
use std::sync::Arc;

use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf, split};
use tokio::sync::watch;

use super::count::Open;

/// How much is read at once.
const CHUNK: usize = 32 * 1024;

/// Carries bytes until one side ends, or the proxy does (`alive` closes).
pub(super) async fn carry(
    client: OnUpgrade,
    server: OnUpgrade,
    open: Arc<Open>,
    mut alive: watch::Receiver<()>,
) {
    let both = async {
        let (Ok(client), Ok(server)) = tokio::join!(client, server) else { return };
        let ((from_client, mut to_client), (from_server, mut to_server)) = (halves(client), halves(server));
        tokio::select! {
            _ = copy(from_client, &mut to_server, |n| open.add_up(n)) => {}
            _ = copy(from_server, &mut to_client, |n| open.add_down(n)) => {}
        }
        // What was sent before the end is not lost by it; where it can't be said, the drop says it.
        let _ = tokio::join!(to_client.shutdown(), to_server.shutdown());
    };
    tokio::select! {
        () = both => {}
        _ = alive.changed() => {}
    }
}

type Halves = (ReadHalf<TokioIo<Upgraded>>, WriteHalf<TokioIo<Upgraded>>);

fn halves(upgraded: Upgraded) -> Halves {
    split(TokioIo::new(upgraded))
}

async fn copy(
    mut from: impl AsyncRead + Unpin,
    to: &mut (impl AsyncWrite + Unpin),
    mut count: impl FnMut(usize),
) -> io::Result<()> {
    let mut chunk = vec![0; CHUNK];
    loop {
        let read = from.read(&mut chunk).await?;
        if read == 0 {
            return Ok(());
        }
        to.write_all(&chunk[..read]).await?;
        to.flush().await?;
        count(read);
    }
}

//! The way down: what the pod sends goes to the local side, and how it ended is found out.

use std::time::Duration;

use tokio::io::{AsyncWriteExt as _, DuplexStream, WriteHalf};
use tokio::net::tcp::OwnedReadHalf;
use tokio::time::timeout;

use super::super::pipe::Pipe;
use super::End;

/// How long the text of a refusal may come after the end that announces it.
const TEXT: Duration = Duration::from_millis(500);

/// Ends that are seen when all that came before has been written.
async fn end(pipe: &Pipe) -> Option<End> {
    let seen = pipe.seen();
    if seen.gone {
        return Some(End::Local);
    }
    if let Some(error) = seen.error
        && (seen.error_fin || seen.fin)
    {
        if !seen.error_fin {
            let _ = timeout(TEXT, pipe.news_down.notified()).await;
        }
        return Some(End::Refused(pipe.failure().unwrap_or(error).into()));
    }
    if seen.fin {
        if seen.error_fin || timeout(TEXT, pipe.news_down.notified()).await.is_err() {
            return Some(End::Pod);
        }
        return None;
    }
    if let Some(why) = seen.over {
        return Some(End::Lost(why));
    }
    pipe.news_down.notified().await;
    None
}

/// Writes what the reader of the connection could not write at once.
pub(super) async fn down_to_socket(pipe: &Pipe, read: &OwnedReadHalf) -> End {
    loop {
        if !pipe.flush() {
            return End::Local;
        }
        if pipe.seen().waiting {
            tokio::select! {
                _ = read.as_ref().writable() => {}
                () = pipe.abandoned() => return End::Local,
            }
            continue;
        }
        if let Some(end) = end(pipe).await {
            return end;
        }
    }
}

pub(super) async fn down_to_memory(pipe: &Pipe, write: &mut WriteHalf<DuplexStream>) -> End {
    loop {
        while let Some(bytes) = pipe.take() {
            if write.write_all(&bytes).await.is_err() {
                return End::Local;
            }
        }
        if let Some(end) = end(pipe).await {
            let _ = write.shutdown().await;
            return end;
        }
    }
}

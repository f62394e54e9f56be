//! CoreDNS in its pods: DNS over TCP, one message after two bytes of its length, answered in order.

use crate::demo::api::faults::{Failure, Scope};
use crate::demo::api::server::Shared;
use hickory_proto::op::{Message, OpCode, ResponseCode};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};

/// A connection without a question for so long is closed (CoreDNS: the server's idle time-out).
const IDLE: Duration = Duration::from_secs(10);

/// Serves one connection.
pub(super) async fn serve(mut stream: DuplexStream, shared: &Arc<Shared>) {
    while let Ok(Some(query)) = tokio::time::timeout(IDLE, question(&mut stream)).await {
        let Some(mut answer) = answer(shared, &query) else { break };
        let fault = shared.faults.strike(&Scope::of("ask", "dns"));
        match fault {
            Some(Failure::Silent) => continue,
            // The id is right, what follows makes no sense.
            Some(Failure::Garbage) => answer.iter_mut().skip(12).for_each(|byte| *byte = 0xff),
            _ => {}
        }
        let Ok(length) = u16::try_from(answer.len()) else { break };
        let mut framed = [&length.to_be_bytes()[..], &answer].concat();
        if let Some(Failure::BreakAfterBytes(count)) = fault {
            framed.truncate(count);
            let _ = stream.write_all(&framed).await;
            break;
        }
        if stream.write_all(&framed).await.is_err() {
            break;
        }
    }
    let _ = stream.shutdown().await;
}

async fn question(stream: &mut DuplexStream) -> Option<Vec<u8>> {
    let length = stream.read_u16().await.ok()?;
    let mut message = vec![0; usize::from(length)];
    stream.read_exact(&mut message).await.ok()?;
    Some(message)
}

/// The answer's bytes; `None` for what is not even a header.
fn answer(shared: &Arc<Shared>, query: &[u8]) -> Option<Vec<u8>> {
    if let Ok(query) = Message::from_vec(query) {
        return shared.world().resolve(&query).to_vec().ok();
    }
    let id = u16::from_be_bytes(*query.first_chunk()?);
    Message::error_msg(id, OpCode::Query, ResponseCode::FormErr).to_vec().ok()
}

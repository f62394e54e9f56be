//! The channel protocol: each message begins with the number of its channel.
//!
//! Port-forward: the i-th port has channel 2i for data both ways and 2i+1 for errors to the client; the first message
//! on each is the port's number, little-endian. One connection per port, made at once; no channel can be closed.

use super::forward::Destination;
use super::upgrade::Duplex;
use crate::demo::inside;
use bytes::{BufMut as _, Bytes, BytesMut};
use std::collections::HashMap;
use tokio::io::DuplexStream;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, ReadHalf, WriteHalf, split};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// A message on a channel.
pub(super) fn message(channel: u8, payload: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(payload.len() + 1);
    out.put_u8(channel);
    out.put_slice(payload);
    out.freeze()
}

/// Forwards ports until all their connections have ended or the client goes.
pub(super) async fn forward(duplex: Duplex, destination: &Destination, ports: &[u16]) {
    let Duplex { mut from, to } = duplex;
    let (mut writers, mut readers) = (HashMap::new(), JoinSet::new());
    for (number, port) in ports.iter().enumerate() {
        let Ok(data) = u8::try_from(number * 2) else { break };
        for channel in [data, data + 1] {
            if to.send(message(channel, &port.to_le_bytes())).await.is_err() {
                return;
            }
        }
        match inside::connect(&destination.shared, &destination.namespace, &destination.pod, *port) {
            Ok(stream) => {
                let (read, write) = split(stream);
                writers.insert(data, write);
                readers.spawn(pump(read, data, to.clone()));
            }
            Err(refused) => {
                let _ = to.send(message(data + 1, refused.0.as_bytes())).await;
            }
        }
    }
    drop(to);
    let upwards = async {
        while let Some(message) = from.recv().await {
            deliver(&mut writers, &message).await;
        }
    };
    let downwards = async { while readers.join_next().await.is_some() {} };
    tokio::select! {
        () = upwards => {}
        () = downwards => {}
    }
}

async fn deliver(writers: &mut HashMap<u8, WriteHalf<DuplexStream>>, message: &Bytes) {
    let Some((channel, payload)) = message.split_first() else { return };
    let failed = match writers.get_mut(channel) {
        Some(writer) => writer.write_all(payload).await.is_err(),
        None => false,
    };
    if failed {
        writers.remove(channel);
    }
}

/// Carries what a pod sends to its channel.
async fn pump(mut read: ReadHalf<DuplexStream>, channel: u8, to: mpsc::Sender<Bytes>) {
    let mut buffer = vec![0; 32 * 1024];
    while let Ok(count @ 1..) = read.read(&mut buffer).await {
        if to.send(message(channel, &buffer[..count])).await.is_err() {
            return;
        }
    }
}

//! Pure codecs: bytes in, frames out, and back.
//!
//! What it is: incremental decoders and encoders of the protocols that the program speaks. What it is not: it opens
//! no socket, waits for nothing and knows no Kubernetes object. Bytes come from the network and are trusted in
//! nothing: every decoder returns an error where they make no sense, and never holds more than a stated bound.

pub mod k8s;
pub mod spdy;
pub mod websocket;

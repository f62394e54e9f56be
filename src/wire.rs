//! Pure codecs: bytes to frames and back. No sockets, no async, no clocks; nothing else of ours.
//!
//! What comes in is hostile: every length is bounded, nothing panics, and an error is final for its connection.

pub mod spdy;

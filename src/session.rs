//! What stays open until it is stopped: port-forwards to pods, and the API proxy.
//!
//! What it is: listeners on loopback, the streams to pods behind them, and their true state. What it is not: it
//! watches nothing (endpoints are handed to it) and decides nothing about what is shown. Dropping a session stops
//! it. The runtime and the command line may use it; it uses `model` and `wire`.

pub mod forward;
pub mod profile;
pub mod proxy;
pub mod registry;
pub mod stream;

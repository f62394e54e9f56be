//! The API server: how to reach it, what it holds, and the store that keeps a picture of it.
//!
//! What it is: everything between a kubeconfig and a stream of snapshots. What it is not: it decides nothing about
//! what is shown and predicts nothing. The runtime and the command line may use it; it uses `model` and `wire`.
//!
//! The way of the data: [`kubeconfig`] reads what kubectl would read and yields a `Target`; [`client`] turns that
//! into connections; [`convert`] makes facts of the objects that come through them, and [`store`] folds those into
//! snapshots. [`objects`] reads a saved file into one. [`access`] asks what may be done before
//! it is done, [`exec`] runs a command in a container, and [`mod@write`] holds the few changes that are made on request.

pub mod access;
pub mod client;
pub mod convert;
pub mod error;
pub mod exec;
pub mod gather;
pub mod kubeconfig;
pub mod objects;
pub mod reader;
pub mod session;
pub mod slim;
pub mod store;
pub mod watch;
pub mod workload;
pub mod write;

pub use error::{ApiError, ApiErrorKind, Denied};

//! The API server of the demo: HTTP requests in, answers of the Kubernetes API out.
//!
//! What it is: routing, discovery, lists, watches, single objects, the few writes that the demo's controllers react
//! to, and rights. What it is not: it changes nothing by itself; what happens to pods is the world's business.
//! For the demo alone.

pub(super) mod body;
pub(super) mod discovery;
pub(super) mod faults;
pub(super) mod list;
mod protobuf;
pub(super) mod request;
pub(super) mod rights;
pub(super) mod server;
pub(super) mod status;
pub(super) mod table;
pub(super) mod watch;
pub(super) mod write;

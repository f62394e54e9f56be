//! The cluster's own DNS, asked live: questions over any byte stream, pipelined, with deadlines and a trace.
//!
//! What it is: DNS over TCP as CoreDNS speaks it ([`transport`]), and live look-ups over it ([`resolver`]; the walk of
//! a search list is `model::dns::search`'s). What it is not: it opens no connection to a pod (who calls it brings the
//! stream) and it predicts nothing. The runtime and the command line may use it; it uses `model` and `wire`.

pub mod laptop;
pub mod message;
pub mod resolver;
pub mod transport;

pub use message::Asked;
pub use resolver::{Connect, Place, Resolver, Whom};
pub use transport::{Connection, Trouble};

//! How the API server writes lists and watches, in protobuf and in JSON: decoders that take bytes as they arrive.
//!
//! What it is: framing. A list of ten thousand pods never stands in memory as a whole: each item is handed on as
//! soon as its last byte is there. What it is not: it knows no object; what is in an item is for others to decode.
//! The `cluster` layer uses it, tests and fuzzing may.
//!
//! Sources: Kubernetes docs "Kubernetes API Concepts" (protobuf encoding, watches); apimachinery
//! `pkg/runtime/generated.proto` (`Unknown`), `pkg/apis/meta/v1/generated.proto` (`ListMeta`, `WatchEvent`,
//! `Status`), `pkg/util/framer`.

mod gunzip;
mod json;
mod list;
mod proto;
mod status;
#[cfg(test)]
mod tests;
mod watch;

pub use gunzip::Gunzip;
pub use json::{JsonList, JsonWatch};
pub use list::ProtoList;
pub use proto::{Envelope, unwrap};
pub use status::Status;
pub use watch::ProtoWatch;

/// No item and no event may be larger. etcd refuses objects above some 1.5 MiB, an aggregated API may not.
pub const MAX_OBJECT: usize = 64 << 20;

/// No other part of a message that has to be kept may be larger.
const MAX_META: usize = 1 << 20;

/// Media type of protobuf.
pub const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";

/// Why bytes are no Kubernetes message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// The four bytes that begin every protobuf message of Kubernetes are missing.
    #[error("the answer does not begin as Kubernetes protobuf does")]
    Magic,
    /// The bytes contradict the encoding.
    #[error("the answer is malformed: {0}")]
    Malformed(&'static str),
    /// Something is larger than it may be.
    #[error("{0} is larger than {1} bytes")]
    TooLarge(&'static str, usize),
    /// The body ended in the middle.
    #[error("the answer ends in the middle")]
    Truncated,
}

/// What a list says about itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListMeta {
    /// Version of the list: where a watch goes on.
    pub resource_version: String,
    /// Token of the next page; empty on the last one.
    pub continue_token: String,
    /// Items on the pages that follow, if the server says so.
    pub remaining: Option<i64>,
}

/// What happened to an object of a watch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventType {
    /// It is new, or new to this watch.
    Added,
    /// It has changed.
    Modified,
    /// It is gone; the object is its last state.
    Deleted,
    /// Nothing happened up to the version that the object carries.
    Bookmark,
    /// The watch has failed; the object is a [`Status`].
    Error,
    /// A word that this program does not know.
    Other,
}

impl From<&[u8]> for EventType {
    fn from(word: &[u8]) -> Self {
        match word {
            b"ADDED" => Self::Added,
            b"MODIFIED" => Self::Modified,
            b"DELETED" => Self::Deleted,
            b"BOOKMARK" => Self::Bookmark,
            b"ERROR" => Self::Error,
            _ => Self::Other,
        }
    }
}

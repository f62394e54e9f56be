//! The API's objects, cut down to the fields that something reads: one definition for both encodings.
//!
//! What it is: a message per object, with the field numbers of Kubernetes' protobuf (the `generated.proto` files of
//! `k8s.io/api` and `k8s.io/apimachinery`, 1.35) and the field names of its JSON. What is not listed is skipped
//! while decoding, which is most of the bytes. What it is not: the facts; [`convert`](super::convert) makes those,
//! and it alone should look in here.
//!
//! In protobuf a field that is absent and one that has its default are the same, except where the API has a pointer:
//! those are `Option`s here. In JSON, whatever cannot be a field's value (`null`, another type) counts as absent
//! ([`loose`]): one odd field never loses an object.

#![expect(missing_docs, reason = "the fields are the API's own, named as it names them and documented there")]

pub mod config;
pub mod loose;
pub mod meta;
pub mod pod;
pub mod policy;
pub mod service;
pub mod slice;

pub use config::{ConfigMap, Namespace, Node, Secret};
pub use meta::{Bookmark, Unknown};
pub use pod::Pod;
pub use policy::NetworkPolicy;
pub use service::Service;
pub use slice::EndpointSlice;

/// Defines a message once for both encodings: each field with its type, its JSON name and its protobuf attributes.
macro_rules! message {
    ($(#[$doc:meta])* $type:ident {
        $($(#[$note:meta])* $field:ident: $of:ty => $name:literal ($($proto:tt)*),)*
    }) => {
        #[derive(Clone, PartialEq, ::prost::Message)]
        $(#[$doc])*
        pub struct $type {
            $($(#[$note])* #[prost($($proto)*)] pub $field: $of,)*
        }

        impl $crate::cluster::slim::loose::Loose for $type {
            fn from_map<'de, A: ::serde::de::MapAccess<'de>>(mut map: A) -> Result<Option<Self>, A::Error> {
                const NAMES: &[&str] = &[$($name),*];
                let mut message = Self::default();
                while let Some(position) = map.next_key_seed($crate::cluster::slim::loose::Position(NAMES))? {
                    // The position of each field in `NAMES` is a constant, so this becomes a jump.
                    let mut at = 0..;
                    $(if position == at.next() {
                        message.$field = $crate::cluster::slim::loose::value(&mut map)?;
                        continue;
                    })*
                    map.next_value::<::serde::de::IgnoredAny>()?;
                }
                Ok(Some(message))
            }
        }

        impl<'de> ::serde::Deserialize<'de> for $type {
            fn deserialize<D: ::serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                $crate::cluster::slim::loose::read(deserializer)
            }
        }
    };
}
use message;

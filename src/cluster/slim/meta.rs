//! What all objects share: metadata, and the API's own scalar types.

use std::collections::BTreeMap;

use serde::de::MapAccess;

use super::loose::{Loose, Tree};
use super::message;
use crate::model::time::Timestamp;

message! {
    /// `metav1.ObjectMeta`, as far as every kind needs it.
    ObjectMeta {
        name: String => "name" (string, tag = "1"),
        namespace: String => "namespace" (string, tag = "3"),
        uid: String => "uid" (string, tag = "5"),
        resource_version: String => "resourceVersion" (string, tag = "6"),
        creation_timestamp: Option<Time> => "creationTimestamp" (message, optional, tag = "8"),
        deletion_timestamp: Option<Time> => "deletionTimestamp" (message, optional, tag = "9"),
        labels: BTreeMap<String, String> => "labels" (btree_map = "string, string", tag = "11"),
    }
}

message! {
    /// `metav1.ObjectMeta` with the field managers, which only Services need.
    ServiceMeta {
        name: String => "name" (string, tag = "1"),
        namespace: String => "namespace" (string, tag = "3"),
        uid: String => "uid" (string, tag = "5"),
        resource_version: String => "resourceVersion" (string, tag = "6"),
        creation_timestamp: Option<Time> => "creationTimestamp" (message, optional, tag = "8"),
        deletion_timestamp: Option<Time> => "deletionTimestamp" (message, optional, tag = "9"),
        labels: BTreeMap<String, String> => "labels" (btree_map = "string, string", tag = "11"),
        annotations: BTreeMap<String, String> => "annotations" (btree_map = "string, string", tag = "12"),
        managed_fields: Vec<ManagedFieldsEntry> => "managedFields" (message, repeated, tag = "17"),
    }
}

message! {
    /// `metav1.ObjectMeta` with annotations and owners, which only Pods need.
    PodMeta {
        name: String => "name" (string, tag = "1"),
        namespace: String => "namespace" (string, tag = "3"),
        uid: String => "uid" (string, tag = "5"),
        resource_version: String => "resourceVersion" (string, tag = "6"),
        creation_timestamp: Option<Time> => "creationTimestamp" (message, optional, tag = "8"),
        deletion_timestamp: Option<Time> => "deletionTimestamp" (message, optional, tag = "9"),
        labels: BTreeMap<String, String> => "labels" (btree_map = "string, string", tag = "11"),
        annotations: BTreeMap<String, String> => "annotations" (btree_map = "string, string", tag = "12"),
        owner_references: Vec<OwnerReference> => "ownerReferences" (message, repeated, tag = "13"),
    }
}

message! {
    /// `metav1.OwnerReference`.
    OwnerReference {
        kind: String => "kind" (string, tag = "1"),
        name: String => "name" (string, tag = "3"),
        controller: Option<bool> => "controller" (bool, optional, tag = "6"),
    }
}

message! {
    /// `metav1.ManagedFieldsEntry`.
    ManagedFieldsEntry {
        manager: String => "manager" (string, tag = "1"),
        time: Option<Time> => "time" (message, optional, tag = "4"),
        fields: Option<FieldsV1> => "fieldsV1" (message, optional, tag = "7"),
        subresource: String => "subresource" (string, tag = "8"),
    }
}

/// `metav1.FieldsV1`: a tree of field names, in JSON in either encoding.
#[derive(Clone, PartialEq, prost::Message)]
pub struct FieldsV1 {
    #[prost(bytes = "vec", tag = "1")]
    pub raw: Vec<u8>,
}

impl Loose for FieldsV1 {
    fn from_map<'de, A: MapAccess<'de>>(map: A) -> Result<Option<Self>, A::Error> {
        let tree = Tree::from_map(map)?.unwrap_or_default().0;
        Ok(Some(Self { raw: tree.to_string().into_bytes() }))
    }
}

/// `metav1.Time` and `metav1.MicroTime`. JSON writes RFC 3339.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct Time {
    #[prost(int64, tag = "1")]
    pub seconds: i64,
    #[prost(int32, tag = "2")]
    pub nanos: i32,
}

impl Time {
    /// The moment, if it is one. The API writes an unset time as an empty message, which reads as the epoch.
    pub fn timestamp(self) -> Option<Timestamp> {
        if self == Self::default() {
            return None;
        }
        Timestamp::new(self.seconds, self.nanos).ok()
    }
}

impl From<Timestamp> for Time {
    fn from(timestamp: Timestamp) -> Self {
        Self { seconds: timestamp.as_second(), nanos: timestamp.subsec_nanosecond() }
    }
}

impl Loose for Time {
    fn from_text(text: &str) -> Option<Self> {
        text.parse::<Timestamp>().ok().map(Self::from)
    }
}

/// `intstr.IntOrString`. JSON writes a number or a string.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct IntOrString {
    /// 0: a number, 1: a string.
    #[prost(int64, tag = "1")]
    pub kind: i64,
    #[prost(int32, tag = "2")]
    pub number: i32,
    #[prost(string, tag = "3")]
    pub text: String,
}

impl Loose for IntOrString {
    fn from_text(text: &str) -> Option<Self> {
        Some(Self { kind: 1, number: 0, text: text.to_owned() })
    }

    fn from_number(number: i64) -> Option<Self> {
        i32::from_number(number).map(|number| Self { kind: 0, number, text: String::new() })
    }
}

/// `resource.Quantity`. JSON writes a string, or a number in hand-written files.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Quantity {
    #[prost(string, tag = "1")]
    pub text: String,
}

impl Loose for Quantity {
    fn from_text(text: &str) -> Option<Self> {
        Some(Self { text: text.to_owned() })
    }

    fn from_number(number: i64) -> Option<Self> {
        Some(Self { text: number.to_string() })
    }
}

message! {
    /// An object of any kind as a BOOKMARK event carries it.
    Bookmark {
        metadata: Option<BookmarkMeta> => "metadata" (message, optional, tag = "1"),
    }
}

message! {
    /// `metav1.ObjectMeta` of a bookmark.
    BookmarkMeta {
        resource_version: String => "resourceVersion" (string, tag = "6"),
        annotations: BTreeMap<String, String> => "annotations" (btree_map = "string, string", tag = "12"),
    }
}

/// `runtime.Unknown`: the envelope around an object in protobuf, after the four bytes `k8s\0`.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Unknown {
    #[prost(bytes = "bytes", tag = "2")]
    pub raw: prost::bytes::Bytes,
}

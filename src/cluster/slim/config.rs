//! core/v1 ConfigMap, Secret, Namespace and Node.

use std::collections::BTreeMap;
use std::fmt;

use super::message;
use super::meta::{ObjectMeta, Quantity, Time};

message! {
    /// core/v1 ConfigMap.
    ConfigMap {
        metadata: Option<ObjectMeta> => "metadata" (message, optional, tag = "1"),
        data: BTreeMap<String, String> => "data" (btree_map = "string, string", tag = "2"),
        binary_data: BTreeMap<String, Vec<u8>> => "binaryData" (btree_map = "string, bytes", tag = "3"),
    }
}

message! {
    /// core/v1 Secret. Its `Debug` keeps the values to itself.
    #[prost(skip_debug)]
    Secret {
        metadata: Option<ObjectMeta> => "metadata" (message, optional, tag = "1"),
        data: BTreeMap<String, Vec<u8>> => "data" (btree_map = "string, bytes", tag = "2"),
        /// Never read from an API server, but found in hand-written files.
        string_data: BTreeMap<String, String> => "stringData" (btree_map = "string, string", tag = "4"),
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secret").field("metadata", &self.metadata).finish_non_exhaustive()
    }
}

message! {
    /// core/v1 Namespace.
    Namespace {
        metadata: Option<ObjectMeta> => "metadata" (message, optional, tag = "1"),
        status: Option<NamespaceStatus> => "status" (message, optional, tag = "3"),
    }
}

message! {
    /// core/v1 `NamespaceStatus`.
    NamespaceStatus {
        phase: String => "phase" (string, tag = "1"),
    }
}

message! {
    /// core/v1 Node.
    Node {
        metadata: Option<ObjectMeta> => "metadata" (message, optional, tag = "1"),
        status: Option<NodeStatus> => "status" (message, optional, tag = "3"),
    }
}

message! {
    /// core/v1 `NodeStatus`.
    NodeStatus {
        allocatable: BTreeMap<String, Quantity> => "allocatable" (btree_map = "string, message", tag = "2"),
        conditions: Vec<NodeCondition> => "conditions" (message, repeated, tag = "4"),
    }
}

message! {
    /// core/v1 `NodeCondition`: its times only.
    NodeCondition {
        last_heartbeat_time: Option<Time> => "lastHeartbeatTime" (message, optional, tag = "3"),
        last_transition_time: Option<Time> => "lastTransitionTime" (message, optional, tag = "4"),
    }
}

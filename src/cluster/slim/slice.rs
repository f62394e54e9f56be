//! discovery/v1 EndpointSlice.

use super::message;
use super::meta::ObjectMeta;

message! {
    /// discovery/v1 EndpointSlice.
    EndpointSlice {
        metadata: Option<ObjectMeta> => "metadata" (message, optional, tag = "1"),
        endpoints: Vec<Endpoint> => "endpoints" (message, repeated, tag = "2"),
        ports: Vec<EndpointPort> => "ports" (message, repeated, tag = "3"),
        address_type: String => "addressType" (string, tag = "4"),
    }
}

message! {
    /// discovery/v1 Endpoint.
    Endpoint {
        addresses: Vec<String> => "addresses" (string, repeated, tag = "1"),
        conditions: Option<EndpointConditions> => "conditions" (message, optional, tag = "2"),
        hostname: Option<String> => "hostname" (string, optional, tag = "3"),
        target_ref: Option<ObjectReference> => "targetRef" (message, optional, tag = "4"),
        node_name: Option<String> => "nodeName" (string, optional, tag = "6"),
        zone: Option<String> => "zone" (string, optional, tag = "7"),
        hints: Option<EndpointHints> => "hints" (message, optional, tag = "8"),
    }
}

message! {
    /// discovery/v1 `EndpointConditions`. Pointers in the API: absent is not false.
    EndpointConditions {
        ready: Option<bool> => "ready" (bool, optional, tag = "1"),
        serving: Option<bool> => "serving" (bool, optional, tag = "2"),
        terminating: Option<bool> => "terminating" (bool, optional, tag = "3"),
    }
}

message! {
    /// discovery/v1 `EndpointHints`.
    EndpointHints {
        for_zones: Vec<Named> => "forZones" (message, repeated, tag = "1"),
        for_nodes: Vec<Named> => "forNodes" (message, repeated, tag = "2"),
    }
}

message! {
    /// discovery/v1 `ForZone` and `ForNode`.
    Named {
        name: String => "name" (string, tag = "1"),
    }
}

message! {
    /// discovery/v1 `EndpointPort`.
    EndpointPort {
        name: String => "name" (string, tag = "1"),
        protocol: String => "protocol" (string, tag = "2"),
        port: Option<i32> => "port" (int32, optional, tag = "3"),
    }
}

message! {
    /// core/v1 `ObjectReference`.
    ObjectReference {
        kind: String => "kind" (string, tag = "1"),
        namespace: String => "namespace" (string, tag = "2"),
        name: String => "name" (string, tag = "3"),
    }
}

//! networking.k8s.io/v1 NetworkPolicy: the part about traffic that leaves pods.

use std::collections::BTreeMap;

use super::message;
use super::meta::{IntOrString, ObjectMeta};

message! {
    /// networking/v1 NetworkPolicy.
    NetworkPolicy {
        metadata: Option<ObjectMeta> => "metadata" (message, optional, tag = "1"),
        spec: Option<NetworkPolicySpec> => "spec" (message, optional, tag = "2"),
    }
}

message! {
    /// networking/v1 `NetworkPolicySpec`.
    NetworkPolicySpec {
        pod_selector: Option<LabelSelector> => "podSelector" (message, optional, tag = "1"),
        egress: Vec<EgressRule> => "egress" (message, repeated, tag = "3"),
        policy_types: Vec<String> => "policyTypes" (string, repeated, tag = "4"),
    }
}

message! {
    /// networking/v1 `NetworkPolicyEgressRule`.
    EgressRule {
        ports: Vec<PolicyPort> => "ports" (message, repeated, tag = "1"),
        to: Vec<Peer> => "to" (message, repeated, tag = "2"),
    }
}

message! {
    /// networking/v1 `NetworkPolicyPort`.
    PolicyPort {
        protocol: String => "protocol" (string, tag = "1"),
        port: Option<IntOrString> => "port" (message, optional, tag = "2"),
        end_port: Option<i32> => "endPort" (int32, optional, tag = "3"),
    }
}

message! {
    /// networking/v1 `NetworkPolicyPeer`.
    Peer {
        pod_selector: Option<LabelSelector> => "podSelector" (message, optional, tag = "1"),
        namespace_selector: Option<LabelSelector> => "namespaceSelector" (message, optional, tag = "2"),
        ip_block: Option<IpBlock> => "ipBlock" (message, optional, tag = "3"),
    }
}

message! {
    /// networking/v1 `IPBlock`.
    IpBlock {
        cidr: String => "cidr" (string, tag = "1"),
        except: Vec<String> => "except" (string, repeated, tag = "2"),
    }
}

message! {
    /// meta/v1 `LabelSelector`.
    LabelSelector {
        match_labels: BTreeMap<String, String> => "matchLabels" (btree_map = "string, string", tag = "1"),
        match_expressions: Vec<Requirement> => "matchExpressions" (message, repeated, tag = "2"),
    }
}

message! {
    /// meta/v1 `LabelSelectorRequirement`.
    Requirement {
        key: String => "key" (string, tag = "1"),
        operator: String => "operator" (string, tag = "2"),
        values: Vec<String> => "values" (string, repeated, tag = "3"),
    }
}

//! core/v1 Service.

use std::collections::BTreeMap;

use super::message;
use super::meta::{IntOrString, ServiceMeta};

message! {
    /// core/v1 Service.
    Service {
        metadata: Option<ServiceMeta> => "metadata" (message, optional, tag = "1"),
        spec: Option<ServiceSpec> => "spec" (message, optional, tag = "2"),
        status: Option<ServiceStatus> => "status" (message, optional, tag = "3"),
    }
}

message! {
    /// core/v1 `ServiceSpec`.
    ServiceSpec {
        ports: Vec<ServicePort> => "ports" (message, repeated, tag = "1"),
        selector: BTreeMap<String, String> => "selector" (btree_map = "string, string", tag = "2"),
        cluster_ip: String => "clusterIP" (string, tag = "3"),
        kind: String => "type" (string, tag = "4"),
        external_ips: Vec<String> => "externalIPs" (string, repeated, tag = "5"),
        external_name: String => "externalName" (string, tag = "10"),
        external_traffic_policy: String => "externalTrafficPolicy" (string, tag = "11"),
        publish_not_ready_addresses: bool => "publishNotReadyAddresses" (bool, tag = "13"),
        cluster_ips: Vec<String> => "clusterIPs" (string, repeated, tag = "18"),
        internal_traffic_policy: String => "internalTrafficPolicy" (string, tag = "22"),
    }
}

message! {
    /// core/v1 `ServicePort`.
    ServicePort {
        name: String => "name" (string, tag = "1"),
        protocol: String => "protocol" (string, tag = "2"),
        port: i32 => "port" (int32, tag = "3"),
        target_port: Option<IntOrString> => "targetPort" (message, optional, tag = "4"),
        node_port: i32 => "nodePort" (int32, tag = "5"),
        app_protocol: String => "appProtocol" (string, tag = "6"),
    }
}

message! {
    /// core/v1 `ServiceStatus`.
    ServiceStatus {
        load_balancer: Option<LoadBalancerStatus> => "loadBalancer" (message, optional, tag = "1"),
    }
}

message! {
    /// core/v1 `LoadBalancerStatus`.
    LoadBalancerStatus {
        ingress: Vec<LoadBalancerIngress> => "ingress" (message, repeated, tag = "1"),
    }
}

message! {
    /// core/v1 `LoadBalancerIngress`.
    LoadBalancerIngress {
        ip: String => "ip" (string, tag = "1"),
        hostname: String => "hostname" (string, tag = "2"),
    }
}

//! core/v1 Pod.

use std::collections::BTreeMap;

use serde::de::MapAccess;

use super::loose::Loose;
use super::message;
use super::meta::{PodMeta, Quantity, Time};

message! {
    /// core/v1 Pod.
    Pod {
        metadata: Option<PodMeta> => "metadata" (message, optional, tag = "1"),
        spec: Option<PodSpec> => "spec" (message, optional, tag = "2"),
        status: Option<PodStatus> => "status" (message, optional, tag = "3"),
    }
}

message! {
    /// core/v1 `PodSpec`.
    PodSpec {
        containers: Vec<Container> => "containers" (message, repeated, tag = "2"),
        dns_policy: String => "dnsPolicy" (string, tag = "6"),
        service_account_name: String => "serviceAccountName" (string, tag = "8"),
        service_account: String => "serviceAccount" (string, tag = "9"),
        node_name: String => "nodeName" (string, tag = "10"),
        host_network: bool => "hostNetwork" (bool, tag = "11"),
        hostname: String => "hostname" (string, tag = "16"),
        subdomain: String => "subdomain" (string, tag = "17"),
        init_containers: Vec<Container> => "initContainers" (message, repeated, tag = "20"),
        host_aliases: Vec<HostAlias> => "hostAliases" (message, repeated, tag = "23"),
        dns_config: Option<PodDnsConfig> => "dnsConfig" (message, optional, tag = "26"),
        enable_service_links: Option<bool> => "enableServiceLinks" (bool, optional, tag = "30"),
        ephemeral_containers: Vec<EphemeralContainer> => "ephemeralContainers" (message, repeated, tag = "34"),
        set_hostname_as_fqdn: Option<bool> => "setHostnameAsFQDN" (bool, optional, tag = "35"),
        hostname_override: Option<String> => "hostnameOverride" (string, optional, tag = "41"),
    }
}

message! {
    /// core/v1 `HostAlias`.
    HostAlias {
        ip: String => "ip" (string, tag = "1"),
        hostnames: Vec<String> => "hostnames" (string, repeated, tag = "2"),
    }
}

message! {
    /// core/v1 `PodDNSConfig`.
    PodDnsConfig {
        nameservers: Vec<String> => "nameservers" (string, repeated, tag = "1"),
        searches: Vec<String> => "searches" (string, repeated, tag = "2"),
        options: Vec<PodDnsConfigOption> => "options" (message, repeated, tag = "3"),
    }
}

message! {
    /// core/v1 `PodDNSConfigOption`.
    PodDnsConfigOption {
        name: String => "name" (string, tag = "1"),
        value: Option<String> => "value" (string, optional, tag = "2"),
    }
}

message! {
    /// core/v1 Container; `EphemeralContainerCommon` has the same fields under the same numbers.
    Container {
        name: String => "name" (string, tag = "1"),
        image: String => "image" (string, tag = "2"),
        ports: Vec<ContainerPort> => "ports" (message, repeated, tag = "6"),
        env: Vec<EnvVar> => "env" (message, repeated, tag = "7"),
        resources: Option<ResourceRequirements> => "resources" (message, optional, tag = "8"),
        tty: bool => "tty" (bool, tag = "18"),
        env_from: Vec<EnvFromSource> => "envFrom" (message, repeated, tag = "19"),
        restart_policy: Option<String> => "restartPolicy" (string, optional, tag = "24"),
    }
}

/// core/v1 `EphemeralContainer`. Protobuf nests the common part, JSON has its fields inline.
#[derive(Clone, PartialEq, prost::Message)]
pub struct EphemeralContainer {
    #[prost(message, optional, tag = "1")]
    pub common: Option<Container>,
}

impl Loose for EphemeralContainer {
    fn from_map<'de, A: MapAccess<'de>>(map: A) -> Result<Option<Self>, A::Error> {
        Ok(Some(Self { common: Container::from_map(map)? }))
    }
}

message! {
    /// core/v1 `ContainerPort`.
    ContainerPort {
        name: String => "name" (string, tag = "1"),
        container_port: i32 => "containerPort" (int32, tag = "3"),
        protocol: String => "protocol" (string, tag = "4"),
    }
}

message! {
    /// core/v1 `ResourceRequirements`.
    ResourceRequirements {
        limits: BTreeMap<String, Quantity> => "limits" (btree_map = "string, message", tag = "1"),
        requests: BTreeMap<String, Quantity> => "requests" (btree_map = "string, message", tag = "2"),
    }
}

message! {
    /// core/v1 `EnvVar`.
    EnvVar {
        name: String => "name" (string, tag = "1"),
        value: String => "value" (string, tag = "2"),
        value_from: Option<EnvVarSource> => "valueFrom" (message, optional, tag = "3"),
    }
}

message! {
    /// core/v1 `EnvVarSource`.
    EnvVarSource {
        field_ref: Option<ObjectFieldSelector> => "fieldRef" (message, optional, tag = "1"),
        resource_field_ref: Option<ResourceFieldSelector> => "resourceFieldRef" (message, optional, tag = "2"),
        config_map_key_ref: Option<KeySelector> => "configMapKeyRef" (message, optional, tag = "3"),
        secret_key_ref: Option<KeySelector> => "secretKeyRef" (message, optional, tag = "4"),
        file_key_ref: Option<FileKeySelector> => "fileKeyRef" (message, optional, tag = "5"),
    }
}

message! {
    /// core/v1 `ObjectFieldSelector`.
    ObjectFieldSelector {
        field_path: String => "fieldPath" (string, tag = "2"),
    }
}

message! {
    /// core/v1 `ResourceFieldSelector`.
    ResourceFieldSelector {
        container_name: String => "containerName" (string, tag = "1"),
        resource: String => "resource" (string, tag = "2"),
        divisor: Option<Quantity> => "divisor" (message, optional, tag = "3"),
    }
}

message! {
    /// core/v1 `ConfigMapKeySelector` and `SecretKeySelector`.
    KeySelector {
        object: Option<LocalObjectReference> => "name" (message, optional, tag = "1"),
        key: String => "key" (string, tag = "2"),
        optional: Option<bool> => "optional" (bool, optional, tag = "3"),
    }
}

message! {
    /// core/v1 `FileKeySelector`.
    FileKeySelector {
        path: String => "path" (string, tag = "2"),
        key: String => "key" (string, tag = "3"),
        optional: Option<bool> => "optional" (bool, optional, tag = "4"),
    }
}

message! {
    /// core/v1 `EnvFromSource`.
    EnvFromSource {
        prefix: String => "prefix" (string, tag = "1"),
        config_map_ref: Option<EnvSource> => "configMapRef" (message, optional, tag = "2"),
        secret_ref: Option<EnvSource> => "secretRef" (message, optional, tag = "3"),
    }
}

message! {
    /// core/v1 `ConfigMapEnvSource` and `SecretEnvSource`.
    EnvSource {
        object: Option<LocalObjectReference> => "name" (message, optional, tag = "1"),
        optional: Option<bool> => "optional" (bool, optional, tag = "2"),
    }
}

/// core/v1 `LocalObjectReference`. Protobuf nests it, JSON has its `name` inline in the object around.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct LocalObjectReference {
    #[prost(string, tag = "1")]
    pub name: String,
}

impl Loose for LocalObjectReference {
    fn from_text(text: &str) -> Option<Self> {
        Some(Self { name: text.to_owned() })
    }

    fn from_number(number: i64) -> Option<Self> {
        Some(Self { name: number.to_string() })
    }
}

message! {
    /// core/v1 `PodStatus`.
    PodStatus {
        phase: String => "phase" (string, tag = "1"),
        conditions: Vec<PodCondition> => "conditions" (message, repeated, tag = "2"),
        reason: String => "reason" (string, tag = "4"),
        host_ip: String => "hostIP" (string, tag = "5"),
        pod_ip: String => "podIP" (string, tag = "6"),
        container_statuses: Vec<ContainerStatus> => "containerStatuses" (message, repeated, tag = "8"),
        init_container_statuses: Vec<ContainerStatus> => "initContainerStatuses" (message, repeated, tag = "10"),
        pod_ips: Vec<Address> => "podIPs" (message, repeated, tag = "12"),
        ephemeral_container_statuses: Vec<ContainerStatus> =>
            "ephemeralContainerStatuses" (message, repeated, tag = "13"),
        host_ips: Vec<Address> => "hostIPs" (message, repeated, tag = "16"),
    }
}

message! {
    /// core/v1 `PodIP` and `HostIP`.
    Address {
        ip: String => "ip" (string, tag = "1"),
    }
}

message! {
    /// core/v1 `PodCondition`.
    PodCondition {
        kind: String => "type" (string, tag = "1"),
        status: String => "status" (string, tag = "2"),
        last_transition_time: Option<Time> => "lastTransitionTime" (message, optional, tag = "4"),
        reason: String => "reason" (string, tag = "5"),
        message: String => "message" (string, tag = "6"),
    }
}

message! {
    /// core/v1 `ContainerStatus`.
    ContainerStatus {
        name: String => "name" (string, tag = "1"),
        state: Option<ContainerState> => "state" (message, optional, tag = "2"),
        last_state: Option<ContainerState> => "lastState" (message, optional, tag = "3"),
        ready: bool => "ready" (bool, tag = "4"),
        restart_count: i32 => "restartCount" (int32, tag = "5"),
        started: Option<bool> => "started" (bool, optional, tag = "9"),
    }
}

message! {
    /// core/v1 `ContainerState`.
    ContainerState {
        waiting: Option<ContainerStateWaiting> => "waiting" (message, optional, tag = "1"),
        running: Option<ContainerStateRunning> => "running" (message, optional, tag = "2"),
        terminated: Option<ContainerStateTerminated> => "terminated" (message, optional, tag = "3"),
    }
}

message! {
    /// core/v1 `ContainerStateWaiting`.
    ContainerStateWaiting {
        reason: String => "reason" (string, tag = "1"),
    }
}

message! {
    /// core/v1 `ContainerStateRunning`.
    ContainerStateRunning {
        started_at: Option<Time> => "startedAt" (message, optional, tag = "1"),
    }
}

message! {
    /// core/v1 `ContainerStateTerminated`.
    ContainerStateTerminated {
        exit_code: i32 => "exitCode" (int32, tag = "1"),
        signal: i32 => "signal" (int32, tag = "2"),
        reason: String => "reason" (string, tag = "3"),
        started_at: Option<Time> => "startedAt" (message, optional, tag = "5"),
        finished_at: Option<Time> => "finishedAt" (message, optional, tag = "6"),
    }
}

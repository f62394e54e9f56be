//! Pods.

use std::sync::Arc;

use super::service::pairs;
use super::{Converter, timestamp};
use crate::cluster::slim::meta::PodMeta;
use crate::cluster::slim::pod as slim;
use crate::model::pod::{
    Condition, Container, ContainerPort, ContainerRole, ContainerState, ContainerStatus, DnsConfig, EnvFrom,
    EnvValue, EnvVar, KeyRef, Owner, PodSpec,
};
use crate::model::{Labels, Pod, Text, service::Protocol};

/// Where a pod came from; other than `api`, it is a static pod of the kubelet's.
const CONFIG_SOURCE: &str = "kubernetes.io/config.source";

impl Converter {
    /// A Pod; `None` when it has no name.
    pub fn pod(&mut self, slim: &slim::Pod) -> Option<Arc<Pod>> {
        let meta = slim.metadata.as_ref()?;
        let key = self.key(&meta.namespace, &meta.name)?;
        let (no_spec, no_status) = (slim::PodSpec::default(), slim::PodStatus::default());
        let spec = slim.spec.as_ref().unwrap_or(&no_spec);
        let status = slim.status.as_ref().unwrap_or(&no_status);
        let template = self.spec(spec);
        let statuses = [
            &status.init_container_statuses,
            &status.container_statuses,
            &status.ephemeral_container_statuses,
        ];
        Some(Arc::new(Pod {
            key,
            uid: meta.uid.as_str().into(),
            created: timestamp(meta.creation_timestamp),
            deleting: timestamp(meta.deletion_timestamp),
            labels: self.intern.labels(pairs(&meta.labels)),
            annotations: self.annotations(meta, &template),
            owner: meta.owner_references.iter().find(|owner| owner.controller == Some(true)).map(|owner| {
                Owner { kind: self.intern.text(&owner.kind), name: self.intern.text(&owner.name) }
            }),
            spec: self.intern.spec(template),
            node: self.intern.text(&spec.node_name),
            hostname: self.intern.some(&spec.hostname),
            phase: self.intern.text(&status.phase),
            reason: self.intern.text(&status.reason),
            ips: self.addresses(&status.pod_ips, &status.pod_ip),
            host_ips: self.addresses(&status.host_ips, &status.host_ip),
            conditions: status
                .conditions
                .iter()
                .filter(|condition| condition.status != "True" || condition.kind == "Ready")
                .map(|condition| self.condition(condition))
                .collect(),
            statuses: statuses.into_iter().flatten().map(|status| self.status(status)).collect(),
        }))
    }

    /// Only the annotations that something reads.
    fn annotations(&mut self, meta: &PodMeta, spec: &PodSpec) -> Labels {
        let named = |key: &str| {
            spec.containers.iter().flat_map(|container| &container.env).any(|env| match &env.value {
                EnvValue::Field(path) => annotation_of(path) == Some(key),
                _ => false,
            })
        };
        let read = pairs(&meta.annotations).filter(|(key, _)| *key == CONFIG_SOURCE || named(key));
        self.intern.labels(read)
    }

    /// All addresses, or the one from before there were several.
    fn addresses(&mut self, all: &[slim::Address], one: &str) -> Box<[Text]> {
        let one = all.iter().all(|address| address.ip.is_empty()).then_some(one);
        let all = all.iter().map(|address| address.ip.as_str()).chain(one);
        self.texts(all.filter(|ip| !ip.is_empty()))
    }

    fn condition(&mut self, slim: &slim::PodCondition) -> Condition {
        Condition {
            kind: self.intern.text(&slim.kind),
            status: slim.status == "True",
            reason: self.intern.text(&slim.reason),
            message: self.intern.text(&slim.message),
            since: timestamp(slim.last_transition_time),
        }
    }

    fn status(&mut self, slim: &slim::ContainerStatus) -> ContainerStatus {
        let last = slim.last_state.as_ref().and_then(|state| state.terminated.as_ref());
        ContainerStatus {
            name: self.intern.text(&slim.name),
            ready: slim.ready,
            started: slim.started == Some(true),
            restarts: slim.restart_count,
            state: self.state(slim.state.as_ref()),
            last_finished: last.and_then(|last| timestamp(last.finished_at)),
            last_reason: self.intern.text(last.map_or("", |last| &last.reason)),
        }
    }

    /// core/v1 `ContainerState`: a state that says nothing is "waiting".
    fn state(&mut self, slim: Option<&slim::ContainerState>) -> ContainerState {
        if let Some(running) = slim.and_then(|state| state.running.as_ref()) {
            return ContainerState::Running(timestamp(running.started_at));
        }
        if let Some(ended) = slim.and_then(|state| state.terminated.as_ref()) {
            return ContainerState::Terminated {
                reason: self.intern.text(&ended.reason),
                exit_code: ended.exit_code,
                signal: ended.signal,
                started: timestamp(ended.started_at),
                finished: timestamp(ended.finished_at),
            };
        }
        let reason = slim.and_then(|state| state.waiting.as_ref()).map_or("", |waiting| &waiting.reason);
        ContainerState::Waiting(self.intern.text(reason))
    }

    fn spec(&mut self, slim: &slim::PodSpec) -> PodSpec {
        let account = if slim.service_account_name.is_empty() {
            &slim.service_account
        } else {
            &slim.service_account_name
        };
        let init = slim.init_containers.iter().map(|container| {
            let sidecar = container.restart_policy.as_deref() == Some("Always");
            (if sidecar { ContainerRole::Sidecar } else { ContainerRole::Init }, container)
        });
        let main = slim.containers.iter().map(|container| (ContainerRole::Main, container));
        let ephemeral = slim.ephemeral_containers.iter().filter_map(|container| container.common.as_ref());
        let ephemeral = ephemeral.map(|container| (ContainerRole::Ephemeral, container));
        let containers = init.chain(main).chain(ephemeral);
        PodSpec {
            containers: containers.map(|(role, container)| self.container(role, container)).collect(),
            service_links: slim.enable_service_links.unwrap_or(true),
            host_network: slim.host_network,
            dns_policy: self.intern.text(&slim.dns_policy),
            dns_config: slim.dns_config.as_ref().map(|config| self.dns_config(config)),
            subdomain: self.intern.text(&slim.subdomain),
            hostname_as_fqdn: slim.set_hostname_as_fqdn.unwrap_or(false),
            hostname_override: slim.hostname_override.as_deref().map(|name| self.intern.text(name)),
            service_account: self.intern.text(account),
            host_aliases: slim
                .host_aliases
                .iter()
                .map(|alias| (self.intern.text(&alias.ip), self.texts(&alias.hostnames)))
                .collect(),
        }
    }

    fn dns_config(&mut self, slim: &slim::PodDnsConfig) -> DnsConfig {
        DnsConfig {
            nameservers: self.texts(&slim.nameservers),
            searches: self.texts(&slim.searches),
            options: slim
                .options
                .iter()
                .map(|option| {
                    let value = option.value.as_deref().map(|value| self.intern.text(value));
                    (self.intern.text(&option.name), value)
                })
                .collect(),
        }
    }

    fn container(&mut self, role: ContainerRole, slim: &slim::Container) -> Container {
        let no_resources = slim::ResourceRequirements::default();
        let resources = slim.resources.as_ref().unwrap_or(&no_resources);
        Container {
            name: self.intern.text(&slim.name),
            role,
            image: self.intern.text(&slim.image),
            ports: slim
                .ports
                .iter()
                .map(|port| ContainerPort {
                    name: self.intern.text(&port.name),
                    port: port.container_port,
                    protocol: Protocol::from(port.protocol.as_str()),
                })
                .collect(),
            env: slim
                .env
                .iter()
                .map(|env| EnvVar { name: self.intern.text(&env.name), value: self.env_value(env) })
                .collect(),
            env_from: slim.env_from.iter().filter_map(|from| self.env_from(from)).collect(),
            tty: slim.tty,
            limits: self.quantities(&resources.limits),
            requests: self.quantities(&resources.requests),
        }
    }

    /// kubelet: `makeEnvironmentVariables`. A literal wins over a source, and of several sources the first in this
    /// order is used. A source of a kind that is not known here stays a field that nobody can read: its value is
    /// unknown, not empty.
    fn env_value(&mut self, env: &slim::EnvVar) -> EnvValue {
        let source = match &env.value_from {
            Some(source) if env.value.is_empty() => source,
            _ => return EnvValue::Literal(self.intern.text(&env.value)),
        };
        if let Some(field) = &source.field_ref {
            EnvValue::Field(self.intern.text(&field.field_path))
        } else if let Some(field) = &source.resource_field_ref {
            // A divisor of zero is the API's way to write none (kubelet: `ExtractContainerResourceValue`).
            let divisor = field.divisor.as_ref().map_or("", |divisor| &divisor.text);
            EnvValue::Resource {
                container: self.intern.text(&field.container_name),
                resource: self.intern.text(&field.resource),
                divisor: self.intern.text(if divisor == "0" { "" } else { divisor }),
            }
        } else if let Some(key) = &source.config_map_key_ref {
            EnvValue::ConfigMapKey(self.key_ref(key))
        } else if let Some(key) = &source.secret_key_ref {
            EnvValue::SecretKey(self.key_ref(key))
        } else if let Some(key) = &source.file_key_ref {
            EnvValue::FileKey {
                path: self.intern.text(&key.path),
                key: self.intern.text(&key.key),
                optional: key.optional.unwrap_or(false),
            }
        } else {
            EnvValue::Field(self.intern.text(""))
        }
    }

    fn key_ref(&mut self, slim: &slim::KeySelector) -> KeyRef {
        KeyRef {
            name: self.intern.text(slim.object.as_ref().map_or("", |object| &object.name)),
            key: self.intern.text(&slim.key),
            optional: slim.optional.unwrap_or(false),
        }
    }

    /// kubelet: `makeEnvironmentVariables`, which looks for a ConfigMap first; an entry with neither does nothing.
    fn env_from(&mut self, slim: &slim::EnvFromSource) -> Option<EnvFrom> {
        let secret = slim.config_map_ref.is_none();
        let source = slim.config_map_ref.as_ref().or(slim.secret_ref.as_ref())?;
        Some(EnvFrom {
            prefix: self.intern.text(&slim.prefix),
            secret,
            name: self.intern.text(source.object.as_ref().map_or("", |object| &object.name)),
            optional: source.optional.unwrap_or(false),
        })
    }
}

/// The annotation that a `fieldRef` path names: `metadata.annotations['KEY']` (apimachinery: `SplitMaybeSubscriptedPath`).
fn annotation_of(path: &str) -> Option<&str> {
    path.strip_prefix("metadata.annotations['")?.strip_suffix("']")
}

//! What a filter can ask of a Service and of a pod.

use super::Ready;
use super::pattern::{Needle, Pattern, PortTest};
use crate::model::pod::ContainerState;
use crate::model::{Labels, Pod, PortTarget, ServiceFacts, ServiceType, Text};

/// An object that can be filtered. A question that makes no sense for it is answered no.
pub(super) trait Subject {
    fn name(&self) -> &str;
    fn namespace(&self) -> &str;
    fn labels(&self) -> &Labels;
    fn selector(&self) -> Option<&Labels>;
    /// Type of a Service.
    fn kind(&self, pattern: &Pattern) -> bool;
    fn node(&self, pattern: &Pattern) -> bool;
    fn pod(&self, pattern: &Pattern) -> bool;
    fn service(&self, pattern: &Pattern) -> bool;
    fn any_address(&self, test: &dyn Fn(&str) -> bool) -> bool;
    fn port(&self, test: &PortTest) -> bool;
    fn ready(&self, wanted: Ready) -> bool;
    /// Whether plain text stands in something that is shown, other than the name and the namespace.
    fn elsewhere(&self, needle: &Needle) -> bool;
}

/// Other words for types.
const TYPE_WORDS: [(&str, &str); 3] = [("lb", "loadbalancer"), ("np", "nodeport"), ("ext", "externalname")];

impl Subject for ServiceFacts {
    fn name(&self) -> &str {
        &self.service.key.name
    }

    fn namespace(&self) -> &str {
        &self.service.key.namespace
    }

    fn labels(&self) -> &Labels {
        &self.service.labels
    }

    fn selector(&self) -> Option<&Labels> {
        Some(&self.service.selector)
    }

    fn kind(&self, pattern: &Pattern) -> bool {
        let word = TYPE_WORDS.iter().find(|(short, _)| *short == pattern.needle.text());
        pattern.matches(self.service.kind.as_str())
            || word.is_some_and(|(_, long)| self.service.kind.as_str().eq_ignore_ascii_case(long))
            || (self.service.headless() && pattern.matches("headless"))
    }

    fn node(&self, pattern: &Pattern) -> bool {
        let mut nodes = self.slices.iter().flat_map(|s| &s.endpoints).filter_map(|e| e.node.as_ref());
        nodes.any(|n| pattern.matches(n))
    }

    fn pod(&self, pattern: &Pattern) -> bool {
        let mut targets = self.slices.iter().flat_map(|s| &s.endpoints).filter_map(|e| e.target.as_ref());
        targets.any(|t| &*t.kind == "Pod" && pattern.matches(&t.name))
    }

    fn service(&self, pattern: &Pattern) -> bool {
        pattern.matches(self.name())
    }

    fn any_address(&self, test: &dyn Fn(&str) -> bool) -> bool {
        let service = &*self.service;
        service.addresses().any(|a| test(a))
            || service.external_ips.iter().chain(&service.ingress).any(|a| test(a))
            || self.endpoint_addresses().any(test)
    }

    fn port(&self, test: &PortTest) -> bool {
        let own = self.service.ports.iter().any(|p| {
            let target = if let PortTarget::Number(n) = p.target { n } else { p.port };
            test.matches(&[p.port, target, p.node_port], &p.name, &p.protocol)
        });
        own || self.slices.iter().flat_map(|s| &s.ports).any(|p| match p.port {
            Some(number) => test.matches(&[number], &p.name, &p.protocol),
            None => test.number.is_none() && test.matches(&[], &p.name, &p.protocol),
        })
    }

    fn ready(&self, wanted: Ready) -> bool {
        self.service.kind != ServiceType::ExternalName
            && match wanted {
                Ready::Yes => self.ready > 0,
                Ready::No => self.ready == 0,
                Ready::All => self.ready > 0 && self.ready == self.total,
                Ready::Partial => self.ready > 0 && self.ready < self.total,
            }
    }

    fn elsewhere(&self, needle: &Needle) -> bool {
        let service = &*self.service;
        needle.is_in(service.kind.as_str())
            || (service.headless() && needle.is_in("headless"))
            || service.ports.iter().any(|p| {
                needle.is_in(&p.name)
                    || needle.starts_number(p.port)
                    || needle.starts_number(p.node_port)
                    || needle.is_in(p.protocol.as_str())
            })
            || service.addresses().any(|a| needle.is_in_address(a))
            || service.external_ips.iter().any(|a| needle.is_in_address(a))
            || service.ingress.iter().any(|a| needle.is_in(a))
            || needle.is_in(&service.external_name)
            || (needle.addressy() && self.endpoint_addresses().any(|a| needle.starts(a)))
    }
}

/// A pod with the names of the Services that lead to it.
pub(super) struct PodSubject<'a> {
    pub(super) pod: &'a Pod,
    pub(super) services: &'a [Text],
}

impl Subject for PodSubject<'_> {
    fn name(&self) -> &str {
        &self.pod.key.name
    }

    fn namespace(&self) -> &str {
        &self.pod.key.namespace
    }

    fn labels(&self) -> &Labels {
        &self.pod.labels
    }

    fn selector(&self) -> Option<&Labels> {
        None
    }

    fn kind(&self, _: &Pattern) -> bool {
        false
    }

    fn node(&self, pattern: &Pattern) -> bool {
        pattern.matches(&self.pod.node)
    }

    fn pod(&self, pattern: &Pattern) -> bool {
        pattern.matches(self.name())
    }

    fn service(&self, pattern: &Pattern) -> bool {
        self.services.iter().any(|s| pattern.matches(s))
    }

    fn any_address(&self, test: &dyn Fn(&str) -> bool) -> bool {
        self.pod.ips.iter().any(|a| test(a))
    }

    fn port(&self, test: &PortTest) -> bool {
        let mut ports = self.pod.spec.containers.iter().flat_map(|c| &c.ports);
        ports.any(|p| test.matches(&[p.port], &p.name, &p.protocol))
    }

    fn ready(&self, wanted: Ready) -> bool {
        match wanted {
            Ready::Yes | Ready::All => self.pod.is_ready(),
            Ready::No => !self.pod.is_ready(),
            Ready::Partial => false,
        }
    }

    fn elsewhere(&self, needle: &Needle) -> bool {
        let pod = self.pod;
        needle.is_in(&pod.phase)
            || needle.is_in(&pod.reason)
            || (pod.deleting.is_some() && needle.is_in("Terminating"))
            || pod.statuses.iter().any(|s| match &s.state {
                ContainerState::Waiting(reason) | ContainerState::Terminated { reason, .. } => {
                    needle.is_in(reason)
                }
                ContainerState::Running(_) => false,
            })
            || needle.is_in(&pod.node)
            || self.services.iter().any(|s| needle.is_in(s))
            || pod.ips.iter().any(|a| needle.is_in_address(a))
    }
}

//! NetworkPolicies.

use std::sync::Arc;

use super::Converter;
use super::service::pairs;
use crate::cluster::slim::policy as slim;
use crate::model::network_policy::{
    EgressRule, Expression, LabelSelector, NetworkPolicy, Peer, PolicyPort, PolicyPortNumber,
};
use crate::model::service::Protocol;

impl Converter {
    /// A NetworkPolicy; `None` when it has no name. Without `policyTypes` it is about egress if it has such rules
    /// (networking/v1 defaults).
    pub fn policy(&mut self, slim: &slim::NetworkPolicy) -> Option<Arc<NetworkPolicy>> {
        let meta = slim.metadata.as_ref()?;
        let no_spec = slim::NetworkPolicySpec::default();
        let spec = slim.spec.as_ref().unwrap_or(&no_spec);
        let said = spec.policy_types.iter().any(|t| t == "Egress");
        Some(Arc::new(NetworkPolicy {
            key: self.key(&meta.namespace, &meta.name)?,
            pods: spec.pod_selector.as_ref().map(|s| self.label_selector(s)).unwrap_or_default(),
            egress: said || (spec.policy_types.is_empty() && !spec.egress.is_empty()),
            rules: spec.egress.iter().map(|rule| self.egress_rule(rule)).collect(),
        }))
    }

    fn egress_rule(&mut self, slim: &slim::EgressRule) -> EgressRule {
        EgressRule {
            to: slim.to.iter().map(|peer| self.peer(peer)).collect(),
            ports: slim.ports.iter().map(|port| self.policy_port(port)).collect(),
        }
    }

    fn peer(&mut self, slim: &slim::Peer) -> Peer {
        if let Some(block) = &slim.ip_block {
            return Peer::Block { network: self.intern.text(&block.cidr), except: self.texts(&block.except) };
        }
        Peer::Pods {
            namespaces: slim.namespace_selector.as_ref().map(|s| self.label_selector(s)),
            pods: slim.pod_selector.as_ref().map(|s| self.label_selector(s)),
        }
    }

    fn policy_port(&mut self, slim: &slim::PolicyPort) -> PolicyPort {
        let port = slim.port.as_ref().map(|port| match port.kind {
            0 => PolicyPortNumber::Number(port.number),
            _ => PolicyPortNumber::Name(self.intern.text(&port.text)),
        });
        PolicyPort { protocol: Protocol::from(slim.protocol.as_str()), port, end: slim.end_port }
    }

    fn label_selector(&mut self, slim: &slim::LabelSelector) -> LabelSelector {
        let expression = |r: &slim::Requirement| Expression {
            key: self.intern.text(&r.key),
            operator: self.intern.text(&r.operator),
            values: r.values.iter().map(|v| self.intern.text(v)).collect(),
        };
        let expressions = slim.match_expressions.iter().map(expression).collect();
        LabelSelector { labels: self.intern.labels(pairs(&slim.match_labels)), expressions }
    }
}

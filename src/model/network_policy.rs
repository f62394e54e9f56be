//! NetworkPolicies, as far as they decide whether a pod may ask the DNS server.
//!
//! What it is: what the API holds about traffic that leaves a pod, and whether it lets a connection through. What it
//! is not: whether the cluster enforces policies at all is up to its network plugin, and not in the API. The doctor
//! calls it.
//!
//! Sources: networking.k8s.io/v1 types.go (`NetworkPolicySpec`, `NetworkPolicyPeer`, `NetworkPolicyPort`).

use std::net::IpAddr;

use super::{Labels, ObjectKey, Protocol, Text};

/// One NetworkPolicy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkPolicy {
    /// Namespace and name.
    pub key: ObjectKey,
    /// `spec.podSelector`: the pods of its namespace that it is about.
    pub pods: LabelSelector,
    /// Whether it is about traffic that leaves those pods: what none of its rules allows is then refused.
    pub egress: bool,
    /// `spec.egress`.
    pub rules: Box<[EgressRule]>,
}

/// One rule: it allows what fits one of its peers and one of its ports.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EgressRule {
    /// `to`; empty means everybody.
    pub to: Box<[Peer]>,
    /// `ports`; empty means all.
    pub ports: Box<[PolicyPort]>,
}

/// One entry of `to`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Peer {
    /// Pods: of the policy's own namespace, or of those that a selector selects.
    Pods {
        /// `namespaceSelector`; `None` means the policy's own namespace.
        namespaces: Option<LabelSelector>,
        /// `podSelector`; `None` means all pods there.
        pods: Option<LabelSelector>,
    },
    /// `ipBlock`: a network without some parts of it, in CIDR notation.
    Block {
        /// The network.
        network: Text,
        /// Parts of it that are not meant.
        except: Box<[Text]>,
    },
}

/// One entry of `ports`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyPort {
    /// Protocol; TCP where the API says none.
    pub protocol: Protocol,
    /// Port; `None` means all of the protocol.
    pub port: Option<PolicyPortNumber>,
    /// `endPort`: last one of a range.
    pub end: Option<i32>,
}

/// A port of a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PolicyPortNumber {
    /// By number.
    Number(i32),
    /// By the name that the container at the other end gives it.
    Name(Text),
}

/// A `metav1.LabelSelector`; an empty one selects everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LabelSelector {
    /// `matchLabels`.
    pub labels: Labels,
    /// `matchExpressions`.
    pub expressions: Box<[Expression]>,
}

/// One entry of `matchExpressions`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expression {
    /// Label.
    pub key: Text,
    /// `In`, `NotIn`, `Exists`, `DoesNotExist`.
    pub operator: Text,
    /// Values.
    pub values: Box<[Text]>,
}

impl LabelSelector {
    /// Whether it selects something with these labels (apimachinery: `LabelSelectorAsSelector`). An operator that does
    /// not exist selects nothing.
    pub fn selects(&self, labels: &Labels) -> bool {
        self.labels.iter().all(|(k, v)| labels.get(k) == Some(v))
            && self.expressions.iter().all(|e| {
                let value = labels.get(&e.key);
                let among = || value.is_some_and(|v| e.values.contains(v));
                match &*e.operator {
                    "In" => among(),
                    "NotIn" => !among(),
                    "Exists" => value.is_some(),
                    "DoesNotExist" => value.is_none(),
                    _ => false,
                }
            })
    }
}

/// Where a connection leads.
#[derive(Clone, Copy, Debug)]
pub struct Destination<'a> {
    /// The pod's namespace.
    pub namespace: &'a str,
    /// Labels of that namespace.
    pub namespace_labels: &'a Labels,
    /// The pod's labels.
    pub labels: &'a Labels,
    /// Addresses under which a policy may know it: its own, and those of the Service in front.
    pub addresses: &'a [IpAddr],
    /// Port of the container.
    pub port: i32,
    /// Name that the container gives that port.
    pub port_name: Option<&'a str>,
}

impl NetworkPolicy {
    /// Whether it restricts what leaves a pod.
    pub fn restricts(&self, namespace: &str, labels: &Labels) -> bool {
        self.egress && *self.key.namespace == *namespace && self.pods.selects(labels)
    }

    /// Whether one of its rules lets a pod of its namespace connect there.
    pub fn allows(&self, to: &Destination<'_>, protocol: &Protocol) -> bool {
        self.rules.iter().any(|rule| {
            let port = rule.ports.is_empty() || rule.ports.iter().any(|p| p.fits(to, protocol));
            let peer = rule.to.is_empty() || rule.to.iter().any(|p| p.fits(to, &self.key.namespace));
            port && peer
        })
    }
}

impl PolicyPort {
    fn fits(&self, to: &Destination<'_>, protocol: &Protocol) -> bool {
        self.protocol == *protocol
            && match &self.port {
                None => true,
                Some(PolicyPortNumber::Number(from)) => {
                    (*from..=self.end.unwrap_or(*from)).contains(&to.port)
                }
                Some(PolicyPortNumber::Name(name)) => to.port_name == Some(&**name),
            }
    }
}

impl Peer {
    fn fits(&self, to: &Destination<'_>, own: &str) -> bool {
        match self {
            Self::Pods { namespaces, pods } => {
                let there = match namespaces {
                    None => to.namespace == own,
                    Some(selector) => selector.selects(to.namespace_labels),
                };
                there && pods.as_ref().is_none_or(|p| p.selects(to.labels))
            }
            Self::Block { network, except } => to
                .addresses
                .iter()
                .any(|ip| within(network, *ip) && !except.iter().any(|part| within(part, *ip))),
        }
    }
}

/// Whether a network in CIDR notation holds an address. Text that is no network holds none.
fn within(network: &str, ip: IpAddr) -> bool {
    let read = || -> Option<bool> {
        let (base, bits) = network.split_once('/')?;
        let (base, bits): (IpAddr, u32) = (base.parse().ok()?, bits.parse().ok()?);
        let (width, a, b) = match (base, ip) {
            (IpAddr::V4(a), IpAddr::V4(b)) => (32, u128::from(a.to_bits()), u128::from(b.to_bits())),
            (IpAddr::V6(a), IpAddr::V6(b)) => (128, a.to_bits(), b.to_bits()),
            _ => return Some(false),
        };
        let free = u32::checked_sub(width, bits)?;
        Some(a.checked_shr(free).unwrap_or(0) == b.checked_shr(free).unwrap_or(0))
    };
    read().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::samples::labels;

    fn selector(text: &str) -> LabelSelector {
        LabelSelector { labels: labels(text), expressions: Box::default() }
    }

    fn policy(rules: Vec<EgressRule>) -> NetworkPolicy {
        NetworkPolicy {
            key: ObjectKey::new("shop", "p"),
            pods: LabelSelector::default(),
            egress: true,
            rules: rules.into(),
        }
    }

    fn port(protocol: Protocol, port: i32) -> PolicyPort {
        PolicyPort { protocol, port: Some(PolicyPortNumber::Number(port)), end: None }
    }

    fn allows(rule: EgressRule, protocol: &Protocol) -> bool {
        let (system, pod) = (labels("kubernetes.io/metadata.name=kube-system"), labels("k8s-app=kube-dns"));
        let addresses = ["10.244.0.2".parse().unwrap(), "10.96.0.10".parse().unwrap()];
        let to = Destination {
            namespace: "kube-system",
            namespace_labels: &system,
            labels: &pod,
            addresses: &addresses,
            port: 53,
            port_name: Some("dns"),
        };
        policy(vec![rule]).allows(&to, protocol)
    }

    #[test]
    fn an_empty_rule_allows_everything_and_no_rule_nothing() {
        assert!(allows(EgressRule::default(), &Protocol::Udp));
        assert!(policy(vec![]).restricts("shop", &labels("a=b")) && policy(vec![]).rules.is_empty());
        assert!(!policy(vec![]).restricts("other", &labels("a=b")));
    }

    #[test]
    fn ports_are_of_a_protocol() {
        let only = |p| EgressRule { ports: Box::new([p]), ..EgressRule::default() };
        assert!(allows(only(port(Protocol::Udp, 53)), &Protocol::Udp));
        assert!(!allows(only(port(Protocol::Udp, 53)), &Protocol::Tcp));
        assert!(!allows(only(port(Protocol::Udp, 80)), &Protocol::Udp));
        let range = PolicyPort { end: Some(60), ..port(Protocol::Udp, 50) };
        assert!(allows(only(range), &Protocol::Udp));
        let named = |name: &str| PolicyPort {
            port: Some(PolicyPortNumber::Name(name.into())),
            ..port(Protocol::Udp, 0)
        };
        assert!(allows(only(named("dns")), &Protocol::Udp) && !allows(only(named("web")), &Protocol::Udp));
    }

    #[test]
    fn peers_are_pods_of_namespaces_or_networks() {
        let to = |peer| EgressRule { to: Box::new([peer]), ..EgressRule::default() };
        let pods = |ns: Option<&str>, pods: Option<&str>| {
            to(Peer::Pods { namespaces: ns.map(selector), pods: pods.map(selector) })
        };
        assert!(allows(pods(Some("kubernetes.io/metadata.name=kube-system"), None), &Protocol::Udp));
        assert!(allows(pods(Some(""), Some("k8s-app=kube-dns")), &Protocol::Udp));
        assert!(!allows(pods(None, Some("k8s-app=kube-dns")), &Protocol::Udp), "its own namespace alone");
        assert!(!allows(pods(Some("team=x"), None), &Protocol::Udp));
        let block = |network: &str, except: &[&str]| {
            let except = except.iter().map(|e| Text::from(*e)).collect();
            to(Peer::Block { network: network.into(), except })
        };
        assert!(allows(block("10.244.0.0/16", &[]), &Protocol::Udp));
        assert!(!allows(block("10.0.0.0/8", &["10.244.0.0/16", "10.96.0.0/12"]), &Protocol::Udp));
        assert!(allows(block("0.0.0.0/0", &[]), &Protocol::Udp));
        assert!(
            !allows(block("::/0", &[]), &Protocol::Udp) && !allows(block("nonsense", &[]), &Protocol::Udp)
        );
    }

    #[test]
    fn expressions() {
        let with = |operator: &str, values: &[&str]| LabelSelector {
            labels: Labels::default(),
            expressions: Box::new([Expression {
                key: "a".into(),
                operator: operator.into(),
                values: values.iter().map(|v| Text::from(*v)).collect(),
            }]),
        };
        let has = labels("a=b");
        for (operator, values, yes) in [
            ("In", &["b", "c"][..], true),
            ("In", &["c"], false),
            ("NotIn", &["b"], false),
            ("NotIn", &["c"], true),
            ("Exists", &[], true),
            ("DoesNotExist", &[], false),
            ("Odd", &[], false),
        ] {
            assert_eq!(with(operator, values).selects(&has), yes, "{operator}");
        }
    }
}

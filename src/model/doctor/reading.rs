//! What a person may have meant by a name: the Service, its namespace, and how the rest is written.
//!
//! It knows nothing of resolvers: which of the readings is reached from somewhere is another matter.

use crate::model::ObjectKey;
use crate::model::dns::{Cluster, Name};

/// How a name is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// `svc.ns.svc.DOMAIN`
    Full,
    /// `svc.ns.svc`
    Svc,
    /// `svc.ns.svc.` and something else than the cluster domain.
    OtherDomain,
    /// `svc.ns.DOMAIN`: the label `svc` is missing.
    NoSvc,
    /// `svc.ns`
    Namespaced,
    /// `svc`, in the asker's own namespace.
    Own,
}

/// One way to read a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reading {
    /// How it is written.
    pub(super) form: Form,
    /// The Service that is meant.
    pub(super) key: ObjectKey,
    /// What stands left of the Service: an endpoint, or port and protocol.
    pub(super) rest: Vec<String>,
    /// What stands right of `svc`, where it is not the cluster domain.
    pub(super) tail: String,
}

impl Reading {
    fn new(form: Form, labels: &[&str], namespace: &str) -> Option<Self> {
        let [rest @ .., service] = labels else { return None };
        let plain = |l: &str| !l.is_empty() && !l.starts_with('_');
        if !plain(service) || !plain(namespace) || rest.len() > 2 {
            return None;
        }
        let rest = rest.iter().map(|l| (*l).to_owned()).collect();
        Some(Self { form, key: ObjectKey::new(namespace, *service), rest, tail: String::new() })
    }

    /// Its absolute name in a zone, with the final dot.
    pub(super) fn absolute(&self, zone: &Name) -> String {
        let mut out = String::new();
        for label in &self.rest {
            out.push_str(label);
            out.push('.');
        }
        format!("{out}{}.{}.svc.{zone}", self.key.name, self.key.namespace)
    }
}

/// All ways to read a name, the surest first. `own` is the asker's namespace.
pub(super) fn readings(name: &Name, own: Option<&str>, cluster: &Cluster) -> Vec<Reading> {
    let labels: Vec<&str> = name.labels().collect();
    let domain = &cluster.domain().name;
    let zone = cluster.server().kubernetes().find_map(|k| k.zone_of(name)).filter(|z| !z.is_empty());
    let zone = zone.or_else(|| name.is_under(domain).then_some(domain));
    let mut out = Vec::new();
    if let Some(below) = zone.and_then(|z| name.below(z)) {
        match *below {
            [ref rest @ .., namespace, "svc"] => out.extend(Reading::new(Form::Full, rest, namespace)),
            [.., "pod"] | [] => {}
            [ref rest @ .., namespace] => out.extend(Reading::new(Form::NoSvc, rest, namespace)),
        }
        return out;
    }
    if let [rest @ .., namespace, "svc"] = &*labels {
        out.extend(Reading::new(Form::Svc, rest, namespace));
    } else if let Some(at) = labels.iter().rposition(|l| *l == "svc").filter(|at| *at >= 2) {
        let reading = Reading::new(Form::OtherDomain, &labels[..at - 1], labels[at - 1]);
        out.extend(reading.map(|r| Reading { tail: labels[at + 1..].join("."), ..r }));
    }
    if let Some(own) = own {
        out.extend(Reading::new(Form::Own, &labels, own));
    }
    if let [rest @ .., namespace] = &*labels {
        out.extend(Reading::new(Form::Namespaced, rest, namespace));
    }
    // `svc.ns.some.domain`: neither `svc` nor the cluster domain.
    if labels.len() > 3 || (labels.len() == 3 && !labels[0].starts_with('_')) {
        let reading = Reading::new(Form::OtherDomain, &labels[..1], labels[1]);
        out.extend(reading.map(|r| Reading { tail: labels[2..].join("."), ..r }));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::samples::snapshot;

    #[test]
    fn names_are_read_in_every_way_that_makes_sense() {
        let cluster = Cluster::new(&snapshot(vec![], vec![]));
        let read = |name: &str, own: Option<&str>| -> Vec<String> {
            readings(&Name::parse(name).unwrap(), own, &cluster)
                .iter()
                .map(|r| format!("{:?} {} {:?} {}", r.form, r.key, r.rest, r.tail))
                .collect()
        };
        assert_eq!(read("web", Some("shop")), ["Own shop/web [] "]);
        assert_eq!(read("web", None), [""; 0]);
        assert_eq!(
            read("web.default", Some("shop")),
            ["Own shop/default [\"web\"] ", "Namespaced default/web [] "]
        );
        assert_eq!(
            read("web.default.svc", None),
            ["Svc default/web [] ", "Namespaced svc/default [\"web\"] ", "OtherDomain default/web [] svc"]
        );
        assert_eq!(read("web.default.svc.cluster.local", None), ["Full default/web [] "]);
        assert_eq!(read("web.default.cluster.local.", None), ["NoSvc default/web [] "]);
        assert_eq!(read("web.default.svc.k8s.corp", None)[0], "OtherDomain default/web [] k8s.corp");
        assert_eq!(
            read("_http._tcp.web.default.svc.cluster.local", None),
            ["Full default/web [\"_http\", \"_tcp\"] "]
        );
    }
}

//! Reverse look-ups: from an address to the names that have it.

use super::{Answer, Ask, Miss, Open, hits, reverse, unique, unknown};
use crate::model::dns::{Cluster, Name, Record, RecordType};
use crate::model::{Kind, ServiceFacts};

impl Cluster {
    /// reverse.go `Reverse`: a Service with that cluster address, else every ready endpoint with that address. Where not
    /// all namespaces are known, another one may have the address too, or its Service may go first.
    pub(super) fn ptr(&self, ask: Ask<'_>, name: &Name) -> Result<Answer, Miss> {
        let Some(ip) = reverse::address_of(name) else {
            return self.find_records(ask, name).map(|_| Answer::default());
        };
        let primary = ask.plugin.primary_zone().unwrap_or(ask.zone);
        let seen = |f: &&ServiceFacts| {
            ask.plugin.exposes(&f.key().namespace)
                && ask.plugin.labels.as_ref().is_none_or(|l| l.matches(&f.service.labels))
        };
        let own = |f: &ServiceFacts| format!("{}.{}.svc.{primary}", f.key().name, f.key().namespace);
        let pointer = |f: &ServiceFacts, data, pod| Record {
            service: Some(f.key().clone()),
            pod,
            ..Record::new(name.as_str(), RecordType::PTR, ask.plugin.ttl, data)
        };
        // Its names end in two dots then, and nothing is sent (seen with CoreDNS 1.14.7).
        let unsent = || unknown("a server of the root zone can't send its reverse names".to_owned());
        if let Some(facts) = self.with_cluster_ip(ip).find(seen) {
            if primary.is_empty() {
                return Err(unsent());
            }
            return Ok(Answer { answers: vec![pointer(facts, own(facts), None)], ..Answer::default() });
        }
        let all_known =
            self.knows(Kind::Service, "") && (!ask.plugin.endpoints || self.knows(Kind::EndpointSlice, ""));
        let mut answers = Vec::new();
        // CoreDNS looks at slices alone here: one counts even where its Service is hidden by a label, or gone.
        for slice in self.strays_with_ip(ip).filter(|s| ask.plugin.exposes(&s.key.namespace)) {
            for (endpoint, address) in hits::ready_in(slice, ask.plugin) {
                if address.parse() != Ok(ip) || (ask.plugin.ptr_hostname_only && endpoint.hostname.is_none())
                {
                    continue;
                }
                if slice.service.is_empty() {
                    return Err(unknown(format!("endpoint slice {} names no Service", slice.key)));
                }
                let label = hits::endpoint_label(endpoint, address, ask.plugin.endpoint_pod_names);
                let data = format!("{label}.{}.{}.svc.{primary}", slice.service, slice.key.namespace);
                let record = Record::new(name.as_str(), RecordType::PTR, ask.plugin.ttl, data);
                answers.push(Record { pod: hits::pod_of(endpoint), ..record });
            }
        }
        for facts in self.with_endpoint_ip(ip).filter(|f| ask.plugin.exposes(&f.key().namespace)) {
            for (_, endpoint, address) in hits::ready(facts, ask.plugin) {
                if address.parse() != Ok(ip) || (ask.plugin.ptr_hostname_only && endpoint.hostname.is_none())
                {
                    continue;
                }
                let label = hits::endpoint_label(endpoint, address, ask.plugin.endpoint_pod_names);
                answers.push(pointer(facts, format!("{label}.{}", own(facts)), hits::pod_of(endpoint)));
            }
        }
        let answers = unique(answers);
        match () {
            () if !all_known => Err(Miss::Open(Open::Partly(answers))),
            () if answers.is_empty() => Err(Miss::NameError),
            () if primary.is_empty() => Err(unsent()),
            () => Ok(Answer { answers, ..Answer::default() }),
        }
    }
}

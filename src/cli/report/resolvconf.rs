//! `kdisco resolvconf`: the resolver files that the kubelet writes for pods.

use serde_json::{Value, json};

use super::Report;
use crate::cli::facts::Facts;
use crate::cli::names::Query;
use crate::model::columns::NONE;
use crate::model::dns::resolvconf::findings;
use crate::model::dns::{ClusterDomain, KubeletDns, ResolvConf, Server};
use crate::model::{Pod, Text};

/// The files of the pods that were asked for.
#[derive(Debug)]
pub struct ResolvConfs<'a> {
    facts: &'a Facts,
    query: &'a Query,
    kubelet: KubeletDns,
}

/// One pod with its file.
#[derive(Debug)]
pub struct Row<'a> {
    pod: &'a Pod,
    conf: ResolvConf,
}

impl<'a> ResolvConfs<'a> {
    /// The files of the pods of `query`.
    pub fn new(facts: &'a Facts, query: &'a Query) -> Self {
        let domain = ClusterDomain::of(&facts.snapshot, &Server::of(&facts.snapshot));
        Self { facts, query, kubelet: KubeletDns::of(&facts.snapshot, &domain) }
    }
}

impl<'a> Report for ResolvConfs<'a> {
    type Row = Row<'a>;
    const KIND: &'static str = "ResolvConfList";

    fn facts(&self) -> &Facts {
        self.facts
    }

    fn rows(&self) -> Vec<Row<'a>> {
        let row = |pod: &'a Pod| Row { pod, conf: ResolvConf::of_pod(pod, &self.kubelet) };
        self.facts.pods(self.query).map(row).collect()
    }

    fn headings(&self, wide: bool) -> Vec<&'static str> {
        let mut headings = vec!["POD", "NAMESERVERS", "SEARCH", "OPTIONS"];
        if wide {
            headings.extend(["POLICY", "ASSUMED"]);
        }
        headings
    }

    fn lines(&self, row: &Row<'a>, wide: bool) -> Vec<Vec<String>> {
        let conf = &row.conf;
        let words = |list: &[Text]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
        let (mut servers, mut search) = (words(&conf.nameservers), words(&conf.search));
        if let Some(at) = conf.node_search_at {
            search.insert(at, "<node's>".to_owned());
        }
        if conf.node_servers {
            servers.insert(0, "<node's>".to_owned());
        }
        let mut options = conf.options.clone();
        if conf.node_options {
            options.push("<node's>".to_owned());
        }
        let or_none = |list: Vec<String>, between: &str| {
            if list.is_empty() { NONE.to_owned() } else { list.join(between) }
        };
        let mut cells = vec![
            row.pod.key.name.to_string(),
            or_none(servers, ","),
            or_none(search, " "),
            or_none(options, " "),
        ];
        if wide {
            cells.push(policy(row.pod));
            cells.push(or_none(conf.assumed.clone(), "; "));
        }
        vec![cells]
    }

    fn namespace<'b>(&self, row: &'b Row<'a>) -> &'b str {
        &row.pod.key.namespace
    }

    fn name(&self, row: &Row<'a>) -> String {
        format!("pod/{}", row.pod.key.name)
    }

    fn identity(&self, row: &Row<'a>) -> String {
        row.pod.key.to_string()
    }

    fn item(&self, row: &Row<'a>) -> Value {
        let conf = &row.conf;
        let node = match (&self.kubelet.node, conf.node_search_at) {
            (None, Some(_)) => json!("unknown"),
            (Some(node), _) => json!(node.search),
            (None, None) => json!([]),
        };
        json!({
            "namespace": row.pod.key.namespace,
            "pod": row.pod.key.name,
            "nameservers": conf.nameservers,
            "search": conf.search,
            "options": conf.options,
            "nodeSearch": node,
            "assumed": conf.assumed,
            "findings": findings(row.pod, conf, &self.kubelet),
        })
    }

    fn nothing(&self) -> String {
        format!("No pods found {}.", self.facts.where_())
    }
}

/// `dnsPolicy` as it acts.
fn policy(pod: &Pod) -> String {
    let policy = if pod.spec.dns_policy.is_empty() { "ClusterFirst" } else { &*pod.spec.dns_policy };
    let host = if pod.spec.host_network { ", hostNetwork" } else { "" };
    format!("{policy}{host}")
}

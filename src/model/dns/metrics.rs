//! What CoreDNS counts of itself (plugin `prometheus`, port 9153), as far as it tells its health.
//!
//! What it is not: no general reader of the format; lines that are not understood are passed over. Everybody may use it.
//!
//! Names: CoreDNS plugin/metrics and plugin/cache.

use std::collections::BTreeMap;

/// Sums over all zones, servers and types since the server started.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metrics {
    /// `coredns_build_info`.
    pub version: Option<String>,
    /// `coredns_dns_requests_total`.
    pub requests: f64,
    /// `coredns_dns_responses_total` by rcode.
    pub responses: BTreeMap<String, f64>,
    /// `coredns_dns_request_duration_seconds`: upper bounds in seconds with how many took at most so long.
    buckets: Vec<(f64, f64)>,
    /// Sum of all durations in seconds, and how many there were.
    duration: (f64, f64),
    /// `coredns_cache_hits_total`.
    pub cache_hits: f64,
    /// `coredns_cache_misses_total`.
    pub cache_misses: f64,
    /// `coredns_panics_total`.
    pub panics: f64,
    /// `coredns_forward_healthcheck_broken_total`: times when all upstreams were down.
    pub upstreams_broken: f64,
}

impl Eq for Metrics {}

/// More lines are not read: a server has some thousands.
const MAX_LINES: usize = 200_000;

impl Metrics {
    /// Reads the text that the server gives.
    pub fn parse(text: &str) -> Self {
        let mut out = Self::default();
        let mut buckets: BTreeMap<u64, (f64, f64)> = BTreeMap::new();
        for line in text.lines().take(MAX_LINES).filter(|l| l.starts_with("coredns_")) {
            let Some((name, labels, value)) = sample(line) else { continue };
            match name {
                "coredns_build_info" => out.version = label(labels, "version").map(str::to_owned),
                "coredns_dns_requests_total" => out.requests += value,
                "coredns_dns_responses_total" => {
                    let rcode = label(labels, "rcode").unwrap_or("?").to_owned();
                    *out.responses.entry(rcode).or_default() += value;
                }
                "coredns_dns_request_duration_seconds_bucket" => {
                    if let Some(bound) = label(labels, "le").and_then(|b| b.parse::<f64>().ok()) {
                        // Bounds are positive, and positive floats order as their bits.
                        buckets.entry(bound.to_bits()).or_insert((bound, 0.0)).1 += value;
                    }
                }
                "coredns_dns_request_duration_seconds_sum" => out.duration.0 += value,
                "coredns_dns_request_duration_seconds_count" => out.duration.1 += value,
                "coredns_cache_hits_total" => out.cache_hits += value,
                "coredns_cache_misses_total" => out.cache_misses += value,
                "coredns_panics_total" => out.panics += value,
                "coredns_forward_healthcheck_broken_total" | "coredns_proxy_healthcheck_broken_total" => {
                    out.upstreams_broken += value;
                }
                _ => {}
            }
        }
        out.buckets = buckets.into_values().collect();
        out
    }

    /// The part of all responses that have this code; `None` without any response.
    pub fn share(&self, rcode: &str) -> Option<f64> {
        let all: f64 = self.responses.values().sum();
        (all > 0.0).then(|| self.responses.get(rcode).copied().unwrap_or(0.0) / all)
    }

    /// The part of the look-ups in the cache that it could answer.
    pub fn cache_share(&self) -> Option<f64> {
        let all = self.cache_hits + self.cache_misses;
        (all > 0.0).then(|| self.cache_hits / all)
    }

    /// The mean time that a request takes, in seconds.
    pub fn mean_seconds(&self) -> Option<f64> {
        (self.duration.1 > 0.0).then(|| self.duration.0 / self.duration.1)
    }

    /// The time within which so great a part (0 to 1) of all requests is answered, in seconds: the bound of the
    /// bucket that holds it.
    pub fn within_seconds(&self, part: f64) -> Option<f64> {
        let all = self.buckets.last()?.1;
        let bucket = self.buckets.iter().find(|(_, count)| *count >= all * part)?;
        (all > 0.0 && bucket.0.is_finite()).then_some(bucket.0)
    }
}

/// Name, labels and value of a line.
fn sample(line: &str) -> Option<(&str, &str, f64)> {
    let (head, value) = match line.rfind('}') {
        Some(at) => line.split_at(at + 1),
        None => line.split_once(' ')?,
    };
    let value: f64 = value.split_whitespace().next()?.parse().ok()?;
    let (name, labels) = head.split_once('{').unwrap_or((head, ""));
    value.is_finite().then_some((name, labels.trim_end_matches('}'), value))
}

/// The value of one label. CoreDNS' own have no escapes.
fn label<'a>(labels: &'a str, name: &str) -> Option<&'a str> {
    let mut rest = labels;
    while let Some((key, more)) = rest.split_once("=\"") {
        let (value, after) = more.split_once('"')?;
        if key.trim_start_matches(',') == name {
            return Some(value);
        }
        rest = after;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"# HELP coredns_dns_requests_total x
coredns_build_info{goversion="go1.24",revision="707",version="1.12.1"} 1
coredns_dns_requests_total{family="1",proto="udp",server="dns://:53",type="A",view="",zone="."} 60
coredns_dns_requests_total{family="1",proto="tcp",server="dns://:53",type="A",view="",zone="."} 40
coredns_dns_responses_total{plugin="",rcode="NOERROR",server="dns://:53",view="",zone="."} 75
coredns_dns_responses_total{plugin="",rcode="NXDOMAIN",server="dns://:53",view="",zone="."} 20
coredns_dns_responses_total{plugin="",rcode="SERVFAIL",server="dns://:53",view="",zone="."} 5
coredns_dns_request_duration_seconds_bucket{server="dns://:53",view="",zone=".",le="0.00025"} 90
coredns_dns_request_duration_seconds_bucket{server="dns://:53",view="",zone=".",le="0.016"} 99
coredns_dns_request_duration_seconds_bucket{server="dns://:53",view="",zone=".",le="+Inf"} 100
coredns_dns_request_duration_seconds_sum{server="dns://:53",view="",zone="."} 0.5
coredns_dns_request_duration_seconds_count{server="dns://:53",view="",zone="."} 100
coredns_cache_hits_total{server="dns://:53",type="success",view="",zones="."} 3
coredns_cache_misses_total{server="dns://:53",view="",zones="."} 1
coredns_panics_total 0
coredns_odd{ 7
go_goroutines 40
"#;

    #[test]
    fn sums_and_shares() {
        let m = Metrics::parse(TEXT);
        assert_eq!(m.version.as_deref(), Some("1.12.1"));
        assert_eq!((m.requests, m.share("SERVFAIL"), m.cache_share()), (100.0, Some(0.05), Some(0.75)));
        assert_eq!((m.mean_seconds(), m.within_seconds(0.9)), (Some(0.005), Some(0.00025)));
        assert_eq!(m.within_seconds(0.95), Some(0.016));
        assert_eq!(m.within_seconds(0.999), None, "beyond the last bound nothing is known");
    }

    #[test]
    fn what_is_no_metric_tells_nothing() {
        for text in ["", "<html>", "coredns_dns_requests_total NaN", "coredns_x{a=\"b\" 1"] {
            let m = Metrics::parse(text);
            assert_eq!((m.requests, m.share("NOERROR"), m.mean_seconds()), (0.0, None, None), "{text}");
        }
    }
}

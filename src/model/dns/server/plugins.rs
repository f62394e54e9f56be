//! The options of the plugins that are understood: `kubernetes`, `hosts`, `autopath`, `cache`.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::super::corefile::Directive;
use super::super::selector::Selector;
use super::super::{Name, reverse};
use super::{hosts_lines, zones_of};
use crate::model::Text;

/// What the `kubernetes` plugin does with `1-2-3-4.ns.pod.Z`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PodMode {
    /// No pod names at all; the plugin's default.
    #[default]
    Disabled,
    /// Every address in every namespace answers; kubeadm's choice.
    Insecure,
    /// Only the addresses of running pods.
    Verified,
}

/// The `kubernetes` plugin of one server block.
#[expect(clippy::struct_excessive_bools, reason = "each is one independent option of the Corefile")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kubernetes {
    /// Zones it serves, reverse ones included.
    pub zones: Vec<Name>,
    /// `pods`.
    pub pods: PodMode,
    /// `ttl` in seconds.
    pub ttl: u32,
    /// `endpoint_pod_names`: endpoints without a host name are called after their pod.
    pub endpoint_pod_names: bool,
    /// `namespaces`: the only ones that are served; empty for all.
    pub namespaces: BTreeSet<Text>,
    /// `namespace_labels`: only namespaces that it selects are served.
    pub namespace_labels: Option<Selector>,
    /// `labels`: only Services, slices and pods that it selects exist.
    pub labels: Option<Selector>,
    /// Unset by `noendpoints`.
    pub endpoints: bool,
    /// `ignore empty_service`: ClusterIP Services without a ready address do not exist.
    pub ignore_empty_service: bool,
    /// `fallthrough`: zones whose missing names go to the next plugin.
    pub fallthrough: Vec<Name>,
    /// `zonal`: `zone.pin._zone.svc` and `zone.prefer._zone.svc` of headless Services.
    pub zonal: bool,
    /// `ptr_hostname_only`: addresses of endpoints without a host name have no name.
    pub ptr_hostname_only: bool,
    /// An option that makes its answers unpredictable from this cluster's objects.
    pub beyond: Option<Text>,
}

impl Kubernetes {
    /// The plugin with its defaults.
    pub fn with_defaults(zones: Vec<Name>) -> Self {
        Self {
            zones,
            pods: PodMode::Disabled,
            ttl: 5,
            endpoint_pod_names: false,
            namespaces: BTreeSet::new(),
            namespace_labels: None,
            labels: None,
            endpoints: true,
            ignore_empty_service: false,
            fallthrough: Vec::new(),
            zonal: false,
            ptr_hostname_only: false,
            beyond: None,
        }
    }

    /// CoreDNS plugin/kubernetes setup.go, `ParseStanza`.
    pub(super) fn new(zones: Vec<Name>, d: &Directive, oddities: &mut Vec<String>) -> Self {
        let mut out = Self::with_defaults(zones);
        for line in &d.lines {
            let (option, args) = (line[0].as_str(), &line[1..]);
            let first = args.first().map_or("", String::as_str);
            let mut selector = || {
                let text = args.join(" ");
                let selector = Selector::parse(&text);
                if selector.is_none() {
                    oddities.push(format!("{option} {text}: this selector can't be read"));
                    out.beyond = Some(option.into());
                }
                selector
            };
            match option {
                "pods" => match first {
                    "disabled" => out.pods = PodMode::Disabled,
                    "insecure" => out.pods = PodMode::Insecure,
                    "verified" => out.pods = PodMode::Verified,
                    _ => oddities.push(format!("pods {first}: no such mode")),
                },
                "ttl" => match first.parse() {
                    Ok(ttl @ 0..=3600) => out.ttl = ttl,
                    _ => oddities.push(format!("ttl {first}: must be 0 to 3600 seconds")),
                },
                "endpoint_pod_names" => out.endpoint_pod_names = true,
                "namespaces" => out.namespaces.extend(args.iter().map(|a| Text::from(a.as_str()))),
                "labels" => out.labels = selector(),
                "namespace_labels" => out.namespace_labels = selector(),
                "noendpoints" => out.endpoints = false,
                "ignore" if first == "empty_service" => out.ignore_empty_service = true,
                "fallthrough" => out.fallthrough = fallthrough(args),
                "zonal" => out.zonal = true,
                "ptr_hostname_only" => out.ptr_hostname_only = true,
                // Another API server than the one we read, or another scheme of names.
                "endpoint" | "kubeconfig" | "multicluster" => out.beyond = Some(option.into()),
                // How it talks to the API, and old options without effect.
                "tls"
                | "resyncperiod"
                | "upstream"
                | "transfer"
                | "startup_timeout"
                | "apiserver_qps"
                | "apiserver_burst"
                | "apiserver_max_inflight" => {}
                _ => oddities.push(format!("kubernetes: the option {option:?} is not known")),
            }
        }
        out
    }

    /// The first zone that is not below a reverse tree: the one that PTR records speak of.
    pub fn primary_zone(&self) -> Option<&Name> {
        self.zones.iter().find(|z| !reverse::is_reverse(z))
    }

    /// The longest zone that a name is in.
    pub fn zone_of(&self, name: &Name) -> Option<&Name> {
        longest(&self.zones, name)
    }

    /// Whether a namespace may be seen, as far as its name decides.
    pub fn exposes(&self, namespace: &str) -> bool {
        self.namespaces.is_empty() || self.namespaces.contains(namespace)
    }

    /// Whether a missing name goes on to the next plugin.
    pub fn falls_through(&self, name: &Name) -> bool {
        self.fallthrough.iter().any(|z| name.is_under(z))
    }
}

/// The longest of some zones that a name is in.
fn longest<'a>(zones: &'a [Name], name: &Name) -> Option<&'a Name> {
    zones.iter().filter(|z| name.is_under(z)).max_by_key(|z| z.len())
}

/// The zones of a `fallthrough` option; without any it is for all names.
fn fallthrough(args: &[String]) -> Vec<Name> {
    if args.is_empty() { vec![Name::root()] } else { args.iter().flat_map(|a| zones_of(a)).collect() }
}

/// The `hosts` plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hosts {
    /// Names it is asked for; reverse names always are.
    pub zones: Vec<Name>,
    /// Its entries: names in lower case with their addresses.
    pub entries: BTreeMap<String, Vec<IpAddr>>,
    /// The file whose entries it serves besides the inline ones.
    pub file: HostsFile,
    /// Seconds.
    pub ttl: u32,
    /// Names that it does not have go on to the next plugin there.
    pub fallthrough: Vec<Name>,
    /// Unset by `no_reverse`.
    pub reverse: bool,
}

/// The file behind a `hosts` plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostsFile {
    /// `/etc/hosts` of the CoreDNS pod itself: local host names, the pod's own name and address.
    OwnPod,
    /// A file from the ConfigMap; its entries are with the others.
    Known,
    /// A file that the API does not show.
    Unknown(Text),
}

impl Hosts {
    /// CoreDNS plugin/hosts setup.go.
    pub(super) fn new(d: &Directive, zones: &[Name], file: &dyn Fn(&str) -> Option<String>) -> Self {
        let own: Vec<Name> = d.args.iter().skip(1).flat_map(|a| zones_of(a)).collect();
        let path = d.args.first().map_or("/etc/hosts", String::as_str);
        let mut text = String::new();
        let source = match (path, file(path)) {
            ("/etc/hosts", _) => HostsFile::OwnPod,
            (_, Some(content)) => {
                text = content;
                HostsFile::Known
            }
            (path, None) => HostsFile::Unknown(path.into()),
        };
        let mut out = Self {
            zones: if own.is_empty() { zones.to_vec() } else { own },
            entries: BTreeMap::new(),
            file: source,
            ttl: 3600,
            fallthrough: Vec::new(),
            reverse: true,
        };
        for line in &d.lines {
            match line[0].as_str() {
                "ttl" => out.ttl = line.get(1).and_then(|t| t.parse().ok()).unwrap_or(out.ttl),
                "fallthrough" => out.fallthrough = fallthrough(&line[1..]),
                "no_reverse" => out.reverse = false,
                "reload" => {}
                _ => {
                    text.push('\n');
                    text.push_str(&line.join(" "));
                }
            }
        }
        out.entries = hosts_lines(text.lines());
        out
    }

    /// Whether it is asked for a name.
    pub fn covers(&self, name: &Name) -> bool {
        longest(&self.zones, name).is_some()
    }
}

/// The `autopath` plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Autopath {
    /// Names it acts on.
    pub zones: Vec<Name>,
    /// Whether the search list comes from the `kubernetes` plugin (else from a file that the API does not show).
    pub kubernetes: bool,
}

impl Autopath {
    /// `autopath [ZONE…] RESOLV-CONF`
    pub(super) fn new(d: &Directive, zones: &[Name]) -> Option<Self> {
        let (source, own) = d.args.split_last()?;
        let own: Vec<Name> = own.iter().flat_map(|a| zones_of(a)).collect();
        Some(Self {
            zones: if own.is_empty() { zones.to_vec() } else { own },
            kubernetes: source == "@kubernetes",
        })
    }
}

/// The `cache` plugin, as far as it changes what is seen: it sets one TTL, within limits, on a whole reply, also
/// where it keeps nothing (CoreDNS plugin/cache cache.go, `ResponseWriter.WriteMsg`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cache {
    /// Names it acts on.
    pub zones: Vec<Name>,
    /// Least and greatest TTL of replies with answers.
    pub success: (u32, u32),
    /// Least and greatest TTL of NXDOMAIN and NODATA.
    pub denial: (u32, u32),
    /// Zones of which nothing is kept (`disable success ZONE`); kubeadm names the cluster domain there.
    pub disabled: Vec<Name>,
}

impl Cache {
    /// `cache [TTL] [ZONE…]` with `success` and `denial CAPACITY [TTL] [MINTTL]`.
    pub(super) fn new(d: &Directive, zones: &[Name]) -> Self {
        let ttl: Option<u32> = d.args.first().and_then(|a| a.parse().ok());
        let own: Vec<Name> = d.args[usize::from(ttl.is_some())..].iter().flat_map(|a| zones_of(a)).collect();
        // `disable success|denial [ZONE…]`
        let named = |word: &String| match word.as_str() {
            "success" | "denial" => Vec::new(),
            zone => zones_of(zone),
        };
        let limits = |option: &str, default: u32| {
            let number = |i: usize| d.option(option).and_then(|a| a.get(i)).and_then(|n| n.parse().ok());
            (number(2).unwrap_or(5), number(1).or(ttl).unwrap_or(default))
        };
        Self {
            zones: if own.is_empty() { zones.to_vec() } else { own },
            success: limits("success", 3600),
            denial: limits("denial", 1800),
            disabled: d
                .lines
                .iter()
                .filter(|l| l[0] == "disable")
                .flat_map(|l| &l[1..])
                .flat_map(named)
                .collect(),
        }
    }

    /// The TTL that a reply shows whose smallest one is `ttl`.
    pub fn shown(&self, ttl: u32, positive: bool) -> u32 {
        let (least, greatest) = if positive { self.success } else { self.denial };
        ttl.max(least).min(greatest)
    }

    /// Whether it acts on a name.
    pub fn covers(&self, name: &Name) -> bool {
        longest(&self.zones, name).is_some()
    }
}

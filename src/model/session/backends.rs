//! Which pods are behind a forward now, and by which of their ports.
//!
//! What it is: the rules of `kubectl port-forward` and of kube-proxy over one snapshot, pure. What it is not: the
//! choice for one connection; the forward makes it among [`Backends::ready`].

use std::collections::BTreeMap;

use super::{Choice, ForwardSpec};
use crate::model::selector::Selector;
use crate::model::target::{RemotePort, TargetKind, pod_port, pod_port_of_service, service_port};
use crate::model::{
    AddressType, ClusterSnapshot, Kind, Load, ObjectKey, Pod, Port, Protocol, ServiceFacts, ServiceType, Text,
};

/// A pod that can get a connection.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Backend {
    /// Its name; the namespace is the target's.
    pub pod: Text,
    /// Its port.
    pub port: u16,
}

/// What is behind a forward.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Backends {
    /// Those that may get a new connection: by name, or best first where kubectl's choice is wanted.
    pub ready: Vec<Backend>,
    /// The facts are there; before, nothing is known.
    pub certain: bool,
    /// Why there is none, in a sentence; empty while there is one.
    pub why_none: Text,
    /// It can't be forwarded to at all, whatever comes up: why.
    pub wrong: Option<Text>,
    /// The port that the target itself has: the local one, where that is to be the same.
    pub own_port: Option<u16>,
}

impl Backends {
    fn none(why: impl Into<Text>) -> Self {
        Self { certain: true, why_none: why.into(), ..Self::default() }
    }

    fn wrong(why: &impl ToString) -> Self {
        let why: Text = why.to_string().into();
        Self { certain: true, why_none: why.clone(), wrong: Some(why), ..Self::default() }
    }

    fn unknown(why: impl Into<Text>) -> Self {
        Self { certain: false, ..Self::none(why) }
    }
}

/// Whether pods have to be watched for it; for the rest Services and slices are enough.
pub fn needs_pods(spec: &ForwardSpec) -> bool {
    spec.target.kind != TargetKind::Service || spec.choice == Choice::Kubectl
}

/// Works out what is behind a forward. `selector` is a workload's own.
pub fn backends(spec: &ForwardSpec, selector: Option<&Selector>, snapshot: &ClusterSnapshot) -> Backends {
    let target = &spec.target;
    let key = ObjectKey::new(target.namespace.clone(), target.name.clone());
    let no_service =
        || Backends::none(format!("there is no Service {} in {}", target.name, target.namespace));
    let kinds: &[Kind] = match target.kind {
        TargetKind::Service if needs_pods(spec) => &[Kind::Service, Kind::Pod],
        TargetKind::Service => &[Kind::Service, Kind::EndpointSlice],
        _ => &[Kind::Pod],
    };
    for kind in kinds {
        match snapshot.load(*kind, &target.namespace) {
            None | Some(Load::Loading(_)) => {
                return Backends::unknown(format!("the {} are still being read", kind.resource()));
            }
            Some(Load::Failed { why, .. }) => return Backends::unknown(why.clone()),
            Some(Load::Forbidden { verb, .. }) => {
                let (kind, namespace) = (kind.resource_and_group(), &target.namespace);
                return Backends::wrong(&format!("you have no right to {verb} {kind} in {namespace}"));
            }
            // What was true last is still the best guess; a pod that is gone shows when it is tried.
            Some(Load::Live | Load::Stale { .. }) => {}
        }
        if *kind == Kind::Service {
            // Whose pods would be read?
            match snapshot.service(&key) {
                None => return no_service(),
                Some(facts) if spec.choice == Choice::Kubectl && facts.service.selector.is_empty() => break,
                Some(_) => {}
            }
        }
    }
    match target.kind {
        TargetKind::Service => match snapshot.service(&key) {
            Some(facts) => of_service(spec, facts, snapshot),
            None => no_service(),
        },
        TargetKind::Pod => match snapshot.pod(&target.namespace, &target.name) {
            Some(pod) => of_pods(spec, vec![pod], &|pod| pod_port(pod, &spec.port.remote)),
            None => Backends::none(format!("there is no pod {} in {}", target.name, target.namespace)),
        },
        _ => {
            let Some(selector) = selector else {
                return Backends::unknown(format!("the selector of {target} is still being read"));
            };
            let pods = snapshot.pods_in(&target.namespace).iter().map(|pod| &**pod);
            let pods = pods.filter(|pod| selector.matches(&pod.labels)).collect();
            of_pods(spec, pods, &|pod| pod_port(pod, &spec.port.remote))
        }
    }
}

fn of_service(spec: &ForwardSpec, facts: &ServiceFacts, snapshot: &ClusterSnapshot) -> Backends {
    let service = &facts.service;
    if service.kind == ServiceType::ExternalName {
        let name = &service.external_name;
        return Backends::wrong(&format!(
            "it is an ExternalName ({name}): nothing in the cluster is behind it"
        ));
    }
    let port = match service_port(service, &spec.port.remote) {
        Ok(port) => port,
        Err(error) => return Backends::wrong(&error),
    };
    let own_port = u16::try_from(port.port).ok();
    let found = if spec.choice == Choice::Kubectl {
        if service.selector.is_empty() {
            return Backends::wrong(&"the Service has no selector, so kubectl finds no pod behind it");
        }
        let pods = snapshot.pods_in(&service.key.namespace).iter().map(|pod| &**pod);
        let pods = pods.filter(|pod| service.selector.selects(&pod.labels)).collect();
        of_pods(spec, pods, &|pod| pod_port_of_service(service, port, pod))
    } else {
        of_slices(spec, facts, port)
    };
    Backends { own_port, ..found }
}

/// The pods that the slices list, by the port that each slice translates the Service's to (kube-proxy:
/// `EndpointSliceCache`): pods of one Service can have different ports behind one name.
fn of_slices(spec: &ForwardSpec, facts: &ServiceFacts, port: &Port) -> Backends {
    let pinned = match &spec.choice {
        Choice::Pinned(pod) => Some(pod),
        _ => None,
    };
    let (mut ready, mut others, mut no_pods) = (BTreeMap::new(), 0, 0);
    for slice in facts.slices.iter().filter(|slice| slice.address_type != AddressType::Fqdn) {
        let same = |p: &&crate::model::SlicePort| p.name == port.name && p.protocol == Protocol::Tcp;
        let translated = slice.ports.iter().find(same).and_then(|p| p.port);
        let number = if facts.service.headless() { Some(port.port) } else { translated };
        let Some(number) = number.and_then(|n| u16::try_from(n).ok()) else { continue };
        for endpoint in &slice.endpoints {
            let Some(pod) = endpoint.target.as_ref().filter(|target| &*target.kind == "Pod") else {
                no_pods += 1;
                continue;
            };
            let usable = match pinned {
                Some(pinned) => *pinned == pod.name,
                None => endpoint.is_ready() && endpoint.terminating != Some(true),
            };
            if usable {
                ready.entry(pod.name.clone()).or_insert(number);
            } else {
                others += 1;
            }
        }
    }
    let why_none: Text = match (pinned, others, no_pods) {
        _ if !ready.is_empty() => "".into(),
        (Some(pod), ..) => format!("the pod {pod} is not behind the Service").into(),
        (None, 0, 0) => "no pod is behind the Service".into(),
        (None, 0, _) => "what is behind the Service are no pods, which a forward can't reach".into(),
        (None, others, _) => format!("none of {others} endpoints is ready").into(),
    };
    let ready = ready.into_iter().map(|(pod, port)| Backend { pod, port }).collect();
    Backends { ready, certain: true, why_none, ..Backends::default() }
}

type PortOf<'a> = dyn Fn(&Pod) -> Result<u16, crate::model::target::WishError> + 'a;

/// Pods of which one has to run (readiness is not asked for, as with kubectl, where there is only one or kubectl's
/// choice is wanted; several are used when they are ready).
fn of_pods(spec: &ForwardSpec, mut pods: Vec<&Pod>, port: &PortOf<'_>) -> Backends {
    if let Choice::Pinned(pinned) = &spec.choice {
        pods.retain(|pod| pod.key.name == *pinned);
    }
    let total = pods.len();
    let one =
        spec.target.kind == TargetKind::Pod || matches!(spec.choice, Choice::Kubectl | Choice::Pinned(_));
    let phase = pods.first().map(|pod| pod.phase.clone());
    pods.retain(|pod| &*pod.phase == "Running");
    let running = pods.len();
    if one {
        best_first(&mut pods);
    } else {
        pods.retain(|pod| pod.is_ready() && pod.deleting.is_none());
        pods.sort_by(|a, b| a.key.cmp(&b.key));
    }
    let (mut ready, mut error) = (Vec::new(), None);
    for pod in pods {
        match port(pod) {
            Ok(port) => ready.push(Backend { pod: pod.key.name.clone(), port }),
            Err(wrong) => error = Some(wrong),
        }
    }
    let own_port = match (&spec.port.remote, ready.first()) {
        (RemotePort::Number(number), _) => Some(*number),
        (_, first) => first.map(|backend| backend.port),
    };
    let (wrong, why_none): (Option<Text>, Text) = match error {
        _ if !ready.is_empty() => (None, "".into()),
        Some(error) => (Some(error.to_string().into()), error.to_string().into()),
        None if total == 0 => (None, "no pod is behind it".into()),
        None if running > 0 => (None, format!("none of {running} running pods is ready").into()),
        None => {
            let phase = phase.unwrap_or_default();
            (None, format!("the pod is not running (phase {phase})").into())
        }
    };
    Backends { ready, certain: true, why_none, wrong, own_port }
}

/// kubectl's order: scheduled, ready, not leaving, ready for longer, fewer restarts, older (kubectl:
/// `podutils.ActivePods`, reversed). Only running ones are compared here.
fn best_first(pods: &mut [&Pod]) {
    pods.sort_by_key(|pod| {
        let since = pod.condition("Ready").filter(|c| c.status).and_then(|c| c.since);
        (
            pod.node.is_empty(),
            !pod.is_ready(),
            pod.deleting.is_some(),
            since,
            pod.restarts(),
            pod.created,
            pod.key.clone(),
        )
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::samples::{ago, condition, endpoint, facts, pod, service, slice, snapshot};
    use crate::model::target::{PortWish, Target};

    fn spec(target: Target, port: &str, choice: Choice) -> ForwardSpec {
        ForwardSpec { choice, ..ForwardSpec::new(target, PortWish::parse(port).unwrap()) }
    }

    fn list(backends: &Backends) -> Vec<String> {
        backends.ready.iter().map(|b| format!("{}:{}", b.pod, b.port)).collect()
    }

    #[test]
    fn a_services_pods_by_the_port_of_their_slice() {
        let web = service("shop", "web").with_port("http", 80, "http");
        let slices = vec![
            slice("shop", "web", "a")
                .with_port("http", 8080)
                .with(endpoint("10.0.0.1").of("shop", "web-1"))
                .with(endpoint("10.0.0.2").of("shop", "web-2").conditions(
                    Some(false),
                    Some(true),
                    Some(true),
                )),
            slice("shop", "web", "b").with_port("http", 9090).with(endpoint("10.0.0.3").of("shop", "web-3")),
        ];
        let world = snapshot(vec![facts(web, slices)], vec![]);
        let of =
            |port: &str, choice| backends(&spec(Target::service("shop", "web"), port, choice), None, &world);
        let all = of("80", Choice::RoundRobin);
        assert_eq!((list(&all), all.own_port), (vec!["web-1:8080".into(), "web-3:9090".into()], Some(80)));
        assert_eq!(list(&of("http", Choice::Pinned("web-2".into()))), ["web-2:8080"], "pinned, ready or not");
        let none = of("80", Choice::Pinned("web-9".into()));
        assert_eq!(&*none.why_none, "the pod web-9 is not behind the Service");
        assert_eq!(
            of("81", Choice::RoundRobin).wrong.unwrap().as_ref(),
            "Service web does not have a service port 81"
        );
        let gone = backends(&spec(Target::service("shop", "api"), "80", Choice::RoundRobin), None, &world);
        assert!(gone.certain && gone.wrong.is_none(), "it may come: {gone:?}");
    }

    #[test]
    fn kubectls_choice_is_a_ready_pod_that_was_ready_longest() {
        let since = |mut pod: Pod, seconds: i64| {
            let mut ready = condition("Ready", true);
            ready.since = ago(seconds);
            pod.conditions = vec![ready].into();
            pod.labelled("app=web").declaring("http", 8080)
        };
        let pods = vec![
            since(pod("shop", "web-1"), 10),
            since(pod("shop", "web-2"), 1000),
            pod("shop", "web-3").labelled("app=web").unready("x", "y", 5),
        ];
        let mut web = service("shop", "web").with_port("", 80, "http");
        web.selector = crate::model::samples::labels("app=web");
        let world = snapshot(vec![facts(web, vec![])], pods);
        let found = backends(&spec(Target::service("shop", "web"), "80", Choice::Kubectl), None, &world);
        assert_eq!(list(&found)[..2], ["web-2:8080", "web-1:8080"]);
        let selector = Selector::parse("app=web").unwrap();
        let target = Target { kind: TargetKind::Deployment, ..Target::service("shop", "web") };
        let found = backends(&spec(target, "http", Choice::RoundRobin), Some(&selector), &world);
        assert_eq!(list(&found), ["web-1:8080", "web-2:8080"]);
        let one = backends(&spec(Target::pod("shop", "web-3"), "9999", Choice::RoundRobin), None, &world);
        assert_eq!(list(&one), ["web-3:9999"], "a pod need not be ready, nor declare its port");
    }
}

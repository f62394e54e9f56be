//! Whether one Service's variables are in one container, as far as times tell.
//!
//! The kubelet computes an environment when it creates the container and never again, so the question is which of
//! the two is older. Both times count whole seconds and come from different clocks (the API server's, the node's),
//! and the environment is fixed somewhat before `startedAt`: hence the margins.

use crate::model::pod::{Container, ContainerRole, ContainerState};
use crate::model::service::SpecChange;
use crate::model::time::{Timestamp, human_duration, seconds_between};
use crate::model::{Pod, Service};

/// From this many seconds on, a container that started after the Service's creation has its variables. Measured:
/// from 2 s on all had them, on a node with nothing else to do.
pub const SURELY_AFTER: i64 = 5;
/// From this many seconds on, a container that started before the Service's creation lacks its variables. Measured:
/// from 1 s on all lacked them; the rest is for clocks that disagree.
pub const SURELY_BEFORE: i64 = 2;

/// What is known about one Service's variables in one container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The Service is none of those that this container gets, however old it is.
    NotEligible(Exclusion),
    /// The container is not running: its next start will have them.
    NextStart,
    /// It has them.
    Present,
    /// It started too early. Only about the Service that exists now: one of the same name that was deleted may have
    /// left its variables.
    Absent {
        /// Seconds from the container's start to the Service's creation.
        early: i64,
    },
    /// The API can't tell.
    Uncertain(Doubt),
    /// It has variables of this Service, but the Service was changed since: names and values may be those from
    /// before.
    Stale {
        /// Index into [`Service::changes`].
        change: usize,
    },
}

/// Why a container never gets a Service's variables (kubelet: `getServiceEnvVarMap`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exclusion {
    /// It is headless or an ExternalName, or has no address yet.
    NoAddress,
    /// It is in another namespace and is not `default/kubernetes`.
    OtherNamespace,
    /// The pod says `enableServiceLinks: false`.
    LinksOff,
    /// It is `default/kubernetes`, and the pod's own namespace has a Service of that name, which takes its place.
    Replaced,
}

/// Why the API can't tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// Start and creation are too close.
    TooClose {
        /// Seconds from the creation to the start; negative when the start came first.
        after: i64,
    },
    /// A static pod may start before the kubelet has heard of any Service.
    StaticPod,
    /// The container runs, but its status has no start time.
    NoStartTime,
    /// The Service has no creation time.
    NoCreationTime,
    /// It is `default/kubernetes`, and whether the Service of that name in the pod's namespace took its place is
    /// uncertain.
    MaybeReplaced,
}

/// When a container's environment was computed, as far as its status tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Start {
    /// Whether it runs now.
    pub running: bool,
    /// `state.running.startedAt`.
    pub at: Option<Timestamp>,
    /// The end of what ran before in this place, which is older than the environment.
    pub before: Option<Timestamp>,
    /// The kubelet does not wait for its list of Services before it starts a static pod.
    pub static_pod: bool,
}

impl Start {
    /// Reads a container's start off its pod. A container without a status has not started.
    pub fn of(pod: &Pod, container: &Container) -> Self {
        let status = pod.status(&container.name);
        let (running, at) = match status.map(|s| &s.state) {
            Some(ContainerState::Running(at)) => (true, *at),
            _ => (false, None),
        };
        let former = status.and_then(|s| s.last_finished);
        let init = last_init_before(pod, container);
        // A time after the start is not about what ran before (a pod whose sandbox was made anew, a wrong clock).
        let before = former.into_iter().chain(init).filter(|end| at.is_some_and(|at| *end <= at)).max();
        Self { running, at, before, static_pod: is_static(pod) }
    }
}

/// The end of the last init container that had to finish first.
fn last_init_before(pod: &Pod, container: &Container) -> Option<Timestamp> {
    let before = pod.spec.containers.iter().take_while(|c| c.name != container.name);
    let ends =
        before.filter(|c| c.role == ContainerRole::Init).filter_map(|c| match &pod.status(&c.name)?.state {
            ContainerState::Terminated { finished, .. } => *finished,
            _ => None,
        });
    if container.role == ContainerRole::Ephemeral { None } else { ends.max() }
}

/// Whether the kubelet has the pod from elsewhere than the API (a file, a URL): what the API shows is a mirror.
pub fn is_static(pod: &Pod) -> bool {
    pod.annotations.get("kubernetes.io/config.source").is_some_and(|source| &**source != "api")
}

/// Whether a Service has what service variables are made of: an address. Type, selector and endpoints don't matter.
pub fn has_address(service: &Service) -> bool {
    !service.cluster_ip.is_empty() && !service.headless()
}

/// Whether it is the API server's own Service, the one that every container gets.
pub fn is_master(service: &Service) -> bool {
    &*service.key.namespace == "default" && &*service.key.name == "kubernetes"
}

/// Which Services a pod gets by name, namespace and address. Does not know whether `default/kubernetes` is replaced:
/// that takes another Service.
pub fn exclusion(pod: &Pod, service: &Service) -> Option<Exclusion> {
    if !has_address(service) {
        Some(Exclusion::NoAddress)
    } else if is_master(service) {
        None
    } else if service.key.namespace != pod.key.namespace {
        Some(Exclusion::OtherNamespace)
    } else {
        (!pod.spec.service_links).then_some(Exclusion::LinksOff)
    }
}

/// The times of a Service that verdicts depend on, in seconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    created: Option<i64>,
    /// The newest write that can have changed variables, and its place in [`Service::changes`]. The entry of the
    /// creation itself does not count.
    change: Option<(i64, usize)>,
}

impl Times {
    pub(super) fn of(service: &Service) -> Self {
        let after_creation = |c: &SpecChange| service.created.is_none_or(|created| c.at > created);
        let changes = service.changes.iter().enumerate().filter(|(_, c)| matters(c) && after_creation(c));
        Self {
            created: service.created.map(Timestamp::as_second),
            // The entries are sorted, but a maximum needs no such promise.
            change: changes.map(|(i, c)| (c.at.as_second(), i)).max_by_key(|(at, _)| *at),
        }
    }

    /// What the times say about an eligible Service.
    pub(super) fn verdict(self, start: &Start) -> Verdict {
        if !start.running {
            return Verdict::NextStart;
        }
        let Some(at) = start.at.map(Timestamp::as_second) else {
            return Verdict::Uncertain(Doubt::NoStartTime);
        };
        let Some(created) = self.created else { return Verdict::Uncertain(Doubt::NoCreationTime) };
        let after = at - created;
        if after <= -SURELY_BEFORE {
            return Verdict::Absent { early: -after };
        }
        if start.static_pod {
            return Verdict::Uncertain(Doubt::StaticPod);
        }
        let older_than_predecessor = start.before.is_some_and(|end| end.as_second() - created >= 1);
        if after < SURELY_AFTER && !older_than_predecessor {
            return Verdict::Uncertain(Doubt::TooClose { after });
        }
        match self.change {
            Some((changed, change)) if at - changed < SURELY_AFTER => Verdict::Stale { change },
            _ => Verdict::Present,
        }
    }
}

/// Whether the address of a Service that was changed since the start is surely still the one from before: it only
/// goes with an episode as ExternalName, which leaves an entry that owns `f:type`.
pub(super) fn address_is_sure(service: &Service, start: &Start) -> bool {
    let may_move = |change: &SpecChange| change.owns_type || change.owns_cluster_ip;
    let is_newer = |change: &SpecChange| {
        service.created.is_none_or(|created| change.at > created)
            && start.at.is_none_or(|at| seconds_between(change.at, at) < SURELY_AFTER)
    };
    !service.changes.iter().any(|change| may_move(change) && is_newer(change))
}

/// Whether a write can have changed names or values of variables.
fn matters(change: &SpecChange) -> bool {
    change.owns_type || change.owns_cluster_ip || change.owns_ports
}

/// The verdict on one Service in one container. `own_kubernetes` is the Service called `kubernetes` in the pod's
/// namespace; it only matters when `service` is `default/kubernetes`.
pub fn verdict(pod: &Pod, start: &Start, service: &Service, own_kubernetes: Option<&Service>) -> Verdict {
    if let Some(why) = exclusion(pod, service) {
        return Verdict::NotEligible(why);
    }
    let by_time = Times::of(service).verdict(start);
    match own_kubernetes.filter(|rival| is_master(service) && rival.key != service.key) {
        Some(rival) => by_time.beside(verdict(pod, start, rival, None)),
        None => by_time,
    }
}

impl Verdict {
    /// The verdict on `default/kubernetes`, given that on the Service of that name in the pod's own namespace.
    pub(super) fn beside(self, rival: Self) -> Self {
        match rival {
            Self::NotEligible(_) | Self::Absent { .. } => self,
            Self::NextStart | Self::Present | Self::Stale { .. } => Self::NotEligible(Exclusion::Replaced),
            Self::Uncertain(_) => match self {
                Self::Absent { .. } => self,
                _ => Self::Uncertain(Doubt::MaybeReplaced),
            },
        }
    }

    /// Whether the container may have the Service's variables now: all but the excluded and the absent.
    pub fn may_be_there(self) -> bool {
        !matches!(self, Self::NotEligible(_) | Self::Absent { .. })
    }

    /// The sentence that explains it; `None` where there is nothing to explain.
    pub fn reason(self, service: &Service, start: &Start) -> Option<String> {
        let name = &service.key.name;
        Some(match self {
            Self::Present => return None,
            Self::NotEligible(why) => why.sentence(name),
            Self::NextStart => {
                format!("the container is not running; its next start gets the variables of {name}")
            }
            Self::Absent { early } => format!(
                "the container started {} before the Service {name} was created, so it lacks this until it restarts; \
                 unless an older Service of that name existed, whose variables it would still have",
                span(early)
            ),
            Self::Uncertain(doubt) => doubt.sentence(name),
            Self::Stale { change } => stale(service, service.changes.get(change), start),
        })
    }
}

fn stale(service: &Service, change: Option<&SpecChange>, start: &Start) -> String {
    let name = &service.key.name;
    let Some(change) = change else {
        return format!("the Service {name} was changed after the container started");
    };
    let gap = start.at.map_or(0, |at| seconds_between(at, change.at));
    let when = match gap {
        1.. => format!("{} after the container started", span(gap)),
        0 => "in the second in which the container started".to_owned(),
        _ => format!("only {} before the container started", span(-gap)),
    };
    let who = if change.manager.is_empty() { "an unnamed manager" } else { &*change.manager };
    format!(
        "the Service {name} was changed by {who} at {}, {when}: the container may have the names and values from \
         before; shown is today's",
        change.at
    )
}

impl Exclusion {
    /// The sentence that explains it.
    pub fn sentence(self, service: &str) -> String {
        match self {
            Self::NoAddress => {
                format!("{service} has no cluster address (headless, ExternalName or not assigned yet)")
            }
            Self::OtherNamespace => format!("{service} is in another namespace"),
            Self::LinksOff => {
                format!("the pod says enableServiceLinks: false, so it gets no variables of {service}")
            }
            Self::Replaced => {
                "the Service called kubernetes in the pod's own namespace takes its place".to_owned()
            }
        }
    }
}

impl Doubt {
    fn sentence(self, service: &str) -> String {
        match self {
            Self::TooClose { after } => {
                let (gap, order) = (span(after.abs()), if after < 0 { "before" } else { "after" });
                format!(
                    "the container started {gap} {order} the Service {service} was created: too close to tell, the \
                     two clocks count whole seconds and may disagree"
                )
            }
            Self::StaticPod => {
                format!("a static pod may start before the kubelet has heard of any Service, so {service} may be missing")
            }
            Self::NoStartTime => "the container runs, but its status does not say since when".to_owned(),
            Self::NoCreationTime => format!("the Service {service} has no creation time"),
            Self::MaybeReplaced => {
                "whether the Service called kubernetes in the pod's namespace took its place is too close to tell".to_owned()
            }
        }
    }
}

/// A length of time in a sentence: exact in seconds below two minutes, else as kubectl writes ages.
pub(super) fn span(seconds: i64) -> String {
    if (0..120).contains(&seconds) { format!("{seconds} s") } else { human_duration(seconds) }
}

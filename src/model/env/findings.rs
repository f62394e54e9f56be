//! What is worth telling about a predicted environment, one function a code. The codes are those of the command
//! line's JSON reference.

use super::reverse::{Cure, Miss, containers_missing};
use super::verdict::{Exclusion, Verdict, span};
use super::{ContainerEnvironment, Origin, Variable, mangle};
use crate::model::finding::{Finding, ObjectRef, Severity};
use crate::model::{ClusterSnapshot, Kind, Pod, Service};

/// Linux: arguments and environment together, a pointer for each string included, may take a quarter of the stack
/// limit (8 MiB unless changed). Measured: 5,000 one-port Services start, 5,500 do not.
pub const ENVIRONMENT_LIMIT: usize = 2 << 20;
/// Linux, `MAX_ARG_STRLEN` with pages of 4 KiB: one string with its final NUL.
pub const STRING_LIMIT: usize = 128 << 10;
/// From this part of the limit on there is a warning: the image's variables and the arguments count too.
const WARN_FROM: usize = ENVIRONMENT_LIMIT / 4 * 3;
/// A pointer to each string.
const POINTER: usize = 8;
/// So many lines of evidence; the rest is counted.
const LINES: usize = 10;

/// Every finding about one container's environment, worst first. `pod` is the pod that the environment is of.
pub fn findings(environment: &ContainerEnvironment, pod: &Pod) -> Vec<Finding> {
    let mut found: Vec<_> = [
        environment_too_large(environment),
        pod_older_than_service(environment, pod),
        service_changed_after_start(environment, pod),
        variable_collision(environment),
        variable_is_url(environment, pod),
        variable_hidden(environment),
        service_links_off(environment),
    ]
    .into_iter()
    .flatten()
    .collect();
    found.sort_by_key(|finding| finding.severity);
    found
}

/// Every finding about the containers that lack one Service's variables or hold old ones.
pub fn service_findings(snapshot: &ClusterSnapshot, service: &Service) -> Vec<Finding> {
    let missing = containers_missing(snapshot, service);
    let about = |code, pick: fn(&Miss) -> bool, what: (&str, &str)| {
        let chosen: Vec<_> = missing.iter().filter(|m| pick(m)).collect();
        let mut cures: Vec<_> = chosen.iter().map(|m| m.cure.to_string()).collect();
        cures.sort();
        cures.dedup();
        (!chosen.is_empty()).then(|| Finding {
            code,
            severity: Severity::Warning,
            object: ObjectRef { kind: Kind::Service, key: service.key.clone() },
            message: if chosen.len() == 1 {
                format!("1 running container {} {}", what.0, service.key.name)
            } else {
                format!("{} running containers {} {}", chosen.len(), what.1, service.key.name)
            },
            evidence: lines(chosen.iter().map(|m| format!("{} / {}: {}", m.pod.name, m.container, m.reason))),
            advice: lines(cures.into_iter()).join("; "),
        })
    };
    let older = |m: &Miss| matches!(m.verdict, Verdict::Absent { .. });
    let stale = |m: &Miss| matches!(m.verdict, Verdict::Stale { .. });
    [
        about("pod-older-than-service", older, ("lacks the variables of", "lack the variables of")),
        about(
            "service-changed-after-start",
            stale,
            ("may hold old variables of", "may hold old variables of"),
        ),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// `pod-older-than-service`: it started before Services whose variables it would get today.
pub fn pod_older_than_service(environment: &ContainerEnvironment, pod: &Pod) -> Option<Finding> {
    let late: Vec<_> = environment
        .services()
        .filter_map(|(service, verdict)| match verdict {
            Verdict::Absent { early } => Some((service, early)),
            _ => None,
        })
        .collect();
    let (first, _) = late.first()?;
    let what = if late.len() == 1 {
        format!("the Service {}", first.key.name)
    } else {
        count(late.len(), "Service")
    };
    Some(Finding {
        code: "pod-older-than-service",
        severity: Severity::Warning,
        object: about(environment),
        message: format!(
            "container {} started before {what} existed and lacks the variables",
            environment.container
        ),
        evidence: lines(late.iter().map(|(s, early)| {
            format!("Service {} was created {} after the start", s.key.name, span(*early))
        })),
        advice: format!("{}; creating Services before their clients avoids it", Cure::of(pod)),
    })
}

/// `service-changed-after-start`: it may have names and values from before a change.
pub fn service_changed_after_start(environment: &ContainerEnvironment, pod: &Pod) -> Option<Finding> {
    let stale: Vec<_> = environment.services().filter(|(_, v)| matches!(v, Verdict::Stale { .. })).collect();
    let (first, _) = stale.first()?;
    let what = if stale.len() == 1 {
        format!("the Service {}", first.key.name)
    } else {
        count(stale.len(), "Service")
    };
    Some(Finding {
        code: "service-changed-after-start",
        severity: Severity::Warning,
        object: about(environment),
        message: format!("container {} may hold old variables of {what}", environment.container),
        evidence: lines(
            stale.iter().filter_map(|(service, verdict)| verdict.reason(service, &environment.start)),
        ),
        advice: format!(
            "compare with the container's own environment (kdisco env --verify), or {}",
            Cure::of(pod)
        ),
    })
}

/// `service-links-off`: the pod asked for no service variables.
pub fn service_links_off(environment: &ContainerEnvironment) -> Option<Finding> {
    let left_out =
        environment.services().filter(|(_, v)| *v == Verdict::NotEligible(Exclusion::LinksOff)).count();
    (left_out > 0).then(|| Finding {
        code: "service-links-off",
        severity: Severity::Info,
        object: about(environment),
        message: format!(
            "the pod says enableServiceLinks: false, so it gets no variables of the {} of its namespace",
            count(left_out, "Service")
        ),
        evidence: Vec::new(),
        advice: "use DNS names; or set enableServiceLinks: true and restart".to_owned(),
    })
}

/// `variable-collision`: several Services make the same variable, and the winner changes from start to start.
pub fn variable_collision(environment: &ContainerEnvironment) -> Option<Finding> {
    let colliding: Vec<_> = environment.variables().filter(Variable::collides).collect();
    (!colliding.is_empty()).then(|| Finding {
        code: "variable-collision",
        severity: Severity::Warning,
        object: about(environment),
        message: format!(
            "{} of container {} come from several Services; which one wins changes from start to start",
            count(colliding.len(), "variable"),
            environment.container
        ),
        evidence: lines(colliding.iter().map(|v| {
            let each: Vec<_> =
                v.candidates().map(|c| format!("{} from {}", c.value, c.service.name)).collect();
            format!("{}: {}", v.name, each.join(" or "))
        })),
        advice: "rename one of the Services, or set the variable in env".to_owned(),
    })
}

/// `variable-hidden`: `env` or `envFrom` sets a variable that a Service would set.
pub fn variable_hidden(environment: &ContainerEnvironment) -> Option<Finding> {
    let hiding: Vec<_> = environment.own_variables().filter(|v| v.hidden().next().is_some()).collect();
    (!hiding.is_empty()).then(|| Finding {
        code: "variable-hidden",
        severity: Severity::Info,
        object: about(environment),
        message: format!(
            "{} of Services are replaced by the pod's own in container {}",
            count(hiding.len(), "variable"),
            environment.container
        ),
        evidence: lines(hiding.iter().map(|v| {
            let services: Vec<_> = v.hidden().map(|c| c.service.name.to_string()).collect();
            format!("{} ({}) hides that of {}", v.name, v.origin.as_str(), services.join(", "))
        })),
        advice: String::new(),
    })
}

/// `variable-is-url`: a Service called like a program makes `PROGRAM_PORT=tcp://…`, and programs read such a variable
/// as a number. A warning where the variable is named after the container's own program (its image, its container or
/// its workload), which is the usual victim; else something to know.
pub fn variable_is_url(environment: &ContainerEnvironment, pod: &Pod) -> Option<Finding> {
    let image = pod.spec.container(&environment.container).map_or("", |c| program(&c.image));
    let workload = match Cure::of(pod) {
        Cure::Rollout { name, .. } => mangle(&name),
        _ => String::new(),
    };
    let names = [mangle(image), mangle(&environment.container), workload];
    let is_url = |v: &Variable| v.value.is_some_and(|value| value.contains("://"));
    let made = environment.variables().filter(|v| v.origin == Origin::Service && v.may_be_there());
    let urls: Vec<_> =
        made.filter(|v| is_url(v) && port_stem(v.name).is_some_and(|s| !s.contains("_PORT_"))).collect();
    let own_name: Vec<_> =
        urls.iter().filter(|v| port_stem(v.name).is_some_and(|s| names.iter().any(|n| n == s))).collect();
    let first = own_name.first().copied().or(urls.first())?;
    let message = if own_name.is_empty() {
        format!(
            "container {} gets {} with a URL where programs may expect a port number ({}={})",
            environment.container,
            count(urls.len(), "variable"),
            first.name,
            first.value.unwrap_or_default()
        )
    } else {
        format!(
            "container {} gets {}={} from a Service of its own name; its program may expect a port number there",
            environment.container,
            first.name,
            first.value.unwrap_or_default()
        )
    };
    Some(Finding {
        code: "variable-is-url",
        severity: if own_name.is_empty() { Severity::Info } else { Severity::Warning },
        object: about(environment),
        message,
        evidence: lines(urls.iter().map(|v| format!("{}={}", v.name, v.value.unwrap_or_default()))),
        advice: "set the variable in env, or set enableServiceLinks: false".to_owned(),
    })
}

/// `environment-too-large`: no process starts with it, or soon none will.
pub fn environment_too_large(environment: &ContainerEnvironment) -> Option<Finding> {
    // What counts is the next start, which gets all Services of today.
    let (mut strings, mut bytes, mut longest) = (0, 0, None);
    for variable in environment.variables() {
        strings += 1;
        bytes += variable.bytes() + POINTER;
        if variable.bytes() > STRING_LIMIT {
            longest = longest.or(Some(variable));
        }
    }
    let eligible = environment.services().filter(|(_, v)| !matches!(v, Verdict::NotEligible(_))).count();
    let finding = |severity, message, evidence| Finding {
        code: "environment-too-large",
        severity,
        object: about(environment),
        message,
        evidence,
        advice: if longest.is_some() {
            "mount it as a file instead".to_owned()
        } else {
            "set enableServiceLinks: false in the pod's template".to_owned()
        },
    };
    if let Some(variable) = &longest {
        let message = format!(
            "the variable {} of container {} is longer than a process may have (argument list too long)",
            variable.name, environment.container
        );
        return Some(finding(
            Severity::Error,
            message,
            vec![format!("{} bytes; the limit is {STRING_LIMIT}", variable.bytes())],
        ));
    }
    let severity = if bytes > ENVIRONMENT_LIMIT { Severity::Error } else { Severity::Warning };
    (bytes > WARN_FROM).then(|| {
        let message = format!(
            "the environment of container {} {} (argument list too long)",
            environment.container,
            if severity == Severity::Error {
                "is larger than a process may have"
            } else {
                "is close to what a process may have"
            }
        );
        let evidence = vec![format!(
            "{strings} variables from {eligible} Services take {bytes} bytes of {ENVIRONMENT_LIMIT}"
        )];
        finding(severity, message, evidence)
    })
}

fn about(environment: &ContainerEnvironment) -> ObjectRef {
    ObjectRef { kind: Kind::Pod, key: environment.pod.clone() }
}

/// `REDIS` of `REDIS_PORT`; not for the numbers in `…_SERVICE_PORT`, nor for what every container has.
fn port_stem(name: &str) -> Option<&str> {
    name.strip_suffix("_PORT").filter(|stem| !stem.ends_with("_SERVICE") && *stem != "KUBERNETES")
}

/// The program of an image: `registry:5000/library/redis:7@sha256:…` → `redis`.
fn program(image: &str) -> &str {
    let path = image.split('@').next().unwrap_or_default();
    let last = path.rsplit('/').next().unwrap_or_default();
    last.split(':').next().unwrap_or_default()
}

/// `1 Service`, `2 Services`.
fn count(n: usize, what: &str) -> String {
    if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") }
}

/// The first lines and how many there are more.
fn lines(all: impl Iterator<Item = String>) -> Vec<String> {
    let mut all = all.fuse();
    let mut kept: Vec<_> = all.by_ref().take(LINES).collect();
    let more = all.count();
    if more > 0 {
        kept.push(format!("and {more} more"));
    }
    kept
}

//! `kdisco resolve --via exec`: the name looked up by a command inside a pod, where no port-forward is allowed.
//!
//! What it is: `getent`, or `nslookup` where there is none, run by exec, and what they printed. What it is not: the
//! image's own tools answer, so neither codes nor TTLs are known, and what they can't do is not done.

use std::io::Write;
use std::net::IpAddr;
use std::time::Instant;

use super::{Wanted, find_pod};
use crate::cli::args::dns::Resolve;
use crate::cli::failure::{Exit, Failure, Stop};
use crate::cli::live::{Cluster, failed};
use crate::cli::report::lookup::{self, Around};
use crate::cluster::exec::{self, ExecErrorKind, Limits, Output, Place};
use crate::model::Pod;
use crate::model::dns::predicted::sorted;
use crate::model::dns::{LiveLookup, Mode};
use crate::runtime::live;

/// Runs it and prints what came of it.
///
/// # Errors
/// No pod, no right, no tool in the image, a closed output.
pub(super) async fn run(
    cluster: &Cluster,
    resolve: &Resolve,
    wanted: &[Wanted],
    own: &str,
    out: &mut impl Write,
) -> Result<Exit, Stop> {
    let Some((wanted, (namespace, name))) = wanted.first().and_then(|w| Some((w, w.from.clone()?))) else {
        let what = "--via exec needs a pod to run a command in";
        return Err(Failure::new(Exit::Usage, what, "", "Add --from NAMESPACE/POD.").into());
    };
    if !wanted.question.wants_addresses() {
        let why = "getent and nslookup in images look up addresses reliably, and nothing else.";
        let hint = "Leave the type out, or ask through a port-forward.";
        return Err(Failure::new(Exit::Usage, "--via exec can't ask for this type", why, hint).into());
    }
    let namespaces = [namespace.clone().unwrap_or_else(|| own.into())];
    let snapshot = live::surroundings(cluster.client(), &namespaces).await.map_err(failed)?;
    let facts = cluster.facts_of(snapshot);
    let pod = find_pod(&facts, namespace.as_deref(), &name, Some(own))?;
    let mut lookup = ask(cluster, pod, wanted, resolve).await?;
    if let Some(kind) = wanted.question.kind {
        let v4 = kind == crate::model::dns::RecordType::A;
        lookup.outcome.addresses.retain(|ip| ip.is_ipv4() == v4);
    }
    let around = Around { context: facts.context.as_deref(), warnings: &[] };
    let lookup = lookup.noted();
    let found = !lookup.outcome.addresses.is_empty();
    lookup::print(&[lookup], resolve.output.form, resolve.trace, &around, out)?;
    Ok(if found { Exit::Fine } else { Exit::Problems })
}

/// Tries the tools that images have, the most faithful first.
async fn ask(
    cluster: &Cluster,
    pod: &Pod,
    wanted: &Wanted,
    resolve: &Resolve,
) -> Result<LiveLookup, Failure> {
    let Some(container) = pod.spec.main_containers().next() else {
        return Err(Failure::new(Exit::Problems, format!("pod {} has no container", pod.key), "", ""));
    };
    let place = Place { pod: &pod.key, container: &container.name };
    let name = &wanted.question.name;
    if name.starts_with('-') {
        return Err(Failure::new(
            Exit::Usage,
            "the name begins with a dash",
            "A tool would take it for an option.",
            "",
        ));
    }
    let limits = Limits { deadline: resolve.timeout.max(Limits::default().deadline), ..Limits::default() };
    for tool in [&["getent", "ahosts"][..], &["nslookup"]] {
        let command: Vec<&str> = tool.iter().copied().chain([name.as_str()]).collect();
        let start = Instant::now();
        match exec::run(cluster.client(), place, &command, &limits).await {
            Ok(output) if output.code == Some(127) => {}
            Ok(output) => return Ok(told(wanted, pod, &command, &output, start)),
            Err(error) if error.kind == ExecErrorKind::NoProgram => {}
            Err(error) => return Err(failed(error.error)),
        }
    }
    Err(Failure::new(
        Exit::Problems,
        format!("{} has neither getent nor nslookup", pod.key),
        format!("The image of container {} has no tool that looks names up.", container.name),
        "Choose another pod with --from, or compute the answer with --predict.",
    ))
}

fn told(wanted: &Wanted, pod: &Pod, command: &[&str], output: &Output, start: Instant) -> LiveLookup {
    let printed = String::from_utf8_lossy(&output.stdout);
    let mut lookup =
        LiveLookup::unasked(wanted.question.clone(), Some(pod.key.clone()), wanted.libc, Mode::Live);
    lookup.outcome.addresses = sorted(addresses(command[0], &printed));
    if lookup.outcome.addresses.is_empty() {
        let said = String::from_utf8_lossy(&output.stderr);
        let said = [said.trim(), printed.trim()].into_iter().find(|s| !s.is_empty()).unwrap_or("").to_owned();
        let last = said.lines().last().unwrap_or("nothing found").to_owned();
        lookup.outcome.error = Some(format!("{}: {last}", command[0]));
    }
    let busybox = command[0] == "nslookup";
    let note = format!(
        "by {} in {}, {:.0} ms{}",
        command.join(" "),
        pod.key,
        start.elapsed().as_secs_f64() * 1e3,
        if busybox { "; nslookup of busybox does not walk the search list" } else { "" }
    );
    lookup.outcome.caveat = Some(note);
    lookup
}

/// The addresses in what a tool printed. `nslookup` prints the server's own first.
fn addresses(tool: &str, printed: &str) -> Vec<IpAddr> {
    if tool == "getent" {
        return printed.lines().filter_map(|l| l.split_whitespace().next()?.parse().ok()).collect();
    }
    let behind = printed.split_once("\n\n").map_or("", |(_, rest)| rest);
    let address = |line: &str| -> Option<IpAddr> {
        let rest = line.trim().strip_prefix("Address")?;
        let (_, value) = rest.split_once(':')?;
        value.split_whitespace().next()?.parse().ok()
    };
    behind.lines().filter_map(address).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_tools_print() {
        let getent = "10.96.0.10      STREAM web\n10.96.0.10      DGRAM\nfd00::1         RAW\n";
        assert_eq!(addresses("getent", getent).len(), 3);
        let nslookup =
            "Server:\t\t10.96.0.10\nAddress:\t10.96.0.10:53\n\nName:\tweb\nAddress: 10.96.14.2\n\n";
        assert_eq!(addresses("nslookup", nslookup), ["10.96.14.2".parse::<IpAddr>().unwrap()]);
        let old = "Server:    10.96.0.10\nAddress 1: 10.96.0.10 kube-dns\n\nName:      web\nAddress 1: 10.96.14.2 web\n";
        assert_eq!(addresses("nslookup", old), ["10.96.14.2".parse::<IpAddr>().unwrap()]);
        assert!(addresses("nslookup", "** server can't find x: NXDOMAIN\n").is_empty());
    }
}

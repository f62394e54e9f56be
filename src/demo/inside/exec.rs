//! The few commands that can be run in the demo's containers.

use super::environment::{hostname, hosts, resolv_conf, search_list, variables};
use crate::demo::world::World;
use hickory_proto::op::{Message, Query};
use hickory_proto::rr::{Name, RecordType};
use serde_json::Value;
use std::fmt::Write as _;
use std::net::IpAddr;

/// What a command has printed, and how it ended.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::demo) struct Output {
    pub(in crate::demo) stdout: String,
    pub(in crate::demo) stderr: String,
    pub(in crate::demo) code: u8,
    /// What the runtime says when there is no such program.
    pub(in crate::demo) failure: Option<String>,
}

/// Runs a command in a container.
pub(in crate::demo) fn run(world: &World, pod: &Value, container: &Value, command: &[&str]) -> Output {
    let done = |stdout: String| Output { stdout, ..Output::default() };
    let environment = || variables(world, pod, container);
    // Images of one static program: no shell, no tools.
    let program = command.first().copied().unwrap_or_default();
    if container["image"].as_str().is_some_and(|image| image.contains("coredns")) && program != "/coredns" {
        return not_found(program);
    }
    match command {
        ["sh" | "/bin/sh", "-c", line] => {
            let words: Vec<&str> = line.split_whitespace().collect();
            shell(world, pod, container, &words)
        }
        ["env" | "printenv"] => done(lines(environment(), '\n')),
        ["env", "-0"] => done(lines(environment(), '\0')),
        ["printenv", name] => match environment().into_iter().find(|(have, _)| have == name) {
            Some((_, value)) => done(format!("{value}\n")),
            None => Output { code: 1, ..Output::default() },
        },
        ["cat", path] => match *path {
            "/proc/self/environ" => done(lines(environment(), '\0')),
            "/proc/1/environ" => {
                let process = environment().into_iter().filter(|(name, _)| name != "HOME");
                done(lines(process, '\0'))
            }
            "/etc/resolv.conf" => done(resolv_conf(pod)),
            "/etc/hosts" => done(hosts(pod)),
            "/etc/hostname" => done(format!("{}\n", hostname(pod))),
            path => Output {
                stderr: format!("cat: can't open '{path}': No such file or directory\n"),
                code: 1,
                ..Output::default()
            },
        },
        ["hostname"] => done(format!("{}\n", hostname(pod))),
        ["nslookup", name] => nslookup(world, pod, name),
        ["getent", "hosts" | "ahosts", name] => match look_up(world, pod, name) {
            Some((owner, addresses)) => {
                let mut printed = String::new();
                for address in addresses {
                    let _ = writeln!(printed, "{:<15} {owner}", address.to_string());
                }
                done(printed)
            }
            None => Output { code: 2, ..Output::default() },
        },
        ["echo", words @ ..] => done(format!("{}\n", words.join(" "))),
        ["true"] => Output::default(),
        ["false"] => Output { code: 1, ..Output::default() },
        [program, ..] => not_found(program),
        [] => not_found(""),
    }
}

/// Variables as text, each with this at its end.
fn lines(variables: impl IntoIterator<Item = (String, String)>, end: char) -> String {
    variables.into_iter().fold(String::new(), |mut out, (name, value)| {
        let _ = write!(out, "{name}={value}{end}");
        out
    })
}

/// A command line of the shell; only one plain command.
fn shell(world: &World, pod: &Value, container: &Value, words: &[&str]) -> Output {
    let mut output = run(world, pod, container, words);
    if output.failure.take().is_some() {
        output.stderr = format!("sh: {}: not found\n", words.first().unwrap_or(&""));
    }
    output
}

fn not_found(program: &str) -> Output {
    let failure = format!(
        "OCI runtime exec failed: exec failed: unable to start container process: exec: \"{program}\": executable file \
         not found in $PATH: unknown"
    );
    Output { code: 127, failure: Some(failure), ..Output::default() }
}

/// As the resolver of a pod looks a name up: through the search list while it has fewer than five dots.
fn look_up(world: &World, pod: &Value, name: &str) -> Option<(String, Vec<IpAddr>)> {
    let absolute = name.strip_suffix('.');
    let mut candidates = Vec::new();
    if absolute.is_none() {
        let listed = search_list(pod).into_iter().map(|domain| format!("{name}.{domain}"));
        candidates.extend(listed);
        let place = if name.matches('.').count() < 5 { candidates.len() } else { 0 };
        candidates.insert(place, name.to_owned());
    }
    candidates.extend(absolute.map(str::to_owned));
    candidates.into_iter().find_map(|candidate| {
        let addresses: Vec<IpAddr> = [RecordType::A, RecordType::AAAA]
            .into_iter()
            .flat_map(|kind| ask(world, &candidate, kind))
            .collect();
        (!addresses.is_empty()).then_some((candidate, addresses))
    })
}

fn ask(world: &World, name: &str, kind: RecordType) -> Vec<IpAddr> {
    let Ok(name) = Name::from_ascii(format!("{name}.")) else { return Vec::new() };
    let mut query = Message::query();
    query.add_query(Query::query(name, kind));
    world.resolve(&query).answers.iter().filter_map(|record| record.data.ip_addr()).collect()
}

fn nslookup(world: &World, pod: &Value, name: &str) -> Output {
    let mut stdout = "Server:\t\t10.96.0.10\nAddress:\t10.96.0.10:53\n\n".to_owned();
    let Some((owner, addresses)) = look_up(world, pod, name) else {
        let _ = write!(stdout, "** server can't find {name}: NXDOMAIN\n\n");
        return Output { stdout, code: 1, ..Output::default() };
    };
    for address in addresses {
        let _ = write!(stdout, "Name:\t{owner}\nAddress: {address}\n");
    }
    stdout.push('\n');
    Output { stdout, ..Output::default() }
}

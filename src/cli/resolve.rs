//! `kdisco resolve`: what names resolve to, computed or asked live, one or many.
//!
//! What it is not: the prediction is `model`'s, the live client `runtime`'s and `dns`'; here questions are read and
//! their answers written.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;

use serde::Deserialize;

use super::args::dns::{Resolve, Way};
use super::args::{Explore, Origin};
use super::explore::start_demo;
use super::facts::{self, Facts, Needs};
use super::failure::{Exit, Failure, Stop, tell};
use super::live::Cluster;
use super::names::Query;
use super::report::lookup::{self, Around};
use super::wait::wait_for;

pub(super) mod exec;
pub(super) mod live;

use crate::model::dns::input;
use crate::model::dns::{self, Libc, LiveLookup, Mode, Question, RecordType};
use crate::model::{ObjectKey, Pod, Text};

/// One question with the place that it is asked from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) question: Question,
    /// Namespace, where it was said, and name of a pod.
    pub(super) from: Option<(Option<Text>, Text)>,
    pub(super) libc: Libc,
}

/// Runs the command.
///
/// # Errors
/// A command line or a file that can't be used, no cluster, no right, a closed output.
pub(super) fn run(explore: &Explore, resolve: &Resolve, out: &mut impl Write) -> Result<Exit, Stop> {
    let wanted = questions(resolve)?;
    match explore.origin() {
        Origin::Objects(file) => {
            if !resolve.predict {
                let (what, why) = ("a saved file can't be asked", "There is no server behind it.");
                let hint = "Add --predict: the answer is computed from the objects.";
                return Err(Failure::new(Exit::Usage, what, why, hint).into());
            }
            let facts = facts::from_file(&file, explore, &Query::all(explore), &Needs::of_answers())?;
            predict(resolve, &facts, &wanted, explore.namespaces().first().copied(), out)
        }
        Origin::Cluster | Origin::Demo(_) => wait_for(in_cluster(explore, resolve, &wanted, out)),
    }
}

async fn in_cluster(
    explore: &Explore,
    resolve: &Resolve,
    wanted: &[Wanted],
    out: &mut impl Write,
) -> Result<Exit, Stop> {
    // Kept until the end: dropping it stops the demo cluster and removes its files.
    let demo = match explore.origin() {
        Origin::Demo(scale) => Some(start_demo(scale.map(|s| (s.services, s.pods))).await?),
        _ => None,
    };
    let kubeconfig = demo.as_ref().map(|demo| demo.kubeconfig().to_owned());
    let work = async {
        let cluster = Cluster::open(explore, kubeconfig, &Query::all(explore)).await?;
        let own = explore.namespaces().first().copied().unwrap_or(cluster.namespace()).to_owned();
        if resolve.via == Way::Exec {
            return exec::run(&cluster, resolve, wanted, &own, out).await;
        }
        if !resolve.predict {
            return live::run(&cluster, resolve, wanted, &own, out).await;
        }
        let facts = cluster.world(&namespaces(wanted)).await?;
        predict(resolve, &facts, wanted, Some(&own), out)
    };
    tokio::select! {
        result = work => result,
        _ = tokio::signal::ctrl_c() => Ok(Exit::Fine),
    }
}

/// The namespaces of the pods that are asked from.
pub(super) fn namespaces(wanted: &[Wanted]) -> Vec<Text> {
    let mut out: Vec<Text> = wanted
        .iter()
        .filter_map(|w| w.from.as_ref())
        .filter_map(|(namespace, _)| namespace.clone())
        .collect();
    out.sort();
    out.dedup();
    out
}

/// Computes and prints the answers.
fn predict(
    resolve: &Resolve,
    facts: &Facts,
    wanted: &[Wanted],
    own: Option<&str>,
    out: &mut impl Write,
) -> Result<Exit, Stop> {
    for warning in &facts.warnings {
        tell(&mut io::stderr(), "warning", warning);
    }
    let cluster = dns::Cluster::new(&facts.snapshot);
    let (mut exit, mut pods) = (facts.exit, HashMap::new());
    let mut one = |wanted: &Wanted| -> Result<LiveLookup, Failure> {
        let Some((namespace, name)) = &wanted.from else {
            return Ok(cluster.predicted(wanted.question.clone(), None, wanted.libc).noted());
        };
        let key = (namespace.clone(), name.clone());
        let pod = if let Some(pod) = pods.get(&key) {
            *pod
        } else {
            let pod = find_pod(facts, namespace.as_deref(), name, own)?;
            pods.insert(key, pod);
            pod
        };
        Ok(cluster.predicted(wanted.question.clone(), Some(pod), wanted.libc).noted())
    };
    if resolve.batch.is_some() {
        for wanted in wanted {
            let lookup = one(wanted).unwrap_or_else(|failure| refused(wanted, Mode::Predict, &failure));
            if !lookup.found() {
                exit = exit.max(Exit::Problems);
            }
            lookup::line(&lookup, out)?;
        }
        return Ok(exit);
    }
    let lookups: Vec<LiveLookup> = wanted.iter().map(&mut one).collect::<Result<_, _>>()?;
    let around = Around { context: facts.context.as_deref(), warnings: &facts.warnings };
    lookup::print(&lookups, resolve.output.form, resolve.trace, &around, out)?;
    Ok(if lookups.iter().all(LiveLookup::found) { exit } else { exit.max(Exit::Problems) })
}

/// A line of a batch that can't be asked.
pub(super) fn refused(wanted: &Wanted, mode: Mode, failure: &Failure) -> LiveLookup {
    let key = wanted.from.clone().map(|(ns, name)| ObjectKey::new(ns.unwrap_or_else(|| "".into()), name));
    let mut out = LiveLookup::unasked(wanted.question.clone(), key, wanted.libc, mode);
    out.outcome.error = Some(failure.problem.what.clone());
    out
}

/// The pod of a `--from`: in the namespace that was said, else in the usual one, else the only one of that name.
fn find_pod<'a>(
    facts: &'a Facts,
    namespace: Option<&str>,
    name: &str,
    own: Option<&str>,
) -> Result<&'a Pod, Failure> {
    let snapshot = &facts.snapshot;
    let all = || snapshot.pods.values().flat_map(|pods| pods.iter()).filter(|p| *p.key.name == *name);
    let unsaid = || {
        let here = own.and_then(|own| snapshot.pod(own, name));
        here.or_else(|| Some(all().next()?).filter(|_| all().count() == 1))
    };
    let found = namespace.map_or_else(unsaid, |namespace| snapshot.pod(namespace, name));
    found.map(|p| &**p).ok_or_else(|| {
        let place = namespace.or(own).map(|n| format!(" in namespace {n}")).unwrap_or_default();
        let hint = match all().next() {
            Some(pod) => format!("There is one in namespace {}: --from {}.", pod.key.namespace, pod.key),
            None => "`kubectl get pods` lists them.".to_owned(),
        };
        Failure::new(Exit::Problems, format!("pod \"{name}\" not found{place}"), "", hint)
    })
}

/// The questions of the command line or of the batch.
fn questions(resolve: &Resolve) -> Result<Vec<Wanted>, Failure> {
    if let Some(file) = &resolve.batch {
        return batch(file, resolve);
    }
    let name = resolve.name.clone().unwrap_or_default();
    input::check(&name).map_err(|why| {
        Failure::new(Exit::Usage, format!("\"{}\" can't be asked", shortened(&name)), why, "")
    })?;
    let question = Question { name, kind: resolve.kind };
    Ok(vec![Wanted { question, from: place(resolve.from.as_deref())?, libc: resolve.libc }])
}

fn shortened(name: &str) -> String {
    let mut characters = name.chars();
    let start: String = characters.by_ref().take(60).collect();
    if characters.next().is_some() { format!("{start}…") } else { start }
}

/// `POD`, `NAMESPACE/POD`, `pod/POD`.
fn place(text: Option<&str>) -> Result<Option<(Option<Text>, Text)>, Failure> {
    let Some(text) = text else { return Ok(None) };
    let parts: Vec<&str> = text.split('/').collect();
    let found = match parts[..] {
        [name] | ["pod" | "po" | "pods", name] => (None, name),
        [namespace, name] | [namespace, "pod" | "po" | "pods", name] => (Some(namespace), name),
        _ => (None, ""),
    };
    if found.1.is_empty() || found.0.is_some_and(str::is_empty) {
        let what = format!("\"{text}\" names no pod");
        return Err(Failure::new(Exit::Usage, what, "It has to be POD or NAMESPACE/POD.", ""));
    }
    Ok(Some((found.0.map(Text::from), found.1.into())))
}

#[derive(Debug, Deserialize)]
struct Line {
    name: String,
    #[serde(rename = "type")]
    kind: Option<String>,
    from: Option<String>,
    libc: Option<String>,
}

fn batch(file: &Path, resolve: &Resolve) -> Result<Vec<Wanted>, Failure> {
    let unreadable = |e: io::Error| {
        Failure::new(Exit::Usage, format!("cannot read {}", file.display()), e.to_string(), "")
    };
    let reader: Box<dyn BufRead> = if file == Path::new("-") {
        Box::new(io::stdin().lock())
    } else {
        Box::new(BufReader::new(File::open(file).map_err(unreadable)?))
    };
    let from = place(resolve.from.as_deref())?;
    let mut out = Vec::new();
    for (number, line) in (1..).zip(reader.lines()) {
        let line = line.map_err(unreadable)?;
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        let wanted = question(&line, from.as_ref(), resolve).map_err(|why| {
            let what = format!("line {number} of {} is no question", file.display());
            Failure::new(
                Exit::Usage,
                what,
                why,
                "Write NAME [TYPE], or {\"name\", \"type\", \"from\", \"libc\"}.",
            )
        })?;
        out.push(wanted);
    }
    Ok(out)
}

/// One line of a batch.
fn question(line: &str, from: Option<&(Option<Text>, Text)>, resolve: &Resolve) -> Result<Wanted, String> {
    let kind = |text: &str| text.parse::<RecordType>().map_err(|e| e.to_string());
    if line.trim_start().starts_with('{') {
        let line: Line = serde_json::from_str(line).map_err(|e| e.to_string())?;
        let libc = line.libc.as_deref().map(|l| l.parse().map_err(|()| format!("\"{l}\" is no libc")));
        let own = place(line.from.as_deref()).map_err(|f| f.problem.what)?;
        return Ok(Wanted {
            question: Question { name: line.name, kind: line.kind.as_deref().map(kind).transpose()? },
            from: own.or_else(|| from.cloned()),
            libc: libc.transpose()?.unwrap_or(resolve.libc),
        });
    }
    let mut words = line.split_whitespace();
    let name = words.next().unwrap_or_default().to_owned();
    let kind = words.next().map(kind).transpose()?.or(resolve.kind);
    if let Some(more) = words.next() {
        return Err(format!("\"{more}\" is more than a name and a type"));
    }
    Ok(Wanted { question: Question { name, kind }, from: from.cloned(), libc: resolve.libc })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::args::{Command, parse};

    fn resolve(line: &str) -> Resolve {
        match parse(line.split(' ').map(Into::into)).unwrap().command {
            Some(Command::Resolve(resolve)) => resolve,
            _ => panic!("{line}"),
        }
    }

    #[test]
    fn lines_of_a_batch() {
        let plain = resolve("kdisco resolve --batch - --from shop/web-0 --libc musl");
        let from = place(plain.from.as_deref()).unwrap();
        let read = |line: &str| question(line, from.as_ref(), &plain);
        let wanted = read("db  srv").unwrap();
        assert_eq!(wanted.question, Question::of("db", RecordType::SRV));
        assert_eq!((wanted.from.unwrap().1.to_string(), wanted.libc), ("web-0".to_owned(), Libc::Musl));
        let wanted = read(r#"{"name": "db", "from": "a/b", "libc": "glibc"}"#).unwrap();
        assert_eq!((wanted.from.unwrap().0.unwrap().to_string(), wanted.libc), ("a".to_owned(), Libc::Glibc));
        assert_eq!(wanted.question.kind, None);
        for bad in ["db BOGUS", "db A x", "{", r#"{"type": "A"}"#, r#"{"name": "a", "libc": "dietlibc"}"#] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn names_that_can_not_be_asked_are_refused_with_a_sentence() {
        let long = format!("kdisco resolve {}", "abcdefghi.".repeat(31));
        for (line, why) in [(long.as_str(), "255"), ("kdisco resolve a..b", "empty label")] {
            let failure = questions(&resolve(line)).unwrap_err();
            assert_eq!(failure.exit, Exit::Usage);
            assert!(failure.problem.why.contains(why), "{}", failure.problem.why);
            assert!(failure.problem.what.len() < 120);
        }
        for place_ in ["/x", "a/b/c", "a/", ""] {
            assert!(place(Some(place_)).is_err(), "{place_}");
        }
    }
}

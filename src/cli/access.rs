//! `kdisco access`: what this credential is allowed to use, and the role that allows the rest.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde_json::{Value, json};

use super::args::access::{Flags, Form};
use super::args::{Explore, Origin};
use super::explore::{overrides, start_demo};
use super::failure::{Exit, Failure, Stop, tell};
use super::live::failed;
use super::report::table::{Table, Widths};
use super::report::{API_VERSION, document};
use super::wait::wait_on_one_thread;
use crate::app::Problem;
use crate::cluster::access;
use crate::cluster::client::{Client, Terminal};
use crate::cluster::kubeconfig::{Environment, Kubeconfig, Overrides};
use crate::model::Text;
use crate::model::access::{Judged, Right, Verdict, judge, questions, roles};
use crate::model::text::clean;

/// Asks, and prints.
pub(super) fn run(explore: &Explore, flags: Flags, out: &mut impl Write) -> Result<Exit, Stop> {
    if matches!(explore.origin(), Origin::Objects(_)) {
        let (what, why) = ("a saved file has no rights", "There is no API server behind it to ask.");
        return Err(Failure::new(Exit::Usage, what, why, "Leave out --objects.").into());
    }
    wait_on_one_thread(async {
        tokio::select! {
            result = answer(explore, flags, out) => result,
            _ = tokio::signal::ctrl_c() => Ok(Exit::Fine),
        }
    })
}

async fn answer(explore: &Explore, flags: Flags, out: &mut impl Write) -> Result<Exit, Stop> {
    // Kept until the end: dropping it stops the demo cluster.
    let demo = match explore.origin() {
        Origin::Demo(scale) => Some(start_demo(scale.map(|s| (s.services, s.pods))).await?),
        _ => None,
    };
    let overrides = overrides(explore)?;
    let kubeconfig = demo.as_ref().map(|demo| demo.kubeconfig().to_owned());
    let overrides = Overrides { kubeconfig: kubeconfig.or(overrides.kubeconfig.clone()), ..overrides };
    let target = Kubeconfig::load(&overrides, &Environment::of_process())
        .and_then(|kubeconfig| kubeconfig.target())
        .map_err(|e| failed(e.into()))?;
    let namespaces: Vec<Text> = match explore.namespaces() {
        _ if explore.all_namespaces => vec![],
        named if named.is_empty() => vec![target.namespace.as_str().into()],
        named => named.into_iter().map(Text::from).collect(),
    };
    let context = Some(target.context.clone()).filter(|context| !context.is_empty());
    let client = Client::new(target, Terminal::Shared).map_err(failed)?;
    client.sign_in().await.map_err(failed)?;
    let judged = judge(&namespaces, &ask(&client, &namespaces).await?);
    let role = roles(judged.iter().flat_map(|j| &j.missing));
    match flags.output {
        _ if flags.role => out.write_all(clean_lines(&role).as_bytes())?,
        Form::Json => document::json_line(&document(context.as_deref(), &judged, &role), out)?,
        Form::Table => table(&judged, &role, out)?,
    }
    out.flush()?;
    let all = judged.iter().all(|j| matches!(j.verdict, Verdict::Works | Verdict::Unknown));
    Ok(if all { Exit::Fine } else { Exit::Problems })
}

/// The server's answers; questions that it does not answer are left out, and told.
async fn ask(client: &Client, namespaces: &[Text]) -> Result<BTreeMap<Right, bool>, Failure> {
    let (answers, silent) = access::answers(client, &questions(namespaces)).await.map_err(failed)?;
    if let Some(error) = silent {
        let problem = Problem { what: error.what, why: error.why, hint: error.hint };
        tell(&mut io::stderr(), "warning", &problem);
    }
    Ok(answers)
}

fn table(judged: &[Judged], role: &str, out: &mut impl Write) -> io::Result<()> {
    let mut table = Table::default();
    table.push(["FEATURE", "VERDICT", "NOT ALLOWED"]);
    for Judged { feature, verdict, missing } in judged {
        let mut missing = missing.iter().map(ToString::to_string);
        table.push([feature.title, verdict.word(), &missing.next().unwrap_or_else(|| "-".to_owned())]);
        for more in missing {
            table.push(["", "", &more]);
        }
        if *verdict != Verdict::Works && !feature.without.is_empty() {
            table.push([format!("  without it: {}", feature.without)]);
        }
    }
    table.write(&mut Widths::default(), out)?;
    if !role.is_empty() {
        writeln!(out, "\n# The smallest roles that allow what is missing; bind them to your user or group.")?;
        out.write_all(clean_lines(role).as_bytes())?;
    }
    Ok(())
}

/// YAML for the terminal: its line breaks are ours, all else is cleaned.
fn clean_lines(text: &str) -> String {
    text.lines().fold(String::new(), |all, line| all + &clean(line) + "\n")
}

fn document(context: Option<&str>, judged: &[Judged], role: &str) -> Value {
    let right = |r: &Right| {
        json!({
            "verb": &*r.verb, "group": &*r.group, "resource": &*r.resource,
            "name": if r.name.is_empty() { Value::Null } else { (&*r.name).into() },
            "namespace": if r.namespace.is_empty() { Value::Null } else { (&*r.namespace).into() },
        })
    };
    let items: Vec<Value> = judged
        .iter()
        .map(|j| {
            json!({
                "feature": j.feature.code,
                "title": j.feature.title,
                "verdict": j.verdict.word(),
                "without": if j.feature.without.is_empty() { Value::Null } else { j.feature.without.into() },
                "missing": j.missing.iter().map(right).collect::<Vec<_>>(),
            })
        })
        .collect();
    json!({
        "apiVersion": API_VERSION,
        "kind": "AccessList",
        "context": context,
        "role": if role.is_empty() { Value::Null } else { role.into() },
        "items": items,
    })
}

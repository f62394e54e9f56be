//! `kdisco forward`: port-forwards without the screen, in kubectl's words.
//!
//! What it is: arguments into forwards, and what happens to them into lines. What it is not: it forwards nothing
//! itself; [`crate::runtime::forwards`] does.

use std::collections::HashMap;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::json;

use super::args::{Balance, Events, Explore, Forward, Origin};
use super::ask;
use super::explore::start_demo;
use super::failure::{Exit, Failure, Stop, tell};
use super::live::{connect, failed};
use super::wait::wait_on_one_thread;
use crate::app::Problem;
use crate::cluster::client::Client;
use crate::cluster::convert::Object;
use crate::cluster::kubeconfig::parse_timeout;
use crate::cluster::session::fetch_once;
use crate::config::load::forwards_file;
use crate::model::session::{Choice, ForwardId, ForwardSpec, ForwardState, ForwardStatus, Listen};
use crate::model::target::{PortWish, Target, TargetKind, WishError, all_ports, arguments};
use crate::model::text::clean;
use crate::model::time::Timestamp;
use crate::model::{Kind, ObjectKey};
use crate::runtime::clock::SystemClock;
use crate::runtime::forwards::{Forwards, is_closed};
use crate::runtime::wake;
use crate::session::profile::{self, ProfileError};
use crate::session::registry;

/// Runs the command until it is stopped.
pub(super) fn run(explore: &Explore, args: &Forward, out: &mut impl Write) -> Result<Exit, Stop> {
    if matches!(explore.origin(), Origin::Objects(_)) {
        let (what, why) = ("a saved file can't be forwarded to", "There is no pod behind it.");
        return Err(Failure::new(Exit::Usage, what, why, "Leave out --objects.").into());
    }
    wait_on_one_thread(async {
        let work = forward(explore, args, out);
        tokio::select! {
            result = work => result,
            () = stopped() => Ok(Exit::Fine),
        }
    })
}

/// Ctrl-C, or a polite request from the system.
async fn stopped() {
    #[cfg(unix)]
    if let Ok(mut term) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = term.recv() => {}
        }
        return;
    }
    let _ = tokio::signal::ctrl_c().await;
}

async fn forward(explore: &Explore, args: &Forward, out: &mut impl Write) -> Result<Exit, Stop> {
    // Kept until the end: dropping it stops the demo cluster.
    let demo = match explore.origin() {
        Origin::Demo(scale) => Some(start_demo(scale.map(|s| (s.services, s.pods))).await?),
        _ => None,
    };
    let kubeconfig = demo.as_ref().map(|demo| demo.kubeconfig().to_owned());
    let limit = parse_timeout(&args.pod_running_timeout).map_err(|why| {
        Failure::new(Exit::Usage, "--pod-running-timeout can't be used", why, "Give 30s, 1m or 0.")
    })?;
    let listen = listen(args)?;
    let client = connect(explore, kubeconfig).await?;
    let specs = specs(explore, args, &client, &listen).await?;
    if !may_expose(&specs, args.expose).await? {
        let _ = writeln!(io::stderr(), "nothing was started");
        return Ok(Exit::Problems);
    }
    if let Some(name) = &args.save_profile {
        let context = client.target().context.clone();
        profile::save(&file()?, &context, name, &specs).map_err(|e| wrong_profile(&e))?;
    }
    let forwards = Forwards::new(Timestamp::now);
    // Without a place for it `env --local` does not see these forwards; they run all the same.
    if let Some(directory) = registry::directory(|name| std::env::var_os(name)) {
        let _ = forwards.register_in(&directory);
    }
    let mut told = Told::new(args.output);
    for spec in specs {
        told.ids.push(forwards.start(&client, spec));
    }
    let mut statuses = forwards.statuses();
    let starting = async {
        match limit {
            Some(limit) => tokio::time::sleep(limit).await,
            None => std::future::pending().await,
        }
    };
    tokio::pin!(starting);
    let minding = wake::mind(&SystemClock, |since| forwards.woke(since));
    tokio::pin!(minding);
    loop {
        tokio::select! {
            changed = statuses.changed() => if changed.is_err() { return Ok(Exit::Problems) },
            () = &mut minding => {}
            () = &mut starting, if !told.running() => {
                let list = statuses.borrow().clone();
                return Err(not_in_time(&list, args).into());
            }
        }
        let list = statuses.borrow_and_update().clone();
        told.tell(&list, out)?;
        if let Some(closed) = list.iter().find(|s| is_closed(s)).filter(|_| !told.running()) {
            return Err(cannot(closed).into());
        }
        if list.len() == told.ids.len() && list.iter().all(is_closed) {
            return Ok(Exit::Problems);
        }
    }
}

fn listen(args: &Forward) -> Result<Listen, Failure> {
    Listen::parse(args.address.iter().map(String::as_str)).map_err(|why| {
        Failure::new(Exit::Usage, "--address can't be used", why, "Give IP addresses, or localhost.")
    })
}

/// Says what others could reach through the forwards, and asks for a yes where they could reach anything.
async fn may_expose(specs: &[ForwardSpec], agreed: bool) -> Result<bool, Failure> {
    let mut exposed = false;
    for spec in specs {
        let addresses: Vec<String> = spec.listen.exposed().map(|address| address.to_string()).collect();
        if addresses.is_empty() {
            continue;
        }
        exposed = true;
        let ForwardSpec { target, port, .. } = spec;
        let what = format!("{target} {} would be open to others, on {}", port.remote, addresses.join(", "));
        let why =
            "Everybody who can reach this computer there reaches the pods behind it, without signing in.";
        tell(&mut io::stderr(), "warning", &Problem { what, why: why.to_owned(), hint: String::new() });
    }
    if !exposed || agreed {
        return Ok(true);
    }
    if !ask::somebody_is_there() {
        return Err(Failure::new(
            Exit::Usage,
            "nobody can be asked",
            "Input or output is no terminal, and nothing listens for other computers without a yes.",
            "Give --expose to listen there all the same, or leave out --address.",
        ));
    }
    Ok(ask::agreed("Type yes to let others in: ", &["yes"]).await)
}

/// What is to be started: the arguments, or a profile.
async fn specs(
    explore: &Explore,
    args: &Forward,
    client: &Client,
    listen: &Listen,
) -> Result<Vec<ForwardSpec>, Failure> {
    if let Some(name) = &args.profile {
        let specs = profile::load(&file()?, &client.target().context, name);
        return specs.map_err(|e| wrong_profile(&e));
    }
    let namespace =
        explore.namespaces().first().map_or(client.target().namespace.clone(), |n| (*n).to_owned());
    let wishes = arguments(&args.arguments, &namespace).map_err(|e| wrong_wish(&e))?;
    let choice = match args.balance {
        Balance::RoundRobin => Choice::RoundRobin,
        Balance::LeastConnections => Choice::LeastConnections,
        Balance::Kubectl => Choice::Kubectl,
    };
    let mut specs = Vec::new();
    for (target, mut ports) in wishes {
        if ports.is_empty() {
            ports = ports_of(client, &target).await?;
        }
        for port in ports {
            let spec = ForwardSpec::new(target.clone(), port);
            specs.push(ForwardSpec { listen: listen.clone(), choice: choice.clone(), ..spec });
        }
    }
    Ok(specs)
}

/// All TCP ports of a Service; other targets have no list that is complete.
async fn ports_of(client: &Client, target: &Target) -> Result<Vec<PortWish>, Failure> {
    if target.kind != TargetKind::Service {
        return Err(Failure::new(
            Exit::Usage,
            "TYPE/NAME and list of ports are required for port-forward",
            format!("{target} has no list of ports of its own."),
            "Only a Service can be forwarded to without ports.",
        ));
    }
    let key = ObjectKey::new(target.namespace.clone(), target.name.clone());
    let ports = match fetch_once(client, Kind::Service, &key).await.map_err(failed)? {
        Object::Service(service) => all_ports(&service),
        _ => Vec::new(),
    };
    if ports.is_empty() {
        let why = "The Service has no TCP port.";
        return Err(Failure::new(Exit::Problems, format!("cannot forward to {target}"), why, ""));
    }
    Ok(ports)
}

fn file() -> Result<PathBuf, Failure> {
    forwards_file().ok_or_else(|| {
        Failure::new(Exit::Usage, "profiles have no place", "There is no home directory.", "Set $HOME.")
    })
}

fn wrong_profile(error: &ProfileError) -> Failure {
    let hint = match error {
        ProfileError::Missing { others, .. } if others.is_empty() => {
            "--save-profile NAME keeps forwards under a name.".to_owned()
        }
        ProfileError::Missing { others, .. } => format!("There are {}.", others.join(", ")),
        _ => "Nothing was written. Mend the file, or move it away.".to_owned(),
    };
    Failure::new(Exit::Usage, "the profile can't be used", error.to_string(), hint)
}

fn wrong_wish(error: &WishError) -> Failure {
    let hint = "kdisco forward TARGET [[LOCAL:]PORT…], as in kdisco forward svc/web 8080:http";
    Failure::new(Exit::Usage, error.to_string(), "", hint)
}

fn name(status: &ForwardStatus) -> String {
    format!("{} {}", status.spec.target, status.spec.port.remote)
}

fn cannot(status: &ForwardStatus) -> Failure {
    let why = status.state.why().unwrap_or_default();
    Failure::new(Exit::Problems, format!("cannot forward to {}", name(status)), why, "")
}

fn not_in_time(list: &[ForwardStatus], args: &Forward) -> Failure {
    let late = list.iter().find(|status| status.ready == 0);
    let what = late
        .map_or_else(|| "the forward did not start".to_owned(), |s| format!("cannot forward to {}", name(s)));
    let why = late.and_then(|s| s.state.why()).unwrap_or("the cluster did not answer in time");
    let hint = format!("It was waited for {} (--pod-running-timeout).", args.pod_running_timeout);
    Failure::new(Exit::Problems, what, why, hint)
}

/// What has been told already.
struct Told {
    form: Option<Events>,
    ids: Vec<ForwardId>,
    known: HashMap<ForwardId, ForwardStatus>,
    listening: Vec<ForwardId>,
}

impl Told {
    fn new(form: Option<Events>) -> Self {
        Self { form, ids: Vec::new(), known: HashMap::new(), listening: Vec::new() }
    }

    /// Every forward has had an endpoint once.
    fn running(&self) -> bool {
        self.listening.len() == self.ids.len()
    }

    fn tell(&mut self, list: &Arc<Vec<ForwardStatus>>, out: &mut impl Write) -> io::Result<()> {
        for status in list.iter() {
            let before = self.known.insert(status.id, status.clone());
            if !status.local.is_empty() && status.ready > 0 && !self.listening.contains(&status.id) {
                self.listening.push(status.id);
                self.began(status, out)?;
            }
            match self.form {
                Some(Events::Json) => events(before.as_ref(), status, out)?,
                None => lines(before.as_ref(), status, out)?,
            }
        }
        out.flush()
    }

    fn began(&self, status: &ForwardStatus, out: &mut impl Write) -> io::Result<()> {
        if self.form.is_some() {
            return Ok(());
        }
        for local in &status.local {
            writeln!(out, "Forwarding from {local} -> {}", status.pod_port.unwrap_or_default())?;
        }
        if let (Some(taken), Some(error)) = (&status.taken, &status.last_error) {
            let instead = status.local.first().map_or(0, std::net::SocketAddr::port);
            let what = format!("port {} is not free, {instead} is used instead", taken.port);
            tell(
                &mut io::stderr(),
                "warning",
                &Problem { what, why: error.text.to_string(), hint: String::new() },
            );
        }
        Ok(())
    }
}

/// kubectl's lines, and on the standard error what kubectl has no words for.
fn lines(before: Option<&ForwardStatus>, status: &ForwardStatus, out: &mut impl Write) -> io::Result<()> {
    let taken = status.total - before.map_or(0, |b| b.total);
    let port = status.local.first().map_or(0, std::net::SocketAddr::port);
    for _ in 0..taken {
        writeln!(out, "Handling connection for {port}")?;
    }
    if status.cut > before.map_or(0, |b| b.cut)
        && let Some(error) = &status.last_error
    {
        let what = name(status);
        tell(&mut io::stderr(), "note", &Problem { what, why: error.text.to_string(), hint: String::new() });
    }
    let was = before.map(|b| (b.state.word(), b.state.why()));
    if was == Some((status.state.word(), status.state.why())) {
        return Ok(());
    }
    match &status.state {
        ForwardState::Waiting { why, .. }
        | ForwardState::Degraded { why, .. }
        | ForwardState::Closed { why } => {
            let what = format!("{}: {}", name(status), status.state.word());
            tell(&mut io::stderr(), "note", &Problem { what, why: why.to_string(), hint: String::new() });
        }
        _ => {}
    }
    Ok(())
}

/// One JSON line for each event (`kdisco/v1`, `SessionEvent`).
fn events(before: Option<&ForwardStatus>, status: &ForwardStatus, out: &mut impl Write) -> io::Result<()> {
    let mut event = |event: &str, local: Option<String>, reason: Option<&str>| {
        let line = json!({
            "apiVersion": super::report::API_VERSION,
            "kind": "SessionEvent",
            "at": Timestamp::now().to_string(),
            "session": status.id.to_string(),
            "event": event,
            "local": local.or_else(|| status.address().map(|a| a.to_string())),
            "target": {
                "namespace": &*status.spec.target.namespace,
                "kind": status.spec.target.kind.short(),
                "name": &*status.spec.target.name,
                "pod": status.pod.as_deref(),
                "port": status.pod_port,
            },
            "reason": reason.map(|text| clean(text).into_owned()),
        });
        super::report::document::json_line(&line, out)
    };
    if before.is_none_or(|b| b.local.is_empty()) {
        for local in &status.local {
            event("listening", Some(local.to_string()), None)?;
        }
    }
    let bad = |status: &ForwardStatus| status.failed + status.cut;
    if bad(status) > before.map_or(0, bad) {
        event("error", None, status.last_error.as_ref().map(|e| &*e.text))?;
    }
    let word = |status: &ForwardStatus| match status.state {
        ForwardState::Connected => Some("connected"),
        ForwardState::Waiting { .. } | ForwardState::Degraded { .. } => Some("retrying"),
        ForwardState::Closed { .. } => Some("closed"),
        ForwardState::Opening | ForwardState::Listening => None,
    };
    match word(status) {
        Some(now) if before.and_then(word) != Some(now) => event(now, None, status.state.why()),
        _ => Ok(()),
    }
}

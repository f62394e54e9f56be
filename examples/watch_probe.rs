//! Measures a connection without a screen: how long until Services with their endpoints are known, until all pods
//! are, and what it costs in memory.
//!
//! ```text
//! cargo run --release --example watch_probe -- [--context NAME] [--pods] [--once] [--stay SECONDS]
//! ```
//! Prints a line per change of state, with the milliseconds since the start of the process' main function.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "printing is what it is for")]

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use kdisco::cluster::client::{Client, Terminal};
use kdisco::cluster::kubeconfig::{Environment, Kubeconfig, Overrides};
use kdisco::cluster::session::{Connection, Start, list_once};
use kdisco::cluster::watch::Timing;
use kdisco::cluster::{ApiError, ApiErrorKind};
use kdisco::model::time::Timestamp;
use kdisco::model::{ClusterSnapshot, Kind, NamespaceScope};

fn main() -> ExitCode {
    let began = Instant::now();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Ok(runtime) = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()
    else {
        return ExitCode::FAILURE;
    };
    match runtime.block_on(probe(began, &arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}\n{}", error.hint);
            ExitCode::FAILURE
        }
    }
}

async fn probe(began: Instant, arguments: &[String]) -> Result<(), ApiError> {
    let flag = |name: &str| arguments.iter().any(|a| a == name);
    let value = |name: &str| arguments.iter().skip_while(|a| *a != name).nth(1).cloned();
    let overrides = Overrides { context: value("--context"), as_user: value("--as"), ..Overrides::default() };
    let kubeconfig = Kubeconfig::load(&overrides, &Environment::of_process())?;
    let client = Client::new(kubeconfig.target()?, Terminal::Shared)?;
    println!("{:>6} ms  configured for {}", began.elapsed().as_millis(), client.target().server);
    if flag("--once") {
        let kinds = [Kind::Service, Kind::EndpointSlice, Kind::Pod];
        let kinds = if flag("--pods") { &kinds[..] } else { &kinds[..2] };
        let snapshot = list_once(&client, &NamespaceScope::All, kinds).await?;
        report(began, &snapshot);
        println!("certificate names {:?}; domain {:?}", client.server_names(), client.certificate_domain());
        println!("{:?}", client.server_version().await?);
        return Ok(());
    }
    let scope = value("-n").map_or(NamespaceScope::All, |n| NamespaceScope::one(n.as_str()));
    let start = Start {
        epoch: 1,
        scope,
        known: Default::default(),
        clock: Timestamp::now,
        timing: Timing::default(),
    };
    let connection = Connection::start(client, start);
    if flag("--pods") {
        connection.set_pod_demand(BTreeSet::from([None]));
    }
    let stay = value("--stay").and_then(|s| s.parse().ok()).unwrap_or(3);
    let mut snapshots = connection.snapshots();
    let mut loads = Vec::new();
    let watching = async {
        loop {
            let snapshot = snapshots.borrow_and_update().clone();
            if snapshot.loads != loads {
                loads.clone_from(&snapshot.loads);
                report(began, &snapshot);
            }
            if snapshots.changed().await.is_err() {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(stay), watching).await.err();
    println!("certificate names the domain {:?}", connection.client().certificate_domain());
    println!(
        "resident {} MiB",
        resident().ok_or_else(|| {
            ApiError::new(ApiErrorKind::Config, "cannot tell the memory", "there is no /proc/self/status")
        })?
    );
    Ok(())
}

fn report(began: Instant, snapshot: &ClusterSnapshot) {
    let pods: usize = snapshot.pods.values().map(|p| p.len()).sum();
    let ready: usize = snapshot.services.iter().map(|s| s.ready).sum();
    println!(
        "{:>6} ms  {} services, {ready} ready endpoints, {pods} pods, {} namespaces",
        began.elapsed().as_millis(),
        snapshot.services.len(),
        snapshot.namespaces.len()
    );
    for entry in &snapshot.loads {
        println!(
            "           {} {}: {:?}",
            entry.kind.resource(),
            entry.namespace.as_deref().unwrap_or("*"),
            entry.load
        );
    }
}

/// Resident memory, peak included, in MiB.
fn resident() -> Option<String> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let of = |name: &str| {
        let kib: usize =
            status.lines().find(|l| l.starts_with(name))?.split_whitespace().nth(1)?.parse().ok()?;
        Some(kib / 1024)
    };
    Some(format!("{} (peak {})", of("VmRSS")?, of("VmHWM")?))
}

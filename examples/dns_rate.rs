//! How many DNS questions a second go through this program's own port-forward to the cluster's DNS, and through
//! `kubectl port-forward` in the same run, in turns:
//!
//!     kubectl -n kube-system port-forward deploy/coredns 5353:53 &
//!     cargo run --release --example dns_rate -- NAMES [127.0.0.1:5353] [WINDOW]
//!
//! `NAMES` has a name a line. `WINDOW` questions are under way at once (`kubectl` gets 100, or as many). The last lines
//! are medians, and what the machine's processes used their time for.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement by hand")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use kdisco::cluster::client::{Client, Terminal};
use kdisco::cluster::kubeconfig::{Environment, Kubeconfig, Overrides};
use kdisco::dns::resolver::{Connect, Limits, Resolver, Whom};
use kdisco::model::dns::{Cluster, DnsHealth, RecordType};
use kdisco::runtime::live::{LiveDns, Which, surroundings};
use tokio::net::TcpStream;

const PIPELINED: usize = 20_000;
const SINGLE: usize = 1_000;
const ROUNDS: usize = 5;

struct Address(String);

impl Connect for Address {
    type Stream = TcpStream;

    async fn open(&self, _: usize) -> Result<TcpStream, String> {
        let stream = TcpStream::connect(&self.0).await.map_err(|e| e.to_string())?;
        stream.set_nodelay(true).map_err(|e| e.to_string())?;
        Ok(stream)
    }
}

/// Ticks (of 10 ms) that each program of the machine has used.
fn times() -> BTreeMap<String, u64> {
    let mut out = BTreeMap::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Ok(stat) = std::fs::read_to_string(entry.path().join("stat")) else { continue };
        let (Some(open), Some(close)) = (stat.find('('), stat.rfind(')')) else { continue };
        let fields: Vec<&str> = stat[close + 2..].split(' ').collect();
        let used = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
        *out.entry(stat[open + 1..close].to_owned()).or_default() += used;
    }
    out
}

/// Questions a second: many at once, and one at a time; prints who used how much of a core meanwhile.
async fn round<C: Connect>(what: &str, resolver: &Arc<Resolver<C>>, names: &[String]) -> (f64, f64) {
    let question = |i: usize| (names[i % names.len()].clone(), RecordType::A);
    let (before, start) = (times(), Instant::now());
    let good = resolver.clone().ask_all((0..PIPELINED).map(question));
    let good = good.filter(|s| std::future::ready(s.reply.is_ok())).count().await;
    let took = start.elapsed();
    let many = good as f64 / took.as_secs_f64();
    let mut used: Vec<(u64, String)> = times()
        .into_iter()
        .map(|(name, ticks)| (ticks.saturating_sub(before.get(&name).copied().unwrap_or(0)), name))
        .collect();
    used.sort_unstable_by(|a, b| b.cmp(a));
    let shares: Vec<String> = used
        .iter()
        .take(7)
        .map(|(ticks, name)| format!("{name} {:.0}µs", *ticks as f64 * 1e4 / PIPELINED as f64))
        .collect();
    let start = Instant::now();
    for i in 0..SINGLE {
        let (name, kind) = question(i);
        resolver.ask(Whom::Any(0), &name, kind).await.reply.unwrap();
    }
    let single = SINGLE as f64 / start.elapsed().as_secs_f64();
    println!(
        "{what}: pipelined {many:.0}/s ({good} answered), one at a time {single:.0}/s; {}",
        shares.join(", ")
    );
    (many, single)
}

fn median(mut all: Vec<f64>) -> f64 {
    all.sort_unstable_by(f64::total_cmp);
    all[all.len() / 2]
}

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [file, rest @ ..] = &arguments[..] else {
        println!("dns_rate NAMES [ADDRESS] [WINDOW]");
        return;
    };
    let names: Vec<String> = std::fs::read_to_string(file).unwrap().lines().map(str::to_owned).collect();
    let address = rest.first().filter(|a| a.contains(':'));
    let window = rest.iter().find_map(|w| w.parse::<usize>().ok());
    let second = Duration::from_secs(10);
    let limits = |window: usize| Limits { question: second, open: second, window };

    let kubeconfig = Kubeconfig::load(&Overrides::default(), &Environment::of_process()).unwrap();
    let client = Client::new(kubeconfig.target().unwrap(), Terminal::Shared).unwrap();
    let snapshot = surroundings(&client, &[]).await.unwrap();
    let health = DnsHealth::of(&snapshot, &Cluster::new(&snapshot));
    let start = Instant::now();
    let own = limits(window.unwrap_or(Limits::default().window));
    let dns = LiveDns::open(&client, &health, &Which::Best, own).await.unwrap();
    println!("way open after {:.1} ms", start.elapsed().as_secs_f64() * 1e3);
    let start = Instant::now();
    dns.resolver().ask(Whom::Any(0), &names[0], RecordType::A).await.reply.unwrap();
    println!("first answer {:.1} ms later", start.elapsed().as_secs_f64() * 1e3);

    let other = address.map(|address| {
        let limits = limits(window.unwrap_or(100));
        Arc::new(Resolver::new(Address(address.clone()), vec![address.as_str().into()], limits))
    });
    let (mut ours, mut theirs) = ((vec![], vec![]), (vec![], vec![]));
    for _ in 0..ROUNDS {
        let (many, single) = round("own", dns.resolver(), &names).await;
        ours.0.push(many);
        ours.1.push(single);
        if let Some(other) = &other {
            let (many, single) = round("kubectl", other, &names).await;
            theirs.0.push(many);
            theirs.1.push(single);
        }
    }
    let (many, single) = (median(ours.0), median(ours.1));
    println!("medians: own {many:.0}/s pipelined, {single:.0}/s one at a time");
    if other.is_some() {
        let (m, s) = (median(theirs.0), median(theirs.1));
        println!("medians: kubectl {m:.0}/s pipelined, {s:.0}/s one at a time");
        println!("ratio: {:.2} pipelined, {:.2} one at a time", many / m, single / s);
    }
}

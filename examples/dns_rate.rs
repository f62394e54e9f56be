//! How many DNS questions a second go through: to an address (what `kubectl port-forward` listens on), or to the
//! cluster's DNS through this program's own port-forward.
//!
//!     kubectl -n kube-system port-forward deploy/coredns 5353:53 &
//!     cargo run --release --example dns_rate -- tcp 127.0.0.1:5353 NAMES
//!     cargo run --release --example dns_rate -- pod NAMES

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement by hand")]

use std::time::{Duration, Instant};

use futures_util::StreamExt;
use kdisco::cluster::client::{Client, Terminal};
use kdisco::cluster::kubeconfig::{Environment, Kubeconfig, Overrides};
use kdisco::dns::resolver::{Connect, Limits, Resolver};
use kdisco::model::dns::{Cluster, DnsHealth, RecordType};
use kdisco::runtime::live::{LiveDns, Which, surroundings};
use tokio::net::TcpStream;

const LIMIT: Limits = Limits { question: Duration::from_secs(10), open: Duration::from_secs(10) };
const PIPELINED: usize = 20_000;
const SINGLE: usize = 2_000;

struct Address(String);

impl Connect for Address {
    type Stream = TcpStream;

    async fn open(&self, _: usize) -> Result<TcpStream, String> {
        let stream = TcpStream::connect(&self.0).await.map_err(|e| e.to_string())?;
        stream.set_nodelay(true).map_err(|e| e.to_string())?;
        Ok(stream)
    }
}

async fn measure<C: Connect>(resolver: std::sync::Arc<Resolver<C>>, names: &[String]) {
    let question = |i: usize| (names[i % names.len()].clone(), RecordType::A);
    let start = Instant::now();
    let first = resolver.ask(&names[0], RecordType::A).await;
    println!("first answer: {:?} ({:.1} ms)", first.reply.is_ok(), start.elapsed().as_secs_f64() * 1e3);
    for _ in 0..3 {
        let start = Instant::now();
        let good = resolver.clone().ask_all(None, (0..PIPELINED).map(question));
        let good = good.filter(|s| std::future::ready(s.reply.is_ok())).count().await;
        let rate = good as f64 / start.elapsed().as_secs_f64();
        let start = Instant::now();
        for i in 0..SINGLE {
            let (name, kind) = question(i);
            resolver.ask(&name, kind).await.reply.unwrap();
        }
        let single = SINGLE as f64 / start.elapsed().as_secs_f64();
        println!("pipelined {rate:.0}/s ({good} of {PIPELINED} answered), one at a time {single:.0}/s");
    }
}

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let file = |path: &String| -> Vec<String> {
        std::fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect()
    };
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["tcp", address, _] => {
            let names = file(&arguments[2]);
            let resolver = Resolver::new(Address(address.to_owned()), vec![address.into()], LIMIT);
            measure(resolver.into(), &names).await;
        }
        ["pod", _] => {
            let names = file(&arguments[1]);
            let kubeconfig = Kubeconfig::load(&Overrides::default(), &Environment::of_process()).unwrap();
            let client = Client::new(kubeconfig.target().unwrap(), Terminal::Shared).unwrap();
            let snapshot = surroundings(&client, &[]).await.unwrap();
            let health = DnsHealth::of(&snapshot, &Cluster::new(&snapshot));
            let dns = LiveDns::open(&client, &health, &Which::Best, LIMIT).await.unwrap();
            measure(dns.resolver().clone(), &names).await;
        }
        _ => println!("dns_rate tcp ADDRESS NAMES | dns_rate pod NAMES"),
    }
}

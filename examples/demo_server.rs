//! Starts the demo cluster by itself, for kubectl and other programs, until Ctrl-C.
//!
//! `cargo run --example demo_server [-- --script] [--measured] [--scale SERVICES,PODS]`

use kdisco::demo::{self, Clock, Forwarding, Options};
use std::io::Write as _;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let mut options = Options { clock: Clock::Wall, ..Options::default() };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--script" => options.script = true,
            "--measured" => options.forwarding = Forwarding::Measured,
            "--scale" => {
                let sizes = words.next().unwrap_or_default();
                let (services, pods) = sizes.split_once(',').unwrap_or_default();
                let number = |text: &str| text.parse().map_err(std::io::Error::other);
                options.scale = Some((number(services)?, number(pods)?));
            }
            other => return Err(std::io::Error::other(format!("unknown argument {other}"))),
        }
    }
    let demo = demo::start(options).await?;
    let mut out = std::io::stdout();
    writeln!(out, "server {}", demo.server())?;
    writeln!(out, "export KUBECONFIG={}", demo.kubeconfig().display())?;
    out.flush()?;
    tokio::signal::ctrl_c().await
}

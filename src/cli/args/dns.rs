//! The arguments of the commands that ask or compute DNS: `resolve` and `check`.
//!
//! What it is not: it decides nothing; see [`super`].

use std::path::PathBuf;

use clap::ValueEnum;

use super::Once;
use crate::model::dns::{Libc, RecordType};

/// `resolve`.
#[derive(Clone, Debug, clap::Args)]
pub struct Resolve {
    /// Name; with --from it is searched for as that pod would, without it is taken as absolute
    #[arg(value_name = "NAME", required_unless_present = "batch", conflicts_with = "batch")]
    pub name: Option<String>,
    /// Record type (A, AAAA, SRV, PTR, CNAME, TXT, TYPE65, …); addresses without one
    #[arg(value_name = "TYPE")]
    pub kind: Option<RecordType>,
    /// As seen from this pod (web-0, shop/web-0): its search list, its ndots, its hosts file
    #[arg(long, value_name = "NAMESPACE/POD")]
    pub from: Option<String>,
    /// Whose search to imitate: glibc (Debian, Red Hat, distroless) or musl (Alpine)
    #[arg(long, value_name = "LIBC", default_value = "glibc", value_parser = parse_libc)]
    pub libc: Libc,
    /// Every question with its answer
    #[arg(long)]
    pub trace: bool,
    /// Compute the answer from the API's objects, ask no server
    #[arg(long)]
    pub predict: bool,
    /// Questions from a file
    #[arg(
        long,
        value_name = "FILE",
        help = "Questions from a file (- for standard input), a line each: NAME [TYPE], or a JSON object; answers are \
                JSON lines"
    )]
    pub batch: Option<PathBuf>,
    /// Which CoreDNS pod to ask, or "all" to compare them
    #[arg(long, value_name = "POD", conflicts_with = "predict")]
    pub dns_pod: Option<String>,
    /// How: through a port-forward to CoreDNS, or by a command in the pod of --from
    #[arg(long, value_name = "WAY", default_value = "forward", conflicts_with_all = ["predict", "batch"])]
    pub via: Way,
    /// How long one question may take
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = parse_seconds)]
    pub timeout: std::time::Duration,
    /// How it is printed.
    #[command(flatten)]
    pub output: Once,
}

/// How a name is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Way {
    /// DNS over TCP through a port-forward to a CoreDNS pod
    Forward,
    /// getent or nslookup, run in the pod
    Exec,
}

/// `check`.
#[derive(Clone, Debug, clap::Args)]
pub struct Check {
    /// Services or pods (web, svc/web, pod/web-0, shop/web); all Services and pods without one
    #[arg(value_name = "SERVICE|POD")]
    pub names: Vec<String>,
    /// Which CoreDNS pod to ask, or "all"
    #[arg(long, value_name = "POD")]
    pub dns_pod: Option<String>,
    /// How long one question may take
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = parse_seconds)]
    pub timeout: std::time::Duration,
    /// How it is printed.
    #[command(flatten)]
    pub output: super::Output,
}

pub(super) fn parse_libc(text: &str) -> Result<Libc, String> {
    text.parse().map_err(|()| "it is glibc or musl".to_owned())
}

fn parse_seconds(text: &str) -> Result<std::time::Duration, String> {
    let seconds: f64 = text.trim_end_matches('s').parse().map_err(|_| "give seconds, as in 5 or 0.5")?;
    std::time::Duration::try_from_secs_f64(seconds)
        .ok()
        .filter(|d| !d.is_zero() && d.as_secs() <= 600)
        .ok_or_else(|| "it has to be more than 0 and at most 600 seconds".to_owned())
}

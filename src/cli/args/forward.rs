//! The grammar of `forward`, and of a forward's balance.

use clap::ValueEnum;

/// What is forwarded, and how.
#[derive(Clone, Debug, clap::Args)]
pub struct Forward {
    /// TYPE/NAME or a pod, and ports (80, 8080:http, :80); all ports of a Service without one. A later argument with
    /// a / begins another target
    #[arg(value_name = "TARGET [PORT]", required_unless_present = "profile", conflicts_with = "profile")]
    pub arguments: Vec<String>,
    /// Addresses to listen on, with commas between
    #[arg(long, value_name = "ADDRESS", value_delimiter = ',', default_value = "localhost")]
    pub address: Vec<String>,
    /// Listen on addresses that other computers can reach without asking
    #[arg(long)]
    pub expose: bool,
    /// How long a running pod is waited for at the start (0: for ever)
    #[arg(long, value_name = "TIME", default_value = "1m0s")]
    pub pod_running_timeout: String,
    /// How the pod of a new connection is chosen
    #[arg(long, value_name = "HOW", default_value = "round-robin")]
    pub balance: Balance,
    /// Start the forwards of this profile
    #[arg(long, value_name = "NAME")]
    pub profile: Option<String>,
    /// Keep these forwards as a profile of the context
    #[arg(long, value_name = "NAME")]
    pub save_profile: Option<String>,
    /// Print events instead of kubectl's lines
    #[arg(short, long, value_name = "FORM")]
    pub output: Option<Events>,
}

/// How the pod of a new connection is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Balance {
    /// ready pods in turn
    RoundRobin,
    /// the ready pod with the fewest connections
    LeastConnections,
    /// one pod, chosen as kubectl does, until it is gone
    Kubectl,
}

/// Forms of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Events {
    /// one JSON line each
    Json,
}

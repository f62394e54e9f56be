//! The arguments of `doctor`.

use super::Once;
use crate::model::dns::{Libc, RecordType};

/// `doctor`.
#[derive(Clone, Debug, clap::Args)]
pub struct Doctor {
    /// Name, as it was typed where it failed
    #[arg(value_name = "NAME")]
    pub name: String,
    /// Record type (A, AAAA, SRV, …); addresses without one
    #[arg(value_name = "TYPE")]
    pub kind: Option<RecordType>,
    /// Where it failed: a pod (shop/web-0), any pod of a namespace (shop), or this machine (laptop)
    #[arg(long, value_name = "NAMESPACE/POD|NAMESPACE|laptop")]
    pub from: Option<String>,
    /// C library of the pod: glibc (Debian, Red Hat) or musl (Alpine); by its image without it
    #[arg(long, value_name = "LIBC", value_parser = super::dns::parse_libc)]
    pub libc: Option<Libc>,
    /// Ask no name server at all: neither the cluster's nor this machine's
    #[arg(long)]
    pub no_live: bool,
    /// How it is printed.
    #[command(flatten)]
    pub output: Once,
}

//! Pure facts about a cluster and what follows from them.
//!
//! What it is: the types that hold what the API said, and the rules of Kubernetes and DNS that turn them into
//! predictions (environments, records, findings). What it is not: it never reads, waits, asks or looks at a clock;
//! "now" is an argument. It never fails on odd cluster data: oddities become findings.
//!
//! Everybody may use it; it uses nothing else of ours.

pub mod access;
pub mod columns;
pub mod copy;
pub mod diagnose;
pub mod dns;
pub mod doctor;
pub mod endpoint;
pub mod env;
pub mod finding;
pub mod join;
pub mod labels;
pub mod names;
pub mod network_policy;
pub mod objects;
pub mod pod;
pub mod proxy;
pub mod quantity;
#[cfg(test)]
pub(crate) mod samples;
pub mod selector;
pub mod service;
pub mod session;
pub mod snapshot;
pub mod target;
pub mod text;
pub mod time;

pub use endpoint::{AddressType, Endpoint, EndpointSlice, Hints, SlicePort, TargetRef};
pub use finding::{Finding, ObjectRef, Severity};
pub use labels::Labels;
pub use names::{Kind, ObjectKey};
pub use network_policy::NetworkPolicy;
pub use objects::{ConfigData, Namespace, Node};
pub use pod::Pod;
pub use service::{Port, PortTarget, Protocol, Service, ServiceType};
pub use snapshot::{ClusterSnapshot, Load, NamespaceScope, ServiceFacts};
pub use text::Text;

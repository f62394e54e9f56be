//! The command line: arguments, commands, reports.
//!
//! What it is: the only place that knows all others. What it is not: it computes nothing about Kubernetes; reports
//! print what `model` says.

pub mod access;
pub mod args;
mod ask;
pub mod check;
mod crash;
mod doctor;
pub mod environment;
pub mod explore;
pub mod facts;
pub mod failure;
pub mod forward;
pub mod list;
pub mod live;
pub mod log;
pub mod names;
pub mod proxy;
pub mod report;
pub mod resolve;
pub mod restart;
pub mod run;
mod wait;

pub use run::run;

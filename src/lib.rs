//! kdisco: a terminal explorer of Kubernetes service discovery.
//!
//! This page is the map of the house; `ARCHITECTURE.md` says why it is built so.
//!
//! | module | is | may use |
//! |---|---|---|
//! | [`model`] | pure facts and predictions: Services, endpoints, pods, environments, DNS | nothing of ours |
//! | [`app`] | the pure state machine: message in, state and effects out | `model` |
//! | [`config`] | defaults < file < environment < flags; keys and themes | `model`, `app` |
//! | [`ui`] | views: state in, cells out | `app`, `model`, `config` |
//! | [`wire`] | pure codecs: bytes ↔ frames | nothing of ours |
//! | [`files`] | files that only their owner reads, replaced as a whole | nothing of ours |
//! | [`cluster`] | the API server: kubeconfig, lists, watches, the store | `model`, `wire` |
//! | [`dns`] | the cluster's own DNS, asked live over any byte stream | `model`, `wire` |
//! | [`session`] | port-forwards and the API proxy: listeners, and streams to pods | `model`, `wire`, `files` |
//! | [`runtime`] | the driver: event loop, terminal, effects, clock, clipboard | all of the above |
//! | [`demo`] | a small world to try things on, over real loopback TCP | `wire`, `files` |
//! | [`cli`] | arguments, commands, reports | everything |

pub mod app;
pub mod cli;
pub mod cluster;
pub mod config;
pub mod demo;
pub mod dns;
pub mod files;
pub mod model;
pub mod runtime;
pub mod session;
pub mod ui;
pub mod wire;

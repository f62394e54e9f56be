//! A demo of its own for a test, and clients of it.

#![allow(dead_code, reason = "each test program uses a part of it")]

use kdisco::cluster::client::{Client, Terminal};
use kdisco::cluster::kubeconfig::{Environment, Kubeconfig, Overrides};
use kdisco::demo::{Clock, Demo, Options, start};

/// A demo whose time passes only by steps.
pub(crate) async fn demo() -> Demo {
    start(Options { clock: Clock::Stepped, ..Options::default() }).await.expect("the demo starts")
}

/// A client of one of its users: `demo` or `demo-viewer`.
pub(crate) fn client(demo: &Demo, context: &str) -> Client {
    let overrides = Overrides {
        kubeconfig: Some(demo.kubeconfig().to_owned()),
        context: Some(context.to_owned()),
        ..Overrides::default()
    };
    client_of(&overrides)
}

/// A client by flags alone: nothing of this machine's environment counts.
pub(crate) fn client_of(overrides: &Overrides) -> Client {
    let environment = Environment { variables: [].into(), service_account: "/nonexistent".into() };
    let target = Kubeconfig::load(overrides, &environment).and_then(|kubeconfig| kubeconfig.target());
    Client::new(target.expect("a usable kubeconfig"), Terminal::Ours).expect("a client")
}

//! One suite, two clusters: what kdisco and the demo rely on, held against the demo always and against a real cluster
//! when `KDISCO_CONTRACT_KUBECONFIG` names one (its current context; everything is made in a namespace of its own,
//! which is deleted afterwards).
//!
//! Raw answers are compared with those that a real API server gave (`tests/contract/answers`); with
//! `KDISCO_CONTRACT_UPDATE=1` and a real cluster they are written anew. `KDISCO_CONTRACT_IMAGE` names an image with a
//! shell and busybox' nc and httpd (default `busybox:1.37`); `KDISCO_CONTRACT_FORGET` is a command after which the API
//! server knows no revision from before (without one, what is done about that is seen at the demo alone).

#[path = "contract/answers.rs"]
mod answers;
#[path = "contract/journeys.rs"]
mod journeys;
#[path = "contract/lists.rs"]
mod lists;
#[path = "contract/matrix.rs"]
mod matrix;
#[path = "contract/names.rs"]
mod names;
#[path = "contract/probes.rs"]
mod probes;
#[path = "common/pty.rs"]
mod pty;
#[path = "contract/rights.rs"]
mod rights;
#[path = "contract/streams.rs"]
mod streams;
#[path = "contract/world.rs"]
mod world;

use std::future::Future;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};

use libtest_mimic::{Arguments, Failed, Trial};
use tokio::runtime::Runtime;
use world::World;

/// One check: it panics where the cluster is not as expected.
type Check = for<'w> fn(&'w World) -> Pin<Box<dyn Future<Output = ()> + 'w>>;

/// All checks of a module under their names.
macro_rules! checks {
    ($($module:ident: $($check:ident),+;)+) => {
        &[$($((concat!(stringify!($module), "::", stringify!($check)), (|world| Box::pin($module::$check(world))) as Check)),+),+]
    };
}

const CHECKS: &[(&str, Check)] = checks! {
    answers: discovery, lists_and_watches, refusals, refusals_of_rights, writes, upgrades, proxied, fields;
    lists: every_kind_is_listed, what_changes_shows, a_watch_from_a_forgotten_revision_recovers, pages_are_one_list;
    streams: forwards, half_close, refused_ports, the_end_of_a_pod, commands, environments, the_api_proxy;
    names: every_record_is_predicted, names_that_do_not_exist;
    rights: reviews_and_refusals_agree, access_is_judged;
    journeys: the_explorer_shows_the_tutorial, a_forward_from_the_explorer, without_rights_it_says_so;
};

/// Checks that need what the demo does not have: users and roles at will.
const REAL_CHECKS: &[(&str, Check)] = checks! {
    matrix: every_role_sees_what_it_may;
};

/// The real cluster; made by the first check that needs it, used by one check at a time.
static REAL: Mutex<Option<Result<World, String>>> = Mutex::new(None);

fn main() {
    let arguments = Arguments::from_args();
    let runtime: &'static Runtime = Box::leak(Box::new(Runtime::new().expect("a runtime")));
    let kubeconfig = std::env::var_os("KDISCO_CONTRACT_KUBECONFIG");
    let mut trials = Vec::new();
    for (name, check) in CHECKS.iter().chain(REAL_CHECKS) {
        let on_demo = move || {
            runtime.block_on(async {
                let world = World::demo().await;
                check(&world).await;
            });
            Ok(())
        };
        if CHECKS.iter().any(|(demo, _)| demo == name) {
            trials.push(Trial::test(format!("demo::{name}"), on_demo));
        }
        let path = kubeconfig.clone();
        let on_real = move || {
            let mut real = REAL.lock().unwrap_or_else(PoisonError::into_inner);
            let path = path.ok_or("KDISCO_CONTRACT_KUBECONFIG is not set")?;
            let world = real.get_or_insert_with(|| runtime.block_on(World::real(path.as_ref())));
            runtime.block_on(check(world.as_ref().map_err(|why| Failed::from(why.as_str()))?));
            Ok(())
        };
        let trial = Trial::test(format!("real::{name}"), on_real);
        trials.push(trial.with_ignored_flag(kubeconfig.is_none()));
    }
    if kubeconfig.is_none() && !arguments.list {
        println!("the real half is skipped: KDISCO_CONTRACT_KUBECONFIG is not set (CONTRIBUTING.md)");
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    if let Some(Ok(world)) = REAL.lock().unwrap_or_else(PoisonError::into_inner).take() {
        runtime.block_on(world.remove());
    }
    conclusion.exit();
}

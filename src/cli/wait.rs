//! The runtimes that commands wait in, to the end of their work.
//!
//! What it is not: it runs no command. Each command calls it once.

use std::io;

use tokio::runtime::Builder;

use super::failure::{Exit, Failure};

/// Runs something to its end, or until somebody has enough.
///
/// # Errors
/// That of the work, no runtime, an interrupt.
pub(super) fn block_on<T, E: From<Failure>>(work: impl Future<Output = Result<T, E>>) -> Result<T, E> {
    wait_for(async {
        tokio::select! {
            result = work => result,
            _ = tokio::signal::ctrl_c() => {
                Err(Failure::new(Exit::Problems, "interrupted", "", "").into())
            }
        }
    })
}

/// Runs what has to wait, in a runtime of its own. What an interrupt means is for the work to say: it ends a watch well.
///
/// # Errors
/// That of the work, or no runtime.
pub(super) fn wait_for<T, E: From<Failure>>(work: impl Future<Output = Result<T, E>>) -> Result<T, E> {
    wait_in(Builder::new_multi_thread().worker_threads(2), work)
}

/// The same on this thread alone, for work that waits for sockets and computes next to nothing: waking another thread
/// costs more than a request.
///
/// # Errors
/// That of the work, or no runtime.
pub(super) fn wait_on_one_thread<T, E: From<Failure>>(
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    wait_in(&mut Builder::new_current_thread(), work)
}

fn wait_in<T, E: From<Failure>>(
    runtime: &mut Builder,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    let cannot = |e: io::Error| Failure::new(Exit::Problems, "the program can't start", e.to_string(), "");
    let runtime = runtime.enable_all().build().map_err(cannot)?;
    let result = runtime.block_on(work);
    // A name look-up that hangs in a system call must not hold up the end.
    runtime.shutdown_background();
    result
}

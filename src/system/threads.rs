//! Threads, and waiting.

use std::thread::{Builder, JoinHandle, Scope};
use std::time::Duration;

pub(crate) fn sleep(duration: Duration) {
    std::thread::sleep(duration);
}

/// Starts a thread.
///
/// # Errors
/// The system may start none.
pub(crate) fn spawn<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> std::io::Result<JoinHandle<T>> {
    Builder::new().spawn(work)
}

/// Runs threads that have ended when it returns.
pub(crate) fn scope<'env, T>(work: impl for<'scope> FnOnce(&'scope Scope<'scope, 'env>) -> T) -> T {
    std::thread::scope(work)
}

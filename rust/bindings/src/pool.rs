//! The threads that the core runs on, and what the machine has.

use std::sync::{Arc, Mutex, PoisonError};

use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};

/// The pool and the process that made it: threads do not survive a fork.
static POOL: Mutex<Option<(u32, Arc<ThreadPool>)>> = Mutex::new(None);

/// More threads than any machine has cores are a mistake, and take a long time to start.
const MAX_THREADS: usize = 1024;

/// The pool of this process.
pub fn current() -> PyResult<Arc<ThreadPool>> {
    let mut slot = POOL.lock().unwrap_or_else(PoisonError::into_inner);
    match slot.take() {
        Some((process, pool)) if process == std::process::id() => {
            *slot = Some((process, pool.clone()));
            Ok(pool)
        }
        other => {
            // Dropping a pool waits for its threads, which a forked child does not have.
            std::mem::forget(other);
            let pool = build(wished()?)?;
            *slot = Some((std::process::id(), pool.clone()));
            Ok(pool)
        }
    }
}

fn wished() -> PyResult<usize> {
    const NAME: &str = "QHYPERNET_NUM_THREADS";
    match std::env::var(NAME) {
        Err(_) => Ok(std::thread::available_parallelism().map_or(1, |n| n.get())),
        Ok(value) => match value.parse() {
            Ok(n) if (1..=MAX_THREADS).contains(&n) => Ok(n),
            _ => Err(PyValueError::new_err(format!(
                "{NAME}: expected a whole number from 1 to {MAX_THREADS}, got '{value}'"
            ))),
        },
    }
}

fn build(n_threads: usize) -> PyResult<Arc<ThreadPool>> {
    ThreadPoolBuilder::new()
        .num_threads(n_threads)
        .stack_size(4 << 20)
        .thread_name(|i| format!("qhypernet-{i}"))
        .build()
        .map(Arc::new)
        .map_err(|e| PyRuntimeError::new_err(format!("cannot start {n_threads} threads: {e}")))
}

#[pyfunction]
pub fn num_threads() -> PyResult<usize> {
    Ok(current()?.current_num_threads())
}

#[pyfunction]
pub fn set_num_threads(n_threads: usize) -> PyResult<()> {
    if !(1..=MAX_THREADS).contains(&n_threads) {
        let expected = format!("a whole number from 1 to {MAX_THREADS}");
        return Err(PyValueError::new_err(format!(
            "n_threads: expected {expected}, got {n_threads}"
        )));
    }
    let pool = build(n_threads)?;
    *POOL.lock().unwrap_or_else(PoisonError::into_inner) = Some((std::process::id(), pool));
    Ok(())
}

#[pyfunction]
pub fn simd_level() -> &'static str {
    qhypernet_core::level().name()
}

/// Fails when so many bytes are more than what is available.
#[pyfunction]
pub fn check_memory(what: &str, needed: u64) -> PyResult<()> {
    let check = qhypernet_core::memory::check(what, needed, "ask for less");
    check.map_err(crate::convert::to_python)
}

#[pyfunction]
pub fn available_memory() -> u64 {
    qhypernet_core::memory::available()
}

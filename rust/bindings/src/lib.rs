//! `qhypernet._core`: the core's functions for Python.
//!
//! Every function here does four things: check shapes, detach from the GIL, call the core, wrap the
//! result as an array. Anything that takes thought belongs to the core or to the Python package.

mod circuit;
mod convert;
mod history;
mod mmd;
mod network;
mod objective;
mod optimizer;
mod pool;

use pyo3::prelude::*;

#[pymodule]
fn _core(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_class::<circuit::Circuit>()?;
    module.add_class::<circuit::State>()?;
    module.add_class::<network::Network>()?;
    module.add_class::<objective::Problem>()?;
    module.add_function(wrap_pyfunction!(circuit::gate_table, module)?)?;
    module.add_function(wrap_pyfunction!(objective::evaluate, module)?)?;
    module.add_function(wrap_pyfunction!(objective::descend, module)?)?;
    module.add_function(wrap_pyfunction!(objective::uniforms, module)?)?;
    module.add_function(wrap_pyfunction!(objective::directions, module)?)?;
    module.add_function(wrap_pyfunction!(objective::sample_prior, module)?)?;
    module.add_function(wrap_pyfunction!(convert::all_finite, module)?)?;
    module.add_function(wrap_pyfunction!(history::record, module)?)?;
    module.add_function(wrap_pyfunction!(optimizer::adam_step, module)?)?;
    module.add_function(wrap_pyfunction!(mmd::kernel_matrix, module)?)?;
    module.add_function(wrap_pyfunction!(mmd::median_heuristic, module)?)?;
    module.add_function(wrap_pyfunction!(mmd::mmd2, module)?)?;
    module.add_function(wrap_pyfunction!(mmd::mmd2_to_prior, module)?)?;
    module.add_function(wrap_pyfunction!(mmd::mmd2_exact, module)?)?;
    module.add_function(wrap_pyfunction!(pool::num_threads, module)?)?;
    module.add_function(wrap_pyfunction!(pool::set_num_threads, module)?)?;
    module.add_function(wrap_pyfunction!(pool::simd_level, module)?)?;
    module.add_function(wrap_pyfunction!(pool::available_memory, module)?)?;
    module.add_function(wrap_pyfunction!(pool::check_memory, module)?)?;
    Ok(())
}

//! Objectives, and the random numbers that training starts from.

use numpy::{PyArrayDyn, PyReadonlyArrayDyn};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use qhypernet_core::memory;
use qhypernet_core::mmd::HammingKernel;
use qhypernet_core::objective::{self, Divergence, Evaluations, Objective, Shots};
use qhypernet_core::rng::{Purpose, generator, uniform};

use crate::circuit::Circuit;
use crate::convert::{array, compute, compute_here, slice, to_python};

type Parts<'py> =
    (Bound<'py, PyArrayDyn<f64>>, Bound<'py, PyArrayDyn<f64>>, Bound<'py, PyArrayDyn<f64>>);

#[pyclass(module = "qhypernet._core", frozen)]
pub struct Problem {
    inner: objective::Problem,
}

#[pymethods]
impl Problem {
    #[new]
    fn new(
        py: Python<'_>,
        table: PyReadonlyArrayDyn<'_, f64>,
        p_plus: PyReadonlyArrayDyn<'_, f64>,
    ) -> PyResult<Self> {
        let (table, p_plus) = (slice("table", &table)?, slice("p_plus", &p_plus)?);
        let inner = compute(py, || objective::Problem::new(table, p_plus))?;
        Ok(Self { inner })
    }

    #[getter]
    fn n_weights(&self) -> usize {
        self.inner.n_weights()
    }
}

fn objective(divergence: &str, bandwidths: &[f64], weight: f64) -> PyResult<Objective> {
    let divergence = match divergence {
        "none" => Divergence::None,
        "kl" => Divergence::Kl,
        "mmd" => Divergence::Mmd(HammingKernel::new(bandwidths).map_err(to_python)?),
        other => {
            let message = format!("divergence: expected one of none, kl, mmd, got '{other}'");
            return Err(PyValueError::new_err(message));
        }
    };
    Ok(Objective { divergence, weight })
}

fn parts<'py>(py: Python<'py>, evaluations: Evaluations) -> PyResult<Parts<'py>> {
    let Evaluations { expected_cost, regularizer, gradient } = evaluations;
    let batch = expected_cost.len();
    let n_params = gradient.len() / batch.max(1);
    Ok((
        array(py, expected_cost, &[batch])?,
        array(py, regularizer, &[batch])?,
        array(py, gradient, &[batch, n_params])?,
    ))
}

/// (expected cost, regularizer, gradient) of each row of parameters.
#[pyfunction]
pub fn evaluate_exact<'py>(
    py: Python<'py>,
    circuit: &Circuit,
    problem: &Problem,
    params: PyReadonlyArrayDyn<'_, f64>,
    divergence: &str,
    bandwidths: Vec<f64>,
    weight: f64,
) -> PyResult<Parts<'py>> {
    let program = circuit.program()?;
    let objective = objective(divergence, &bandwidths, weight)?;
    let params = slice("params", &params)?;
    let work = || objective::exact(&program, &problem.inner, &objective, params);
    let is_short = objective::is_short(&program, params);
    let evaluations = if is_short { compute_here(py, work) } else { compute(py, work) }?;
    parts(py, evaluations)
}

/// The same, estimated from `shots` measured networks for each row.
#[pyfunction]
#[allow(clippy::too_many_arguments)]
pub fn evaluate_sampled<'py>(
    py: Python<'py>,
    circuit: &Circuit,
    problem: &Problem,
    params: PyReadonlyArrayDyn<'_, f64>,
    divergence: &str,
    bandwidths: Vec<f64>,
    weight: f64,
    shots: usize,
    seed: u64,
    first_init: u64,
    step: u64,
) -> PyResult<Parts<'py>> {
    let program = circuit.program()?;
    let objective = objective(divergence, &bandwidths, weight)?;
    let params = slice("params", &params)?;
    let draw = Shots { shots, seed, first_init, step };
    let evaluations =
        compute(py, || objective::sampled(&program, &problem.inner, &objective, params, draw))?;
    parts(py, evaluations)
}

/// Uniform numbers from [0, 1), shape (n_inits, n): each initialisation has a stream of its own.
#[pyfunction]
pub fn uniforms<'py>(
    py: Python<'py>,
    seed: u64,
    first_init: u64,
    n_inits: usize,
    n: usize,
) -> PyResult<Bound<'py, PyArrayDyn<f64>>> {
    let values = compute(py, || {
        let bytes = (n_inits as u64).saturating_mul(n as u64).saturating_mul(8);
        memory::check("a start of so many initialisations", bytes, "take fewer initialisations")?;
        let rows = (0..n_inits as u64).flat_map(|i| {
            let mut rng = generator(seed, Purpose::Start, first_init + i, 0);
            (0..n).map(move |_| uniform(&mut rng))
        });
        Ok(rows.collect())
    })?;
    array(py, values, &[n_inits, n])
}

/// Signs +1 and -1, shape (n_inits, n), from the stream (seed, directions, init, step) of each row.
#[pyfunction]
pub fn directions<'py>(
    py: Python<'py>,
    seed: u64,
    step: u64,
    first_init: u64,
    n_inits: usize,
    n: usize,
) -> PyResult<Bound<'py, PyArrayDyn<f64>>> {
    let values = (0..n_inits as u64).flat_map(|i| {
        let mut rng = generator(seed, Purpose::Directions, first_init + i, step);
        (0..n).map(move |_| if uniform(&mut rng) < 0.5 { 1.0 } else { -1.0 })
    });
    array(py, values.collect(), &[n_inits, n])
}

/// Bits drawn from a prior, shape (n_samples, n): bit 0 is the weight +1.
#[pyfunction]
pub fn sample_prior<'py>(
    py: Python<'py>,
    seed: u64,
    p_plus: Vec<f64>,
    n_samples: usize,
) -> PyResult<Bound<'py, PyArrayDyn<u8>>> {
    let n = p_plus.len();
    let bits = compute(py, || {
        let bytes = (n as u64).saturating_mul(n_samples as u64);
        memory::check("a sample of this size", bytes, "take fewer samples")?;
        let mut rng = generator(seed, Purpose::Prior, 0, 0);
        let mut bits = Vec::with_capacity(n_samples * n);
        for _ in 0..n_samples {
            bits.extend(p_plus.iter().map(|p| u8::from(uniform(&mut rng) >= *p)));
        }
        Ok(bits)
    })?;
    array(py, bits, &[n_samples, n])
}

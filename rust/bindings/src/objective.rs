//! Objectives, and the random numbers that training starts from.

use numpy::{PyArrayDyn, PyReadonlyArrayDyn, PyUntypedArrayMethods};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use qhypernet_core::mmd::HammingKernel;
use qhypernet_core::objective::{
    self, Course, Descent, Divergence, Evaluations, Objective, Shots, Source,
};
use qhypernet_core::rng::{Purpose, generator, uniform};
use qhypernet_core::{Adam, memory};

use crate::circuit::Circuit;
use crate::convert::{array, compute, compute_where, slice, to_python, writable};

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

fn divergence(name: &str, bandwidths: &[f64]) -> PyResult<Divergence> {
    match name {
        "none" => Ok(Divergence::None),
        "kl" => Ok(Divergence::Kl),
        "mmd" => Ok(Divergence::Mmd(HammingKernel::new(bandwidths).map_err(to_python)?)),
        other => {
            let message = format!("divergence: expected one of none, kl, mmd, got '{other}'");
            Err(PyValueError::new_err(message))
        }
    }
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

/// (expected cost, regularizer, gradient) of each row of parameters: exact, or estimated from so many
/// `shots` of the stream (seed, first_init + row, step).
#[pyfunction]
#[pyo3(signature = (
    circuit, problem, params, divergence, bandwidths, weight, shots=None, seed=0, first_init=0, step=0
))]
#[allow(clippy::too_many_arguments)]
pub fn evaluate<'py>(
    py: Python<'py>,
    circuit: &Circuit,
    problem: &Problem,
    params: PyReadonlyArrayDyn<'_, f64>,
    divergence: &str,
    bandwidths: Vec<f64>,
    weight: f64,
    shots: Option<usize>,
    seed: u64,
    first_init: u64,
    step: u64,
) -> PyResult<Parts<'py>> {
    let program = circuit.program()?;
    let objective = Objective { divergence: self::divergence(divergence, &bandwidths)?, weight };
    let source = source(shots, seed, first_init);
    let params = slice("params", &params)?;
    let n_rows = params.len() / program.plan().n_params().max(1);
    let work = || objective::evaluate(&program, &problem.inner, &objective, source, params, step);
    let is_short = objective::is_short(&program, source, [n_rows, 1]);
    parts(py, compute_where(py, is_short, work)?)
}

/// Takes as many steps of Adam as there are `moves`, from `step` on, each a rate and a scale as those of
/// `adam_step`, and as many rows of the history, which are those of `record`. False, and nothing
/// changed, where a number on the way is not finite.
#[pyfunction]
#[allow(clippy::too_many_arguments)]
pub fn descend<'py>(
    py: Python<'py>,
    circuit: &Circuit,
    problem: &Problem,
    params: &Bound<'py, PyArrayDyn<f64>>,
    divergence: &str,
    bandwidths: Vec<f64>,
    weights: Vec<f64>,
    shots: Option<usize>,
    seed: u64,
    first_init: u64,
    step: u64,
    mean: &Bound<'py, PyArrayDyn<f64>>,
    square: &Bound<'py, PyArrayDyn<f64>>,
    beta1: f64,
    beta2: f64,
    epsilon: f64,
    moves: Vec<(f64, f64)>,
    history: &Bound<'py, PyArrayDyn<f64>>,
) -> PyResult<bool> {
    let program = circuit.program()?;
    let n_params = program.plan().n_params();
    let &[n_rows, _] = params.shape() else {
        let expected = format!("(starts, {n_params})");
        return Err(wrong_shape("params", expected, params.shape()));
    };
    let n_steps = moves.len();
    let shapes: [(_, _, &[usize]); 4] = [
        ("params", params, &[n_rows, n_params]),
        ("mean", mean, &[n_rows, n_params]),
        ("square", square, &[n_rows, n_params]),
        ("history", history, &[n_steps, 4, n_rows]),
    ];
    for (argument, array, expected) in shapes {
        if array.shape() != expected {
            return Err(wrong_shape(argument, format!("{expected:?}"), array.shape()));
        }
    }
    let divergence = self::divergence(divergence, &bandwidths)?;
    let source = source(shots, seed, first_init);
    let adam = |(rate, scale)| Adam { beta1, beta2, epsilon, rate, scale };
    let moves: Vec<Adam> = moves.into_iter().map(adam).collect();
    let course = Course { first_step: step, weights: &weights, moves: &moves };
    let (mut params, mut mean) = (writable("params", params)?, writable("mean", mean)?);
    let (mut square, mut history) = (writable("square", square)?, writable("history", history)?);
    let descent = Descent {
        params: params.as_slice_mut()?,
        mean: mean.as_slice_mut()?,
        square: square.as_slice_mut()?,
        history: history.as_slice_mut()?,
    };
    let is_short = objective::is_short(&program, source, [n_rows, n_steps]);
    compute_where(py, is_short, || {
        objective::descend(&program, &problem.inner, &divergence, source, course, descent)
    })
}

fn wrong_shape(argument: &str, expected: String, got: &[usize]) -> PyErr {
    PyValueError::new_err(format!("{argument}: expected shape {expected}, got {got:?}"))
}

fn source(shots: Option<usize>, seed: u64, first_init: u64) -> Source {
    shots.map_or(Source::Exact, |shots| Source::Sampled(Shots { shots, seed, first_init }))
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

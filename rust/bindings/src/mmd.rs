//! Hamming kernels and MMD.

use numpy::{PyArrayDyn, PyReadonlyArrayDyn};
use pyo3::prelude::*;
use qhypernet_core::mmd::{self, Estimator, HammingKernel};

use crate::convert::{array, compute, pack, slice, to_python};

fn estimator(unbiased: bool) -> Estimator {
    if unbiased { Estimator::Unbiased } else { Estimator::Biased }
}

fn kernel(bandwidths: &[f64]) -> PyResult<HammingKernel> {
    HammingKernel::new(bandwidths).map_err(to_python)
}

/// k of every pair of rows, shape (A, B).
#[pyfunction]
pub fn kernel_matrix<'py>(
    py: Python<'py>,
    bits_a: PyReadonlyArrayDyn<'_, u8>,
    bits_b: PyReadonlyArrayDyn<'_, u8>,
    bandwidths: Vec<f64>,
) -> PyResult<Bound<'py, PyArrayDyn<f64>>> {
    let kernel = kernel(&bandwidths)?;
    let (a, b) = (pack("bits_a", &bits_a)?, pack("bits_b", &bits_b)?);
    let values = compute(py, || kernel.matrix(&a, &b))?;
    array(py, values, &[a.len(), b.len()])
}

/// The bandwidth that the median heuristic gives.
#[pyfunction]
pub fn median_heuristic(p_plus: Vec<f64>) -> PyResult<f64> {
    Ok(HammingKernel::median_heuristic(&p_plus).map_err(to_python)?.bandwidths()[0])
}

/// MMD^2 between two samples.
#[pyfunction]
pub fn mmd2(
    py: Python<'_>,
    bits_q: PyReadonlyArrayDyn<'_, u8>,
    bits_p: PyReadonlyArrayDyn<'_, u8>,
    bandwidths: Vec<f64>,
    unbiased: bool,
) -> PyResult<f64> {
    let kernel = kernel(&bandwidths)?;
    let (q, p) = (pack("bits_q", &bits_q)?, pack("bits_p", &bits_p)?);
    compute(py, || mmd::mmd2(&q, &p, &kernel, estimator(unbiased)))
}

/// MMD^2 between a sample and a factorised prior.
#[pyfunction]
pub fn mmd2_to_prior(
    py: Python<'_>,
    bits_q: PyReadonlyArrayDyn<'_, u8>,
    p_plus: Vec<f64>,
    bandwidths: Vec<f64>,
    unbiased: bool,
) -> PyResult<f64> {
    let kernel = kernel(&bandwidths)?;
    let q = pack("bits_q", &bits_q)?;
    compute(py, || mmd::mmd2_to_prior(&q, &p_plus, &kernel, estimator(unbiased)))
}

/// MMD^2 between two probability vectors.
#[pyfunction]
pub fn mmd2_exact(
    py: Python<'_>,
    q: PyReadonlyArrayDyn<'_, f64>,
    p: PyReadonlyArrayDyn<'_, f64>,
    bandwidths: Vec<f64>,
) -> PyResult<f64> {
    let kernel = kernel(&bandwidths)?;
    let (q, p) = (slice("q", &q)?, slice("p", &p)?);
    compute(py, || mmd::mmd2_exact(q, p, &kernel))
}

//! Steps of optimisers.

use numpy::{PyArrayDyn, PyReadonlyArrayDyn, PyReadwriteArrayDyn, PyUntypedArrayMethods};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use qhypernet_core::{Adam, adam};

use crate::convert::{array, compute_here, slice};

/// The next parameters; the running means are written over.
#[pyfunction]
#[allow(clippy::too_many_arguments)]
pub fn adam_step<'py>(
    py: Python<'py>,
    params: PyReadonlyArrayDyn<'py, f64>,
    gradient: PyReadonlyArrayDyn<'py, f64>,
    mut mean: PyReadwriteArrayDyn<'py, f64>,
    mut square: PyReadwriteArrayDyn<'py, f64>,
    beta1: f64,
    beta2: f64,
    epsilon: f64,
    rate: f64,
    scale: f64,
) -> PyResult<Bound<'py, PyArrayDyn<f64>>> {
    let shape = params.shape();
    if [gradient.shape(), mean.shape(), square.shape()] != [shape; 3] {
        let got = [gradient.shape(), mean.shape(), square.shape()];
        let message = format!("gradient, mean, square: expected shapes {shape:?}, got {got:?}");
        return Err(PyValueError::new_err(message));
    }
    let (mut moved, gradient) = (slice("params", &params)?.to_vec(), slice("gradient", &gradient)?);
    let (mean, square) = (mean.as_slice_mut()?, square.as_slice_mut()?);
    let settings = Adam { beta1, beta2, epsilon, rate, scale };
    compute_here(py, || {
        adam(settings, gradient, mean, square, &mut moved);
        Ok(())
    })?;
    array(py, moved, shape)
}

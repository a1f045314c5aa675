//! What training remembers of its steps.

use numpy::{AllowTypeChange, PyArrayLikeDyn, PyReadwriteArrayDyn, PyUntypedArrayMethods};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::convert::{compute_here, numbers};

type Numbers<'py> = PyArrayLikeDyn<'py, f64, AllowTypeChange>;

/// Writes a step into its row of the history, shape (4, starts). Returns whether all of the
/// objectives and gradients are finite.
#[pyfunction]
pub fn record(
    py: Python<'_>,
    mut row: PyReadwriteArrayDyn<'_, f64>,
    expected_nll: Numbers<'_>,
    regularizer: Numbers<'_>,
    gradient: Numbers<'_>,
    has_expected_nll: bool,
) -> PyResult<bool> {
    let &[4, n] = row.shape() else {
        return Err(PyValueError::new_err(format!(
            "row: expected shape (4, starts), got {:?}",
            row.shape()
        )));
    };
    let [parts @ .., slopes] = [expected_nll.shape(), regularizer.shape(), gradient.shape()];
    if parts != [[n]; 2] || slopes.len() != 2 || slopes[0] != n {
        return Err(PyValueError::new_err(format!(
            "gradient: expected both parts of {n} objectives and a derivative by each parameter, \
             got arrays of shapes {parts:?} and {slopes:?}"
        )));
    }
    let found = [&expected_nll, &regularizer, &gradient].map(|values| numbers(values));
    let row = row.as_slice_mut()?;
    compute_here(py, || {
        let [expected_nll, regularizer, gradient] = &found;
        Ok(qhypernet_core::record(row, expected_nll, regularizer, gradient, has_expected_nll))
    })
}

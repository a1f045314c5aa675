//! Errors and arrays across the border.

use std::borrow::Cow;

use numpy::ndarray::ArrayD;
use numpy::{
    Element, IntoPyArray, PyArrayDyn, PyArrayMethods, PyReadonlyArrayDyn, PyReadwriteArrayDyn,
    PyUntypedArrayMethods,
};
use pyo3::exceptions::{PyMemoryError, PyValueError};
use pyo3::prelude::*;
use qhypernet_core::bits::PackedBits;
use qhypernet_core::{Error, error, memory};

/// The one mapping from the core's errors to Python's.
pub fn to_python(error: Error) -> PyErr {
    match error {
        Error::Invalid { .. } => PyValueError::new_err(error.to_string()),
        Error::Memory { .. } => PyMemoryError::new_err(error.to_string()),
    }
}

/// Runs `work` on the pool, detached from the GIL.
pub fn compute<R: Send>(
    py: Python<'_>,
    work: impl FnOnce() -> Result<R, Error> + Send,
) -> PyResult<R> {
    let pool = crate::pool::current()?;
    py.detach(|| pool.install(work)).map_err(to_python)
}

/// Runs `work` that is too short to be worth waking another thread for, detached from the GIL.
pub fn compute_here<R: Send>(
    py: Python<'_>,
    work: impl FnOnce() -> Result<R, Error> + Send,
) -> PyResult<R> {
    py.detach(work).map_err(to_python)
}

/// Runs `work` on the pool unless it `is_short`, detached from the GIL.
pub fn compute_where<R: Send>(
    py: Python<'_>,
    is_short: bool,
    work: impl FnOnce() -> Result<R, Error> + Send,
) -> PyResult<R> {
    if is_short { compute_here(py, work) } else { compute(py, work) }
}

/// An array's numbers, row-major.
pub fn slice<'a, T: Element>(
    argument: &str,
    array: &'a PyReadonlyArrayDyn<'_, T>,
) -> PyResult<&'a [T]> {
    in_rows(array).ok_or_else(|| {
        PyValueError::new_err(format!(
            "{argument}: expected a C-contiguous array, got one that is not"
        ))
    })
}

/// An array's numbers if they lie row by row: `as_slice` also takes columns one after the other.
fn in_rows<'a, T: Element>(array: &'a PyReadonlyArrayDyn<'_, T>) -> Option<&'a [T]> {
    array.as_slice().ok().filter(|_| array.is_c_contiguous())
}

/// An array whose numbers lie row by row and may be written over: not those of another argument.
pub fn writable<'py>(
    argument: &str,
    array: &Bound<'py, PyArrayDyn<f64>>,
) -> PyResult<PyReadwriteArrayDyn<'py, f64>> {
    let refused = |expected: &str| {
        PyValueError::new_err(format!("{argument}: expected {expected}, got one that is not"))
    };
    if !array.is_c_contiguous() {
        return Err(refused("a C-contiguous array"));
    }
    array.try_readwrite().map_err(|_| refused("an array of its own that can be written to"))
}

/// An array's numbers, row-major: where they are, if they lie so.
pub fn numbers<'a>(array: &'a PyReadonlyArrayDyn<'_, f64>) -> Cow<'a, [f64]> {
    let copied = || array.as_array().iter().copied().collect();
    in_rows(array).map_or_else(|| Cow::Owned(copied()), Cow::Borrowed)
}

/// Whether all numbers are finite.
#[pyfunction]
pub fn all_finite(py: Python<'_>, values: PyReadonlyArrayDyn<'_, f64>) -> PyResult<bool> {
    let values = numbers(&values);
    compute_here(py, || Ok(error::all_finite(&values)))
}

/// Numbers as an array of the given shape.
pub fn array<'py, T: Element>(
    py: Python<'py>,
    values: Vec<T>,
    shape: &[usize],
) -> PyResult<Bound<'py, PyArrayDyn<T>>> {
    let array = ArrayD::from_shape_vec(shape, values).expect("as many numbers as the shape has");
    Ok(array.into_pyarray(py))
}

/// A new array of the given shape that `work`, detached from the GIL, fills to the last number, on the
/// pool unless it `is_short`.
pub fn filled<'py, T: Element + Send>(
    py: Python<'py>,
    shape: &[usize],
    is_short: bool,
    work: impl FnOnce(&mut [T]) -> Result<(), Error> + Send,
) -> PyResult<Bound<'py, PyArrayDyn<T>>> {
    // SAFETY: `work` writes every number, or the array is not given out.
    let array = unsafe { PyArrayDyn::<T>::new(py, shape, false) };
    let mut view = array.readwrite();
    let values = view.as_slice_mut().expect("a new array is contiguous");
    memory::prefer_large_pages(values.as_ptr(), values.len());
    compute_where(py, is_short, || work(values))?;
    drop(view);
    Ok(array)
}

/// Rows of bits, the last axis being the bits.
pub fn pack(argument: &'static str, bits: &PyReadonlyArrayDyn<'_, u8>) -> PyResult<PackedBits> {
    let n_bits = bits.shape().last().copied().unwrap_or(0);
    PackedBits::from_bytes(argument, slice(argument, bits)?, n_bits).map_err(to_python)
}

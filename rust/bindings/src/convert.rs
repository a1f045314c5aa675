//! Errors and arrays across the border.

use numpy::{
    Element, IntoPyArray, PyArrayDyn, PyArrayMethods, PyReadonlyArrayDyn, PyUntypedArrayMethods,
};
use pyo3::exceptions::{PyMemoryError, PyValueError};
use pyo3::prelude::*;
use qhypernet_core::bits::PackedBits;
use qhypernet_core::{Error, memory};

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

/// An array's numbers, row-major.
pub fn slice<'a, T: Element>(
    argument: &str,
    array: &'a PyReadonlyArrayDyn<'_, T>,
) -> PyResult<&'a [T]> {
    array.as_slice().map_err(|_| {
        PyValueError::new_err(format!(
            "{argument}: expected a C-contiguous array, got one that is not"
        ))
    })
}

/// Numbers as an array of the given shape.
pub fn array<'py, T: Element>(
    py: Python<'py>,
    values: Vec<T>,
    shape: &[usize],
) -> PyResult<Bound<'py, PyArrayDyn<T>>> {
    values.into_pyarray(py).reshape(shape)
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
    if is_short { compute_here(py, || work(values)) } else { compute(py, || work(values)) }?;
    drop(view);
    Ok(array)
}

/// Rows of bits, the last axis being the bits.
pub fn pack(argument: &'static str, bits: &PyReadonlyArrayDyn<'_, u8>) -> PyResult<PackedBits> {
    let n_bits = bits.shape().last().copied().unwrap_or(0);
    PackedBits::from_bytes(argument, slice(argument, bits)?, n_bits).map_err(to_python)
}

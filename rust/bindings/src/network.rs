//! Binary networks.

use numpy::{PyArrayDyn, PyArrayMethods, PyReadonlyArrayDyn};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use qhypernet_core::binn::{self, Activation, Likelihood, Networks};

use crate::convert::{array, compute, pack, slice, to_python};

type Predictive<'py> =
    (Bound<'py, PyArrayDyn<f64>>, Bound<'py, PyArrayDyn<f64>>, Bound<'py, PyArrayDyn<f64>>);

#[pyclass(module = "qhypernet._core", frozen)]
pub struct Network {
    inner: binn::Network,
}

#[pymethods]
impl Network {
    #[new]
    fn new(
        layers: Vec<usize>,
        activations: Vec<String>,
        bias: bool,
        logit_scale: f64,
        likelihood: &str,
        noise: f64,
    ) -> PyResult<Self> {
        let activations: Vec<Activation> = activations
            .iter()
            .map(|name| name.parse())
            .collect::<Result<_, _>>()
            .map_err(to_python)?;
        let likelihood = match likelihood {
            "bernoulli" => Likelihood::Bernoulli,
            "categorical" => Likelihood::Categorical,
            "gaussian" => Likelihood::Gaussian { noise },
            other => {
                return Err(PyValueError::new_err(format!(
                    "likelihood: expected one of bernoulli, categorical, gaussian, got '{other}'"
                )));
            }
        };
        // Each layer's own replaces it; a network without hidden layers has none.
        let same = Activation::Sign;
        let inner = binn::Network::new(&layers, same, bias, logit_scale, likelihood)
            .and_then(|network| network.with_activations(&activations));
        Ok(Self { inner: inner.map_err(to_python)? })
    }

    #[getter]
    fn n_weights(&self) -> usize {
        self.inner.n_weights()
    }

    fn logits<'py>(
        &self,
        py: Python<'py>,
        bits: PyReadonlyArrayDyn<'_, u8>,
        x: PyReadonlyArrayDyn<'_, f64>,
    ) -> PyResult<Bound<'py, PyArrayDyn<f64>>> {
        let (bits, x) = (pack("bits", &bits)?, slice("X", &x)?);
        self.inner.check_logits(&bits, x).map_err(to_python)?;
        let shape = [bits.len(), x.len() / self.inner.n_inputs(), self.inner.n_outputs()];
        // NumPy asks the system for huge pages, which are several times faster to touch first.
        let values = PyArrayDyn::zeros(py, &shape[..], false);
        let mut out = values.readwrite();
        let out = out.as_slice_mut()?;
        compute(py, || self.inner.logits_into(&bits, x, out))?;
        Ok(values)
    }

    fn log_likelihood<'py>(
        &self,
        py: Python<'py>,
        bits: PyReadonlyArrayDyn<'_, u8>,
        x: PyReadonlyArrayDyn<'_, f64>,
        y: PyReadonlyArrayDyn<'_, f64>,
    ) -> PyResult<Bound<'py, PyArrayDyn<f64>>> {
        let (bits, x, y) = (pack("bits", &bits)?, slice("X", &x)?, slice("y", &y)?);
        let values = compute(py, || self.inner.log_likelihood(&bits, x, y))?;
        array(py, values, &[bits.len()])
    }

    fn log_likelihood_table<'py>(
        &self,
        py: Python<'py>,
        x: PyReadonlyArrayDyn<'_, f64>,
        y: PyReadonlyArrayDyn<'_, f64>,
    ) -> PyResult<Bound<'py, PyArrayDyn<f64>>> {
        let (x, y) = (slice("X", &x)?, slice("y", &y)?);
        let values = compute(py, || self.inner.log_likelihood_table(x, y))?;
        let len = values.len();
        array(py, values, &[len])
    }

    /// (mean, votes, aleatoric) of `n_distributions` distributions over all networks, or over the
    /// given ones.
    fn predictive<'py>(
        &self,
        py: Python<'py>,
        bits: Option<PyReadonlyArrayDyn<'_, u8>>,
        probabilities: PyReadonlyArrayDyn<'_, f64>,
        n_distributions: usize,
        x: PyReadonlyArrayDyn<'_, f64>,
    ) -> PyResult<Predictive<'py>> {
        let bits = bits.map(|bits| pack("bits", &bits)).transpose()?;
        let networks = bits.as_ref().map_or(Networks::All, Networks::Some);
        let (q, x) = (slice("probabilities", &probabilities)?, slice("X", &x)?);
        let result = compute(py, || self.inner.predictive(networks, q, n_distributions, x))?;
        let n_points = x.len() / self.inner.n_inputs();
        let classes = result.mean.len() / (n_distributions * n_points);
        let shape = [n_distributions, n_points, classes];
        Ok((
            array(py, result.mean, &shape)?,
            array(py, result.votes, &shape)?,
            array(py, result.aleatoric, &shape[..2])?,
        ))
    }
}

//! Circuits and their states.

use std::sync::Arc;

use numpy::{PyArrayDyn, PyReadonlyArrayDyn};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use qhypernet_core::circuit::{self, Angle, Gate, gate};
use qhypernet_core::parallel::map_batch;
use qhypernet_core::rng::{Purpose, generator};
use qhypernet_core::state::{Program, Real, Vector, Workspace, adjoint, check_params, sample};
use qhypernet_core::{Error, error};

use crate::convert::{array, compute, slice, to_python};

type Row = (&'static str, Vec<usize>, Option<usize>, Option<f64>);

/// (name, number of qubits, generator, inverse) of every gate.
#[pyfunction]
pub fn gate_table() -> Vec<(&'static str, usize, Option<&'static str>, &'static str)> {
    let row = |s: &gate::Spec| (s.name, s.n_qubits, s.generator, s.inverse.spec().name);
    gate::TABLE.iter().map(row).collect()
}

#[pyclass(module = "qhypernet._core")]
pub struct Circuit {
    circuit: circuit::Circuit,
    program: Option<Arc<Program>>,
}

impl Circuit {
    /// The compiled circuit, made when first needed and thrown away by the next gate.
    pub fn program(&mut self) -> PyResult<Arc<Program>> {
        if self.program.is_none() {
            self.program = Some(Arc::new(Program::new(&self.circuit).map_err(to_python)?));
        }
        Ok(self.program.clone().expect("just made"))
    }
}

#[pymethods]
impl Circuit {
    #[new]
    fn new(n_qubits: usize, n_params: usize) -> PyResult<Self> {
        let circuit = circuit::Circuit::new(n_qubits, n_params).map_err(to_python)?;
        Ok(Self { circuit, program: None })
    }

    fn append(
        &mut self,
        gate: &str,
        qubits: Vec<usize>,
        param: Option<usize>,
        angle: Option<f64>,
    ) -> PyResult<()> {
        let gate = Gate::from_name(gate).map_err(to_python)?;
        let angle = param.map(Angle::Param).or(angle.map(Angle::Fixed));
        self.circuit.push(gate, &qubits, angle).map_err(to_python)?;
        self.program = None;
        Ok(())
    }

    #[getter]
    fn n_qubits(&self) -> usize {
        self.circuit.n_qubits()
    }

    #[getter]
    fn n_params(&self) -> usize {
        self.circuit.n_params()
    }

    fn instructions(&self) -> Vec<Row> {
        let row = |i: &circuit::Instruction| {
            let (param, angle) = match i.angle {
                Some(Angle::Param(p)) => (Some(p), None),
                Some(Angle::Fixed(value)) => (None, Some(value)),
                None => (None, None),
            };
            (i.gate.spec().name, i.qubits.clone(), param, angle)
        };
        self.circuit.instructions().iter().map(row).collect()
    }

    fn simulate(
        &mut self,
        py: Python<'_>,
        params: PyReadonlyArrayDyn<'_, f64>,
        single: bool,
    ) -> PyResult<State> {
        let program = self.program()?;
        let params = slice("params", &params)?.to_vec();
        compute(py, || {
            let batch = match program.plan().n_params() {
                0 => 1,
                n => check_params(&params, n)?,
            };
            let vectors = if single {
                Vectors::Single(run(&program, &params, batch)?)
            } else {
                Vectors::Double(run(&program, &params, batch)?)
            };
            Ok(State { program: program.clone(), params, batch, vectors })
        })
    }
}

enum Vectors {
    Single(Vec<Vector<f32>>),
    Double(Vec<Vector<f64>>),
}

/// A batch of states.
#[pyclass(module = "qhypernet._core", frozen)]
pub struct State {
    program: Arc<Program>,
    params: Vec<f64>,
    batch: usize,
    vectors: Vectors,
}

#[pymethods]
impl State {
    #[getter]
    fn batch(&self) -> usize {
        self.batch
    }

    fn probabilities<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArrayDyn<f64>>> {
        let values = compute(py, || match &self.vectors {
            Vectors::Single(vectors) => self.all_probabilities(vectors),
            Vectors::Double(vectors) => self.all_probabilities(vectors),
        })?;
        array(py, values, &[self.batch, self.dim()])
    }

    fn statevector<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let shape = [self.batch, self.dim()];
        Ok(match &self.vectors {
            Vectors::Single(vectors) => {
                array(py, vectors.iter().flat_map(Vector::amplitudes).collect(), &shape)?.into_any()
            }
            Vectors::Double(vectors) => {
                array(py, vectors.iter().flat_map(Vector::amplitudes).collect(), &shape)?.into_any()
            }
        })
    }

    fn sample<'py>(
        &self,
        py: Python<'py>,
        shots: usize,
        seed: u64,
    ) -> PyResult<Bound<'py, PyArrayDyn<u8>>> {
        let n = self.program.plan().n_qubits();
        let bits = compute(py, || {
            if shots == 0 {
                return Err(Error::invalid("shots", "at least 1", shots));
            }
            Ok(match &self.vectors {
                Vectors::Single(vectors) => self.all_samples(vectors, shots, seed),
                Vectors::Double(vectors) => self.all_samples(vectors, shots, seed),
            })
        })?;
        array(py, bits, &[self.batch, shots, n])
    }

    fn gradient<'py>(
        &self,
        py: Python<'py>,
        cotangent: PyReadonlyArrayDyn<'_, f64>,
    ) -> PyResult<Bound<'py, PyArrayDyn<f64>>> {
        let cotangent = slice("cotangent", &cotangent)?;
        let dim = self.dim();
        if cotangent.len() != dim && cotangent.len() != self.batch * dim {
            return Err(PyValueError::new_err(format!(
                "cotangent: expected {dim} numbers, or {dim} for each of {} states, got {}",
                self.batch,
                cotangent.len()
            )));
        }
        let gradient = compute(py, || {
            error::check_finite("cotangent", cotangent)?;
            match &self.vectors {
                Vectors::Single(vectors) => self.all_gradients(vectors, cotangent),
                Vectors::Double(vectors) => self.all_gradients(vectors, cotangent),
            }
        })?;
        array(py, gradient, &[self.batch, self.program.plan().n_params()])
    }
}

fn run<T: Real>(program: &Program, params: &[f64], batch: usize) -> Result<Vec<Vector<T>>, Error> {
    program.check_memory::<T>("a simulation", batch as f64 + 0.5)?;
    let n = program.plan().n_qubits();
    let n_params = program.plan().n_params();
    let spare = || Vector::zeros(0).re;
    Ok(map_batch(batch, program.is_small(), spare, |spare, i, threads| {
        let mut psi = Vector::zeros(n);
        spare.resize(1 << n, T::ZERO);
        program.run(&params[i * n_params..(i + 1) * n_params], &mut psi, spare, true, threads);
        psi
    }))
}

impl State {
    fn dim(&self) -> usize {
        1 << self.program.plan().n_qubits()
    }

    fn row(&self, i: usize) -> &[f64] {
        let n = self.program.plan().n_params();
        &self.params[i * n..(i + 1) * n]
    }

    fn all_probabilities<T: Real>(&self, vectors: &[Vector<T>]) -> Result<Vec<f64>, Error> {
        self.program.check_memory::<f64>("probabilities", 0.5 * self.batch as f64)?;
        let mut all = vec![0.0; self.batch * self.dim()];
        for (vector, out) in vectors.iter().zip(all.chunks_exact_mut(self.dim())) {
            vector.probabilities(out, qhypernet_core::parallel::Threads::Pool);
        }
        Ok(all)
    }

    fn all_samples<T: Real>(&self, vectors: &[Vector<T>], shots: usize, seed: u64) -> Vec<u8> {
        let n = self.program.plan().n_qubits();
        let room = || vec![0.0; self.dim()];
        let rows = map_batch(self.batch, self.program.is_small(), room, |q, i, threads| {
            vectors[i].probabilities(q, threads);
            let mut rng = generator(seed, Purpose::Sample, i as u64, 0);
            let drawn = sample(q, shots, &mut rng);
            let bits = drawn.into_iter().flat_map(|z| (0..n).map(move |q| (z >> q & 1) as u8));
            bits.collect::<Vec<_>>()
        });
        rows.concat()
    }

    fn all_gradients<T: Real>(
        &self,
        vectors: &[Vector<T>],
        cotangent: &[f64],
    ) -> Result<Vec<f64>, Error> {
        let n = self.program.plan().n_qubits();
        self.program.check_memory::<T>("a gradient", 2.5)?;
        let room = || Workspace::<T>::new(n);
        let rows = map_batch(self.batch, self.program.is_small(), room, |room, i, threads| {
            let cotangent = if cotangent.len() == self.dim() {
                cotangent
            } else {
                &cotangent[i * self.dim()..(i + 1) * self.dim()]
            };
            let Workspace { psi, lambda, .. } = room;
            psi.clone_from(&vectors[i]);
            lambda.set_scaled(psi, cotangent, 0.0);
            let mut gradient = vec![0.0; self.row(i).len()];
            adjoint(&self.program, self.row(i), room, &mut gradient, true, threads);
            gradient
        });
        Ok(rows.concat())
    }
}

//! Circuits and their states.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};

use num_complex::Complex;
use numpy::{Element, PyArrayDyn, PyReadonlyArrayDyn};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use qhypernet_core::circuit::{self, Angle, Gate, gate};
use qhypernet_core::parallel::{Threads, map_batch, side_by_side};
use qhypernet_core::rng::{Purpose, generator};
use qhypernet_core::state::{
    Evolution, Program, Read, Real, Rooms, Start, Vector, Workspace, sample,
};
use qhypernet_core::{Error, error, memory};
use rayon::prelude::*;

use crate::convert::{array, compute, compute_where, filled, slice, to_python};

type Row = (&'static str, Vec<usize>, Option<usize>, Option<f64>, f64);

/// (name, number of qubits, generator, inverse) of every gate.
#[pyfunction]
pub fn gate_table() -> Vec<(&'static str, usize, Option<&'static str>, &'static str)> {
    let row = |s: &gate::Spec| (s.name, s.n_qubits, s.generator, s.inverse.spec().name);
    gate::TABLE.iter().map(row).collect()
}

/// A circuit that Python's threads may share: the lock is held only to look or to append.
#[pyclass(module = "qhypernet._core", frozen)]
pub struct Circuit {
    inner: Mutex<Inner>,
}

struct Inner {
    circuit: circuit::Circuit,
    /// The compiled circuit, made when first needed and thrown away by the next gate.
    program: Option<Arc<Program>>,
}

impl Circuit {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The compiled circuit.
    pub fn program(&self) -> PyResult<Arc<Program>> {
        let mut inner = self.lock();
        if let Some(program) = &inner.program {
            return Ok(program.clone());
        }
        let program = Arc::new(Program::new(&inner.circuit).map_err(to_python)?);
        inner.program = Some(program.clone());
        Ok(program)
    }
}

#[pymethods]
impl Circuit {
    #[new]
    fn new(n_qubits: usize, n_params: usize) -> PyResult<Self> {
        let circuit = circuit::Circuit::new(n_qubits, n_params).map_err(to_python)?;
        Ok(Self { inner: Mutex::new(Inner { circuit, program: None }) })
    }

    fn append(
        &self,
        gate: &str,
        qubits: Vec<usize>,
        param: Option<usize>,
        angle: Option<f64>,
        scale: f64,
    ) -> PyResult<()> {
        let gate = Gate::from_name(gate).map_err(to_python)?;
        let angle = match param {
            Some(p) if scale == 1.0 => Some(Angle::Param(p)),
            Some(p) => Some(Angle::Scaled(p, scale)),
            None => angle.map(Angle::Fixed),
        };
        let mut inner = self.lock();
        inner.circuit.push(gate, &qubits, angle).map_err(to_python)?;
        inner.program = None;
        Ok(())
    }

    #[getter]
    fn n_qubits(&self) -> usize {
        self.lock().circuit.n_qubits()
    }

    #[getter]
    fn n_params(&self) -> usize {
        self.lock().circuit.n_params()
    }

    fn instructions(&self) -> Vec<Row> {
        let row = |i: &circuit::Instruction| {
            let (param, angle, scale) = match i.angle {
                Some(Angle::Param(p)) => (Some(p), None, 1.0),
                Some(Angle::Scaled(p, scale)) => (Some(p), None, scale),
                Some(Angle::Fixed(value)) => (None, Some(value), 1.0),
                None => (None, None, 1.0),
            };
            (i.gate.spec().name, i.qubits.clone(), param, angle, scale)
        };
        self.lock().circuit.instructions().iter().map(row).collect()
    }

    fn simulate(
        &self,
        py: Python<'_>,
        params: PyReadonlyArrayDyn<'_, f64>,
        batch: usize,
        single: bool,
    ) -> PyResult<State> {
        let program = self.program()?;
        let params = slice("params", &params)?.to_vec();
        let work = || {
            error::check_len("params", batch * program.plan().n_params(), params.len())?;
            error::check_finite("params", &params)?;
            let vectors = if single {
                Vectors::Single(RwLock::new(run(&program, &params, batch)?))
            } else {
                Vectors::Double(RwLock::new(run(&program, &params, batch)?))
            };
            Ok(State { program: program.clone(), params, batch, vectors })
        };
        // What is read without being written is run when it is read.
        let is_short = program.is_direct() || (batch == 1 && program.is_small());
        compute_where(py, is_short, work)
    }

    /// Bits measured at each row of parameters, shape (rows, shots, n), from the row's own stream
    /// (seed, settings, init, step). No more states are held than there are threads.
    fn sample<'py>(
        &self,
        py: Python<'py>,
        params: PyReadonlyArrayDyn<'_, f64>,
        shots: usize,
        seed: u64,
        streams: Vec<(u64, u64)>,
    ) -> PyResult<Bound<'py, PyArrayDyn<u8>>> {
        let program = self.program()?;
        let params = slice("params", &params)?;
        let (batch, n) = (streams.len(), program.plan().n_qubits());
        let bits = compute(py, || {
            let n_params = program.plan().n_params();
            error::check_len("params", batch * n_params, params.len())?;
            error::check_finite("params", params)?;
            let bytes = (batch * (n + 8)) as u64;
            let bytes = bytes.saturating_mul(shots as u64);
            memory::check("a sample of so many settings", bytes, "take fewer shots")?;
            let at_once = side_by_side(batch, program.is_small());
            // Its probabilities, and unless it can be read without being written the state itself.
            let n_vectors = if program.is_direct() { 0.5 } else { 2.0 };
            program.check_memory::<f64>("a state for each thread", n_vectors * at_once as f64)?;
            let n_state = if program.is_direct() { 0 } else { n };
            let room = || (Vector::<f64>::new(n_state), Rooms::new(&program), vec![0.0; 1 << n]);
            let rows = map_batch(batch, program.is_small(), room, |(psi, rooms, q), i, threads| {
                let row = &params[i * n_params..(i + 1) * n_params];
                let evolution = program.at(row, false);
                if program.is_direct() {
                    evolution.read(Read::Probabilities(q), threads);
                } else {
                    evolution.run(psi, rooms, threads);
                    program.probabilities(psi, q, threads);
                }
                let (init, step) = streams[i];
                let drawn = sample(q, shots, &mut generator(seed, Purpose::Settings, init, step));
                let bits = drawn.into_iter().flat_map(|z| (0..n).map(move |q| (z >> q & 1) as u8));
                bits.collect::<Vec<_>>()
            });
            Ok(rows.concat())
        })?;
        array(py, bits, &[batch, shots, n])
    }
}

enum Vectors {
    Single(Held<f32>),
    Double(Held<f64>),
}

/// A batch of vectors, or none after a gradient has used them up, or where the program is direct.
type Held<T> = RwLock<Vec<Vector<T>>>;

/// From so many qubits on, a gradient works on the state itself instead of on a copy, and the state
/// is run again should it be asked for.
const LARGE_QUBITS: usize = 16;

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
        let batch = self.batch as f64;
        self.program
            .check_memory::<f64>("a table of probabilities", 0.5 * batch)
            .map_err(to_python)?;
        filled(py, &[self.batch, self.dim()], self.is_short(), |out| match &self.vectors {
            Vectors::Single(held) => self.all_probabilities(held, out),
            Vectors::Double(held) => self.all_probabilities(held, out),
        })
    }

    fn statevector<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        match &self.vectors {
            Vectors::Single(held) => self.all_amplitudes(py, held),
            Vectors::Double(held) => self.all_amplitudes(py, held),
        }
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
            // A number for each shot and its bits, one byte each.
            let bytes = (self.batch * (n + 8)) as u64;
            let bytes = bytes.saturating_mul(shots as u64);
            memory::check("a sample of this size", bytes, "take fewer shots")?;
            match &self.vectors {
                Vectors::Single(held) => self.all_samples(held, shots, seed),
                Vectors::Double(held) => self.all_samples(held, shots, seed),
            }
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
        // Whether its numbers are finite has been looked at when it was made an array.
        let work = || match &self.vectors {
            Vectors::Single(held) => self.all_gradients(held, cotangent),
            Vectors::Double(held) => self.all_gradients(held, cotangent),
        };
        let gradient = compute_where(py, self.is_short(), work)?;
        array(py, gradient, &[self.batch, self.program.plan().n_params()])
    }
}

fn run<T: Real>(program: &Program, params: &[f64], batch: usize) -> Result<Vec<Vector<T>>, Error> {
    if program.is_direct() {
        return Ok(Vec::new());
    }
    program.check_memory::<T>("a simulation", batch as f64 + 0.5)?;
    let n = program.plan().n_qubits();
    let n_params = program.plan().n_params();
    let rooms = || Rooms::new(program);
    Ok(map_batch(batch, program.is_small(), rooms, |rooms, i, threads| {
        let mut psi = Vector::new(n);
        let params = &params[i * n_params..(i + 1) * n_params];
        program.at(params, true).run(&mut psi, rooms, threads);
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

    /// The vectors, run again if a gradient has used them up.
    fn look<'a, T: Real>(
        &self,
        held: &'a Held<T>,
    ) -> Result<RwLockReadGuard<'a, Vec<Vector<T>>>, Error> {
        loop {
            let vectors = held.read().unwrap_or_else(PoisonError::into_inner);
            if !vectors.is_empty() {
                return Ok(vectors);
            }
            drop(vectors);
            let mut vectors = held.write().unwrap_or_else(PoisonError::into_inner);
            if vectors.is_empty() {
                *vectors = run(&self.program, &self.params, self.batch)?;
            }
        }
    }

    fn all_probabilities<T: Real>(&self, held: &Held<T>, out: &mut [f64]) -> Result<(), Error> {
        if self.program.is_direct() {
            self.each_at(out, |evolution: Evolution<'_, T>, out, threads| {
                evolution.read(Read::Probabilities(out), threads)
            });
            return Ok(());
        }
        self.each(held, out, |psi, out, threads| self.program.probabilities(psi, out, threads))
    }

    fn all_amplitudes<'py, T: Real>(
        &self,
        py: Python<'py>,
        held: &Held<T>,
    ) -> PyResult<Bound<'py, PyAny>>
    where
        Complex<T>: Element,
    {
        let batch = self.batch as f64;
        self.program.check_memory::<T>("a copy of the state", batch).map_err(to_python)?;
        let array =
            filled(py, &[self.batch, self.dim()], self.is_short(), |out: &mut [Complex<T>]| {
                if self.program.is_direct() {
                    self.each_at(out, |evolution: Evolution<'_, T>, out, threads| {
                        evolution.read(Read::Amplitudes(out), threads)
                    });
                    return Ok(());
                }
                self.each(held, out, |psi, out, threads| self.program.amplitudes(psi, out, threads))
            })?;
        Ok(array.into_any())
    }

    /// Whether there is nothing to share between threads.
    fn is_short(&self) -> bool {
        self.batch == 1 && self.program.is_small()
    }

    /// Reads every vector out into its row.
    fn each<T: Real, R: Send>(
        &self,
        held: &Held<T>,
        out: &mut [R],
        read: impl Fn(&Vector<T>, &mut [R], Threads) + Sync,
    ) -> Result<(), Error> {
        let vectors = self.look(held)?;
        self.each_row(out, |i, out, threads| read(&vectors[i], out, threads));
        Ok(())
    }

    /// Reads every state of a direct program out into its row.
    fn each_at<T: Real, R: Send>(
        &self,
        out: &mut [R],
        read: impl Fn(Evolution<'_, T>, &mut [R], Threads) + Sync,
    ) {
        self.each_row(out, |i, out, threads| read(self.at(i), out, threads));
    }

    /// Writes every row: small ones side by side, large ones on all threads.
    fn each_row<R: Send>(&self, out: &mut [R], write: impl Fn(usize, &mut [R], Threads) + Sync) {
        if self.is_short() {
            write(0, out, Threads::One);
        } else if self.program.is_small() {
            let rows = out.par_chunks_exact_mut(self.dim()).enumerate();
            rows.for_each(|(i, out)| write(i, out, Threads::One));
        } else {
            let rows = out.chunks_exact_mut(self.dim()).enumerate();
            rows.for_each(|(i, out)| write(i, out, Threads::Pool));
        }
    }

    /// The circuit at the parameters of state `i`.
    fn at<T: Real>(&self, i: usize) -> Evolution<'_, T> {
        self.program.at(self.row(i), true)
    }

    fn all_samples<T: Real>(
        &self,
        held: &Held<T>,
        shots: usize,
        seed: u64,
    ) -> Result<Vec<u8>, Error> {
        let n = self.program.plan().n_qubits();
        let is_direct = self.program.is_direct();
        let vectors = if is_direct { None } else { Some(self.look(held)?) };
        let room = || vec![0.0; self.dim()];
        let rows = map_batch(self.batch, self.program.is_small(), room, |q, i, threads| {
            match &vectors {
                Some(vectors) => self.program.probabilities(&vectors[i], q, threads),
                None => self.at::<T>(i).read(Read::Probabilities(q), threads),
            }
            let mut rng = generator(seed, Purpose::Sample, i as u64, 0);
            let drawn = sample(q, shots, &mut rng);
            let bits = drawn.into_iter().flat_map(|z| (0..n).map(move |q| (z >> q & 1) as u8));
            bits.collect::<Vec<_>>()
        });
        Ok(rows.concat())
    }

    fn all_gradients<T: Real>(&self, held: &Held<T>, cotangent: &[f64]) -> Result<Vec<f64>, Error> {
        if self.program.is_direct() {
            let rows = map_batch(
                self.batch,
                self.program.is_small(),
                || (),
                |(), i, threads| {
                    let mut gradient = vec![0.0; self.row(i).len()];
                    let cotangent = self.own(i, cotangent);
                    let asked = Read::Gradient { cotangent, shift: 0.0, gradient: &mut gradient };
                    self.at::<T>(i).read(asked, threads);
                    gradient
                },
            );
            return Ok(rows.concat());
        }
        if self.program.plan().n_qubits() >= LARGE_QUBITS {
            return self.large_gradients(held, cotangent);
        }
        let vectors = self.look(held)?;
        let at_once = side_by_side(self.batch, self.program.is_small());
        self.program.check_memory::<T>("a gradient for each thread", 2.0 * at_once as f64)?;
        let room = || Workspace::<T>::new(&self.program);
        let rows = map_batch(self.batch, self.program.is_small(), room, |room, i, threads| {
            self.gradient_of(i, Some(&vectors[i]), room, cotangent, threads)
        });
        Ok(rows.concat())
    }

    /// Gradients that leave no state behind: two vectors of memory instead of three.
    fn large_gradients<T: Real>(
        &self,
        held: &Held<T>,
        cotangent: &[f64],
    ) -> Result<Vec<f64>, Error> {
        drop(self.look(held)?);
        self.program.check_memory::<T>("a gradient", 1.0)?;
        let mut vectors = held.write().unwrap_or_else(PoisonError::into_inner);
        if vectors.is_empty() {
            // Another thread's gradient came between.
            *vectors = run(&self.program, &self.params, self.batch)?;
        }
        let mut gradients = Vec::new();
        for (i, psi) in std::mem::take(&mut *vectors).into_iter().enumerate() {
            let mut room = Workspace::of(&self.program, psi);
            gradients.extend(self.gradient_of(i, None, &mut room, cotangent, Threads::Pool));
        }
        Ok(gradients)
    }

    /// The gradient of state `i`, whose vector is in `room` and is used up if it is not given.
    fn gradient_of<T: Real>(
        &self,
        i: usize,
        psi: Option<&Vector<T>>,
        room: &mut Workspace<T>,
        cotangent: &[f64],
        threads: Threads,
    ) -> Vec<f64> {
        let start = Start::State { psi, cotangent: self.own(i, cotangent), shift: 0.0 };
        let mut gradient = vec![0.0; self.row(i).len()];
        self.at(i).adjoint(start, room, &mut gradient, threads);
        gradient
    }

    /// The cotangent of state `i`.
    fn own<'a>(&self, i: usize, cotangent: &'a [f64]) -> &'a [f64] {
        let dim = self.dim();
        if cotangent.len() == dim { cotangent } else { &cotangent[i * dim..(i + 1) * dim] }
    }
}

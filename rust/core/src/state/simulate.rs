//! Running a plan forward.

use aligned_vec::{AVec, ConstAlign};
use num_complex::Complex;

use super::permute::Gather;
use super::phase::Phases;
use super::product::Product;
use super::real::Real;
use super::rotate::{Rotation, rotate};
use super::tiles::Shared;
use crate::circuit::{Circuit, Plan, Stage, Turn};
use crate::error::{Error, Result, check_finite};
use crate::memory;
use crate::parallel::{Threads, sum_pieces};

/// An array of 2^n numbers that starts on a cache line.
pub type Array<T> = AVec<T, ConstAlign<64>>;

/// States of at most this many qubits are too small to share between threads.
pub const SMALL_QUBITS: usize = 13;

/// Amplitudes, real and imaginary parts apart.
#[derive(Debug, Clone)]
pub struct Vector<T> {
    /// Real parts.
    pub re: Array<T>,
    /// Imaginary parts; whatever stands here means nothing while `is_real`.
    pub im: Array<T>,
    /// Whether all amplitudes are real, as they are until the first phase: half the work.
    pub is_real: bool,
}

impl<T: Real> Vector<T> {
    /// Zeros on `n_qubits` qubits.
    pub fn zeros(n_qubits: usize) -> Self {
        Self { re: array(n_qubits), im: array(n_qubits), is_real: true }
    }

    /// The parts that are in use.
    pub fn parts(&mut self) -> impl Iterator<Item = &mut Array<T>> {
        [&mut self.re, &mut self.im].into_iter().take(if self.is_real { 1 } else { 2 })
    }

    /// Makes the imaginary part a part in use.
    pub fn make_complex(&mut self) {
        if self.is_real {
            self.im.fill(T::ZERO);
            self.is_real = false;
        }
    }

    /// Multiplies by exp(i angle).
    pub fn turn(&mut self, angle: f64) {
        if angle == 0.0 {
            return;
        }
        self.make_complex();
        let (sin, cos) = angle.sin_cos();
        let (c, s) = (T::from_f64(cos), T::from_f64(sin));
        for (x, y) in self.re.iter_mut().zip(self.im.iter_mut()) {
            (*x, *y) = (c * *x - s * *y, s * *x + c * *y);
        }
    }

    /// Makes this the vector `(factors - shift) * other`, amplitude by amplitude.
    pub fn set_scaled(&mut self, other: &mut Self, factors: &[f64], shift: f64) {
        self.is_real = other.is_real;
        for (part, from) in self.parts().zip(other.parts()) {
            for ((x, y), f) in part.iter_mut().zip(from.iter()).zip(factors) {
                *x = T::from_f64(f - shift) * *y;
            }
        }
    }

    /// Writes |amplitude|^2 of every outcome.
    pub fn probabilities(&self, out: &mut [f64], threads: Threads) {
        let shared = Shared::new(out);
        sum_pieces(threads, self.re.len(), |range| {
            // SAFETY: pieces do not overlap.
            let out = unsafe { shared.piece(range.clone()) };
            for (q, x) in out.iter_mut().zip(&self.re[range.clone()]) {
                *q = x.to_f64() * x.to_f64();
            }
            if !self.is_real {
                for (q, y) in out.iter_mut().zip(&self.im[range]) {
                    *q += y.to_f64() * y.to_f64();
                }
            }
            0.0
        });
    }

    /// The amplitudes as complex numbers.
    pub fn amplitudes(&self) -> impl Iterator<Item = Complex<T>> + '_ {
        let im = |y: &T| if self.is_real { T::ZERO } else { *y };
        self.re.iter().zip(self.im.iter()).map(move |(x, y)| Complex::new(*x, im(y)))
    }
}

fn array<T: Real>(n_qubits: usize) -> Array<T> {
    let mut array = AVec::new(64);
    array.resize(1 << n_qubits, T::ZERO);
    array
}

/// What a thread needs to run states one after the other.
pub struct Workspace<T> {
    /// The state.
    pub psi: Vector<T>,
    /// Its cotangent in the backward pass.
    pub lambda: Vector<T>,
    /// Room for permutations.
    pub spare: Array<T>,
}

impl<T: Real> Workspace<T> {
    /// Room for `n_qubits` qubits.
    pub fn new(n_qubits: usize) -> Self {
        let (psi, lambda) = (Vector::zeros(n_qubits), Vector::zeros(n_qubits));
        Self { psi, lambda, spare: array(n_qubits) }
    }
}

/// A plan with everything that can be worked out before the parameters are known.
#[derive(Debug, Clone)]
pub struct Program {
    plan: Plan,
    steps: Vec<Step>,
}

/// A stage in the form that the kernels take.
#[derive(Debug, Clone)]
pub(super) enum Step {
    Rotate(Vec<(usize, Turn)>),
    Phase(crate::circuit::PhasePolynomial),
    Permute { forward: Gather, backward: Gather },
}

impl Program {
    /// Compiles a circuit.
    pub fn new(circuit: &Circuit) -> Result<Self> {
        let plan = Plan::new(circuit)?;
        let n = plan.n_qubits();
        let steps = plan.stages().iter().map(|stage| match stage {
            Stage::Rotate(turns) => Step::Rotate(turns.clone()),
            Stage::Phase(polynomial) => Step::Phase(polynomial.clone()),
            Stage::Permute(map) => Step::Permute {
                forward: Gather::new(map, n),
                backward: Gather::new(&map.inverse(), n),
            },
        });
        Ok(Self { steps: steps.collect(), plan })
    }

    /// The plan.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    pub(super) fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// The product state that the first stage leaves.
    pub(super) fn first(&self, params: &[f64]) -> Product {
        let turns = match self.steps.first() {
            Some(Step::Rotate(turns)) => &turns[..],
            _ => &[],
        };
        Product::new(self.plan.n_qubits(), self.plan.start(), turns, params)
    }

    /// Whether the phase at step `i` is to be run.
    pub(super) fn matters(&self, i: usize, all_phases: bool) -> bool {
        all_phases || i < self.plan.interfering()
    }

    /// Whether a single state is too small to share between threads.
    pub fn is_small(&self) -> bool {
        self.plan.n_qubits() <= SMALL_QUBITS
    }

    /// Fails when `n_vectors` vectors of complex numbers do not fit into memory.
    pub fn check_memory<T>(&self, what: &str, n_vectors: f64) -> Result<()> {
        let n = self.plan.n_qubits();
        let bytes = n_vectors * 2.0 * size_of::<T>() as f64 * 2f64.powi(n as i32);
        let what = format!("{what} of {n} qubits");
        memory::check(what, bytes as u64, "use fewer qubits, single precision or a smaller batch")
    }

    /// Runs the circuit into `psi`. Phases that no later rotation can see are left out unless
    /// `all_phases`: they change amplitudes, but no probability.
    pub fn run<T: Real>(
        &self,
        params: &[f64],
        psi: &mut Vector<T>,
        spare: &mut Array<T>,
        all_phases: bool,
        threads: Threads,
    ) {
        let n = self.plan.n_qubits();
        self.first(params).write(psi, threads);
        let first = usize::from(matches!(self.steps.first(), Some(Step::Rotate(_))));
        for (i, step) in self.steps.iter().enumerate().skip(first) {
            match step {
                Step::Rotate(turns) => {
                    let rotations = at(turns, params);
                    psi.parts().for_each(|part| rotate(part, &rotations, threads));
                }
                Step::Phase(_) if !self.matters(i, all_phases) => {}
                Step::Phase(polynomial) => {
                    psi.make_complex();
                    Phases::new(polynomial, params, n).apply(&mut psi.re, &mut psi.im, threads);
                }
                Step::Permute { forward, .. } => permute(forward, psi, spare, threads),
            }
        }
        if all_phases {
            psi.turn(self.plan.global().at(params));
        }
    }
}

/// The rotations of a stage at given parameters.
pub(super) fn at<T: Real>(turns: &[(usize, Turn)], params: &[f64]) -> Vec<Rotation<T>> {
    turns.iter().map(|(q, turn)| Rotation::new(*q, turn.at(params))).collect()
}

/// Permutes a vector, one part after the other through one spare array.
pub(super) fn permute<T: Real>(
    gather: &Gather,
    vector: &mut Vector<T>,
    spare: &mut Array<T>,
    threads: Threads,
) {
    for part in vector.parts() {
        gather.run(part, spare, threads);
        std::mem::swap(part, spare);
    }
}

/// Checks a batch of parameters, row-major (batch, n_params), and returns the batch's size.
pub fn check_params(params: &[f64], n_params: usize) -> Result<usize> {
    if n_params == 0 || !params.len().is_multiple_of(n_params) {
        return Err(Error::invalid(
            "params",
            format!("rows of {n_params} parameters"),
            format!("{} values", params.len()),
        ));
    }
    check_finite("params", params)?;
    Ok(params.len() / n_params)
}

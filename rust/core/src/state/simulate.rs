//! Running a plan forward.

use aligned_vec::{AVec, ConstAlign};
use num_complex::Complex;

use super::permute::Gather;
use super::phase::Phases;
use super::real::Real;
use super::rotate::{Rotation, rotate};
use super::tiles::{Shared, TILE_QUBITS, n_tasks, tiles_of};
use crate::circuit::{Circuit, Plan, Stage, Turn};
use crate::error::{Error, Result, check_finite};
use crate::memory;
use crate::parallel::{Threads, map_tasks, sum_pieces};

/// An array of 2^n numbers that starts on a cache line.
pub type Array<T> = AVec<T, ConstAlign<64>>;

/// States of at most this many qubits are too small to share between threads.
pub const SMALL_QUBITS: usize = 13;

/// Amplitudes, real and imaginary parts apart.
#[derive(Debug, Clone)]
pub struct Vector<T> {
    /// Real parts.
    pub re: Array<T>,
    /// Imaginary parts.
    pub im: Array<T>,
}

impl<T: Real> Vector<T> {
    /// Zeros on `n_qubits` qubits.
    pub fn zeros(n_qubits: usize) -> Self {
        Self { re: array(n_qubits), im: array(n_qubits) }
    }

    /// Writes |amplitude|^2 of every outcome.
    pub fn probabilities(&self, out: &mut [f64], threads: Threads) {
        let shared = Shared::new(out);
        sum_pieces(threads, self.re.len(), |range| {
            // SAFETY: pieces do not overlap.
            let out = unsafe { shared.piece(range.clone()) };
            for (q, (x, y)) in
                out.iter_mut().zip(self.re[range.clone()].iter().zip(&self.im[range]))
            {
                let (x, y) = (x.to_f64(), y.to_f64());
                *q = x * x + y * y;
            }
            0.0
        });
    }

    /// The amplitudes as complex numbers.
    pub fn amplitudes(&self) -> impl Iterator<Item = Complex<T>> + '_ {
        self.re.iter().zip(self.im.iter()).map(|(x, y)| Complex::new(*x, *y))
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
        let rest = match self.steps.first() {
            Some(Step::Rotate(turns)) => {
                product(psi, self.plan.start(), turns, params, threads);
                &self.steps[1..]
            }
            _ => {
                product(psi, self.plan.start(), &[], params, threads);
                &self.steps[..]
            }
        };
        let skipped = self.steps.len() - rest.len();
        for (i, step) in rest.iter().enumerate() {
            match step {
                Step::Rotate(turns) => {
                    let rotations = at(turns, params);
                    rotate(&mut psi.re, &rotations, threads);
                    rotate(&mut psi.im, &rotations, threads);
                }
                Step::Phase(_) if !all_phases && i + skipped >= self.plan.interfering() => {}
                Step::Phase(polynomial) => {
                    Phases::new(polynomial, params, n).apply(&mut psi.re, &mut psi.im, threads);
                }
                Step::Permute { forward, .. } => permute(forward, psi, spare, threads),
            }
        }
        let phase = self.plan.global().at(params);
        if all_phases && phase != 0.0 {
            let (sin, cos) = phase.sin_cos();
            let (c, s) = (T::from_f64(cos), T::from_f64(sin));
            for (x, y) in psi.re.iter_mut().zip(psi.im.iter_mut()) {
                (*x, *y) = (c * *x - s * *y, s * *x + c * *y);
            }
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
    for part in [&mut vector.re, &mut vector.im] {
        gather.run(part, spare, threads);
        std::mem::swap(part, spare);
    }
}

/// The first rotations act on one outcome and leave a product of real qubit states: one pass.
fn product<T: Real>(
    psi: &mut Vector<T>,
    start: u64,
    turns: &[(usize, Turn)],
    params: &[f64],
    threads: Threads,
) {
    let n = psi.re.len().ilog2() as usize;
    // Real amplitudes of each qubit's 0 and 1.
    let mut qubits: Vec<[f64; 2]> =
        (0..n).map(|q| if start >> q & 1 == 0 { [1.0, 0.0] } else { [0.0, 1.0] }).collect();
    for (q, turn) in turns {
        let (sin, cos) = (turn.at(params) / 2.0).sin_cos();
        qubits[*q] = if start >> q & 1 == 0 { [cos, sin] } else { [-sin, cos] };
    }
    let low_bits = n.min(TILE_QUBITS);
    let mut low = vec![T::ONE; 1 << low_bits];
    for (q, amplitudes) in qubits[..low_bits].iter().enumerate() {
        let (zeros, ones) = low[..2 << q].split_at_mut(1 << q);
        let [zero, one] = amplitudes.map(T::from_f64);
        for (a, b) in zeros.iter_mut().zip(ones) {
            (*a, *b) = (*a * zero, *a * one);
        }
    }
    let width = 1 << low_bits;
    let n_blocks = psi.re.len() / width;
    let (re, im) = (Shared::new(&mut psi.re), Shared::new(&mut psi.im));
    map_tasks(threads, n_tasks(n_blocks), |task| {
        for block in tiles_of(task, n_blocks) {
            let high = qubits[low_bits..].iter().enumerate();
            let factor = T::from_f64(high.map(|(i, a)| a[block >> i & 1]).product());
            let range = block * width..(block + 1) * width;
            // SAFETY: blocks do not overlap, and each is one task's.
            let (re, im) = unsafe { (re.piece(range.clone()), im.piece(range)) };
            re.iter_mut().zip(&low).for_each(|(x, l)| *x = *l * factor);
            im.fill(T::ZERO);
        }
    });
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

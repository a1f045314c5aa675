//! Objectives of a product circuit: contractions and closed forms, no state.

use super::contraction::{Bit, LANES, Lanes, Room, contract};
use super::product::Product;
use super::tables::{Function, Tables, Terms};
use super::{Evaluations, Objective, Problem};
use crate::Result;
use crate::logarithm::log_ratio;
use crate::parallel::{Threads, map_batch};
use crate::state::Program;

/// Rows times outcomes that are done before another thread has woken up.
const MAX_SHORT: usize = 1 << 16;

/// Whether these rows are done on the thread that asks for them.
pub fn is_short(program: &Program, params: &[f64]) -> bool {
    let n_rows = params.len() / program.plan().n_params().max(1);
    n_rows << program.plan().n_qubits() <= MAX_SHORT
}

/// Value and gradient for every row of `params`.
pub fn exact_product(
    program: &Program,
    product: &Product<'_>,
    problem: &Problem,
    objective: &Objective,
    params: &[f64],
) -> Result<Evaluations> {
    let tables = problem.tables(&product.relabelling, &objective.divergence)?;
    let n_params = program.plan().n_params();
    let groups: Vec<&[f64]> = params.chunks(LANES * n_params).collect();
    let room = || Room::new(product.n_qubits());
    let group = |room: &mut Room, i: usize, threads| {
        evaluate(product, &tables, objective.weight, groups[i], n_params, room, threads)
    };
    if is_short(program, params) {
        let mut room = room();
        return Ok((0..groups.len()).map(|i| group(&mut room, i, Threads::One)).collect());
    }
    Ok(map_batch(groups.len(), program.is_small(), room, group).into_iter().collect())
}

/// A value for each lane with its derivatives by each qubit's angle.
struct Term {
    value: Lanes,
    slopes: Vec<Lanes>,
}

impl Term {
    fn zero(n_qubits: usize) -> Self {
        Self { value: [0.0; LANES], slopes: vec![[0.0; LANES]; n_qubits] }
    }

    fn add(&mut self, factor: f64, value: &Lanes, slopes: &[Lanes]) {
        let sums = [&mut self.value].into_iter().chain(&mut self.slopes);
        for (sum, x) in sums.zip([value].into_iter().chain(slopes)) {
            sum.iter_mut().zip(x).for_each(|(sum, x)| *sum += factor * x);
        }
    }

    /// Adds `factor` times the expectation of a function.
    fn add_mean(
        &mut self,
        factor: f64,
        function: &Function,
        bits: &[Bit],
        room: &mut Room,
        threads: Threads,
    ) {
        self.value.iter_mut().for_each(|x| *x += factor * function.constant);
        if let Some(table) = &function.varying {
            let mean = contract(table, bits, room, threads);
            self.add(factor, &mean.value, &mean.slopes);
        }
    }
}

/// At most [`LANES`] rows of parameters, side by side.
fn evaluate(
    product: &Product<'_>,
    tables: &Tables,
    weight: f64,
    params: &[f64],
    n_params: usize,
    room: &mut Room,
    threads: Threads,
) -> Evaluations {
    let n = product.n_qubits();
    let mut bits = vec![Bit { factors: [[0.0; LANES]; 2], slopes: [[0.0; LANES]; 2] }; n];
    product.amplitudes(params.chunks_exact(n_params), |k, q, [a, b]| {
        let Bit { factors, slopes } = &mut bits[q];
        (factors[0][k], factors[1][k]) = (a * a, b * b);
        (slopes[0][k], slopes[1][k]) = (-a * b, a * b);
    });

    let mut cost = Term::zero(n);
    cost.add_mean(1.0, &tables.cost, &bits, room, threads);
    let mut divergence = Term::zero(n);
    match &tables.terms {
        Terms::None => {}
        Terms::Kl { minus_log_prior } => {
            add_minus_entropy(&mut divergence, &bits);
            divergence.add_mean(1.0, minus_log_prior, &bits, room, threads);
        }
        Terms::Mmd { embedding, self_similarity, eigenvalues, .. } => {
            divergence.value = [*self_similarity; LANES];
            divergence.add_mean(-2.0, embedding, &bits, room, threads);
            let parities: Vec<Bit> = bits.iter().map(squared_parity).collect();
            let own = contract(eigenvalues, &parities, room, threads);
            divergence.add(1.0, &own.value, &own.slopes);
        }
    }

    let mut gradient = vec![0.0; params.len()];
    for (k, row) in gradient.chunks_exact_mut(n_params).enumerate() {
        product.pull_back(|q| cost.slopes[q][k] + weight * divergence.slopes[q][k], row);
    }
    let n_rows = params.len() / n_params;
    let regularizer = divergence.value.map(|value| weight * value);
    let [expected_cost, regularizer] = [cost.value, regularizer].map(|x| x[..n_rows].to_vec());
    Evaluations { expected_cost, regularizer, gradient }
}

/// Adds the sum over bits of `sum_x P(x) ln P(x)`.
fn add_minus_entropy(term: &mut Term, bits: &[Bit]) {
    for (q, Bit { factors, slopes }) in bits.iter().enumerate() {
        let mut logarithms = [[0.0; LANES]; 2];
        for (probabilities, logarithms) in factors.iter().zip(&mut logarithms) {
            log_ratio(probabilities, &[0.0; LANES], logarithms);
        }
        for k in 0..LANES {
            for x in 0..2 {
                term.value[k] += factors[x][k] * logarithms[x][k];
                // d(P ln P) = (ln P + 1) dP, and the derivatives of both P cancel.
                term.slopes[q][k] += slopes[x][k] * logarithms[x][k];
            }
        }
    }
}

/// The square of a bit's mean parity m = P(0) - P(1): the factor of each set that has the bit.
fn squared_parity(bit: &Bit) -> Bit {
    let parity: Lanes = std::array::from_fn(|k| bit.factors[0][k] - bit.factors[1][k]);
    let slope = std::array::from_fn(|k| 2.0 * parity[k] * (bit.slopes[0][k] - bit.slopes[1][k]));
    Bit { factors: [[1.0; LANES], parity.map(|m| m * m)], slopes: [[0.0; LANES], slope] }
}

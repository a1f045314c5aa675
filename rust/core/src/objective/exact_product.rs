//! Objectives of a product circuit: contractions and closed forms, no state.

use super::contraction::{Bit, LANES, Lanes, contract};
use super::product::Product;
use super::tables::{Function, Tables, Terms};
use super::{Evaluation, Objective, Problem};
use crate::Result;
use crate::logarithm::log_ratio;
use crate::parallel::{Threads, map_batch};
use crate::state::Program;

/// Rows times outcomes that are done before another thread has woken up.
const MAX_SERIAL: usize = 1 << 16;

/// Value and gradient for every row of `params`.
pub fn exact_product(
    program: &Program,
    product: &Product<'_>,
    problem: &Problem,
    objective: &Objective,
    params: &[f64],
) -> Result<Vec<Evaluation>> {
    let tables = problem.tables(&product.relabelling, &objective.divergence)?;
    let n_params = program.plan().n_params();
    let groups: Vec<&[f64]> = params.chunks(LANES * n_params).collect();
    let is_small = program.is_small();
    let group = |(): &mut (), i: usize, threads| {
        let rows: Vec<&[f64]> = groups[i].chunks_exact(n_params).collect();
        evaluate(product, &tables, objective.weight, &rows, threads)
    };
    if (params.len() / n_params) << problem.n_weights() <= MAX_SERIAL {
        return Ok((0..groups.len()).flat_map(|i| group(&mut (), i, Threads::One)).collect());
    }
    Ok(map_batch(groups.len(), is_small, || (), group).concat())
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
    fn add_mean(&mut self, factor: f64, function: &Function, bits: &[Bit], threads: Threads) {
        self.value.iter_mut().for_each(|x| *x += factor * function.constant);
        if let Some(table) = &function.varying {
            let mean = contract(table, bits, threads);
            self.add(factor, &mean.value, &mean.slopes);
        }
    }
}

/// At most [`LANES`] rows of parameters, side by side.
fn evaluate(
    product: &Product<'_>,
    tables: &Tables,
    weight: f64,
    rows: &[&[f64]],
    threads: Threads,
) -> Vec<Evaluation> {
    let n = product.n_qubits();
    let mut bits = vec![Bit { factors: [[0.0; LANES]; 2], slopes: [[0.0; LANES]; 2] }; n];
    for (k, row) in rows.iter().enumerate() {
        product.amplitudes(row, |q, [a, b]| {
            let Bit { factors, slopes } = &mut bits[q];
            (factors[0][k], factors[1][k]) = (a * a, b * b);
            (slopes[0][k], slopes[1][k]) = (-a * b, a * b);
        });
    }

    let mut cost = Term::zero(n);
    cost.add_mean(1.0, &tables.cost, &bits, threads);
    let mut divergence = Term::zero(n);
    match &tables.terms {
        Terms::None => {}
        Terms::Kl { minus_log_prior } => {
            add_minus_entropy(&mut divergence, &bits);
            divergence.add_mean(1.0, minus_log_prior, &bits, threads);
        }
        Terms::Mmd { embedding, self_similarity, eigenvalues, .. } => {
            divergence.value = [*self_similarity; LANES];
            divergence.add_mean(-2.0, embedding, &bits, threads);
            let parities: Vec<Bit> = bits.iter().map(squared_parity).collect();
            let own = contract(eigenvalues, &parities, threads);
            divergence.add(1.0, &own.value, &own.slopes);
        }
    }

    let row = |(k, params): (usize, &&[f64])| {
        let mut gradient = vec![0.0; params.len()];
        let slope = |q: usize| cost.slopes[q][k] + weight * divergence.slopes[q][k];
        product.pull_back(slope, &mut gradient);
        Evaluation { expected_cost: cost.value[k], divergence: divergence.value[k], gradient }
    };
    rows.iter().enumerate().map(row).collect()
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

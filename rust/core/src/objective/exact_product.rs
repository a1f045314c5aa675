//! Objectives of a product circuit: contractions and closed forms, no state.

use super::contraction::{self, Bit, Contraction, LANES, Lanes, contract};
use super::product::Product;
use super::tables::{Function, Tables, Terms};
use super::{Evaluations, Objective, Problem};
use crate::Result;
use crate::logarithm::log_ratio;
use crate::parallel::{Threads, map_batch};
use crate::simd::{kernel, one_turn_at_a_time};
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
    let tables = problem.tables(product.relabelling, &objective.divergence)?;
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

/// Where groups of rows are evaluated, one after the other.
struct Room {
    /// Of 0 and 1, of each qubit.
    amplitudes: Vec<[Lanes; 2]>,
    bits: Vec<Bit>,
    cost: Term,
    divergence: Term,
    contraction: contraction::Room,
}

impl Room {
    fn new(n_qubits: usize) -> Self {
        let none = [[0.0; LANES]; 2];
        Self {
            amplitudes: vec![none; n_qubits],
            bits: vec![Bit { factors: none, slopes: none }; n_qubits],
            cost: Term::zero(n_qubits),
            divergence: Term::zero(n_qubits),
            contraction: contraction::Room::new(n_qubits),
        }
    }
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

    fn clear(&mut self) {
        self.value = [0.0; LANES];
        self.slopes.fill([0.0; LANES]);
    }

    fn add(&mut self, factor: f64, of: &Contraction) {
        let add = |sum: &mut Lanes, x: &Lanes| (0..LANES).for_each(|k| sum[k] += factor * x[k]);
        add(&mut self.value, &of.value);
        self.slopes.iter_mut().zip(&of.slopes).for_each(|(sum, x)| add(sum, x));
    }

    /// Adds `factor` times the expectation of a function.
    fn add_mean(
        &mut self,
        factor: f64,
        function: &Function,
        bits: &[Bit],
        room: &mut contraction::Room,
        threads: Threads,
    ) {
        self.value.iter_mut().for_each(|x| *x += factor * function.constant);
        if let Some(table) = &function.varying {
            self.add(factor, contract(table, bits, room, threads));
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
    let Room { amplitudes, bits, cost, divergence, contraction } = room;
    let n_rows = params.len() / n_params;
    // Lanes to spare repeat the last row.
    let row = |k: usize| &params[k.min(n_rows - 1) * n_params..][..n_params];
    product.amplitudes(std::array::from_fn(row), amplitudes);
    set_bits(amplitudes, bits);
    cost.clear();
    cost.add_mean(1.0, &tables.cost, bits, contraction, threads);
    divergence.clear();
    match &tables.terms {
        Terms::None => {}
        Terms::Kl { minus_log_prior } => {
            add_minus_entropy(divergence, bits);
            divergence.add_mean(1.0, minus_log_prior, bits, contraction, threads);
        }
        Terms::Mmd { embedding, self_similarity, eigenvalues, .. } => {
            divergence.value = [*self_similarity; LANES];
            divergence.add_mean(-2.0, embedding, bits, contraction, threads);
            let parities: Vec<Bit> = bits.iter().map(squared_parity).collect();
            divergence.add(1.0, contract(eigenvalues, &parities, contraction, threads));
        }
    }

    let mut gradient = vec![0.0; params.len()];
    let slopes = |q: usize| -> Lanes {
        std::array::from_fn(|k| cost.slopes[q][k] + weight * divergence.slopes[q][k])
    };
    product.pull_back(slopes, n_params, &mut gradient);
    let regularizer = divergence.value.map(|value| weight * value);
    let [expected_cost, regularizer] = [cost.value, regularizer].map(|x| x[..n_rows].to_vec());
    Evaluations { expected_cost, regularizer, gradient }
}

kernel! {
    /// What bits with these amplitudes multiply the product by.
    fn set_bits(amplitudes: &[[Lanes; 2]], bits: &mut [Bit]) {
        for ([a, b], Bit { factors: [f, g], slopes: [df, dg] }) in amplitudes.iter().zip(bits) {
            one_turn_at_a_time();
            multiply(a, a, 1.0, f);
            multiply(b, b, 1.0, g);
            multiply(a, b, -1.0, df);
            multiply(a, b, 1.0, dg);
        }
    }
}

#[inline(always)]
fn multiply(a: &Lanes, b: &Lanes, sign: f64, out: &mut Lanes) {
    for k in 0..LANES {
        out[k] = sign * a[k] * b[k];
    }
}

/// Adds the sum over bits of `sum_x P(x) ln P(x)`.
fn add_minus_entropy(term: &mut Term, bits: &[Bit]) {
    for (q, Bit { factors, slopes }) in bits.iter().enumerate() {
        let mut logarithms = [[0.0; LANES]; 2];
        let all = logarithms.as_flattened_mut();
        log_ratio(factors.as_flattened(), &[0.0; 2 * LANES], all);
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

//! Objectives of a product circuit: contractions and closed forms, no state.

use std::sync::Arc;

use super::contraction::{self, Bit, Contraction, LANES, Lanes, contract};
use super::groups::{Asked, Way};
use super::product::Product;
use super::tables::{Function, Tables, Terms};
use super::{Divergence, Evaluations, Problem};
use crate::Result;
use crate::logarithm::logarithms;
use crate::parallel::Threads;
use crate::simd::{kernel, one_turn_at_a_time};
use crate::state::{Program, fma};

/// Rows times outcomes that are done before another thread has woken up.
const MAX_SHORT: usize = 1 << 16;

/// Whether so many evaluations are done before another thread has woken up.
pub fn is_short(program: &Program, n_evaluations: usize) -> bool {
    n_evaluations <= MAX_SHORT >> program.plan().n_qubits()
}

/// From a product, at some rows side by side.
pub struct WholeProduct<'a> {
    program: &'a Program,
    product: Product<'a>,
    tables: Arc<Tables>,
}

impl<'a> WholeProduct<'a> {
    /// Of a program that is this product.
    pub fn new(
        program: &'a Program,
        product: Product<'a>,
        problem: &Problem,
        divergence: &Divergence,
    ) -> Result<Self> {
        let tables = problem.tables(product.relabelling, divergence)?;
        Ok(Self { program, product, tables })
    }
}

/// Where groups of rows are evaluated, one after the other.
pub struct Room {
    /// Of 0 and 1, of each qubit.
    amplitudes: Vec<[Lanes; 2]>,
    bits: Vec<Bit>,
    /// Of each bit's probabilities of 0 and 1, and those.
    logarithms: [Vec<Lanes>; 2],
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
            logarithms: [vec![none[0]; 2 * n_qubits], vec![none[0]; 2 * n_qubits]],
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
        add_scaled(std::slice::from_ref(&of.value), factor, std::slice::from_mut(&mut self.value));
        add_scaled(&of.slopes, factor, &mut self.slopes);
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

impl Way for WholeProduct<'_> {
    type Room = Room;

    fn rows(&self) -> usize {
        LANES
    }

    fn is_small(&self) -> bool {
        self.program.is_small()
    }

    fn room(&self) -> Room {
        Room::new(self.product.n_qubits())
    }

    fn evaluate(
        &self,
        asked: Asked<'_>,
        room: &mut Room,
        threads: Threads,
        found: &mut Evaluations,
    ) -> Result<()> {
        let Self { program, product, tables } = self;
        let Asked { params, weight, .. } = asked;
        let n_params = program.plan().n_params();
        let Room { amplitudes, bits, logarithms, cost, divergence, contraction } = room;
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
                add_minus_entropy(divergence, bits, logarithms);
                divergence.add_mean(1.0, minus_log_prior, bits, contraction, threads);
            }
            Terms::Mmd { embedding, self_similarity, eigenvalues, .. } => {
                divergence.value = [*self_similarity; LANES];
                divergence.add_mean(-2.0, embedding, bits, contraction, threads);
                let parities: Vec<Bit> = bits.iter().map(squared_parity).collect();
                divergence.add(1.0, contract(eigenvalues, &parities, contraction, threads));
            }
        }

        let slopes = |q: usize| -> Lanes {
            std::array::from_fn(|k| cost.slopes[q][k] + weight * divergence.slopes[q][k])
        };
        let regularizer = divergence.value[..n_rows].iter().map(|value| weight * value);
        let gradient = found.add_all(&cost.value[..n_rows], regularizer, params.len());
        product.pull_back(slopes, n_params, gradient);
        Ok(())
    }
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

kernel! {
    fn add_scaled(from: &[Lanes], factor: f64, out: &mut [Lanes]) {
        for (x, y) in out.iter_mut().zip(from) {
            one_turn_at_a_time();
            for k in 0..LANES {
                x[k] = fma::<f64, FMA>(factor, y[k], x[k]);
            }
        }
    }
}

/// Adds the sum over bits of `sum_x P(x) ln P(x)`.
fn add_minus_entropy(term: &mut Term, bits: &[Bit], room: &mut [Vec<Lanes>; 2]) {
    // All bits' at once: one logarithm takes as long as several beside it.
    let [logs, probabilities] = room;
    for (two, bit) in probabilities.chunks_exact_mut(2).zip(bits) {
        two.copy_from_slice(&bit.factors);
    }
    logarithms(probabilities.as_flattened(), logs.as_flattened_mut());
    add_weighted(logs, bits, &mut term.value, &mut term.slopes);
}

kernel! {
    fn add_weighted(logs: &[Lanes], bits: &[Bit], value: &mut Lanes, slopes: &mut [Lanes]) {
        for ((two, bit), slope) in logs.chunks_exact(2).zip(bits).zip(slopes) {
            for (log, x) in two.iter().zip(0..) {
                one_turn_at_a_time();
                for k in 0..LANES {
                    value[k] = fma::<f64, FMA>(bit.factors[x][k], log[k], value[k]);
                    // d(P ln P) = (ln P + 1) dP, and the derivatives of both P cancel.
                    slope[k] = fma::<f64, FMA>(bit.slopes[x][k], log[k], slope[k]);
                }
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

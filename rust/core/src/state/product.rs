//! The first stage of rotations, which acts on a single outcome.
//!
//! It leaves a product of real qubit states, so the state is written in one pass, and going backward
//! its derivatives are contractions of the cotangent with products: one pass again, where any later
//! stage takes one for each qubit.

use super::real::{Real, fma};
use super::simulate::Vector;
use super::tiles::{Shared, TILE_QUBITS, n_tasks, tiles_of};
use crate::circuit::Turn;
use crate::parallel::{Threads, map_tasks};
use crate::simd::{kernel, one_turn_at_a_time};

/// A product of real single-qubit states.
pub struct Product {
    /// Amplitudes of each qubit's 0 and 1.
    qubits: Vec<[f64; 2]>,
    low_bits: usize,
}

impl Product {
    /// What rotations make of the outcome `start`.
    pub fn new(n_qubits: usize, start: u64, turns: &[(usize, Turn)], params: &[f64]) -> Self {
        let basis = |q: usize| if start >> q & 1 == 0 { [1.0, 0.0] } else { [0.0, 1.0] };
        let mut qubits: Vec<[f64; 2]> = (0..n_qubits).map(basis).collect();
        for (q, turn) in turns {
            let (sin, cos) = (turn.at(params) / 2.0).sin_cos();
            let [zero, one] = qubits[*q];
            qubits[*q] = [cos * zero - sin * one, sin * zero + cos * one];
        }
        Self { qubits, low_bits: n_qubits.min(TILE_QUBITS) }
    }

    /// Writes the state.
    pub fn write<T: Real>(&self, psi: &mut Vector<T>, threads: Threads) {
        psi.is_real = true;
        let low = self.low_table();
        let width = low.len();
        let n_blocks = psi.re.len() / width;
        let re = Shared::new(&mut psi.re);
        map_tasks(threads, n_tasks(n_blocks), |task| {
            for block in tiles_of(task, n_blocks) {
                let factor = T::from_f64(self.high_factor(block));
                let range = block * width..(block + 1) * width;
                // SAFETY: blocks do not overlap, and each is one task's.
                scale(unsafe { re.piece(range) }, &low, factor);
            }
        });
    }

    /// The derivatives of `2 sum_z lambda(z) psi(z)` by each qubit's angle, `lambda` being the real
    /// part of the cotangent.
    pub fn derivatives<T: Real>(&self, lambda: &[T], threads: Threads) -> Vec<f64> {
        let low = self.low_table::<T>();
        let width = low.len();
        let n_blocks = lambda.len() / width;
        // Summed over the low bits for each block, and over blocks for each setting of the low bits.
        let parts = map_tasks(threads, n_tasks(n_blocks), |task| {
            let mut columns = vec![T::ZERO; width];
            let rows = tiles_of(task, n_blocks).map(|block| {
                let values = &lambda[block * width..(block + 1) * width];
                contract(values, &low, T::from_f64(self.high_factor(block)), &mut columns)
            });
            (rows.collect::<Vec<f64>>(), columns)
        });
        let mut columns = vec![0.0; width];
        let mut rows = Vec::with_capacity(n_blocks);
        for (part, sums) in parts {
            rows.extend(part);
            columns.iter_mut().zip(sums).for_each(|(total, s)| *total += s.to_f64());
        }
        let (low, high) = self.qubits.split_at(self.low_bits);
        let mut derivatives = fold(columns, low);
        derivatives.extend(fold(rows, high));
        derivatives
    }

    /// The amplitudes of the low bits.
    fn low_table<T: Real>(&self) -> Vec<T> {
        let mut table = vec![T::ONE; 1 << self.low_bits];
        for (q, amplitudes) in self.qubits[..self.low_bits].iter().enumerate() {
            let (zeros, ones) = table[..2 << q].split_at_mut(1 << q);
            let [zero, one] = amplitudes.map(T::from_f64);
            for (a, b) in zeros.iter_mut().zip(ones) {
                (*a, *b) = (*a * zero, *a * one);
            }
        }
        table
    }

    /// The amplitude of the high bits of a block.
    fn high_factor(&self, block: usize) -> f64 {
        let high = self.qubits[self.low_bits..].iter().enumerate();
        high.map(|(i, amplitudes)| amplitudes[block >> i & 1]).product()
    }
}

/// For each qubit q, the sum over z of values(z) times the product of the qubits' amplitudes, with
/// those of q, (a, b), replaced by their derivative (-b, a).
fn fold(mut values: Vec<f64>, qubits: &[[f64; 2]]) -> Vec<f64> {
    // The products of the qubits below q, for each q: a table of 2^q entries.
    let mut below = vec![vec![1.0]];
    for [zero, one] in &qubits[..qubits.len().saturating_sub(1)] {
        let last = &below[below.len() - 1];
        below.push(last.iter().map(|p| p * zero).chain(last.iter().map(|p| p * one)).collect());
    }
    let mut derivatives = vec![0.0; qubits.len()];
    for (q, [zero, one]) in qubits.iter().enumerate().rev() {
        let (zeros, ones) = values[..2 << q].split_at_mut(1 << q);
        derivatives[q] = fold_bit(zeros, ones, &below[q], *zero, *one);
    }
    derivatives
}

kernel! {
    /// Contracts a bit with its amplitudes (a, b) into `zeros`, and returns its derivative: the
    /// contraction with (-b, a), and with the product of the bits `below`.
    fn fold_bit(zeros: &mut [f64], ones: &[f64], below: &[f64], a: f64, b: f64) -> f64 {
        const LANES: usize = 8;
        let mut sums = [0.0; LANES];
        let (chunks, rest) = zeros.as_chunks_mut::<LANES>();
        let (ones, ones_rest) = ones.as_chunks::<LANES>();
        let (below, below_rest) = below.as_chunks::<LANES>();
        for ((x, y), p) in chunks.iter_mut().zip(ones).zip(below) {
            one_turn_at_a_time();
            for k in 0..LANES {
                sums[k] = fma::<f64, FMA>(p[k], fma::<f64, FMA>(y[k], a, -(x[k] * b)), sums[k]);
                x[k] = fma::<f64, FMA>(y[k], b, x[k] * a);
            }
        }
        for ((x, y), p) in rest.iter_mut().zip(ones_rest).zip(below_rest) {
            sums[0] += p * (y * a - *x * b);
            *x = y * b + *x * a;
        }
        sums.iter().sum()
    }
}

kernel! {
    /// out = low * factor.
    fn scale<T>(out: &mut [T], low: &[T], factor: T) {
        for (x, l) in out.iter_mut().zip(low) {
            *x = *l * factor;
        }
    }
}

/// Lanes of the sum that [`contract`] keeps.
const LANES: usize = 16;

kernel! {
    /// Adds factor * values to columns and returns the sum of low * values.
    fn contract<T>(values: &[T], low: &[T], factor: T, columns: &mut [T]) -> f64 {
        let mut sums = [T::ZERO; LANES];
        let (chunks, rest) = values.as_chunks::<LANES>();
        let (lows, low_rest) = low.as_chunks::<LANES>();
        for ((v, l), c) in chunks.iter().zip(lows).zip(columns.as_chunks_mut::<LANES>().0) {
            one_turn_at_a_time();
            for k in 0..LANES {
                c[k] = fma::<T, FMA>(factor, v[k], c[k]);
                sums[k] = fma::<T, FMA>(v[k], l[k], sums[k]);
            }
        }
        let start = chunks.len() * LANES;
        for ((v, l), c) in rest.iter().zip(low_rest).zip(&mut columns[start..]) {
            *c = fma::<T, FMA>(factor, *v, *c);
            sums[0] += *v * *l;
        }
        sums.into_iter().map(T::to_f64).sum()
    }
}

//! The first stage of rotations.
//!
//! It acts on a single outcome and makes a product of real qubit states, so each tile is written at
//! once, and going backward the derivatives are contractions of the cotangent with products: one
//! pass over it, where any later stage takes one for a few qubits.

use super::phase::table_bits;
use super::real::{Real, fma};
use super::tiles::Layout;
use crate::circuit::Plan;
use crate::simd::{kernel, one_turn_at_a_time};
use crate::trigonometry::Angles;

/// A product of real single-qubit states, for tiles of a layout. A tile is cut into rows like a
/// table of phases: an amplitude is that of its place in the row, times the row's, times the tile's.
pub struct Product<T> {
    /// Amplitudes of each place's 0 and 1.
    places: Vec<[f64; 2]>,
    tile_qubits: usize,
    low_bits: usize,
    low: Vec<T>,
    /// The products of the lowest places, of those that number the rows, and of those outside.
    chains: [Vec<f64>; 3],
}

impl<T: Real> Product<T> {
    /// What the first rotations, by twice the angles, make of the starting outcome.
    pub fn new(plan: &Plan, layout: &Layout, halves: Angles<'_>) -> Self {
        let basis = |q: &usize| if plan.start() >> q & 1 == 0 { [1.0, 0.0] } else { [0.0, 1.0] };
        let mut places: Vec<[f64; 2]> = layout.order().iter().map(basis).collect();
        let turned = plan.product().iter().zip(halves.iter());
        // The layout may be of the lowest qubits alone.
        for ((q, _), [_, sin, cos]) in turned.filter(|((q, _), _)| *q < layout.order().len()) {
            let place = &mut places[layout.place(*q)];
            let [zero, one] = *place;
            *place = [cos * zero - sin * one, sin * zero + cos * one];
        }
        let tile_qubits = layout.tile_qubits();
        let low_bits = table_bits(tile_qubits);
        let (inside, outside) = places.split_at(tile_qubits);
        let (low, rows) = inside.split_at(low_bits);
        let chains = [chain(low), chain(rows), chain(outside)];
        let low = last(&chains[0]).iter().map(|x| T::from_f64(*x)).collect();
        Self { places, tile_qubits, low_bits, low, chains }
    }

    /// The amplitudes of a row but for its factor.
    pub fn low(&self) -> &[T] {
        &self.low
    }

    /// The factors of the rows.
    pub fn rows(&self) -> &[f64] {
        last(&self.chains[1])
    }

    /// The factor of a tile.
    pub fn factor(&self, tile: usize) -> f64 {
        last(&self.chains[2])[tile]
    }

    /// Writes tile number `tile`.
    pub fn write(&self, tile: usize, out: &mut [T]) {
        for (out, row) in out.chunks_exact_mut(self.low.len()).zip(self.rows()) {
            scale(out, &self.low, T::from_f64(row * self.factor(tile)));
        }
    }

    /// From a tile of the cotangent (its real part) summed over rows, times their factors, and over
    /// each row, times the amplitudes in it: adds to `derivatives` those of
    /// `2 sum_z lambda(z) psi(z)` by the angles of the tile's places, and returns half that sum but
    /// for the tile's factor, for [`Product::outer_derivatives`].
    pub fn read(
        &self,
        tile: usize,
        mut columns: Vec<f64>,
        mut rows: Vec<f64>,
        derivatives: &mut [f64],
    ) -> f64 {
        let (low, high) = self.places[..self.tile_qubits].split_at(self.low_bits);
        let (low_derivatives, high_derivatives) = derivatives.split_at_mut(self.low_bits);
        let factor = self.factor(tile);
        fold(&mut columns, low, &self.chains[0], factor, low_derivatives);
        fold(&mut rows, high, &self.chains[1], factor, high_derivatives);
        columns[0]
    }

    /// The derivatives by the angles of the places outside the tiles, from what [`Product::read`]
    /// returned for each tile.
    pub fn outer_derivatives(&self, mut sums: Vec<f64>) -> Vec<f64> {
        let outer = &self.places[self.tile_qubits..];
        let mut derivatives = vec![0.0; outer.len()];
        fold(&mut sums, outer, &self.chains[2], 1.0, &mut derivatives);
        derivatives
    }
}

/// From 2^q on, the 2^q amplitudes of the lowest q places.
fn chain(places: &[[f64; 2]]) -> Vec<f64> {
    let mut chain = vec![1.0; 2 << places.len()];
    for (q, [zero, one]) in places.iter().enumerate() {
        let (lower, upper) = chain.split_at_mut(2 << q);
        let (zeros, ones) = upper[..2 << q].split_at_mut(1 << q);
        scale(zeros, &lower[1 << q..], *zero);
        scale(ones, &lower[1 << q..], *one);
    }
    chain
}

/// The amplitudes of all places of a chain.
fn last(chain: &[f64]) -> &[f64] {
    &chain[chain.len() / 2..]
}

/// Contracts values with a product, place by place from the last, and adds `factor` times the
/// derivatives by their angles. The first value is left with the whole contraction.
fn fold(
    values: &mut [f64],
    places: &[[f64; 2]],
    chain: &[f64],
    factor: f64,
    derivatives: &mut [f64],
) {
    for (q, [zero, one]) in places.iter().enumerate().rev() {
        let (zeros, ones) = values[..2 << q].split_at_mut(1 << q);
        derivatives[q] += factor * fold_bit(zeros, ones, &chain[1 << q..2 << q], *zero, *one);
    }
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
            sums[0] += *p * (*y * a - *x * b);
            *x = *y * b + *x * a;
        }
        sums.into_iter().sum()
    }
}

kernel! {
    /// out = values * factor.
    pub fn scale<T>(out: &mut [T], values: &[T], factor: T) {
        for (x, v) in out.iter_mut().zip(values) {
            *x = *v * factor;
        }
    }
}

//! The first stage of rotations.
//!
//! It acts on a single outcome and makes a product of real qubit states, so each tile is written at
//! once, and going backward the derivatives are contractions of the cotangent with products: one
//! pass over it, where any later stage takes one for a few qubits.

use super::real::{Real, fma};
use super::tiles::Layout;
use crate::circuit::Plan;
use crate::simd::{kernel, one_turn_at_a_time};

/// A product of real single-qubit states, for tiles of a layout.
pub struct Product<T> {
    /// Amplitudes of each place's 0 and 1.
    places: Vec<[f64; 2]>,
    tile_qubits: usize,
    /// From 2^q on, the 2^q amplitudes of the lowest q places.
    below: Vec<T>,
}

impl<T: Real> Product<T> {
    /// What the first rotations make of the starting outcome.
    pub fn new(plan: &Plan, layout: &Layout, params: &[f64]) -> Self {
        let basis = |q: &usize| if plan.start() >> q & 1 == 0 { [1.0, 0.0] } else { [0.0, 1.0] };
        let mut places: Vec<[f64; 2]> = layout.order().iter().map(basis).collect();
        for (q, turn) in plan.product() {
            let (sin, cos) = (turn.at(params) / 2.0).sin_cos();
            let place = &mut places[layout.place(*q)];
            let [zero, one] = *place;
            *place = [cos * zero - sin * one, sin * zero + cos * one];
        }
        let tile_qubits = layout.tile_qubits();
        let mut below = vec![T::ONE; 2 << tile_qubits];
        for (q, amplitudes) in places[..tile_qubits].iter().enumerate() {
            let (lower, upper) = below.split_at_mut(2 << q);
            let [zero, one] = amplitudes.map(T::from_f64);
            let (zeros, ones) = upper[..2 << q].split_at_mut(1 << q);
            scale(zeros, &lower[1 << q..], zero);
            scale(ones, &lower[1 << q..], one);
        }
        Self { places, tile_qubits, below }
    }

    /// Writes tile number `tile`.
    pub fn write(&self, tile: usize, out: &mut [T]) {
        scale(out, &self.below[1 << self.tile_qubits..], T::from_f64(self.factor(tile)));
    }

    /// Contracts a tile of the cotangent (its real part, used up) with the product: adds to
    /// `derivatives` those of `2 sum_z lambda(z) psi(z)` by the angles of the tile's places, and
    /// returns half that sum but for the tile's factor, for [`Product::outer_derivatives`].
    pub fn contract(&self, tile: usize, lambda: &mut [T], derivatives: &mut [f64]) -> f64 {
        let factor = self.factor(tile);
        for (q, [zero, one]) in self.places[..self.tile_qubits].iter().enumerate().rev() {
            let (zeros, ones) = lambda[..2 << q].split_at_mut(1 << q);
            let below = &self.below[1 << q..2 << q];
            let (zero, one) = (T::from_f64(*zero), T::from_f64(*one));
            derivatives[q] += factor * fold_bit(zeros, ones, below, zero, one);
        }
        lambda[0].to_f64()
    }

    /// The derivatives by the angles of the places outside the tiles, from what
    /// [`Product::contract`] returned for each tile.
    pub fn outer_derivatives(&self, mut sums: Vec<f64>) -> Vec<f64> {
        let outer = &self.places[self.tile_qubits..];
        let mut below = vec![vec![1.0]];
        for [zero, one] in outer {
            let last = &below[below.len() - 1];
            below.push(last.iter().map(|p| p * zero).chain(last.iter().map(|p| p * one)).collect());
        }
        let mut derivatives = vec![0.0; outer.len()];
        for (q, [zero, one]) in outer.iter().enumerate().rev() {
            let (zeros, ones) = sums[..2 << q].split_at_mut(1 << q);
            derivatives[q] = fold_bit(zeros, ones, &below[q], *zero, *one);
        }
        derivatives
    }

    /// The amplitude of the places outside a tile.
    fn factor(&self, tile: usize) -> f64 {
        let outer = self.places[self.tile_qubits..].iter().enumerate();
        outer.map(|(i, amplitudes)| amplitudes[tile >> i & 1]).product()
    }
}

kernel! {
    /// Contracts a bit with its amplitudes (a, b) into `zeros`, and returns its derivative: the
    /// contraction with (-b, a), and with the product of the bits `below`.
    fn fold_bit<T>(zeros: &mut [T], ones: &[T], below: &[T], a: T, b: T) -> f64 {
        const LANES: usize = 8;
        let mut sums = [T::ZERO; LANES];
        let (chunks, rest) = zeros.as_chunks_mut::<LANES>();
        let (ones, ones_rest) = ones.as_chunks::<LANES>();
        let (below, below_rest) = below.as_chunks::<LANES>();
        for ((x, y), p) in chunks.iter_mut().zip(ones).zip(below) {
            one_turn_at_a_time();
            for k in 0..LANES {
                sums[k] = fma::<T, FMA>(p[k], fma::<T, FMA>(y[k], a, -(x[k] * b)), sums[k]);
                x[k] = fma::<T, FMA>(y[k], b, x[k] * a);
            }
        }
        for ((x, y), p) in rest.iter_mut().zip(ones_rest).zip(below_rest) {
            sums[0] += *p * (*y * a - *x * b);
            *x = *y * b + *x * a;
        }
        sums.into_iter().map(T::to_f64).sum()
    }
}

kernel! {
    /// out = values * factor.
    fn scale<T>(out: &mut [T], values: &[T], factor: T) {
        for (x, v) in out.iter_mut().zip(values) {
            *x = *v * factor;
        }
    }
}

//! Stages of real rotations, forward and backward.
//!
//! RY mixes amplitudes with real coefficients, so real and imaginary parts are two arrays that are
//! treated alike and never meet: a state is turned by turning two real vectors.
//!
//! A rotation is cos * [[1, -tan], [tan, 1]]. The kernels take a few qubits at a time, held in
//! registers, and multiply by all their cosines at the end: two operations a pair instead of four.

mod backward;
mod forward;
mod rows;
mod slow;

use super::real::Real;
use crate::simd::kernel;

/// RY on one qubit: tangent and cosine of half its angle.
#[derive(Debug, Clone, Copy)]
pub struct Rotation<T> {
    /// The qubit's place in the tile.
    pub qubit: usize,
    tan: T,
    cos: T,
}

/// The rotations of a stage, on ascending qubits.
#[derive(Debug, Clone)]
pub struct Rotations<T> {
    once: Vec<Rotation<T>>,
    /// Rotations close to pi, where the tangent has no bound, are done as two halves: here are the
    /// second ones.
    again: Vec<Rotation<T>>,
}

impl<T: Real> Rotations<T> {
    /// Rotations by angles in radians.
    pub fn new(angles: impl Iterator<Item = (usize, f64)>) -> Self {
        let mut rotations = Self { once: Vec::new(), again: Vec::new() };
        for (qubit, angle) in angles {
            let (sin, cos) = (angle / 2.0).sin_cos();
            if cos.abs() >= T::SMALL_COS {
                let (tan, cos) = (T::from_f64(sin / cos), T::from_f64(cos));
                rotations.once.push(Rotation { qubit, tan, cos });
            } else {
                let (sin, cos) = (angle / 4.0).sin_cos();
                let half = Rotation { qubit, tan: T::from_f64(sin / cos), cos: T::from_f64(cos) };
                rotations.once.push(half);
                rotations.again.push(half);
            }
        }
        rotations
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.once.len()
    }

    /// Applies them to a vector.
    pub fn apply(&self, vector: &mut [T]) {
        rotate(vector, &self.once);
        if !self.again.is_empty() {
            rotate(vector, &self.again);
        }
    }

    /// Undoes them on a state's vector and on its cotangent's, and adds to `derivatives`, one for
    /// each rotation, `sum over pairs of (lambda_1 psi_0 - lambda_0 psi_1)`: the derivative of the
    /// objective by the angle. It is the same before, between and after the rotations of a stage.
    pub fn unapply(&self, psi: &mut [T], lambda: &mut [T], derivatives: &mut [f64]) {
        if !self.again.is_empty() {
            unrotate(psi, lambda, &self.again, &mut vec![0.0; self.again.len()]);
        }
        unrotate(psi, lambda, &self.once, derivatives);
    }
}

/// log2 of the numbers that fit the first-level cache, for one vector or two.
const BLOCK: usize = 12;

kernel! {
    fn rotate<T as P>(vector: &mut [T], rotations: &[Rotation<T>]) {
        forward::rotate::<T, P>(vector, rotations);
    }
}

kernel! {
    fn unrotate<T as P>(psi: &mut [T], lambda: &mut [T], rotations: &[Rotation<T>], sums: &mut [f64]) {
        backward::unrotate::<T, P>(psi, lambda, rotations, sums);
    }
}

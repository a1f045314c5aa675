//! Stages of real rotations.
//!
//! RY mixes amplitudes with real coefficients, so real and imaginary parts are two arrays that are
//! treated alike and never meet: a state is turned by turning two real vectors.
//!
//! A rotation is cos * [[1, -tan], [tan, 1]]: two operations a pair, with all cosines multiplied in
//! at the end, instead of four.

use super::real::Real;
use crate::trigonometry::Angles;

/// RY on one qubit.
#[derive(Debug, Clone, Copy)]
pub struct Rotation<T> {
    /// The qubit's place in the tile.
    pub qubit: usize,
    /// The tangent of half its angle.
    pub tan: T,
    /// The cosine of half its angle.
    pub cos: T,
}

/// The rotations of a stage, on ascending qubits.
#[derive(Debug, Clone)]
pub struct Rotations<T> {
    pub once: Vec<Rotation<T>>,
    /// Rotations close to pi, where the tangent has no bound, are done as two halves: here are the
    /// second ones.
    pub again: Vec<Rotation<T>>,
}

impl<T: Real> Rotations<T> {
    /// Rotations of qubits by twice the angles.
    pub fn new(qubits: &[usize], halves: Angles<'_>) -> Self {
        let mut rotations = Self { once: Vec::with_capacity(qubits.len()), again: Vec::new() };
        for (&qubit, [half, sin, cos]) in qubits.iter().zip(halves.iter()) {
            if cos.abs() >= T::SMALL_COS {
                let (tan, cos) = (T::from_f64(sin / cos), T::from_f64(cos));
                rotations.once.push(Rotation { qubit, tan, cos });
            } else {
                let (sin, cos) = (half / 2.0).sin_cos();
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
}

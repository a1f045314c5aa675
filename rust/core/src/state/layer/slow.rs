//! For tiles shorter than the lanes.

use crate::state::phase::RowPhases;
use crate::state::real::Real;
use crate::state::rotate::Rotation;

pub fn rotate<T: Real>(vector: &mut [T], r: &Rotation<T>) {
    let (cos, sin) = (r.cos, r.cos * r.tan);
    for i in (0..vector.len()).filter(|i| i >> r.qubit & 1 == 0) {
        let j = i | 1 << r.qubit;
        let (x, y) = (vector[i], vector[j]);
        (vector[i], vector[j]) = (cos * x - sin * y, sin * x + cos * y);
    }
}

pub fn unrotate<T: Real>(psi: &mut [T], lambda: &mut [T], r: &Rotation<T>) -> f64 {
    let mut sum = 0.0;
    for i in (0..psi.len()).filter(|i| i >> r.qubit & 1 == 0) {
        let j = i | 1 << r.qubit;
        sum += (lambda[j] * psi[i] - lambda[i] * psi[j]).to_f64();
    }
    let back = Rotation { tan: -r.tan, ..*r };
    rotate(psi, &back);
    rotate(lambda, &back);
    sum
}

/// Multiplies by phases, of which there is one row.
pub fn turn<T: Real>(phases: &RowPhases<'_, T>, re: &mut [T], im: &mut [T]) {
    for i in 0..re.len() {
        let [u, v] = phases.at(i);
        (re[i], im[i]) = (u * re[i] - v * im[i], v * re[i] + u * im[i]);
    }
}

/// Undoes that for a state and its cotangent, and adds their overlap to `overlaps`.
pub fn unturn<T: Real>(
    phases: &RowPhases<'_, T>,
    [a, b]: [&mut [T]; 2],
    [x, y]: [&mut [T]; 2],
    overlaps: &mut [T],
) {
    for i in 0..a.len() {
        overlaps[i] += x[i] * b[i] - y[i] * a[i];
        let [u, v] = phases.at(i);
        (a[i], b[i]) = (u * a[i] + v * b[i], u * b[i] - v * a[i]);
        (x[i], y[i]) = (u * x[i] + v * y[i], u * y[i] - v * x[i]);
    }
}

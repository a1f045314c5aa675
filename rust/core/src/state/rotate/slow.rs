//! For vectors shorter than the lanes.

use super::Rotation;
use crate::state::real::Real;

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

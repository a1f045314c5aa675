//! For vectors shorter than the lanes.

use super::Rotation;
use crate::state::real::Real;

pub fn rotate<T: Real>(tile: &mut [T], r: &Rotation<T>) {
    for i in (0..tile.len()).filter(|i| i >> r.qubit & 1 == 0) {
        let j = i | 1 << r.qubit;
        let (x, y) = (tile[i], tile[j]);
        (tile[i], tile[j]) = (r.cos * x - r.sin * y, r.sin * x + r.cos * y);
    }
}

pub fn unrotate<T: Real>(psi: &mut [T], lambda: &mut [T], r: &Rotation<T>) -> f64 {
    let mut sum = 0.0;
    for i in (0..psi.len()).filter(|i| i >> r.qubit & 1 == 0) {
        let j = i | 1 << r.qubit;
        sum += (lambda[j] * psi[i] - lambda[i] * psi[j]).to_f64();
    }
    let back = Rotation { sin: -r.sin, ..*r };
    rotate(psi, &back);
    rotate(lambda, &back);
    sum
}

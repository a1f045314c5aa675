//! What is done to all rows alike.

use super::n_abreast;
use crate::simd::kernel;

/// Cosines are kept this far from zero, where tangents have no bound: less than what rounding makes of
/// that of pi / 2.
const LEAST_COSINE: f64 = f64::EPSILON / 4.0;

kernel! {
    /// Makes sines tangents.
    pub(super) fn divide(sines: &mut [f64], cosines: &mut [f64]) {
        for (s, c) in sines.iter_mut().zip(cosines) {
            *c = c.abs().max(LEAST_COSINE).copysign(*c);
            *s /= *c;
        }
    }
}

kernel! {
    /// From the rows of the lower half, those of both: times each one's factor.
    pub(super) fn multiply_out<T as P>(rows: &mut [T], pair: [&[T]; 2]) {
        let [lower, upper] = pair;
        let n = rows.len() / 2;
        assert!(lower.len() << 1 == 1 << P::LOG && upper.len() == lower.len());
        let rows = rows.as_mut_ptr();
        // SAFETY: half a row each, and rows of both halves.
        unsafe {
            let (a, b) = (P::load_twice(lower.as_ptr()), P::load_twice(upper.as_ptr()));
            for at in (0..n).step_by(1 << P::LOG) {
                let x = P::load(rows.add(at));
                x.times(a).store(rows.add(at));
                x.times(b).store(rows.add(n + at));
            }
        }
    }
}

kernel! {
    /// Writes |amplitude|^2.
    pub(super) fn square<T as P>(rows: &[T], out: &mut [T]) {
        assert!(out.len() * 2 == rows.len());
        for at in (0..rows.len()).step_by(1 << P::LOG) {
            // SAFETY: one of the rows, and half of one.
            unsafe {
                let x = P::load(rows.as_ptr().add(at));
                let x = x.times(x);
                x.plus(x.halves_exchanged()).store_half(out.as_mut_ptr().add(at / 2));
            }
        }
    }
}

kernel! {
    /// Writes (factors - shift) * row.
    pub(super) fn scale<T as P>(factors: &[T], shift: &[T], from: &[T], to: &mut [T]) {
        assert!(factors.len() * 2 == to.len() && from.len() == to.len());
        assert!(shift.len() * 2 == 1 << P::LOG);
        // SAFETY: rows and half rows that are there by the assertions.
        unsafe {
            let shift = P::load_twice(shift.as_ptr());
            for at in (0..to.len()).step_by(1 << P::LOG) {
                let f = P::load_twice(factors.as_ptr().add(at / 2)).minus(shift);
                P::load(from.as_ptr().add(at)).times(f).store(to.as_mut_ptr().add(at));
            }
        }
    }
}

kernel! {
    fn dot_rows<T as P>(a: &[T], b: &[T], out: &mut [T]) {
        assert!(a.len() == b.len() && a.len().is_multiple_of(1 << P::LOG));
        assert!(out.len() * 2 == 1 << P::LOG);
        let mut sums = [P::splat(T::ZERO); 4];
        // SAFETY: whole rows, and half of one, by the assertions.
        unsafe {
            for (i, at) in (0..a.len()).step_by(1 << P::LOG).enumerate() {
                let (x, y) = (P::load(a.as_ptr().add(at)), P::load(b.as_ptr().add(at)));
                sums[i % 4] = x.times_plus(y, sums[i % 4]);
            }
            let sum = sums[0].plus(sums[1]).plus(sums[2].plus(sums[3]));
            sum.plus(sum.halves_exchanged()).store_half(out.as_mut_ptr());
        }
    }
}

/// Each state's dot product of numbers that stand in half a row for each outcome.
pub fn dots(a: &[f64], b: &[f64]) -> Vec<f64> {
    let mut dots = vec![0.0; n_abreast()];
    dot_rows(a, b, &mut dots);
    dots
}

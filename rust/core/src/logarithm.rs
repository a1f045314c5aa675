//! Natural logarithms of many numbers at once.

use crate::simd::kernel;
use crate::state::fma;

/// 2 / (2k + 1) for k = 9..0: ln m = sum_k 2/(2k+1) s^(2k+1) with s = (m - 1) / (m + 1).
const SERIES: [f64; 10] = [
    2.0 / 19.0,
    2.0 / 17.0,
    2.0 / 15.0,
    2.0 / 13.0,
    2.0 / 11.0,
    2.0 / 9.0,
    2.0 / 7.0,
    2.0 / 5.0,
    2.0 / 3.0,
    2.0,
];

/// ln x of a positive normal number, without a branch, to a few units in the last place.
///
/// x = 2^e m with m from sqrt(1/2) to sqrt(2); then |s| <= 0.172 and the series' first term left out
/// is below 1e-17 of the sum.
#[inline(always)]
fn ln<const FMA: bool>(x: f64) -> f64 {
    const ROOT_HALF: u64 = 0x3fe6_a09e_667f_3bcd;
    // Taking the bits of sqrt(1/2) off first makes the exponent's field turn over at sqrt(2).
    let shifted = x.to_bits().wrapping_sub(ROOT_HALF);
    let exponent = (shifted as i64 >> 52) as f64;
    let m = f64::from_bits((shifted & ((1 << 52) - 1)).wrapping_add(ROOT_HALF));
    let s = (m - 1.0) / (m + 1.0);
    let z = s * s;
    let mut sum = SERIES[0];
    for c in &SERIES[1..] {
        sum = fma::<f64, FMA>(sum, z, *c);
    }
    fma::<f64, FMA>(exponent, std::f64::consts::LN_2, s * sum)
}

/// ln(1 + x) for x from 0 to 1, without a branch.
#[inline(always)]
pub fn ln_1p<const FMA: bool>(x: f64) -> f64 {
    let sum = 1.0 + x;
    // What rounding took from the sum, to first order.
    ln::<FMA>(sum) + (x - (sum - 1.0)) / sum
}

/// ln q - p, and 0 where q is 0 or so small that q log q is as good as 0.
#[inline(always)]
fn ratio<const FMA: bool>(q: f64, p: f64) -> f64 {
    let normal = q >= f64::MIN_POSITIVE;
    let ratio = ln::<FMA>(if normal { q } else { 1.0 }) - p;
    if normal { ratio } else { 0.0 }
}

kernel! {
    /// Writes ln q, and 0 where q is 0 or so small that q log q is as good as 0.
    pub fn logarithms(q: &[f64], out: &mut [f64]) {
        for (o, q) in out.iter_mut().zip(q) {
            *o = ratio::<FMA>(*q, 0.0);
        }
    }
}

kernel! {
    /// Writes ln q - log_prior, and 0 in the same places.
    pub fn log_ratio(q: &[f64], log_prior: &[f64], out: &mut [f64]) {
        for ((o, q), p) in out.iter_mut().zip(q).zip(log_prior) {
            *o = ratio::<FMA>(*q, *p);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logarithms_are_those_of_the_standard_library() {
        let mut x = f64::MIN_POSITIVE;
        while x < 1e300 {
            let theirs = x.ln();
            for ours in [ln::<true>(x), ln::<false>(x)] {
                // Three roundings: of the product with ln 2, of the series, and of their sum.
                assert!((ours - theirs).abs() <= 4.0 * f64::EPSILON * theirs.abs().max(1.0), "{x}");
            }
            x *= 1.000_37;
        }
        assert_eq!(ln::<true>(1.0), 0.0);
    }

    #[test]
    fn small_numbers_beside_one_are_not_lost() {
        let mut x = 1.0;
        while x > 1e-300 {
            for ours in [ln_1p::<true>(x), ln_1p::<false>(x)] {
                assert!((ours - x.ln_1p()).abs() <= 4.0 * f64::EPSILON * x, "{x}");
            }
            x *= 0.997;
        }
        assert_eq!(ln_1p::<true>(0.0), 0.0);
    }

    #[test]
    fn outcomes_that_cannot_happen_count_nothing() {
        let q = [0.0, 0.25, 0.75, 1e-310, 0.0];
        let log_prior = [-1.0; 5];
        let mut logarithms = [9.0; 5];
        super::logarithms(&q, &mut logarithms);
        let mut out = [9.0; 5];
        log_ratio(&q, &log_prior, &mut out);
        let expected = [0.0, 0.25f64.ln() + 1.0, 0.75f64.ln() + 1.0, 0.0, 0.0];
        for (o, e) in out.iter().zip(expected) {
            assert!((o - e).abs() < 1e-15);
        }
        for (l, e) in logarithms.iter().zip([0.0, 0.25f64.ln(), 0.75f64.ln(), 0.0, 0.0]) {
            assert!((l - e).abs() < 1e-15);
        }
    }
}

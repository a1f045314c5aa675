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

kernel! {
    /// Writes ln q - log_prior, and 0 where q is 0; returns the sum of q times it.
    pub fn log_ratio(q: &[f64], log_prior: &[f64], out: &mut [f64]) -> f64 {
        const LANES: usize = 8;
        let mut sums = [0.0; LANES];
        let one = |q: f64, log_prior: f64| {
            // Below the normal numbers q log q is as good as 0.
            let safe = if q >= f64::MIN_POSITIVE { q } else { 1.0 };
            if q >= f64::MIN_POSITIVE { ln::<FMA>(safe) - log_prior } else { 0.0 }
        };
        let (chunks, rest) = q.as_chunks::<LANES>();
        let (priors, prior_rest) = log_prior.as_chunks::<LANES>();
        for ((q, p), o) in chunks.iter().zip(priors).zip(out.as_chunks_mut::<LANES>().0) {
            for k in 0..LANES {
                o[k] = one(q[k], p[k]);
                sums[k] += q[k] * o[k];
            }
        }
        let start = chunks.len() * LANES;
        for ((q, p), o) in rest.iter().zip(prior_rest).zip(&mut out[start..]) {
            *o = one(*q, *p);
            sums[0] += q * *o;
        }
        sums.iter().sum()
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
    fn outcomes_that_cannot_happen_count_nothing() {
        let q = [0.0, 0.25, 0.75, 1e-310, 0.0];
        let log_prior = [-1.0; 5];
        let mut out = [9.0; 5];
        let sum = log_ratio(&q, &log_prior, &mut out);
        assert_eq!([out[0], out[3], out[4]], [0.0; 3]);
        let expected = 0.25 * (0.25f64.ln() + 1.0) + 0.75 * (0.75f64.ln() + 1.0);
        assert!((sum - expected).abs() < 1e-15);
    }
}

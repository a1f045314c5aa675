//! Exponentials and softplus sums in plain arithmetic, which the compiler can vectorise.

use crate::simd::kernel;
use crate::state::fma;

/// Smallest argument whose exponential is a normal number; smaller ones are taken as this one.
const SMALLEST: f64 = -708.0;
/// ln 2 in two parts; the first has trailing zeros, so that its product with an exponent is exact.
const LN_2_HIGH: f64 = f64::from_bits(0x3FE6_2E42_FEE0_0000);
const LN_2_LOW: f64 = 1.908_214_929_270_587_7e-10;
/// Added and taken away again, this rounds to an integer and leaves it in the low mantissa bits.
const ROUND: f64 = (3u64 << 51) as f64;
/// 1/k! for k = 13 down to 1: the series is cut at 4e-18 for |r| <= ln(2)/2.
const SERIES: [f64; 13] = [
    1.0 / 6_227_020_800.0,
    1.0 / 479_001_600.0,
    1.0 / 39_916_800.0,
    1.0 / 3_628_800.0,
    1.0 / 362_880.0,
    1.0 / 40_320.0,
    1.0 / 5_040.0,
    1.0 / 720.0,
    1.0 / 120.0,
    1.0 / 24.0,
    1.0 / 6.0,
    0.5,
    1.0,
];

/// exp(x) = 2^e + 2^e (exp(r) - 1) with an integer e and |r| <= ln(2)/2, for |x| <= 708: returns 2^e
/// and exp(r) - 1.
#[inline(always)]
fn power_and_rest<const FMA: bool>(x: f64) -> (f64, f64) {
    let shifted = fma::<f64, FMA>(x, std::f64::consts::LOG2_E, ROUND);
    let exponent = shifted - ROUND;
    let r = fma::<f64, FMA>(-exponent, LN_2_LOW, fma::<f64, FMA>(-exponent, LN_2_HIGH, x));
    let mut sum = SERIES[0];
    for coefficient in &SERIES[1..] {
        sum = fma::<f64, FMA>(sum, r, *coefficient);
    }
    // 2^exponent, put together from its bits.
    let power = f64::from_bits((shifted.to_bits() << 52).wrapping_add(1023 << 52));
    (power, sum * r)
}

/// exp(x) for |x| <= 708, to about one unit in the last place.
#[inline(always)]
pub(super) fn exp<const FMA: bool>(x: f64) -> f64 {
    let (power, rest) = power_and_rest::<FMA>(x);
    fma::<f64, FMA>(power, rest, power)
}

/// exp(x) for x <= 0, to about one unit in the last place; never below exp(-708).
#[inline(always)]
pub(super) fn exp_nonpositive<const FMA: bool>(x: f64) -> f64 {
    exp::<FMA>(if x < SMALLEST { SMALLEST } else { x })
}

/// tanh(x) to a few units in the last place, also near 0.
#[inline(always)]
pub(super) fn tanh<const FMA: bool>(x: f64) -> f64 {
    let double = -2.0 * x.abs();
    let (power, rest) = power_and_rest::<FMA>(if double < SMALLEST { SMALLEST } else { double });
    // exp(-2|x|) - 1, without cancellation: 2^e - 1 is exact.
    let expm1 = fma::<f64, FMA>(power, rest, power - 1.0);
    (-expm1 / (2.0 + expm1)).copysign(x)
}

/// Points handled side by side.
const LANES: usize = 8;
/// Points between two logarithms. Each factor is at most 2, so a product stays below 2^512.
const POINTS_PER_LOGARITHM: usize = 512;

kernel! {
    /// sum_d ln(1 + exp(signs_d * logits_d)).
    ///
    /// ln(1 + e^t) = max(t, 0) + ln(1 + e^-|t|), and the logarithms of many factors are one
    /// logarithm of their product: one exponential a point is left. The absolute error is about
    /// 1e-16 a point.
    pub(super) fn sum_softplus(signs: &[f64], logits: &[f64]) -> f64 {
        let blocks = signs.chunks(POINTS_PER_LOGARITHM).zip(logits.chunks(POINTS_PER_LOGARITHM));
        let mut total = 0.0;
        for (signs, logits) in blocks {
            let mut linear = [0.0; LANES];
            let mut product = [1.0; LANES];
            let (sign_lanes, sign_rest) = signs.as_chunks::<LANES>();
            let (logit_lanes, logit_rest) = logits.as_chunks::<LANES>();
            for (sign, logit) in sign_lanes.iter().zip(logit_lanes) {
                add_lanes::<FMA>(sign, logit, &mut linear, &mut product);
            }
            if !sign_rest.is_empty() {
                // Filled up with points that are certain, which add nothing.
                let mut sign = [-1.0; LANES];
                let mut logit = [1e4; LANES];
                sign[..sign_rest.len()].copy_from_slice(sign_rest);
                logit[..logit_rest.len()].copy_from_slice(logit_rest);
                add_lanes::<FMA>(&sign, &logit, &mut linear, &mut product);
            }
            total += linear.iter().sum::<f64>() + product.iter().product::<f64>().ln();
        }
        total
    }
}

#[inline(always)]
fn add_lanes<const FMA: bool>(
    sign: &[f64; LANES],
    logit: &[f64; LANES],
    linear: &mut [f64; LANES],
    product: &mut [f64; LANES],
) {
    for lane in 0..LANES {
        let t = sign[lane] * logit[lane];
        linear[lane] += if t > 0.0 { t } else { 0.0 };
        product[lane] *= 1.0 + exp_nonpositive::<FMA>(-t.abs());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponential_is_right_to_two_units_in_the_last_place() {
        for i in 0..200_000 {
            let x = -f64::from(i) * 0.003_537;
            for (got, x) in [
                (exp_nonpositive::<true>(x), x),
                (exp_nonpositive::<false>(x), x),
                (exp::<true>(-x), -x),
            ] {
                let want = x.exp();
                assert!((got - want).abs() <= 2.0 * f64::EPSILON * want, "{x}: {got} {want}");
            }
        }
        assert_eq!(exp_nonpositive::<true>(0.0), 1.0);
        assert!(exp_nonpositive::<true>(f64::NEG_INFINITY) < 1e-300);
    }

    #[test]
    fn hyperbolic_tangent_is_right_near_zero_too() {
        for i in -60_000..60_000 {
            // From 1e-18 to 40 on both sides.
            let x = (f64::from(i) * 1e-3).exp().min(40.0) * if i % 2 == 0 { 1.0 } else { -1.0 };
            for got in [tanh::<true>(x), tanh::<false>(x)] {
                let want = x.tanh();
                assert!((got - want).abs() <= 4.0 * f64::EPSILON * want.abs(), "{x}: {got} {want}");
            }
        }
        assert_eq!([tanh::<true>(f64::INFINITY), tanh::<true>(f64::NEG_INFINITY)], [1.0, -1.0]);
        assert_eq!(tanh::<true>(-0.0).to_bits(), (-0.0f64).to_bits());
    }

    #[test]
    fn softplus_sums_any_number_of_points() {
        // Rounding: one unit of 2^-53 per operation on sums and products of this size.
        for n in [1, 7, 8, 9, 512, 513, 1100] {
            let signs: Vec<f64> = (0..n).map(|i| if i % 3 == 0 { -1.0 } else { 1.0 }).collect();
            let logits: Vec<f64> = (0..n).map(|i| ((i * 37 % 101) as f64 - 50.0) * 0.3).collect();
            let naive: f64 = signs
                .iter()
                .zip(&logits)
                .map(|(s, l)| (s * l).max(0.0) + (-l.abs()).exp().ln_1p())
                .sum();
            let got = sum_softplus(&signs, &logits);
            assert!(
                (got - naive).abs() < n as f64 * 4.0 * f64::EPSILON * 16.0,
                "{n}: {got} {naive}"
            );
        }
        assert_eq!(sum_softplus(&[-1.0], &[1000.0]), 0.0);
        assert_eq!(sum_softplus(&[1.0], &[1000.0]), 1000.0);
    }
}

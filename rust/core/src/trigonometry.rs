//! Sines and cosines of many angles at once.

use crate::simd::kernel;
use crate::state::fma;

/// Angles beyond this one are left to the standard library.
const LARGEST: f64 = 1e5;
/// pi / 2 in two parts: the first has 33 bits, so that its multiples up to `LARGEST` are exact.
const HALF_PI: [f64; 2] = [f64::from_bits(0x3ff9_21fb_5440_0000), 6.077_100_506_506_192e-11];

// Minimax polynomials from -pi/4 to pi/4 (FreeBSD's msun, k_sin.c and k_cos.c), highest power first.
const SINE: [f64; 6] = [
    1.589_690_995_211_55e-10,
    -2.505_076_025_340_686_4e-8,
    2.755_731_370_707_006_8e-6,
    -1.984_126_982_985_795e-4,
    8.333_333_333_322_49e-3,
    -1.666_666_666_666_663_2e-1,
];
const COSINE: [f64; 6] = [
    -1.135_964_755_778_819_5e-11,
    2.087_572_321_298_175e-9,
    -2.755_731_435_139_066_3e-7,
    2.480_158_728_947_673e-5,
    -1.388_888_888_887_411e-3,
    4.166_666_666_666_66e-2,
];

/// Sine and cosine of an angle that is not too large, without a branch, to a few roundings of 1.
#[inline(always)]
fn sin_cos_of<const FMA: bool>(x: f64) -> [f64; 2] {
    // Adding this rounds to a whole number, which then stands in the lowest bits.
    const ROUNDER: f64 = 1.5 * (1u64 << 52) as f64;
    let rounded = fma::<f64, FMA>(x, std::f64::consts::FRAC_2_PI, ROUNDER);
    let (quadrant, turns) = (rounded.to_bits(), rounded - ROUNDER);
    let r = (x - turns * HALF_PI[0]) - turns * HALF_PI[1];
    let z = r * r;
    let (mut sine, mut cosine) = (SINE[0], COSINE[0]);
    for (s, c) in SINE[1..].iter().zip(&COSINE[1..]) {
        sine = fma::<f64, FMA>(sine, z, *s);
        cosine = fma::<f64, FMA>(cosine, z, *c);
    }
    let sine = fma::<f64, FMA>(r * z, sine, r);
    let cosine = fma::<f64, FMA>(z * z, cosine, 1.0 - 0.5 * z);
    let [s, c] = if quadrant & 1 == 0 { [sine, cosine] } else { [cosine, sine] };
    let signed = |x: f64, quadrant: u64| f64::from_bits(x.to_bits() ^ (quadrant & 2) << 62);
    [signed(s, quadrant), signed(c, quadrant + 1)]
}

kernel! {
    fn of_small(angles: &[f64], sines: &mut [f64], cosines: &mut [f64]) {
        for ((x, s), c) in angles.iter().zip(sines).zip(cosines) {
            [*s, *c] = sin_cos_of::<FMA>(*x);
        }
    }
}

kernel! {
    fn are_small(angles: &[f64]) -> bool {
        angles.iter().fold(true, |all, x| all & (x.abs() <= LARGEST))
    }
}

/// Angles, and their sines and cosines.
#[derive(Clone, Copy)]
pub struct Angles<'a> {
    values: &'a [f64],
    sines: &'a [f64],
    cosines: &'a [f64],
}

impl<'a> Angles<'a> {
    /// Works them out in memory that is given for it.
    pub fn new(values: &'a [f64], room: &'a mut [Vec<f64>; 2]) -> Self {
        let [sines, cosines] = room;
        sines.resize(values.len(), 0.0);
        cosines.resize(values.len(), 0.0);
        sin_cos(values, sines, cosines);
        Self { values, sines, cosines }
    }

    /// Takes the first `n` away and returns them.
    pub fn take(&mut self, n: usize) -> Self {
        let [mut first, mut rest] = [*self; 2];
        (first.values, rest.values) = self.values.split_at(n);
        (first.sines, rest.sines) = self.sines.split_at(n);
        (first.cosines, rest.cosines) = self.cosines.split_at(n);
        *self = rest;
        first
    }

    /// Each angle with its sine and its cosine.
    pub fn iter(self) -> impl Iterator<Item = [f64; 3]> {
        let turned = self.sines.iter().zip(self.cosines);
        self.values.iter().zip(turned).map(|(x, (s, c))| [*x, *s, *c])
    }
}

/// Writes the sine and the cosine of each angle.
pub fn sin_cos(angles: &[f64], sines: &mut [f64], cosines: &mut [f64]) {
    of_small(angles, sines, cosines);
    if !are_small(angles) {
        for (i, x) in angles.iter().enumerate().filter(|(_, x)| x.abs() > LARGEST) {
            (sines[i], cosines[i]) = x.sin_cos();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sines_and_cosines_are_those_of_the_standard_library() {
        let quarters = (-9..=9).map(|i| f64::from(i) * std::f64::consts::FRAC_PI_4);
        let large = [9e4, -99_999.5, 3e5, -1e9, 1e300];
        let some = (-40_000..40_000).map(|i| 0.000_731 * f64::from(i));
        let angles: Vec<f64> = some.chain(quarters).chain(large).collect();
        let (mut sines, mut cosines) = (angles.clone(), angles.clone());
        sin_cos(&angles, &mut sines, &mut cosines);
        for (i, x) in angles.iter().enumerate() {
            let (s, c) = x.sin_cos();
            let mut found = vec![[sines[i], cosines[i]]];
            if x.abs() <= LARGEST {
                found.extend([sin_cos_of::<true>(*x), sin_cos_of::<false>(*x)]);
            }
            for [sine, cosine] in found {
                // A rounding each of the reduced angle, of the polynomial and of the result.
                let most = 2.0 * f64::EPSILON;
                assert!((sine - s).abs() <= most && (cosine - c).abs() <= most, "{x}");
            }
        }
    }
}

//! Qubits inside the lanes: each number meets the one whose position differs in that bit.

use super::Rotation;
use crate::simd::one_turn_at_a_time;
use crate::state::real::{Real, fma};

/// Runs a body for each qubit inside the lanes, with its number as a constant.
macro_rules! each_qubit {
    ($low:ident, |$q:ident| $body:expr) => {
        each_qubit!(@ $low $q $body; 0 1 2 3)
    };
    (@ $low:ident $q:ident $body:expr; $($qubit:literal)*) => {
        $(if $qubit < $low {
            const $q: usize = $qubit;
            $body;
        })*
    };
}

/// Each low qubit's cosine, and its sine with its sign in each lane; no turn where there is no
/// rotation.
#[inline(always)]
fn factors<T: Real, const LANES: usize, const LOW: usize>(
    rotations: &[Rotation<T>],
    forward: bool,
) -> ([T; LOW], [[T; LANES]; LOW]) {
    let mut cos = [T::ONE; LOW];
    let mut sin = [[T::ZERO; LANES]; LOW];
    for r in rotations {
        cos[r.qubit] = r.cos;
        let up = |k: usize| k >> r.qubit & 1 == 1;
        sin[r.qubit] = std::array::from_fn(|k| if up(k) == forward { r.sin } else { -r.sin });
    }
    (cos, sin)
}

#[inline(always)]
fn turn<T: Real, const FMA: bool, const LANES: usize, const QUBIT: usize>(
    x: [T; LANES],
    cos: T,
    sin: [T; LANES],
) -> [T; LANES] {
    let partner: [T; LANES] = std::array::from_fn(|k| x[k ^ 1 << QUBIT]);
    std::array::from_fn(|k| fma::<T, FMA>(partner[k], sin[k], cos * x[k]))
}

#[inline(always)]
pub fn rotate<T: Real, const FMA: bool, const LANES: usize, const LOW: usize>(
    tile: &mut [T],
    rotations: &[Rotation<T>],
) {
    let (cos, sin) = factors::<T, LANES, LOW>(rotations, true);
    for chunk in tile.as_chunks_mut::<LANES>().0 {
        one_turn_at_a_time();
        let mut x = *chunk;
        each_qubit!(LOW, |Q| x = turn::<T, FMA, LANES, Q>(x, cos[Q], sin[Q]));
        *chunk = x;
    }
}

#[inline(always)]
pub fn unrotate<T: Real, const FMA: bool, const LANES: usize, const LOW: usize>(
    psi: &mut [T],
    lambda: &mut [T],
    rotations: &[Rotation<T>],
    sums: &mut [f64],
) {
    let (cos, sin) = factors::<T, LANES, LOW>(rotations, false);
    let mut by_lane = [[T::ZERO; LANES]; LOW];
    let chunks = psi.as_chunks_mut::<LANES>().0.iter_mut();
    for (psi, lambda) in chunks.zip(lambda.as_chunks_mut::<LANES>().0) {
        one_turn_at_a_time();
        let (mut p, mut l) = (*psi, *lambda);
        each_qubit!(LOW, |Q| {
            let sum = by_lane[Q];
            by_lane[Q] = std::array::from_fn(|k| fma::<T, FMA>(l[k], p[k ^ 1 << Q], sum[k]));
            p = turn::<T, FMA, LANES, Q>(p, cos[Q], sin[Q]);
            l = turn::<T, FMA, LANES, Q>(l, cos[Q], sin[Q]);
        });
        (*psi, *lambda) = (p, l);
    }
    for (r, sum) in rotations.iter().zip(sums) {
        // lambda_1 psi_0 counts up, lambda_0 psi_1 down.
        let signed = by_lane[r.qubit]
            .into_iter()
            .enumerate()
            .map(|(k, x)| if k >> r.qubit & 1 == 1 { x.to_f64() } else { -x.to_f64() });
        *sum += signed.sum::<f64>();
    }
}

//! Qubits above the lanes: whole rows meet, up to eight in registers at once.

use super::Rotation;
use crate::simd::one_turn_at_a_time;
use crate::state::real::{Real, fma};

/// Rotates one pair of lanes by an angle whose half has cosine c and sine s.
#[inline(always)]
fn pair<T: Real, const FMA: bool, const LANES: usize>(
    x: [T; LANES],
    y: [T; LANES],
    c: T,
    s: T,
) -> ([T; LANES], [T; LANES]) {
    (
        std::array::from_fn(|k| fma::<T, FMA>(-s, y[k], c * x[k])),
        std::array::from_fn(|k| fma::<T, FMA>(s, x[k], c * y[k])),
    )
}

/// Runs a body for every qubit k and every pair of rows that differ in it, written out, because
/// arrays only stay in registers where all their indices are constants.
macro_rules! each_pair {
    ($rows:ident, |$k:ident, $r:ident, $other:ident| $body:block) => {
        each_pair!(@ $k $r $other $body 0 0 1);
        if $rows > 2 {
            each_pair!(@ $k $r $other $body 0 2 3, 1 0 2, 1 1 3);
        }
        if $rows > 4 {
            each_pair!(@ $k $r $other $body 0 4 5, 0 6 7, 1 4 6, 1 5 7);
            each_pair!(@ $k $r $other $body 2 0 4, 2 1 5, 2 2 6, 2 3 7);
        }
    };
    (@ $k:ident $r:ident $other:ident $body:block $($qubit:literal $low:literal $high:literal),*) => {
        $({
            let ($k, $r, $other) = ($qubit, $low, $high);
            $body
        })*
    };
}

/// Cuts a chunk into rows of equal length.
#[inline(always)]
pub fn split<T, const ROWS: usize>(chunk: &mut [T]) -> [&mut [T]; ROWS] {
    let mut rows = chunk.chunks_exact_mut(chunk.len() / ROWS);
    std::array::from_fn(|_| rows.next().expect("as many rows as asked for"))
}

#[inline(always)]
pub fn rotate<T: Real, const FMA: bool, const LANES: usize, const K: usize, const ROWS: usize>(
    rows: [&mut [T]; ROWS],
    rotations: &[Rotation<T>; K],
) {
    let mut rows = rows.map(|row| row.as_chunks_mut::<LANES>().0);
    for i in 0..rows[0].len() {
        one_turn_at_a_time();
        let mut x: [[T; LANES]; ROWS] = std::array::from_fn(|r| rows[r][i]);
        each_pair!(ROWS, |k, r, other| {
            let turn = &rotations[k];
            (x[r], x[other]) = pair::<T, FMA, LANES>(x[r], x[other], turn.cos, turn.sin);
        });
        (0..ROWS).for_each(|r| rows[r][i] = x[r]);
    }
}

#[inline(always)]
pub fn unrotate<T: Real, const FMA: bool, const LANES: usize, const K: usize, const ROWS: usize>(
    psi: [&mut [T]; ROWS],
    lambda: [&mut [T]; ROWS],
    rotations: &[Rotation<T>; K],
    sums: &mut [f64],
) {
    let mut psi = psi.map(|row| row.as_chunks_mut::<LANES>().0);
    let mut lambda = lambda.map(|row| row.as_chunks_mut::<LANES>().0);
    let mut by_lane = [[T::ZERO; LANES]; K];
    for i in 0..psi[0].len().min(lambda[0].len()) {
        one_turn_at_a_time();
        let mut p: [[T; LANES]; ROWS] = std::array::from_fn(|r| psi[r][i]);
        let mut l: [[T; LANES]; ROWS] = std::array::from_fn(|r| lambda[r][i]);
        each_pair!(ROWS, |k, r, other| {
            let (turn, sum) = (&rotations[k], by_lane[k]);
            by_lane[k] = std::array::from_fn(|j| {
                let up = fma::<T, FMA>(l[other][j], p[r][j], sum[j]);
                fma::<T, FMA>(-l[r][j], p[other][j], up)
            });
            (p[r], p[other]) = pair::<T, FMA, LANES>(p[r], p[other], turn.cos, -turn.sin);
            (l[r], l[other]) = pair::<T, FMA, LANES>(l[r], l[other], turn.cos, -turn.sin);
        });
        (0..ROWS).for_each(|r| psi[r][i] = p[r]);
        (0..ROWS).for_each(|r| lambda[r][i] = l[r]);
    }
    for (sum, lanes) in sums.iter_mut().zip(by_lane) {
        *sum += lanes.into_iter().map(T::to_f64).sum::<f64>();
    }
}

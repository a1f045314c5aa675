//! Undoing rotations on a state and its cotangent together, reading the angles' derivatives.

use super::rows::{Rows, each_low_qubit, each_pair, scale, tangents};
use super::{BLOCK, Rotation, slow};
use crate::simd::{MOST_LOG, Pack, lanes};
use crate::state::real::Real;

#[inline(always)]
pub fn unrotate<T: Real, P: Pack<T>>(
    psi: &mut [T],
    lambda: &mut [T],
    rotations: &[Rotation<T>],
    sums: &mut [f64],
) {
    if psi.len() < 1 << P::LOG {
        let each = rotations.iter().zip(sums);
        return each.for_each(|(r, sum)| *sum += slow::unrotate(psi, lambda, r));
    }
    let n_inside = rotations.partition_point(|r| r.qubit < P::LOG);
    let n_near = rotations.partition_point(|r| r.qubit < BLOCK) - n_inside;
    let (inside, above) = rotations.split_at(n_inside);
    let (near, far) = above.split_at(n_near);
    let (inside_sums, above_sums) = sums.split_at_mut(n_inside);
    let (near_sums, far_sums) = above_sums.split_at_mut(n_near);
    let block = psi.len().min(1 << BLOCK);
    if !(inside.is_empty() && near.is_empty()) {
        for (psi, lambda) in psi.chunks_exact_mut(block).zip(lambda.chunks_exact_mut(block)) {
            groups::<T, P>(psi, lambda, inside, inside_sums, near, near_sums);
        }
    }
    groups::<T, P>(psi, lambda, &[], &mut [], far, far_sums);
}

#[inline(always)]
fn groups<T: Real, P: Pack<T>>(
    psi: &mut [T],
    lambda: &mut [T],
    inside: &[Rotation<T>],
    inside_sums: &mut [f64],
    mut above: &[Rotation<T>],
    mut sums: &mut [f64],
) {
    if !inside.is_empty() {
        let (first, rest) = above.split_at(above.len() % 3);
        let (first_sums, rest_sums) = sums.split_at_mut(first.len());
        match first {
            [] => group::<T, P, true, 0, 1>(psi, lambda, inside, inside_sums, &[], first_sums),
            [a] => group::<T, P, true, 1, 2>(psi, lambda, inside, inside_sums, &[*a], first_sums),
            [a, b, ..] => {
                group::<T, P, true, 2, 4>(psi, lambda, inside, inside_sums, &[*a, *b], first_sums)
            }
        }
        (above, sums) = (rest, rest_sums);
    }
    while !above.is_empty() {
        let n = if above.len() == 4 { 2 } else { above.len().min(3) };
        let (first, rest) = above.split_at(n);
        let (first_sums, rest_sums) = sums.split_at_mut(n);
        match first {
            [a] => group::<T, P, false, 1, 2>(psi, lambda, &[], &mut [], &[*a], first_sums),
            [a, b] => group::<T, P, false, 2, 4>(psi, lambda, &[], &mut [], &[*a, *b], first_sums),
            [a, b, c, ..] => {
                group::<T, P, false, 3, 8>(psi, lambda, &[], &mut [], &[*a, *b, *c], first_sums)
            }
            [] => unreachable!("a group has at least one qubit"),
        }
        (above, sums) = (rest, rest_sums);
    }
}

#[inline(always)]
fn group<T: Real, P: Pack<T>, const INSIDE: bool, const K: usize, const ROWS: usize>(
    psi: &mut [T],
    lambda: &mut [T],
    inside: &[Rotation<T>],
    inside_sums: &mut [f64],
    above: &[Rotation<T>; K],
    sums: &mut [f64],
) {
    let rows = Rows::<K, ROWS>::new(above, P::LOG);
    let low = tangents::<T, P>(inside, false);
    let mut tan = [P::splat(T::ZERO); K];
    for k in 0..K {
        tan[k] = P::splat(above[k].tan);
    }
    let scale = P::splat(scale(inside) * scale(above));
    let mut low_sums = [P::splat(T::ZERO); MOST_LOG];
    let mut above_sums = [P::splat(T::ZERO); K];
    let n_vectors = psi.len().min(lambda.len()) >> P::LOG;
    let (psi, lambda) = (psi.as_mut_ptr(), lambda.as_mut_ptr());
    for i in 0..rows.n_sets(n_vectors) {
        let places = rows.of(i);
        debug_assert!(places.iter().all(|place| *place < n_vectors));
        let (mut p, mut l) = ([scale; ROWS], [scale; ROWS]);
        for r in 0..ROWS {
            // SAFETY: `n_sets` sees to it that all rows of all sets are inside.
            unsafe {
                p[r] = P::load(psi.add(places[r] << P::LOG));
                l[r] = P::load(lambda.add(places[r] << P::LOG));
            }
        }
        if INSIDE {
            each_low_qubit!(P::LOG, |Q| {
                for r in 0..ROWS {
                    let partner = p[r].partner::<Q>();
                    low_sums[Q] = l[r].times_plus(partner, low_sums[Q]);
                    p[r] = partner.times_plus(low[Q], p[r]);
                    l[r] = l[r].partner::<Q>().times_plus(low[Q], l[r]);
                }
            });
        }
        each_pair!(ROWS, |k, r, other| {
            let (a, b) = (p[r], p[other]);
            let (x, y) = (l[r], l[other]);
            above_sums[k] = y.times_plus(a, x.times_from(b, above_sums[k]));
            p[r] = b.times_plus(tan[k], a);
            p[other] = a.times_from(tan[k], b);
            l[r] = y.times_plus(tan[k], x);
            l[other] = x.times_from(tan[k], y);
        });
        for r in 0..ROWS {
            // SAFETY: as above.
            unsafe {
                p[r].times(scale).store(psi.add(places[r] << P::LOG));
                l[r].times(scale).store(lambda.add(places[r] << P::LOG));
            }
        }
    }
    // Each derivative was read when the angles before it in the group had been undone but for their
    // cosines, in both vectors.
    let mut missing = 1.0;
    let mut squared = |r: &Rotation<T>| {
        let before = missing;
        missing *= r.cos.to_f64() * r.cos.to_f64();
        before
    };
    for (r, sum) in inside.iter().zip(inside_sums) {
        // lambda_1 psi_0 counts up, lambda_0 psi_1 down.
        let sign = |k: usize| if k >> r.qubit & 1 == 1 { 1.0 } else { -1.0 };
        let signed = lanes(low_sums[r.qubit]).enumerate().map(|(k, x)| sign(k) * x);
        *sum += squared(r) * signed.sum::<f64>();
    }
    for ((r, sum), above) in above.iter().zip(sums).zip(above_sums) {
        *sum += squared(r) * lanes(above).sum::<f64>();
    }
}

//! Applying rotations.

use super::rows::{Rows, each_low_qubit, each_pair, scale, tangents};
use super::{BLOCK, Rotation, slow};
use crate::simd::Pack;
use crate::state::real::Real;

#[inline(always)]
pub fn rotate<T: Real, P: Pack<T>>(vector: &mut [T], rotations: &[Rotation<T>]) {
    if vector.len() < 1 << P::LOG {
        return rotations.iter().for_each(|r| slow::rotate(vector, r));
    }
    let (inside, above) = rotations.split_at(rotations.partition_point(|r| r.qubit < P::LOG));
    let (near, far) = above.split_at(above.partition_point(|r| r.qubit < BLOCK));
    let block = vector.len().min(1 << BLOCK);
    if !(inside.is_empty() && near.is_empty()) {
        for block in vector.chunks_exact_mut(block) {
            groups::<T, P>(block, inside, near);
        }
    }
    groups::<T, P>(vector, &[], far);
}

/// Rotates a few qubits at a time, those inside the lanes together with the first above them.
#[inline(always)]
fn groups<T: Real, P: Pack<T>>(block: &mut [T], inside: &[Rotation<T>], mut above: &[Rotation<T>]) {
    let most = if P::MANY_REGISTERS { 4 } else { 3 };
    if !inside.is_empty() {
        // What is left over of full groups.
        let (first, rest) = above.split_at(above.len() % most);
        match *first {
            [] => group::<T, P, true, 0, 1>(block, inside, &[]),
            [a] => group::<T, P, true, 1, 2>(block, inside, &[a]),
            [a, b] => group::<T, P, true, 2, 4>(block, inside, &[a, b]),
            [a, b, c, ..] => group::<T, P, true, 3, 8>(block, inside, &[a, b, c]),
        }
        above = rest;
    }
    while !above.is_empty() {
        let (first, rest) = above.split_at(above.len().min(most));
        match *first {
            [a] => group::<T, P, false, 1, 2>(block, &[], &[a]),
            [a, b] => group::<T, P, false, 2, 4>(block, &[], &[a, b]),
            [a, b, c] => group::<T, P, false, 3, 8>(block, &[], &[a, b, c]),
            [a, b, c, d, ..] => group::<T, P, false, 4, 16>(block, &[], &[a, b, c, d]),
            [] => unreachable!("a group has at least one qubit"),
        }
        above = rest;
    }
}

#[inline(always)]
fn group<T: Real, P: Pack<T>, const INSIDE: bool, const K: usize, const ROWS: usize>(
    block: &mut [T],
    inside: &[Rotation<T>],
    above: &[Rotation<T>; K],
) {
    let rows = Rows::<K, ROWS>::new(above, P::LOG);
    let low = tangents::<T, P>(inside, true);
    let mut tan = [P::splat(T::ZERO); K];
    for k in 0..K {
        tan[k] = P::splat(above[k].tan);
    }
    let scale = P::splat(scale(inside) * scale(above));
    let first = block.as_mut_ptr();
    let n_vectors = block.len() >> P::LOG;
    for i in 0..rows.n_sets(n_vectors) {
        let places = rows.of(i);
        debug_assert!(places.iter().all(|place| *place < n_vectors));
        let mut x = [scale; ROWS];
        for r in 0..ROWS {
            // SAFETY: `n_sets` sees to it that all rows of all sets are inside.
            x[r] = unsafe { P::load(first.add(places[r] << P::LOG)) };
        }
        if INSIDE {
            each_low_qubit!(P::LOG, |Q| {
                for row in &mut x {
                    *row = row.partner::<Q>().times_plus(low[Q], *row);
                }
            });
        }
        each_pair!(ROWS, |k, r, other| {
            let (a, b) = (x[r], x[other]);
            x[r] = b.times_from(tan[k], a);
            x[other] = a.times_plus(tan[k], b);
        });
        for r in 0..ROWS {
            // SAFETY: as above.
            unsafe { x[r].times(scale).store(first.add(places[r] << P::LOG)) };
        }
    }
}

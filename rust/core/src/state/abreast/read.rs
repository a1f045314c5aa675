//! The derivatives of rotations, from a state and its cotangent.

use std::ops::Range;

use super::rotate::{Groups, Source, apart, fetch, moved, places};
use crate::simd::{Pack, each_row, kernel};
use crate::state::layer::Rows;
use crate::state::real::Real;

kernel! {
    /// Adds the derivatives by rotations on ascending qubits, `sum over pairs of (lambda_1 psi_0 -
    /// lambda_0 psi_1)`, to a row each: those of the real parts and those of the imaginary ones.
    pub(super) fn read<T as P>(qubits: &[usize], psi: Source<'_, T>, lambda: &[T], sums: &mut [T]) {
        let groups = Groups::new::<T, P>(qubits);
        for (k, rows) in groups.passes(lambda.len() >> P::LOG) {
            let group = groups.range(k);
            let sums = &mut sums[group.start << P::LOG..];
            choose::<T, P>(&qubits[group], psi, lambda, sums, rows);
        }
    }
}

#[inline(always)]
fn choose<T: Real, P: Pack<T>>(
    qubits: &[usize],
    psi: Source<'_, T>,
    lambda: &[T],
    sums: &mut [T],
    range: Range<usize>,
) {
    match (qubits, psi.1) {
        (&[], _) => {}
        (&[a], Some(_)) => contract::<T, P, true, 1, 2>([a], psi, lambda, sums, range),
        (&[a], None) => contract::<T, P, false, 1, 2>([a], psi, lambda, sums, range),
        (&[a, b], Some(_)) => contract::<T, P, true, 2, 4>([a, b], psi, lambda, sums, range),
        (&[a, b], None) => contract::<T, P, false, 2, 4>([a, b], psi, lambda, sums, range),
        (&[a, b, c], Some(_)) => contract::<T, P, true, 3, 8>([a, b, c], psi, lambda, sums, range),
        (&[a, b, c], None) => contract::<T, P, false, 3, 8>([a, b, c], psi, lambda, sums, range),
        (&[a, b, c, d], Some(_)) if P::MANY_REGISTERS => {
            contract::<T, P, true, 4, 16>([a, b, c, d], psi, lambda, sums, range)
        }
        (&[a, b, c, d], None) if P::MANY_REGISTERS => {
            contract::<T, P, false, 4, 16>([a, b, c, d], psi, lambda, sums, range)
        }
        _ => unreachable!("more rotations than registers"),
    }
}

#[inline(always)]
fn contract<T: Real, P: Pack<T>, const TABLE: bool, const K: usize, const ROWS: usize>(
    qubits: [usize; K],
    psi: Source<'_, T>,
    lambda: &[T],
    sums: &mut [T],
    range: Range<usize>,
) {
    assert!(range.end << P::LOG <= lambda.len() && sums.len() >= K << P::LOG);
    let rows = Rows::<K, ROWS>::of_qubits(qubits, P::LOG);
    let (psi, table) = places::<T, P>(Some(psi), lambda);
    let apart = apart::<T, P, TABLE, K, ROWS>(&rows, table);
    let lambda = lambda.as_ptr();
    let zero = P::splat(T::ZERO);
    // What counts down and what counts up apart, as one sum would wait for itself.
    let mut parts = [[zero; 2]; K];
    let mut first = range.start << P::LOG;
    for _ in 0..rows.n_sets(range.len() << P::LOG) >> P::LOG {
        let mut p = [zero; ROWS];
        // SAFETY, here and below: `n_sets` sees to it that all rows of all sets are inside, and a table
        // has as many places as there are rows, all of them rows.
        let moved = if TABLE { unsafe { moved::<T, P>(table, first) } } else { first };
        each_row!(ROWS, |r| {
            p[r] = unsafe { fetch::<T, P, TABLE, K, ROWS>(psi, &rows, [first, moved], &apart, r) };
        });
        each_row!(ROWS, |r| {
            let (four, within) = rows.steps(r);
            let l = unsafe { P::load(lambda.add(first).add(four).add(within)) };
            each_row!(K, |k| {
                let part = r >> k & 1;
                parts[k][part] = l.times_plus(p[r ^ 1 << k], parts[k][part]);
            });
        });
        first = rows.next(first, 1 << P::LOG);
    }
    for k in 0..K {
        let [down, up] = parts[k];
        // SAFETY: a row for each qubit.
        unsafe {
            let sum = sums.as_mut_ptr().add(k << P::LOG);
            P::load(sum).plus(up.minus(down)).store(sum);
        }
    }
}

//! The derivatives of rotations, from a state and its cotangent.

use std::ops::Range;

use super::rotate::Groups;
use crate::simd::{Pack, each_row, kernel};
use crate::state::layer::Rows;
use crate::state::real::Real;

kernel! {
    /// Adds the derivatives by rotations on ascending qubits, `sum over pairs of (lambda_1 psi_0 -
    /// lambda_0 psi_1)`, to a row each: those of the real parts and those of the imaginary ones.
    pub(super) fn read<T as P>(qubits: &[usize], psi: &[T], lambda: &[T], sums: &mut [T]) {
        let groups = Groups::new::<T, P>(qubits);
        for (k, rows) in groups.passes(lambda.len() >> P::LOG) {
            let group = groups.range(k);
            let sums = &mut sums[group.start << P::LOG..];
            match qubits[group] {
                [] => {}
                [a] => contract::<T, P, 1, 2>([a], psi, lambda, sums, rows),
                [a, b] => contract::<T, P, 2, 4>([a, b], psi, lambda, sums, rows),
                [a, b, c] => contract::<T, P, 3, 8>([a, b, c], psi, lambda, sums, rows),
                [a, b, c, d] if P::MANY_REGISTERS => {
                    contract::<T, P, 4, 16>([a, b, c, d], psi, lambda, sums, rows)
                }
                _ => unreachable!("more rotations than registers"),
            }
        }
    }
}

#[inline(always)]
fn contract<T: Real, P: Pack<T>, const K: usize, const ROWS: usize>(
    qubits: [usize; K],
    psi: &[T],
    lambda: &[T],
    sums: &mut [T],
    range: Range<usize>,
) {
    assert!(range.end << P::LOG <= lambda.len() && lambda.len() == psi.len());
    assert!(sums.len() >= K << P::LOG);
    let rows = Rows::<K, ROWS>::of_qubits(qubits, P::LOG);
    let (psi, lambda) = (psi.as_ptr(), lambda.as_ptr());
    let zero = P::splat(T::ZERO);
    // What counts down and what counts up apart, as one sum would wait for itself.
    let mut parts = [[zero; 2]; K];
    let mut first = range.start << P::LOG;
    for _ in 0..rows.n_sets(range.len() << P::LOG) >> P::LOG {
        // SAFETY: `n_sets` sees to it that all rows of all sets are inside.
        let row = |of: *const T, r: usize| unsafe {
            let (four, within) = rows.steps(r);
            P::load(of.add(first).add(four).add(within))
        };
        let mut p = [zero; ROWS];
        each_row!(ROWS, |r| {
            p[r] = row(psi, r);
        });
        each_row!(ROWS, |r| {
            let l = row(lambda, r);
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

//! Passes over rows: rotations a few qubits at a time, held in registers, with the phases and the
//! relabelling that come after them; and the same backward, on a cotangent.

use std::ops::Range;

use super::phases::{Overlaps, Phases};
use crate::simd::{Pack, each_row, kernel};
use crate::state::layer::{Rows, each_pair};
use crate::state::real::Real;
use crate::state::tiles::spread;

/// Rotations on ascending qubits: half a row of tangents for each.
#[derive(Clone, Copy)]
pub struct Turns<'a, T> {
    pub qubits: &'a [usize],
    pub tangents: &'a [T],
}

/// What comes after rotations, and is done by the last pass, or backward by the first.
#[derive(Clone, Copy)]
pub struct After<'a, T> {
    /// Half a row that all are multiplied by: tangents leave out the rotations' cosines. Phases have
    /// them already.
    pub factor: &'a [T],
    pub phases: Option<&'a Phases<T>>,
    /// Where each row goes, as the number that it starts at, [in order](in_order).
    pub targets: Option<&'a [u32]>,
}

/// log2 of the rows that stay in the first-level cache.
const BLOCK: usize = 7;

/// Qubits dealt out to passes, of which those inside a block come first.
#[derive(Clone, Copy)]
pub(super) struct Groups {
    n_qubits: usize,
    pub len: usize,
    pub n_near: usize,
}

impl Groups {
    /// As few groups as can be held in registers; one if there is no qubit.
    #[inline(always)]
    pub fn new<T, P: Pack<T>>(qubits: &[usize]) -> Self {
        let most = if P::MANY_REGISTERS { 4 } else { 3 };
        let n_qubits = qubits.len();
        let mut groups = Self { n_qubits, len: n_qubits.div_ceil(most).max(1), n_near: 0 };
        let is_near = |k: &usize| qubits[groups.range(*k)].last().is_some_and(|q| *q < BLOCK);
        groups.n_near = (0..groups.len).take_while(is_near).count();
        groups
    }

    /// The places of group `k` in the list of qubits.
    #[inline(always)]
    pub fn range(&self, k: usize) -> Range<usize> {
        k * self.n_qubits / self.len..(k + 1) * self.n_qubits / self.len
    }

    /// Groups and the rows they are taken over, in order: those inside a block go on there before the
    /// next.
    #[inline(always)]
    pub fn passes(self, n_rows: usize) -> impl DoubleEndedIterator<Item = (usize, Range<usize>)> {
        let block = n_rows.min(1 << BLOCK);
        assert!(n_rows.is_multiple_of(block));
        let near = self.n_near;
        let n_near = n_rows / block * near;
        (0..n_near + self.len - near).map(move |i| {
            if i < n_near {
                let first = i / near * block;
                (i % near, first..first + block)
            } else {
                (i - n_near + near, 0..n_rows)
            }
        })
    }
}

/// The qubits of the rows that the last pass of rotations on these qubits holds at a time, ascending.
pub fn held_by_last(qubits: &[usize], n_qubits: usize) -> Vec<usize> {
    let mut held = Vec::new();
    find_held::<f64>(qubits, n_qubits, &mut held);
    held
}

/// All rows in the order that a pass comes to them which holds rows of these qubits at a time.
pub fn in_order(held: &[usize], n_qubits: usize) -> impl Iterator<Item = usize> {
    let others = (0..n_qubits).filter(|q| !held.contains(q));
    let order: Vec<usize> = held.iter().copied().chain(others).collect();
    (0..1 << n_qubits).map(move |i| spread(i, &order))
}

kernel! {
    fn find_held<T as P>(qubits: &[usize], n_qubits: usize, held: &mut Vec<usize>) {
        let groups = Groups::new::<T, P>(qubits);
        match &qubits[groups.range(groups.len - 1)] {
            [] if n_qubits >= STILL => held.extend(still(n_qubits)),
            own => held.extend(own),
        }
    }
}

/// Number of the qubits of rows that are taken together where none is rotated.
const STILL: usize = 3;

/// These qubits.
#[inline(always)]
fn still(n_qubits: usize) -> [usize; STILL] {
    std::array::from_fn(|k| n_qubits - STILL + k)
}

kernel! {
    /// Reads rows, rotates them, and does what comes after. `room` is for what passes leave to others.
    pub(super) fn apply<T as P>(
        turns: Turns<'_, T>,
        after: After<'_, T>,
        from: &[T],
        room: &mut [T],
        to: &mut [T],
    ) {
        assert!(from.len() == to.len() && room.len() == to.len());
        let n_rows = to.len() >> P::LOG;
        let after = Ends::new(after, None, n_rows);
        let groups = Groups::new::<T, P>(turns.qubits);
        let (from, room, to) = (from.as_ptr(), room.as_mut_ptr(), to.as_mut_ptr());
        // One place to call from, as all the code for a group is written out there.
        for (k, rows) in groups.passes(n_rows) {
            let after = (k + 1 == groups.len).then_some(after);
            let from = if k == 0 { from } else { room };
            let to = if after.is_some() { to } else { room };
            choose::<T, P, false>(turns, groups.range(k), after, from, to, rows);
        }
    }
}

kernel! {
    /// Reads rows of a cotangent, undoes what comes after the rotations, and undoes these. The phases'
    /// overlaps with `psi`, from which nothing is taken off, are added up.
    pub(super) fn unapply<T as P>(
        turns: Turns<'_, T>,
        after: After<'_, T>,
        psi: &[T],
        overlaps: &mut Overlaps<T>,
        from: &[T],
        to: &mut [T],
    ) {
        assert!(from.len() == to.len() && psi.len() == to.len());
        let n_rows = to.len() >> P::LOG;
        let after = Ends::new(after, Some((psi, overlaps)), n_rows);
        let groups = Groups::new::<T, P>(turns.qubits);
        let (from, to) = (from.as_ptr(), to.as_mut_ptr());
        for (k, rows) in groups.passes(n_rows).rev() {
            let after = (k + 1 == groups.len).then_some(after);
            let from = if after.is_some() { from } else { to };
            choose::<T, P, true>(turns, groups.range(k), after, from, to, rows);
        }
    }
}

/// [`After`], with what phases are read off from on the way back, as pointers: to as many entries as
/// there are rows, or none.
#[derive(Clone, Copy)]
struct Ends<'a, T> {
    factor: &'a [T],
    targets: *const u32,
    low_bits: usize,
    low: *const T,
    high: *const T,
    psi: *const T,
    by_low: *mut T,
    by_high: *mut T,
}

impl<'a, T: Real> Ends<'a, T> {
    #[inline(always)]
    fn new(after: After<'a, T>, reading: Option<(&[T], &mut Overlaps<T>)>, n_rows: usize) -> Self {
        use std::ptr::{null, null_mut};

        let After { factor, phases, targets } = after;
        assert!(targets.is_none_or(|targets| targets.len() == n_rows));
        let (low_bits, [low, high]) = phases.map_or((0, [null(); 2]), Phases::tables);
        let (mut psi, mut by_low, mut by_high) = (null(), null_mut(), null_mut());
        if let Some((state, overlaps)) = reading {
            psi = state.as_ptr();
            [by_low, by_high] = overlaps.rows();
        }
        let targets = targets.map_or(null(), <[u32]>::as_ptr);
        Self { factor, targets, low_bits, low, high, psi, by_low, by_high }
    }
}

/// What a pass multiplies by beside rotating.
const NOTHING: usize = 0;
const FACTOR: usize = 1;
const PHASES: usize = 2;

/// Runs the pass for one group.
#[inline(always)]
fn choose<T: Real, P: Pack<T>, const BACK: bool>(
    turns: Turns<'_, T>,
    group: Range<usize>,
    after: Option<Ends<'_, T>>,
    from: *const T,
    to: *mut T,
    rows: Range<usize>,
) {
    let t = &turns.tangents[group.start << (P::LOG - 1)..];
    match turns.qubits[group] {
        [] if rows.len() >= 1 << STILL => {
            // No turn at all, but several rows at a time.
            let qubits = still(rows.len().ilog2() as usize);
            end::<T, P, BACK, false, STILL, 8>(qubits, after, t, from, to, rows)
        }
        [] => end::<T, P, BACK, false, 0, 1>([], after, t, from, to, rows),
        [a] => end::<T, P, BACK, true, 1, 2>([a], after, t, from, to, rows),
        [a, b] => end::<T, P, BACK, true, 2, 4>([a, b], after, t, from, to, rows),
        [a, b, c] => end::<T, P, BACK, true, 3, 8>([a, b, c], after, t, from, to, rows),
        [a, b, c, d] if P::MANY_REGISTERS => {
            end::<T, P, BACK, true, 4, 16>([a, b, c, d], after, t, from, to, rows)
        }
        _ => unreachable!("more rotations than registers"),
    }
}

/// Leaves out of a pass what there is not to do after rotations.
#[inline(always)]
fn end<
    T: Real,
    P: Pack<T>,
    const BACK: bool,
    const TURN: bool,
    const K: usize,
    const ROWS: usize,
>(
    qubits: [usize; K],
    after: Option<Ends<'_, T>>,
    t: &[T],
    from: *const T,
    to: *mut T,
    rows: Range<usize>,
) {
    match after.map(|after| (after.low.is_null(), after.targets.is_null())) {
        None => pass::<T, P, BACK, TURN, NOTHING, false, K, ROWS>(qubits, after, t, from, to, rows),
        Some((true, true)) => {
            pass::<T, P, BACK, TURN, FACTOR, false, K, ROWS>(qubits, after, t, from, to, rows)
        }
        Some((true, false)) => {
            pass::<T, P, BACK, TURN, FACTOR, true, K, ROWS>(qubits, after, t, from, to, rows)
        }
        Some((false, true)) => {
            pass::<T, P, BACK, TURN, PHASES, false, K, ROWS>(qubits, after, t, from, to, rows)
        }
        Some((false, false)) => {
            pass::<T, P, BACK, TURN, PHASES, true, K, ROWS>(qubits, after, t, from, to, rows)
        }
    }
}

/// Some of all rows through rotations, if they `TURN`, and what comes after. With `TABLE` they go, or
/// backward come from, where targets say.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
fn pass<
    T: Real,
    P: Pack<T>,
    const BACK: bool,
    const TURN: bool,
    const END: usize,
    const TABLE: bool,
    const K: usize,
    const ROWS: usize,
>(
    qubits: [usize; K],
    after: Option<Ends<'_, T>>,
    tangents: &[T],
    from: *const T,
    to: *mut T,
    range: Range<usize>,
) {
    let half = 1 << (P::LOG - 1);
    assert!(!TURN || tangents.len() >= K * half);
    let rows = Rows::<K, ROWS>::of_qubits(qubits, P::LOG);
    let zero = P::splat(T::ZERO);
    let mut tan = [zero; K];
    if TURN {
        for k in 0..K {
            // SAFETY: half a row for each qubit.
            let t = unsafe { P::load_twice(tangents.as_ptr().add(k * half)) };
            tan[k] = if BACK { zero.minus(t) } else { t };
        }
    }
    let mut factor = zero;
    if let Some(after) = after.filter(|_| END == FACTOR) {
        assert!(after.factor.len() == half);
        // SAFETY: half a row.
        factor = unsafe { P::load_twice(after.factor.as_ptr()) };
    }
    // Unused where there is nothing after.
    let mut target = after.map_or(std::ptr::null(), |after| after.targets);
    if TABLE {
        target = target.wrapping_add(range.start);
    }
    let mut first = range.start << P::LOG;
    let n_sets = rows.n_sets(range.len() << P::LOG) >> P::LOG;
    let first_set = range.start >> K;
    for set in first_set..first_set + n_sets {
        let place = |r: usize| {
            let (four, within) = rows.steps(r);
            first + four + within
        };
        let mut x = [zero; ROWS];
        // SAFETY, here and below: `n_sets` sees to it that all rows of all sets are inside the range, and
        // `Groups::passes` that ranges are inside the arrays, which are of one length; there are as many targets as rows, all of them starts of rows, and the tables of phases and
        // the sums of overlaps have an entry for each row.
        each_row!(ROWS, |r| {
            x[r] = unsafe {
                if BACK && TABLE {
                    P::load(from.add(*target.add(r) as usize))
                } else {
                    P::load(from.add(place(r)))
                }
            };
        });
        if TURN && !BACK {
            each_pair!(ROWS, |k, r, other| {
                let (a, b) = (x[r], x[other]);
                x[r] = b.times_from(tan[k], a);
                x[other] = a.times_plus(tan[k], b);
            });
        }
        if END == FACTOR {
            each_row!(ROWS, |r| {
                x[r] = x[r].times(factor);
            });
        }
        if let Some(after) = after.filter(|_| END == PHASES) {
            let low = (set & ((1 << after.low_bits) - 1)) << P::LOG;
            let high = set >> after.low_bits << K << P::LOG;
            let [c, s] = unsafe { phase::<T, P>(after.low.add(2 * low)) };
            let mut total = zero;
            each_row!(ROWS, |r| {
                let other = x[r].halves_exchanged();
                unsafe {
                    let [u, v] = phase::<T, P>(after.high.add(2 * high).add(r << (P::LOG + 1)));
                    if BACK {
                        let psi = if TABLE {
                            P::load(after.psi.add(*target.add(r) as usize))
                        } else {
                            P::load(after.psi.add(place(r)))
                        };
                        total = other.times_plus(psi, total);
                        let sum = after.by_high.add(high).add(r << P::LOG);
                        other.times_plus(psi, P::load(sum)).store(sum);
                        let turned = other.times_from(v, x[r].times(u));
                        x[r] = turned.halves_exchanged().times_from(s, turned.times(c));
                    } else {
                        let turned = other.times_plus(v, x[r].times(u));
                        x[r] = turned.halves_exchanged().times_plus(s, turned.times(c));
                    }
                }
            });
            if BACK {
                unsafe {
                    let sum = after.by_low.add(low);
                    P::load(sum).plus(total).store(sum);
                }
            }
        }
        if TURN && BACK {
            each_pair!(ROWS, |k, r, other| {
                let (a, b) = (x[r], x[other]);
                x[r] = b.times_from(tan[k], a);
                x[other] = a.times_plus(tan[k], b);
            });
        }
        each_row!(ROWS, |r| {
            unsafe {
                if TABLE && !BACK {
                    x[r].store(to.add(*target.add(r) as usize));
                } else {
                    x[r].store(to.add(place(r)));
                }
            }
        });
        first = rows.next(first, 1 << P::LOG);
        target = target.wrapping_add(if TABLE { ROWS } else { 0 });
    }
}

/// A phase of a table.
///
/// # Safety
/// Two rows must stand there.
#[inline(always)]
unsafe fn phase<T, P: Pack<T>>(at: *const T) -> [P; 2] {
    // SAFETY: the caller's promise.
    unsafe { [P::load(at), P::load(at.add(1 << P::LOG))] }
}

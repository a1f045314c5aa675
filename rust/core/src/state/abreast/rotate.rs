//! Passes over rows: rotations a few qubits at a time, held in registers, with the relabelling that
//! comes before them and the phases that come after; and the same backward, on a cotangent.

use std::ops::Range;

use super::phases::{Overlaps, Phases, Tables};
use crate::simd::{MOST_LANES, Pack, each_row, kernel};
use crate::state::layer::{Rows, each_pair};
use crate::state::real::Real;

/// Rotations on ascending qubits: half a row of tangents for each.
#[derive(Clone, Copy)]
pub struct Turns<'a, T> {
    pub qubits: &'a [usize],
    pub tangents: &'a [T],
}

/// Where rows are read: from an array, each from a place that a table gives if there is one.
pub type Source<'a, T> = (&'a [T], Option<&'a [u32]>);

/// What stands beside rotations.
#[derive(Clone, Copy)]
pub struct Beside<'a, T> {
    /// Where rows are read, if not where they are written.
    pub from: Option<Source<'a, T>>,
    /// Phases that they are multiplied by after the rotations.
    pub phases: Option<&'a Phases<T>>,
    /// Half a row that they are multiplied by: tangents leave out the rotations' cosines.
    pub factor: Option<&'a [T]>,
}

impl<T> Beside<'_, T> {
    /// What of it the first of several passes does, and what the last one.
    fn only(self, is_first: bool, is_last: bool, back: bool) -> Self {
        Self {
            from: self.from.filter(|_| is_first),
            phases: self.phases.filter(|_| if back { is_first } else { is_last }),
            factor: self.factor.filter(|_| is_last),
        }
    }
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

kernel! {
    /// Finds the lowest qubit of the pass that has the phases.
    pub(super) fn lowest_with_phases<T as P>(qubits: &[usize], n_qubits: usize, out: &mut usize) {
        let groups = Groups::new::<T, P>(qubits);
        let last = qubits[groups.range(groups.len - 1)].first();
        *out = last.map_or(n_qubits.saturating_sub(STILL), |q| *q);
    }
}

kernel! {
    /// Reads rows, rotates them, and multiplies them by phases and by a factor.
    pub(super) fn apply<T as P>(turns: Turns<'_, T>, beside: Beside<'_, T>, to: &mut [T]) {
        let groups = Groups::new::<T, P>(turns.qubits);
        // One place to call from, as all the code for a group is written out there.
        for (k, rows) in groups.passes(to.len() >> P::LOG) {
            let beside = beside.only(k == 0, k + 1 == groups.len, false);
            choose::<T, P, false>(turns, groups.range(k), beside, Reading::NOTHING, to, rows);
        }
    }
}

kernel! {
    /// Reads rows of a cotangent, takes the phases off, undoes the rotations and multiplies by the
    /// factor. The phases' overlaps with `psi`, from which nothing is taken off, are added up.
    pub(super) fn unapply<T as P>(
        turns: Turns<'_, T>,
        beside: Beside<'_, T>,
        psi: &[T],
        overlaps: &mut Overlaps<T>,
        to: &mut [T],
    ) {
        assert!(psi.len() == to.len());
        let groups = Groups::new::<T, P>(turns.qubits);
        let [by_low, by_high] = overlaps.rows();
        let reading = Reading { psi: psi.as_ptr(), by_low, by_high };
        for (k, rows) in groups.passes(to.len() >> P::LOG).rev() {
            let beside = beside.only(k + 1 == groups.len, k == 0, true);
            choose::<T, P, true>(turns, groups.range(k), beside, reading, to, rows);
        }
    }
}

/// What phases are read off from on the way back.
#[derive(Clone, Copy)]
struct Reading<T> {
    psi: *const T,
    by_low: *mut T,
    by_high: *mut T,
}

impl<T> Reading<T> {
    const NOTHING: Self =
        Self { psi: std::ptr::null(), by_low: std::ptr::null_mut(), by_high: std::ptr::null_mut() };
}

/// Qubits of the rows that are taken together where none is rotated.
const STILL: usize = 3;

/// Chooses the code for a table and for phases.
macro_rules! pass {
    ($k:literal, $rows:literal, $qubits:expr, $tangents:expr, $beside:expr, $($arg:expr),*) => {
        match (matches!($beside.from, Some((_, Some(_)))), $beside.phases) {
            (true, Some(_)) => {
                pass::<T, P, BACK, true, true, $k, $rows>($qubits, $tangents, $beside, $($arg),*)
            }
            (true, None) => {
                pass::<T, P, BACK, true, false, $k, $rows>($qubits, $tangents, $beside, $($arg),*)
            }
            (false, Some(_)) => {
                pass::<T, P, BACK, false, true, $k, $rows>($qubits, $tangents, $beside, $($arg),*)
            }
            (false, None) => {
                pass::<T, P, BACK, false, false, $k, $rows>($qubits, $tangents, $beside, $($arg),*)
            }
        }
    };
}

/// Runs the pass for one group.
#[inline(always)]
fn choose<T: Real, P: Pack<T>, const BACK: bool>(
    turns: Turns<'_, T>,
    group: Range<usize>,
    beside: Beside<'_, T>,
    reading: Reading<T>,
    to: &mut [T],
    rows: Range<usize>,
) {
    let t = &turns.tangents[group.start << (P::LOG - 1)..];
    match turns.qubits[group] {
        [] if rows.len() >= 1 << STILL => {
            // No turn at all, but several rows at a time.
            let top = rows.len().ilog2() as usize;
            let still = [top - 3, top - 2, top - 1];
            let t = &[T::ZERO; STILL * MOST_LANES / 2];
            pass!(3, 8, still, t, beside, reading, to, rows)
        }
        [] => pass!(0, 1, [], t, beside, reading, to, rows),
        [a] => pass!(1, 2, [a], t, beside, reading, to, rows),
        [a, b] => pass!(2, 4, [a, b], t, beside, reading, to, rows),
        [a, b, c] => pass!(3, 8, [a, b, c], t, beside, reading, to, rows),
        [a, b, c, d] if P::MANY_REGISTERS => {
            pass!(4, 16, [a, b, c, d], t, beside, reading, to, rows)
        }
        _ => unreachable!("more rotations than registers"),
    }
}

/// Some rows through rotations and what stands beside them. With `TABLE`, rows are read by a table; with
/// `TURN`, there are phases.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
fn pass<
    T: Real,
    P: Pack<T>,
    const BACK: bool,
    const TABLE: bool,
    const TURN: bool,
    const K: usize,
    const ROWS: usize,
>(
    qubits: [usize; K],
    tangents: &[T],
    beside: Beside<'_, T>,
    reading: Reading<T>,
    to: &mut [T],
    range: Range<usize>,
) {
    let half = 1 << (P::LOG - 1);
    assert!(range.end << P::LOG <= to.len() && tangents.len() >= K * half);
    let rows = Rows::<K, ROWS>::of_qubits(qubits, P::LOG);
    let zero = P::splat(T::ZERO);
    let mut tan = [zero; K];
    for k in 0..K {
        // SAFETY: half a row for each qubit.
        let t = unsafe { P::load_twice(tangents.as_ptr().add(k * half)) };
        tan[k] = if BACK { zero.minus(t) } else { t };
    }
    let mut factor = None;
    if let Some(half_row) = beside.factor {
        assert!(half_row.len() == half);
        // SAFETY: half a row.
        factor = Some(unsafe { P::load_twice(half_row.as_ptr()) });
    }
    let (from, table) = places::<T, P>(beside.from, to);
    let apart = apart::<T, P, TABLE, K, ROWS>(&rows, table);
    let to = to.as_mut_ptr();
    let tables = beside.phases.map_or(Tables::NONE, Phases::tables);
    let high_rows = Rows::<K, ROWS>::of_qubits(tables.above(qubits), P::LOG);
    let mut first = range.start << P::LOG;
    for _ in 0..rows.n_sets(range.len() << P::LOG) >> P::LOG {
        let mut x = [zero; ROWS];
        // SAFETY, here and below: `n_sets` sees to it that all rows of all sets are inside the range, a
        // table has as many places as there are rows, all of them rows, and the tables of phases and
        // the sums of overlaps have an entry for each row.
        let moved = if TABLE { unsafe { moved::<T, P>(table, first) } } else { first };
        each_row!(ROWS, |r| {
            x[r] = unsafe { fetch::<T, P, TABLE, K, ROWS>(from, &rows, [first, moved], &apart, r) };
        });
        if !BACK {
            each_pair!(ROWS, |k, r, other| {
                let (a, b) = (x[r], x[other]);
                x[r] = b.times_from(tan[k], a);
                x[other] = a.times_plus(tan[k], b);
            });
        }
        if TURN {
            let [low, high] = tables.split(first >> P::LOG).map(|row| row << P::LOG);
            let [c, s] = unsafe { phase::<T, P>(tables.low.add(2 * low)) };
            let mut total = zero;
            each_row!(ROWS, |r| {
                let other = x[r].halves_exchanged();
                let (four, within) = rows.steps(r);
                unsafe {
                    let place = first + four + within;
                    let (four, within) = high_rows.steps(r);
                    let at = high + four + within;
                    let [u, v] = phase::<T, P>(tables.high.add(2 * at));
                    if BACK {
                        let psi = P::load(reading.psi.add(place));
                        total = other.times_plus(psi, total);
                        let sum = reading.by_high.add(at);
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
                    let sum = reading.by_low.add(low);
                    P::load(sum).plus(total).store(sum);
                }
            }
        }
        if BACK {
            each_pair!(ROWS, |k, r, other| {
                let (a, b) = (x[r], x[other]);
                x[r] = b.times_from(tan[k], a);
                x[other] = a.times_plus(tan[k], b);
            });
        }
        if let Some(factor) = factor {
            each_row!(ROWS, |r| {
                x[r] = x[r].times(factor);
            });
        }
        each_row!(ROWS, |r| {
            let (four, within) = rows.steps(r);
            unsafe { x[r].store(to.add(first).add(four).add(within)) };
        });
        first = rows.next(first, 1 << P::LOG);
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

/// Where rows are read, and the table that says from which places.
#[inline(always)]
pub fn places<T, P: Pack<T>>(from: Option<Source<'_, T>>, to: &[T]) -> (*const T, *const u32) {
    let (from, table) = from.unwrap_or((to, None));
    let n_rows = to.len() >> P::LOG;
    assert!(from.len() == to.len() && table.is_none_or(|table| table.len() == n_rows));
    (from.as_ptr(), table.unwrap_or(&[]).as_ptr())
}

/// Where a table, for as many rows as there are, moves a number of a row.
///
/// # Safety
/// The table must have an entry for the row.
#[inline(always)]
pub unsafe fn moved<T, P: Pack<T>>(table: *const u32, at: usize) -> usize {
    // SAFETY: the caller's promise.
    unsafe { (*table.add(at >> P::LOG) as usize) << P::LOG }
}

/// Row `r` of the set that begins at `first`, which a table has `moved`.
///
/// # Safety
/// The set must be inside, and where a table has moved it as well.
#[inline(always)]
pub unsafe fn fetch<T, P: Pack<T>, const TABLE: bool, const K: usize, const ROWS: usize>(
    from: *const T,
    rows: &Rows<K, ROWS>,
    [first, moved]: [usize; 2],
    apart: &[usize; ROWS],
    r: usize,
) -> P {
    let (four, within) = rows.steps(r);
    // SAFETY: the caller's promise.
    unsafe {
        if TABLE {
            P::load(from.add(moved ^ apart[r]))
        } else {
            P::load(from.add(first).add(four).add(within))
        }
    }
}

/// How far apart the rows of a set are moved: the same for every set, as relabellings are linear.
#[inline(always)]
pub fn apart<T, P: Pack<T>, const TABLE: bool, const K: usize, const ROWS: usize>(
    rows: &Rows<K, ROWS>,
    table: *const u32,
) -> [usize; ROWS] {
    let mut apart = [0; ROWS];
    if TABLE {
        for r in 0..ROWS {
            let (four, within) = rows.steps(r);
            // SAFETY: rows of the first set.
            apart[r] = unsafe { moved::<T, P>(table, four + within) ^ moved::<T, P>(table, 0) };
        }
    }
    apart
}

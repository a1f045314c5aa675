//! Phases of rows.
//!
//! An outcome's phase is a product of two: of its low bits and of its high ones, each from a table.
//! Where pairs of bits have phases, all bits are high. The lowest bits of a high entry's number are
//! those of the rows that a pass holds at a time. A phase (c, s) stands in a table as a vector of
//! cosines and one of sines, those for the real parts with the other sign: it turns a row x into
//! `c x + s x'`, where x' has the halves of x exchanged.

use crate::circuit::PhasePolynomial;
use crate::simd::{MOST_LANES, Pack, kernel};
use crate::state::real::Real;

/// A phase polynomial at given parameters, times a factor.
pub struct Phases<T> {
    low: Table<T>,
    high: Table<T>,
    /// The bits of each pair in the number of a high entry.
    pairs: Vec<usize>,
    n_linear: usize,
}

/// A table, and which of the polynomial's angles each bit of an entry's number has, if any.
struct Table<T> {
    angles: Vec<Option<usize>>,
    rows: Vec<T>,
}

impl<T: Real> Phases<T> {
    /// Room for a polynomial's phases in a pass over rows of `held` qubits.
    pub fn new(n_qubits: usize, held: &[usize], polynomial: &PhasePolynomial, half: usize) -> Self {
        let PhasePolynomial { linear, pairs, .. } = polynomial;
        let lowest = held.first().copied().unwrap_or(0);
        let low_bits = if pairs.is_empty() { n_qubits.div_ceil(2).min(lowest) } else { 0 };
        let others = (low_bits..n_qubits).filter(|q| !held.contains(q));
        let above: Vec<usize> = held.iter().copied().chain(others).collect();
        let angle = |q: usize| linear.binary_search_by_key(&q, |x| x.0).ok();
        let table = |qubits: &mut dyn Iterator<Item = usize>| {
            let angles: Vec<_> = qubits.map(angle).collect();
            Table { rows: vec![T::ONE; (4 * half) << angles.len()], angles }
        };
        let bit = |q| 1 << above.iter().position(|x| *x == q).expect("all qubits are high");
        Self {
            low: table(&mut (0..low_bits)),
            high: table(&mut above.iter().copied()),
            pairs: pairs.iter().map(|((q, r), _)| bit(*q) | bit(*r)).collect(),
            n_linear: linear.len(),
        }
    }

    /// Evaluates the polynomial, from half a row of sines and of cosines for each angle, and half a row
    /// of factors.
    pub fn fill(&mut self, [sines, cosines]: [&[T]; 2], factor: &[T]) {
        let half = factor.len();
        let (none, one) = (&[T::ZERO; MOST_LANES / 2][..half], &[T::ONE; MOST_LANES / 2][..half]);
        let of = |i: usize| [cosines, sines].map(|x| &x[i * half..(i + 1) * half]);
        for (Table { angles, rows }, first) in [(&mut self.low, factor), (&mut self.high, one)] {
            rows[..half].copy_from_slice(first);
            rows[half..2 * half].copy_from_slice(first);
            rows[2 * half..4 * half].fill(T::ZERO);
            for (k, angle) in angles.iter().enumerate() {
                grow(&mut rows[..(8 * half) << k], angle.map_or([one, none], of));
            }
        }
        for (i, mask) in (self.n_linear..).zip(&self.pairs) {
            turn_where(&mut self.high.rows, *mask, of(i));
        }
    }

    /// How many bits are low, and where the tables are: of low bits and of high ones.
    pub fn tables(&self) -> (usize, [*const T; 2]) {
        (self.low.angles.len(), [self.low.rows.as_ptr(), self.high.rows.as_ptr()])
    }
}

/// Sums of a cotangent's halves, exchanged, times the state's, over rows that agree in their low bits,
/// and in their high ones.
#[derive(Default)]
pub struct Overlaps<T> {
    by_low: Vec<T>,
    by_high: Vec<T>,
}

impl<T: Real> Overlaps<T> {
    pub fn new(phases: &Phases<T>) -> Self {
        let zeros = |table: &Table<T>| vec![T::ZERO; table.rows.len() / 2];
        Self { by_low: zeros(&phases.low), by_high: zeros(&phases.high) }
    }

    /// Starts again from zero.
    pub fn clear(&mut self) {
        self.by_low.fill(T::ZERO);
        self.by_high.fill(T::ZERO);
    }

    /// Where they are.
    pub fn rows(&mut self) -> [*mut T; 2] {
        [&mut self.by_low, &mut self.by_high].map(|rows| rows.as_mut_ptr())
    }

    /// Writes a row of sums for each angle. Nothing is left of the overlaps.
    pub fn read(&mut self, phases: &Phases<T>, sums: &mut [T]) {
        let Phases { low, high, pairs, n_linear } = phases;
        let lanes = self.by_low.len() >> low.angles.len();
        for (mask, row) in pairs.iter().zip(sums[n_linear * lanes..].chunks_exact_mut(lanes)) {
            sum_where(&self.by_high, *mask, row);
        }
        for (table, rows) in [(low, &mut self.by_low), (high, &mut self.by_high)] {
            for (k, angle) in table.angles.iter().enumerate().rev() {
                let mut nowhere = [T::ZERO; MOST_LANES];
                let row = match angle {
                    Some(i) => &mut sums[i * lanes..(i + 1) * lanes],
                    None => &mut nowhere[..lanes],
                };
                fold(&mut rows[..(2 * lanes) << k], row);
            }
        }
    }
}

/// A phase as tables have it.
///
/// # Safety
/// Half a row of each must be readable.
#[inline(always)]
unsafe fn load<T: Real, P: Pack<T>>(cosines: *const T, sines: *const T) -> [P; 2] {
    let mut signs = [T::ONE; MOST_LANES];
    signs[..1 << (P::LOG - 1)].fill(-T::ONE);
    // SAFETY: the caller's promise; no pack has more lanes than there are signs.
    unsafe { [P::load_twice(cosines), P::load_twice(sines).times(P::load(signs.as_ptr()))] }
}

kernel! {
    /// Makes the upper half of a table the lower one, turned.
    fn grow<T as P>(table: &mut [T], turn: [&[T]; 2]) {
        let (lower, upper) = table.split_at_mut(table.len() / 2);
        upper.copy_from_slice(lower);
        turn_rows::<T, P>(upper, 0, turn);
    }
}

kernel! {
    /// Turns the entries of a table whose number has all bits of a mask.
    fn turn_where<T as P>(table: &mut [T], mask: usize, turn: [&[T]; 2]) {
        turn_rows::<T, P>(table, mask, turn);
    }
}

#[inline(always)]
fn turn_rows<T: Real, P: Pack<T>>(table: &mut [T], mask: usize, [cosines, sines]: [&[T]; 2]) {
    let half = 1 << (P::LOG - 1);
    assert!(cosines.len() == half && sines.len() == half);
    let n_rows = table.len() >> (P::LOG + 1);
    // SAFETY: half a row each by the assertion, and all entries are in the table.
    unsafe {
        let [c, s] = load::<T, P>(cosines.as_ptr(), sines.as_ptr());
        for row in (0..n_rows).filter(|row| row & mask == mask) {
            let at = table.as_mut_ptr().add(row << (P::LOG + 1));
            let (u, v) = (P::load(at), P::load(at.add(1 << P::LOG)));
            s.times_from(v, c.times(u)).store(at);
            s.times_plus(u, c.times(v)).store(at.add(1 << P::LOG));
        }
    }
}

kernel! {
    /// Sums the rows whose number has all bits of a mask.
    fn sum_where<T as P>(rows: &[T], mask: usize, out: &mut [T]) {
        assert!(out.len() == 1 << P::LOG);
        let mut sum = P::splat(T::ZERO);
        for row in (0..rows.len() >> P::LOG).filter(|row| row & mask == mask) {
            // SAFETY: one of the rows.
            sum = unsafe { sum.plus(P::load(rows.as_ptr().add(row << P::LOG))) };
        }
        // SAFETY: a row by the assertion.
        unsafe { sum.store(out.as_mut_ptr()) };
    }
}

kernel! {
    /// Sums the rows of the upper half, and adds each to the one of the lower half.
    fn fold<T as P>(rows: &mut [T], out: &mut [T]) {
        let half = rows.len() / 2;
        assert!(out.len() == 1 << P::LOG && half.is_multiple_of(1 << P::LOG));
        let (rows, mut sum) = (rows.as_mut_ptr(), P::splat(T::ZERO));
        for at in (0..half).step_by(1 << P::LOG) {
            // SAFETY: a row of each half.
            unsafe {
                let upper = P::load(rows.add(half + at));
                sum = sum.plus(upper);
                P::load(rows.add(at)).plus(upper).store(rows.add(at));
            }
        }
        // SAFETY: a row by the assertion.
        unsafe { sum.store(out.as_mut_ptr()) };
    }
}

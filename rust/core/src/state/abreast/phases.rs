//! Phases of rows.
//!
//! An outcome's phase is a product of two: of its low bits and of its high ones, each from a table.
//! Where pairs of bits have phases, all bits are high. A phase (c, s) stands there as a vector of
//! cosines and one of sines, those for the real parts with the other sign: it turns a row x into
//! `c x + s x'`, where x' has the halves of x exchanged.

use crate::circuit::PhasePolynomial;
use crate::simd::{MOST_LANES, Pack, kernel};
use crate::state::real::Real;

/// A phase polynomial at given parameters.
pub struct Phases<T> {
    low_bits: usize,
    low: Vec<T>,
    high: Vec<T>,
}

impl<T: Real> Phases<T> {
    /// Room for a polynomial's phases. All qubits from `lowest` on are to be high.
    pub fn new(n_qubits: usize, lowest: usize, polynomial: &PhasePolynomial, half: usize) -> Self {
        let is_linear = polynomial.pairs.is_empty();
        let low_bits = if is_linear { n_qubits.div_ceil(2).min(lowest) } else { 0 };
        let table = |bits| vec![T::ONE; (4 * half) << bits];
        Self { low_bits, low: table(low_bits), high: table(n_qubits - low_bits) }
    }

    /// Evaluates the polynomial, from half a row of sines and of cosines for each angle.
    pub fn fill(&mut self, polynomial: &PhasePolynomial, [sines, cosines]: [&[T]; 2], half: usize) {
        let (none, all) = ([T::ZERO; MOST_LANES / 2], [T::ONE; MOST_LANES / 2]);
        let of = |i: usize| [cosines, sines].map(|x| &x[i * half..(i + 1) * half]);
        for (table, first) in [(&mut self.low, 0), (&mut self.high, self.low_bits)] {
            table[..2 * half].fill(T::ONE);
            table[2 * half..4 * half].fill(T::ZERO);
            for k in 0..(table.len() / (4 * half)).ilog2() as usize {
                let own = polynomial.linear.binary_search_by_key(&(first + k), |x| x.0);
                grow(&mut table[..(8 * half) << k], own.map_or([&all[..half], &none[..half]], of));
            }
        }
        for (i, ((q, r), _)) in (polynomial.linear.len()..).zip(&polynomial.pairs) {
            turn_where(&mut self.high, 1 << q | 1 << r, of(i));
        }
    }

    /// Where its tables are.
    pub fn tables(&self) -> Tables<T> {
        Tables { low_bits: self.low_bits, low: self.low.as_ptr(), high: self.high.as_ptr() }
    }
}

/// Where the tables are.
#[derive(Clone, Copy)]
pub struct Tables<T> {
    low_bits: usize,
    pub low: *const T,
    pub high: *const T,
}

impl<T> Tables<T> {
    /// Of no phases.
    pub const NONE: Self = Self { low_bits: 0, low: std::ptr::null(), high: std::ptr::null() };

    /// A row's number in each table.
    #[inline(always)]
    pub fn split(&self, row: usize) -> [usize; 2] {
        [row & ((1 << self.low_bits) - 1), row >> self.low_bits]
    }

    /// The places of qubits, all of them high, in the number of a high entry.
    #[inline(always)]
    pub fn above<const K: usize>(&self, qubits: [usize; K]) -> [usize; K] {
        let mut above = qubits;
        for k in 0..K {
            above[k] = qubits[k] - self.low_bits;
        }
        above
    }
}

/// Sums of a cotangent's halves, exchanged, times the state's, over rows that agree in their low bits,
/// and in their high ones.
#[derive(Default)]
pub struct Overlaps<T> {
    low_bits: usize,
    by_low: Vec<T>,
    by_high: Vec<T>,
}

impl<T: Real> Overlaps<T> {
    pub fn new(phases: &Phases<T>) -> Self {
        let zeros = |table: &[T]| vec![T::ZERO; table.len() / 2];
        Self { low_bits: phases.low_bits, by_low: zeros(&phases.low), by_high: zeros(&phases.high) }
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

    /// Writes a row of sums for each angle.
    pub fn read(&self, polynomial: &PhasePolynomial, sums: &mut [T]) {
        let lanes = self.by_low.len() >> self.low_bits;
        let mut rows = sums.chunks_exact_mut(lanes);
        for ((q, _), row) in polynomial.linear.iter().zip(&mut rows) {
            match q.checked_sub(self.low_bits) {
                None => sum_where(&self.by_low, 1 << q, row),
                Some(bit) => sum_where(&self.by_high, 1 << bit, row),
            }
        }
        for (((q, r), _), row) in polynomial.pairs.iter().zip(&mut rows) {
            sum_where(&self.by_high, 1 << q | 1 << r, row);
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

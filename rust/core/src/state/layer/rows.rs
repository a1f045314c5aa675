//! Rows of lanes held in registers, and the qubits inside the lanes.

use crate::simd::{MOST_LANES, MOST_LOG, Pack};
use crate::state::real::Real;
use crate::state::rotate::Rotation;

/// Which rows `K` qubits mix, and how to find all such sets. A row holds the amplitudes that agree in
/// all but their lowest qubits: a vector of lanes, or the length of a table.
pub struct Rows<const K: usize, const ROWS: usize> {
    /// Each qubit's bit in the number of a row.
    bits: [usize; K],
    /// From the first row of a set to each fourth one.
    fours: [usize; ROWS],
    /// From there to the next three.
    within: [usize; 4],
}

impl<const K: usize, const ROWS: usize> Rows<K, ROWS> {
    /// For ascending qubits above the `low` ones that are inside a row.
    #[inline(always)]
    pub fn new<T>(rotations: &[Rotation<T>; K], low: usize) -> Self {
        let mut bits = [0; K];
        for k in 0..K {
            bits[k] = rotations[k].qubit - low;
        }
        Self::of_qubits(bits, 0)
    }

    /// For ascending qubits, in numbers, `1 << log` of which are a row.
    #[inline(always)]
    pub fn of_qubits(qubits: [usize; K], log: usize) -> Self {
        let mut bits = qubits;
        for k in 0..K {
            bits[k] += log;
        }
        let mut offsets = [0; MOST_ROWS];
        for r in 0..MOST_ROWS {
            for k in 0..K {
                offsets[r] |= (r >> k & 1) << bits[k];
            }
        }
        let mut fours = [0; ROWS];
        for r in 0..ROWS.div_ceil(4) {
            fours[r] = offsets[4 * r];
        }
        Self { bits, fours, within: [offsets[0], offsets[1], offsets[2], offsets[3]] }
    }

    /// The first row of set `i`.
    #[inline(always)]
    pub fn first(&self, i: usize) -> usize {
        let mut first = i;
        for k in 0..K {
            let below = first & ((1 << self.bits[k]) - 1);
            first = (first - below) << 1 | below;
        }
        first
    }

    /// The first row of the next set, where rows are `step` apart.
    #[inline(always)]
    pub fn next(&self, first: usize, step: usize) -> usize {
        let mut all = 0;
        for k in 0..K {
            all |= 1 << self.bits[k];
        }
        // The carry passes over the set's own bits.
        ((first | all) + step) & !all
    }

    /// From the first row of a set to row `r`, in two steps: sixteen registers cannot hold sixteen
    /// places, but they can hold four and four.
    #[inline(always)]
    pub fn steps(&self, r: usize) -> (usize, usize) {
        (self.fours[r / 4], self.within[r % 4])
    }

    /// How many sets there are among `n_rows` rows, all of whose members are below `n_rows`.
    #[inline(always)]
    pub fn n_sets(&self, n_rows: usize) -> usize {
        assert!(self.bits.iter().all(|bit| 2 << bit <= n_rows));
        n_rows >> K
    }
}

/// The most rows that are mixed at once.
const MOST_ROWS: usize = 16;

/// Runs a body for every qubit k and every pair of rows that differ in it, written out, because
/// arrays only stay in registers where all their indices are constants.
macro_rules! each_pair {
    ($rows:ident, |$k:ident, $r:ident, $other:ident| $body:block) => {
        if $rows > 1 {
            $crate::state::layer::each_pair!(@ $k $r $other $body 0 0 1);
        }
        if $rows > 2 {
            $crate::state::layer::each_pair!(@ $k $r $other $body 0 2 3, 1 0 2, 1 1 3);
        }
        if $rows > 4 {
            $crate::state::layer::each_pair!(@ $k $r $other $body 0 4 5, 0 6 7, 1 4 6, 1 5 7);
            $crate::state::layer::each_pair!(@ $k $r $other $body 2 0 4, 2 1 5, 2 2 6, 2 3 7);
        }
        if $rows > 8 {
            $crate::state::layer::each_pair!(@ $k $r $other $body 0 8 9, 0 10 11, 0 12 13, 0 14 15);
            $crate::state::layer::each_pair!(@ $k $r $other $body 1 8 10, 1 9 11, 1 12 14, 1 13 15);
            $crate::state::layer::each_pair!(@ $k $r $other $body 2 8 12, 2 9 13, 2 10 14, 2 11 15);
            $crate::state::layer::each_pair!(@ $k $r $other $body 3 0 8, 3 1 9, 3 2 10, 3 3 11);
            $crate::state::layer::each_pair!(@ $k $r $other $body 3 4 12, 3 5 13, 3 6 14, 3 7 15);
        }
    };
    (@ $k:ident $r:ident $other:ident $body:block $($qubit:literal $low:literal $high:literal),*) => {
        $({
            let ($k, $r, $other) = ($qubit, $low, $high);
            $body
        })*
    };
}
pub(in crate::state) use each_pair;

/// Runs a body for each qubit inside the lanes, with its number as a constant.
macro_rules! each_low_qubit {
    ($low:expr, |$q:ident| $body:expr) => {
        each_low_qubit!(@ $low, $q $body; 0 1 2 3)
    };
    (@ $low:expr, $q:ident $body:expr; $($qubit:literal)*) => {
        $(if $qubit < $low {
            const $q: usize = $qubit;
            $body;
        })*
    };
}
pub(super) use each_low_qubit;

/// The tangent of each qubit inside the lanes, with its sign in each lane (no turn where there is no
/// rotation), for turning forward or back.
#[inline(always)]
pub fn tangents<T: Real, P: Pack<T>>(rotations: &[Rotation<T>], forward: bool) -> [P; MOST_LOG] {
    let mut tangents = [P::splat(T::ZERO); MOST_LOG];
    for r in rotations {
        let up = |k: usize| k >> r.qubit & 1 == 1;
        let lanes: [T; MOST_LANES] =
            std::array::from_fn(|k| if up(k) == forward { r.tan } else { -r.tan });
        // SAFETY: no pack has more lanes.
        tangents[r.qubit] = unsafe { P::load(lanes.as_ptr()) };
    }
    tangents
}

/// The product of the rotations' cosines.
#[inline(always)]
pub fn scale<T: Real>(rotations: &[Rotation<T>]) -> T {
    rotations.iter().fold(T::ONE, |product, r| product * r.cos)
}

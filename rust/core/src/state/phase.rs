//! Diagonal stages, forward and backward.
//!
//! The phase of an outcome is a product of three: of the lowest places (a table of a few hundred
//! entries, built by doubling), of the other places in the tile (a factor for each row of the table's
//! length), and of the places outside. Pairs that join a low place to a row's place make several such
//! tables, one for each setting of the row's place; pairs that join a tile to the outside change the
//! angles from tile to tile.

use std::borrow::Cow;
use std::sync::Arc;

use num_complex::Complex64;

use super::real::{Real, fma};
use crate::circuit::{PhasePolynomial, Turn};
use crate::simd::{MOST_LANES, kernel, one_turn_at_a_time};
use crate::trigonometry::Angles;

/// log2 of a table's length: with its sums it is to stay in the first-level cache, and to be filled
/// in less time than it saves.
pub fn table_bits(tile_qubits: usize) -> usize {
    tile_qubits.min(tile_qubits / 2 + 2).min(9)
}

/// A phase polynomial over places, as tables are made of it. An angle goes by its number: single bits'
/// first, then pairs', the order of the derivatives, too.
#[derive(Debug)]
pub struct Terms {
    tile_qubits: usize,
    low_bits: usize,
    silent: bool,
    turns: Vec<Turn>,
    /// The place of a bit, and the number of its angle.
    singles: Vec<(usize, usize)>,
    /// Pairs inside a tile or outside it.
    pairs: Vec<Pair>,
    /// Pairs of a place in the tile and one outside.
    crossing: Vec<Pair>,
    /// Places of rows that pairs join to low ones.
    selectors: Vec<usize>,
}

/// The places of two bits, the lower one first, and the number of their angle.
type Pair = (usize, usize, usize);

impl Terms {
    /// A polynomial over qubits, whose places are given.
    pub fn new(
        polynomial: &PhasePolynomial,
        place: impl Fn(usize) -> usize,
        tile_qubits: usize,
    ) -> Self {
        let PhasePolynomial { linear, pairs, silent } = polynomial;
        let turns = linear.iter().map(|x| &x.1).chain(pairs.iter().map(|x| &x.1)).cloned();
        let singles = linear.iter().enumerate().map(|(i, (q, _))| (place(*q), i)).collect();
        let pairs = pairs.iter().zip(linear.len()..).map(|(((q, r), _), i)| {
            let (q, r) = (place(*q), place(*r));
            (q.min(r), q.max(r), i)
        });
        let (crossing, pairs): (Vec<Pair>, Vec<Pair>) =
            pairs.partition(|p| p.0 < tile_qubits && p.1 >= tile_qubits);
        let low_bits = table_bits(tile_qubits);
        let joined = |r: &usize| pairs.iter().any(|p| p.0 < low_bits && p.1 == *r);
        let selectors = (low_bits..tile_qubits).filter(joined).collect();
        let (turns, silent) = (turns.collect(), *silent);
        Self { tile_qubits, low_bits, silent, turns, singles, pairs, crossing, selectors }
    }

    /// The angles.
    pub fn turns(&self) -> &[Turn] {
        &self.turns
    }

    /// Whether no probability depends on it.
    pub fn silent(&self) -> bool {
        self.silent
    }
}

/// A phase polynomial over places, at given parameters.
pub struct Phases<T> {
    terms: Arc<Terms>,
    /// The phase of each angle.
    turns: Vec<Complex64>,
    tables: Tables<T>,
}

/// The phases of a tile but for its own factor.
#[derive(Clone, Default)]
struct Tables<T> {
    /// Phases of the low places, one table after the other for each setting of the selectors.
    re: Vec<T>,
    im: Vec<T>,
    /// The factors of the rows.
    rows: Vec<Complex64>,
}

impl<T: Real> Tables<T> {
    /// Room for so many entries and rows, as powers of two.
    fn new(entries: usize, rows: usize) -> Self {
        let zeros = || vec![T::ZERO; 1 << entries];
        Self { re: zeros(), im: zeros(), rows: vec![Complex64::ONE; 1 << rows] }
    }
}

impl<T: Real> Phases<T> {
    /// A polynomial at given angles.
    pub fn new(terms: &Arc<Terms>, angles: Angles<'_>) -> Self {
        let turns = angles.iter().map(|[_, sin, cos]| Complex64::new(cos, sin)).collect();
        let Terms { tile_qubits, low_bits, selectors, .. } = &**terms;
        let mut tables = Tables::new(low_bits + selectors.len(), tile_qubits - low_bits);
        let mut phases = Self { terms: terms.clone(), turns, tables: Tables::default() };
        phases.fill(&mut tables, 0);
        phases.tables = tables;
        phases
    }

    /// Number of angles, and of derivatives.
    pub fn n_angles(&self) -> usize {
        self.turns.len()
    }

    /// log2 of a table's length.
    pub fn low_bits(&self) -> usize {
        self.terms.low_bits
    }

    /// The phases of tile number `tile`.
    pub fn of_tile(&self, tile: usize) -> OfTile<'_, T> {
        let own = self.tables_of(tile);
        let tables = own.map_or(Cow::Borrowed(&self.tables), Cow::Owned);
        OfTile { phases: self, tables, outside: self.outside(tile) }
    }

    /// The tables of a tile where they differ from tile to tile.
    fn tables_of(&self, tile: usize) -> Option<Tables<T>> {
        (!self.terms.crossing.is_empty()).then(|| {
            let mut tables = self.tables.clone();
            self.fill(&mut tables, tile);
            tables
        })
    }

    /// Where a row's table starts.
    fn table(&self, row: usize) -> usize {
        let Terms { low_bits, selectors, .. } = &*self.terms;
        let selectors = selectors.iter().enumerate();
        selectors.fold(0, |n, (i, q)| n | (row >> (q - low_bits) & 1) << i) << low_bits
    }

    /// The factor of the places outside a tile.
    fn outside(&self, tile: usize) -> Complex64 {
        let Terms { tile_qubits, singles, pairs, .. } = &*self.terms;
        let set = |q: usize| q >= *tile_qubits && tile >> (q - tile_qubits) & 1 == 1;
        let singles = singles.iter().filter(|s| set(s.0)).map(|s| s.1);
        let pairs = pairs.iter().filter(|p| set(p.0) && set(p.1)).map(|p| p.2);
        singles.chain(pairs).map(|i| self.turns[i]).product()
    }

    fn fill(&self, tables: &mut Tables<T>, tile: usize) {
        let Terms { tile_qubits, low_bits, singles, pairs, crossing, selectors, .. } = &*self.terms;
        let (m, low_bits) = (*tile_qubits, *low_bits);
        let mut bits = vec![Complex64::ONE; m];
        singles.iter().filter(|s| s.0 < m).for_each(|s| bits[s.0] *= self.turns[s.1]);
        let crossing = crossing.iter().filter(|p| tile >> (p.1 - m) & 1 == 1);
        crossing.for_each(|p| bits[p.0] *= self.turns[p.2]);

        // The factors of rows by doubling: of a pair, the higher bit is the one being added.
        tables.rows[0] = Complex64::ONE;
        for (i, turn) in bits.drain(low_bits..).enumerate() {
            let (zeros, ones) = tables.rows[..2 << i].split_at_mut(1 << i);
            ones.iter_mut().zip(zeros).for_each(|(one, zero)| *one = *zero * turn);
            for (q, _, angle) in pairs.iter().filter(|p| p.0 >= low_bits && p.1 == low_bits + i) {
                let set =
                    ones.iter_mut().enumerate().filter(|(row, _)| row >> (q - low_bits) & 1 == 1);
                set.for_each(|(_, one)| *one *= self.turns[*angle]);
            }
        }
        // A selector is one more bit of the number of a table's entry, that only pairs turn.
        bits.resize(low_bits + selectors.len(), Complex64::ONE);
        let bit_of = |r: usize| {
            let selector = selectors.iter().position(|s| *s == r);
            if r < low_bits { Some(r) } else { selector.map(|i| low_bits + i) }
        };
        let low_pairs = pairs.iter().filter(|p| p.0 < low_bits);
        let pairs: Vec<_> =
            low_pairs.filter_map(|p| bit_of(p.1).map(|bit| (p.0, bit, self.turns[p.2]))).collect();
        fill_table(&mut tables.re, &mut tables.im, &bits, &pairs);
    }

    /// Adds the derivatives that a tile's sums of the overlap `Im(conj(lambda) psi)` give: over rows for
    /// each entry of the tables, and over entries for each row.
    pub fn read(&self, tile: usize, by_low: Vec<f64>, by_row: Vec<f64>, derivatives: &mut [f64]) {
        let Terms { tile_qubits, low_bits, singles, pairs, crossing, selectors, .. } = &*self.terms;
        let (m, low_bits) = (*tile_qubits, *low_bits);
        let total: f64 = by_row.iter().sum();
        let outside = |q: usize| q >= m && tile >> (q - m) & 1 == 1;
        // Pairs inside the tile, while the sums are whole. A selector's bit follows the low ones.
        for &(q, r, i) in pairs {
            let sum = match (q < low_bits, r < low_bits) {
                _ if q >= m => f64::from(u8::from(outside(q) && outside(r))) * total,
                (true, true) => sum_where(&by_low, 1 << q | 1 << r),
                (true, false) => {
                    let selector = selectors.iter().position(|s| *s == r);
                    let selector = selector.expect("every row place of such a pair selects");
                    sum_where(&by_low, 1 << q | 1 << (low_bits + selector))
                }
                _ => sum_where(&by_row, 1 << (q - low_bits) | 1 << (r - low_bits)),
            };
            derivatives[i] -= 2.0 * sum;
        }
        let mut by_place = sums_by_bit(by_low);
        by_place.truncate(low_bits);
        by_place.extend(sums_by_bit(by_row));
        for &(q, i) in singles {
            let sum = if q < m { by_place[q] } else { f64::from(u8::from(outside(q))) * total };
            derivatives[i] -= 2.0 * sum;
        }
        for &(q, _, i) in crossing.iter().filter(|p| outside(p.1)) {
            derivatives[i] -= 2.0 * by_place[q];
        }
    }
}

/// The phases of one tile.
pub struct OfTile<'a, T: Real> {
    phases: &'a Phases<T>,
    tables: Cow<'a, Tables<T>>,
    /// The factor of the places outside.
    outside: Complex64,
}

/// The phases of a row: a table times a factor.
#[derive(Clone, Copy)]
pub struct RowPhases<'a, T> {
    /// Where the table starts among all entries.
    pub start: usize,
    /// The table's real parts.
    pub re: &'a [T],
    /// The table's imaginary parts.
    pub im: &'a [T],
    /// The factor's real and imaginary part.
    pub factor: [T; 2],
}

impl<T: Real> RowPhases<'_, T> {
    /// The phase of one entry.
    pub fn at(&self, i: usize) -> [T; 2] {
        let ([c, s], u, v) = (self.factor, self.re[i], self.im[i]);
        [c * u - s * v, s * u + c * v]
    }
}

impl<T: Real> OfTile<'_, T> {
    /// log2 of a table's, and of a row's, length.
    pub fn low_bits(&self) -> usize {
        self.phases.terms.low_bits
    }

    /// How many rows the tile has.
    pub fn n_rows(&self) -> usize {
        self.tables.rows.len()
    }

    /// How many entries all tables have together.
    pub fn n_entries(&self) -> usize {
        self.tables.re.len()
    }

    /// The phases of a row, times a number.
    #[inline(always)]
    pub fn row(&self, row: usize, times: f64) -> RowPhases<'_, T> {
        let factor = self.tables.rows[row] * self.outside * times;
        let start = self.phases.table(row);
        let table = start..start + (1 << self.phases.terms.low_bits);
        RowPhases {
            start,
            re: &self.tables.re[table.clone()],
            im: &self.tables.im[table],
            factor: [factor.re, factor.im].map(T::from_f64),
        }
    }
}

/// A table of phases by doubling: bit q's half is the half below it, turned.
fn fill_table<T: Real>(
    re: &mut [T],
    im: &mut [T],
    bits: &[Complex64],
    pairs: &[(usize, usize, Complex64)],
) {
    (re[0], im[0]) = (T::ONE, T::ZERO);
    for (q, turn) in bits.iter().enumerate() {
        let (re, new_re) = re[..2 << q].split_at_mut(1 << q);
        let (im, new_im) = im[..2 << q].split_at_mut(1 << q);
        new_re.copy_from_slice(re);
        new_im.copy_from_slice(im);
        if *turn != Complex64::ONE {
            turn_by(new_re, new_im, *turn);
        }
        // Bit q is the highest so far: its pairs with lower bits act on the new half alone.
        for (bit, _, turn) in pairs.iter().filter(|p| p.1 == q) {
            turn_where(new_re, new_im, *bit, *turn);
        }
    }
}

/// For each bit, the sum over the positions where it is set: folds the array in half from the top.
fn sums_by_bit(mut values: Vec<f64>) -> Vec<f64> {
    let n_bits = values.len().ilog2() as usize;
    let mut sums = vec![0.0; n_bits];
    for q in (0..n_bits).rev() {
        let (zeros, ones) = values[..2 << q].split_at_mut(1 << q);
        sums[q] = fold_half(zeros, ones);
    }
    sums
}

kernel! {
    /// Adds `ones` to `zeros` and returns their sum.
    fn fold_half(zeros: &mut [f64], ones: &[f64]) -> f64 {
        let (chunks, rest) = zeros.as_chunks_mut::<8>();
        let (ones, ones_rest) = ones.as_chunks::<8>();
        let mut sums = [0.0; 8];
        for (zeros, ones) in chunks.iter_mut().zip(ones) {
            one_turn_at_a_time();
            for k in 0..8 {
                zeros[k] += ones[k];
                sums[k] += ones[k];
            }
        }
        rest.iter_mut().zip(ones_rest).for_each(|(a, b)| *a += b);
        sums.iter().sum::<f64>() + ones_rest.iter().sum::<f64>()
    }
}

kernel! {
    /// The sum over the positions that have all bits of a mask.
    fn sum_where(values: &[f64], mask: usize) -> f64 {
        const WIDTH: usize = 32;
        let (chunks, rest) = values.as_chunks::<WIDTH>();
        let mut sums = [0.0; WIDTH];
        // From one number of a chunk to the next that has all bits.
        let mut number = mask / WIDTH;
        while let Some(chunk) = chunks.get(number) {
            one_turn_at_a_time();
            for k in 0..WIDTH {
                sums[k] += chunk[k];
            }
            number = (number + 1) | (mask / WIDTH);
        }
        let lanes = if rest.is_empty() { &sums } else { rest };
        lanes.iter().enumerate().filter(|(i, _)| i & mask == mask % WIDTH).map(|(_, x)| x).sum()
    }
}

kernel! {
    /// Multiplies by one phase.
    fn turn_by<T>(re: &mut [T], im: &mut [T], turn: Complex64) {
        let (c, s) = (T::from_f64(turn.re), T::from_f64(turn.im));
        for (x, y) in re.iter_mut().zip(im) {
            (*x, *y) = (fma::<T, FMA>(-s, *y, c * *x), fma::<T, FMA>(s, *x, c * *y));
        }
    }
}

kernel! {
    /// Multiplies what has a bit set by one phase.
    fn turn_where<T>(re: &mut [T], im: &mut [T], bit: usize, turn: Complex64) {
        if 1 << bit >= MOST_LANES {
            let halves = re.chunks_exact_mut(2 << bit).zip(im.chunks_exact_mut(2 << bit));
            return halves.for_each(|(re, im)| turn_by(&mut re[1 << bit..], &mut im[1 << bit..], turn));
        }
        // Inside the lanes, the others are turned by nothing.
        let (mut c, mut s) = ([T::ONE; MOST_LANES], [T::ZERO; MOST_LANES]);
        for i in (0..MOST_LANES).filter(|i| i >> bit & 1 == 1) {
            (c[i], s[i]) = (T::from_f64(turn.re), T::from_f64(turn.im));
        }
        let (re, re_rest) = re.as_chunks_mut::<MOST_LANES>();
        let (im, im_rest) = im.as_chunks_mut::<MOST_LANES>();
        for (re, im) in re.iter_mut().zip(im) {
            one_turn_at_a_time();
            for k in 0..MOST_LANES {
                let (x, y) = (re[k], im[k]);
                re[k] = fma::<T, FMA>(-s[k], y, c[k] * x);
                im[k] = fma::<T, FMA>(s[k], x, c[k] * y);
            }
        }
        for (((x, y), c), s) in re_rest.iter_mut().zip(im_rest).zip(c).zip(s) {
            (*x, *y) = (fma::<T, FMA>(-s, *y, c * *x), fma::<T, FMA>(s, *x, c * *y));
        }
    }
}

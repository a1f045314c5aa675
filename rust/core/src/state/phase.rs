//! Diagonal stages, forward and backward.
//!
//! The phase of an outcome is a product of three: of the lowest places (a table of a few hundred
//! entries, built by doubling), of the other places in the tile (a factor for each row of the table's
//! length), and of the places outside. Pairs that join a low place to a row's place make several such
//! tables, one for each setting of the row's place; pairs that join a tile to the outside change the
//! angles from tile to tile.

use std::borrow::Cow;

use num_complex::Complex64;

use super::real::{Real, fma};
use crate::circuit::PhasePolynomial;
use crate::simd::{MOST_LANES, kernel, one_turn_at_a_time};

/// log2 of a table's length: with its sums it is to stay in the first-level cache, and to be filled
/// in less time than it saves.
pub fn table_bits(tile_qubits: usize) -> usize {
    tile_qubits.min(tile_qubits / 2 + 2).min(9)
}

/// An angle, the place of its bit, and where its derivative goes.
type Single = (usize, f64, usize);
/// An angle, the places of its two bits, the lower one first, and where its derivative goes.
type Pair = (usize, usize, f64, usize);

/// A phase polynomial over places, at given parameters.
pub struct Phases<T> {
    tile_qubits: usize,
    low_bits: usize,
    n_angles: usize,
    singles: Vec<Single>,
    /// Pairs inside a tile or outside it.
    pairs: Vec<Pair>,
    /// Pairs of a place in the tile and one outside.
    crossing: Vec<Pair>,
    /// Places of rows that pairs join to low ones.
    selectors: Vec<usize>,
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
    /// Evaluates a polynomial whose qubits are places.
    pub fn new(polynomial: &PhasePolynomial, params: &[f64], tile_qubits: usize) -> Self {
        let singles = polynomial.linear.iter().enumerate();
        let singles = singles.map(|(i, (q, turn))| (*q, turn.at(params), i)).collect();
        let pairs = polynomial.pairs.iter().zip(polynomial.linear.len()..);
        let (crossing, pairs): (Vec<Pair>, Vec<Pair>) = pairs
            .map(|(((q, r), turn), i)| (*q, *r, turn.at(params), i))
            .partition(|p| p.0 < tile_qubits && p.1 >= tile_qubits);
        let low_bits = table_bits(tile_qubits);
        let joined = |r: &usize| pairs.iter().any(|p| p.0 < low_bits && p.1 == *r);
        let selectors: Vec<usize> = (low_bits..tile_qubits).filter(joined).collect();
        let n_angles = polynomial.linear.len() + polynomial.pairs.len();
        let tables = Tables::new(low_bits + selectors.len(), tile_qubits - low_bits);
        let mut phases =
            Self { tile_qubits, low_bits, n_angles, singles, pairs, crossing, selectors, tables };
        let mut tables = std::mem::take(&mut phases.tables);
        phases.fill(&mut tables, 0);
        phases.tables = tables;
        phases
    }

    /// Number of angles, and of derivatives: single bits' first, then pairs'.
    pub fn n_angles(&self) -> usize {
        self.n_angles
    }

    /// log2 of a table's length.
    pub fn low_bits(&self) -> usize {
        self.low_bits
    }

    /// The phases of tile number `tile`.
    pub fn of_tile(&self, tile: usize) -> OfTile<'_, T> {
        let own = self.tables_of(tile);
        let tables = own.map_or(Cow::Borrowed(&self.tables), Cow::Owned);
        OfTile { phases: self, tables, outside: self.outside(tile) }
    }

    /// The tables of a tile where they differ from tile to tile.
    fn tables_of(&self, tile: usize) -> Option<Tables<T>> {
        (!self.crossing.is_empty()).then(|| {
            let mut tables = self.tables.clone();
            self.fill(&mut tables, tile);
            tables
        })
    }

    /// Where a row's table starts.
    fn table(&self, row: usize) -> usize {
        let selectors = self.selectors.iter().enumerate();
        let number = selectors.fold(0, |n, (i, q)| n | (row >> (q - self.low_bits) & 1) << i);
        number << self.low_bits
    }

    /// The factor of the places outside a tile.
    fn outside(&self, tile: usize) -> Complex64 {
        let set = |q: usize| q >= self.tile_qubits && tile >> (q - self.tile_qubits) & 1 == 1;
        let singles = self.singles.iter().filter(|s| set(s.0)).map(|s| s.1);
        let pairs = self.pairs.iter().filter(|p| set(p.0) && set(p.1)).map(|p| p.2);
        turned(singles.chain(pairs).sum())
    }

    fn fill(&self, tables: &mut Tables<T>, tile: usize) {
        let mut angles = vec![0.0; self.tile_qubits];
        let inside = self.singles.iter().filter(|s| s.0 < self.tile_qubits);
        inside.for_each(|s| angles[s.0] += s.1);
        let crossing = self.crossing.iter().filter(|p| tile >> (p.1 - self.tile_qubits) & 1 == 1);
        crossing.for_each(|p| angles[p.0] += p.2);

        let (low, rows) = angles.split_at(self.low_bits);
        let above = |p: &&Pair| p.0 >= self.low_bits && p.1 < self.tile_qubits;
        let pairs: Vec<_> = self.pairs.iter().filter(above).map(|p| (p, turned(p.2))).collect();
        tables.rows[0] = Complex64::ONE;
        for (i, angle) in rows.iter().enumerate() {
            let turn = turned(*angle);
            let (zeros, ones) = tables.rows[..2 << i].split_at_mut(1 << i);
            for (row, (one, zero)) in ones.iter_mut().zip(zeros).enumerate() {
                // Of a pair, the higher bit is the one being added.
                let joined = pairs.iter().filter(|(p, _)| p.1 == i + self.low_bits);
                let set = joined.filter(|(p, _)| row >> (p.0 - self.low_bits) & 1 == 1);
                *one = set.fold(*zero * turn, |product, (_, turn)| product * turn);
            }
        }

        // A selector is one more bit of the tables' number of an entry, that only pairs turn.
        let mut angles = low.to_vec();
        angles.resize(self.low_bits + self.selectors.len(), 0.0);
        let bit_of = |r: usize| {
            let selector = self.selectors.iter().position(|s| *s == r);
            if r < self.low_bits { Some(r) } else { selector.map(|i| self.low_bits + i) }
        };
        let low_pairs = self.pairs.iter().filter(|p| p.0 < self.low_bits);
        let pairs: Vec<_> =
            low_pairs.filter_map(|p| bit_of(p.1).map(|bit| (p.0, bit, turned(p.2)))).collect();
        fill_table(&mut tables.re, &mut tables.im, &angles, &pairs);
    }

    /// Adds the derivatives that a tile's sums of the overlap `Im(conj(lambda) psi)` give: over rows for
    /// each entry of the tables, and over entries for each row.
    pub fn read(&self, tile: usize, by_low: Vec<f64>, by_row: Vec<f64>, derivatives: &mut [f64]) {
        let (m, low_bits) = (self.tile_qubits, self.low_bits);
        let total: f64 = by_row.iter().sum();
        let outside = |q: usize| q >= m && tile >> (q - m) & 1 == 1;
        let over = |values: &[f64], mask: usize| -> f64 {
            let set = values.iter().enumerate().filter(|(i, _)| i & mask == mask);
            set.map(|(_, v)| v).sum()
        };
        // Pairs inside the tile, while the sums are whole. A selector's bit follows the low ones.
        for &(q, r, _, i) in &self.pairs {
            let sum = match (q < low_bits, r < low_bits) {
                _ if q >= m => f64::from(u8::from(outside(q) && outside(r))) * total,
                (true, true) => over(&by_low, 1 << q | 1 << r),
                (true, false) => {
                    let selector = self.selectors.iter().position(|s| *s == r);
                    let selector = selector.expect("every row place of such a pair selects");
                    over(&by_low, 1 << q | 1 << (low_bits + selector))
                }
                _ => over(&by_row, 1 << (q - low_bits) | 1 << (r - low_bits)),
            };
            derivatives[i] -= 2.0 * sum;
        }
        let mut by_place = sums_by_bit(by_low);
        by_place.truncate(low_bits);
        by_place.extend(sums_by_bit(by_row));
        for &(q, _, i) in &self.singles {
            let sum = if q < m { by_place[q] } else { f64::from(u8::from(outside(q))) * total };
            derivatives[i] -= 2.0 * sum;
        }
        for &(q, _, _, i) in self.crossing.iter().filter(|p| outside(p.1)) {
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
        self.phases.low_bits
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
        let table = start..start + (1 << self.phases.low_bits);
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
    angles: &[f64],
    pairs: &[(usize, usize, Complex64)],
) {
    (re[0], im[0]) = (T::ONE, T::ZERO);
    for (q, angle) in angles.iter().enumerate() {
        let (re, new_re) = re[..2 << q].split_at_mut(1 << q);
        let (im, new_im) = im[..2 << q].split_at_mut(1 << q);
        new_re.copy_from_slice(re);
        new_im.copy_from_slice(im);
        if *angle != 0.0 {
            turn_by(new_re, new_im, turned(*angle));
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

/// The phase of an angle: `Complex64::cis` takes sine and cosine one after the other.
fn turned(angle: f64) -> Complex64 {
    let (sin, cos) = angle.sin_cos();
    Complex64::new(cos, sin)
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

//! Diagonal stages, forward and backward.
//!
//! The low bits' phases are a table of one tile's length, built by doubling. Each block of that
//! length has a factor of its own from the high bits; pairs that join a low bit to a high one
//! change the low bits' angles from block to block, and the table is then built for each.

use num_complex::Complex64;

use super::real::{Real, fma};
use super::tiles::{Shared, TILE_QUBITS, n_tasks, tiles_of};
use crate::circuit::PhasePolynomial;
use crate::parallel::{Threads, map_tasks};
use crate::simd::kernel;

/// An angle and the place of its derivative.
type Single = (usize, f64, usize);
/// An angle of two bits, the lower one first, and the place of its derivative.
type Pair = (usize, usize, f64, usize);

/// A phase polynomial at given parameters, split into low and high bits.
pub struct Phases {
    low_bits: usize,
    n_angles: usize,
    low: Vec<Single>,
    high: Vec<Single>,
    low_pairs: Vec<Pair>,
    high_pairs: Vec<Pair>,
    crossing: Vec<Pair>,
}

/// The phases of a block's outcomes but for the block's factor.
struct Table<T> {
    re: Vec<T>,
    im: Vec<T>,
}

impl Phases {
    /// Evaluates a polynomial for a state of `n_qubits`.
    pub fn new(polynomial: &PhasePolynomial, params: &[f64], n_qubits: usize) -> Self {
        let low_bits = n_qubits.min(TILE_QUBITS);
        let singles = polynomial.linear.iter().enumerate();
        let (low, high) =
            singles.map(|(i, (q, turn))| (*q, turn.at(params), i)).partition(|s| s.0 < low_bits);
        let pairs = polynomial.pairs.iter().zip(polynomial.linear.len()..);
        let (below, others): (Vec<Pair>, Vec<Pair>) = pairs
            .map(|(((q, r), turn), i)| (*q, *r, turn.at(params), i))
            .partition(|p| p.1 < low_bits);
        let (crossing, high_pairs) = others.into_iter().partition(|p| p.0 < low_bits);
        let n_angles = polynomial.linear.len() + polynomial.pairs.len();
        Self { low_bits, n_angles, low, high, low_pairs: below, high_pairs, crossing }
    }

    /// Number of angles, and of derivatives: linear ones first, then pairs.
    pub fn n_angles(&self) -> usize {
        self.n_angles
    }

    /// Multiplies a state by the phases.
    pub fn apply<T: Real>(&self, re: &mut [T], im: &mut [T], threads: Threads) {
        let width = 1 << self.low_bits;
        let n_blocks = re.len() / width;
        let (re, im) = (Shared::new(re), Shared::new(im));
        map_tasks(threads, n_tasks(n_blocks), |task| {
            let mut table = self.table();
            for start in tiles_of(task, n_blocks).map(|block| block * width) {
                self.update(&mut table, start);
                let range = start..start + width;
                // SAFETY: blocks do not overlap, and each is one task's.
                let (re, im) = unsafe { (re.piece(range.clone()), im.piece(range)) };
                let factor = self.factor(start);
                let (c, s) = (T::from_f64(factor.re), T::from_f64(factor.im));
                turn_block(re, im, &table.re, &table.im, c, s);
            }
        });
    }

    /// Takes the phases off a state and its cotangent and adds to `derivatives`, one for each
    /// angle, `-2 sum Im(conj(lambda) psi)` over the outcomes that the angle applies to.
    pub fn unapply<T: Real>(
        &self,
        psi: [&mut [T]; 2],
        lambda: [&mut [T]; 2],
        derivatives: &mut [f64],
        threads: Threads,
    ) {
        let width = 1 << self.low_bits;
        let n_blocks = psi[0].len() / width;
        let vectors = [psi, lambda].map(|vector| vector.map(Shared::new));
        let parts = map_tasks(threads, n_tasks(n_blocks), |task| {
            let mut table = self.table();
            let mut overlap = vec![T::ZERO; width];
            let mut sums = Sums::new(self.n_angles);
            for start in tiles_of(task, n_blocks).map(|block| block * width) {
                self.update(&mut table, start);
                // SAFETY: blocks do not overlap, and each is one task's.
                let [[psi_re, psi_im], [lambda_re, lambda_im]] =
                    vectors.map(|v| v.map(|part| unsafe { part.piece(start..start + width) }));
                overlap_block(psi_re, psi_im, lambda_re, lambda_im, &mut overlap);
                let factor = self.factor(start).conj();
                let (c, s) = (T::from_f64(factor.re), T::from_f64(factor.im));
                unturn_block(psi_re, psi_im, &table.re, &table.im, c, s);
                unturn_block(lambda_re, lambda_im, &table.re, &table.im, c, s);
                sums.add_block(self, start, &overlap);
            }
            sums.finish(self)
        });
        for part in parts {
            derivatives.iter_mut().zip(part).for_each(|(d, s)| *d -= 2.0 * s);
        }
    }

    /// The factor of the block whose first outcome is `start`.
    fn factor(&self, start: usize) -> Complex64 {
        let set = |q: usize| start >> q & 1 == 1;
        let singles = self.high.iter().filter(|s| set(s.0)).map(|s| s.1);
        let pairs = self.high_pairs.iter().filter(|p| set(p.0) && set(p.1)).map(|p| p.2);
        Complex64::cis(singles.chain(pairs).sum())
    }

    fn table<T: Real>(&self) -> Table<T> {
        let zeros = vec![T::ZERO; 1 << self.low_bits];
        let mut table = Table { re: zeros.clone(), im: zeros };
        self.fill(&mut table, 0);
        table
    }

    /// Makes the table right for the block whose first outcome is `start`.
    fn update<T: Real>(&self, table: &mut Table<T>, start: usize) {
        if !self.crossing.is_empty() {
            self.fill(table, start);
        }
    }

    fn fill<T: Real>(&self, table: &mut Table<T>, start: usize) {
        let mut angles = [0.0; TILE_QUBITS];
        self.low.iter().for_each(|s| angles[s.0] += s.1);
        self.crossing.iter().filter(|p| start >> p.1 & 1 == 1).for_each(|p| angles[p.0] += p.2);
        (table.re[0], table.im[0]) = (T::ONE, T::ZERO);
        for (q, angle) in angles[..self.low_bits].iter().enumerate() {
            let (re, new_re) = table.re[..2 << q].split_at_mut(1 << q);
            let (im, new_im) = table.im[..2 << q].split_at_mut(1 << q);
            let turn = Complex64::cis(*angle);
            new_re.copy_from_slice(re);
            new_im.copy_from_slice(im);
            let (c, s) = (T::from_f64(turn.re), T::from_f64(turn.im));
            turn_all(new_re, new_im, c, s);
            // Bit q is the highest so far: its pairs with lower bits act on the new half alone.
            for pair in self.low_pairs.iter().filter(|p| p.1 == q) {
                let turn = Complex64::cis(pair.2);
                let (c, s) = (T::from_f64(turn.re), T::from_f64(turn.im));
                let halves =
                    new_re.chunks_exact_mut(2 << pair.0).zip(new_im.chunks_exact_mut(2 << pair.0));
                for (re, im) in halves {
                    turn_all(&mut re[1 << pair.0..], &mut im[1 << pair.0..], c, s);
                }
            }
        }
    }
}

/// Sums of the overlap over the outcomes that each angle applies to.
struct Sums {
    by_angle: Vec<f64>,
    /// The overlap summed over blocks.
    low: Vec<f64>,
}

impl Sums {
    fn new(n_angles: usize) -> Self {
        Self { by_angle: vec![0.0; n_angles], low: Vec::new() }
    }

    fn add_block<T: Real>(&mut self, phases: &Phases, start: usize, overlap: &[T]) {
        let set = |q: usize| start >> q & 1 == 1;
        self.low.resize(overlap.len(), 0.0);
        self.low.iter_mut().zip(overlap).for_each(|(sum, w)| *sum += w.to_f64());
        if !phases.high.is_empty() || !phases.high_pairs.is_empty() {
            let total = total(overlap);
            phases.high.iter().filter(|s| set(s.0)).for_each(|s| self.by_angle[s.2] += total);
            let pairs = phases.high_pairs.iter().filter(|p| set(p.0) && set(p.1));
            pairs.for_each(|p| self.by_angle[p.3] += total);
        }
        if phases.crossing.iter().any(|p| set(p.1)) {
            let by_bit = sums_by_bit(overlap.iter().map(|w| w.to_f64()).collect());
            let pairs = phases.crossing.iter().filter(|p| set(p.1));
            pairs.for_each(|p| self.by_angle[p.3] += by_bit[p.0]);
        }
    }

    fn finish(mut self, phases: &Phases) -> Vec<f64> {
        for &(q, r, _, i) in &phases.low_pairs {
            let rows = self.low.chunks_exact(2 << r).map(|both| &both[1 << r..]);
            let columns = rows.flat_map(|row| row.chunks_exact(2 << q).map(|both| &both[1 << q..]));
            self.by_angle[i] += columns.flatten().sum::<f64>();
        }
        let by_bit = sums_by_bit(self.low);
        phases.low.iter().for_each(|&(q, _, i)| self.by_angle[i] += by_bit[q]);
        self.by_angle
    }
}

/// For each bit, the sum over the positions where it is set: folds the array in half from the top.
fn sums_by_bit(mut values: Vec<f64>) -> Vec<f64> {
    let n_bits = values.len().ilog2() as usize;
    let mut sums = vec![0.0; n_bits];
    for q in (0..n_bits).rev() {
        let (zeros, ones) = values[..2 << q].split_at_mut(1 << q);
        sums[q] = total(ones);
        zeros.iter_mut().zip(ones).for_each(|(a, b)| *a += *b);
    }
    sums
}

/// A sum in eight interleaved parts: an order of its own, but one that vectorises.
fn total<T: Real>(values: &[T]) -> f64 {
    let (chunks, rest) = values.as_chunks::<8>();
    let mut parts = [0.0; 8];
    for chunk in chunks {
        parts.iter_mut().zip(chunk).for_each(|(sum, v)| *sum += v.to_f64());
    }
    parts.iter().sum::<f64>() + rest.iter().map(|v| v.to_f64()).sum::<f64>()
}

/// Multiplies by one phase.
#[inline]
fn turn_all<T: Real>(re: &mut [T], im: &mut [T], c: T, s: T) {
    for (x, y) in re.iter_mut().zip(im) {
        (*x, *y) = (c * *x - s * *y, s * *x + c * *y);
    }
}

kernel! {
    /// Multiplies a block by its table times its factor (c, s).
    fn turn_block<T>(re: &mut [T], im: &mut [T], table_re: &[T], table_im: &[T], c: T, s: T) {
        for (((x, y), u), v) in re.iter_mut().zip(im).zip(table_re).zip(table_im) {
            let (u, v) = (fma::<T, FMA>(-s, *v, c * *u), fma::<T, FMA>(s, *u, c * *v));
            (*x, *y) = (fma::<T, FMA>(-v, *y, u * *x), fma::<T, FMA>(v, *x, u * *y));
        }
    }
}

kernel! {
    /// Multiplies a block by its table's conjugate times the factor (c, s).
    fn unturn_block<T>(re: &mut [T], im: &mut [T], table_re: &[T], table_im: &[T], c: T, s: T) {
        for (((x, y), u), v) in re.iter_mut().zip(im).zip(table_re).zip(table_im) {
            let (u, v) = (fma::<T, FMA>(s, *v, c * *u), fma::<T, FMA>(s, *u, -(c * *v)));
            (*x, *y) = (fma::<T, FMA>(-v, *y, u * *x), fma::<T, FMA>(v, *x, u * *y));
        }
    }
}

kernel! {
    /// Im(conj(lambda) psi).
    fn overlap_block<T>(psi_re: &[T], psi_im: &[T], lambda_re: &[T], lambda_im: &[T], overlap: &mut [T]) {
        let psi = psi_re.iter().zip(psi_im);
        let lambda = lambda_re.iter().zip(lambda_im);
        for ((w, (a, b)), (x, y)) in overlap.iter_mut().zip(psi).zip(lambda) {
            *w = fma::<T, FMA>(*x, *b, -(*y * *a));
        }
    }
}

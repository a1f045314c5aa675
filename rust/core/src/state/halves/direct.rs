//! Reading out a state that is all a product of two matrices: block by block, in the order of outcomes,
//! without ever being written as a whole.

use std::ops::Range;

use num_complex::Complex;

use super::products::{Grid, PANEL, contract_columns, contract_rows, multiply, multiply_complex};
use super::{Cotangents, Halves, Operands, cotangent, in_panel, parts_mut};
use crate::circuit::LinearMap;
use crate::parallel::{Threads, map_tasks_with};
use crate::simd::kernel;
use crate::state::array::Array;
use crate::state::real::{Real, fma};
use crate::state::tiles::Shared;

/// Amplitudes of a block, if rows are not longer: they are to stay in the first-level cache.
const BLOCK: usize = 1 << 11;
/// Rows of a block, at least.
const ROWS: usize = 16;
/// Amplitudes of a task, and how many tasks there are at least and at most: each adds up cotangents of
/// its own.
const TASK: usize = 1 << 16;
const TASKS: Range<usize> = 8..32;

/// What a last relabelling adds to the high qubits' outcome: the panels of columns fall into equal parts,
/// for each of which it is another number.
#[derive(Debug, Clone)]
pub struct Shear(Vec<usize>);

impl Shear {
    /// None where it does more than that.
    pub fn of(relabelling: &LinearMap, n_low: usize) -> Option<Self> {
        let n_columns = 1u64 << n_low;
        let added = |q: usize| relabelling.linear(1 << q) ^ 1 << q;
        let mut by_part = vec![0];
        for q in 0..relabelling.n_bits() {
            let is_high = added(q).is_multiple_of(n_columns);
            if !is_high || (added(q) != 0 && (q >= n_low || 1 << q < PANEL)) {
                return None;
            }
        }
        if relabelling.apply(0) != 0 {
            return None;
        }
        // The lowest qubit that something is told of; those above it number the parts.
        let first = (0..n_low).find(|q| added(*q) != 0).unwrap_or(n_low);
        for q in first..n_low {
            let word = (added(q) / n_columns) as usize;
            by_part.extend_from_within(..);
            let half = by_part.len() / 2;
            by_part[half..].iter_mut().for_each(|part| *part ^= word);
        }
        Some(Self(by_part))
    }
}

/// What is asked of a state.
pub enum Read<'a, T> {
    /// Its amplitudes.
    Amplitudes(&'a mut [Complex<T>]),
    /// The probability of every outcome.
    Probabilities(&'a mut [f64]),
    /// To be added to, the derivatives of `sum_z cotangent(z) |psi(z)|^2`.
    Gradient {
        /// For every outcome.
        cotangent: &'a [f64],
        /// Taken off all of them: a constant has no gradient, but its rounding errors would.
        shift: f64,
        /// One derivative for each parameter.
        gradient: &'a mut [f64],
    },
    /// The same where a cotangent is 0 for all but some outcomes.
    GradientAt {
        /// The outcomes, as often as something is to be added to their cotangent.
        outcomes: &'a [u32],
        /// For each of them.
        cotangent: &'a [f64],
        /// One derivative for each parameter.
        gradient: &'a mut [f64],
    },
}

/// Some rows of a state, panel by panel.
struct Block<T> {
    n_rows: usize,
    re: Array<T>,
    im: Array<T>,
    /// Of both, where that is asked for.
    sum: Array<T>,
}

impl<T: Real> Halves<'_, T> {
    /// Reads out the state, times a phase of the whole.
    pub fn read(&self, asked: Read<'_, T>, turned: f64, threads: Threads) {
        let n_columns = self.n_columns();
        let places = |rows: &Range<usize>| rows.start * n_columns..rows.end * n_columns;
        match asked {
            Read::Amplitudes(out) => {
                let (sin, cos) = turned.sin_cos();
                let phase = [cos, sin].map(T::from_f64);
                let out = Shared::new(out);
                self.each_block(
                    threads,
                    || (),
                    || (),
                    |(), (), rows| {
                        // SAFETY: blocks do not overlap.
                        self.amplitudes(rows.clone(), phase, unsafe { out.piece(places(&rows)) });
                    },
                );
            }
            Read::Probabilities(out) => {
                let out = Shared::new(out);
                self.each_block(
                    threads,
                    || self.block(),
                    || (),
                    |block, (), rows| {
                        self.fill(block, rows.clone());
                        // SAFETY: as above.
                        probabilities(block, self.is_real(), unsafe { out.piece(places(&rows)) });
                    },
                );
            }
            Read::Gradient { cotangent, shift, gradient } => {
                let none = || self.no_cotangents();
                let found = self.each_block(
                    threads,
                    || self.block(),
                    none,
                    |block, found, rows| {
                        self.fill(block, rows.clone());
                        scale(block, self.is_real(), &cotangent[places(&rows)], shift);
                        self.contract_block(block, rows.start, found);
                    },
                );
                let mut tasks = found.into_iter();
                if let Some(mut all) = tasks.next() {
                    tasks.for_each(|found| all.add(&found));
                    self.pull_back(all, gradient);
                }
            }
            Read::GradientAt { outcomes, cotangent, gradient } => {
                let mut found = self.no_cotangents();
                for (z, f) in outcomes.iter().zip(cotangent) {
                    self.contract_at(*z as usize, T::from_f64(*f), &mut found);
                }
                self.pull_back(found, gradient);
            }
        }
    }

    /// Works on blocks of rows, each thread in a room of its own; a task has some blocks, and a value of
    /// its own.
    fn each_block<B: Send, R: Send>(
        &self,
        threads: Threads,
        room: impl Fn() -> B,
        value: impl Fn() -> R + Sync,
        work: impl Fn(&mut B, &mut R, Range<usize>) + Sync,
    ) -> Vec<R> {
        let (n_rows, rows) = (self.all.n_rows(), self.block_rows());
        let mut rooms: Vec<B> = (0..threads.number()).map(|_| room()).collect();
        let n_blocks = n_rows / rows;
        // As many for any number of threads, so that sums are added up alike.
        let n_tasks = match self.all.threads {
            Threads::One => 1,
            Threads::Pool => (n_rows * self.n_columns() / TASK).clamp(TASKS.start, TASKS.end),
        };
        let n_tasks = n_tasks.min(n_blocks);
        map_tasks_with(&mut rooms, n_tasks, |room, task| {
            let mut value = value();
            for number in task * n_blocks / n_tasks..(task + 1) * n_blocks / n_tasks {
                work(room, &mut value, number * rows..(number + 1) * rows);
            }
            value
        })
    }

    fn block_rows(&self) -> usize {
        (BLOCK / self.n_columns()).max(ROWS).min(self.all.n_rows())
    }

    /// Room for a block.
    fn block(&self) -> Block<T> {
        let n_rows = self.block_rows();
        let room = |quarter| Array::beside(quarter, n_rows * self.n_columns());
        Block { n_rows, re: room(0), im: room(2), sum: room(1) }
    }

    /// Writes some outcomes' rows to a block.
    fn fill(&self, block: &mut Block<T>, rows: Range<usize>) {
        let (low, high) = (self.low.first(), self.high.second());
        let grid = Grid::by_panels(self.n_columns(), block.n_rows);
        for (panels, rows) in self.parts(rows) {
            multiply(low, high, panels, &rows, grid, [&mut block.re, &mut block.im]);
        }
    }

    /// Writes some outcomes' rows as complex numbers.
    fn amplitudes(&self, rows: Range<usize>, phase: [T; 2], out: &mut [Complex<T>]) {
        let (low, high) = (self.low.first(), self.high.second());
        let grid = Grid::by_rows(self.n_columns());
        for (panels, rows) in self.parts(rows) {
            multiply_complex(low, high, panels, &rows, grid, phase, out);
        }
    }

    fn contract_block(&self, block: &Block<T>, first: usize, found: &mut Cotangents<T>) {
        let lambda = if self.is_real() {
            [&block.re[..], &[], &[]]
        } else {
            cotangent(&block.re, &block.im, &block.sum)
        };
        let [of_low, of_high] = &mut found.0;
        let grid = Grid::by_panels(self.n_columns(), block.n_rows);
        for (panels, rows) in self.parts(first..first + block.n_rows) {
            let (low, high) = (self.low.conjugate(), self.high.conjugate());
            contract_rows(lambda, low, panels.clone(), &rows, grid, parts_mut(of_high));
            contract_columns(lambda, high, panels, &rows, grid, parts_mut(of_low));
        }
    }

    /// Adds what one outcome's cotangent makes of the sides'.
    fn contract_at(&self, outcome: usize, factor: T, found: &mut Cotangents<T>) {
        let (row, x) = (outcome / self.n_columns(), outcome % self.n_columns());
        let shear = self.shear();
        let y = row ^ shear[x * shear.len() / self.n_columns()];
        let by_path = self.high.parts[0].len() / self.all.n_paths;
        let places = |p: usize| [in_panel(p, x, self.all.n_paths, PANEL), p * by_path + y];
        // Where there are no imaginary parts, they are 0.
        let number = |side: &Operands<T>, at: usize| {
            let [re, im] = side.parts.each_ref().map(|part| part.get(at).copied());
            Complex::new(re.unwrap_or(T::ZERO), im.unwrap_or(T::ZERO))
        };
        let paths = 0..self.all.n_paths;
        let pair = |p: usize| {
            let [at_low, at_high] = places(p);
            (number(&self.low, at_low), number(&self.high, at_high))
        };
        let (mut re, mut im) = (T::ZERO, T::ZERO);
        for (a, b) in paths.clone().map(pair) {
            re += factor * (a.re * b.re - a.im * b.im);
            im += factor * (a.re * b.im + a.im * b.re);
        }
        for p in paths {
            let (a, b) = pair(p);
            for ((side, at), other) in found.0.iter_mut().zip(places(p)).zip([b, a]) {
                let add = [re * other.re + im * other.im, im * other.re - re * other.im];
                for (part, add) in side.iter_mut().zip(add).filter(|(part, _)| !part.is_empty()) {
                    part[at] += add;
                }
            }
        }
    }

    /// What is added to the high qubits' outcome, for each part of the columns.
    fn shear(&self) -> &[usize] {
        let Shear(by_part) = self.all.shear.as_ref().expect("only asked for if it is direct");
        by_part
    }

    fn n_columns(&self) -> usize {
        self.low.parts[0].len() / self.all.n_paths
    }

    /// The parts of some outcomes' rows: panels, and the rows of the high side that belong there.
    fn parts(&self, rows: Range<usize>) -> impl Iterator<Item = (Range<usize>, Vec<usize>)> + '_ {
        let by_part = self.shear();
        let width = self.n_columns() / PANEL / by_part.len();
        by_part.iter().enumerate().map(move |(part, added)| {
            let of_high = rows.clone().map(|row| row ^ added).collect();
            (part * width..(part + 1) * width, of_high)
        })
    }
}

/// The rows of a block's panels: where each stands in the block, and in outcomes' order.
#[inline(always)]
fn pieces<T>(block: &Block<T>, len: usize) -> impl Iterator<Item = [Range<usize>; 2]> + use<T> {
    let n_rows = block.n_rows;
    let n_columns = len / n_rows;
    (0..n_columns / PANEL).flat_map(move |panel| {
        (0..n_rows).map(move |row| {
            let own = (panel * n_rows + row) * PANEL;
            let place = row * n_columns + panel * PANEL;
            [own..own + PANEL, place..place + PANEL]
        })
    })
}

kernel! {
    /// Writes the probabilities of a block.
    fn probabilities<T>(block: &Block<T>, is_real: bool, out: &mut [f64]) {
        for [own, place] in pieces(block, out.len()) {
            let (x, y, out) = (&block.re[own.clone()], &block.im[own], &mut out[place]);
            if is_real {
                out.iter_mut().zip(x).for_each(|(q, x)| *q = x.to_f64() * x.to_f64());
                continue;
            }
            for ((q, x), y) in out.iter_mut().zip(x).zip(y) {
                let (x, y) = (x.to_f64(), y.to_f64());
                *q = fma::<f64, FMA>(y, y, x * x);
            }
        }
    }
}

kernel! {
    /// Multiplies a block by factors, less a shift, and adds up its parts.
    fn scale<T>(block: &mut Block<T>, is_real: bool, factors: &[f64], shift: f64) {
        for [own, place] in pieces(block, factors.len()) {
            let Block { re, im, sum, .. } = &mut *block;
            let (re, factors) = (&mut re[own.clone()], &factors[place]);
            if is_real {
                re.iter_mut().zip(factors).for_each(|(x, f)| *x = T::from_f64(f - shift) * *x);
                continue;
            }
            let (im, sum) = (&mut im[own.clone()], &mut sum[own]);
            for (((x, y), sum), f) in re.iter_mut().zip(im).zip(sum).zip(factors) {
                let f = T::from_f64(f - shift);
                (*x, *y) = (f * *x, f * *y);
                *sum = *x + *y;
            }
        }
    }
}

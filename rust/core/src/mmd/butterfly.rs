//! Butterflies: one 2x2 map applied along every bit of the index of a 2^n-vector.
//!
//! A few bits at a time, held in registers; all bits of a tile while it is in cache; then, the tiles
//! being the rows of a matrix, the bits above for some columns at a time.

use super::passes::transform_bits;
use crate::parallel::{Threads, map_tasks};
use crate::state::{Array, Shared};

use rayon::prelude::*;

/// Numbers that are passed over in the second-level cache.
pub(super) const TILE: usize = 1 << 15;
/// Numbers of the columns that a thread takes at a time, unless they are long: then so many columns.
const COLUMNS: (usize, usize) = (1 << 12, 16);

/// A map of the pair of entries whose indices differ in one bit, the entry with bit 0 first.
#[derive(Debug, Clone, Copy)]
pub(super) enum Pair {
    /// (a, b) becomes (a + b, a - b): the Walsh-Hadamard transform.
    SumAndDifference,
    /// (a, b) becomes (a + e b, e a + b): one bit's factor of a kernel.
    Mix(f64),
}

/// Applies `pair` along every bit of the index; `v` has 2^n entries.
///
/// Every entry goes through the same operations however the parts are spread over threads.
pub(super) fn transform(v: &mut [f64], pair: Pair) {
    transform_tiles(v, pair);
    if v.len() > TILE {
        map_columns(v, true, |columns| columns.transform(pair));
    }
}

/// As [`transform`], of each tile by itself.
pub(super) fn transform_tiles(v: &mut [f64], pair: Pair) {
    each_tile(v, |tile, _| transform_bits(tile, 0, pair));
}

/// Runs `work` on each tile and the place where it begins, and returns the results in order.
pub(super) fn each_tile<R: Send>(
    v: &mut [f64],
    work: impl Fn(&mut [f64], usize) -> R + Sync + Send,
) -> Vec<R> {
    let tiles = v.par_chunks_mut(TILE).enumerate();
    tiles.map(|(i, tile)| work(tile, i * TILE)).collect()
}

/// Some columns of a matrix whose rows are the tiles.
pub(super) struct Columns {
    numbers: Array<f64>,
    width: usize,
    first: usize,
}

impl Columns {
    /// Applies `pair` along every bit of the row.
    pub(super) fn transform(&mut self, pair: Pair) {
        transform_bits(&mut self.numbers, self.width.ilog2() as usize, pair);
    }

    /// The part of each row, and where it stands in the vector.
    pub(super) fn rows(&mut self) -> impl Iterator<Item = (&mut [f64], usize)> {
        let rows = self.numbers.chunks_exact_mut(self.width).enumerate();
        rows.map(|(row, values)| (values, row * TILE + self.first))
    }
}

/// Runs `work` on all columns of a vector longer than a tile and returns the results in order; what
/// it leaves in them is written back or lost.
pub(super) fn map_columns<R: Send>(
    v: &mut [f64],
    write_back: bool,
    work: impl Fn(&mut Columns) -> R + Sync + Send,
) -> Vec<R> {
    let n_rows = v.len() / TILE;
    let width = (COLUMNS.0 / n_rows).clamp(COLUMNS.1, TILE);
    let shared = Shared::new(v);
    map_tasks(Threads::Pool, TILE / width, |task| {
        let first = task * width;
        let numbers = Array::new(n_rows * width);
        let mut columns = Columns { numbers, width, first };
        // SAFETY: tasks take different columns.
        let piece = |start| unsafe { shared.piece(start..start + width) };
        columns.rows().for_each(|(row, start)| row.copy_from_slice(piece(start)));
        let result = work(&mut columns);
        if write_back {
            columns.rows().for_each(|(row, start)| piece(start).copy_from_slice(row));
        }
        result
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_size_takes_every_bit_once_and_in_order() {
        // Sizes on both sides of the lanes, the block and the tile, and one of many tiles.
        for n in (0..=17).chain([21]) {
            for pair in [Pair::SumAndDifference, Pair::Mix(0.125)] {
                let start: Vec<f64> =
                    (0..1 << n).map(|i| f64::from(i % 9973 * 7919 % 1009) - 400.0).collect();
                let mut naive = start.clone();
                for bit in 0..n {
                    for i in (0..1usize << n).filter(|i| i >> bit & 1 == 0) {
                        let j = i | 1 << bit;
                        let (a, b) = (naive[i], naive[j]);
                        (naive[i], naive[j]) = match pair {
                            Pair::SumAndDifference => (a + b, a - b),
                            Pair::Mix(e) => (a + e * b, e * a + b),
                        };
                    }
                }
                let mut v = start;
                transform(&mut v, pair);
                match pair {
                    // Integers below 2^53: nothing is rounded.
                    Pair::SumAndDifference => assert_eq!(v, naive, "{n} bits"),
                    // Two roundings a bit, of numbers of at most 609 * 1.125^n.
                    Pair::Mix(_) => {
                        let bound = 2.0 * f64::from(n) * f64::EPSILON * 609.0 * 1.125f64.powi(n);
                        assert!(v.iter().zip(&naive).all(|(v, w)| (v - w).abs() <= bound), "{n}");
                    }
                }
            }
        }
    }
}

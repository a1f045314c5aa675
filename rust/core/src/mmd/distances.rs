//! Histograms of the Hamming distances between rows: exact integers, whoever counts what.

use super::tile::{MAX_BITS, TILE_ROWS, Tile};
use crate::bits::PackedBits;
use crate::simd::kernel;

use rayon::prelude::*;

/// Rows that one thread compares with a tile at a time.
const BLOCK_ROWS: usize = 1 << 14;
/// Rows that one thread compares with all others at a time, where there are no tiles.
const FEW_ROWS: usize = 64;
/// Fewer pairs than this are counted before a tile is made.
const FEW_PAIRS: usize = 1 << 15;

/// Rows to compare: all pairs of the two are at distances of one parity.
struct Task<'a> {
    tile: &'a [u64],
    rows: &'a [u64],
    parity: usize,
    /// How often its pairs count.
    weight: u64,
}

/// How many pairs of a row of `a` and a row of `b` are at each distance 0..=n.
pub(super) fn between(a: &PackedBits, b: &PackedBits) -> Vec<u64> {
    if a.n_bits() > MAX_BITS || a.len().saturating_mul(b.len()) < FEW_PAIRS {
        return pair_by_pair(a, b);
    }
    let (a_rows, b_rows) = (by_parity(a), by_parity(b));
    let mut tasks = Vec::new();
    for (i, a_rows) in a_rows.iter().enumerate() {
        for (j, b_rows) in b_rows.iter().enumerate() {
            tasks.extend(all_pairs(a_rows, b_rows, a.words_per_row(), i ^ j, 1));
        }
    }
    add_up(&tasks, a.n_bits())
}

/// As [`between`] the rows and themselves: ordered pairs, each row with itself included.
pub(super) fn within(rows: &PackedBits) -> Vec<u64> {
    if rows.n_bits() > MAX_BITS || rows.len().saturating_mul(rows.len()) < FEW_PAIRS {
        return pair_by_pair(rows, rows);
    }
    let words = rows.words_per_row();
    let [even, odd] = by_parity(rows);
    let mut tasks: Vec<_> = all_pairs(&even, &odd, words, 1, 2).collect();
    for rows in [&even, &odd] {
        // A tile meets itself and the rows after it, which count for both orders.
        for (i, tile) in rows.chunks(TILE_ROWS * words).enumerate() {
            let later = &rows[i * TILE_ROWS * words + tile.len()..];
            tasks.extend(all_pairs(tile, tile, words, 0, 1));
            tasks.extend(all_pairs(later, tile, words, 0, 2));
        }
    }
    add_up(&tasks, rows.n_bits())
}

/// The rows with an even and with an odd number of ones. How far apart two rows are is even if they
/// are in the same half, and odd if not: only half as many distances have to be told apart.
fn by_parity(rows: &PackedBits) -> [Vec<u64>; 2] {
    let mut halves = [Vec::new(), Vec::new()];
    for row in rows.words().chunks_exact(rows.words_per_row()) {
        let ones: u32 = row.iter().map(|word| word.count_ones()).sum();
        halves[ones as usize % 2].extend_from_slice(row);
    }
    halves
}

fn all_pairs<'a>(
    rows: &'a [u64],
    tiles: &'a [u64],
    words: usize,
    parity: usize,
    weight: u64,
) -> impl Iterator<Item = Task<'a>> {
    tiles.chunks(TILE_ROWS * words).flat_map(move |tile| {
        let blocks = rows.chunks(BLOCK_ROWS * words);
        blocks.map(move |rows| Task { tile, rows, parity, weight })
    })
}

fn add_up(tasks: &[Task<'_>], n_bits: usize) -> Vec<u64> {
    let count = |task: &Task<'_>| {
        let mut halves = vec![0; n_bits / 2 + 1];
        Tile::new(task.tile, n_bits).count(task.rows, &mut halves);
        let mut counts = vec![0; n_bits + 1];
        for (count, half) in counts.iter_mut().skip(task.parity).step_by(2).zip(halves) {
            *count = task.weight * half;
        }
        counts
    };
    sum(tasks.par_iter().map(count), n_bits)
}

fn sum(parts: impl ParallelIterator<Item = Vec<u64>>, n_bits: usize) -> Vec<u64> {
    parts.reduce(
        || vec![0; n_bits + 1],
        |mut total, counts| {
            total.iter_mut().zip(counts).for_each(|(total, count)| *total += count);
            total
        },
    )
}

/// As [`between`], without tiles.
fn pair_by_pair(a: &PackedBits, b: &PackedBits) -> Vec<u64> {
    let blocks = a.words().par_chunks(FEW_ROWS * a.words_per_row());
    sum(blocks.map(|a| count_each(a, b.words(), b.n_bits())), a.n_bits())
}

kernel! {
    fn count_each(a: &[u64], b: &[u64], n_bits: usize) -> Vec<u64> {
        let mut counts = vec![0; n_bits + 1];
        let words = n_bits.div_ceil(64);
        if words == 1 {
            // The common length is compiled apart, without a loop over words.
            for a in a {
                b.iter().for_each(|b| counts[(a ^ b).count_ones() as usize] += 1);
            }
        } else {
            for a in a.chunks_exact(words) {
                b.chunks_exact(words).for_each(|b| counts[hamming(a, b)] += 1);
            }
        }
        counts
    }
}

/// The Hamming distance of two packed rows.
#[inline(always)]
pub(super) fn hamming(a: &[u64], b: &[u64]) -> usize {
    a.iter().zip(b).map(|(a, b)| (a ^ b).count_ones() as usize).sum()
}

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
    if is_worth_tiles(a, b) { between_tiles(a, b) } else { pair_by_pair(a, b) }
}

/// As [`between`] the rows and themselves: ordered pairs, each row with itself included.
pub(super) fn within(rows: &PackedBits) -> Vec<u64> {
    if is_worth_tiles(rows, rows) { within_tiles(rows) } else { pair_by_pair(rows, rows) }
}

fn is_worth_tiles(a: &PackedBits, b: &PackedBits) -> bool {
    a.n_bits() <= MAX_BITS && a.len().saturating_mul(b.len()) >= FEW_PAIRS
}

fn between_tiles(a: &PackedBits, b: &PackedBits) -> Vec<u64> {
    let (a_rows, b_rows) = (by_parity(a), by_parity(b));
    let mut tasks = Vec::new();
    for (i, a_rows) in a_rows.iter().enumerate() {
        for (j, b_rows) in b_rows.iter().enumerate() {
            tasks.extend(all_pairs(a_rows, b_rows, a.words_per_row(), i ^ j, 1));
        }
    }
    add_up(&tasks, a.n_bits())
}

fn within_tiles(rows: &PackedBits) -> Vec<u64> {
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
        let words = n_bits.div_ceil(64);
        if words > 1 {
            let mut counts = vec![0; n_bits + 1];
            for a in a.chunks_exact(words) {
                b.chunks_exact(words).for_each(|b| counts[hamming(a, b)] += 1);
            }
            return counts;
        }
        // In turn: equal distances in a row do not wait for one another.
        let mut turns = [[0; 65]; 4];
        let (groups, rest) = b.as_chunks::<4>();
        for a in a {
            for group in groups {
                for (counts, b) in turns.iter_mut().zip(group) {
                    counts[(a ^ b).count_ones() as usize] += 1;
                }
            }
            rest.iter().for_each(|b| turns[0][(a ^ b).count_ones() as usize] += 1);
        }
        (0..=n_bits).map(|d| turns.iter().map(|counts| counts[d]).sum()).collect()
    }
}

/// The Hamming distance of two packed rows.
#[inline(always)]
pub(super) fn hamming(a: &[u64], b: &[u64]) -> usize {
    a.iter().zip(b).map(|(a, b)| (a ^ b).count_ones() as usize).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bits::bit;
    use crate::rng::{Purpose, generator, uniform};

    fn draw(n_rows: usize, n_bits: usize, p_one: f64, seed: u64) -> PackedBits {
        let rng = &mut generator(seed, Purpose::Prior, 0, 0);
        let bytes: Vec<u8> = (0..n_rows * n_bits).map(|_| (uniform(rng) < p_one).into()).collect();
        PackedBits::from_bytes("bits", &bytes, n_bits).unwrap()
    }

    fn naive(a: &PackedBits, b: &PackedBits) -> Vec<u64> {
        let mut counts = vec![0; a.n_bits() + 1];
        for i in 0..a.len() {
            for j in 0..b.len() {
                let differs = |k: &usize| bit(a.row(i), *k) != bit(b.row(j), *k);
                counts[(0..a.n_bits()).filter(differs).count()] += 1;
            }
        }
        counts
    }

    fn check(a: &PackedBits, b: &PackedBits) {
        let what = format!("{} and {} rows of {} bits", a.len(), b.len(), a.n_bits());
        let want = naive(a, b);
        assert_eq!(pair_by_pair(a, b), want, "{what}, pair by pair");
        if a.n_bits() <= MAX_BITS {
            assert_eq!(between_tiles(a, b), want, "{what}, in tiles");
            assert_eq!(within_tiles(a), naive(a, a), "{what}, in tiles, within");
        }
        assert_eq!((between(a, b), within(a)), (want, naive(a, a)), "{what}");
    }

    #[test]
    fn every_number_of_bits() {
        for n in (1..=70).chain([95, 96, 127, 128, 129, 191, 192, 193, 238, 239, 240, 300]) {
            check(&draw(21, n, 0.3, 1), &draw(11, n, 0.6, 2));
        }
    }

    #[test]
    fn every_number_of_rows_around_lanes_steps_and_tiles() {
        for rows in (1..=20).chain([63, 64, 65, 127, 129, 500, 512, 513, 1030]) {
            for n in [7, 64, 65] {
                check(&draw(rows, n, 0.4, 3), &draw(rows.div_ceil(3), n, 0.5, 4));
                check(&draw(rows.div_ceil(5), n, 0.4, 5), &draw(rows, n, 0.5, 6));
            }
        }
    }

    #[test]
    fn equal_and_opposite_rows() {
        for n in [1, 15, 16, 31, 32, 64, 128, 239, 240] {
            let [zeros, ones] = [0.0, 2.0].map(|p_one| draw(200, n, p_one, 0));
            check(&zeros, &ones);
            check(&ones, &ones);
        }
    }

    #[test]
    fn more_rows_than_a_task_takes() {
        let (a, b) = (draw(2 * BLOCK_ROWS + 77, 13, 0.5, 7), draw(40, 13, 0.4, 8));
        assert_eq!(between(&a, &b), naive(&a, &b));
        let total: u64 = within(&a).iter().sum();
        assert_eq!(total, (a.len() * a.len()) as u64);
    }
}

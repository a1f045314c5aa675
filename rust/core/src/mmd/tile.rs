//! Distances to 512 rows at a time, bit-sliced: word k of slice s holds bit s of the distances to
//! 64 of the rows, so one logical operation on words does the same step for 64 pairs.
//!
//! A row is read three bits at a time. Each value that three bits can have comes with the bit-sliced
//! distances to the tile's rows there, made once; a pair then costs a few additions of small
//! numbers. Distances are told apart by their bits again, and counted in carry-save adders.

use crate::simd::{counts_ones_in_lanes, kernel};

/// Words in a slice.
const LANES: usize = 8;
/// Rows in a tile.
pub(super) const TILE_ROWS: usize = 64 * LANES;
/// Bits of a distance.
const SLICES: usize = 8;
/// Rows whose distances to the tile are counted together.
const STEP: usize = 8;
/// Longest rows: distances from here on mark pairs that do not exist.
pub(super) const MAX_BITS: usize = 239;
/// Distances of one parity that share their upper bits.
const OCTANT: usize = 8;
const OCTANTS: usize = (MAX_BITS + 1) / (2 * OCTANT);

/// One bit of each row.
type Slice = [u64; LANES];
/// One bit of each row's distances to a step of others.
type Step = [u64; STEP * LANES];
/// For each value of three bits, the distances (0 to 3) there.
type Triple = [[Slice; 2]; 8];
/// Triples in 32 bits; the last one has two bits.
const TRIPLES: usize = 11;

/// Up to [`TILE_ROWS`] rows, prepared for comparison with others.
pub(super) struct Tile {
    /// For each half of a word.
    halves: Vec<[Triple; TRIPLES]>,
    words_per_row: usize,
    n_octants: usize,
    /// Where there is no row, if the tile is not full.
    absent: Option<Slice>,
}

impl Tile {
    /// A tile of rows of `n_bits` bits.
    pub(super) fn new(rows: &[u64], n_bits: usize) -> Self {
        let words_per_row = n_bits.div_ceil(64);
        let n_rows = rows.len() / words_per_row;
        debug_assert!(n_rows <= TILE_ROWS && n_bits <= MAX_BITS);
        let mut columns = vec![[0; LANES]; 64 * words_per_row];
        for (i, row) in rows.chunks_exact(words_per_row).enumerate() {
            for (word, columns) in row.iter().zip(columns.chunks_exact_mut(64)) {
                columns[i % 64][i / 64] = *word;
            }
        }
        for columns in columns.chunks_exact_mut(64) {
            transpose(columns);
        }
        let mut halves = vec![[[[[0; LANES]; 2]; 8]; TRIPLES]; n_bits.div_ceil(32)];
        for (half, columns) in halves.iter_mut().zip(columns.chunks_exact(32)) {
            for (triple, columns) in half.iter_mut().zip(columns.chunks(3)) {
                tabulate(triple, columns);
            }
        }
        let absent = (n_rows < TILE_ROWS).then(|| {
            std::array::from_fn(|k| match n_rows.saturating_sub(64 * k) {
                0 => !0,
                n if n < 64 => !0 << n,
                _ => 0,
            })
        });
        Self { halves, words_per_row, n_octants: n_bits / (2 * OCTANT) + 1, absent }
    }

    /// Adds to `counts[d / 2]` the number of pairs of one of `rows` and one of the tile's at
    /// distance d. The lowest bit of d is not looked at, as rows come sorted by parity.
    pub(super) fn count(&self, rows: &[u64], counts: &mut [u64]) {
        #[cfg(target_arch = "x86_64")]
        if counts_ones_in_lanes() {
            // SAFETY: this processor has AVX-512 and its counts of ones.
            return unsafe { count_pairs_in_lanes(self, rows, counts) };
        }
        count_pairs(self, rows, counts);
    }
}

kernel! {
    /// Exchanges rows and columns of 64 x 64 bits in every lane.
    fn transpose(square: &mut [Slice]) {
        let mut width = 32;
        // Bits whose index has `width` in it.
        let mut upper = !0u64 << 32;
        while width > 0 {
            for i in (0..64).filter(|i| i & width == 0) {
                for k in 0..LANES {
                    let (a, b) = (square[i][k], square[i + width][k]);
                    let swap = (a >> width ^ b) & !upper;
                    square[i][k] = a ^ swap << width;
                    square[i + width][k] = b ^ swap;
                }
            }
            width /= 2;
            upper ^= upper >> width;
        }
    }
}

kernel! {
    /// The distances of up to three bits to each value they can be compared with.
    fn tabulate(triple: &mut Triple, columns: &[Slice]) {
        for (value, distances) in triple.iter_mut().enumerate() {
            for k in 0..LANES {
                let differs = |i: usize| match columns.get(i) {
                    Some(column) => column[k] ^ 0u64.wrapping_sub(value as u64 >> i & 1),
                    None => 0,
                };
                let (sum, carry) = full_adder(differs(0), differs(1), differs(2));
                (distances[0][k], distances[1][k]) = (sum, carry);
            }
        }
    }
}

kernel! {
    fn count_pairs(tile: &Tile, rows: &[u64], counts: &mut [u64]) {
        count_steps::<false>(tile, rows, counts);
    }
}

/// As [`count_pairs`], where the ones of all lanes are counted in one instruction.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512vpopcntdq,avx2,bmi2,popcnt")]
fn count_pairs_in_lanes(tile: &Tile, rows: &[u64], counts: &mut [u64]) {
    count_steps::<true>(tile, rows, counts);
}

#[inline(always)]
fn count_steps<const IN_LANES: bool>(tile: &Tile, rows: &[u64], counts: &mut [u64]) {
    // A number of turns that the compiler does not know: it would unroll them all and lose the lanes.
    let lanes = std::hint::black_box(LANES).min(LANES);
    let mut distances = [[0; STEP * LANES]; SLICES];
    // Of each octant's distances how often they were found: bits 0 to 2 of a number, and the rest.
    let mut found = [[[[0u64; LANES]; 4]; OCTANT]; OCTANTS];
    for rows in rows.chunks(STEP * tile.words_per_row) {
        let mut present = rows.chunks_exact(tile.words_per_row);
        for r in 0..STEP {
            let sums = match present.next() {
                Some(row) => measure(tile, row),
                None => [[!0; LANES]; SLICES],
            };
            for (slice, sums) in distances.iter_mut().zip(&sums) {
                slice[r * LANES..(r + 1) * LANES].copy_from_slice(sums);
            }
        }
        if let Some(absent) = &tile.absent {
            for slice in &mut distances[4..] {
                slice.iter_mut().zip(absent.iter().cycle()).for_each(|(word, no)| *word |= no);
            }
        }
        let low = lower_bits(&distances);
        for (octant, found) in found[..tile.n_octants].iter_mut().enumerate() {
            let high = upper_bits(&distances, octant);
            // Distances crowd about their mean: most octants are empty.
            if high.iter().fold(0, |any, word| any | word) != 0 {
                for (low, found) in low.iter().zip(found) {
                    if IN_LANES {
                        add_in_lanes(low, &high, found, lanes);
                    } else {
                        add(low, &high, found);
                    }
                }
            }
        }
    }
    let found = found.as_flattened().iter().take(counts.len());
    for (count, [ones, twos, fours, more]) in counts.iter_mut().zip(found) {
        for k in 0..LANES {
            let bits = |slice: &Slice| u64::from(slice[k].count_ones());
            *count += bits(ones) + 2 * bits(twos) + 4 * bits(fours) + more[k];
        }
    }
}

/// The distances of one row to the tile's.
///
/// Loops over lanes write to arrays of their own: the compiler need not fear that they change what
/// is still to be read, and takes all lanes at once.
#[inline(always)]
fn measure(tile: &Tile, row: &[u64]) -> [Slice; SLICES] {
    let mut distances = [[0; LANES]; SLICES];
    for (h, half) in tile.halves.iter().enumerate() {
        let bits = (row[h / 2] >> (32 * (h % 2))) as u32;
        let triples: [&[Slice; 2]; TRIPLES] =
            std::array::from_fn(|i| &half[i][(bits >> (3 * i)) as usize & 7]);
        let mut sums = [[0; LANES]; SLICES];
        if h == 0 {
            for k in 0..LANES {
                let sum = half_word(&triples, k);
                (0..6).for_each(|s| sums[s][k] = sum[s]);
            }
        } else {
            for k in 0..LANES {
                let [a, b, c, d, e, f] = half_word(&triples, k);
                let before: [u64; SLICES] = std::array::from_fn(|s| distances[s][k]);
                let sum = sum([a, b, c, d, e, f, 0, 0], before);
                (0..SLICES).for_each(|s| sums[s][k] = sum[s]);
            }
        }
        distances = sums;
    }
    distances
}

/// The sum of the triples' distances.
#[inline(always)]
fn half_word(triples: &[&[Slice; 2]; TRIPLES], k: usize) -> [u64; 6] {
    let (bit_0, carries) = column::<TRIPLES, 5>(std::array::from_fn(|i| triples[i][0][k]));
    let (bit_1, carries) = column::<16, 8>(std::array::from_fn(|i| match i.checked_sub(TRIPLES) {
        None => triples[i][1][k],
        Some(i) => carries[i],
    }));
    let (bit_2, carries) = column::<8, 4>(carries);
    let (bit_3, carries) = column::<4, 2>(carries);
    let (bit_4, [bit_5]) = column::<2, 1>(carries);
    [bit_0, bit_1, bit_2, bit_3, bit_4, bit_5]
}

/// The sum of N bits of one weight: its lowest bit, and N / 2 carries of the next weight.
#[inline(always)]
fn column<const N: usize, const CARRIES: usize>(bits: [u64; N]) -> (u64, [u64; CARRIES]) {
    let mut sum = bits[0];
    let carries = std::array::from_fn(|i| {
        let last = if 2 * i + 2 < N { bits[2 * i + 2] } else { 0 };
        let carry;
        (sum, carry) = full_adder(sum, bits[2 * i + 1], last);
        carry
    });
    (sum, carries)
}

/// The sum of two numbers of N bits, which is one of N bits again.
#[inline(always)]
fn sum<const N: usize>(a: [u64; N], b: [u64; N]) -> [u64; N] {
    let mut carry = 0;
    std::array::from_fn(|s| {
        let bit;
        (bit, carry) = full_adder(a[s], b[s], carry);
        bit
    })
}

/// For each value of bits 1 to 3, which distances have it.
#[inline(always)]
fn lower_bits(distances: &[Step; SLICES]) -> [Step; OCTANT] {
    let mut out = [[0; STEP * LANES]; OCTANT];
    for k in 0..STEP * LANES {
        let (x, y, z) = (distances[1][k], distances[2][k], distances[3][k]);
        let pairs = [!x & !y, x & !y, !x & y, x & y];
        for value in 0..4 {
            out[value][k] = pairs[value] & !z;
            out[4 + value][k] = pairs[value] & z;
        }
    }
    out
}

/// Which distances have `octant` in bits 4 to 7.
#[inline(always)]
fn upper_bits(distances: &[Step; SLICES], octant: usize) -> Step {
    let mut out = [0; STEP * LANES];
    let [a, b, c, d]: [u64; 4] = std::array::from_fn(|i| (octant as u64 >> i & 1).wrapping_sub(1));
    for k in 0..STEP * LANES {
        let (x, y) = (distances[4][k] ^ a, distances[5][k] ^ b);
        out[k] = x & y & (distances[6][k] ^ c) & (distances[7][k] ^ d);
    }
    out
}

/// Counts the pairs that are in both of `low` and `high`, one by one.
#[inline(always)]
fn add_in_lanes(low: &Step, high: &Step, found: &mut [Slice; 4], lanes: usize) {
    let [.., more] = found;
    for k in 0..lanes {
        let pair = |r: usize| u64::from((low[r * LANES + k] & high[r * LANES + k]).count_ones());
        let (a, b) = ((pair(0) + pair(1)) + (pair(2) + pair(3)), pair(4) + pair(5));
        more[k] += a + (b + (pair(6) + pair(7)));
    }
}

/// Counts the pairs that are in both of `low` and `high`, adding bits before they are counted.
#[inline(always)]
fn add(low: &Step, high: &Step, found: &mut [Slice; 4]) {
    let [ones, twos, fours, more] = found;
    for k in 0..LANES {
        let pair = |r: usize| low[r * LANES + k] & high[r * LANES + k];
        let (one, a) = full_adder(ones[k], pair(0), pair(1));
        let (one, b) = full_adder(one, pair(2), pair(3));
        let (one, c) = full_adder(one, pair(4), pair(5));
        let (one, d) = full_adder(one, pair(6), pair(7));
        let (two, e) = full_adder(twos[k], a, b);
        let (two, f) = full_adder(two, c, d);
        let (four, eight) = full_adder(fours[k], e, f);
        (ones[k], twos[k], fours[k]) = (one, two, four);
        more[k] += 8 * u64::from(eight.count_ones());
    }
}

/// Sum and carry of three bits.
#[inline(always)]
fn full_adder(a: u64, b: u64, c: u64) -> (u64, u64) {
    (a ^ b ^ c, a & b | c & (a | b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_to_count_agree() {
        let word = |i: u64| (i * i + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 4;
        let even = |word: &u64| word.count_ones().is_multiple_of(2);
        let rows: Vec<u64> = (0..2000).map(word).filter(even).collect();
        let tile = Tile::new(&rows[..500], 60);
        let (mut a, mut b, mut naive) = ([0; 31], [0; 31], [0; 31]);
        count_steps::<false>(&tile, &rows, &mut a);
        count_steps::<true>(&tile, &rows, &mut b);
        for x in &rows {
            rows[..500].iter().for_each(|y| naive[(x ^ y).count_ones() as usize / 2] += 1);
        }
        assert_eq!(a, naive);
        assert_eq!(b, naive);
    }
}

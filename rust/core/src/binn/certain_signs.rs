//! Signs of first-layer sums in 16-bit integers, where rounding cannot change them.
//!
//! A unit's sum over many inputs is that of tabulated partial sums of a few inputs each. Scaled so that
//! any sum at a point fits, these are rounded to integers, which take a quarter of the bytes of double
//! precision. Each is off by half at most; where the sum of integers is closer to zero than that allows,
//! the sum is taken in double precision, so that every sign is the one that double precision gives.

use super::bit_sums::{LANES, Mask, lanes_mut};
use super::first_layer::FirstLayer;
use super::network::Dense;
use super::points::Tile;
use crate::simd::kernel;

use rayon::prelude::*;

/// Rows of a block's table at most: where one starts is told by 16 bits, and a sum of more would often
/// be too close to zero.
const MAX_ROWS: usize = (u16::MAX as usize + 1) / size_of::<Lanes>();
/// Added, this rounds to an integer and leaves it in the low mantissa bits.
const ROUND: f64 = (3u64 << 51) as f64;

/// Integers at neighbouring points, in a cache line of their own.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Lanes([i16; LANES]);

/// Units whose signs share a word of 16 bits.
const UNITS: usize = 16;
/// The signs of so many units on a tile: a vector of words for each `LANES` points, a bit a unit.
type Words = [[u16; LANES]; UNITS];

/// Partial sums of the first layer on a tile of points.
pub(super) struct CertainSigns {
    layer: Dense,
    /// Inputs in a group.
    group: usize,
    n_groups: usize,
    /// For each `LANES` points and each group, a row for each of its 2^group settings.
    table: Vec<Lanes>,
    /// The inputs of each point, that of a bias included, one point after the other.
    points: Vec<f64>,
}

/// Room for [`CertainSigns::layers`].
#[derive(Default)]
pub(super) struct CertainRoom {
    /// For each network, unit and group, where the row of its weights starts, in bytes.
    starts: Vec<u16>,
    /// For each network, the signs of all units.
    words: Vec<Words>,
    /// The units and lanes whose sums are close to zero.
    close: Vec<(usize, usize)>,
}

impl CertainSigns {
    /// `None` if `first` has no tables, or too many.
    pub fn new(first: &FirstLayer<'_>, tile: &Tile) -> Option<Self> {
        let (layer, group, tables) = first.group_tables()?;
        let tables: Vec<_> = tables.collect();
        let n_groups = tables.len();
        let n_rows = n_groups << group;
        if n_rows > MAX_ROWS {
            return None;
        }
        let n_points = tile.n_points;
        let features = || (0..layer.fan_in).map(|input| tile.feature(input));
        let points: Vec<f64> = (0..n_points).flat_map(|d| features().map(move |x| x[d])).collect();
        let scales = points.chunks_exact(layer.fan_in).map(|point| {
            let size: f64 = point.iter().map(|x| x.abs()).sum();
            // Rounding adds half a group to a sum at most. Beyond normal numbers all is close to zero.
            let scale = (i16::MAX as usize - n_groups) as f64 / size;
            if size.is_normal() && scale.is_normal() { scale } else { 0.0 }
        });
        let scales: Vec<f64> = scales.collect();
        let mut table = vec![Lanes([0; LANES]); n_rows * n_points.div_ceil(LANES)];
        table.par_chunks_exact_mut(n_rows).enumerate().for_each(|(block, rows)| {
            let part = block * LANES..((block + 1) * LANES).min(n_points);
            for (rows, sums) in rows.chunks_exact_mut(1 << group).zip(&tables) {
                for (row, sums) in rows.iter_mut().zip(sums.chunks_exact(n_points)) {
                    round(&sums[part.clone()], &scales[part.clone()], &mut row.0);
                }
            }
        });
        Some(Self { layer, group, n_groups, table, points })
    }

    /// Where each unit of the networks of weights `rows` is below 0, one network after the other. They
    /// take turns at each block of points, while its table is in the first-level cache.
    pub fn layers(&self, rows: &[&[u64]], room: &mut CertainRoom, out: &mut [Mask]) {
        let CertainRoom { starts, words, close } = room;
        let n_units = self.layer.n_units;
        let (n_starts, n_words) = (self.n_groups * n_units, n_units.div_ceil(UNITS));
        starts.resize(rows.len() * n_starts, 0);
        words.clear();
        words.resize(rows.len() * n_words, [[0; LANES]; UNITS]);
        for (row, starts) in rows.iter().zip(starts.chunks_exact_mut(n_starts)) {
            find_rows(row, self.layer, self.group, starts);
        }
        let tables = self.table.chunks_exact(self.n_groups << self.group);
        for (block, table) in tables.enumerate() {
            let networks = starts.chunks_exact(n_starts).zip(words.chunks_exact_mut(n_words));
            for (starts, words) in networks {
                close.clear();
                add_rows(table, self.n_groups, starts, block, words, close);
                for &(unit, lane) in &*close {
                    let starts = &starts[unit * self.n_groups..][..self.n_groups];
                    let Some(sum) = self.sum(starts, block * LANES + lane) else { continue };
                    let word = &mut words[unit / UNITS][block][lane];
                    let bit = unit % UNITS;
                    *word = *word & !(1 << bit) | u16::from(sum < 0.0) << bit;
                }
            }
        }
        for (words, out) in words.chunks_exact_mut(n_words).zip(out.chunks_exact_mut(n_units)) {
            for (words, out) in words.iter_mut().zip(out.chunks_mut(UNITS)) {
                exchange(words);
                out.iter_mut().zip(words).for_each(|(out, words)| *lanes_mut(out) = *words);
            }
        }
    }

    /// A unit's sum at a point, if there is such a point: the additions of [`FirstLayer::unit`].
    fn sum(&self, starts: &[u16], point: usize) -> Option<f64> {
        let point = self.points.chunks_exact(self.layer.fan_in).nth(point)?;
        let part = |(inputs, start): (&[f64], &u16)| {
            // The number of the row ends with the bits of the weights.
            let row = usize::from(*start) / size_of::<Lanes>();
            // Without a branch, which would be anyone's guess.
            let signed =
                |(i, x): (usize, &f64)| f64::from_bits(x.to_bits() ^ (row as u64 >> i & 1) << 63);
            inputs.iter().enumerate().map(signed).sum::<f64>()
        };
        Some(point.chunks(self.group).zip(starts).map(part).sum())
    }
}

kernel! {
    /// For each unit and group, where the row starts whose number has the bits of the weights, the first
    /// input's lowest, and above them the number of the group.
    fn find_rows(row: &[u64], layer: Dense, group: usize, starts: &mut [u16]) {
        let n_groups = layer.fan_in.div_ceil(group);
        // The weights of an input lie side by side: a word of them serves as many units.
        for (w, starts) in starts.chunks_mut(64 * n_groups).enumerate() {
            for g in 0..n_groups {
                let mut rows = [(g << group) as u16; 64];
                for (shift, input) in (g * group..layer.fan_in.min((g + 1) * group)).enumerate() {
                    let word = word_at(row, layer.position(input, 64 * w));
                    for (unit, row) in rows.iter_mut().enumerate() {
                        *row |= ((word >> unit & 1) as u16) << shift;
                    }
                }
                for (starts, row) in starts.chunks_exact_mut(n_groups).zip(&rows) {
                    starts[g] = row * size_of::<Lanes>() as u16;
                }
            }
        }
    }
}

/// The 64 bits from `position` on, as far as the row goes.
#[inline(always)]
fn word_at(row: &[u64], position: usize) -> u64 {
    let (i, shift) = (position / 64, position % 64);
    let high = row.get(i + 1).map_or(0, |word| word.checked_shl(64 - shift as u32).unwrap_or(0));
    row[i] >> shift | high
}

kernel! {
    /// Adds the rows of `table` that start at each unit's `starts` and writes the signs of the sums;
    /// `close` gets the units and lanes of those that may be on either side of 0.
    fn add_rows(
        table: &[Lanes],
        n_groups: usize,
        starts: &[u16],
        block: usize,
        words: &mut [Words],
        close: &mut Vec<(usize, usize)>,
    ) {
        let bound = (n_groups / 2) as i16;
        let is_close = |sum: i16| sum.wrapping_add(bound) as u16 <= 2 * bound as u16;
        let mut sums = [Lanes([0; LANES]); UNITS];
        for (w, (words, starts)) in words.iter_mut().zip(starts.chunks(UNITS * n_groups)).enumerate() {
            let n = starts.len() / n_groups;
            for (sums, starts) in sums.iter_mut().zip(starts.chunks_exact(n_groups)) {
                let mut sum = [0i16; LANES];
                for start in starts {
                    // SAFETY: a unit's rows start inside the table.
                    let row = unsafe { &(*table.as_ptr().byte_add(usize::from(*start))).0 };
                    for lane in 0..LANES {
                        sum[lane] = sum[lane].wrapping_add(row[lane]);
                    }
                }
                sums.0 = sum;
            }
            let mut word = [0u16; LANES];
            for (j, sums) in sums[..n].iter().enumerate().rev() {
                for lane in 0..LANES {
                    word[lane] = word[lane] << 1 | sums.0[lane] as u16 >> 15;
                }
                if sums.0.iter().fold(false, |any, sum| any | is_close(*sum)) {
                    let lanes = (0..LANES).filter(|lane| is_close(sums.0[*lane]));
                    close.extend(lanes.map(|lane| (w * UNITS + j, lane)));
                }
            }
            words[block] = word;
        }
    }
}

kernel! {
    /// Exchanges rows and bits of the matrix that a lane is of all rows.
    fn exchange(rows: &mut Words) {
        for (log, low) in [(3, 0x00ff), (2, 0x0f0f), (1, 0x3333), (0, 0x5555u16)] {
            let half = 1 << log;
            for i in (0..UNITS).filter(|i| i & half == 0) {
                let (a, b) = rows.split_at_mut(i + half);
                for (a, b) in a[i].iter_mut().zip(&mut b[0]) {
                    let moved = (*a >> half ^ *b) & low;
                    (*a, *b) = (*a ^ moved << half, *b ^ moved);
                }
            }
        }
    }
}

kernel! {
    /// Writes the nearest integers to `values` times `scales`.
    fn round(values: &[f64], scales: &[f64], out: &mut [i16; LANES]) {
        for ((out, value), scale) in out.iter_mut().zip(values).zip(scales) {
            *out = (value * scale + ROUND).to_bits() as i16;
        }
    }
}

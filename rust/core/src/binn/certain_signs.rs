//! Signs of first-layer sums in single precision, where its error cannot change them.
//!
//! A unit's sum over many inputs is that of tabulated partial sums of [`GROUP`] inputs each, added
//! in single precision: half the bytes of double precision. Rounding moves it by less than a
//! known bound; where it is closer to zero than that, it is taken again in double precision, so that
//! every sign is the one that double precision gives.

use super::Network;
use super::bit_sums::{Mask, WORDS};
use super::first_layer::FirstLayer;
use super::network::Dense;
use super::points::Tile;
use crate::simd::kernel;

/// Inputs in a group: with more, the tables would not fit into the second-level cache.
const GROUP: usize = 6;
/// Points whose sums are in registers together.
const LANES: usize = 64;
/// Tables beyond this many bytes are not worth their filling.
const MAX_TABLE_BYTES: usize = 16 << 20;

/// Partial sums of the first layer on a tile of points.
pub(super) struct CertainSigns {
    layer: Dense,
    /// For each group, a row for each of its 2^GROUP settings.
    table: Vec<f32>,
    /// At each point, above the error of any sum.
    bounds: Vec<f32>,
}

impl CertainSigns {
    /// `None` if tables do not pay for `n_networks` networks.
    pub fn new(
        network: &Network,
        first: &FirstLayer<'_>,
        tile: &Tile,
        n_networks: usize,
    ) -> Option<Self> {
        let layer = network.dense[0];
        let n_groups = layer.fan_in.div_ceil(GROUP);
        let width = tile.n_points.next_multiple_of(LANES);
        let n_rows = n_groups << GROUP;
        let bytes = n_rows.saturating_mul(width * size_of::<f32>());
        if n_rows > n_networks.saturating_mul(layer.n_units) || bytes > MAX_TABLE_BYTES {
            return None;
        }
        let mut table = vec![0.0; n_rows * width];
        for (group, rows) in table.chunks_exact_mut(width << GROUP).enumerate() {
            let start = group * GROUP;
            let sums = first.tabulate(start, GROUP.min(layer.fan_in - start));
            for (row, sums) in rows.chunks_exact_mut(width).zip(sums.chunks_exact(tile.n_points)) {
                row.iter_mut().zip(sums).for_each(|(row, sum)| *row = *sum as f32);
            }
        }
        // One rounding of each partial sum and of each addition, none of numbers larger than this;
        // doubled for the errors of double precision and of the bound itself.
        let error = (n_groups + 1) as f64 * f64::from(f32::EPSILON);
        // Beyond the last point every sum is certain.
        let mut bounds = vec![-1.0; width];
        for (d, bound) in bounds[..tile.n_points].iter_mut().enumerate() {
            let size: f64 = (0..layer.fan_in).map(|input| tile.feature(input)[d].abs()).sum();
            let fits = size < f64::from(f32::MAX / 2.0);
            *bound = if fits { (size * error) as f32 + f32::MIN_POSITIVE } else { f32::INFINITY };
        }
        Some(Self { layer, table, bounds })
    }

    /// Where each unit of the network of weights `row` is below 0; `exact` has the same first layer.
    pub fn layer(&self, row: &[u64], exact: &FirstLayer<'_>, room: &mut Vec<u8>, out: &mut [Mask]) {
        let (n_units, n_groups) = (self.layer.n_units, self.layer.fan_in.div_ceil(GROUP));
        room.clear();
        room.resize(n_units * n_groups, 0);
        collect_settings(row, self.layer, room);
        for (unit, out) in out.iter_mut().enumerate() {
            let settings = &room[unit * n_groups..(unit + 1) * n_groups];
            *out = [0; WORDS];
            let uncertain = add_rows(&self.table, settings, &self.bounds, out);
            for w in (0..out.len()).filter(|w| uncertain >> w & 1 == 1) {
                for d in 0..64.min(exact.n_points().saturating_sub(64 * w)) {
                    let below = exact.sum_at(row, unit, 64 * w + d) < 0.0;
                    out[w] = out[w] & !(1 << d) | u64::from(below) << d;
                }
            }
        }
    }
}

kernel! {
    /// For each unit and group, the bits of its weights, the first input's lowest.
    fn collect_settings(row: &[u64], layer: Dense, settings: &mut [u8]) {
        let n_groups = layer.fan_in.div_ceil(GROUP);
        for input in 0..layer.fan_in {
            let (group, shift) = (input / GROUP, input % GROUP);
            // The weights of an input lie side by side: a word of them serves as many units.
            for (w, settings) in settings.chunks_mut(64 * n_groups).enumerate() {
                let word = word_at(row, layer.position(input, 64 * w));
                for (unit, settings) in settings.chunks_exact_mut(n_groups).enumerate() {
                    settings[group] |= ((word >> unit & 1) << shift) as u8;
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
    /// Sets the bits of the points whose sum is below 0; returns a bit for each word that has a point
    /// whose sum is within its bound.
    fn add_rows(table: &[f32], settings: &[u8], bounds: &[f32], out: &mut Mask) -> u32 {
        let width = bounds.len();
        let mut uncertain = 0;
        for (w, bounds) in bounds.as_chunks::<LANES>().0.iter().enumerate() {
            let mut sums = [0.0f32; LANES];
            for (group, setting) in settings.iter().enumerate() {
                let start = ((group << GROUP) + usize::from(*setting)) * width + w * LANES;
                let Some(row) = table[start..].first_chunk::<LANES>() else { continue };
                for (sum, partial) in sums.iter_mut().zip(row) {
                    *sum += partial;
                }
            }
            // Bits are gathered in lanes, as comparisons of one word at a time would not be.
            let mut low = [0u32; LANES / 4];
            let mut high = [0u32; LANES / 4];
            let mut certain = [true; LANES / 4];
            for lane in 0..LANES / 4 {
                let sign = |i: usize| sums[i].to_bits() >> 31;
                low[lane] = sign(lane) << lane | sign(lane + 16) << (lane + 16);
                high[lane] = sign(lane + 32) << lane | sign(lane + 48) << (lane + 16);
                certain[lane] = (0..4).all(|q| sums[lane + 16 * q].abs() > bounds[lane + 16 * q]);
            }
            let or = |lanes: [u32; LANES / 4]| u64::from(lanes.into_iter().fold(0, |a, b| a | b));
            out[w] = or(low) | or(high) << 32;
            uncertain |= u32::from(certain.contains(&false)) << w;
        }
        uncertain
    }
}

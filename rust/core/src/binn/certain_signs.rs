//! Signs of first-layer sums in single precision, where its error cannot change them.
//!
//! A unit's sum over many inputs is that of tabulated partial sums of a few inputs each, added in
//! single precision: half the bytes of double precision. Rounding moves it by less than a known
//! bound; where it is closer to zero than that, it is taken again in double precision, so that every
//! sign is the one that double precision gives.

use super::Network;
use super::bit_sums::{Mask, WORDS};
use super::first_layer::FirstLayer;
use super::network::Dense;
use super::points::Tile;
use crate::simd::kernel;

/// Points whose sums are in registers together.
const LANES: usize = 64;
/// The tables for so many points are to fit into the first-level cache...
const FIRST_LEVEL_BYTES: usize = 48 << 10;
/// ... or, where no size of a group allows that, groups have this size.
const LARGE_GROUP: usize = 5;
/// Tables beyond this many bytes are not worth their filling.
const MAX_TABLE_BYTES: usize = 16 << 20;

/// Sums at `LANES` points, in cache lines of their own.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Lanes([f32; LANES]);

/// Partial sums of the first layer on a tile of points.
pub(super) struct CertainSigns {
    layer: Dense,
    /// Inputs in a group.
    group: usize,
    n_groups: usize,
    /// For each `LANES` points and each group, a row for each of its 2^group settings.
    table: Vec<Lanes>,
    /// At each point, above the error of any sum.
    bounds: Vec<[f32; LANES]>,
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
        let fits = |group: &usize| {
            (layer.fan_in.div_ceil(*group) << group) * size_of::<[f32; LANES]>()
                <= FIRST_LEVEL_BYTES
        };
        let group = (3..8).rev().find(fits).unwrap_or(LARGE_GROUP);
        let n_groups = layer.fan_in.div_ceil(group);
        let n_rows = n_groups << group;
        let n_lanes = tile.n_points.div_ceil(LANES);
        let bytes = n_rows.saturating_mul(n_lanes * size_of::<[f32; LANES]>());
        if n_rows > n_networks.saturating_mul(layer.n_units) || bytes > MAX_TABLE_BYTES {
            return None;
        }
        let mut table = vec![Lanes([0.0; LANES]); n_rows * n_lanes];
        for g in 0..n_groups {
            let start = g * group;
            let sums = first.tabulate(start, group.min(layer.fan_in - start));
            for (setting, sums) in sums.chunks_exact(tile.n_points).enumerate() {
                for (w, sums) in sums.chunks(LANES).enumerate() {
                    let row = &mut table[w * n_rows + (g << group) + setting];
                    row.0.iter_mut().zip(sums).for_each(|(row, sum)| *row = *sum as f32);
                }
            }
        }
        // One rounding of each partial sum and of each addition, none of numbers larger than this;
        // doubled for the errors of double precision and of the bound itself.
        let error = (n_groups + 1) as f64 * f64::from(f32::EPSILON);
        // Beyond the last point every sum is certain.
        let mut bounds = vec![[-1.0; LANES]; n_lanes];
        for (d, bound) in bounds.as_flattened_mut()[..tile.n_points].iter_mut().enumerate() {
            let size: f64 = (0..layer.fan_in).map(|input| tile.feature(input)[d].abs()).sum();
            let fits = size < f64::from(f32::MAX / 2.0);
            *bound = if fits { (size * error) as f32 + f32::MIN_POSITIVE } else { f32::INFINITY };
        }
        Some(Self { layer, group, n_groups, table, bounds })
    }

    /// Where each unit of the network of weights `row` is below 0; `exact` has the same first layer.
    pub fn layer(&self, row: &[u64], exact: &FirstLayer<'_>, room: &mut Vec<u8>, out: &mut [Mask]) {
        room.clear();
        room.resize(out.len() * self.n_groups, 0);
        collect_settings(row, self.layer, self.group, room);
        out.fill([0; WORDS]);
        let n_rows = self.n_groups << self.group;
        for (w, (rows, bounds)) in self.table.chunks_exact(n_rows).zip(&self.bounds).enumerate() {
            add_rows(rows, self.group, room, bounds, w, out, &mut |unit, d| {
                exact.sum_at(row, unit, LANES * w + d) < 0.0
            });
        }
    }
}

kernel! {
    /// For each unit and group, the bits of its weights, the first input's lowest.
    fn collect_settings(row: &[u64], layer: Dense, group: usize, settings: &mut [u8]) {
        let n_groups = layer.fan_in.div_ceil(group);
        for input in 0..layer.fan_in {
            let (g, shift) = (input / group, input % group);
            // The weights of an input lie side by side: a word of them serves as many units.
            for (w, settings) in settings.chunks_mut(64 * n_groups).enumerate() {
                let word = word_at(row, layer.position(input, 64 * w));
                for (unit, settings) in settings.chunks_exact_mut(n_groups).enumerate() {
                    settings[g] |= ((word >> unit & 1) << shift) as u8;
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
    /// Sets word `w` of each unit: the bits of the points whose sum is below 0. `exact` tells it for a
    /// unit and a point whose sum is within its bound.
    fn add_rows(
        rows: &[Lanes],
        group: usize,
        settings: &[u8],
        bounds: &[f32; LANES],
        w: usize,
        out: &mut [Mask],
        exact: &mut dyn FnMut(usize, usize) -> bool,
    ) {
        let n_groups = rows.len() >> group;
        // Two units at a time, so that no addition waits for the one before.
        for (pair, (settings, out)) in settings.chunks(2 * n_groups).zip(out.chunks_mut(2)).enumerate() {
            let (one, other) = settings.split_at(n_groups);
            let mut sums = [Lanes([0.0; LANES]); 2];
            // An odd unit out is added twice.
            let other = if other.is_empty() { one } else { other };
            for ((rows, one), other) in rows.chunks_exact(1 << group).zip(one).zip(other) {
                let (one, other) = (&rows[usize::from(*one)].0, &rows[usize::from(*other)].0);
                for lane in 0..LANES {
                    sums[0].0[lane] += one[lane];
                    sums[1].0[lane] += other[lane];
                }
            }
            for (i, (out, sums)) in out.iter_mut().zip(&sums).enumerate() {
                let (signs, certain) = signs(&sums.0, bounds);
                out[w] = signs;
                if !certain {
                    let is_certain = |d: usize| sums.0[d].abs() > bounds[d];
                    let close = (0..LANES).filter(|d| !is_certain(*d));
                    for d in close {
                        out[w] = out[w] & !(1 << d) | u64::from(exact(2 * pair + i, d)) << d;
                    }
                }
            }
        }
    }
}

/// The sign bits of sums, and whether all are beyond their bounds.
#[inline(always)]
fn signs(sums: &[f32; LANES], bounds: &[f32; LANES]) -> (u64, bool) {
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
    (or(low) | or(high) << 32, !certain.contains(&false))
}

//! The sums of the first layer, which many networks share.
//!
//! A unit's sum over the points depends on its own few weights only. Its inputs are cut into groups;
//! a group has few weight settings, whose partial sums can be tabulated and serve every unit of every
//! network. Sums are always taken group by group, tabulated or not, so that a table changes the time
//! and never the bits.

use super::network::Dense;
use super::points::Tile;
use super::sums::{accumulate, sum_rows};
use super::{Activation, Network};
use crate::bits::bit;

use rayon::prelude::*;

/// Inputs in a group where one or two groups hold all of them.
pub(super) const GROUP: usize = 8;
/// Inputs in a group where there are more: all tables fit into the second-level cache.
const SMALL_GROUP: usize = 5;
/// Tables beyond this many bytes would not be read from cache.
const MAX_TABLE_BYTES: usize = 8 << 20;

pub(super) struct FirstLayer<'a> {
    layer: Dense,
    tile: &'a Tile,
    /// Applied to the sums; `None` if they are the network's outputs.
    activation: Option<Activation>,
    /// The partial sums of all settings of all groups, a row each; empty if they do not pay.
    table: Vec<f64>,
    /// Inputs in a group, but for the last one.
    group: usize,
    /// For each group its first input, its size and its first row of the table.
    groups: Vec<(usize, usize, usize)>,
}

impl<'a> FirstLayer<'a> {
    /// Prepares for about `n_networks` networks.
    pub fn new(network: &Network, tile: &'a Tile, n_networks: usize) -> Self {
        let layer = network.dense[0];
        let activation = network.activations().first().copied();
        let most = if is_wide(network) { SMALL_GROUP } else { GROUP };
        let (mut groups, mut n_rows) = (Vec::new(), 0);
        for start in (0..layer.fan_in).step_by(most) {
            let size = most.min(layer.fan_in - start);
            groups.push((start, size, n_rows));
            n_rows += 1 << size;
        }
        let mut first = Self { layer, tile, activation, table: Vec::new(), group: most, groups };
        let pays = n_rows <= n_networks.saturating_mul(layer.n_units);
        let bytes = n_rows.saturating_mul(tile.n_points).saturating_mul(size_of::<f64>());
        if pays && bytes <= MAX_TABLE_BYTES {
            let mut table = vec![0.0; n_rows * tile.n_points];
            table
                .par_chunks_mut(tile.n_points << most)
                .zip(&first.groups)
                .for_each(|(table, &(start, size, _))| tabulate(tile, start, size, table));
            first.table = table;
            if let (Some(activation), [_]) = (activation, &first.groups[..]) {
                activation.apply(&mut first.table);
            }
        }
        first
    }

    pub fn n_points(&self) -> usize {
        self.tile.n_points
    }

    /// The values of all settings of a unit, if there is one table of them.
    pub fn table(&self) -> Option<&[f64]> {
        (self.groups.len() == 1 && !self.table.is_empty()).then_some(&self.table)
    }

    /// The layer, and for each group the partial sums of all its settings, a vector over points each, if
    /// there are several groups and such tables.
    pub fn group_tables(&self) -> Option<(Dense, usize, impl ExactSizeIterator<Item = &[f64]>)> {
        let tables = self.table.chunks(self.tile.n_points << self.group);
        (tables.len() > 1).then_some((self.layer, self.group, tables))
    }

    /// Where the values of `unit` in the network of weights `row` stand in [`Self::table`].
    #[inline(always)]
    pub fn setting(&self, row: &[u64], unit: usize) -> usize {
        self.group_setting(row, unit, 0, self.layer.fan_in)
    }

    /// The values of `unit` in the network of weights `row`, at all points.
    pub fn unit(&self, row: &[u64], unit: usize, out: &mut [f64], room: &mut FirstRoom) {
        let n_points = self.tile.n_points;
        if self.table.is_empty() {
            self.sum(row, unit, out, &mut room.part);
        } else {
            let starts = self.groups.iter().map(|&(start, size, first_row)| {
                (first_row + self.group_setting(row, unit, start, size)) * n_points
            });
            room.starts.clear();
            room.starts.extend(starts);
            if let Some(table) = self.table() {
                return out.copy_from_slice(&table[room.starts[0]..][..n_points]);
            }
            sum_rows(&self.table, &room.starts, out);
        }
        if let Some(activation) = self.activation {
            activation.apply(out);
        }
    }

    /// The sum without a table.
    fn sum(&self, row: &[u64], unit: usize, out: &mut [f64], part: &mut Vec<f64>) {
        part.resize(out.len(), 0.0);
        for (group, &(start, size, _)) in self.groups.iter().enumerate() {
            let sum = if group == 0 { &mut *out } else { &mut part[..] };
            sum.fill(0.0);
            for input in start..start + size {
                accumulate(
                    sum,
                    self.tile.feature(input),
                    bit(row, self.layer.position(input, unit)),
                );
            }
            if group > 0 {
                accumulate(out, part, false);
            }
        }
    }

    /// The bits of a group's weights, the first input's lowest.
    #[inline(always)]
    fn group_setting(&self, row: &[u64], unit: usize, start: usize, size: usize) -> usize {
        (0..size).fold(0, |setting, i| {
            setting | usize::from(bit(row, self.layer.position(start + i, unit))) << i
        })
    }
}

/// Partial sums of inputs start..start+size: row s has the weights of the bits of s.
fn tabulate(tile: &Tile, start: usize, size: usize, table: &mut [f64]) {
    let n_points = tile.n_points;
    // Inputs are added in ascending order, as in `sum`.
    for i in 0..size {
        let feature = tile.feature(start + i);
        let (plus, minus) = table[..n_points << (i + 1)].split_at_mut(n_points << i);
        for (plus, minus) in plus.chunks_exact_mut(n_points).zip(minus.chunks_exact_mut(n_points)) {
            for ((plus, minus), x) in plus.iter_mut().zip(minus).zip(feature) {
                *minus = *plus - x;
                *plus += x;
            }
        }
    }
}

/// Whether the inputs of a unit are too many for two groups.
pub(super) fn is_wide(network: &Network) -> bool {
    network.dense[0].fan_in > 2 * GROUP
}

/// Room for [`FirstLayer::unit`].
#[derive(Default)]
pub(super) struct FirstRoom {
    part: Vec<f64>,
    starts: Vec<usize>,
}

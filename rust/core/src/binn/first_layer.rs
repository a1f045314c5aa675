//! The sums of the first layer, which many networks share.
//!
//! A unit's sum over the points depends on its own few weights only. Its inputs are cut into groups
//! of [`GROUP`]; a group has at most 2^GROUP weight settings, whose partial sums can be tabulated
//! and serve every unit of every network. Sums are always taken group by group, tabulated or not,
//! so that a table changes the time and never the bits.

use super::network::Dense;
use super::points::Tile;
use super::{Activation, Network};
use crate::bits::bit;
use crate::simd::kernel;

/// Inputs in a group.
pub(super) const GROUP: usize = 8;
/// Tables beyond this many bytes would not be read from cache.
const MAX_TABLE_BYTES: usize = 8 << 20;

pub(super) struct FirstLayer<'a> {
    layer: Dense,
    tile: &'a Tile,
    /// Applied to the sums; `None` if they are the network's outputs.
    activation: Option<Activation>,
    /// For each group, the partial sums of all its settings; empty if they do not pay.
    tables: Vec<Vec<f64>>,
}

impl<'a> FirstLayer<'a> {
    /// Prepares for about `n_networks` networks.
    pub fn new(network: &Network, tile: &'a Tile, n_networks: usize) -> Self {
        let layer = network.dense[0];
        let activation = network.has_hidden().then(|| network.activation());
        let mut first = Self { layer, tile, activation, tables: Vec::new() };
        let n_rows: usize = first.groups().map(|(_, size)| 1 << size).sum();
        let pays = n_rows <= n_networks.saturating_mul(layer.n_units);
        let bytes = n_rows.saturating_mul(tile.n_points).saturating_mul(size_of::<f64>());
        if pays && bytes <= MAX_TABLE_BYTES {
            first.tables =
                first.groups().map(|(start, size)| first.tabulate(start, size)).collect();
            if let (Some(activation), [table]) = (activation, &mut first.tables[..]) {
                activation.apply(table);
            }
        }
        first
    }

    /// The first input and the size of each group.
    fn groups(&self) -> impl Iterator<Item = (usize, usize)> + use<> {
        let fan_in = self.layer.fan_in;
        (0..fan_in).step_by(GROUP).map(move |start| (start, GROUP.min(fan_in - start)))
    }

    /// Partial sums of inputs start..start+size: row s has the weights of the bits of s.
    fn tabulate(&self, start: usize, size: usize) -> Vec<f64> {
        let n_points = self.tile.n_points;
        let mut table = vec![0.0; n_points << size];
        // Inputs are added in ascending order, as in `add_group`.
        for i in 0..size {
            let feature = self.tile.feature(start + i);
            let (plus, minus) = table[..n_points << (i + 1)].split_at_mut(n_points << i);
            for (plus, minus) in
                plus.chunks_exact_mut(n_points).zip(minus.chunks_exact_mut(n_points))
            {
                for ((plus, minus), x) in plus.iter_mut().zip(minus).zip(feature) {
                    *minus = *plus - x;
                    *plus += x;
                }
            }
        }
        table
    }

    /// The values of all settings of a unit, if there is one table of them.
    pub fn table(&self) -> Option<&[f64]> {
        if let [table] = &self.tables[..] { Some(table) } else { None }
    }

    /// Where the values of `unit` in the network of weights `row` stand in [`Self::table`].
    #[inline(always)]
    pub fn tabulated_setting(&self, row: &[u64], unit: usize) -> Option<usize> {
        self.table().map(|_| self.setting(row, unit, 0, self.layer.fan_in))
    }

    /// The values of `unit` in the network of weights `row`, at all points; `sum` and `part` are
    /// room for as many numbers.
    pub fn unit<'s>(
        &'s self,
        row: &[u64],
        unit: usize,
        sum: &'s mut [f64],
        part: &mut [f64],
    ) -> &'s [f64] {
        let n_points = self.tile.n_points;
        if let (Some(table), Some(setting)) = (self.table(), self.tabulated_setting(row, unit)) {
            return &table[setting * n_points..(setting + 1) * n_points];
        }
        for (group, (start, size)) in self.groups().enumerate() {
            let partial = if let Some(table) = self.tables.get(group) {
                let setting = self.setting(row, unit, start, size);
                &table[setting * n_points..(setting + 1) * n_points]
            } else {
                self.add_group(row, unit, start, size, part);
                &*part
            };
            if group == 0 {
                sum.copy_from_slice(partial);
            } else {
                accumulate(sum, partial, false);
            }
        }
        if let Some(activation) = self.activation {
            activation.apply(sum);
        }
        sum
    }

    pub fn n_points(&self) -> usize {
        self.tile.n_points
    }

    /// The sum of `unit` at one point: the same additions as in [`Self::unit`].
    pub fn sum_at(&self, row: &[u64], unit: usize, point: usize) -> f64 {
        let term = |input: usize| {
            let x = self.tile.feature(input)[point];
            if bit(row, self.layer.position(input, unit)) { -x } else { x }
        };
        self.groups().map(|(start, size)| (start..start + size).map(term).sum::<f64>()).sum()
    }

    /// The bits of a group's weights, the first input's lowest.
    #[inline(always)]
    fn setting(&self, row: &[u64], unit: usize, start: usize, size: usize) -> usize {
        (0..size).fold(0, |setting, i| {
            setting | usize::from(bit(row, self.layer.position(start + i, unit))) << i
        })
    }

    fn add_group(&self, row: &[u64], unit: usize, start: usize, size: usize, part: &mut [f64]) {
        part.fill(0.0);
        for input in start..start + size {
            accumulate(part, self.tile.feature(input), bit(row, self.layer.position(input, unit)));
        }
    }
}

kernel! {
    /// Adds `values` times the weight of a bit.
    pub(super) fn accumulate(sum: &mut [f64], values: &[f64], bit: bool) {
        // A product with +-1 is exact and keeps the loop free of branches.
        let weight = if bit { -1.0 } else { 1.0 };
        for (sum, value) in sum.iter_mut().zip(values) {
            *sum += weight * value;
        }
    }
}

//! The sign units of the first layer: at which points the sum of their inputs is below 0.

use super::Network;
use super::bit_sums::{Mask, WORDS};
use super::first_layer::FirstLayer;
use super::points::Tile;

/// The first layer of a sign network on a tile of points, ready for any weights.
pub(super) struct HalfSpaces<'a> {
    first: FirstLayer<'a>,
    /// One for each setting of a unit's weights; empty if that does not pay.
    table: Vec<Mask>,
}

impl<'a> HalfSpaces<'a> {
    /// Prepares for about `n_networks` networks.
    pub fn new(network: &Network, tile: &'a Tile, n_networks: usize) -> Self {
        let first = FirstLayer::new(network, tile, n_networks);
        let table = first.table().map(|table| table.chunks_exact(tile.n_points).map(below).collect());
        Self { table: table.unwrap_or_default(), first }
    }

    /// All settings of a unit that has no more inputs than a group; the first input's weight is lowest.
    pub fn all(network: &Network, tile: &'a Tile) -> Vec<Mask> {
        Self::new(network, tile, usize::MAX).table
    }

    /// Where `unit` of the network of weights `row` is -1; `room` is for two numbers a point.
    pub fn unit(&self, row: &[u64], unit: usize, room: &mut [f64]) -> Mask {
        if let Some(setting) = self.first.tabulated_setting(row, unit) {
            return self.table[setting];
        }
        let (sum, part) = room.split_at_mut(room.len() / 2);
        below(self.first.unit(row, unit, sum, part))
    }
}

/// Where activations are -1.
fn below(values: &[f64]) -> Mask {
    mask_where(values, |value| value < 0.0)
}

/// The points at which a value is so.
pub(super) fn mask_where(values: &[f64], is_so: impl Fn(f64) -> bool) -> Mask {
    let mut mask = [0; WORDS];
    for (word, values) in mask.iter_mut().zip(values.chunks(64)) {
        *word = values.iter().enumerate().fold(0, |w, (d, v)| w | u64::from(is_so(*v)) << d);
    }
    mask
}

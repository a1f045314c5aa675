//! The sign units of the first layer: at which points the sum of their inputs is below 0.

use super::Network;
use super::bit_sums::{Mask, WORDS};
use super::certain_signs::CertainSigns;
use super::first_layer::{FirstLayer, FirstRoom, GROUP};
use super::points::Tile;

/// The first layer of a sign network on a tile of points, ready for any weights.
pub(super) struct HalfSpaces<'a> {
    first: FirstLayer<'a>,
    /// One for each setting of a unit's weights; empty if that does not pay.
    table: Vec<Mask>,
    /// For units of more inputs than a group has, if that pays.
    certain: Option<CertainSigns>,
}

/// Room for [`HalfSpaces::layer`].
pub(super) struct Room {
    sum: Vec<f64>,
    first: FirstRoom,
    settings: Vec<u8>,
}

impl<'a> HalfSpaces<'a> {
    /// Prepares for about `n_networks` networks.
    pub fn new(network: &Network, tile: &'a Tile, n_networks: usize) -> Self {
        let is_wide = network.dense[0].fan_in > GROUP;
        let first = FirstLayer::new(network, tile, if is_wide { 0 } else { n_networks });
        let certain =
            if is_wide { CertainSigns::new(network, &first, tile, n_networks) } else { None };
        let below_all = |table: &[f64]| table.chunks_exact(tile.n_points).map(below).collect();
        let table = first.table().map(below_all).unwrap_or_default();
        Self { first, table, certain }
    }

    /// All settings of a unit that has no more inputs than a group; the first input's weight is lowest.
    pub fn all(network: &Network, tile: &'a Tile) -> Vec<Mask> {
        Self::new(network, tile, usize::MAX).table
    }

    pub fn room(&self) -> Room {
        let sum = vec![0.0; self.first.n_points()];
        Room { sum, first: FirstRoom::default(), settings: Vec::new() }
    }

    /// Where each unit of the network of weights `row` is -1.
    pub fn layer(&self, row: &[u64], room: &mut Room, out: &mut [Mask]) {
        if let Some(certain) = &self.certain {
            return certain.layer(row, &self.first, &mut room.settings, out);
        }
        for (unit, out) in out.iter_mut().enumerate() {
            *out = if self.table.is_empty() {
                self.first.unit(row, unit, &mut room.sum, &mut room.first);
                below(&room.sum)
            } else {
                self.table[self.first.setting(row, unit)]
            };
        }
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

//! The sign units of the first layer: at which points the sum of their inputs is below 0.

use super::Network;
use super::bit_sums::{Mask, mask_where};
use super::certain_signs::{CertainRoom, CertainSigns};
use super::first_layer::{FirstLayer, FirstRoom};
use super::points::Tile;

/// The first layer of a sign network on a tile of points, ready for any weights.
pub(super) struct HalfSpaces<'a> {
    first: FirstLayer<'a>,
    /// One for each setting of a unit's weights; empty if that does not pay.
    table: Vec<Mask>,
    /// For units of more inputs than a group has, if their partial sums are tabulated.
    certain: Option<CertainSigns>,
}

/// Room for [`HalfSpaces::layers`].
pub(super) struct Room {
    sum: Vec<f64>,
    first: FirstRoom,
    certain: CertainRoom,
}

impl<'a> HalfSpaces<'a> {
    /// Prepares for about `n_networks` networks.
    pub fn new(network: &Network, tile: &'a Tile, n_networks: usize) -> Self {
        let first = FirstLayer::new(network, tile, n_networks);
        let certain = CertainSigns::new(&first, tile);
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
        Room { sum, first: FirstRoom::default(), certain: CertainRoom::default() }
    }

    /// Where each unit of the networks of weights `rows` is -1, one network after the other.
    pub fn layers(&self, rows: &[&[u64]], room: &mut Room, out: &mut [Mask]) {
        if let Some(certain) = &self.certain {
            return certain.layers(rows, &mut room.certain, out);
        }
        let n_units = out.len() / rows.len();
        for (row, out) in rows.iter().zip(out.chunks_exact_mut(n_units)) {
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
}

/// Where activations are -1.
fn below(values: &[f64]) -> Mask {
    mask_where(values, |value| value < 0.0)
}

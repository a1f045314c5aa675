//! Logits of one network at all points of a tile, in real numbers.

use super::Network;
use super::first_layer::{FirstLayer, accumulate};
use super::points::Tile;
use crate::bits::bit;

/// A network's shape and a tile of points, ready for any weights.
pub(super) struct RealNetwork<'a> {
    network: &'a Network,
    first: FirstLayer<'a>,
    n_points: usize,
}

/// Room for the values of one network, taken once a block.
pub(super) struct RealScratch {
    unit: Vec<f64>,
    part: Vec<f64>,
    layer: Vec<f64>,
    next: Vec<f64>,
}

impl<'a> RealNetwork<'a> {
    /// Prepares for about `n_networks` networks on the points of `tile`.
    pub fn new(network: &'a Network, tile: &'a Tile, n_networks: usize) -> Self {
        let first = FirstLayer::new(network, tile, n_networks);
        Self { network, first, n_points: tile.n_points }
    }

    /// Room for [`Self::logits`].
    pub fn scratch(&self) -> RealScratch {
        // Units of the first hidden layer are used one at a time, never stored together.
        let stored = &self.network.dense[usize::from(self.network.has_hidden())..];
        let widest = stored.iter().map(|layer| layer.n_units).max().unwrap_or(0);
        let room = |width: usize| vec![0.0; width * self.n_points];
        let next = if stored.len() > 1 { room(widest) } else { Vec::new() };
        RealScratch { unit: room(1), part: room(1), layer: room(widest), next }
    }

    /// The logits of the network with weights `row`: one vector over points an output.
    pub fn logits<'s>(&self, row: &[u64], scratch: &'s mut RealScratch) -> &'s [f64] {
        let RealScratch { unit, part, layer, next } = scratch;
        let n_points = self.n_points;
        let dense = &self.network.dense;
        if !self.network.has_hidden() {
            for (j, sum) in layer.chunks_exact_mut(n_points).enumerate() {
                let values = self.first.unit(row, j, unit, part);
                sum.copy_from_slice(values);
            }
        }
        for (l, matrix) in dense.iter().enumerate().skip(1) {
            // Layer 1 reads the tabulated first layer, later ones what the one before left.
            if l > 1 {
                std::mem::swap(layer, next);
            }
            let sums = &mut layer[..matrix.n_units * n_points];
            sums.fill(0.0);
            for i in 0..dense[l - 1].n_units {
                let values = if l == 1 {
                    self.first.unit(row, i, unit, part)
                } else {
                    &next[i * n_points..(i + 1) * n_points]
                };
                for (j, sum) in sums.chunks_exact_mut(n_points).enumerate() {
                    accumulate(sum, values, bit(row, matrix.position(i, j)));
                }
            }
            if self.network.bias() {
                for (j, sum) in sums.chunks_exact_mut(n_points).enumerate() {
                    let negative = bit(row, matrix.position(matrix.fan_in - 1, j));
                    let bias = if negative { -1.0 } else { 1.0 };
                    sum.iter_mut().for_each(|sum| *sum += bias);
                }
            }
            if l + 1 < dense.len() {
                self.network.activation().apply(sums);
            }
        }
        let logits = &mut layer[..self.network.n_outputs() * n_points];
        let scale = self.network.logit_scale();
        if scale != 1.0 {
            logits.iter_mut().for_each(|logit| *logit *= scale);
        }
        logits
    }
}

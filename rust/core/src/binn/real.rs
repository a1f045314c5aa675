//! Logits of one network at all points of a tile, in real numbers.

use super::Network;
use super::first_layer::{FirstLayer, FirstRoom};
use super::points::Tile;
use super::sums::sum_layer;

/// A network's shape and a tile of points, ready for any weights.
pub(super) struct RealNetwork<'a> {
    network: &'a Network,
    first: FirstLayer<'a>,
    n_points: usize,
}

/// Room for the values of one network, taken once a block.
pub(super) struct RealScratch {
    first: FirstRoom,
    /// The values of a layer's units, one vector over points each, and those of the next layer.
    layer: Vec<f64>,
    next: Vec<f64>,
    starts: Vec<usize>,
    weights: Vec<f64>,
}

impl<'a> RealNetwork<'a> {
    /// Prepares for about `n_networks` networks on the points of `tile`.
    pub fn new(network: &'a Network, tile: &'a Tile, n_networks: usize) -> Self {
        let first = FirstLayer::new(network, tile, n_networks);
        Self { network, first, n_points: tile.n_points }
    }

    /// Room for [`Self::logits`].
    pub fn scratch(&self) -> RealScratch {
        let widest = self.network.dense.iter().map(|layer| layer.n_units).max().unwrap_or(0);
        let room = || vec![0.0; widest * self.stride(0).max(self.n_points)];
        let next = if self.network.has_hidden() { room() } else { Vec::new() };
        let (starts, weights) = (Vec::new(), Vec::new());
        RealScratch { first: FirstRoom::default(), layer: room(), next, starts, weights }
    }

    /// From one unit's values to the next one's in a layer. Hidden layers avoid powers of two, at which
    /// many vectors would compete for few places in the cache.
    fn stride(&self, layer: usize) -> usize {
        let is_hidden = layer + 1 < self.network.dense.len();
        if is_hidden { self.n_points.next_multiple_of(8) + 8 } else { self.n_points }
    }

    /// The logits of the network with weights `row`: one vector over points an output.
    pub fn logits<'s>(&self, row: &[u64], scratch: &'s mut RealScratch) -> &'s [f64] {
        let RealScratch { first, layer, next, starts, weights } = scratch;
        let n_points = self.n_points;
        let dense = &self.network.dense;
        // A tabulated first layer is read where it stands.
        let table = self.first.table().filter(|_| self.network.has_hidden());
        starts.clear();
        if table.is_some() {
            starts.extend((0..dense[0].n_units).map(|j| self.first.setting(row, j) * n_points));
        } else {
            starts.extend((0..dense[0].n_units).map(|j| j * self.stride(0)));
            for (unit, &start) in starts.iter().enumerate() {
                self.first.unit(row, unit, &mut layer[start..start + n_points], first);
            }
        }
        for (l, matrix) in dense.iter().enumerate().skip(1) {
            let values = table.filter(|_| l == 1).unwrap_or(&layer[..]);
            let stride = self.stride(l);
            let sums = &mut next[..matrix.n_units * stride];
            sum_layer(values, starts, row, *matrix, weights, n_points, sums);
            if let Some(activation) = self.network.activations().get(l) {
                activation.apply(sums);
            }
            starts.clear();
            starts.extend((0..matrix.n_units).map(|unit| unit * stride));
            std::mem::swap(layer, next);
        }
        let logits = &mut layer[..self.network.n_outputs() * n_points];
        let scale = self.network.logit_scale();
        if scale != 1.0 {
            logits.iter_mut().for_each(|logit| *logit *= scale);
        }
        logits
    }
}

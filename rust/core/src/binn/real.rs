//! Logits of one network at all points of a tile, in real numbers.

use super::Network;
use super::common_units::{CommonUnits, Sums};
use super::first_layer::{FirstLayer, FirstRoom};
use super::points::Tile;
use super::sums::sum_layer;

use rayon::prelude::*;

/// A network's shape and a tile of points, ready for any weights.
pub(super) struct RealNetwork<'a> {
    network: &'a Network,
    first: FirstLayer<'a>,
    /// Of a second layer whose sums are told apart by number.
    second: Option<Sums>,
    /// The units there are, and their values, a vector over points each.
    common: Option<(&'a CommonUnits, Vec<f64>)>,
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
    steps: Vec<i32>,
    codes: Vec<usize>,
    terms: Vec<(usize, f64)>,
}

impl<'a> RealNetwork<'a> {
    /// Prepares for about `n_networks` networks on the points of `tile`; `common` are the units of them
    /// all, if they are known.
    pub fn new(
        network: &'a Network,
        tile: &'a Tile,
        n_networks: usize,
        common: Option<&'a CommonUnits>,
    ) -> Self {
        let second = Sums::new(network);
        // The few functions of a first layer whose sums are told apart are always tabulated.
        let n_networks = if second.is_some() { usize::MAX } else { n_networks };
        let first = FirstLayer::new(network, tile, n_networks);
        let evaluated = |common: &'a CommonUnits| {
            let mut values = vec![0.0; common.codes.len() * tile.n_points];
            if let (Some(second), Some(table)) = (&second, first.table()) {
                let units = values.par_chunks_exact_mut(tile.n_points).zip(&common.codes);
                units.for_each_init(Vec::new, |terms, (out, code)| {
                    second.evaluate(*code, table, terms, out);
                });
            }
            (common, values)
        };
        let common = common.map(evaluated);
        Self { network, first, second, common, n_points: tile.n_points }
    }

    /// Room for [`Self::logits`].
    pub fn scratch(&self) -> RealScratch {
        let widest = self.network.dense.iter().map(|layer| layer.n_units).max().unwrap_or(0);
        let room = || vec![0.0; widest * self.stride(0).max(self.n_points)];
        let next = if self.network.has_hidden() { room() } else { Vec::new() };
        RealScratch {
            first: FirstRoom::default(),
            layer: room(),
            next,
            starts: Vec::new(),
            weights: Vec::new(),
            steps: Vec::new(),
            codes: Vec::new(),
            terms: Vec::new(),
        }
    }

    /// From one unit's values to the next one's in a layer. Hidden layers avoid powers of two, at which
    /// many vectors would compete for few places in the cache.
    fn stride(&self, layer: usize) -> usize {
        let is_hidden = layer + 1 < self.network.dense.len();
        if is_hidden { self.n_points.next_multiple_of(8) + 8 } else { self.n_points }
    }

    /// The logits of the network with weights `row`: one vector over points an output.
    pub fn logits<'s>(&self, row: &[u64], scratch: &'s mut RealScratch) -> &'s [f64] {
        let RealScratch { first, layer, next, starts, weights, steps, codes, terms } = scratch;
        let n_points = self.n_points;
        let dense = &self.network.dense;
        // A tabulated layer is read where it stands.
        let table = self.first.table().filter(|_| self.network.has_hidden());
        let (mut tabulated, mut n_done) = (table, 1);
        starts.clear();
        if let (Some(second), Some(table)) = (&self.second, table) {
            second.codes(row, steps, codes);
            n_done = 2;
            if let Some((common, values)) = &self.common {
                starts.extend(codes.iter().map(|code| common.place(*code) * n_points));
                tabulated = Some(values);
            } else {
                starts.extend((0..codes.len()).map(|unit| unit * self.stride(1)));
                for (start, code) in starts.iter().zip(&*codes) {
                    second.evaluate(*code, table, terms, &mut layer[*start..start + n_points]);
                }
                tabulated = None;
            }
        } else if table.is_some() {
            starts.extend((0..dense[0].n_units).map(|j| self.first.setting(row, j) * n_points));
        } else {
            starts.extend((0..dense[0].n_units).map(|j| j * self.stride(0)));
            for (unit, &start) in starts.iter().enumerate() {
                self.first.unit(row, unit, &mut layer[start..start + n_points], first);
            }
        }
        for (l, matrix) in dense.iter().enumerate().skip(n_done) {
            let values = tabulated.filter(|_| l == n_done).unwrap_or(&layer[..]);
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

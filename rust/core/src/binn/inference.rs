//! Logits of one network at all points of a tile.

use super::Network;
use super::first_layer::{FirstLayer, accumulate};
use super::points::{self, Tile};
use super::rows::Networks;
use crate::bits::{PackedBits, bit};
use crate::error::{Error, Result};
use crate::memory;

use rayon::prelude::*;

/// Points in a tile: a few vectors of this length fit into the first-level cache.
pub(super) const TILE_POINTS: usize = 512;
/// Networks that one thread takes at a time.
pub(super) const BLOCK_NETWORKS: usize = 64;

/// A network's shape and a tile of points, ready for any weights.
pub(super) struct Inference<'a> {
    network: &'a Network,
    first: FirstLayer<'a>,
    n_points: usize,
}

/// Room for the values of one network, taken once a block.
pub(super) struct Scratch {
    unit: Vec<f64>,
    part: Vec<f64>,
    layer: Vec<f64>,
    next: Vec<f64>,
}

impl<'a> Inference<'a> {
    /// Prepares for about `n_networks` networks on the points of `tile`.
    pub fn new(network: &'a Network, tile: &'a Tile, n_networks: usize) -> Self {
        let first = FirstLayer::new(network, tile, n_networks);
        Self { network, first, n_points: tile.n_points }
    }

    /// Room for [`Self::logits`].
    pub fn scratch(&self) -> Scratch {
        // Units of the first hidden layer are used one at a time, never stored together.
        let stored = &self.network.dense[usize::from(self.network.has_hidden())..];
        let widest = stored.iter().map(|layer| layer.n_units).max().unwrap_or(0);
        let room = |width: usize| vec![0.0; width * self.n_points];
        let next = if stored.len() > 1 { room(widest) } else { Vec::new() };
        Scratch { unit: room(1), part: room(1), layer: room(widest), next }
    }

    /// The logits of the network with weights `row`: one vector over points an output.
    pub fn logits<'s>(&self, row: &[u64], scratch: &'s mut Scratch) -> &'s [f64] {
        let Scratch { unit, part, layer, next } = scratch;
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

impl Network {
    /// Logits of every network at every point: `x` is row-major (D, inputs), the result row-major
    /// (S, D, outputs) for the S rows of `bits`.
    pub fn logits(&self, bits: &PackedBits, x: &[f64]) -> Result<Vec<f64>> {
        self.check_bits(bits)?;
        let n_points = points::count(self, x)?;
        let n_outputs = self.n_outputs();
        if bits.is_empty() {
            return Ok(Vec::new());
        }
        let row_length = n_points.saturating_mul(n_outputs);
        let n_values = bits.len().saturating_mul(row_length);
        memory::check(
            "the logits",
            (n_values as u64).saturating_mul(8),
            "use fewer rows or points",
        )?;
        let mut out = vec![0.0; n_values];
        let networks = Networks::Some(bits);
        for (t, rows) in x.chunks(TILE_POINTS * self.n_inputs()).enumerate() {
            let tile = Tile::new(self, rows);
            let inference = Inference::new(self, &tile, bits.len());
            let start = t * TILE_POINTS * n_outputs;
            out.par_chunks_mut(row_length * BLOCK_NETWORKS).enumerate().for_each_init(
                || inference.scratch(),
                |scratch, (block, out)| {
                    for (s, out) in out.chunks_exact_mut(row_length).enumerate() {
                        let row = &mut [0];
                        let row = networks.row(block * BLOCK_NETWORKS + s, row);
                        let logits = inference.logits(row, scratch);
                        for (k, logits) in logits.chunks_exact(tile.n_points).enumerate() {
                            for (d, logit) in logits.iter().enumerate() {
                                out[start + d * n_outputs + k] = *logit;
                            }
                        }
                    }
                },
            );
        }
        check_results(&out, "logits")?;
        Ok(out)
    }
}

/// Finite inputs can still be too large for their sums: says so instead of returning NaN.
pub(super) fn check_results(values: &[f64], what: &str) -> Result<()> {
    match values.iter().find(|v| !v.is_finite()) {
        None => Ok(()),
        Some(v) => Err(Error::invalid("X", format!("numbers small enough for finite {what}"), v)),
    }
}

//! Logits of one network at all points of a tile, and of many networks at all points.

use super::Network;
use super::points::{self, Tile};
use super::real::{RealNetwork, RealScratch};
use super::rows::Networks;
use super::sign::{SignNetwork, SignScratch};
use crate::bits::PackedBits;
use crate::error::{Error, Result};
use crate::memory;

use rayon::prelude::*;

/// Points in a tile: a few vectors of this length fit into the first-level cache.
pub(super) const TILE_POINTS: usize = 64 * super::bit_sums::WORDS;
/// Networks that one thread takes at a time.
pub(super) const BLOCK_NETWORKS: usize = 64;

/// A network's shape and a tile of points, ready for any weights.
pub(super) enum Inference<'a> {
    Sign(SignNetwork<'a>),
    Real(RealNetwork<'a>),
}

/// Room for the values of one network, taken once a block.
pub(super) enum Scratch {
    Sign(SignScratch),
    Real(RealScratch),
}

impl<'a> Inference<'a> {
    /// Prepares for about `n_networks` networks on the points of `tile`.
    pub fn new(network: &'a Network, tile: &'a Tile, n_networks: usize) -> Self {
        SignNetwork::new(network, tile, n_networks)
            .map_or_else(|| Self::Real(RealNetwork::new(network, tile, n_networks)), Self::Sign)
    }

    /// Room for [`Self::logits`].
    pub fn scratch(&self) -> Scratch {
        match self {
            Self::Sign(network) => Scratch::Sign(network.scratch()),
            Self::Real(network) => Scratch::Real(network.scratch()),
        }
    }

    /// The logits of the network with weights `row`: one vector over points an output.
    pub fn logits<'s>(&self, row: &[u64], scratch: &'s mut Scratch) -> &'s [f64] {
        match (self, scratch) {
            (Self::Sign(network), Scratch::Sign(scratch)) => network.logits(row, scratch),
            (Self::Real(network), Scratch::Real(scratch)) => network.logits(row, scratch),
            _ => unreachable!("the scratch is its own"),
        }
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

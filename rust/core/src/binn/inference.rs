//! Logits of one network at all points of a tile, and of many networks at all points.

use super::Network;
use super::first_layer::is_wide;
use super::points::{self, Tile};
use super::real::{RealNetwork, RealScratch};
use super::rows::Networks;
use super::sign::{SignNetwork, SignScratch};
use crate::bits::PackedBits;
use crate::error::{Error, Result, check_len};
use crate::memory;

use rayon::prelude::*;

/// Points in a tile: a few vectors of this length fit into the first-level cache.
pub(super) const TILE_POINTS: usize = 64 * super::bit_sums::WORDS;
/// Points in a tile where a first layer has many tables and its units' values are all kept.
const WIDE_TILE_POINTS: usize = TILE_POINTS / 2;
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
    /// Points that are evaluated together.
    pub(super) fn tile_points(&self) -> usize {
        if is_wide(self) && !self.is_sign() { WIDE_TILE_POINTS } else { TILE_POINTS }
    }

    /// Logits of every network at every point: `x` is row-major (D, inputs), the result row-major
    /// (S, D, outputs) for the S rows of `bits`.
    pub fn logits(&self, bits: &PackedBits, x: &[f64]) -> Result<Vec<f64>> {
        let mut out = vec![0.0; self.check_logits(bits, x)?];
        self.logits_into(bits, x, &mut out)?;
        Ok(out)
    }

    /// How many logits there are, if they can be had.
    pub fn check_logits(&self, bits: &PackedBits, x: &[f64]) -> Result<usize> {
        self.check_bits(bits)?;
        let row_length = points::count(self, x)?.saturating_mul(self.n_outputs());
        let n_values = bits.len().saturating_mul(row_length);
        let bytes = (n_values as u64).saturating_mul(8);
        memory::check("the logits", bytes, "use fewer rows or points")?;
        Ok(n_values)
    }

    /// Writes what [`Self::logits`] returns.
    pub fn logits_into(&self, bits: &PackedBits, x: &[f64], out: &mut [f64]) -> Result<()> {
        check_len("out", self.check_logits(bits, x)?, out.len())?;
        if out.is_empty() {
            return Ok(());
        }
        let n_outputs = self.n_outputs();
        let row_length = out.len() / bits.len();
        let networks = Networks::Some(bits);
        for (t, rows) in x.chunks(self.tile_points() * self.n_inputs()).enumerate() {
            let tile = Tile::new(self, rows);
            let inference = Inference::new(self, &tile, bits.len());
            let start = t * self.tile_points() * n_outputs;
            out.par_chunks_mut(row_length * BLOCK_NETWORKS).enumerate().for_each_init(
                || inference.scratch(),
                |scratch, (block, out)| {
                    for (s, out) in out.chunks_exact_mut(row_length).enumerate() {
                        let row = &mut [0];
                        let row = networks.row(block * BLOCK_NETWORKS + s, row);
                        let logits = inference.logits(row, scratch);
                        let out = &mut out[start..start + logits.len()];
                        if n_outputs == 1 {
                            out.copy_from_slice(logits);
                            continue;
                        }
                        for (d, out) in out.chunks_exact_mut(n_outputs).enumerate() {
                            let logits = logits.iter().skip(d).step_by(tile.n_points);
                            out.iter_mut().zip(logits).for_each(|(out, logit)| *out = *logit);
                        }
                    }
                },
            );
        }
        check_results(out, "logits")
    }
}

/// Finite inputs can still be too large for their sums: says so instead of returning NaN.
pub(super) fn check_results(values: &[f64], what: &str) -> Result<()> {
    let is_wrong = |v: &&f64| !v.is_finite();
    // No early end within a piece: so the check runs at the speed of memory.
    let wrong = |piece: &[f64]| {
        let any = piece.iter().fold(false, |any, v| any | is_wrong(&v));
        if any { piece.iter().find(is_wrong).copied() } else { None }
    };
    match values.par_chunks(1 << 12).find_map_first(wrong) {
        None => Ok(()),
        Some(v) => Err(Error::invalid("X", format!("numbers small enough for finite {what}"), v)),
    }
}

//! Logits of one network at all points of a tile, and of many networks at all points.

use super::Network;
use super::common_units::{CommonUnits, Sums};
use super::first_layer::is_wide;
use super::points::{self, Tile};
use super::real::{RealNetwork, RealScratch};
use super::sign::{SignNetwork, SignScratch};
use crate::bits::PackedBits;
use crate::error::{Error, Result, check_len};
use crate::memory;
use crate::simd::kernel;

use std::sync::atomic::{AtomicBool, Ordering};

use rayon::prelude::*;

/// Points in a tile: a few vectors of this length fit into the first-level cache.
pub(super) const TILE_POINTS: usize = 64 * super::bit_sums::WORDS;
/// Points in a tile where a first layer has many tables and its units' values are all kept.
const WIDE_TILE_POINTS: usize = TILE_POINTS / 2;
/// Points in a tile where units that networks have in common can be evaluated before them: half of it
/// costs more for every network, and twice of it more cache for the values of the units.
const COMMON_TILE_POINTS: usize = TILE_POINTS / 4;
/// Networks that one thread takes at a time: their first layers fit into the second-level cache.
pub(super) const BLOCK_NETWORKS: usize = 16;

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
    /// Prepares for about `n_networks` networks on the points of `tile`; `common` are the units of them
    /// all, if they are known.
    pub fn new(
        network: &'a Network,
        tile: &'a Tile,
        n_networks: usize,
        common: Option<&'a CommonUnits>,
    ) -> Self {
        let real = || Self::Real(RealNetwork::new(network, tile, n_networks, common));
        SignNetwork::new(network, tile, n_networks).map_or_else(real, Self::Sign)
    }

    /// Room for [`Self::each_logits`].
    pub fn scratch(&self) -> Scratch {
        match self {
            Self::Sign(network) => Scratch::Sign(network.scratch()),
            Self::Real(network) => Scratch::Real(network.scratch()),
        }
    }

    /// Calls `use_logits` with the number of each of the networks of weights `rows` and its logits: one
    /// vector over points an output.
    pub fn each_logits(
        &self,
        rows: &[&[u64]],
        scratch: &mut Scratch,
        mut use_logits: impl FnMut(usize, &[f64]),
    ) {
        match (self, scratch) {
            (Self::Sign(network), Scratch::Sign(scratch)) => {
                network.first_layers(rows, scratch);
                for (i, row) in rows.iter().enumerate() {
                    use_logits(i, network.logits(i, row, scratch));
                }
            }
            (Self::Real(network), Scratch::Real(scratch)) => {
                for (i, row) in rows.iter().enumerate() {
                    use_logits(i, network.logits(row, scratch));
                }
            }
            _ => unreachable!("the scratch is its own"),
        }
    }
}

impl Network {
    /// Points that are evaluated together.
    pub(super) fn tile_points(&self) -> usize {
        match (is_wide(self), Sums::new(self)) {
            _ if self.is_sign() => TILE_POINTS,
            (true, _) => WIDE_TILE_POINTS,
            (_, Some(_)) => COMMON_TILE_POINTS,
            _ => TILE_POINTS,
        }
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
        let tile_points = self.tile_points();
        // Looked for while the numbers are in cache.
        let all_finite = AtomicBool::new(true);
        for (t, rows) in x.chunks(tile_points * self.n_inputs()).enumerate() {
            let tile = Tile::new(self, rows);
            let inference = Inference::new(self, &tile, bits.len(), None);
            let here = t * tile_points * n_outputs..(t * tile_points + tile.n_points) * n_outputs;
            out.par_chunks_mut(row_length * BLOCK_NETWORKS).enumerate().for_each_init(
                || inference.scratch(),
                |scratch, (block, out)| {
                    let block =
                        block * BLOCK_NETWORKS..((block + 1) * BLOCK_NETWORKS).min(bits.len());
                    let rows: Vec<_> = block.map(|i| bits.row(i)).collect();
                    inference.each_logits(&rows, scratch, |i, logits| {
                        let out = &mut out[i * row_length..][here.clone()];
                        if !interleave(logits, n_outputs, out) {
                            all_finite.store(false, Ordering::Relaxed);
                        }
                    });
                },
            );
        }
        if all_finite.into_inner() { Ok(()) } else { check_results(out, "logits") }
    }
}

kernel! {
    /// Turns vectors over points, one after the other, into rows of a number from each; returns whether
    /// all numbers are finite.
    fn interleave(vectors: &[f64], n_vectors: usize, rows: &mut [f64]) -> bool {
        let n_points = vectors.len() / n_vectors;
        if n_vectors == 1 {
            rows.copy_from_slice(vectors);
        } else {
            for (d, row) in rows.chunks_exact_mut(n_vectors).enumerate() {
                for (k, out) in row.iter_mut().enumerate() {
                    *out = vectors[k * n_points + d];
                }
            }
        }
        vectors.iter().fold(true, |all, v| all & v.is_finite())
    }
}

/// Finite inputs can still be too large for their sums: says so instead of returning NaN.
pub(super) fn check_results(values: &[f64], what: &str) -> Result<()> {
    match values.iter().find(|v| !v.is_finite()) {
        None => Ok(()),
        Some(v) => Err(Error::invalid("X", format!("numbers small enough for finite {what}"), v)),
    }
}

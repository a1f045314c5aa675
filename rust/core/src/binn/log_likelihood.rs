//! The log-likelihood of the data under many networks: of given weights, and of all of them.

use super::Network;
use super::common_units::CommonUnits;
use super::factors::Factors;
use super::inference::{BLOCK_NETWORKS, Inference, check_results};
use super::likelihood::Targets;
use super::orbits::Orbits;
use super::points::{self, Tile};
use super::rows::{Networks, distinct};
use super::sign::SignLikelihood;
use super::symmetry::Units;
use crate::bits::PackedBits;
use crate::error::Result;
use crate::memory;

use rayon::prelude::*;

impl Network {
    /// Log-likelihood, in nats, of all data under each of the S rows of `bits`.
    ///
    /// `x` is row-major (D, inputs). `y` has D entries (0 or 1; classes 0..K-1) or, for a Gaussian
    /// likelihood, is row-major (D, outputs). Networks that are the same function by a symmetry are
    /// evaluated once, where that is cheap to see.
    pub fn log_likelihood(&self, bits: &PackedBits, x: &[f64], y: &[f64]) -> Result<Vec<f64>> {
        self.check_bits(bits)?;
        self.check_data(x, y)?;
        // A sign network is evaluated in less time than it takes to find its representative.
        let representatives = Units::new(self).filter(|_| !self.is_sign()).map(|units| {
            let rows = (0..bits.len()).map(|i| units.representative(bits.row(i)[0]));
            PackedBits::from_indices(rows, self.n_weights())
        });
        let bits = representatives.as_ref().unwrap_or(bits);
        let distinct = distinct(bits);
        let mut values = vec![0.0; distinct.first.len()];
        self.add_log_likelihoods(Networks::Some(bits), |i| distinct.first[i], x, y, &mut values);
        check_results(&values, "log-likelihoods")?;
        Ok(distinct.place.iter().map(|&place| values[place]).collect())
    }

    /// The log-likelihood table: entry z is the network of outcome index z, whose bit i is the
    /// weight at flat position i. See [`Self::log_likelihood`] for the data.
    pub fn log_likelihood_table(&self, x: &[f64], y: &[f64]) -> Result<Vec<f64>> {
        self.check_data(x, y)?;
        let n_networks = self.n_networks()?;
        let hint = "use a network with fewer weights, or log_likelihood of sampled ones";
        memory::check("the log-likelihood table", n_networks as u64 * 8, hint)?;
        let mut table = vec![0.0; n_networks];
        let units = Units::at_points(self, x);
        let orbits = units.map(|units| Orbits::new(self, units)).transpose()?.flatten();
        let Some(orbits) = orbits else {
            self.add_log_likelihoods(Networks::All, |i| i, x, y, &mut table);
            check_results(&table, "log-likelihoods")?;
            return Ok(table);
        };
        let representatives = orbits.representatives();
        let mut values = vec![0.0; representatives.len()];
        self.add_log_likelihoods(Networks::Some(&representatives), |i| i, x, y, &mut values);
        check_results(&values, "log-likelihoods")?;
        let block = orbits.block();
        let n_blocks = TABLE_ENTRIES.div_ceil(block);
        table.par_chunks_mut(block * n_blocks).enumerate().for_each_init(
            || vec![0; block],
            |places, (i, table)| {
                for (j, table) in table.chunks_exact_mut(block).enumerate() {
                    orbits.places((i * n_blocks + j) * block, places);
                    for (entry, place) in table.iter_mut().zip(&*places) {
                        *entry = values[*place as usize];
                    }
                }
            },
        );
        Ok(table)
    }

    fn check_data(&self, x: &[f64], y: &[f64]) -> Result<()> {
        let n_points = points::count(self, x)?;
        self.likelihood().check_targets(y, n_points, self.n_outputs())
    }

    /// Adds the log-likelihood of network `place(i)` to `out[i]`: tile by tile in the order of the
    /// points, so that the sum is the same however the networks are spread over threads.
    fn add_log_likelihoods(
        &self,
        networks: Networks<'_>,
        place: impl Fn(usize) -> usize + Sync,
        x: &[f64],
        y: &[f64],
        out: &mut [f64],
    ) {
        let common = match networks {
            Networks::Some(bits) if !self.is_sign() => {
                CommonUnits::new(self, (0..out.len()).map(|i| bits.row(place(i))))
            }
            _ => None,
        };
        let y_tile = self.tile_points() * self.likelihood().targets_per_point(self.n_outputs());
        for (x, y) in x.chunks(self.tile_points() * self.n_inputs()).zip(y.chunks(y_tile)) {
            let tile = Tile::new(self, x);
            let targets = self.likelihood().targets(y, self.n_outputs());
            let factors = match &targets {
                Targets::Signs(signs) if !self.is_sign() => {
                    Factors::new(self, &tile, signs, out.len())
                }
                _ => None,
            };
            if let Some(factors) = factors {
                let scratch = || factors.scratch();
                add_each(networks, &place, out, scratch, |rows, room, out| {
                    for (row, out) in rows.iter().zip(out) {
                        *out += factors.log_likelihood(row, room);
                    }
                });
                continue;
            }
            let inference = Inference::new(self, &tile, out.len(), common.as_ref());
            if let Inference::Sign(network) = &inference
                && let Some(sign) = SignLikelihood::new(network, &targets)
            {
                let scratch = || sign.scratch();
                add_each(networks, &place, out, scratch, |rows, room, out| {
                    sign.add_log_likelihoods(rows, room, out);
                });
                continue;
            }
            add_each(
                networks,
                &place,
                out,
                || inference.scratch(),
                |rows, room, out| {
                    inference.each_logits(rows, room, |i, logits| {
                        out[i] += targets.log_likelihood(logits);
                    });
                },
            );
        }
    }
}

/// Entries of a table that one thread fills at a time.
const TABLE_ENTRIES: usize = 1 << 12;

/// Has `add` add to each of some entries of `out` what it makes of the weights of its network, that at
/// `place(i)` for `out[i]`.
fn add_each<S>(
    networks: Networks<'_>,
    place: impl Fn(usize) -> usize + Sync,
    out: &mut [f64],
    scratch: impl Fn() -> S + Sync + Send,
    add: impl Fn(&[&[u64]], &mut S, &mut [f64]) + Sync,
) {
    out.par_chunks_mut(BLOCK_NETWORKS).enumerate().for_each_init(
        scratch,
        |scratch, (block, out)| {
            let first = block * BLOCK_NETWORKS;
            let mut indices = [[0]; BLOCK_NETWORKS];
            let rows = networks.rows((first..first + out.len()).map(&place), &mut indices);
            add(&rows, scratch, out);
        },
    );
}

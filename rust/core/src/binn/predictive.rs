//! What distributions over networks predict: averages of what single networks say.

use super::Network;
use super::exponential::exp_nonpositive;
use super::inference::{Inference, check_results};
use super::likelihood::Likelihood;
use super::orbits::Orbits;
use super::points::{self, Tile};
use super::rows::Networks;
use super::symmetry::Units;
use crate::bits::PackedBits;
use crate::error::{Error, Result, check_distribution, check_len};
use crate::logarithm::ln_1p;
use crate::memory;
use crate::simd::{kernel, one_turn_at_a_time};
use crate::state::fma;

use rayon::prelude::*;

/// Points in a tile: those of one distribution, all quantities together, fit into the first-level cache.
const TILE_POINTS: usize = 64;
/// Networks whose values are held together while every distribution takes its share of them.
const BLOCK_NETWORKS: usize = 16;
/// Points described side by side.
const LANES: usize = 8;
/// Networks are cut into at most this many segments, averaged side by side and added in order...
const MAX_SEGMENTS: usize = 16;
/// ... of at least this many networks, so that a segment is worth its own sums.
const MIN_SEGMENT: usize = 1024;

/// Averages over M distributions at D points, all row-major.
///
/// K is the number of classes (2 for a Bernoulli likelihood) or, for a Gaussian one, of outputs.
#[derive(Debug, Clone, PartialEq)]
pub struct Predictive {
    /// (M, D, K): the posterior predictive E_q p(y = k | x, w); Gaussian: the mean E_q of the output.
    pub mean: Vec<f64>,
    /// (M, D, K): probability under q that a network's most probable class is k (the lowest of
    /// equals); Gaussian: second moment E_q output^2.
    pub votes: Vec<f64>,
    /// (M, D): E_q of the entropy of p(y | x, w), in nats; Gaussian: the variance of the noise.
    pub aleatoric: Vec<f64>,
}

impl Network {
    /// Predictions of M distributions over the same S networks.
    ///
    /// `probabilities` is row-major (M, S), each row summing to 1; `x` is row-major (D, inputs).
    /// Networks to which no distribution gives probability are not evaluated.
    pub fn predictive(
        &self,
        networks: Networks<'_>,
        probabilities: &[f64],
        n_distributions: usize,
        x: &[f64],
    ) -> Result<Predictive> {
        let n_points = points::count(self, x)?;
        let n_networks = match networks {
            Networks::All => self.n_networks()?,
            Networks::Some(bits) => {
                self.check_bits(bits)?;
                bits.len()
            }
        };
        if n_distributions == 0 || n_networks == 0 {
            let got = format!("{n_distributions} over {n_networks}");
            return Err(Error::invalid(
                "probabilities",
                "at least 1 distribution over 1 network",
                got,
            ));
        }
        check_len(
            "probabilities",
            n_distributions.saturating_mul(n_networks),
            probabilities.len(),
        )?;
        for distribution in probabilities.chunks_exact(n_networks) {
            check_distribution("probabilities", distribution)?;
        }
        let n_classes = n_classes(self);
        let bytes = (n_distributions as u64)
            .saturating_mul(n_points as u64)
            .saturating_mul(2 * 8 * (2 * n_classes as u64 + 1));
        memory::check("the predictions", bytes, "predict fewer points at a time")?;

        let merged = self.merge(networks, probabilities, n_networks, x)?;
        let (networks, probabilities) = match &merged {
            Some((rows, probabilities)) => (Networks::Some(rows), &probabilities[..]),
            None => (networks, probabilities),
        };
        let n_networks = probabilities.len() / n_distributions;
        let job = Job { network: self, networks, n_networks, probabilities };
        let rows: Vec<&[f64]> = x.chunks(TILE_POINTS * self.n_inputs()).collect();
        let tiles: Vec<Vec<f64>> = rows.par_iter().map(|rows| job.average(rows)).collect();
        let predictive = gather(&tiles, n_distributions, n_points, n_classes);
        check_results(&predictive.mean, "predictions")?;
        check_results(&predictive.votes, "predictions")?;
        check_results(&predictive.aleatoric, "predictions")?;
        Ok(predictive)
    }
}

impl Network {
    /// Representatives of networks that are the same function, and the probabilities, row-major, of
    /// all that each stands for; `None` where that is not cheap to see.
    fn merge(
        &self,
        networks: Networks<'_>,
        probabilities: &[f64],
        n_networks: usize,
        x: &[f64],
    ) -> Result<Option<(PackedBits, Vec<f64>)>> {
        let units = match networks {
            Networks::All => Units::at_points(self, x),
            Networks::Some(_) => None,
        };
        let orbits = units.map(|units| Orbits::new(self, units)).transpose()?.flatten();
        let Some(orbits) = orbits else { return Ok(None) };
        let rows = orbits.representatives();
        let n_distributions = probabilities.len() / n_networks;
        let bytes = (rows.len() as u64).saturating_mul(8 * n_distributions as u64);
        memory::check("the merged probabilities", bytes, "predict with fewer distributions")?;
        let mut merged = vec![0.0; rows.len() * n_distributions];
        let pairs = merged.par_chunks_exact_mut(rows.len());
        pairs.zip(probabilities.par_chunks_exact(n_networks)).for_each(
            |(merged, probabilities)| {
                let mut places = vec![0; orbits.block()];
                for (i, block) in probabilities.chunks_exact(orbits.block()).enumerate() {
                    orbits.places(i * orbits.block(), &mut places);
                    for (place, p) in places.iter().zip(block) {
                        merged[*place as usize] += p;
                    }
                }
            },
        );
        Ok(Some((rows, merged)))
    }
}

/// Classes or, in regression, outputs.
fn n_classes(network: &Network) -> usize {
    match network.likelihood() {
        Likelihood::Bernoulli => 2,
        Likelihood::Categorical | Likelihood::Gaussian { .. } => network.n_outputs(),
    }
}

/// What is averaged, but for the points.
struct Job<'a> {
    network: &'a Network,
    networks: Networks<'a>,
    n_networks: usize,
    probabilities: &'a [f64],
}

impl Job<'_> {
    /// Averages at the points of one tile: (M, 2 K + 1, points), means, votes, then aleatoric.
    fn average(&self, x: &[f64]) -> Vec<f64> {
        let tile = Tile::new(self.network, x);
        let inference = Inference::new(self.network, &tile, self.n_networks, None);
        // Cut by the number of networks alone: every pool adds the same segments in this order.
        let length = self.n_networks.div_ceil(MAX_SEGMENTS).max(MIN_SEGMENT);
        let segments: Vec<Vec<f64>> = (0..self.n_networks.div_ceil(length))
            .into_par_iter()
            .map(|i| {
                let end = ((i + 1) * length).min(self.n_networks);
                self.average_segment(&tile, &inference, i * length..end)
            })
            .collect();
        let mut segments = segments.into_iter();
        let mut total = segments.next().unwrap_or_default();
        for segment in segments {
            total.iter_mut().zip(&segment).for_each(|(total, part)| *total += part);
        }
        total
    }

    fn average_segment(
        &self,
        tile: &Tile,
        inference: &Inference<'_>,
        segment: std::ops::Range<usize>,
    ) -> Vec<f64> {
        let width = (2 * n_classes(self.network) + 1) * tile.n_points;
        let n_distributions = self.probabilities.len() / self.n_networks;
        let mut sums = vec![0.0; n_distributions * width];
        let mut values = vec![0.0; BLOCK_NETWORKS * width];
        let mut scratch = inference.scratch();
        for start in segment.clone().step_by(BLOCK_NETWORKS) {
            let block = start..(start + BLOCK_NETWORKS).min(segment.end);
            let is_used = |s: usize| {
                self.probabilities.iter().skip(s).step_by(self.n_networks).any(|&p| p > 0.0)
            };
            let used: Vec<usize> = block.clone().filter(|s| is_used(*s)).collect();
            let mut indices = [[0]; BLOCK_NETWORKS];
            let rows = self.networks.rows(used.iter().copied(), &mut indices);
            inference.each_logits(&rows, &mut scratch, |i, logits| {
                let values = &mut values[(used[i] - start) * width..][..width];
                describe(self.network.likelihood(), logits, tile.n_points, values);
            });
            let distributions = self.probabilities.chunks_exact(self.n_networks);
            for (distribution, sums) in distributions.zip(sums.chunks_exact_mut(width)) {
                let shares = &distribution[block.clone()];
                if shares.iter().any(|&p| p > 0.0) {
                    add_shares(sums, &values, shares);
                }
            }
        }
        sums
    }
}

kernel! {
    /// What one network says: vectors over points of K means, K votes and the aleatoric part.
    fn describe(likelihood: Likelihood, logits: &[f64], n_points: usize, out: &mut [f64]) {
        let n_classes = (out.len() / n_points - 1) / 2;
        let (mean, rest) = out.split_at_mut(n_classes * n_points);
        let (votes, aleatoric) = rest.split_at_mut(n_classes * n_points);
        match likelihood {
            Likelihood::Bernoulli => {
                let (zero, one) = mean.split_at_mut(n_points);
                let (votes_zero, votes_one) = votes.split_at_mut(n_points);
                let mut outputs = [zero, one, votes_zero, votes_one, aleatoric];
                for (start, logits) in (0..n_points).step_by(LANES).zip(logits.chunks(LANES)) {
                    // In arrays of their own, which nothing else can point to: it vectorises.
                    let mut lanes = [0.0; LANES];
                    lanes[..logits.len()].copy_from_slice(logits);
                    let mut found = [[0.0; LANES]; 5];
                    for k in 0..LANES {
                        let size = lanes[k].abs();
                        let e = exp_nonpositive::<FMA>(-size);
                        let likely = 1.0 / (1.0 + e);
                        let unlikely = e * likely;
                        let is_one = lanes[k] > 0.0;
                        found[0][k] = if is_one { unlikely } else { likely };
                        found[1][k] = if is_one { likely } else { unlikely };
                        found[2][k] = if is_one { 0.0 } else { 1.0 };
                        found[3][k] = if is_one { 1.0 } else { 0.0 };
                        found[4][k] = ln_1p::<FMA>(e) + size * unlikely;
                    }
                    for (out, found) in outputs.iter_mut().zip(&found) {
                        out[start..start + logits.len()].copy_from_slice(&found[..logits.len()]);
                    }
                }
            }
            Likelihood::Categorical => {
                votes.fill(0.0);
                for d in 0..n_points {
                    let logit = |k: usize| logits[k * n_points + d];
                    let best =
                        (1..n_classes).fold(0, |best, k| if logit(k) > logit(best) { k } else { best });
                    votes[best * n_points + d] = 1.0;
                    let mut sum = 0.0;
                    for k in 0..n_classes {
                        let e = exp_nonpositive::<FMA>(logit(k) - logit(best));
                        mean[k * n_points + d] = e;
                        sum += e;
                    }
                    // H = log sum exp - sum_k p_k logit_k, with logits counted from the largest.
                    let mut mean_logit = 0.0;
                    for k in 0..n_classes {
                        mean[k * n_points + d] /= sum;
                        mean_logit += mean[k * n_points + d] * (logit(k) - logit(best));
                    }
                    aleatoric[d] = sum.ln() - mean_logit;
                }
            }
            Likelihood::Gaussian { noise } => {
                mean.copy_from_slice(logits);
                votes.iter_mut().zip(logits).for_each(|(square, logit)| *square = logit * logit);
                aleatoric.fill(noise * noise);
            }
        }
    }
}

kernel! {
    /// Adds the values of some networks, one row each, times their shares.
    fn add_shares(sums: &mut [f64], values: &[f64], shares: &[f64]) {
        /// Sums that stay in registers while all networks are added.
        const SUMS: usize = 64;
        let width = sums.len();
        let (chunks, rest) = sums.as_chunks_mut::<SUMS>();
        for (i, chunk) in chunks.iter_mut().enumerate() {
            let mut sums = *chunk;
            for (p, row) in shares.iter().zip(values.chunks_exact(width)) {
                one_turn_at_a_time();
                for (sum, value) in sums.iter_mut().zip(&row[i * SUMS..][..SUMS]) {
                    *sum = fma::<f64, FMA>(*p, *value, *sum);
                }
            }
            *chunk = sums;
        }
        let start = chunks.len() * SUMS;
        for (p, row) in shares.iter().zip(values.chunks_exact(width)) {
            for (sum, value) in rest.iter_mut().zip(&row[start..]) {
                *sum = fma::<f64, FMA>(*p, *value, *sum);
            }
        }
    }
}

/// Puts the tiles' averages into the order of the result.
fn gather(
    tiles: &[Vec<f64>],
    n_distributions: usize,
    n_points: usize,
    n_classes: usize,
) -> Predictive {
    let n_values = n_distributions * n_points;
    let mut out = Predictive {
        mean: vec![0.0; n_values * n_classes],
        votes: vec![0.0; n_values * n_classes],
        aleatoric: vec![0.0; n_values],
    };
    for (t, tile) in tiles.iter().enumerate() {
        let width = tile.len() / n_distributions;
        let tile_points = width / (2 * n_classes + 1);
        for (m, values) in tile.chunks_exact(width).enumerate() {
            let (mean, rest) = values.split_at(n_classes * tile_points);
            let (votes, aleatoric) = rest.split_at(n_classes * tile_points);
            let start = m * n_points + t * TILE_POINTS;
            for d in 0..tile_points {
                for k in 0..n_classes {
                    out.mean[(start + d) * n_classes + k] = mean[k * tile_points + d];
                    out.votes[(start + d) * n_classes + k] = votes[k * tile_points + d];
                }
            }
            out.aleatoric[start..start + tile_points].copy_from_slice(aleatoric);
        }
    }
    out
}

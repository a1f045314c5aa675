//! MMD from samples: integer histograms of Hamming distances, then a table of kernel values.
//!
//! The histograms are exact, so nothing depends on the order in which threads fill them, and the
//! matrix of kernels between samples is never held.

use super::distances::{between, hamming, within};
use super::kernel::HammingKernel;
use super::prior::{mean_embedding, prior_self_similarity};
use crate::bits::PackedBits;
use crate::error::{Error, Result};
use crate::simd::kernel;

use rayon::prelude::*;

/// Rows whose sums one thread takes at a time.
const BLOCK_ROWS: usize = 64;
/// Values added side by side.
const LANES: usize = 4;

/// How a mean over pairs of samples is estimated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Estimator {
    /// V-statistic: over all pairs, each sample with itself included. Never negative.
    Biased,
    /// U-statistic: over pairs of different samples. Its mean is right; it can be negative.
    Unbiased,
}

/// `MMD^2` between the distributions that two sets of rows were drawn from.
pub fn mmd2(
    q: &PackedBits,
    p: &PackedBits,
    kernel: &HammingKernel,
    estimator: Estimator,
) -> Result<f64> {
    check_rows("bits_q", q, estimator)?;
    check_rows("bits_p", p, estimator)?;
    if q.n_bits() != p.n_bits() {
        let expected = format!("rows of {} bits, as in bits_q", q.n_bits());
        return Err(Error::invalid("bits_p", expected, format!("rows of {}", p.n_bits())));
    }
    let (within_q, pairs_q) = pairs_within(q, estimator);
    let (within_p, pairs_p) = pairs_within(p, estimator);
    let between = between(q, p);
    let pairs_between = q.len() as f64 * p.len() as f64;
    // The difference is taken at each distance, where two equal samples leave exactly nothing.
    let terms = kernel.table(q.n_bits()).into_iter().enumerate().map(|(d, k)| {
        let within = within_q[d] as f64 / pairs_q + within_p[d] as f64 / pairs_p;
        k * (within - 2.0 * (between[d] as f64 / pairs_between))
    });
    Ok(floor(terms.sum(), estimator))
}

/// `MMD^2` between the distribution that rows were drawn from and a factorised prior, of which no
/// samples are needed; `p_plus[i] = P(w_i = +1)`.
pub fn mmd2_to_prior(
    q: &PackedBits,
    p_plus: &[f64],
    kernel: &HammingKernel,
    estimator: Estimator,
) -> Result<f64> {
    check_rows("bits_q", q, estimator)?;
    let embedding = mean_embedding(q, p_plus, kernel)?;
    let (within, pairs) = pairs_within(q, estimator);
    let table = kernel.table(q.n_bits());
    let within: f64 = within.iter().zip(table).map(|(&count, k)| count as f64 * k).sum();
    let between = embedding.iter().sum::<f64>() / q.len() as f64;
    let value = within / pairs - 2.0 * between + prior_self_similarity(p_plus, kernel);
    Ok(floor(value, estimator))
}

/// `R_i = sum_{j != i} k(w_i, w_j)` of each row.
pub fn row_sums(rows: &PackedBits, kernel: &HammingKernel) -> Result<Vec<f64>> {
    let table = kernel.table(rows.n_bits());
    let words = rows.words_per_row();
    let row_sum = |i: usize| {
        let (before, after) = rows.words().split_at(i * words);
        let (row, after) = after.split_at(words);
        sum_over(row, before, &table) + sum_over(row, after, &table)
    };
    Ok((0..rows.len()).into_par_iter().with_min_len(BLOCK_ROWS).map(row_sum).collect())
}

kernel! {
    /// The sum of a table over the distances between one row and others.
    fn sum_over(row: &[u64], others: &[u64], table: &[f64]) -> f64 {
        let [word] = row else {
            return others.chunks_exact(row.len()).map(|other| table[hamming(row, other)]).sum();
        };
        let value = |other: &u64| table[(word ^ other).count_ones() as usize];
        let (groups, rest) = others.as_chunks::<LANES>();
        let mut sums = [0.0; LANES];
        for group in groups {
            for (sum, other) in sums.iter_mut().zip(group) {
                *sum += value(other);
            }
        }
        sums.iter().sum::<f64>() + rest.iter().map(value).sum::<f64>()
    }
}

/// A biased estimate is not negative; its rounding could be.
fn floor(value: f64, estimator: Estimator) -> f64 {
    match estimator {
        Estimator::Biased => value.max(0.0),
        Estimator::Unbiased => value,
    }
}

fn check_rows(argument: &'static str, rows: &PackedBits, estimator: Estimator) -> Result<()> {
    let (least, expected) = match estimator {
        Estimator::Biased => (1, "at least 1 row"),
        Estimator::Unbiased => (2, "at least 2 rows for the unbiased estimator"),
    };
    if rows.len() >= least {
        return Ok(());
    }
    Err(Error::invalid(argument, expected, rows.len()))
}

/// Counts of ordered pairs of one sample at each distance, and how many pairs there are.
fn pairs_within(rows: &PackedBits, estimator: Estimator) -> (Vec<u64>, f64) {
    let mut counts = within(rows);
    let n = rows.len() as f64;
    match estimator {
        Estimator::Biased => (counts, n * n),
        Estimator::Unbiased => {
            counts[0] -= rows.len() as u64;
            (counts, n * (n - 1.0))
        }
    }
}

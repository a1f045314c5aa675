//! MMD from samples: integer histograms of Hamming distances, then a table of kernel values.
//!
//! The histograms are exact, so nothing depends on the order in which threads fill them, and the
//! matrix of kernels between samples is never held.

use super::distances::{between, within};
use super::kernel::HammingKernel;
use super::prior::{mean_embedding, prior_self_similarity};
use crate::bits::PackedBits;
use crate::error::{Error, Result};

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

//! MMD from samples: integer histograms of Hamming distances, then a table of kernel values.
//!
//! The histograms are exact, so nothing depends on the order in which threads fill them, and the
//! matrix of kernels between samples is never held.

use super::kernel::HammingKernel;
use super::prior::{mean_embedding, prior_self_similarity};
use crate::bits::PackedBits;
use crate::error::{Error, Result};
use crate::simd::kernel;

use rayon::prelude::*;

/// Rows that one thread compares with all others at a time.
const BLOCK_ROWS: usize = 64;
/// Rows that they are compared with before the next ones are read.
const CACHED_ROWS: usize = 1024;
/// Histograms filled in turn: equal distances in a row do not wait for one another.
const TURNS: usize = 4;

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
    let between = distances(q, p);
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
    let mut out = vec![0.0; rows.len()];
    out.par_iter_mut().enumerate().for_each(|(i, out)| {
        let mut counts = block_distances(rows.row(i), rows.words(), rows.n_bits());
        // The row itself is among those at distance 0.
        counts[0] -= 1;
        *out = counts.iter().zip(&table).map(|(&count, k)| count as f64 * k).sum();
    });
    Ok(out)
}

/// The Hamming distance of two packed rows.
#[inline(always)]
pub(super) fn hamming(a: &[u64], b: &[u64]) -> usize {
    a.iter().zip(b).map(|(a, b)| (a ^ b).count_ones() as usize).sum()
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
    let length = BLOCK_ROWS * rows.words_per_row();
    // A block meets itself and the rows after it, which count for both orders.
    let mut counts = add_up(rows, |block, own| {
        let later = &rows.words()[block * length + own.len()..];
        let mut counts = block_distances(own, later, rows.n_bits());
        let within = block_distances(own, own, rows.n_bits());
        counts.iter_mut().zip(within).for_each(|(count, within)| *count = 2 * *count + within);
        counts
    });
    let n = rows.len() as f64;
    match estimator {
        Estimator::Biased => (counts, n * n),
        Estimator::Unbiased => {
            counts[0] -= rows.len() as u64;
            (counts, n * (n - 1.0))
        }
    }
}

/// How many pairs of a row of `a` and a row of `b` are at each Hamming distance 0..=n.
fn distances(a: &PackedBits, b: &PackedBits) -> Vec<u64> {
    add_up(a, |_, a| block_distances(a, b.words(), b.n_bits()))
}

/// The sum over blocks of rows of what `counts` finds at each distance.
fn add_up(rows: &PackedBits, counts: impl Fn(usize, &[u64]) -> Vec<u64> + Sync) -> Vec<u64> {
    let blocks = rows.words().par_chunks(BLOCK_ROWS * rows.words_per_row()).enumerate();
    blocks.map(|(block, words)| counts(block, words)).reduce(
        || vec![0; rows.n_bits() + 1],
        |mut total, counts| {
            total.iter_mut().zip(counts).for_each(|(total, count)| *total += count);
            total
        },
    )
}

/// As [`distances`], of the words of some rows.
fn block_distances(a: &[u64], b: &[u64], n_bits: usize) -> Vec<u64> {
    match n_bits.div_ceil(64) {
        // The common lengths are compiled apart, without a loop over words.
        1 => count_one_word(a, b, n_bits),
        2 => count_two_words(a, b, n_bits),
        _ => count_long_distances(a, b, n_bits),
    }
}

kernel! {
    fn count_one_word(a: &[u64], b: &[u64], n_bits: usize) -> Vec<u64> {
        count_distances::<1>(a, b, n_bits)
    }
}

kernel! {
    fn count_two_words(a: &[u64], b: &[u64], n_bits: usize) -> Vec<u64> {
        count_distances::<2>(a, b, n_bits)
    }
}

#[inline(always)]
fn count_distances<const WORDS: usize>(a: &[u64], b: &[u64], n_bits: usize) -> Vec<u64> {
    let (a, rows) = (a.as_chunks::<WORDS>().0, b.as_chunks::<WORDS>().0);
    // As many counts as a byte has values: no distance needs to be checked against their number.
    let mut counts = [[0u64; 256]; TURNS];
    let mut found = [0u8; CACHED_ROWS];
    for rows in rows.chunks(CACHED_ROWS) {
        let found = &mut found[..rows.len()];
        for a in a {
            // First all distances, which the compiler vectorises; then the counting, which it cannot.
            for (found, b) in found.iter_mut().zip(rows) {
                *found = a.iter().zip(b).map(|(a, b)| (a ^ b).count_ones() as u8).sum();
            }
            let (groups, rest) = found.as_chunks::<TURNS>();
            for group in groups {
                for (counts, distance) in counts.iter_mut().zip(group) {
                    counts[usize::from(*distance)] += 1;
                }
            }
            rest.iter().for_each(|distance| counts[0][usize::from(*distance)] += 1);
        }
    }
    (0..=n_bits).map(|d| counts.iter().map(|counts| counts[d]).sum()).collect()
}

kernel! {
    fn count_long_distances(a: &[u64], b: &[u64], n_bits: usize) -> Vec<u64> {
        let words = n_bits.div_ceil(64);
        let mut counts = vec![0; n_bits + 1];
        for rows in b.chunks(CACHED_ROWS * words) {
            for a in a.chunks_exact(words) {
                for b in rows.chunks_exact(words) {
                    counts[hamming(a, b)] += 1;
                }
            }
        }
        counts
    }
}

//! MMD between probability vectors of length 2^n.
//!
//! Each bandwidth's kernel matrix is a tensor product of `[[1, e_s], [e_s, 1]]` over bits. The
//! Walsh-Hadamard transform diagonalises all of them at once: on the subset S of bits the eigenvalue
//! is `lambda_S = mean_s ((1 + e_s)/2)^(n - |S|) ((1 - e_s)/2)^|S|` (the factor 2^-n of two
//! transforms is inside), whichever number of bandwidths there is.

use super::butterfly::{BLOCK, PARALLEL, Pair, transform, transform_block, transform_columns};
use super::kernel::HammingKernel;
use crate::error::{Error, Result, check_distribution, check_len};
use crate::memory;
use crate::parallel::{Threads, map_tasks};
use crate::simd::{kernel, one_turn_at_a_time};
use crate::state::fma;

use rayon::prelude::*;

/// Neighbours that are weighted together.
const LANES: usize = 16;
/// Columns of blocks that one thread transforms at a time.
const COLUMNS: usize = 32;
/// Sums this close to 1 need no second look.
const SUM_TOLERANCE: f64 = 1e-9;

/// `MMD^2 = (q - p)' K (q - p)` of two probability vectors of the same length 2^n.
///
/// Computed as `sum_S lambda_S (<Z_S>_q - <Z_S>_p)^2`, which has no negative term.
pub fn mmd2_exact(q: &[f64], p: &[f64], kernel: &HammingKernel) -> Result<f64> {
    let n_bits = check_power_of_two("q", q)?;
    check_len("p", q.len(), p.len())?;
    memory::check("the difference of distributions", 8 * q.len() as u64, "use samples and mmd2")?;
    let weights = Weights::new(kernel, n_bits);
    // Every block is read, subtracted and transformed while it is in cache; then, the blocks being
    // the rows of a matrix, some columns at a time, which are summed without being written back.
    let block_len = q.len().min(BLOCK);
    let mut difference = vec![0.0; q.len()];
    let parts = q.par_chunks(block_len).zip(p.par_chunks(block_len));
    let blocks = difference.par_chunks_mut(block_len).zip(parts).with_min_len(PARALLEL / BLOCK);
    let mut sums = Vec::new();
    blocks.map(|(block, (q, p))| subtract_and_transform(q, p, block)).collect_into_vec(&mut sums);
    for (which, argument, values) in [(0, "q", q), (1, "p", p)] {
        let sum: f64 = sums.iter().map(|sums| sums[which]).sum();
        // A distribution, or close enough to be looked at again.
        let is_one = (sum - 1.0).abs() <= SUM_TOLERANCE;
        if !is_one {
            check_distribution(argument, values)?;
        }
    }
    let width = block_len.min(COLUMNS);
    let parts = map_tasks(threads(q.len()), block_len / width, |task| {
        let first = task * width;
        let mut columns = Vec::with_capacity(q.len() / block_len * width);
        let blocks = difference.chunks_exact(block_len);
        blocks.for_each(|block| columns.extend_from_slice(&block[first..first + width]));
        transform_columns(&mut columns, width);
        let rows = columns.chunks_exact(width).enumerate();
        rows.map(|(row, values)| sum_of_squares(values, row * BLOCK + first, &weights)).sum::<f64>()
    });
    // Added in order, for the same result on every pool.
    Ok(parts.iter().sum())
}

/// Writes the transform of q - p and returns the sums of both, as [`subtract`].
fn subtract_and_transform(q: &[f64], p: &[f64], out: &mut [f64]) -> [f64; 2] {
    let sums = subtract(q, p, out);
    transform_block(out, Pair::SumAndDifference);
    sums
}

/// Whether a vector is worth the pool.
fn threads(length: usize) -> Threads {
    if length >= PARALLEL { Threads::Pool } else { Threads::One }
}

/// Replaces `v`, of length 2^n, by `K v`, in place.
///
/// One bandwidth takes its butterflies directly; several share one transform and its inverse.
pub fn apply_kernel(v: &mut [f64], kernel: &HammingKernel) -> Result<()> {
    let n_bits = check_power_of_two("v", v)?;
    let mut rates = kernel.rates();
    if let (Some(rate), None) = (rates.next(), rates.next()) {
        transform(v, Pair::Mix((-rate).exp()));
        return Ok(());
    }
    let weights = Weights::new(kernel, n_bits);
    transform(v, Pair::SumAndDifference);
    let blocks = v.par_chunks_mut(BLOCK).with_min_len(PARALLEL / BLOCK).enumerate();
    blocks.for_each(|(block, values)| scale(values, block * BLOCK, &weights));
    transform(v, Pair::SumAndDifference);
    Ok(())
}

/// Writes the witness function `K (q - p)` of two vectors of length 2^n to `out` and returns
/// `MMD^2 = (q - p)' K (q - p)`.
pub fn witness(q: &[f64], p: &[f64], kernel: &HammingKernel, out: &mut [f64]) -> Result<f64> {
    check_len("p", q.len(), p.len())?;
    check_len("out", q.len(), out.len())?;
    out.par_chunks_mut(BLOCK).with_min_len(PARALLEL / BLOCK).enumerate().for_each(|(i, out)| {
        subtract(&q[i * BLOCK..][..out.len()], &p[i * BLOCK..][..out.len()], out);
    });
    apply_kernel(out, kernel)?;
    let products = map_tasks(threads(q.len()), q.len().div_ceil(BLOCK), |i| {
        let part = i * BLOCK..((i + 1) * BLOCK).min(q.len());
        product_with_difference(&q[part.clone()], &p[part.clone()], &out[part])
    });
    Ok(products.iter().sum())
}

kernel! {
    /// Writes q - p and returns the sums of both, which are no numbers if an entry is below 0 or none.
    fn subtract(q: &[f64], p: &[f64], out: &mut [f64]) -> [f64; 2] {
        let ((q, q_rest), (p, p_rest)) = (q.as_chunks::<LANES>(), p.as_chunks::<LANES>());
        let (out, out_rest) = out.as_chunks_mut::<LANES>();
        let (mut q_sums, mut p_sums, mut least) = ([0.0; LANES], [0.0; LANES], [0.0; LANES]);
        for ((q, p), out) in q.iter().zip(p).zip(out) {
            one_turn_at_a_time();
            for k in 0..LANES {
                out[k] = q[k] - p[k];
                q_sums[k] += q[k];
                p_sums[k] += p[k];
                let smaller = if q[k] < p[k] { q[k] } else { p[k] };
                least[k] = if smaller < least[k] { smaller } else { least[k] };
            }
        }
        for (k, ((q, p), out)) in q_rest.iter().zip(p_rest).zip(out_rest).enumerate() {
            *out = q - p;
            q_sums[k] += q;
            p_sums[k] += p;
            least[k] = least[k].min(*q).min(*p);
        }
        let right = least == [0.0; LANES];
        [q_sums, p_sums].map(|sums| if right { sums.iter().sum() } else { f64::NAN })
    }
}

kernel! {
    /// `(q - p)' v`.
    fn product_with_difference(q: &[f64], p: &[f64], v: &[f64]) -> f64 {
        let ((q, q_rest), (p, p_rest)) = (q.as_chunks::<LANES>(), p.as_chunks::<LANES>());
        let (v, v_rest) = v.as_chunks::<LANES>();
        let mut sums = [0.0; LANES];
        for ((q, p), v) in q.iter().zip(p).zip(v) {
            one_turn_at_a_time();
            for k in 0..LANES {
                sums[k] = fma::<f64, FMA>(q[k] - p[k], v[k], sums[k]);
            }
        }
        let rest = q_rest.iter().zip(p_rest).zip(v_rest).map(|((q, p), v)| (q - p) * v);
        sums.iter().sum::<f64>() + rest.sum::<f64>()
    }
}

kernel! {
    /// sum of lambda_S * value^2 over the subsets S whose bits are the indices from `start` on.
    fn sum_of_squares(values: &[f64], start: usize, weights: &Weights) -> f64 {
        let mut sums = [0.0; LANES];
        let (chunks, rest) = values.as_chunks::<LANES>();
        for (c, values) in chunks.iter().enumerate() {
            one_turn_at_a_time();
            let weights = weights.from(start + c * LANES);
            for k in 0..LANES {
                sums[k] = fma::<f64, FMA>(weights[k] * values[k], values[k], sums[k]);
            }
        }
        let weights = weights.from(start);
        let rest = rest.iter().zip(weights).map(|(value, weight)| weight * value * value);
        sums.iter().sum::<f64>() + rest.sum::<f64>()
    }
}

kernel! {
    /// Multiplies by lambda_S, S as in [`sum_of_squares`].
    fn scale(values: &mut [f64], start: usize, weights: &Weights) {
        let (chunks, rest) = values.as_chunks_mut::<LANES>();
        for (c, values) in chunks.iter_mut().enumerate() {
            one_turn_at_a_time();
            let weights = weights.from(start + c * LANES);
            (0..LANES).for_each(|k| values[k] *= weights[k]);
        }
        rest.iter_mut().zip(weights.from(start)).for_each(|(value, weight)| *value *= weight);
    }
}

/// The eigenvalues of [`LANES`] neighbours at a time: one row for each number of bits above theirs.
struct Weights(Vec<[f64; LANES]>);

impl Weights {
    fn new(kernel: &HammingKernel, n_bits: usize) -> Self {
        let by_size = kernel_eigenvalues(kernel, n_bits);
        // A short vector leaves lanes without an entry.
        let weight = |size: usize| by_size.get(size).copied().unwrap_or(0.0);
        let row =
            |above: usize| std::array::from_fn(|k: usize| weight(above + k.count_ones() as usize));
        Self((0..=n_bits).map(row).collect())
    }

    /// Those of the indices from `start` on.
    #[inline(always)]
    fn from(&self, start: usize) -> &[f64; LANES] {
        &self.0[start.count_ones() as usize]
    }
}

/// `lambda_S` for each number |S| of bits 0..=n.
pub fn kernel_eigenvalues(kernel: &HammingKernel, n_bits: usize) -> Vec<f64> {
    (0..=n_bits)
        .map(|size| {
            kernel.mean_of(|rate| {
                let even = 0.5 * (1.0 + (-rate).exp());
                // (1 - e)/2 without cancellation for wide kernels.
                let odd = -0.5 * (-rate).exp_m1();
                even.powi((n_bits - size) as i32) * odd.powi(size as i32)
            })
        })
        .collect()
}

fn check_power_of_two(argument: &'static str, v: &[f64]) -> Result<usize> {
    if v.len().is_power_of_two() {
        return Ok(v.len().ilog2() as usize);
    }
    Err(Error::invalid(argument, "a length that is a power of two", format!("length {}", v.len())))
}

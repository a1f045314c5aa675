//! MMD between probability vectors of length 2^n.
//!
//! Each bandwidth's kernel matrix is a tensor product of `[[1, e_s], [e_s, 1]]` over bits. The
//! Walsh-Hadamard transform diagonalises all of them at once: on the subset S of bits the eigenvalue
//! is `lambda_S = mean_s ((1 + e_s)/2)^(n - |S|) ((1 - e_s)/2)^|S|` (the factor 2^-n of two
//! transforms is inside), whichever number of bandwidths there is.

use super::butterfly::{Pair, transform};
use super::kernel::HammingKernel;
use crate::error::{Error, Result, check_distribution, check_len};
use crate::memory;
use crate::simd::kernel;

use rayon::prelude::*;

/// Entries whose terms are added by one thread.
const BLOCK: usize = 1 << 12;
/// Terms added side by side.
const LANES: usize = 8;

/// `MMD^2 = (q - p)' K (q - p)` of two probability vectors of the same length 2^n.
///
/// Computed as `sum_S lambda_S (<Z_S>_q - <Z_S>_p)^2`, which has no negative term.
pub fn mmd2_exact(q: &[f64], p: &[f64], kernel: &HammingKernel) -> Result<f64> {
    let n_bits = check_power_of_two("q", q)?;
    check_len("p", q.len(), p.len())?;
    check_distribution("q", q)?;
    check_distribution("p", p)?;
    memory::check("the difference of distributions", 8 * q.len() as u64, "use samples and mmd2")?;
    let mut difference: Vec<f64> = q.iter().zip(p).map(|(q, p)| q - p).collect();
    transform(&mut difference, Pair::SumAndDifference);
    let eigenvalues = kernel_eigenvalues(kernel, n_bits);
    // Blocks are cut by length and added in order, for the same result on every pool.
    let parts: Vec<f64> = difference
        .par_chunks(BLOCK)
        .enumerate()
        .map(|(block, values)| sum_of_squares(values, block * BLOCK, &eigenvalues))
        .collect();
    Ok(parts.iter().sum())
}

/// Replaces `v`, of length 2^n, by `K v`, in place and without allocating.
///
/// One bandwidth takes its butterflies directly; several share one transform and its inverse.
pub fn apply_kernel(v: &mut [f64], kernel: &HammingKernel) -> Result<()> {
    let n_bits = check_power_of_two("v", v)?;
    let mut rates = kernel.rates();
    if let (Some(rate), None) = (rates.next(), rates.next()) {
        transform(v, Pair::Mix((-rate).exp()));
        return Ok(());
    }
    let eigenvalues = kernel_eigenvalues(kernel, n_bits);
    transform(v, Pair::SumAndDifference);
    v.par_chunks_mut(BLOCK).enumerate().for_each(|(block, values)| {
        scale(values, block * BLOCK, &eigenvalues);
    });
    transform(v, Pair::SumAndDifference);
    Ok(())
}

kernel! {
    /// sum of lambda_S * value^2 over the subsets S whose bits are the indices from `start` on.
    fn sum_of_squares(values: &[f64], start: usize, eigenvalues: &[f64]) -> f64 {
        let mut sums = [0.0; LANES];
        for (c, values) in values.chunks(LANES).enumerate() {
            for (k, (sum, value)) in sums.iter_mut().zip(values).enumerate() {
                let size = (start + c * LANES + k).count_ones() as usize;
                *sum += eigenvalues[size] * value * value;
            }
        }
        sums.iter().sum()
    }
}

kernel! {
    /// Multiplies by lambda_S, S as in [`sum_of_squares`].
    fn scale(values: &mut [f64], start: usize, eigenvalues: &[f64]) {
        for (i, value) in values.iter_mut().enumerate() {
            *value *= eigenvalues[(start + i).count_ones() as usize];
        }
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

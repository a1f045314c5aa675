//! MMD between probability vectors of length 2^n.
//!
//! Each bandwidth's kernel matrix is a tensor product of `[[1, e_s], [e_s, 1]]` over bits. The
//! Walsh-Hadamard transform diagonalises all of them at once: on the subset S of bits the eigenvalue
//! is `lambda_S = mean_s ((1 + e_s)/2)^(n - |S|) ((1 - e_s)/2)^|S|` (the factor 2^-n of two
//! transforms is inside), whichever number of bandwidths there is.

use super::butterfly::{Pair, TILE, each_tile, map_columns, transform, transform_tiles};
use super::kernel::HammingKernel;
use super::passes::transform_difference;
use crate::error::{Error, Result, check_distribution, check_len};
use crate::memory;
use crate::parallel::{Threads, map_tasks};
use crate::simd::{kernel, one_turn_at_a_time};
use crate::state::{Array, fma};

/// Neighbours that are weighted together.
const LANES: usize = 16;
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
    let mut difference = Array::new(q.len());
    let sums = subtract_and_transform(q, p, &mut difference, Pair::SumAndDifference);
    for (argument, values, sum) in [("q", q, sums[0]), ("p", p, sums[1])] {
        // A distribution, or close enough to be looked at again.
        let is_one = (sum - 1.0).abs() <= SUM_TOLERANCE;
        if !is_one {
            check_distribution(argument, values)?;
        }
    }
    Ok(weigh(&mut difference, &weights, false))
}

/// Replaces `v`, of length 2^n, by `K v`, in place.
///
/// One bandwidth takes its butterflies directly; several share one transform and its inverse.
pub fn apply_kernel(v: &mut [f64], kernel: &HammingKernel) -> Result<()> {
    let n_bits = check_power_of_two("v", v)?;
    if let Some(pair) = single_pair(kernel) {
        transform(v, pair);
        return Ok(());
    }
    transform_tiles(v, Pair::SumAndDifference);
    weigh(v, &Weights::new(kernel, n_bits), true);
    transform_tiles(v, Pair::SumAndDifference);
    Ok(())
}

/// Writes the witness function `K (q - p)` of two vectors of length 2^n to `out` and returns
/// `MMD^2 = (q - p)' K (q - p)`.
pub fn witness(q: &[f64], p: &[f64], kernel: &HammingKernel, out: &mut [f64]) -> Result<f64> {
    let n_bits = check_power_of_two("q", q)?;
    check_len("p", q.len(), p.len())?;
    check_len("out", q.len(), out.len())?;
    let Some(pair) = single_pair(kernel) else {
        subtract_and_transform(q, p, out, Pair::SumAndDifference);
        let mmd2 = weigh(out, &Weights::new(kernel, n_bits), true);
        transform_tiles(out, Pair::SumAndDifference);
        return Ok(mmd2);
    };
    subtract_and_transform(q, p, out, pair);
    if out.len() > TILE {
        map_columns(out, true, |columns| columns.transform(pair));
    }
    let threads = if q.len() > TILE { Threads::Pool } else { Threads::One };
    let products = map_tasks(threads, q.len().div_ceil(TILE), |i| {
        let part = i * TILE..((i + 1) * TILE).min(q.len());
        product_with_difference(&q[part.clone()], &p[part.clone()], &out[part])
    });
    Ok(products.iter().sum())
}

/// The butterfly of a kernel that has only one bandwidth.
fn single_pair(kernel: &HammingKernel) -> Option<Pair> {
    let mut rates = kernel.rates();
    match (rates.next(), rates.next()) {
        (Some(rate), None) => Some(Pair::Mix((-rate).exp())),
        _ => None,
    }
}

/// Writes q - p, each tile transformed, and returns the sums of both, which are no numbers if an entry
/// is below 0 or none.
fn subtract_and_transform(q: &[f64], p: &[f64], out: &mut [f64], pair: Pair) -> [f64; 2] {
    let parts = each_tile(out, |tile, start| {
        let part = start..start + tile.len();
        transform_difference(&q[part.clone()], &p[part], tile, pair)
    });
    parts.iter().fold([0.0; 2], |sum, part| [sum[0] + part[0], sum[1] + part[1]])
}

/// Of a vector whose tiles are transformed and whose columns are not: the sum of
/// `lambda_S * value^2`. With `write_back`, it is left as it was but for factors lambda_S that all
/// entries of the transform got.
fn weigh(v: &mut [f64], weights: &Weights, write_back: bool) -> f64 {
    if v.len() <= TILE {
        return scale(v, 0, weights);
    }
    let sums = map_columns(v, write_back, |columns| {
        columns.transform(Pair::SumAndDifference);
        let sum: f64 = columns.rows().map(|(row, start)| scale(row, start, weights)).sum();
        if write_back {
            columns.transform(Pair::SumAndDifference);
        }
        sum
    });
    // Added in order, for the same result on every pool.
    sums.iter().sum()
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
    /// Multiplies by lambda_S, the bits of the subsets S being the indices from `start` on, and returns
    /// the sum of lambda_S * value^2.
    fn scale(values: &mut [f64], start: usize, weights: &Weights) -> f64 {
        let mut sums = [0.0; LANES];
        let (chunks, rest) = values.as_chunks_mut::<LANES>();
        for (c, values) in chunks.iter_mut().enumerate() {
            one_turn_at_a_time();
            let weights = weights.from(start + c * LANES);
            for k in 0..LANES {
                let scaled = weights[k] * values[k];
                sums[k] = fma::<f64, FMA>(scaled, values[k], sums[k]);
                values[k] = scaled;
            }
        }
        let mut sum: f64 = sums.iter().sum();
        for (value, weight) in rest.iter_mut().zip(weights.from(start)) {
            let scaled = weight * *value;
            sum += scaled * *value;
            *value = scaled;
        }
        sum
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
    let mut values = vec![0.0; n_bits + 1];
    for rate in kernel.rates() {
        let even = 0.5 * (1.0 + (-rate).exp());
        // (1 - e)/2 without cancellation for wide kernels.
        let odd = -0.5 * (-rate).exp_m1();
        let powers = |factor: f64| {
            std::iter::successors(Some(1.0), move |power| Some(power * factor)).take(n_bits + 1)
        };
        let evens: Vec<f64> = powers(even).collect();
        for ((value, odd), even) in values.iter_mut().zip(powers(odd)).zip(evens.iter().rev()) {
            *value += even * odd;
        }
    }
    let n_bandwidths = kernel.bandwidths().len() as f64;
    values.iter().map(|value| value / n_bandwidths).collect()
}

fn check_power_of_two(argument: &'static str, v: &[f64]) -> Result<usize> {
    if v.len().is_power_of_two() {
        return Ok(v.len().ilog2() as usize);
    }
    Err(Error::invalid(argument, "a length that is a power of two", format!("length {}", v.len())))
}

//! The kernel: a mean of Gaussians of the Euclidean distance between rows of +-1 weights.

use super::distances::hamming;
use super::prior::{check_p_plus, median_hamming_distance};
use crate::bits::PackedBits;
use crate::error::{Error, Result};
use crate::memory;

use rayon::prelude::*;

/// `k(w, w') = mean_s exp(-||w - w'||^2 / (2 s^2)) = mean_s exp(-2 d_H / s^2)` over bandwidths s.
#[derive(Debug, Clone, PartialEq)]
pub struct HammingKernel {
    bandwidths: Vec<f64>,
}

impl HammingKernel {
    /// A kernel with at least one bandwidth, each finite and above 0.
    pub fn new(bandwidths: &[f64]) -> Result<Self> {
        if bandwidths.is_empty() {
            return Err(Error::invalid("bandwidths", "at least one", "none"));
        }
        match bandwidths.iter().find(|s| !(s.is_finite() && **s > 0.0)) {
            None => Ok(Self { bandwidths: bandwidths.to_vec() }),
            Some(s) => Err(Error::invalid("bandwidths", "finite numbers above 0", s)),
        }
    }

    /// The median heuristic: one bandwidth with `s^2 = 4 * median d_H` between two draws from the
    /// prior with `p_plus[i] = P(w_i = +1)`; the median counts as at least 1.
    pub fn median_heuristic(p_plus: &[f64]) -> Result<Self> {
        check_p_plus(p_plus, p_plus.len())?;
        let median = median_hamming_distance(p_plus).max(1);
        Self::new(&[2.0 * (median as f64).sqrt()])
    }

    /// The bandwidths s.
    pub fn bandwidths(&self) -> &[f64] {
        &self.bandwidths
    }

    /// The kernel at Hamming distances 0..=n_bits.
    pub fn table(&self, n_bits: usize) -> Vec<f64> {
        (0..=n_bits)
            .map(|distance| {
                // Apart, because a rate can be infinite: its product with 0 would be no number.
                if distance == 0 {
                    1.0
                } else {
                    self.mean_of(|rate| (-rate * distance as f64).exp())
                }
            })
            .collect()
    }

    /// The kernel between every row of `a` and every row of `b`: row-major (A, B).
    pub fn matrix(&self, a: &PackedBits, b: &PackedBits) -> Result<Vec<f64>> {
        if a.n_bits() != b.n_bits() {
            let expected = format!("rows of {} bits, as in bits_a", a.n_bits());
            return Err(Error::invalid("bits_b", expected, format!("rows of {}", b.n_bits())));
        }
        if a.is_empty() || b.is_empty() {
            return Ok(Vec::new());
        }
        let n_values = a.len().saturating_mul(b.len());
        let hint = "use mmd2, which never holds the matrix";
        memory::check("the kernel matrix", (n_values as u64).saturating_mul(8), hint)?;
        let table = self.table(a.n_bits());
        let mut out = vec![0.0; n_values];
        out.par_chunks_mut(b.len()).enumerate().for_each(|(i, out)| {
            for (j, out) in out.iter_mut().enumerate() {
                *out = table[hamming(a.row(i), b.row(j))];
            }
        });
        Ok(out)
    }

    /// The mean over bandwidths of `f(2 / s^2)`: of whole products where `f` is a product over
    /// bits, never a product of means.
    pub(super) fn mean_of(&self, f: impl FnMut(f64) -> f64) -> f64 {
        let sum: f64 = self.rates().map(f).sum();
        sum / self.bandwidths.len() as f64
    }

    /// `2 / s^2` of each bandwidth, by which a unit of Hamming distance lowers the logarithm.
    pub(super) fn rates(&self) -> impl Iterator<Item = f64> {
        self.bandwidths.iter().map(|s| 2.0 / (s * s))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_is_the_mean_over_bandwidths() {
        let table = HammingKernel::new(&[1.5, 4.0]).unwrap().table(3);
        let want = |d: f64| 0.5 * ((-2.0 * d / 2.25).exp() + (-2.0 * d / 16.0).exp());
        for (d, k) in table.iter().enumerate() {
            // A few roundings of numbers of at most 1.
            assert!((k - want(d as f64)).abs() < 4.0 * f64::EPSILON);
        }
    }

    #[test]
    fn extreme_bandwidths_stay_numbers() {
        assert_eq!(HammingKernel::new(&[1e-200]).unwrap().table(2), [1.0, 0.0, 0.0]);
        assert_eq!(HammingKernel::new(&[1e200]).unwrap().table(2), [1.0, 1.0, 1.0]);
    }

    #[test]
    fn refuses_bandwidths_that_are_no_lengths() {
        for bad in [&[][..], &[0.0], &[1.0, -1.0], &[f64::NAN], &[f64::INFINITY]] {
            let message = HammingKernel::new(bad).unwrap_err().to_string();
            assert!(message.starts_with("bandwidths:"), "{message}");
        }
    }
}

//! The kernels between each of some samples and the others, as a gradient from samples needs them.

use super::exact::apply_kernel;
use super::kernel::HammingKernel;
use crate::simd::kernel;
use crate::state::Array;

/// A kernel made ready for samples of few bits.
#[derive(Debug)]
pub struct Attraction {
    kernel: HammingKernel,
    n_bits: usize,
    /// The kernel at each Hamming distance, up to a power of two of entries, by which a distance can
    /// be masked instead of checked.
    table: Box<[f64; 64]>,
}

impl Attraction {
    /// For samples of at most 32 bits.
    pub fn new(kernel: &HammingKernel, n_bits: usize) -> Self {
        let mut table = Box::new([0.0; 64]);
        table[..=n_bits].copy_from_slice(&kernel.table(n_bits));
        Self { kernel: kernel.clone(), n_bits, table }
    }

    /// `R_i = sum_{j != i} k(w_i, w_j)`.
    pub fn sums(&self, samples: &[u32]) -> Vec<f64> {
        if self.counting_pays(samples.len()) {
            self.by_counts(samples)
        } else {
            let mut sums = vec![0.0; samples.len()];
            pair_by_pair(samples, &self.table, &mut sums);
            sums
        }
    }

    /// Whether 2^n numbers times n bits are less work than the pairs, of which one takes as long as
    /// `ADDITIONS` of the butterfly's. By the sizes alone: the same sums everywhere.
    fn counting_pays(&self, n_samples: usize) -> bool {
        const ADDITIONS: f64 = 4.0;
        let butterfly = 2f64.powi(self.n_bits as i32) * self.n_bits as f64;
        ADDITIONS * (n_samples as f64).powi(2) > butterfly
    }

    /// The kernel applied to how often each outcome is among the samples.
    fn by_counts(&self, samples: &[u32]) -> Vec<f64> {
        let mut counts = Array::new(1 << self.n_bits);
        counts.fill(0.0);
        samples.iter().for_each(|w| counts[*w as usize] += 1.0);
        apply_kernel(&mut counts, &self.kernel).expect("a length that is a power of two");
        samples.iter().map(|w| counts[*w as usize] - self.table[0]).collect()
    }
}

kernel! {
    fn pair_by_pair(samples: &[u32], table: &[f64; 64], out: &mut [f64]) {
        const LANES: usize = 4;
        let mut distances = vec![0; samples.len()];
        for (a, out) in samples.iter().zip(out) {
            // First all distances, which the compiler vectorises; then the table, which it cannot.
            for (d, b) in distances.iter_mut().zip(samples) {
                *d = count_ones(a ^ b);
            }
            let mut sums = [0.0; LANES];
            let (groups, rest) = distances.as_chunks::<LANES>();
            for group in groups {
                for (sum, d) in sums.iter_mut().zip(group) {
                    *sum += table[*d as usize & 63];
                }
            }
            rest.iter().for_each(|d| sums[0] += table[*d as usize & 63]);
            // The sample itself is among those at distance 0.
            *out = sums.iter().sum::<f64>() - table[0];
        }
    }
}

/// The number of set bits, in operations that vectorise to fewer instructions than the built-in one.
#[inline(always)]
fn count_ones(x: u32) -> u32 {
    let pairs = x - (x >> 1 & 0x5555_5555);
    let nibbles = (pairs & 0x3333_3333) + (pairs >> 2 & 0x3333_3333);
    let bytes = (nibbles + (nibbles >> 4)) & 0x0f0f_0f0f;
    bytes.wrapping_mul(0x0101_0101) >> 24
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counting_is_comparing_all_pairs() {
        for n_bits in [1, 5, 13, 17] {
            for bandwidths in [&[2.0][..], &[1.0, 3.0, 9.0]] {
                let kernel = HammingKernel::new(bandwidths).unwrap();
                let attraction = Attraction::new(&kernel, n_bits);
                for n_samples in [2, 37, 400] {
                    let bits = (0..n_samples).map(|i: u32| i.pow(2).wrapping_mul(0x9e37_79b9));
                    let samples: Vec<u32> = bits.map(|z| z >> (32 - n_bits)).collect();
                    let naive = samples.iter().enumerate().map(|(i, a)| -> f64 {
                        let others = samples.iter().enumerate().filter(|(j, _)| *j != i);
                        others.map(|(_, b)| attraction.table[(a ^ b).count_ones() as usize]).sum()
                    });
                    let mut pairs = vec![0.0; samples.len()];
                    pair_by_pair(&samples, &attraction.table, &mut pairs);
                    let counts = attraction.by_counts(&samples);
                    // Two roundings a bit or a sample, of sums of at most the number of samples.
                    let roundings = 4.0 * (n_bits as f64 + f64::from(n_samples));
                    let bound = roundings * f64::from(n_samples) * f64::EPSILON;
                    for ((want, p), c) in naive.zip(&pairs).zip(&counts) {
                        assert!((want - p).abs() <= bound && (want - c).abs() <= bound, "{n_bits}");
                    }
                }
            }
        }
    }
}

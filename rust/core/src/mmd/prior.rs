//! A factorised prior in closed form: no samples of it are needed.
//!
//! `p_plus[i] = P(w_i = +1) = P(bit i = 0)`. For one bandwidth everything is a product over bits; a
//! kernel of several bandwidths takes the *mean of these products*, not the product of means.

use super::kernel::HammingKernel;
use crate::bits::PackedBits;
use crate::error::{Error, Result, check_len};

use rayon::prelude::*;

/// Rows that one thread takes at a time.
const BLOCK_ROWS: usize = 256;
/// Two masses that are equal on paper differ by rounding: a distribution function this close below
/// one half has reached it.
const HALF_TOLERANCE: f64 = 1e-9;

/// The prior's mean embedding at each row:
/// `(K p)(w) = mean_s prod_i (p_i(w_i) + e_s (1 - p_i(w_i)))`, `e_s = exp(-2 / s^2)`.
pub fn mean_embedding(
    rows: &PackedBits,
    p_plus: &[f64],
    kernel: &HammingKernel,
) -> Result<Vec<f64>> {
    check_p_plus(p_plus, rows.n_bits())?;
    let tables: Vec<_> = kernel
        .rates()
        .map(|rate| {
            let e = (-rate).exp();
            // Each bit's factor where it is 0 and where it is 1.
            let factors = p_plus.iter().map(|p| [p + e * (1.0 - p), (1.0 - p) + e * p]);
            byte_products(&factors.collect::<Vec<_>>())
        })
        .collect();
    let mut out = vec![0.0; rows.len()];
    let blocks = out.par_iter_mut().with_min_len(BLOCK_ROWS).enumerate();
    blocks.for_each(|(i, out)| {
        let product = |tables: &Vec<[f64; 256]>| -> f64 {
            let bytes = rows.row(i).iter().flat_map(|word| word.to_le_bytes());
            tables.iter().zip(bytes).map(|(table, byte)| table[usize::from(byte)]).product()
        };
        *out = tables.iter().map(product).sum::<f64>() / tables.len() as f64;
    });
    Ok(out)
}

/// The product of eight bits' factors for each value of the byte that they are.
fn byte_products(factors: &[[f64; 2]]) -> Vec<[f64; 256]> {
    let table = |factors: &[[f64; 2]]| {
        let mut table = [1.0; 256];
        for (i, [zero, one]) in factors.iter().enumerate() {
            for value in 0..1 << i {
                table[value | 1 << i] = table[value] * one;
                table[value] *= zero;
            }
        }
        table
    };
    factors.chunks(8).map(table).collect()
}

/// `p'Kp = mean_s prod_i (p_i^2 + (1 - p_i)^2 + 2 e_s p_i (1 - p_i))`: the mean kernel between two
/// draws from the prior. The probabilities are taken as they are.
pub fn prior_self_similarity(p_plus: &[f64], kernel: &HammingKernel) -> f64 {
    kernel.mean_of(|rate| {
        let e = (-rate).exp();
        p_plus.iter().map(|p| p * p + (1.0 - p) * (1.0 - p) + 2.0 * e * p * (1.0 - p)).product()
    })
}

/// The median Hamming distance between two independent draws from the prior: the smallest d with
/// `P(d_H <= d) >= 1/2`. The distance is Poisson binomial, with probabilities `2 p_i (1 - p_i)`.
pub fn median_hamming_distance(p_plus: &[f64]) -> usize {
    let mut mass = vec![0.0; p_plus.len() + 1];
    mass[0] = 1.0;
    for (i, p) in p_plus.iter().enumerate() {
        let differs = 2.0 * p * (1.0 - p);
        for d in (0..=i).rev() {
            mass[d + 1] += mass[d] * differs;
            mass[d] *= 1.0 - differs;
        }
    }
    let mut below = 0.0;
    for (d, mass) in mass.iter().enumerate() {
        below += mass;
        if below >= 0.5 - HALF_TOLERANCE {
            return d;
        }
    }
    p_plus.len()
}

/// Checks one probability a bit.
pub(super) fn check_p_plus(p_plus: &[f64], n_bits: usize) -> Result<()> {
    check_len("p_plus", n_bits, p_plus.len())?;
    match p_plus.iter().position(|p| !(0.0..=1.0).contains(p)) {
        None => Ok(()),
        Some(i) => {
            let got = format!("{} at position {i}", p_plus[i]);
            Err(Error::invalid("p_plus", "probabilities between 0 and 1", got))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn median_of_a_uniform_prior_is_that_of_fair_coins() {
        // An odd number of fair coins: P(d <= (n-1)/2) is exactly one half, up to rounding.
        for n in [1, 2, 3, 13, 16, 99, 1001] {
            assert_eq!(median_hamming_distance(&vec![0.5; n]), n / 2, "{n}");
        }
    }

    #[test]
    fn median_of_a_sure_prior_is_zero_and_the_heuristic_stays_positive() {
        let sure = [1.0, 0.0, 1.0];
        assert_eq!(median_hamming_distance(&sure), 0);
        assert_eq!(HammingKernel::median_heuristic(&sure).unwrap().bandwidths(), [2.0]);
        assert_eq!(HammingKernel::median_heuristic(&[0.5; 8]).unwrap().bandwidths(), [4.0]);
        assert!(HammingKernel::median_heuristic(&[1.5]).is_err());
    }
}

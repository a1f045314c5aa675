//! Shots of a product circuit: its bits are drawn one after the other, and a shot's score,
//! grad log q, needs no state either.

use std::sync::Arc;

use super::groups::{Asked, Way};
use super::product::Product;
use super::sampled::{Estimate, Shots, estimate, tables};
use super::tables::Tables;
use super::{Divergence, Evaluations, Problem};
use crate::Result;
use crate::parallel::Threads;
use crate::rng::uniform;
use crate::simd::{kernel, one_turn_at_a_time};
use crate::state::{Program, fma};
use rand_chacha::ChaCha8Rng;

/// From shots of a product, row by row.
pub struct DrawnProduct<'a> {
    program: &'a Program,
    product: Product<'a>,
    tables: Arc<Tables>,
    shots: Shots,
}

impl<'a> DrawnProduct<'a> {
    /// Of a program that is this product.
    pub fn new(
        program: &'a Program,
        product: Product<'a>,
        problem: &Problem,
        divergence: &Divergence,
        shots: Shots,
    ) -> Result<Self> {
        let tables = tables(problem, product.relabelling, divergence, shots)?;
        Ok(Self { program, product, tables, shots })
    }
}

impl Way for DrawnProduct<'_> {
    type Room = ();

    fn rows(&self) -> usize {
        1
    }

    fn is_small(&self) -> bool {
        self.program.is_small()
    }

    fn room(&self) {}

    fn evaluate(
        &self,
        asked: Asked<'_>,
        (): &mut (),
        _: Threads,
        found: &mut Evaluations,
    ) -> Result<()> {
        let Self { product, tables, shots, .. } = self;
        let Asked { params, weight, .. } = asked;
        let mut amplitudes = vec![[[0.0]; 2]; product.n_qubits()];
        product.amplitudes([params], &mut amplitudes);
        let probabilities: Vec<[f64; 2]> =
            amplitudes.iter().map(|[[a], [b]]| [a * a, b * b].map(normal)).collect();
        let drawn = draw(&probabilities, shots.shots, &mut shots.stream(asked));
        let log_q = || {
            let mut log_q = vec![0.0; drawn.len()];
            for (q, p) in probabilities.iter().enumerate() {
                add_chosen(&drawn, q as u32, p[0].ln(), p[1].ln(), &mut log_q);
            }
            log_q
        };
        let Estimate { expected_cost, divergence, pulls } = estimate(tables, weight, &drawn, log_q);
        let unset: Vec<u32> = drawn.iter().map(|z| !z).collect();
        let slopes = |q: usize| {
            let [[a], [b]] = amplitudes[q];
            let ones = sum_of_set(&drawn, q as u32, &pulls);
            let zeros = sum_of_set(&unset, q as u32, &pulls);
            // The derivatives of ln a^2 and ln b^2; a bit of probability 0 has not been drawn.
            let share = |sum: f64, p: f64, score: f64| if p > 0.0 { sum * score } else { 0.0 };
            let [p, r] = probabilities[q];
            [(share(zeros, p, -b / a) + share(ones, r, a / b)) / drawn.len() as f64]
        };
        let gradient = found.add(expected_cost, weight * divergence, params.len());
        product.pull_back(slopes, params.len(), gradient);
        Ok(())
    }
}

/// A probability, or 0 where it is so small that its logarithm and inverse are not to be trusted.
fn normal(p: f64) -> f64 {
    if p >= f64::MIN_POSITIVE { p } else { 0.0 }
}

/// Independent outcomes of bits with these probabilities of 0 and 1, one uniform number for each.
///
/// Inverse transform, bit by bit from the highest: the number says on which side of the bit's
/// probability it lies, and where it lies inside that side is the uniform number for the next bit.
fn draw(probabilities: &[[f64; 2]], shots: usize, rng: &mut ChaCha8Rng) -> Vec<u32> {
    let mut levels: Vec<f64> = (0..shots).map(|_| uniform(rng)).collect();
    let mut drawn = vec![0; shots];
    for (q, &[zero, one]) in probabilities.iter().enumerate().rev() {
        // Levels are below 1: a bit of probability 0 is never drawn.
        let bound = if one > 0.0 { zero } else { 1.0 };
        draw_bit(&mut levels, bound, 1.0 / zero, 1.0 / one, 1 << q, &mut drawn);
    }
    drawn
}

kernel! {
    fn draw_bit(
        levels: &mut [f64],
        bound: f64,
        per_zero: f64,
        per_one: f64,
        bit: u32,
        drawn: &mut [u32],
    ) {
        const BELOW_ONE: f64 = 1.0 - f64::EPSILON / 2.0;
        for (level, z) in levels.iter_mut().zip(drawn) {
            let one = *level >= bound;
            let inside = if one { (*level - bound) * per_one } else { *level * per_zero };
            *level = if inside < 1.0 { inside } else { BELOW_ONE };
            *z |= if one { bit } else { 0 };
        }
    }
}

kernel! {
    /// Adds `zero` or `one`, as bit q says.
    fn add_chosen(drawn: &[u32], q: u32, zero: f64, one: f64, out: &mut [f64]) {
        for (x, z) in out.iter_mut().zip(drawn) {
            *x += if z >> q & 1 == 0 { zero } else { one };
        }
    }
}

kernel! {
    /// The sum of the values whose outcomes have bit q set.
    fn sum_of_set(drawn: &[u32], q: u32, values: &[f64]) -> f64 {
        const LANES: usize = 8;
        let mut sums = [0.0; LANES];
        let (chunks, rest) = values.as_chunks::<LANES>();
        let (outcomes, other) = drawn.as_chunks::<LANES>();
        for (x, z) in chunks.iter().zip(outcomes) {
            one_turn_at_a_time();
            for k in 0..LANES {
                sums[k] = fma::<f64, FMA>(x[k], (z[k] >> q & 1) as i32 as f64, sums[k]);
            }
        }
        let end: f64 = rest.iter().zip(other).map(|(x, z)| x * f64::from(z >> q & 1)).sum();
        sums.iter().sum::<f64>() + end
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Purpose, generator};

    #[test]
    fn draws_follow_the_product() {
        let ones = [0.3, 0.0, 0.9, 1.0];
        let probabilities = ones.map(|p| [1.0 - p, p]);
        let shots = 40_001;
        let drawn = draw(&probabilities, shots, &mut generator(3, Purpose::Shots, 0, 0));
        for z in 0..16u32 {
            let factors = (0..4).map(|q| probabilities[q][(z >> q & 1) as usize]);
            let p: f64 = factors.product();
            let count = drawn.iter().filter(|d| **d == z).count() as f64;
            // Five standard deviations of a binomial; nothing at all where p is 0.
            let sd = (shots as f64 * p * (1.0 - p)).sqrt();
            assert!((count - shots as f64 * p).abs() <= 5.0 * sd, "{z}: {count}");
        }
    }

    #[test]
    fn a_level_that_rounds_up_to_one_draws_nothing_impossible() {
        let mut drawn = [0];
        let mut levels = [1.0 - f64::EPSILON / 2.0];
        draw_bit(&mut levels, 0.3, 1.0 / 0.3, 1.0 / 0.7, 2, &mut drawn);
        draw_bit(&mut levels, 1.0, 1.0, f64::INFINITY, 1, &mut drawn);
        assert_eq!(drawn, [2]);
    }
}

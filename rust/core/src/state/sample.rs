//! Measuring: outcomes drawn from a probability vector.

use crate::rng::uniform;
use rand_chacha::ChaCha8Rng;

/// Outcomes per entry of the coarse table that a draw searches first.
const BLOCK: usize = 1 << 6;

/// Draws `shots` independent outcomes from `probabilities`, which need not sum to one exactly.
///
/// Inverse transform: a uniform number is looked up in the cumulative sums, first by block, then
/// inside the block. An outcome of probability zero is never drawn.
pub fn sample(probabilities: &[f64], shots: usize, rng: &mut ChaCha8Rng) -> Vec<u32> {
    let mut sum = 0.0;
    let ends: Vec<f64> = probabilities
        .chunks(BLOCK)
        .map(|block| {
            sum += block.iter().sum::<f64>();
            sum
        })
        .collect();
    // Rounding can lift a level to the total itself, which belongs to the last block with any mass.
    let last_block = ends.partition_point(|end| *end < sum);
    (0..shots)
        .map(|_| {
            let level = uniform(rng) * sum;
            let block = ends.partition_point(|end| *end <= level).min(last_block);
            let mut below = if block == 0 { 0.0 } else { ends[block - 1] };
            let mut last = 0;
            let start = block * BLOCK;
            for (i, &p) in probabilities[start..].iter().take(BLOCK).enumerate() {
                if p > 0.0 {
                    last = start + i;
                    below += p;
                    if below > level {
                        break;
                    }
                }
            }
            last as u32
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Purpose, generator};

    #[test]
    fn outcomes_without_probability_are_never_drawn() {
        let mut probabilities = vec![0.0; 4 * BLOCK];
        probabilities[3] = 0.25;
        probabilities[BLOCK + 7] = 0.75;
        let mut rng = generator(1, Purpose::Sample, 0, 0);
        let shots = 10_000;
        let drawn = sample(&probabilities, shots, &mut rng);
        let first = drawn.iter().filter(|z| **z == 3).count();
        assert_eq!(first + drawn.iter().filter(|z| **z == BLOCK as u32 + 7).count(), shots);
        // Five standard deviations of a binomial.
        let sd = (shots as f64 * 0.25 * 0.75).sqrt();
        assert!((first as f64 - 2500.0).abs() < 5.0 * sd);
    }
}

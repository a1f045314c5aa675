//! Named random streams: the only source of randomness.
//!
//! A stream is named by (seed, purpose, init, step). The four numbers *are* the 256-bit key of a
//! ChaCha8 generator, so two names never share a stream and a stream does not depend on which
//! thread draws it, in which batch, or after which interruption.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// What a stream is drawn for. The numbers are part of the reproducibility promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u64)]
pub enum Purpose {
    /// Starting parameters of an initialisation.
    Start = 1,
    /// Measurement shots of `sample`.
    Sample = 2,
    /// Measurement shots of a training step.
    Shots = 3,
    /// Draws from a prior.
    Prior = 4,
    /// Measurement shots of a circuit at named settings, as a device would be asked for them.
    Settings = 5,
    /// Random directions in parameter space.
    Directions = 6,
}

/// The generator of the stream (seed, purpose, init, step).
pub fn generator(seed: u64, purpose: Purpose, init: u64, step: u64) -> ChaCha8Rng {
    let mut key = [0u8; 32];
    for (slot, word) in key.chunks_exact_mut(8).zip([seed, purpose as u64, init, step]) {
        slot.copy_from_slice(&word.to_le_bytes());
    }
    ChaCha8Rng::from_seed(key)
}

/// A uniform draw from [0, 1) with 53 random bits.
pub fn uniform(rng: &mut ChaCha8Rng) -> f64 {
    (rng.next_u64() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_the_name_matters() {
        let first = |s, p, i, t| generator(s, p, i, t).next_u64();
        let base = first(1, Purpose::Sample, 2, 3);
        assert_eq!(base, first(1, Purpose::Sample, 2, 3));
        for other in [
            first(2, Purpose::Sample, 2, 3),
            first(1, Purpose::Shots, 2, 3),
            first(1, Purpose::Settings, 2, 3),
            first(1, Purpose::Directions, 2, 3),
            first(1, Purpose::Sample, 3, 3),
            first(1, Purpose::Sample, 2, 2),
        ] {
            assert_ne!(base, other);
        }
    }

    #[test]
    fn uniform_has_the_moments_of_a_uniform() {
        let mut rng = generator(5, Purpose::Start, 0, 0);
        let n = 100_000;
        let draws: Vec<f64> = (0..n).map(|_| uniform(&mut rng)).collect();
        assert!(draws.iter().all(|u| (0.0..1.0).contains(u)));
        let mean = draws.iter().sum::<f64>() / n as f64;
        // Five standard errors of a uniform's mean.
        assert!((mean - 0.5).abs() < 5.0 * (1.0 / 12.0 / n as f64).sqrt());
    }
}

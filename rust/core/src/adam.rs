//! Adam's step, in one pass over what it remembers (Kingma & Ba 2015, arXiv 1412.6980).

use crate::simd::kernel;

/// How Adam moves at one step.
#[derive(Debug, Clone, Copy)]
pub struct Adam {
    /// Decay of the gradient's running mean.
    pub beta1: f64,
    /// Decay of the running mean of its square.
    pub beta2: f64,
    /// Keeps the step finite where gradients vanish.
    pub epsilon: f64,
    /// The learning rate over 1 - beta1^t: at step t, from 1, the mean lacks that much.
    pub rate: f64,
    /// 1 / sqrt(1 - beta2^t), for the root of the square.
    pub scale: f64,
}

kernel! {
    /// Moves the parameters, and the running means, one step on.
    pub fn adam(
        settings: Adam,
        gradient: &[f64],
        mean: &mut [f64],
        square: &mut [f64],
        params: &mut [f64],
    ) {
        let Adam { beta1, beta2, epsilon, rate, scale } = settings;
        for (((g, m), v), x) in gradient.iter().zip(mean).zip(square).zip(params) {
            // Rounded after each operation: the same bits with any instruction set.
            *m = *m * beta1 + (1.0 - beta1) * g;
            *v = *v * beta2 + g * g * (1.0 - beta2);
            *x -= *m / (v.sqrt() * scale + epsilon) * rate;
        }
    }
}

//! How logits and targets make a log-likelihood.

use super::exponential::{exp_nonpositive, sum_softplus};
use super::points::transpose;
use crate::error::{Error, Result, check_finite, check_len};
use crate::simd::kernel;

/// The distribution of a target given the logits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Likelihood {
    /// One logit, targets 0 or 1.
    Bernoulli,
    /// One logit a class (softmax), targets 0..K.
    Categorical,
    /// The logits are means of independent normal targets of fixed standard deviation `noise`.
    Gaussian {
        /// Standard deviation of a target.
        noise: f64,
    },
}

impl Likelihood {
    /// Checks its own parameter and the number of outputs that it is to be used with.
    pub(super) fn check(self, n_outputs: usize) -> Result<()> {
        let expected = match self {
            Self::Bernoulli if n_outputs != 1 => "1 output for a Bernoulli likelihood",
            Self::Categorical if n_outputs < 2 => "at least 2 outputs for a categorical likelihood",
            Self::Gaussian { noise } if !(noise.is_finite() && noise > 0.0) => {
                return Err(Error::invalid("noise", "a finite number above 0", noise));
            }
            _ => return Ok(()),
        };
        Err(Error::invalid("layers", expected, format!("{n_outputs} outputs")))
    }

    /// Checks the targets of `n_points` points.
    pub(super) fn check_targets(self, y: &[f64], n_points: usize, n_outputs: usize) -> Result<()> {
        check_len("y", n_points.saturating_mul(self.targets_per_point(n_outputs)), y.len())?;
        let (n_classes, expected) = match self {
            Self::Gaussian { .. } => return check_finite("y", y),
            Self::Bernoulli => (2, "targets that are 0 or 1".to_owned()),
            Self::Categorical => {
                (n_outputs, format!("classes that are integers 0..{}", n_outputs - 1))
            }
        };
        let is_class = |v: f64| v >= 0.0 && v < n_classes as f64 && v.fract() == 0.0;
        match y.iter().position(|&v| !is_class(v)) {
            None => Ok(()),
            Some(i) => Err(Error::invalid("y", expected, format!("{} at position {i}", y[i]))),
        }
    }

    /// Numbers in `y` for each point.
    pub(super) fn targets_per_point(self, n_outputs: usize) -> usize {
        match self {
            Self::Bernoulli | Self::Categorical => 1,
            Self::Gaussian { .. } => n_outputs,
        }
    }

    /// Prepares the checked targets of a tile.
    pub(super) fn targets(self, y: &[f64], n_outputs: usize) -> Targets {
        match self {
            // Minus the log-likelihood is the softplus of this sign times the logit.
            Self::Bernoulli => Targets::Signs(y.iter().map(|y| 1.0 - 2.0 * y).collect()),
            Self::Categorical => Targets::Classes(y.iter().map(|&y| y as usize).collect()),
            Self::Gaussian { noise } => Targets::Values { y: transpose(y, n_outputs), noise },
        }
    }
}

/// Targets of a tile in the form that the sums over it want.
pub(super) enum Targets {
    Signs(Vec<f64>),
    Classes(Vec<usize>),
    /// One vector over points an output.
    Values {
        y: Vec<f64>,
        noise: f64,
    },
}

impl Targets {
    /// Sum over the points of a tile of log p(y | logits), in nats.
    pub fn log_likelihood(&self, logits: &[f64]) -> f64 {
        match self {
            Self::Signs(signs) => -sum_softplus(signs, logits),
            Self::Classes(classes) => sum_log_softmax(classes, logits),
            Self::Values { y, noise } => {
                let constant = noise.ln() + 0.5 * std::f64::consts::TAU.ln();
                let squares = sum_squares(y, logits, 1.0 / noise);
                -0.5 * squares - y.len() as f64 * constant
            }
        }
    }
}

/// Points handled side by side.
const LANES: usize = 8;

kernel! {
    /// Sum over points of the logit of their class minus the logarithm of the sum of exponentials.
    fn sum_log_softmax(classes: &[usize], logits: &[f64]) -> f64 {
        let n_points = classes.len();
        let mut total = 0.0;
        for (t, classes) in classes.chunks(LANES).enumerate() {
            let start = t * LANES;
            // Lanes beyond the last point keep the sum 1, whose logarithm is nothing.
            let (mut largest, mut sum) = ([f64::NEG_INFINITY; LANES], [0.0; LANES]);
            sum[classes.len()..].fill(1.0);
            for logits in logits.chunks_exact(n_points) {
                for (largest, &logit) in largest.iter_mut().zip(&logits[start..start + classes.len()]) {
                    *largest = if logit > *largest { logit } else { *largest };
                }
            }
            for logits in logits.chunks_exact(n_points) {
                let lanes = sum.iter_mut().zip(&largest).zip(&logits[start..start + classes.len()]);
                for ((sum, largest), logit) in lanes {
                    *sum += exp_nonpositive::<FMA>(logit - largest);
                }
            }
            let chosen =
                classes.iter().enumerate().map(|(d, class)| logits[class * n_points + start + d]);
            let linear: f64 = chosen.zip(&largest).map(|(logit, largest)| logit - largest).sum();
            // Every sum is between 1 and the number of classes: the product of eight cannot overflow.
            total += linear - sum.iter().product::<f64>().ln();
        }
        total
    }
}

kernel! {
    /// Sum of ((y - mean) / noise)^2, in lanes of a fixed number.
    fn sum_squares(y: &[f64], mean: &[f64], precision: f64) -> f64 {
        let mut lanes = [0.0; LANES];
        for (y, mean) in y.chunks(LANES).zip(mean.chunks(LANES)) {
            for ((lane, y), mean) in lanes.iter_mut().zip(y).zip(mean) {
                let residual = (y - mean) * precision;
                *lane += residual * residual;
            }
        }
        lanes.iter().sum()
    }
}

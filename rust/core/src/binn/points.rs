//! Data points cut into tiles and turned feature-major, so that points fill the vector lanes.

use super::Network;
use super::bit_sums::{Mask, mask_where};
use crate::error::{Error, Result, check_finite};

/// Checks the inputs `x`, row-major (points, inputs), and returns the number of points.
pub(super) fn count(network: &Network, x: &[f64]) -> Result<usize> {
    let n_inputs = network.n_inputs();
    if x.is_empty() || !x.len().is_multiple_of(n_inputs) {
        return Err(Error::invalid(
            "X",
            format!("at least one row of {n_inputs} inputs"),
            format!("{} values", x.len()),
        ));
    }
    check_finite("X", x)?;
    Ok(x.len() / n_inputs)
}

/// Some of the points, one vector of them a feature.
pub(super) struct Tile {
    pub n_points: usize,
    /// Features, and with a bias one more that is constantly 1; each `n_points` long.
    features: Vec<f64>,
}

impl Tile {
    /// Takes rows of inputs.
    pub fn new(network: &Network, x: &[f64]) -> Self {
        let n_points = x.len() / network.n_inputs();
        let mut features = transpose(x, network.n_inputs());
        if network.bias() {
            features.resize(features.len() + n_points, 1.0);
        }
        Self { n_points, features }
    }

    /// The bits of its points in a mask.
    pub fn mask(&self) -> Mask {
        mask_where(self.feature(0), |_| true)
    }

    /// One feature of all points.
    pub fn feature(&self, i: usize) -> &[f64] {
        &self.features[i * self.n_points..(i + 1) * self.n_points]
    }
}

/// Turns rows of `width` values into `width` columns, one after the other.
pub(super) fn transpose(rows: &[f64], width: usize) -> Vec<f64> {
    (0..width).flat_map(|i| rows.iter().skip(i).step_by(width).copied()).collect()
}

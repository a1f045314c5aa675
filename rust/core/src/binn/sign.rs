//! Networks whose hidden units are all +-1, evaluated bit by bit.
//!
//! Only the sums of the first layer are of real numbers; every other sum is of +-1 and exact. So is
//! the histogram of a Bernoulli logit over the points of a label, and the log-likelihood is its
//! product with the few values that one point can add.

use super::Network;
use super::bit_sums::{Mask, WORDS, add_histogram, count_layer, n_planes, sign_layer, write_sums};
use super::exponential::sum_softplus;
use super::half_spaces::{HalfSpaces, Room, mask_where};
use super::network::Dense;
use super::points::Tile;

/// Products of an output up to which its values are counted.
const MAX_FAN_IN: usize = 1000;

/// A sign network's shape and a tile of points, ready for any weights.
pub(super) struct SignNetwork<'a> {
    network: &'a Network,
    first: HalfSpaces<'a>,
    output: Dense,
    n_points: usize,
}

/// Room for the values of one network, taken once a block.
pub(super) struct SignScratch {
    first: Room,
    sums: Vec<f64>,
    layer: Vec<Mask>,
    next: Vec<Mask>,
    planes: Vec<Mask>,
    masks: Vec<Mask>,
    histogram: Vec<u64>,
}

impl<'a> SignNetwork<'a> {
    /// Prepares for about `n_networks` networks; `None` if it is no sign network.
    pub fn new(network: &'a Network, tile: &'a Tile, n_networks: usize) -> Option<Self> {
        let &output = network.dense.last()?;
        if !network.is_sign() || i32::try_from(output.fan_in).is_err() {
            return None;
        }
        let first = HalfSpaces::new(network, tile, n_networks);
        Some(Self { network, first, output, n_points: tile.n_points })
    }

    pub fn scratch(&self) -> SignScratch {
        let dense = &self.network.dense;
        let widest = dense.iter().map(|layer| layer.n_units).max().unwrap_or(0);
        let most = dense.iter().map(|layer| n_planes(layer.fan_in)).max().unwrap_or(0);
        let n_outputs = self.output.n_units;
        SignScratch {
            first: self.first.room(),
            sums: vec![0.0; self.n_points * n_outputs],
            layer: vec![[0; WORDS]; widest],
            next: vec![[0; WORDS]; widest],
            planes: vec![[0; WORDS]; most.max(n_planes(self.output.fan_in) * n_outputs)],
            masks: Vec::new(),
            histogram: Vec::new(),
        }
    }

    /// The logits of the network with weights `row`: one vector over points an output.
    pub fn logits<'s>(&self, row: &[u64], scratch: &'s mut SignScratch) -> &'s [f64] {
        let n_points = self.n_points;
        self.count_outputs(row, scratch);
        let n_planes = n_planes(self.output.fan_in);
        let planes = scratch.planes.chunks_exact(n_planes).take(self.output.n_units);
        let scale = self.network.logit_scale();
        for (planes, out) in planes.zip(scratch.sums.chunks_exact_mut(n_points)) {
            write_sums(planes, self.output.fan_in, scale, out);
        }
        &scratch.sums[..self.output.n_units * n_points]
    }

    /// For each output, how many of its products are -1, into the planes of `scratch`.
    fn count_outputs(&self, row: &[u64], scratch: &mut SignScratch) {
        let SignScratch { first, layer, next, planes, .. } = scratch;
        let dense = &self.network.dense;
        self.first.layer(row, first, &mut layer[..dense[0].n_units]);
        for pair in dense[..dense.len() - 1].windows(2) {
            let (n_inputs, hidden) = (pair[0].n_units, pair[1]);
            let room = &mut planes[..n_planes(hidden.fan_in)];
            sign_layer(&layer[..n_inputs], row, hidden, room, &mut next[..hidden.n_units]);
            std::mem::swap(layer, next);
        }
        let n_inputs = dense[dense.len() - 2].n_units;
        let planes = &mut planes[..self.output.n_units * n_planes(self.output.fan_in)];
        count_layer(&layer[..n_inputs], row, self.output, planes);
    }
}

/// The Bernoulli log-likelihoods of sign networks on a tile.
pub(super) struct SignLikelihood<'a> {
    network: SignNetwork<'a>,
    /// The points of each label.
    labels: [Mask; 2],
    /// For each label, what a point of each count adds.
    values: [Vec<f64>; 2],
}

impl<'a> SignLikelihood<'a> {
    /// Whether the histogram of the logit is short enough to be worth counting.
    pub fn is_for(network: &SignNetwork<'_>) -> bool {
        network.output.fan_in <= MAX_FAN_IN
    }

    /// `signs` are as in [`sum_softplus`].
    pub fn new(network: SignNetwork<'a>, signs: &[f64]) -> Self {
        let labels = [1.0, -1.0].map(|label| mask_where(signs, |sign| sign == label));
        let n = network.output.fan_in;
        let logit = |c: usize| network.network.logit_scale() * (n as f64 - 2.0 * c as f64);
        let values =
            [1.0, -1.0].map(|sign| (0..=n).map(|c| -sum_softplus(&[sign], &[logit(c)])).collect());
        Self { network, labels, values }
    }

    /// Room for [`Self::log_likelihood`].
    pub fn scratch(&self) -> SignScratch {
        let n = self.network.output.fan_in;
        SignScratch {
            masks: vec![[0; WORDS]; 1 << n_planes(n)],
            histogram: vec![0; n + 1],
            ..self.network.scratch()
        }
    }

    /// Sum over the points of log p(y | network of weights `row`), in nats.
    pub fn log_likelihood(&self, row: &[u64], scratch: &mut SignScratch) -> f64 {
        self.network.count_outputs(row, scratch);
        let SignScratch { planes, masks, histogram, .. } = scratch;
        let planes = &planes[..n_planes(self.network.output.fan_in)];
        let mut total = 0.0;
        for (points, values) in self.labels.iter().zip(&self.values) {
            histogram.fill(0);
            add_histogram(planes, points, masks, histogram);
            total += histogram.iter().zip(values).map(|(n, v)| *n as f64 * v).sum::<f64>();
        }
        total
    }
}

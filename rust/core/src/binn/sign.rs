//! Networks whose hidden units are all +-1, evaluated bit by bit.
//!
//! Only the sums of the first layer are of real numbers; every other sum is of +-1 and exact. So is
//! the histogram of a Bernoulli logit over the points of a label, and the log-likelihood is its
//! product with the few values that one point can add. The exponentials of a softmax are looked up.

use super::Network;
use super::bit_sums::{
    LANES, Mask, WORDS, add_histogram, count_layer, mask_where, n_planes, sign_layer, write_counts,
    write_sums,
};
use super::exponential::sum_softplus;
use super::half_spaces::{HalfSpaces, Room};
use super::likelihood::Targets;
use super::network::Dense;
use super::points::Tile;
use crate::simd::kernel;

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
    room: Room,
    /// The first layers of some networks, one after the other.
    first: Vec<Mask>,
    sums: Vec<f64>,
    layer: Vec<Mask>,
    next: Vec<Mask>,
    planes: Vec<Mask>,
    masks: Vec<Mask>,
    histogram: Vec<u64>,
    counts: Vec<[u16; LANES]>,
}

impl<'a> SignNetwork<'a> {
    /// Prepares for about `n_networks` networks; `None` if it is no sign network.
    pub fn new(network: &'a Network, tile: &'a Tile, n_networks: usize) -> Option<Self> {
        let &output = network.dense.last()?;
        if !network.is_sign() || u16::try_from(output.fan_in).is_err() {
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
            room: self.first.room(),
            first: Vec::new(),
            sums: vec![0.0; self.n_points * n_outputs],
            layer: vec![[0; WORDS]; widest],
            next: vec![[0; WORDS]; widest],
            planes: vec![[0; WORDS]; most.max(n_planes(self.output.fan_in) * n_outputs)],
            masks: Vec::new(),
            histogram: Vec::new(),
            counts: Vec::new(),
        }
    }

    /// Takes the first layers of the networks of weights `rows` into `scratch`.
    pub fn first_layers(&self, rows: &[&[u64]], scratch: &mut SignScratch) {
        let SignScratch { room, first, .. } = scratch;
        first.resize(rows.len() * self.network.dense[0].n_units, [0; WORDS]);
        self.first.layers(rows, room, first);
    }

    /// The logits of the network of weights `row`, whose first layer is number `i` of those in
    /// `scratch`: one vector over points an output.
    pub fn logits<'s>(&self, i: usize, row: &[u64], scratch: &'s mut SignScratch) -> &'s [f64] {
        let n_points = self.n_points;
        self.count_outputs(i, row, scratch);
        let n_planes = n_planes(self.output.fan_in);
        let planes = scratch.planes.chunks_exact(n_planes).take(self.output.n_units);
        let scale = self.network.logit_scale();
        for (planes, out) in planes.zip(scratch.sums.chunks_exact_mut(n_points)) {
            write_sums(planes, self.output.fan_in, scale, out);
        }
        &scratch.sums[..self.output.n_units * n_points]
    }

    /// For each output, how many of its products are -1, into the planes of `scratch`.
    fn count_outputs(&self, i: usize, row: &[u64], scratch: &mut SignScratch) {
        let SignScratch { first, layer, next, planes, .. } = scratch;
        let dense = &self.network.dense;
        let n_units = dense[0].n_units;
        layer[..n_units].copy_from_slice(&first[i * n_units..(i + 1) * n_units]);
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

/// The log-likelihoods of sign networks on a tile, from tables of what single points can add.
pub(super) struct SignLikelihood<'a> {
    network: &'a SignNetwork<'a>,
    targets: SignTargets<'a>,
}

enum SignTargets<'a> {
    /// The points of each label of a Bernoulli likelihood, and what one adds for each count.
    Labels { labels: [Mask; 2], values: [Vec<f64>; 2] },
    /// The points' classes, and for each count the exponential of the logit, less that of a count of 0.
    Classes { classes: &'a [usize], exponentials: Vec<f64> },
}

impl<'a> SignLikelihood<'a> {
    /// `None` if there are no such tables for these targets.
    pub fn new(network: &'a SignNetwork<'a>, targets: &'a Targets) -> Option<Self> {
        let n = network.output.fan_in;
        let scale = network.network.logit_scale();
        // Longer tables are not worth their filling.
        let targets = match targets {
            _ if n > MAX_FAN_IN => return None,
            Targets::Values { .. } => return None,
            Targets::Signs(signs) => {
                let labels = [1.0, -1.0].map(|label| mask_where(signs, |sign| sign == label));
                let value = |sign: f64, c: usize| {
                    -sum_softplus(&[sign], &[scale * (n as f64 - 2.0 * c as f64)])
                };
                let values = [1.0, -1.0].map(|sign| (0..=n).map(|c| value(sign, c)).collect());
                SignTargets::Labels { labels, values }
            }
            Targets::Classes(classes) => {
                let exponentials = (0..=n).map(|c| (-2.0 * scale * c as f64).exp()).collect();
                SignTargets::Classes { classes, exponentials }
            }
        };
        Some(Self { network, targets })
    }

    /// Room for [`Self::add_log_likelihoods`].
    pub fn scratch(&self) -> SignScratch {
        let &SignNetwork { output, n_points, .. } = self.network;
        SignScratch {
            masks: vec![[0; WORDS]; 1 << n_planes(output.fan_in)],
            histogram: vec![0; output.fan_in + 1],
            counts: vec![[0; LANES]; output.n_units * n_points.div_ceil(LANES)],
            ..self.network.scratch()
        }
    }

    /// Adds to `out`, for each network of weights `rows`, the sum over the points of
    /// log p(y | network), in nats.
    pub fn add_log_likelihoods(&self, rows: &[&[u64]], scratch: &mut SignScratch, out: &mut [f64]) {
        self.network.first_layers(rows, scratch);
        for (i, (row, out)) in rows.iter().zip(out).enumerate() {
            self.network.count_outputs(i, row, scratch);
            *out += match &self.targets {
                SignTargets::Labels { labels, values } => self.of_labels(labels, values, scratch),
                SignTargets::Classes { classes, exponentials } => {
                    self.of_classes(classes, exponentials, scratch)
                }
            };
        }
    }

    fn of_labels(
        &self,
        labels: &[Mask; 2],
        values: &[Vec<f64>; 2],
        scratch: &mut SignScratch,
    ) -> f64 {
        let SignScratch { planes, masks, histogram, .. } = scratch;
        let planes = &planes[..n_planes(self.network.output.fan_in)];
        let mut total = 0.0;
        for (points, values) in labels.iter().zip(values) {
            histogram.fill(0);
            add_histogram(planes, points, masks, histogram);
            total += histogram.iter().zip(values).map(|(n, v)| *n as f64 * v).sum::<f64>();
        }
        total
    }

    fn of_classes(
        &self,
        classes: &[usize],
        exponentials: &[f64],
        scratch: &mut SignScratch,
    ) -> f64 {
        let SignScratch { planes, counts, .. } = scratch;
        let SignNetwork { network, output, .. } = self.network;
        let width = n_planes(output.fan_in);
        write_counts(&planes[..output.n_units * width], width, counts);
        let (excess, logarithms) = sum_log_softmax(counts, output.n_units, classes, exponentials);
        -2.0 * network.logit_scale() * excess as f64 - logarithms
    }
}

kernel! {
    /// Sums over the points: of the count of the class, less the least of all classes, and of the
    /// logarithm of the sum of the exponentials of all counts, each less the least.
    fn sum_log_softmax(
        counts: &[[u16; LANES]],
        n_classes: usize,
        classes: &[usize],
        exponentials: &[f64],
    ) -> (u64, f64) {
        let n_blocks = counts.len() / n_classes;
        let (mut excess, mut logarithms) = (0, 0.0);
        for (block, classes) in classes.chunks(LANES).enumerate() {
            let counts = |class: usize| &counts[class * n_blocks + block];
            let mut least = [u16::MAX; LANES];
            for class in 0..n_classes {
                let counts = counts(class);
                for lane in 0..LANES {
                    least[lane] = least[lane].min(counts[lane]);
                }
            }
            let mut sums = [0.0; LANES];
            for class in 0..n_classes {
                let counts = counts(class);
                for lane in 0..LANES {
                    let count = usize::from(counts[lane] - least[lane]);
                    // SAFETY: there is an exponential for each count.
                    sums[lane] += unsafe { exponentials.get_unchecked(count) };
                }
            }
            for (lane, class) in classes.iter().enumerate() {
                excess += u64::from(counts(*class)[lane] - least[lane]);
            }
            // Every sum is between 1 and the number of classes: their product cannot overflow.
            logarithms += sums[..classes.len()].iter().product::<f64>().ln();
        }
        (excess, logarithms)
    }
}

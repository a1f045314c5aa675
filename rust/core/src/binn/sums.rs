//! Sums of vectors over points, each with a weight of +-1.

use super::network::Dense;
use crate::bits::bit;
use crate::simd::kernel;
use crate::state::fma;

/// Points whose sums are in registers together.
const LANES: usize = 64;
/// The same where fewer points are left.
const FEW_LANES: usize = 8;

kernel! {
    /// Adds `values` times the weight of a bit.
    pub(super) fn accumulate(sum: &mut [f64], values: &[f64], bit: bool) {
        // A product with +-1 is exact and keeps the loop free of branches.
        let weight = sign(bit);
        for (sum, value) in sum.iter_mut().zip(values) {
            *sum += weight * value;
        }
    }
}

kernel! {
    /// The sum of the vectors that start at `starts` in `values`, in this order.
    pub(super) fn sum_rows(values: &[f64], starts: &[usize], out: &mut [f64]) {
        write_sum::<FMA>(values, 0, starts.iter().map(|&start| (start, 1.0)), 0.0, out);
    }
}

kernel! {
    /// The sum of the vectors that start where `terms` say, each times a whole number, and of `last`.
    pub(super) fn sum_terms(values: &[f64], terms: &[(usize, f64)], last: f64, out: &mut [f64]) {
        write_sum::<FMA>(values, 0, terms.iter().copied(), last, out);
    }
}

kernel! {
    /// The sums of all units of a layer: each a vector of `n_points`, at the start of its share of `out`.
    /// Input i is the vector that starts at `starts[i]` in `values`; the constant input of a bias is not
    /// among them.
    pub(super) fn sum_layer(
        values: &[f64],
        starts: &[usize],
        row: &[u64],
        layer: Dense,
        weights: &mut Vec<f64>,
        n_points: usize,
        out: &mut [f64],
    ) {
        let n_inputs = starts.len();
        weights.clear();
        for unit in 0..layer.n_units {
            weights.extend((0..n_inputs).map(|i| sign(bit(row, layer.position(i, unit)))));
        }
        let bias = |unit| match layer.fan_in - n_inputs {
            0 => 0.0,
            _ => sign(bit(row, layer.position(n_inputs, unit))),
        };
        let stride = out.len() / layer.n_units;
        // All units take the same points, while these are in the first-level cache.
        for start in (0..n_points).step_by(LANES) {
            for unit in 0..layer.n_units {
                let weights = weights[unit * n_inputs..].iter();
                let terms = starts.iter().copied().zip(weights.copied());
                let end = (start + LANES).min(n_points);
                let out = &mut out[unit * stride..][start..end];
                write_sum::<FMA>(values, start, terms, bias(unit), out);
            }
        }
    }
}

#[inline(always)]
fn sign(bit: bool) -> f64 {
    if bit { -1.0 } else { 1.0 }
}

/// The sum of the vectors of `terms`, each a start and a weight, and then of `last`: at the points from
/// `first` on.
#[inline(always)]
fn write_sum<const FMA: bool>(
    values: &[f64],
    first: usize,
    terms: impl Iterator<Item = (usize, f64)> + Clone,
    last: f64,
    out: &mut [f64],
) {
    let (most, rest) = out.as_chunks_mut::<LANES>();
    let (some, few) = rest.as_chunks_mut::<FEW_LANES>();
    let mut next = first;
    for out in most {
        *out = sum_of::<FMA, LANES>(values, next, terms.clone(), last);
        next += LANES;
    }
    for out in some {
        *out = sum_of::<FMA, FEW_LANES>(values, next, terms.clone(), last);
        next += FEW_LANES;
    }
    for out in few {
        [*out] = sum_of::<FMA, 1>(values, next, terms.clone(), last);
        next += 1;
    }
}

#[inline(always)]
fn sum_of<const FMA: bool, const N: usize>(
    values: &[f64],
    first: usize,
    terms: impl Iterator<Item = (usize, f64)>,
    last: f64,
) -> [f64; N] {
    let mut sums = [0.0; N];
    for (start, weight) in terms {
        let Some(vector) = values[start + first..].first_chunk::<N>() else { break };
        for (sum, value) in sums.iter_mut().zip(vector) {
            *sum = fma::<f64, FMA>(weight, *value, *sum);
        }
    }
    sums.map(|sum| sum + last)
}

//! Sums of +-1 at many points at once: a bit a point, a word operation for 64 points.
//!
//! A value is its bit, as for weights: 0 is +1, 1 is -1. A product is then an exclusive or, and a sum
//! of `n` products is n - 2 c, where c counts those that are -1. Such counts are kept in bit planes:
//! plane k has bit k of the count of every point.

use super::network::Dense;
use crate::bits::bit;
use crate::simd::kernel;

/// Words that are handled together.
pub(super) const WORDS: usize = 8;
/// One bit for each point of a tile: point d has bit d / [`LANES`] of the lane d % [`LANES`], so that
/// neighbours lie in neighbouring lanes.
pub(super) type Mask = [u64; WORDS];
/// Lanes of 16 bits in a mask.
pub(super) const LANES: usize = 4 * WORDS;

/// Inputs that are counted at a time.
const STEP: usize = 8;
/// Planes that one step fills.
const STEP_PLANES: usize = 4;

/// Planes that hold any count of up to `n`.
pub(super) fn n_planes(n: usize) -> usize {
    ((usize::BITS - n.leading_zeros()) as usize).max(STEP_PLANES)
}

kernel! {
    /// The sign units of a hidden layer: -1 where more than half of their products are -1.
    ///
    /// `inputs` are without the constant one of a bias. `planes` is room for the count.
    pub(super) fn sign_layer(
        inputs: &[Mask],
        row: &[u64],
        layer: Dense,
        planes: &mut [Mask],
        out: &mut [Mask],
    ) {
        for (unit, out) in out.iter_mut().enumerate() {
            count(inputs, row, layer, unit, planes);
            *out = at_least(planes, layer.fan_in / 2 + 1);
        }
    }
}

kernel! {
    /// For each unit of a layer, how many of its products are -1.
    pub(super) fn count_layer(inputs: &[Mask], row: &[u64], layer: Dense, planes: &mut [Mask]) {
        let width = planes.len() / layer.n_units;
        for (unit, planes) in planes.chunks_exact_mut(width).enumerate() {
            count(inputs, row, layer, unit, planes);
        }
    }
}

kernel! {
    /// Adds to `histogram[c]` the number of points of `of` whose count is `c`.
    pub(super) fn add_histogram(planes: &[Mask], of: &Mask, masks: &mut [Mask], histogram: &mut [u64]) {
        // Each plane, from the highest, cuts the points of every prefix of a count in two.
        masks[0] = *of;
        for (k, plane) in planes.iter().rev().enumerate() {
            for prefix in (0..1 << k).rev() {
                let points = masks[prefix];
                masks[2 * prefix + 1] = map2(points, *plane, |a, b| a & b);
                masks[2 * prefix] = map2(points, *plane, |a, b| a & !b);
            }
        }
        for (count, points) in histogram.iter_mut().zip(masks) {
            *count += points.iter().map(|word| u64::from(word.count_ones())).sum::<u64>();
        }
    }
}

kernel! {
    /// Writes `scale` times the sum at each point: `n` is the number of products.
    pub(super) fn write_sums(planes: &[Mask], n: usize, scale: f64, out: &mut [f64]) {
        for (block, out) in out.chunks_mut(LANES).enumerate() {
            let counts = counts(planes, block);
            let sum = |c: u16| scale * f64::from(n as i32 - 2 * i32::from(c));
            out.iter_mut().zip(&counts).for_each(|(out, count)| *out = sum(*count));
        }
    }
}

kernel! {
    /// Writes the count at each point, one unit after the other; each has `width` planes.
    pub(super) fn write_counts(planes: &[Mask], width: usize, out: &mut [[u16; LANES]]) {
        let n_blocks = out.len() * width / planes.len();
        for (planes, out) in planes.chunks_exact(width).zip(out.chunks_exact_mut(n_blocks)) {
            for (block, out) in out.iter_mut().enumerate() {
                *out = counts(planes, block);
            }
        }
    }
}

/// The counts at the points of the bit `block` of every lane.
#[inline(always)]
fn counts(planes: &[Mask], block: usize) -> [u16; LANES] {
    let mut counts = [0; LANES];
    for plane in planes.iter().rev() {
        let plane = lanes(plane);
        for lane in 0..LANES {
            counts[lane] = counts[lane] << 1 | plane[lane] >> block & 1;
        }
    }
    counts
}

/// The lanes of a mask.
#[inline(always)]
pub(super) fn lanes(mask: &Mask) -> &[u16; LANES] {
    // SAFETY: they are as long, and any bits are numbers.
    unsafe { &*(&raw const *mask).cast() }
}

/// The lanes of a mask, to be changed.
#[inline(always)]
pub(super) fn lanes_mut(mask: &mut Mask) -> &mut [u16; LANES] {
    // SAFETY: as above.
    unsafe { &mut *(&raw mut *mask).cast() }
}

/// The points at which a value is so.
pub(super) fn mask_where(values: &[f64], is_so: impl Fn(f64) -> bool) -> Mask {
    let mut mask = [0; WORDS];
    for (block, values) in values.chunks(LANES).enumerate() {
        for (lane, value) in lanes_mut(&mut mask).iter_mut().zip(values) {
            *lane |= u16::from(is_so(*value)) << block;
        }
    }
    mask
}

/// Counts in `planes` the products of a unit that are -1.
#[inline(always)]
fn count(inputs: &[Mask], row: &[u64], layer: Dense, unit: usize, planes: &mut [Mask]) {
    planes.fill([0; WORDS]);
    // The bias, if there is one, is the only product that no input belongs to.
    if layer.fan_in > inputs.len() {
        planes[0] = weight(row, layer.position(inputs.len(), unit));
    }
    for (step, inputs) in inputs.chunks(STEP).enumerate() {
        let product = |i: usize| match inputs.get(i) {
            Some(input) => {
                map2(*input, weight(row, layer.position(step * STEP + i, unit)), |a, b| a ^ b)
            }
            None => [0; WORDS],
        };
        let (a, twos_a) = add3(planes[0], product(0), product(1));
        let (a, twos_b) = add3(a, product(2), product(3));
        let (b, fours_a) = add3(planes[1], twos_a, twos_b);
        let (a, twos_a) = add3(a, product(4), product(5));
        let (a, twos_b) = add3(a, product(6), product(7));
        let (b, fours_b) = add3(b, twos_a, twos_b);
        let (c, mut carry) = add3(planes[2], fours_a, fours_b);
        (planes[0], planes[1], planes[2]) = (a, b, c);
        for plane in &mut planes[STEP_PLANES - 1..] {
            (*plane, carry) =
                (map2(*plane, carry, |a, b| a ^ b), map2(*plane, carry, |a, b| a & b));
        }
    }
}

/// A weight at every point.
#[inline(always)]
fn weight(row: &[u64], position: usize) -> Mask {
    [0u64.wrapping_sub(u64::from(bit(row, position))); WORDS]
}

#[inline(always)]
fn map2(a: Mask, b: Mask, f: impl Fn(u64, u64) -> u64) -> Mask {
    std::array::from_fn(|w| f(a[w], b[w]))
}

/// The sum of three bits: its lower and its higher bit.
#[inline(always)]
fn add3(a: Mask, b: Mask, c: Mask) -> (Mask, Mask) {
    let low = std::array::from_fn(|w| a[w] ^ b[w] ^ c[w]);
    let high = std::array::from_fn(|w| a[w] & b[w] | c[w] & (a[w] ^ b[w]));
    (low, high)
}

/// Where a count is at least `threshold`.
#[inline(always)]
fn at_least(planes: &[Mask], threshold: usize) -> Mask {
    // From the lowest bit on: whether the bits so far are at least those of the threshold.
    planes.iter().enumerate().fold([u64::MAX; WORDS], |enough, (k, plane)| {
        if threshold >> k & 1 == 1 {
            map2(enough, *plane, |a, b| a & b)
        } else {
            map2(enough, *plane, |a, b| a | b)
        }
    })
}

//! Butterflies: one 2x2 map applied along every bit of the index of a 2^n-vector.

use crate::simd::{kernel, one_turn_at_a_time};
use crate::state::fma;

/// Vectors up to this length are passed over in place, in the first-level cache. An even power of
/// two, as passes take two bits at a time.
pub(super) const BLOCK: usize = 1 << 12;
/// Vectors from this length on are worth spreading over threads.
pub(super) const PARALLEL: usize = 1 << 16;

/// Neighbours joined by shuffles of registers, not by loops over parts that are too short for them.
const LANES: usize = 16;

/// For each bit of a lane's number, 1 where it is 0 and -1 where it is 1.
const SIGNS: [[f64; LANES]; LANES.ilog2() as usize] = {
    let mut signs = [[1.0; LANES]; LANES.ilog2() as usize];
    let mut i = 0;
    while i < signs.len() * LANES {
        if ((i % LANES) >> (i / LANES)) & 1 == 1 {
            signs[i / LANES][i % LANES] = -1.0;
        }
        i += 1;
    }
    signs
};

/// A map of the pair of entries whose indices differ in one bit, the entry with bit 0 first.
#[derive(Debug, Clone, Copy)]
pub(super) enum Pair {
    /// (a, b) becomes (a + b, a - b): the Walsh-Hadamard transform.
    SumAndDifference,
    /// (a, b) becomes (a + e b, e a + b): one bit's factor of a kernel.
    Mix(f64),
}

/// Applies `pair` along every bit of the index, lowest bit first; `v` has 2^n entries.
///
/// Parts are transformed before they are joined, so that all but the last joins happen in cache.
/// Every entry goes through the same operations however the parts are spread.
pub(super) fn transform(v: &mut [f64], pair: Pair) {
    let length = v.len();
    if length <= BLOCK {
        return transform_block(v, pair);
    }
    if (length / BLOCK).ilog2() % 2 == 1 {
        let (low, high) = v.split_at_mut(length / 2);
        both(length, || transform(low, pair), || transform(high, pair));
        return join_two(low, high, pair);
    }
    let (low, high) = v.split_at_mut(length / 2);
    let (a, b) = low.split_at_mut(length / 4);
    let (c, d) = high.split_at_mut(length / 4);
    both(
        length,
        || both(length / 2, || transform(a, pair), || transform(b, pair)),
        || both(length / 2, || transform(c, pair), || transform(d, pair)),
    );
    join_four(a, b, c, d, pair);
}

/// Runs both, side by side if a vector of `length` entries is worth it.
fn both(length: usize, first: impl FnOnce() + Send, second: impl FnOnce() + Send) {
    if length >= PARALLEL {
        rayon::join(first, second);
    } else {
        first();
        second();
    }
}

/// Two bits in one pass over memory.
fn join_four(a: &mut [f64], b: &mut [f64], c: &mut [f64], d: &mut [f64], pair: Pair) {
    let length = a.len();
    if 4 * length < PARALLEL {
        return join_four_here(a, b, c, d, pair);
    }
    let half = length / 2;
    let ((a, a2), (b, b2)) = (a.split_at_mut(half), b.split_at_mut(half));
    let ((c, c2), (d, d2)) = (c.split_at_mut(half), d.split_at_mut(half));
    rayon::join(|| join_four(a, b, c, d, pair), || join_four(a2, b2, c2, d2, pair));
}

fn join_two(a: &mut [f64], b: &mut [f64], pair: Pair) {
    let length = a.len();
    if 2 * length < PARALLEL {
        return join_two_here(a, b, pair);
    }
    let ((a, a2), (b, b2)) = (a.split_at_mut(length / 2), b.split_at_mut(length / 2));
    rayon::join(|| join_two(a, b, pair), || join_two(a2, b2, pair));
}

kernel! {
    /// As [`transform`], of a vector that fits the cache.
    pub(super) fn transform_block(v: &mut [f64], pair: Pair) {
        if v.len() >= LANES {
            lowest_bits::<FMA>(v, pair);
        }
        let width = if v.len() >= LANES { LANES } else { 1 };
        match pair {
            Pair::SumAndDifference => higher_bits(v, width, sum_and_difference),
            Pair::Mix(e) => higher_bits(v, width, mix::<FMA>(e)),
        }
    }
}

kernel! {
    /// The Walsh-Hadamard transform of each column of a matrix that fits the cache.
    pub(super) fn transform_columns(rows: &mut [f64], width: usize) {
        higher_bits(rows, width, sum_and_difference);
    }
}

kernel! {
    fn join_four_here(a: &mut [f64], b: &mut [f64], c: &mut [f64], d: &mut [f64], pair: Pair) {
        match pair {
            Pair::SumAndDifference => two_bits(a, b, c, d, sum_and_difference),
            Pair::Mix(e) => two_bits(a, b, c, d, mix::<FMA>(e)),
        }
    }
}

kernel! {
    fn join_two_here(a: &mut [f64], b: &mut [f64], pair: Pair) {
        match pair {
            Pair::SumAndDifference => one_bit(a, b, sum_and_difference),
            Pair::Mix(e) => one_bit(a, b, mix::<FMA>(e)),
        }
    }
}

#[inline(always)]
fn sum_and_difference(a: f64, b: f64) -> (f64, f64) {
    (a + b, a - b)
}

#[inline(always)]
fn mix<const FMA: bool>(e: f64) -> impl Fn(f64, f64) -> (f64, f64) + Copy {
    move |a, b| (fma::<f64, FMA>(e, b, a), fma::<f64, FMA>(e, a, b))
}

/// The bits of an index that stay among the lanes: every lane does the same with what it has and what
/// its partner has.
#[inline(always)]
fn lowest_bits<const FMA: bool>(v: &mut [f64], pair: Pair) {
    for x in v.as_chunks_mut::<LANES>().0 {
        one_turn_at_a_time();
        for bit in 0..LANES.ilog2() {
            let half = 1 << bit;
            let partner: [f64; LANES] = std::array::from_fn(|k| x[k ^ half]);
            *x = match pair {
                Pair::SumAndDifference => {
                    let sign = SIGNS[bit as usize];
                    std::array::from_fn(|k| fma::<f64, FMA>(sign[k], x[k], partner[k]))
                }
                Pair::Mix(e) => std::array::from_fn(|k| fma::<f64, FMA>(e, partner[k], x[k])),
            };
        }
    }
}

/// The bits from that of `width` on, which is 2^m.
#[inline(always)]
fn higher_bits(v: &mut [f64], width: usize, pair: impl Fn(f64, f64) -> (f64, f64) + Copy) {
    let mut stride = width;
    while 4 * stride <= v.len() {
        for part in v.chunks_exact_mut(4 * stride) {
            let (low, high) = part.split_at_mut(2 * stride);
            let (a, b) = low.split_at_mut(stride);
            let (c, d) = high.split_at_mut(stride);
            two_bits(a, b, c, d, pair);
        }
        stride *= 4;
    }
    if 2 * stride == v.len() {
        let (low, high) = v.split_at_mut(stride);
        one_bit(low, high, pair);
    }
}

#[inline(always)]
fn two_bits(
    a: &mut [f64],
    b: &mut [f64],
    c: &mut [f64],
    d: &mut [f64],
    pair: impl Fn(f64, f64) -> (f64, f64) + Copy,
) {
    for (((a, b), c), d) in a.iter_mut().zip(b).zip(c).zip(d) {
        let (low_a, low_b) = pair(*a, *b);
        let (low_c, low_d) = pair(*c, *d);
        (*a, *c) = pair(low_a, low_c);
        (*b, *d) = pair(low_b, low_d);
    }
}

#[inline(always)]
fn one_bit(a: &mut [f64], b: &mut [f64], pair: impl Fn(f64, f64) -> (f64, f64) + Copy) {
    for (a, b) in a.iter_mut().zip(b) {
        (*a, *b) = pair(*a, *b);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_size_takes_every_bit_once_and_in_order() {
        // Sizes on both sides of the lanes, the block and the parallel threshold.
        for n in [0, 1, 2, 3, 4, 5, 6, 11, 12, 13, 14, 15, 17] {
            for pair in [Pair::SumAndDifference, Pair::Mix(0.125)] {
                let start: Vec<f64> =
                    (0..1 << n).map(|i| f64::from(i * 7919 % 1009) - 400.0).collect();
                let mut naive = start.clone();
                for bit in 0..n {
                    for i in (0..1usize << n).filter(|i| i >> bit & 1 == 0) {
                        let j = i | 1 << bit;
                        let (a, b) = (naive[i], naive[j]);
                        (naive[i], naive[j]) = match pair {
                            Pair::SumAndDifference => (a + b, a - b),
                            Pair::Mix(e) => (a + e * b, e * a + b),
                        };
                    }
                }
                let mut v = start;
                transform(&mut v, pair);
                match pair {
                    // Integers below 2^53: nothing is rounded.
                    Pair::SumAndDifference => assert_eq!(v, naive, "{n} bits"),
                    // Two roundings a bit, of numbers of at most 609 * 1.125^n.
                    Pair::Mix(_) => {
                        let bound = 2.0 * 17.0 * f64::EPSILON * 609.0 * 1.125f64.powi(n);
                        assert!(v.iter().zip(&naive).all(|(v, w)| (v - w).abs() <= bound), "{n}");
                    }
                }
            }
        }
    }
}

//! Butterflies: one 2x2 map applied along every bit of the index of a 2^n-vector.

/// Vectors up to this length are passed over in place, in the first-level cache. An even power of
/// two, as passes take two bits at a time.
const BLOCK: usize = 1 << 12;
/// Vectors from this length on are worth spreading over threads.
const PARALLEL: usize = 1 << 16;

/// A map of the pair of entries whose indices differ in one bit, the entry with bit 0 first.
pub(super) trait Pair: Fn(f64, f64) -> (f64, f64) + Copy + Sync {}
impl<F: Fn(f64, f64) -> (f64, f64) + Copy + Sync> Pair for F {}

/// Applies `pair` along every bit of the index, lowest bit first; `v` has 2^n entries.
///
/// Parts are transformed before they are joined, so that all but the last joins happen in cache.
/// Every entry goes through the same operations however the parts are spread.
pub(super) fn transform(v: &mut [f64], pair: impl Pair) {
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

fn transform_block(v: &mut [f64], pair: impl Pair) {
    let mut stride = 1;
    while 4 * stride <= v.len() {
        for part in v.chunks_exact_mut(4 * stride) {
            let (low, high) = part.split_at_mut(2 * stride);
            let (a, b) = low.split_at_mut(stride);
            let (c, d) = high.split_at_mut(stride);
            join_four_here(a, b, c, d, pair);
        }
        stride *= 4;
    }
    if 2 * stride == v.len() {
        let (low, high) = v.split_at_mut(stride);
        join_two_here(low, high, pair);
    }
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
fn join_four(a: &mut [f64], b: &mut [f64], c: &mut [f64], d: &mut [f64], pair: impl Pair) {
    let length = a.len();
    if 4 * length < PARALLEL {
        return join_four_here(a, b, c, d, pair);
    }
    let half = length / 2;
    let ((a, a2), (b, b2)) = (a.split_at_mut(half), b.split_at_mut(half));
    let ((c, c2), (d, d2)) = (c.split_at_mut(half), d.split_at_mut(half));
    rayon::join(|| join_four(a, b, c, d, pair), || join_four(a2, b2, c2, d2, pair));
}

fn join_two(a: &mut [f64], b: &mut [f64], pair: impl Pair) {
    let length = a.len();
    if 2 * length < PARALLEL {
        return join_two_here(a, b, pair);
    }
    let ((a, a2), (b, b2)) = (a.split_at_mut(length / 2), b.split_at_mut(length / 2));
    rayon::join(|| join_two(a, b, pair), || join_two(a2, b2, pair));
}

#[inline(always)]
fn join_four_here(a: &mut [f64], b: &mut [f64], c: &mut [f64], d: &mut [f64], pair: impl Pair) {
    for (((a, b), c), d) in a.iter_mut().zip(b).zip(c).zip(d) {
        let (low_a, low_b) = pair(*a, *b);
        let (low_c, low_d) = pair(*c, *d);
        (*a, *c) = pair(low_a, low_c);
        (*b, *d) = pair(low_b, low_d);
    }
}

#[inline(always)]
fn join_two_here(a: &mut [f64], b: &mut [f64], pair: impl Pair) {
    for (a, b) in a.iter_mut().zip(b) {
        (*a, *b) = pair(*a, *b);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_size_takes_every_bit_once_and_in_order() {
        // An asymmetric map; sizes on both sides of the block and of the parallel threshold.
        let pair = |a: f64, b: f64| (a - 0.5 * b, 0.25 * a + b);
        for n in [0, 1, 2, 3, 5, 11, 12, 13, 14, 15, 17] {
            let mut v: Vec<f64> = (0..1 << n).map(|i| f64::from(i * 7919 % 1009) - 400.0).collect();
            let mut naive = v.clone();
            for bit in 0..n {
                for i in (0..1usize << n).filter(|i| i >> bit & 1 == 0) {
                    let j = i | 1 << bit;
                    (naive[i], naive[j]) = pair(naive[i], naive[j]);
                }
            }
            transform(&mut v, pair);
            // The same operations in the same order: no rounding to allow for.
            assert_eq!(v, naive, "{n} bits");
        }
    }
}

//! Butterflies in registers: a few bits a pass, of vectors that fit a cache.

use super::butterfly::Pair;
use crate::simd::{MOST_LANES, MOST_LOG, Pack, each_row, kernel, lanes};
use crate::state::Real;

/// log2 of the numbers that are passed over in the first-level cache.
pub(super) const BLOCK: usize = 11;

/// Applies `pair` along the bits of the index from `lowest` on, which is 0 or above those of 16
/// neighbours.
pub(super) fn transform_bits(v: &mut [f64], lowest: usize, pair: Pair) {
    bits(v, lowest, pair);
}

/// Writes q - p, with `pair` applied along every bit of the index, and returns the sums of both, which
/// are no numbers if an entry is below 0 or none.
pub(super) fn transform_difference(q: &[f64], p: &[f64], out: &mut [f64], pair: Pair) -> [f64; 2] {
    let (mut sums, mut least) = ([0.0; 2], 0.0);
    for (i, block) in out.chunks_mut(1 << BLOCK).enumerate() {
        let part = i << BLOCK..(i << BLOCK) + block.len();
        difference(&q[part.clone()], &p[part], block, pair, &mut sums, &mut least);
    }
    if out.len() > 1 << BLOCK {
        bits(out, BLOCK, pair);
    }
    if least < 0.0 { [f64::NAN; 2] } else { sums }
}

kernel! {
    fn bits<T as P>(v: &mut [T], lowest: usize, pair: Pair) {
        if v.len() < 1 << P::LOG {
            return one_by_one(v, pair);
        }
        match pair {
            Pair::SumAndDifference => blocks::<T, P, true>(v, lowest, Map::new(T::ONE)),
            Pair::Mix(e) => blocks::<T, P, false>(v, lowest, Map::new(T::from_f64(e))),
        }
    }
}

/// A vector that is shorter than a register.
fn one_by_one<T: Real>(v: &mut [T], pair: Pair) {
    for bit in 0..v.len().ilog2() {
        for i in (0..v.len()).filter(|i| i >> bit & 1 == 0) {
            let (a, b) = (v[i], v[i | 1 << bit]);
            (v[i], v[i | 1 << bit]) = match pair {
                Pair::SumAndDifference => (a + b, a - b),
                Pair::Mix(e) => (a + T::from_f64(e) * b, T::from_f64(e) * a + b),
            };
        }
    }
}

#[inline(always)]
fn blocks<T: Real, P: Pack<T>, const SUM: bool>(v: &mut [T], lowest: usize, map: Map<P, SUM>) {
    let highest = v.len().ilog2() as usize;
    let near = highest.min(BLOCK);
    if lowest == 0 {
        for block in v.chunks_exact_mut(1 << near) {
            let first = block.as_ptr();
            // SAFETY: in the block.
            let lowest = lowest_bits(block, map, |i| unsafe { P::load(first.add(i)) });
            higher_bits(block, lowest, map);
        }
    } else if lowest < near {
        v.chunks_exact_mut(1 << near).for_each(|block| higher_bits(block, lowest, map));
    }
    if near < highest {
        higher_bits(v, lowest.max(near), map);
    }
}

/// How many bits a pass takes with `left` to do: as few passes as the registers allow, of about as
/// many bits each.
#[inline(always)]
fn share<T, P: Pack<T>>(left: usize) -> usize {
    let most = if P::MANY_REGISTERS { 4 } else { 3 };
    left.div_ceil(left.div_ceil(most).max(1))
}

/// The bits inside the lanes of what `load` has, and the first ones above, up to the one returned.
#[inline(always)]
fn lowest_bits<T: Real, P: Pack<T>, const SUM: bool>(
    v: &mut [T],
    map: Map<P, SUM>,
    load: impl FnMut(usize) -> P,
) -> usize {
    let n_bits = share::<T, P>(v.len().ilog2() as usize - P::LOG);
    match n_bits {
        0 => pass::<T, P, SUM, true, 1>(v, P::LOG, map, load),
        1 => pass::<T, P, SUM, true, 2>(v, P::LOG, map, load),
        2 => pass::<T, P, SUM, true, 4>(v, P::LOG, map, load),
        3 => pass::<T, P, SUM, true, 8>(v, P::LOG, map, load),
        _ if P::MANY_REGISTERS => pass::<T, P, SUM, true, 16>(v, P::LOG, map, load),
        _ => unreachable!("more bits than registers"),
    }
    P::LOG + n_bits
}

/// The bits from `bit` on, which is above the lanes.
#[inline(always)]
fn higher_bits<T: Real, P: Pack<T>, const SUM: bool>(
    v: &mut [T],
    mut bit: usize,
    map: Map<P, SUM>,
) {
    let first = v.as_ptr();
    // SAFETY: `pass` only asks for what is in the vector.
    let load = |i| unsafe { P::load(first.add(i)) };
    let highest = v.len().ilog2() as usize;
    while bit < highest {
        let n_bits = share::<T, P>(highest - bit);
        match n_bits {
            1 => pass::<T, P, SUM, false, 2>(v, bit, map, load),
            2 => pass::<T, P, SUM, false, 4>(v, bit, map, load),
            3 => pass::<T, P, SUM, false, 8>(v, bit, map, load),
            _ if P::MANY_REGISTERS => pass::<T, P, SUM, false, 16>(v, bit, map, load),
            _ => unreachable!("more bits than registers"),
        }
        bit += n_bits;
    }
}

/// One pass over the bits from `bit` on that tell `ROWS` rows of lanes apart, and over those inside
/// the lanes. `load` gives the lanes at each place of the vector before they are written.
#[inline(always)]
fn pass<T: Real, P: Pack<T>, const SUM: bool, const INSIDE: bool, const ROWS: usize>(
    v: &mut [T],
    bit: usize,
    map: Map<P, SUM>,
    mut load: impl FnMut(usize) -> P,
) {
    let stride = 1 << bit;
    assert!(bit >= P::LOG && v.len().is_multiple_of(ROWS * stride));
    for part in (0..v.len()).step_by(ROWS * stride) {
        for first in (part..part + stride).step_by(1 << P::LOG) {
            let mut x = [map.e; ROWS];
            each_row!(ROWS, |r| {
                x[r] = load(first + r * stride);
                if INSIDE {
                    x[r] = map.inside(x[r]);
                }
            });
            let mut half = 1;
            while half < ROWS {
                for r in 0..ROWS {
                    if r & half == 0 {
                        (x[r], x[r | half]) = map.pair(x[r], x[r | half]);
                    }
                }
                half *= 2;
            }
            for r in 0..ROWS {
                // SAFETY: a part has `ROWS` rows of `stride` numbers, a multiple of the lanes.
                unsafe { x[r].store(v.as_mut_ptr().add(first + r * stride)) };
            }
        }
    }
}

kernel! {
    /// As [`transform_difference`] of a block, adding to `sums`; `least` is the least entry so far.
    fn difference<T as P>(
        q: &[T],
        p: &[T],
        out: &mut [T],
        pair: Pair,
        sums: &mut [f64; 2],
        least: &mut f64,
    ) {
        if out.len() < 1 << P::LOG {
            for ((q, p), out) in q.iter().zip(p).zip(out.iter_mut()) {
                *out = *q + -*p;
                *sums = [sums[0] + q.to_f64(), sums[1] + p.to_f64()];
                *least = least.min(q.to_f64()).min(p.to_f64());
            }
            return one_by_one(out, pair);
        }
        match pair {
            Pair::SumAndDifference => {
                subtracted::<T, P, true>(q, p, out, Map::new(T::ONE), sums, least);
            }
            Pair::Mix(e) => {
                subtracted::<T, P, false>(q, p, out, Map::new(T::from_f64(e)), sums, least);
            }
        }
    }
}

#[inline(always)]
fn subtracted<T: Real, P: Pack<T>, const SUM: bool>(
    q: &[T],
    p: &[T],
    out: &mut [T],
    map: Map<P, SUM>,
    sums: &mut [f64; 2],
    least: &mut f64,
) {
    assert!(q.len() == out.len() && p.len() == out.len());
    let [mut q_sum, mut p_sum, mut low] = [P::splat(T::ZERO); 3];
    let (q, p) = (q.as_ptr(), p.as_ptr());
    let bit = lowest_bits(out, map, |i| {
        // SAFETY: `pass` only asks for what is in vectors of this length.
        let (q, p) = unsafe { (P::load(q.add(i)), P::load(p.add(i))) };
        q_sum = q_sum.plus(q);
        p_sum = p_sum.plus(p);
        low = low.least(q).least(p);
        q.minus(p)
    });
    higher_bits(out, bit, map);
    sums[0] += lanes::<T, P>(q_sum).sum::<f64>();
    sums[1] += lanes::<T, P>(p_sum).sum::<f64>();
    *least = lanes::<T, P>(low).fold(*least, f64::min);
}

/// A [`Pair`] of lanes: of a `SUM` and a difference, or with e.
#[derive(Clone, Copy)]
struct Map<P, const SUM: bool> {
    e: P,
    /// For each bit of a lane's number, -1 where it is 1.
    signs: [P; MOST_LOG],
}

impl<P, const SUM: bool> Map<P, SUM> {
    #[inline(always)]
    fn new<T: Real>(e: T) -> Self
    where
        P: Pack<T>,
    {
        let signs = std::array::from_fn(|bit| {
            let sign = |k: usize| if k >> bit & 1 == 1 { -T::ONE } else { T::ONE };
            let lanes: [T; MOST_LANES] = std::array::from_fn(sign);
            // SAFETY: no pack has more lanes.
            unsafe { P::load(lanes.as_ptr()) }
        });
        Self { e: P::splat(e), signs }
    }

    /// Both of a pair.
    #[inline(always)]
    fn pair<T>(self, a: P, b: P) -> (P, P)
    where
        P: Pack<T>,
    {
        if SUM {
            (a.plus(b), a.minus(b))
        } else {
            (b.times_plus(self.e, a), a.times_plus(self.e, b))
        }
    }

    /// Every bit of a lane's number: each lane does the same with what it has and what its partner has.
    #[inline(always)]
    fn inside<T>(self, x: P) -> P
    where
        P: Pack<T>,
    {
        let step = |bit: usize, x: P, partner: P| {
            if SUM { x.times_plus(self.signs[bit], partner) } else { partner.times_plus(self.e, x) }
        };
        let mut x = step(0, x, x.partner::<0>());
        if P::LOG > 1 {
            x = step(1, x, x.partner::<1>());
        }
        if P::LOG > 2 {
            x = step(2, x, x.partner::<2>());
        }
        if P::LOG > 3 {
            x = step(3, x, x.partner::<3>());
        }
        x
    }
}

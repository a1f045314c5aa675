//! Applying a layer: rotations a few qubits at a time, held in registers. The first pass reads through
//! the relabelling, the last one multiplies by the phases.

use super::rows::{Rows, each_low_qubit, each_pair, scale, tangents};
use super::{BLOCK, Layer, by_lanes, n_with_phases, permute, slow};
use crate::simd::{Pack, each_row, kernel};
use crate::state::array::Array;
use crate::state::permute::ByVectors;
use crate::state::phase::Phases;
use crate::state::product::Product;
use crate::state::real::Real;
use crate::state::rotate::Rotation;
use crate::state::vector::{Spare, Vector};

impl<T: Real> Layer<'_, T> {
    /// Runs the stages on tile number `number`.
    pub fn apply(&self, tile: &mut Vector<T>, spare: &mut Spare<T>, number: usize) {
        apply(self, tile, spare, number);
    }
}

kernel! {
    fn apply<T as P>(layer: &Layer<'_, T>, tile: &mut Vector<T>, spare: &mut Spare<T>, number: usize) {
        let is_short = tile.re.len() < 1 << P::LOG;
        // Where phases come at once, they are multiplied in as the product is written.
        let is_fused = !is_short && layer.gather.is_none() && layer.rotations.is_none();
        let fused = layer.product.filter(|_| is_fused && layer.phases.is_some());
        if let Some(product) = layer.product {
            tile.is_real = true;
            if fused.is_none() {
                product.write(number, &mut tile.re);
            }
        }
        let mut gather = None;
        if let Some(all) = layer.gather {
            gather = layer.rotations.and_then(|_| all.by_vectors::<T, P>(number));
            if gather.is_none() {
                permute(all, tile.parts(), spare, number);
            }
        }
        // Phases make a real state complex: they wait until its rotations are done.
        let together = layer.phases.filter(|_| !tile.is_real && !is_short);
        let mut last: &[Rotation<T>] = &[];
        let mut factor = T::ONE;
        if let Some(rotations) = layer.rotations {
            let mut most = &rotations.once[..];
            let mut own = scale(most);
            if let Some(phases) = together {
                let n_last = n_with_phases(most, phases, if P::MANY_REGISTERS { 3 } else { 2 });
                (most, last) = most.split_at(most.len() - n_last);
                (own, factor) = (T::ONE, own);
            }
            for (part, spare) in tile.parts().zip(&mut *spare) {
                let again = &rotations.again;
                if is_short {
                    rotations.once.iter().chain(again).for_each(|r| slow::rotate(part, r));
                } else {
                    rotate::<T, P>(part, spare, gather, most, own);
                    rotate::<T, P>(part, spare, None, again, scale(again));
                }
            }
        }
        let Some(phases) = layer.phases else { return };
        if is_short {
            tile.make_complex();
            return slow::turn(&phases.of_tile(number).row(0, 1.0), &mut tile.re, &mut tile.im);
        }
        let was_real = std::mem::replace(&mut tile.is_real, false);
        let parts = [&mut tile.re[..], &mut tile.im[..]];
        if was_real {
            return turn::<T, P, true, 0, 1>(phases, fused, parts, number, &[], factor);
        }
        match *last {
            [] => turn::<T, P, false, 0, 1>(phases, None, parts, number, &[], factor),
            [a] => turn::<T, P, false, 1, 2>(phases, None, parts, number, &[a], factor),
            [a, b] => turn::<T, P, false, 2, 4>(phases, None, parts, number, &[a, b], factor),
            [a, b, c] if P::MANY_REGISTERS => {
                turn::<T, P, false, 3, 8>(phases, None, parts, number, &[a, b, c], factor)
            }
            _ => unreachable!("more rotations than registers"),
        }
    }
}

/// Rotates one part of a tile, times a factor.
#[inline(always)]
fn rotate<T: Real, P: Pack<T>>(
    part: &mut Array<T>,
    spare: &mut Array<T>,
    gather: Option<ByVectors<'_>>,
    rotations: &[Rotation<T>],
    factor: T,
) {
    let (inside, above) = by_lanes::<T, P>(rotations);
    let most = if P::MANY_REGISTERS { 4 } else { 3 };
    let n_groups = above.len().div_ceil(most).max(1);
    let of = |k: usize| &above[k * above.len() / n_groups..(k + 1) * above.len() / n_groups];
    if inside.is_empty() && above.is_empty() && gather.is_none() && factor == T::ONE {
        return;
    }
    // As many groups as can go on in the first-level cache before the next block.
    let is_near = |k: &usize| of(*k).last().is_none_or(|r| r.qubit < BLOCK);
    let n_near = (0..n_groups).take_while(is_near).count();
    let block = if n_near == 0 { part.len() } else { part.len().min(1 << BLOCK) };
    let n_near = n_near.max(1);
    let factor_of = |k: usize| (k + 1 == n_groups && factor != T::ONE).then_some(factor);
    for first in (0..part.len()).step_by(block) {
        let range = first..first + block;
        if let Some(gather) = gather {
            let from = Some((&part[..], gather, first >> P::LOG));
            group(from, &mut spare[range.clone()], inside, of(0), factor_of(0));
        } else {
            group(None, &mut part[range.clone()], inside, of(0), factor_of(0));
        }
        let part = if gather.is_some() { &mut *spare } else { &mut *part };
        for k in 1..n_near {
            group(None, &mut part[range.clone()], &[], of(k), factor_of(k));
        }
    }
    if gather.is_some() {
        std::mem::swap(part, spare);
    }
    for k in n_near..n_groups {
        group(None, part, &[], of(k), factor_of(k));
    }
}

/// A tile, how it is relabelled, and the number of a block's first vector in it.
type Source<'a, T> = (&'a [T], ByVectors<'a>, usize);

kernel! {
    /// Rotates a block by qubits inside the lanes and up to four above them, times a factor.
    fn group<T as P>(
        from: Option<Source<'_, T>>,
        block: &mut [T],
        inside: &[Rotation<T>],
        above: &[Rotation<T>],
        factor: Option<T>,
    ) {
        match *above {
            [] => choose::<T, P, 0, 1>(from, block, inside, &[], factor),
            [a] => choose::<T, P, 1, 2>(from, block, inside, &[a], factor),
            [a, b] => choose::<T, P, 2, 4>(from, block, inside, &[a, b], factor),
            [a, b, c] => choose::<T, P, 3, 8>(from, block, inside, &[a, b, c], factor),
            [a, b, c, d] if P::MANY_REGISTERS => {
                choose::<T, P, 4, 16>(from, block, inside, &[a, b, c, d], factor)
            }
            _ => unreachable!("more rotations than registers"),
        }
    }
}

/// Leaves out of the loop what a group does not need.
#[inline(always)]
fn choose<T: Real, P: Pack<T>, const K: usize, const ROWS: usize>(
    from: Option<Source<'_, T>>,
    block: &mut [T],
    inside: &[Rotation<T>],
    above: &[Rotation<T>; K],
    factor: Option<T>,
) {
    if P::MIXES_IN_PASSING && from.is_some() {
        return match factor {
            None => mix::<T, P, true, true, false, K, ROWS>(from, block, inside, above, factor),
            Some(_) => mix::<T, P, true, true, true, K, ROWS>(from, block, inside, above, factor),
        };
    }
    match (inside.is_empty(), factor.is_some()) {
        (false, false) => {
            mix::<T, P, false, true, false, K, ROWS>(from, block, inside, above, factor)
        }
        (false, true) => {
            mix::<T, P, false, true, true, K, ROWS>(from, block, inside, above, factor)
        }
        (true, false) => {
            mix::<T, P, false, false, false, K, ROWS>(from, block, inside, above, factor)
        }
        (true, true) => {
            mix::<T, P, false, false, true, K, ROWS>(from, block, inside, above, factor)
        }
    }
}

#[inline(always)]
fn mix<
    T: Real,
    P: Pack<T>,
    const GATHER: bool,
    const INSIDE: bool,
    const SCALED: bool,
    const K: usize,
    const ROWS: usize,
>(
    from: Option<Source<'_, T>>,
    block: &mut [T],
    inside: &[Rotation<T>],
    above: &[Rotation<T>; K],
    factor: Option<T>,
) {
    let rows = Rows::<K, ROWS>::new(above, P::LOG);
    let low = tangents::<T, P>(inside, true);
    let mut tan = [P::splat(T::ZERO); K];
    for k in 0..K {
        tan[k] = P::splat(above[k].tan);
    }
    let factor = P::splat(factor.unwrap_or(T::ONE));
    let n_vectors = block.len() >> P::LOG;
    let block = block.as_mut_ptr();
    for i in 0..rows.n_sets(n_vectors) {
        let first = rows.first(i);
        let mut x = [factor; ROWS];
        each_row!(ROWS, |r| {
            let (four, within) = rows.steps(r);
            debug_assert!(first + four + within < n_vectors);
            // SAFETY: `n_sets` sees to it that all rows of all sets are inside, and `rotate` gives
            // whole tiles to read from.
            x[r] = unsafe {
                match from {
                    Some((tile, gather, start)) if GATHER => {
                        gather.load::<T, P>(tile.as_ptr(), start + first + four + within)
                    }
                    _ => P::load(
                        block.add(first << P::LOG).add(four << P::LOG).add(within << P::LOG),
                    ),
                }
            };
        });
        if INSIDE {
            each_low_qubit!(P::LOG, |Q| {
                for row in &mut x {
                    *row = row.partner::<Q>().times_plus(low[Q], *row);
                }
            });
        }
        each_pair!(ROWS, |k, r, other| {
            let (a, b) = (x[r], x[other]);
            x[r] = b.times_from(tan[k], a);
            x[other] = a.times_plus(tan[k], b);
        });
        each_row!(ROWS, |r| {
            let x = if SCALED { x[r].times(factor) } else { x[r] };
            let (four, within) = rows.steps(r);
            // SAFETY: as above.
            unsafe {
                x.store(block.add(first << P::LOG).add(four << P::LOG).add(within << P::LOG));
            }
        });
    }
}

/// Rotates by qubits above those of a table, then multiplies by phases and a factor. With `REAL`
/// the imaginary part is only written: it was zero, and so is the real part of a product.
#[inline(always)]
fn turn<T: Real, P: Pack<T>, const REAL: bool, const K: usize, const ROWS: usize>(
    phases: &Phases<T>,
    product: Option<&Product<T>>,
    [re, im]: [&mut [T]; 2],
    number: usize,
    above: &[Rotation<T>; K],
    factor: T,
) {
    let phases = phases.of_tile(number);
    assert!(product.is_none_or(|product| product.low().len() == 1 << phases.low_bits()));
    let rows = Rows::<K, ROWS>::new(above, phases.low_bits());
    let width = 1usize << phases.low_bits();
    let n_rows = re.len().min(im.len()) / width;
    assert!(width.is_multiple_of(1 << P::LOG));
    let (re, im) = (re.as_mut_ptr(), im.as_mut_ptr());
    let mut tan = [P::splat(T::ZERO); K];
    for k in 0..K {
        tan[k] = P::splat(above[k].tan);
    }
    for i in 0..rows.n_sets(n_rows) {
        let first = rows.first(i);
        let zero = P::splat(T::ZERO);
        let mut own = [Row { from: re, re, im, factor: [zero; 2], table: [re; 2] }; ROWS];
        for r in 0..ROWS {
            let (four, within) = rows.steps(r);
            let row = first + four + within;
            let mut factor = factor.to_f64();
            // SAFETY: all rows of all sets are below `n_rows`.
            unsafe {
                (own[r].re, own[r].im) = (re.add(row * width), im.add(row * width));
            }
            own[r].from = own[r].re;
            if let Some(product) = product {
                own[r].from = product.low().as_ptr();
                factor *= product.rows()[row] * product.factor(number);
            }
            let phases = phases.row(row, factor);
            own[r].table = [phases.re.as_ptr(), phases.im.as_ptr()];
            own[r].factor = phases.factor.map(P::splat);
        }
        for at in (0..width).step_by(1 << P::LOG) {
            let (mut x, mut y) = ([zero; ROWS], [zero; ROWS]);
            each_row!(ROWS, |r| {
                // SAFETY: a row is this wide.
                unsafe {
                    x[r] = P::load(own[r].from.add(at));
                    if !REAL {
                        y[r] = P::load(own[r].im.add(at));
                    }
                }
            });
            each_pair!(ROWS, |k, r, other| {
                let (a, b) = (x[r], x[other]);
                x[r] = b.times_from(tan[k], a);
                x[other] = a.times_plus(tan[k], b);
                let (a, b) = (y[r], y[other]);
                y[r] = b.times_from(tan[k], a);
                y[other] = a.times_plus(tan[k], b);
            });
            each_row!(ROWS, |r| {
                let Row { re, im, factor: [c, s], table: [u, v], .. } = own[r];
                // SAFETY: as above; a row's table is as wide.
                unsafe {
                    let (u, v) = (P::load(u.add(at)), P::load(v.add(at)));
                    let (u, v) = (s.times_from(v, c.times(u)), s.times_plus(u, c.times(v)));
                    let (new_x, new_y) = if REAL {
                        (x[r].times(u), x[r].times(v))
                    } else {
                        (y[r].times_from(v, x[r].times(u)), y[r].times_plus(u, x[r].times(v)))
                    };
                    new_x.store(re.add(at));
                    new_y.store(im.add(at));
                }
            });
        }
    }
}

/// A row of a tile, what it is made from, and its phases: a table times a factor.
#[derive(Clone, Copy)]
struct Row<T, P> {
    from: *const T,
    re: *mut T,
    im: *mut T,
    table: [*const T; 2],
    factor: [P; 2],
}

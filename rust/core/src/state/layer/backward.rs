//! Undoing a layer on a state and its cotangent together, reading the angles' derivatives. The first
//! pass reads through the relabelling and takes off the phases.

use std::ptr::null_mut;

use super::rows::{Rows, each_low_qubit, each_pair, scale, tangents};
use super::{BLOCK, Derivatives, Layer, by_lanes, contract, fetch, n_with_phases, permute, slow};
use crate::simd::{MOST_LOG, Pack, each_row, kernel, lanes, prefetch_to_write};
use crate::state::permute::ByVectors;
use crate::state::phase::Phases;
use crate::state::real::Real;
use crate::state::rotate::Rotation;
use crate::state::vector::{Spare, Vector};

impl<T: Real> Layer<'_, T> {
    /// Undoes the stages on a tile of a state and of its cotangent, and adds to `derivatives`.
    ///
    /// For a rotation that is `sum over pairs of (lambda_1 psi_0 - lambda_0 psi_1)`, which is the same
    /// before, between and after the rotations of a stage; for a phase `-2 sum Im(conj(lambda) psi)`
    /// over the outcomes that it applies to.
    pub fn unapply(
        &self,
        psi: &mut Vector<T>,
        lambda: &mut Vector<T>,
        spare: &mut Spare<T>,
        number: usize,
        derivatives: &mut Derivatives<'_>,
    ) {
        unapply(self, psi, lambda, spare, number, derivatives);
    }
}

kernel! {
    fn unapply<T as P>(
        layer: &Layer<'_, T>,
        psi: &mut Vector<T>,
        lambda: &mut Vector<T>,
        spare: &mut Spare<T>,
        number: usize,
        derivatives: &mut Derivatives<'_>,
    ) {
        let is_short = psi.re.len() < 1 << P::LOG;
        let Some(product) = layer.product else {
            return undo::<T, P>(layer, psi, lambda, spare, number, derivatives);
        };
        let mut rest = Layer { ..*layer };
        if is_short || layer.rotations.is_some() {
            undo::<T, P>(layer, psi, lambda, spare, number, derivatives);
            rest = Layer::default();
        }
        contract::contract::<T, P>(&rest, product, lambda, spare, number, derivatives);
    }
}

/// Undoes all but the product.
#[inline(always)]
fn undo<T: Real, P: Pack<T>>(
    layer: &Layer<'_, T>,
    psi: &mut Vector<T>,
    lambda: &mut Vector<T>,
    spare: &mut Spare<T>,
    number: usize,
    derivatives: &mut Derivatives<'_>,
) {
    let is_short = psi.re.len() < 1 << P::LOG;
    let together = layer.phases.filter(|_| !is_short);
    let mut gather = None;
    if let Some(all) = layer.gather {
        gather = together.and_then(|_| all.by_vectors::<T, P>(number));
        if gather.is_none() {
            let (of_psi, of_lambda) = spare.split_at_mut(2);
            permute(all, psi.parts(), of_psi, number);
            permute(all, lambda.parts(), of_lambda, number);
        }
    }
    let (mut rest, again) = layer.rotations.map_or((&[][..], &[][..]), |r| (&r.once, &r.again));
    let mut rest_sums = &mut *derivatives.rotations;
    let mut carried = 1.0;
    if let Some(phases) = layer.phases {
        let n_first = n_with_phases(rest, phases, if P::MANY_REGISTERS { 2 } else { 1 });
        let n_first = if is_short { 0 } else { n_first };
        let (others, first) = rest.split_at(rest.len() - n_first);
        let (others_sums, first_sums) = rest_sums.split_at_mut(others.len());
        // A factor costs nothing in this pass: with all cosines no later one has to multiply.
        let factor = scale(if T::WIDE && !is_short { rest } else { first }).to_f64();
        (rest, rest_sums) = (others, others_sums);
        let mut both = Both { psi, lambda, spare, gather };
        let sums = [&mut *derivatives.phases, first_sums];
        carried = match *first {
            _ if is_short => both.unturn_short(phases, number, derivatives.phases),
            [] => both.unturn::<P, 0, 1>(phases, number, sums, &[], factor),
            [a] => both.unturn::<P, 1, 2>(phases, number, sums, &[a], factor),
            [a, b] if P::MANY_REGISTERS => {
                both.unturn::<P, 2, 4>(phases, number, sums, &[a, b], factor)
            }
            _ => unreachable!("more rotations than registers"),
        }
    }
    for (psi, lambda) in psi.parts().zip(lambda.parts()) {
        if !again.is_empty() {
            // The derivative is the same before the second halves are undone and after.
            unrotate::<T, P>(psi, lambda, again, &mut vec![0.0; again.len()], 1.0);
        }
        unrotate::<T, P>(psi, lambda, rest, rest_sums, carried);
    }
}

/// A state and its cotangent, complex, and how they are relabelled.
struct Both<'a, T> {
    psi: &'a mut Vector<T>,
    lambda: &'a mut Vector<T>,
    spare: &'a mut Spare<T>,
    gather: Option<ByVectors<'a>>,
}

impl<T: Real> Both<'_, T> {
    fn unturn_short(&mut self, phases: &Phases<T>, number: usize, derivatives: &mut [f64]) -> f64 {
        let Self { psi, lambda, .. } = self;
        let mut overlaps = vec![T::ZERO; psi.re.len()];
        let (psi, lambda) = ([&mut psi.re[..], &mut psi.im], [&mut lambda.re[..], &mut lambda.im]);
        slow::unturn(&phases.of_tile(number).row(0, 1.0), psi, lambda, &mut overlaps);
        let overlaps: Vec<f64> = overlaps.into_iter().map(T::to_f64).collect();
        let total = overlaps.iter().sum();
        phases.read(number, overlaps, vec![total], derivatives);
        1.0
    }

    /// Relabels, takes off the phases, multiplies by a factor, and undoes rotations on qubits above
    /// those of a table. Returns what [`unrotate`] is to know of the factor.
    #[inline(always)]
    fn unturn<P: Pack<T>, const K: usize, const ROWS: usize>(
        &mut self,
        phases: &Phases<T>,
        number: usize,
        sums: [&mut [f64]; 2],
        above: &[Rotation<T>; K],
        factor: f64,
    ) -> f64 {
        if self.gather.is_some() && P::MIXES_IN_PASSING {
            self.unturn_from::<P, true, K, ROWS>(phases, number, sums, above, factor)
        } else {
            self.unturn_from::<P, false, K, ROWS>(phases, number, sums, above, factor)
        }
    }

    #[inline(always)]
    fn unturn_from<P: Pack<T>, const GATHER: bool, const K: usize, const ROWS: usize>(
        &mut self,
        phases: &Phases<T>,
        number: usize,
        [derivatives, sums]: [&mut [f64]; 2],
        above: &[Rotation<T>; K],
        factor: f64,
    ) -> f64 {
        let of_tile = phases.of_tile(number);
        let rows = Rows::<K, ROWS>::new(above, of_tile.low_bits());
        let (width, n_rows) = (1usize << of_tile.low_bits(), of_tile.n_rows());
        assert!(width.is_multiple_of(1 << P::LOG));
        let parts = [&mut self.psi.re, &mut self.psi.im, &mut self.lambda.re, &mut self.lambda.im];
        assert!(parts.iter().all(|part| part.len() == n_rows * width));
        let from = parts.map(|part| part.as_mut_ptr());
        let to = if GATHER {
            let mut to = from;
            for (to, spare) in to.iter_mut().zip(&mut *self.spare) {
                assert!(spare.len() == n_rows * width);
                *to = spare.as_mut_ptr();
            }
            to
        } else {
            from
        };
        let gather = self.gather;
        let mut tan = [P::splat(T::ZERO); K];
        for k in 0..K {
            tan[k] = P::splat(above[k].tan);
        }
        let mut by_entry = vec![T::ZERO; of_tile.n_entries()];
        let mut by_row = vec![0.0; n_rows];
        let (mut up, mut down) = ([P::splat(T::ZERO); K], [P::splat(T::ZERO); K]);
        for i in 0..rows.n_sets(n_rows) {
            let first = rows.first(i);
            let mut places = [0; ROWS];
            let mut turns = [of_tile.row(first, factor); ROWS];
            let mut entries = [null_mut(); ROWS];
            for r in 0..ROWS {
                let (four, within) = rows.steps(r);
                let row = first + four + within;
                places[r] = row * width;
                turns[r] = of_tile.row(row, factor);
                entries[r] = by_entry[turns[r].start..][..width].as_mut_ptr();
            }
            let zero = P::splat(T::ZERO);
            let mut totals = [zero; ROWS];
            for at in (0..width).step_by(1 << P::LOG) {
                let (mut a, mut b) = ([zero; ROWS], [zero; ROWS]);
                let (mut x, mut y) = ([zero; ROWS], [zero; ROWS]);
                each_row!(ROWS, |r| {
                    // SAFETY: all rows of all sets are below `n_rows`, a row is this wide, and so is
                    // its table.
                    unsafe {
                        let place = places[r] + at;
                        let a0 = fetch::<T, P, GATHER>(from[0], gather, place);
                        let b0 = fetch::<T, P, GATHER>(from[1], gather, place);
                        let x0 = fetch::<T, P, GATHER>(from[2], gather, place);
                        let y0 = fetch::<T, P, GATHER>(from[3], gather, place);
                        if GATHER {
                            for part in 0..4 {
                                prefetch_to_write(to[part].wrapping_add(place + (2 << P::LOG)));
                            }
                        }
                        let overlap = y0.times_from(a0, x0.times(b0));
                        totals[r] = totals[r].plus(overlap);
                        let entry = entries[r].add(at);
                        overlap.plus(P::load(entry)).store(entry);
                        let [c, s] = turns[r].factor.map(P::splat);
                        let (u, v) = (turns[r].re.as_ptr().add(at), turns[r].im.as_ptr().add(at));
                        let (u, v) = (P::load(u), P::load(v));
                        let (u, v) = (s.times_from(v, c.times(u)), s.times_plus(u, c.times(v)));
                        a[r] = v.times_plus(b0, u.times(a0));
                        b[r] = v.times_from(a0, u.times(b0));
                        x[r] = v.times_plus(y0, u.times(x0));
                        y[r] = v.times_from(x0, u.times(y0));
                    }
                });
                each_pair!(ROWS, |k, r, other| {
                    unpair(&mut a, &mut x, r, other, tan[k], [&mut up[k], &mut down[k]]);
                    unpair(&mut b, &mut y, r, other, tan[k], [&mut up[k], &mut down[k]]);
                });
                each_row!(ROWS, |r| {
                    // SAFETY: as above.
                    unsafe {
                        a[r].store(to[0].add(places[r] + at));
                        b[r].store(to[1].add(places[r] + at));
                        x[r].store(to[2].add(places[r] + at));
                        y[r].store(to[3].add(places[r] + at));
                    }
                });
            }
            for r in 0..ROWS {
                by_row[places[r] / width] = lanes(totals[r]).sum();
            }
        }
        if GATHER {
            let parts =
                [&mut self.psi.re, &mut self.psi.im, &mut self.lambda.re, &mut self.lambda.im];
            parts
                .into_iter()
                .zip(&mut *self.spare)
                .for_each(|(part, spare)| std::mem::swap(part, spare));
        }
        let mut read_above = [0.0; K];
        for k in 0..K {
            read_above[k] = lanes(up[k].minus(down[k])).sum();
        }
        let carried = read(above, sums, read_above, factor);
        let by_entry = by_entry.into_iter().map(T::to_f64).collect();
        phases.read(number, by_entry, by_row, derivatives);
        carried
    }
}

/// Adds derivatives that were read while both vectors were `carried` times what they should be, each
/// before its own rotation was undone and all that without its cosine. Returns what the vectors carry
/// then.
fn read<T: Real>(
    rotations: &[Rotation<T>],
    sums: &mut [f64],
    read: impl IntoIterator<Item = f64>,
    mut carried: f64,
) -> f64 {
    for ((r, sum), read) in rotations.iter().zip(sums).zip(read) {
        *sum += read / (carried * carried);
        carried /= r.cos.to_f64();
    }
    carried
}

/// Undoes a rotation, but for its cosine, on a pair of rows of a state and of its cotangent, and adds
/// to the derivative: what counts up and what counts down apart, as one sum would wait for itself.
#[inline(always)]
fn unpair<T, P: Pack<T>, const ROWS: usize>(
    psi: &mut [P; ROWS],
    lambda: &mut [P; ROWS],
    low: usize,
    high: usize,
    tan: P,
    [up, down]: [&mut P; 2],
) {
    let (a, b, x, y) = (psi[low], psi[high], lambda[low], lambda[high]);
    *up = y.times_plus(a, *up);
    *down = x.times_plus(b, *down);
    psi[low] = b.times_plus(tan, a);
    psi[high] = a.times_from(tan, b);
    lambda[low] = y.times_plus(tan, x);
    lambda[high] = x.times_from(tan, y);
}

/// Undoes rotations on a vector of a state and on its cotangent's, both of which are `carried` times
/// what they should be, and will be what they should be.
#[inline(always)]
fn unrotate<T: Real, P: Pack<T>>(
    psi: &mut [T],
    lambda: &mut [T],
    rotations: &[Rotation<T>],
    sums: &mut [f64],
    carried: f64,
) {
    if psi.len() < 1 << P::LOG {
        let each = rotations.iter().zip(sums);
        return each.for_each(|(r, sum)| *sum += slow::unrotate(psi, lambda, r));
    }
    let (inside, above) = by_lanes::<T, P>(rotations);
    let (near, far) = above.split_at(above.partition_point(|r| r.qubit < BLOCK));
    let (inside_sums, above_sums) = sums.split_at_mut(inside.len());
    let (near_sums, far_sums) = above_sums.split_at_mut(near.len());
    let block = psi.len().min(1 << BLOCK);
    let mut after = carried;
    for (psi, lambda) in psi.chunks_exact_mut(block).zip(lambda.chunks_exact_mut(block)) {
        let sums = [&mut *inside_sums, &mut *near_sums];
        after = groups::<T, P>(psi, lambda, [inside, near], sums, carried, far.is_empty());
    }
    groups::<T, P>(psi, lambda, [&[], far], [&mut [], far_sums], after, true);
}

/// What multiplying by some cosines and dividing by them again leaves at most.
const ROUNDING: f64 = 1e-12;

/// A few qubits at a time, those inside the lanes together with what is left over of full groups
/// above. Returns what the vectors carry then: nothing if these are all.
#[inline(always)]
fn groups<T: Real, P: Pack<T>>(
    psi: &mut [T],
    lambda: &mut [T],
    [mut inside, mut above]: [&[Rotation<T>]; 2],
    [mut inside_sums, mut sums]: [&mut [f64]; 2],
    mut carried: f64,
    are_all: bool,
) -> f64 {
    // Rows of both vectors and two sums for each rotation are to stay in registers.
    let most = if P::MANY_REGISTERS { 3 } else { 2 };
    while !(inside.is_empty() && above.is_empty()) {
        let n = match (inside, above.len()) {
            ([], n) if n == most + 1 => 2,
            ([], n) => n.min(most),
            (_, n) => n % most,
        };
        let (first, rest) = above.split_at(n);
        let (first_sums, rest_sums) = sums.split_at_mut(n);
        // Cosines are made up for at the end, unless that could be too late.
        let after = carried / (scale(inside) * scale(first)).to_f64();
        let is_last = are_all && rest.is_empty();
        let is_due = (is_last || !T::WIDE) && (after - 1.0).abs() > ROUNDING;
        let factor = is_due.then(|| T::from_f64(after.recip()));
        let both = [&mut *psi, &mut *lambda];
        let sums_of_group = [inside_sums, first_sums];
        group(both, inside, first, sums_of_group, carried, factor);
        carried = if factor.is_some() { 1.0 } else { after };
        (inside, inside_sums) = (&[], &mut []);
        (above, sums) = (rest, rest_sums);
    }
    carried
}

kernel! {
    /// Undoes rotations inside the lanes with up to two above them, or up to three above; with few
    /// registers one less.
    fn group<T as P>(
        both: [&mut [T]; 2],
        inside: &[Rotation<T>],
        above: &[Rotation<T>],
        sums: [&mut [f64]; 2],
        carried: f64,
        factor: Option<T>,
    ) {
        match (inside.is_empty(), above) {
            (false, []) => choose::<T, P, true, 0, 1>(both, inside, &[], sums, carried, factor),
            (false, [a]) => choose::<T, P, true, 1, 2>(both, inside, &[*a], sums, carried, factor),
            (false, [a, b]) if P::MANY_REGISTERS => {
                choose::<T, P, true, 2, 4>(both, inside, &[*a, *b], sums, carried, factor)
            }
            (true, [a]) => choose::<T, P, false, 1, 2>(both, &[], &[*a], sums, carried, factor),
            (true, [a, b]) => {
                choose::<T, P, false, 2, 4>(both, &[], &[*a, *b], sums, carried, factor)
            }
            (true, [a, b, c]) if P::MANY_REGISTERS => {
                choose::<T, P, false, 3, 8>(both, &[], &[*a, *b, *c], sums, carried, factor)
            }
            _ => unreachable!("more rotations than registers, or none"),
        }
    }
}

#[inline(always)]
fn choose<T: Real, P: Pack<T>, const INSIDE: bool, const K: usize, const ROWS: usize>(
    both: [&mut [T]; 2],
    inside: &[Rotation<T>],
    above: &[Rotation<T>; K],
    sums: [&mut [f64]; 2],
    carried: f64,
    factor: Option<T>,
) {
    if let Some(factor) = factor {
        unmix::<T, P, INSIDE, true, K, ROWS>(both, inside, above, sums, carried, factor);
    } else {
        unmix::<T, P, INSIDE, false, K, ROWS>(both, inside, above, sums, carried, T::ONE);
    }
}

#[inline(always)]
fn unmix<
    T: Real,
    P: Pack<T>,
    const INSIDE: bool,
    const SCALED: bool,
    const K: usize,
    const ROWS: usize,
>(
    [psi, lambda]: [&mut [T]; 2],
    inside: &[Rotation<T>],
    above: &[Rotation<T>; K],
    [inside_sums, sums]: [&mut [f64]; 2],
    carried: f64,
    factor: T,
) {
    let rows = Rows::<K, ROWS>::new(above, P::LOG);
    let low = tangents::<T, P>(inside, false);
    let mut tan = [P::splat(T::ZERO); K];
    for k in 0..K {
        tan[k] = P::splat(above[k].tan);
    }
    let factor = P::splat(factor);
    let mut low_sums = [P::splat(T::ZERO); MOST_LOG];
    let (mut up, mut down) = ([P::splat(T::ZERO); K], [P::splat(T::ZERO); K]);
    let n_vectors = psi.len().min(lambda.len()) >> P::LOG;
    let (psi, lambda) = (psi.as_mut_ptr(), lambda.as_mut_ptr());
    for i in 0..rows.n_sets(n_vectors) {
        // SAFETY, here and below: `n_sets` sees to it that all rows of all sets are inside.
        let place = |vector: *mut T, r: usize| unsafe {
            let (four, within) = rows.steps(r);
            debug_assert!(rows.first(i) + four + within < n_vectors);
            vector.add(rows.first(i) << P::LOG).add(four << P::LOG).add(within << P::LOG)
        };
        let (mut p, mut l) = ([factor; ROWS], [factor; ROWS]);
        each_row!(ROWS, |r| {
            unsafe {
                p[r] = P::load(place(psi, r));
                l[r] = P::load(place(lambda, r));
            }
        });
        if INSIDE {
            each_low_qubit!(P::LOG, |Q| {
                for r in 0..ROWS {
                    let partner = p[r].partner::<Q>();
                    low_sums[Q] = l[r].times_plus(partner, low_sums[Q]);
                    p[r] = partner.times_plus(low[Q], p[r]);
                    l[r] = l[r].partner::<Q>().times_plus(low[Q], l[r]);
                }
            });
        }
        each_pair!(ROWS, |k, r, other| {
            unpair(&mut p, &mut l, r, other, tan[k], [&mut up[k], &mut down[k]]);
        });
        each_row!(ROWS, |r| {
            if SCALED {
                (p[r], l[r]) = (p[r].times(factor), l[r].times(factor));
            }
            unsafe {
                p[r].store(place(psi, r));
                l[r].store(place(lambda, r));
            }
        });
    }
    let mut read_low = [0.0; MOST_LOG];
    if INSIDE {
        each_low_qubit!(P::LOG, |Q| {
            // lambda_1 psi_0 counts up, lambda_0 psi_1 down.
            let sign = |lane: usize| if lane >> Q & 1 == 1 { 1.0 } else { -1.0 };
            read_low[Q] = lanes(low_sums[Q]).enumerate().map(|(lane, x)| sign(lane) * x).sum();
        });
    }
    let carried = read(inside, inside_sums, inside.iter().map(|r| read_low[r.qubit]), carried);
    let mut read_above = [0.0; K];
    for k in 0..K {
        read_above[k] = lanes(up[k].minus(down[k])).sum();
    }
    read(above, sums, read_above, carried);
}

//! The end of the way back: what the first layer's relabelling and phases leave of the cotangent is
//! contracted with the product that everything started from. The state is known there without being
//! carried back: it is the product, with the phases.

use super::{Derivatives, Layer, fetch, permute};
use crate::simd::{Pack, lanes};
use crate::state::permute::ByVectors;
use crate::state::phase::OfTile;
use crate::state::product::Product;
use crate::state::real::Real;
use crate::state::vector::{Spare, Vector};

#[inline(always)]
pub fn contract<T: Real, P: Pack<T>>(
    layer: &Layer<'_, T>,
    product: &Product<T>,
    lambda: &mut Vector<T>,
    spare: &mut Spare<T>,
    number: usize,
    derivatives: &mut Derivatives<'_>,
) {
    let mut gather = None;
    if let Some(all) = layer.gather {
        gather = all.by_vectors::<T, P>(number);
        if gather.is_none() {
            permute(all, lambda.parts(), &mut spare[2..], number);
        }
    }
    let phases = layer.phases.map(|phases| phases.of_tile(number));
    let sums = match (&phases, gather) {
        _ if product.low().len() < 1 << P::LOG => short(product, lambda),
        (None, None) => sweep::<T, P, false, false>(product, lambda, number, None, None),
        (None, _) => sweep::<T, P, true, false>(product, lambda, number, gather, None),
        (Some(_), None) => {
            sweep::<T, P, false, true>(product, lambda, number, None, phases.as_ref())
        }
        (Some(_), _) => sweep::<T, P, true, true>(product, lambda, number, gather, phases.as_ref()),
    };
    derivatives.total = product.read(number, sums.columns, sums.rows, derivatives.places);
    if let Some(phases) = layer.phases {
        phases.read(number, sums.overlaps, sums.row_overlaps, derivatives.phases);
    }
}

/// Of the cotangent's real part with the product, and of its overlap with it, `Im(conj(lambda) psi)`:
/// for each column or entry of a table, and for each row.
struct Sums {
    columns: Vec<f64>,
    rows: Vec<f64>,
    overlaps: Vec<f64>,
    row_overlaps: Vec<f64>,
}

#[inline(always)]
fn sweep<T: Real, P: Pack<T>, const GATHER: bool, const PHASES: bool>(
    product: &Product<T>,
    lambda: &Vector<T>,
    number: usize,
    gather: Option<ByVectors<'_>>,
    phases: Option<&OfTile<'_, T>>,
) -> Sums {
    let (low, n_rows) = (product.low(), product.rows().len());
    let width = low.len();
    assert!(width.is_multiple_of(1 << P::LOG) && lambda.re.len() == width * n_rows);
    assert!(phases.is_none_or(|phases| 1 << phases.low_bits() == width));
    let zero = P::splat(T::ZERO);
    let n_entries = phases.map_or(0, OfTile::n_entries);
    let mut columns = vec![T::ZERO; width];
    let mut overlaps = vec![T::ZERO; n_entries];
    let (mut rows, mut row_overlaps) = (vec![0.0; n_rows], vec![0.0; n_rows]);
    let factor = product.factor(number);
    let (re, im) = (lambda.re.as_ptr(), lambda.im.as_ptr());
    for (row, amplitude) in product.rows().iter().enumerate() {
        let amplitude = P::splat(T::from_f64(*amplitude));
        let own = phases.map(|phases| phases.row(row, 1.0));
        let (mut sum, mut overlap) = (zero, zero);
        for at in (0..width).step_by(1 << P::LOG) {
            let place = row * width + at;
            // SAFETY: all rows are in the tile; tables and columns are as wide as a row.
            unsafe {
                let mut x = fetch::<T, P, GATHER>(re, gather, place);
                let low = P::load(&raw const low[at]);
                if let Some(own) = own.filter(|_| PHASES) {
                    let y = fetch::<T, P, GATHER>(im, gather, place);
                    let [c, s] = own.factor.map(P::splat);
                    let (u, v) = (P::load(&raw const own.re[at]), P::load(&raw const own.im[at]));
                    let (u, v) = (s.times_from(v, c.times(u)), s.times_plus(u, c.times(v)));
                    // With the phases taken off, the product is real: what overlaps is -Im(lambda).
                    let minus_y = u.times_from(y, v.times(x));
                    x = v.times_plus(y, u.times(x));
                    overlap = low.times_plus(minus_y, overlap);
                    let to = &raw mut overlaps[own.start + at];
                    amplitude.times_plus(minus_y, P::load(to)).store(to);
                }
                sum = low.times_plus(x, sum);
                let to = &raw mut columns[at];
                amplitude.times_plus(x, P::load(to)).store(to);
            }
        }
        rows[row] = lanes(sum).sum();
        row_overlaps[row] = lanes(overlap).sum::<f64>() * product.rows()[row] * factor;
    }
    let low = low.iter().map(|x| x.to_f64() * factor).cycle();
    let overlaps = overlaps.iter().zip(low).map(|(x, low)| x.to_f64() * low);
    Sums {
        columns: columns.into_iter().map(T::to_f64).collect(),
        rows,
        overlaps: overlaps.collect(),
        row_overlaps,
    }
}

/// For tiles shorter than the lanes, which have one row, and whose phases are off already.
fn short<T: Real>(product: &Product<T>, lambda: &Vector<T>) -> Sums {
    let columns: Vec<f64> = lambda.re.iter().map(|x| x.to_f64()).collect();
    let row = columns.iter().zip(product.low()).map(|(x, low)| x * low.to_f64()).sum();
    Sums { columns, rows: vec![row], overlaps: Vec::new(), row_overlaps: Vec::new() }
}

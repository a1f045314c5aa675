//! Stages that go over a tile together: the fewer passes, the less the caches have to carry.

mod backward;
mod contract;
mod forward;
mod rows;
mod slow;

use super::array::Array;
use super::permute::{ByVectors, Gather};
use super::phase::Phases;
use super::product::Product;
use super::real::Real;
use super::rotate::{Rotation, Rotations};
use crate::simd::Pack;
pub(super) use rows::{Rows, each_pair};

/// A relabelling, then rotations, then phases, each if there is one. Backward it is a relabelling
/// undone, then phases, then rotations. The first layer of all makes its tile from a product, and
/// backward it is contracted with that.
pub struct Layer<'a, T> {
    pub product: Option<&'a Product<T>>,
    pub gather: Option<&'a Gather>,
    pub rotations: Option<&'a Rotations<T>>,
    pub phases: Option<&'a Phases<T>>,
}

impl<T> Default for Layer<'_, T> {
    fn default() -> Self {
        Self { product: None, gather: None, rotations: None, phases: None }
    }
}

impl<'a, T> Layer<'a, T> {
    /// The relabelling, if there is nothing else.
    pub fn only_gather(&self) -> Option<&'a Gather> {
        let is_alone = self.product.is_none() && self.rotations.is_none() && self.phases.is_none();
        self.gather.filter(|_| is_alone)
    }
}

/// Where the derivatives by a layer's angles are added up.
#[derive(Default)]
pub struct Derivatives<'a> {
    pub rotations: &'a mut [f64],
    pub phases: &'a mut [f64],
    /// By the angles of the product's places.
    pub places: &'a mut [f64],
    /// What [`Product::read`] says.
    pub total: f64,
}

/// log2 of the numbers that two of fit the first-level cache.
const BLOCK: usize = 11;

/// The rotations inside the lanes, and those above.
#[inline(always)]
fn by_lanes<T: Real, P: Pack<T>>(rotations: &[Rotation<T>]) -> (&[Rotation<T>], &[Rotation<T>]) {
    rotations.split_at(rotations.partition_point(|r| r.qubit < P::LOG))
}

/// How many of the highest rotations may run in one pass with phases: no more than `most`, on qubits
/// above a table's.
#[inline(always)]
fn n_with_phases<T: Real>(rotations: &[Rotation<T>], phases: &Phases<T>, most: usize) -> usize {
    rotations.iter().rev().take(most).take_while(|r| r.qubit >= phases.low_bits()).count()
}

/// Relabels parts of a tile in a pass of its own.
pub fn permute<'a, T: Real>(
    gather: &Gather,
    parts: impl Iterator<Item = &'a mut Array<T>>,
    spare: &mut [Array<T>],
    number: usize,
) {
    for (part, spare) in parts.zip(spare) {
        gather.run(part, spare, number);
        std::mem::swap(part, spare);
    }
}

/// The vector at a place of a tile, or of the relabelled tile.
///
/// # Safety
/// `from` must be a tile, the one that the gather was made for, that has such a place.
#[inline(always)]
unsafe fn fetch<T, P: Pack<T>, const GATHER: bool>(
    from: *const T,
    gather: Option<ByVectors<'_>>,
    place: usize,
) -> P {
    // SAFETY: the caller's promise.
    unsafe {
        match gather {
            Some(gather) if GATHER => gather.load::<T, P>(from, place >> P::LOG),
            _ => P::load(from.add(place)),
        }
    }
}

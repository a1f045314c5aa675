//! Which networks are evaluated.

use std::collections::HashMap;

use crate::bits::PackedBits;

/// The networks that probabilities belong to.
#[derive(Debug, Clone, Copy)]
pub enum Networks<'a> {
    /// All 2^n, in the order of their outcome index.
    All,
    /// One a row.
    Some(&'a PackedBits),
}

impl Networks<'_> {
    /// The weights of some networks; `indices` is room for those that are stored nowhere.
    pub(super) fn rows<'s>(
        &'s self,
        which: impl Iterator<Item = usize>,
        indices: &'s mut [[u64; 1]],
    ) -> Vec<&'s [u64]> {
        let row = |(i, index): (usize, &'s mut [u64; 1])| match self {
            Self::All => {
                index[0] = i as u64;
                &*index
            }
            Self::Some(bits) => bits.row(i),
        };
        which.zip(indices).map(row).collect()
    }
}

/// Rows without their repetitions.
pub(super) struct Distinct {
    /// Where each distinct row first stands.
    pub first: Vec<usize>,
    /// For each row, its place in `first`.
    pub place: Vec<usize>,
}

/// Finds equal rows; the order is that of first appearance.
pub(super) fn distinct(bits: &PackedBits) -> Distinct {
    let mut places = HashMap::with_capacity(bits.len());
    let mut first = Vec::new();
    let place = (0..bits.len())
        .map(|i| {
            *places.entry(bits.row(i)).or_insert_with(|| {
                first.push(i);
                first.len() - 1
            })
        })
        .collect();
    Distinct { first, place }
}

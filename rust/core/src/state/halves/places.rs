//! Where a tile lies between the sides of a cut.

use crate::state::tiles::{Layout, spread};

/// The columns of tiles on the low side, and their rows on the high side.
#[derive(Debug, Clone)]
pub struct Places {
    /// Of a tile, from its first column and row on.
    inside: [Vec<usize>; 2],
    /// The bits that a tile's number sets: those of the low side come first in it.
    outside: [Vec<usize>; 2],
}

impl Places {
    /// Of a layout's tiles, cut below qubit `n_low`.
    pub fn new(n_low: usize, layout: &Layout) -> Self {
        let (tile, outer) = layout.order().split_at(layout.tile_qubits());
        // Both are ascending.
        let of = |qubits: &[usize]| {
            let (low, high) = qubits.split_at(qubits.partition_point(|q| *q < n_low));
            [low.to_vec(), high.iter().map(|q| q - n_low).collect()]
        };
        let all = |qubits: Vec<usize>| (0..1 << qubits.len()).map(|i| spread(i, &qubits)).collect();
        Self { inside: of(tile).map(all), outside: of(outer) }
    }

    /// How many columns a tile has.
    pub fn n_columns(&self) -> usize {
        self.inside[0].len()
    }

    /// Whether each tile has all columns.
    pub fn has_all_columns(&self) -> bool {
        self.outside[0].is_empty()
    }

    /// A tile's columns.
    pub fn columns(&self, tile: usize) -> impl Iterator<Item = usize> + '_ {
        let first = spread(tile, &self.outside[0]);
        self.inside[0].iter().map(move |x| first + x)
    }

    /// A tile's rows.
    pub fn rows(&self, tile: usize) -> Vec<usize> {
        let first = spread(tile >> self.outside[0].len(), &self.outside[1]);
        self.inside[1].iter().map(|y| first + y).collect()
    }
}

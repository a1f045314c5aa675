//! Relabelling outcomes: CX, SWAP and X as one gather.

use super::real::Real;
use super::tiles::{Shared, TILE_QUBITS};
use crate::circuit::LinearMap;
use crate::parallel::{Threads, map_tasks};

/// A map in the form that a gather needs: where each outcome's amplitude comes from.
#[derive(Debug, Clone, PartialEq)]
pub struct Gather {
    source: LinearMap,
    /// The source of each outcome whose high bits are zero, without the offset.
    low: Vec<u32>,
}

impl Gather {
    /// For amplitudes that go from z to `map(z)`.
    pub fn new(map: &LinearMap, n_qubits: usize) -> Self {
        let source = map.inverse();
        let low = (0..1u64 << n_qubits.min(TILE_QUBITS)).map(|z| source.linear(z) as u32).collect();
        Self { source, low }
    }

    /// Writes the relabelled `from` to `to`.
    pub fn run<T: Real>(&self, from: &[T], to: &mut [T], threads: Threads) {
        assert!(from.len() == to.len() && from.len() == 1 << self.source.n_bits());
        let width = self.low.len();
        let blocks = to.len() / width;
        let n_tasks = blocks.min(64);
        let to = Shared::new(to);
        map_tasks(threads, n_tasks, |task| {
            for block in task * (blocks / n_tasks)..(task + 1) * (blocks / n_tasks) {
                let high = self.source.apply((block * width) as u64) as u32;
                // SAFETY: blocks do not overlap, and each is one task's.
                let out = unsafe { to.piece(block * width..(block + 1) * width) };
                for (amplitude, low) in out.iter_mut().zip(&self.low) {
                    // SAFETY: `low` and `high` are outcomes of as many bits as `from` has entries
                    // for, by the assertion above, and so is what differs in them.
                    *amplitude = unsafe { *from.get_unchecked((low ^ high) as usize) };
                }
            }
        });
    }
}

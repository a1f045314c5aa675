//! The last relabelling of a circuit, which is not run: it only says which outcome is which, and that
//! can be seen to where outcomes are read out, and where a cotangent of theirs comes in.

use super::permute::Gather;
use super::tiles::Layout;
use crate::circuit::LinearMap;

/// log2 of the outcomes that are read out together: they are to stay in the first-level cache.
pub const BLOCK: usize = 9;
/// log2 of the doubles of a cache line.
const LINE: usize = 3;

/// How a state's amplitudes and outcomes belong together.
#[derive(Debug, Clone)]
pub struct Readout {
    /// From amplitudes to blocks of outcomes.
    pub amplitudes: Gather,
    /// The order of blocks: those that are made from the same cache lines come together.
    pub order: LinearMap,
    /// From values of outcomes to the amplitudes of a tile, or of a block if there is only one tile.
    pub values: Gather,
}

impl Readout {
    /// For a relabelling and the last sweep's tiles; none if every outcome stays where it is.
    pub fn new(relabelling: &LinearMap, layout: &Layout) -> Option<Self> {
        let n = relabelling.n_bits();
        let block = n.min(BLOCK);
        let is_needed = *relabelling != LinearMap::identity(n);
        let of_line = (0..n.min(LINE)).map(|q| relabelling.linear(1 << q) >> block);
        is_needed.then(|| Self {
            amplitudes: Gather::across(relabelling.inverse(), block),
            order: LinearMap::together(of_line, n - block),
            values: if layout.is_whole() {
                Gather::across(relabelling.clone(), block)
            } else {
                Gather::across(relabelling.permuted(layout.order()), layout.tile_qubits())
            },
        })
    }
}

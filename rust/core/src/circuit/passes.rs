//! Which gates a sweep over a large state can run.
//!
//! A sweep brings together the amplitudes that differ in a few qubits, a tile at a time, and runs all
//! it can before they go back to memory. With gates between neighbours that is many layers at once:
//! each layer gets one qubit less far than the one before it, and the next sweep goes on from there.

use super::plan::{Plan, Stage, insert};

/// One sweep.
#[derive(Debug, Clone, PartialEq)]
pub struct Pass {
    /// The qubits of a tile, ascending.
    pub qubits: Vec<usize>,
    /// What is run on each tile.
    pub stages: Vec<Stage>,
}

/// log2 of the amplitudes of a tile: 128 KiB to 1 MiB of doubles, for a second-level cache. The
/// largest only pay where they save sweeps.
const TILES: std::ops::RangeInclusive<usize> = 13..=16;
/// States of at most this many qubits are one tile.
const ONE_TILE: usize = 14;
/// The lowest qubits, that every tile holds: two cache lines of doubles travel together.
const COLUMNS: usize = 4;

/// Deals a plan's stages out to sweeps: as few as there can be, with tiles as small as there can be.
/// There is at least one, though it may have nothing to run.
pub fn passes(plan: &Plan) -> Vec<Pass> {
    let n = plan.n_qubits();
    if n <= ONE_TILE {
        return vec![Pass { qubits: (0..n).collect(), stages: plan.stages().to_vec() }];
    }
    // Enough tiles for several threads.
    let sizes = TILES.filter(|tile| tile == TILES.start() || tile + 3 <= n);
    let candidates = sizes.map(|tile| deal(plan, tile));
    candidates.min_by_key(Vec::len).expect("sizes to choose from")
}

fn deal(plan: &Plan, tile: usize) -> Vec<Pass> {
    let n = plan.n_qubits();
    let mut left: Vec<Stage> = plan.stages().iter().flat_map(|stage| stage.atoms(n)).collect();
    let mut passes = Vec::new();
    while !left.is_empty() || passes.is_empty() {
        let mut qubits = (1u64 << COLUMNS) - 1;
        let mut stages = Vec::new();
        let mut waiting: Vec<Stage> = Vec::new();
        let (mut moved, mut read) = (0, 0);
        for atom in left {
            let support = atom.support();
            let needed = qubits | support.moved;
            let free = support.moved & read == 0 && moved & support.read == 0;
            if free && needed.count_ones() as usize <= tile {
                qubits = needed;
                insert(&mut stages, atom);
            } else {
                (moved, read) = (moved | support.moved, read | support.read);
                waiting.push(atom);
            }
        }
        left = waiting;
        passes.push(Pass { qubits: fill(qubits, tile), stages });
    }
    passes
}

/// The lowest `tile` qubits that hold the given ones.
fn fill(qubits: u64, tile: usize) -> Vec<usize> {
    let mut missing = tile - qubits.count_ones() as usize;
    let mut chosen = Vec::with_capacity(tile);
    for q in 0.. {
        let needed = qubits >> q & 1 == 1;
        if needed || missing > 0 {
            missing -= usize::from(!needed);
            chosen.push(q);
        }
        if chosen.len() == tile {
            return chosen;
        }
    }
    unreachable!("there are more numbers than a tile has qubits")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::circuit::plan::tests::layered;

    #[test]
    fn layers_of_neighbours_share_sweeps() {
        for n in 15..=23 {
            let passes = passes(&layered(n, 4));
            assert!(passes.len() <= 2, "{n} qubits: {} sweeps", passes.len());
        }
    }

    #[test]
    fn every_gate_is_dealt_out_once_and_only_to_tiles_that_hold_it() {
        let plan = layered(18, 3);
        let passes = passes(&plan);
        let mut count = 0;
        for pass in &passes {
            let held = pass.qubits.iter().fold(0u64, |mask, q| mask | 1 << q);
            assert!(pass.qubits.is_sorted());
            for atom in pass.stages.iter().flat_map(|stage| stage.atoms(18)) {
                assert_eq!(atom.support().moved & !held, 0);
                count += 1;
            }
        }
        // The first layer's rotations are the product that everything starts from.
        assert_eq!(count, 3 * (18 + 18 + 17) - 18);
    }

    #[test]
    fn tiles_are_filled_up_from_below() {
        assert_eq!(fill(0b1000_0011, 5), [0, 1, 2, 3, 7]);
    }
}

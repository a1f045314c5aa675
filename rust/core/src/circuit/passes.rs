//! Which gates a sweep over a large state can run.
//!
//! A sweep brings together the amplitudes that differ in a few qubits, a tile at a time, and runs all
//! it can before they go back to memory. With gates between neighbours that is many layers at once:
//! each layer gets one qubit less far than the one before it, and the next sweep goes on from there.

use super::plan::{Plan, Stage, Support, merged};

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

/// How a sweep comes to the qubits above the lowest ones. Far gates must not take the room: where
/// neighbours meet, they can go on for fewer layers than near ones.
#[derive(Clone, Copy)]
enum Reach {
    /// What the next gates need, as long as there is room.
    Next,
    /// A window from the lowest one on that waits for a gate.
    Lowest,
    /// A window up to the highest.
    Highest,
    /// The window with the most gates to run.
    Fullest,
}

/// What a sweep runs: the qubits that it needs, and numbers of atoms.
type Deal = (u64, Vec<usize>);

/// Deals a plan's stages out to sweeps: as few as there can be, with tiles as small as there can be.
/// There is at least one, though it may have nothing to run.
pub fn passes(plan: &Plan) -> Vec<Pass> {
    let n = plan.n_qubits();
    if n <= ONE_TILE {
        return vec![Pass { qubits: (0..n).collect(), stages: plan.stages().to_vec() }];
    }
    let atoms: Vec<Stage> = plan.stages().iter().flat_map(|stage| stage.atoms(n)).collect();
    let supports: Vec<Support> = atoms.iter().map(Stage::support).collect();
    let mut best: Option<(usize, Vec<Deal>)> = None;
    // Enough tiles for several threads; fewer where waking them takes as long as a sweep.
    for tile in TILES.filter(|tile| *tile <= ONE_TILE || tile + 3 <= n) {
        for reach in [Reach::Next, Reach::Lowest, Reach::Highest, Reach::Fullest] {
            let deals = deal(&supports, n, tile, reach);
            if best.as_ref().is_none_or(|(_, fewest)| deals.len() < fewest.len()) {
                best = Some((tile, deals));
            }
        }
    }
    let (tile, deals) = best.expect("sizes to choose from");
    let pass = |(qubits, numbers): Deal| {
        let pieces: Vec<Stage> = numbers.into_iter().map(|i| atoms[i].clone()).collect();
        Pass { qubits: fill(qubits, tile), stages: merged(&pieces) }
    };
    deals.into_iter().map(pass).collect()
}

/// Deals atoms out to sweeps with tiles of so many qubits.
fn deal(supports: &[Support], n: usize, tile: usize, reach: Reach) -> Vec<Deal> {
    let (low, width) = ((1u64 << COLUMNS) - 1, tile - COLUMNS);
    let mut left: Vec<usize> = (0..supports.len()).collect();
    let mut deals = Vec::new();
    while !left.is_empty() || deals.is_empty() {
        let waiting = left.iter().fold(0, |mask, i| mask | supports[*i].moved) & !low;
        let windows = match reach {
            Reach::Lowest if waiting != 0 => {
                vec![(waiting.trailing_zeros() as usize).min(n - width)]
            }
            Reach::Highest if waiting != 0 => {
                vec![(waiting.ilog2() as usize + 1).saturating_sub(width).max(COLUMNS)]
            }
            Reach::Fullest => (COLUMNS..=n - width).collect(),
            _ => vec![],
        };
        let windows = windows.into_iter().map(|first| low | ((1 << width) - 1) << first);
        let runs = windows.map(|window| run(supports, &left, window, tile));
        // Gates may wait for one outside of any window.
        let fullest =
            runs.max_by_key(|(_, taken)| taken.len()).filter(|(_, taken)| !taken.is_empty());
        let next = fullest.unwrap_or_else(|| run(supports, &left, low, tile));
        let mut taken = next.1.iter().peekable();
        left.retain(|i| taken.next_if_eq(&i).is_none());
        deals.push(next);
    }
    deals
}

/// What one sweep can run of the atoms that are left, if it starts with these qubits.
fn run(supports: &[Support], left: &[usize], mut qubits: u64, tile: usize) -> Deal {
    let mut waiting = Support::default();
    let mut taken = Vec::new();
    for &i in left {
        let support = supports[i];
        let needed = qubits | support.moved;
        if support.commutes(waiting) && needed.count_ones() as usize <= tile {
            qubits = needed;
            taken.push(i);
        } else {
            waiting = waiting.with(support);
        }
    }
    (qubits, taken)
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
    use crate::circuit::{Angle, Circuit, Gate};

    #[test]
    fn layers_of_neighbours_share_sweeps() {
        for n in 15..=25 {
            let passes = passes(&layered(n, 4));
            assert!(passes.len() <= 2, "{n} qubits: {} sweeps", passes.len());
        }
        for (n, layers, most) in [(26, 4, 3), (21, 8, 2), (28, 8, 4), (21, 16, 4)] {
            let passes = passes(&layered(n, layers));
            assert!(passes.len() <= most, "{n} qubits, {layers}: {} sweeps", passes.len());
        }
    }

    #[test]
    fn rings_take_little_more_than_a_sweep_a_layer() {
        for (n, most) in [(15, 4), (16, 4), (18, 5), (20, 5)] {
            let mut circuit = Circuit::new(n, 0).unwrap();
            for _ in 0..4 {
                for q in 0..n {
                    let next = Some(Angle::Param(circuit.n_params()));
                    circuit.push(Gate::Ry, &[q], next).unwrap();
                }
                for q in 0..n {
                    circuit.push(Gate::Cx, &[q, (q + 1) % n], None).unwrap();
                }
            }
            let (plan, _) = Plan::new(&circuit).unwrap().relabelled();
            let passes = passes(&plan);
            assert!(passes.len() <= most, "{n} qubits: {} sweeps", passes.len());
        }
    }

    #[test]
    fn a_chain_from_the_other_end_shares_them_as_well() {
        for (n, layers, most) in [(20, 4, 2), (20, 8, 2), (26, 8, 4)] {
            let mut circuit = Circuit::new(n, 0).unwrap();
            for _ in 0..layers {
                for q in 0..n {
                    let next = Some(Angle::Param(circuit.n_params()));
                    circuit.push(Gate::Ry, &[q], next).unwrap();
                }
                for q in (1..n).rev() {
                    circuit.push(Gate::Cx, &[q, q - 1], None).unwrap();
                }
            }
            let passes = passes(&Plan::new(&circuit).unwrap());
            assert!(passes.len() <= most, "{n} qubits, {layers}: {} sweeps", passes.len());
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

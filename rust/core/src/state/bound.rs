//! The stages of a sweep, first for places in a tile and then for given parameters.

use super::array::Array;
use super::permute::Gather;
use super::phase::Phases;
use super::real::Real;
use super::rotate::Rotations;
use super::tiles::Layout;
use super::vector::Vector;
use crate::circuit::{PhasePolynomial, Stage, Turn};

/// A stage over places.
#[derive(Debug, Clone)]
pub enum Step {
    Rotate(Vec<(usize, Turn)>),
    Phase(PhasePolynomial),
    Permute { forward: Gather, backward: Gather },
}

impl Step {
    pub fn new(stage: &Stage, layout: &Layout) -> Self {
        let place = |q: usize| layout.place(q);
        match stage {
            // A tile's qubits keep their order, so these stay ascending.
            Stage::Rotate(turns) => {
                Self::Rotate(turns.iter().map(|(q, turn)| (place(*q), turn.clone())).collect())
            }
            Stage::Phase(phase) => {
                let linear = phase.linear.iter().map(|(q, turn)| (place(*q), turn.clone()));
                let pairs = phase.pairs.iter().map(|((q, r), turn)| {
                    let (q, r) = (place(*q), place(*r));
                    ((q.min(r), q.max(r)), turn.clone())
                });
                let (linear, pairs) = (linear.collect(), pairs.collect());
                Self::Phase(PhasePolynomial { linear, pairs, silent: phase.silent })
            }
            Stage::Permute(relabelling) => {
                let here = relabelling.renumbered(place);
                let tile_qubits = layout.tile_qubits();
                Self::Permute {
                    forward: Gather::new(here.map(), tile_qubits),
                    backward: Gather::new(&here.map().inverse(), tile_qubits),
                }
            }
        }
    }

    /// The angles of the stage, in the order of its derivatives.
    fn turns(&self) -> Box<dyn Iterator<Item = &Turn> + '_> {
        match self {
            Self::Rotate(turns) => Box::new(turns.iter().map(|x| &x.1)),
            Self::Phase(phase) => {
                let singles = phase.linear.iter().map(|x| &x.1);
                Box::new(singles.chain(phase.pairs.iter().map(|x| &x.1)))
            }
            Self::Permute { .. } => Box::new(std::iter::empty()),
        }
    }
}

/// A stage at given parameters, ready to run on any tile.
pub enum Bound<'a, T> {
    Rotate(Rotations<T>),
    Phase(Phases<T>),
    Permute {
        forward: &'a Gather,
        backward: &'a Gather,
    },
    /// A phase that is not asked for.
    Nothing,
}

impl<'a, T: Real> Bound<'a, T> {
    /// The stages of a sweep, silent phases only if `all_phases`.
    pub fn all(steps: &'a [Step], params: &[f64], tile: usize, all_phases: bool) -> Vec<Self> {
        let bind = |step: &'a Step| match step {
            Step::Rotate(turns) => {
                Self::Rotate(Rotations::new(turns.iter().map(|(q, turn)| (*q, turn.at(params)))))
            }
            Step::Phase(phase) if phase.silent && !all_phases => Self::Nothing,
            Step::Phase(phase) => Self::Phase(Phases::new(phase, params, tile)),
            Step::Permute { forward, backward } => Self::Permute { forward, backward },
        };
        steps.iter().map(bind).collect()
    }

    /// Runs the stage on tile number `number`.
    pub fn apply(&self, tile: &mut Vector<T>, spare: &mut Array<T>, number: usize) {
        match self {
            Self::Rotate(rotations) => tile.parts().for_each(|part| rotations.apply(part)),
            Self::Phase(phases) => {
                tile.make_complex();
                phases.apply(&mut tile.re, &mut tile.im, number);
            }
            Self::Permute { forward, .. } => permute(forward, tile, spare, number),
            Self::Nothing => {}
        }
    }

    /// Undoes the stage on a tile of the state and of its cotangent, and adds to the derivatives by
    /// the stage's angles.
    pub fn unapply(
        &self,
        psi: &mut Vector<T>,
        lambda: &mut Vector<T>,
        spare: &mut Array<T>,
        number: usize,
        derivatives: &mut [f64],
    ) {
        match self {
            Self::Rotate(rotations) => {
                for (p, l) in psi.parts().zip(lambda.parts()) {
                    rotations.unapply(p, l, derivatives);
                }
            }
            Self::Phase(phases) => {
                let psi = [&mut psi.re[..], &mut psi.im[..]];
                let lambda = [&mut lambda.re[..], &mut lambda.im[..]];
                phases.unapply(psi, lambda, number, derivatives);
            }
            Self::Permute { backward, .. } => {
                permute(backward, psi, spare, number);
                permute(backward, lambda, spare, number);
            }
            Self::Nothing => {}
        }
    }

    /// How many derivatives the stage has.
    pub fn n_angles(&self) -> usize {
        match self {
            Self::Rotate(rotations) => rotations.len(),
            Self::Phase(phases) => phases.n_angles(),
            Self::Permute { .. } | Self::Nothing => 0,
        }
    }

    /// Adds a stage's derivatives to the parameters' gradient.
    pub fn pull_back(&self, step: &Step, derivatives: &[f64], gradient: &mut [f64]) {
        // What comes after the last rotation commutes with the measurement: its derivatives are
        // rounding errors.
        if !matches!(step, Step::Phase(phase) if phase.silent) {
            step.turns().zip(derivatives).for_each(|(turn, d)| turn.pull_back(*d, gradient));
        }
    }
}

/// Permutes a tile, one part after the other through one spare array.
fn permute<T: Real>(gather: &Gather, tile: &mut Vector<T>, spare: &mut Array<T>, number: usize) {
    for part in tile.parts() {
        gather.run(part, spare, number);
        std::mem::swap(part, spare);
    }
}

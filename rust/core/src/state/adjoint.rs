//! Running a plan backward: all derivatives in one pass.
//!
//! Jones & Gacon 2020 (arXiv 2009.02823). With `psi` the final state and `lambda = f psi` for a
//! cotangent `f`, both are carried back stage by stage, and each angle's derivative is read off
//! where the angle stands. Angles are affine in the parameters, so derivatives are pulled back
//! through the same coefficients.

use super::phase::Phases;
use super::real::Real;
use super::rotate::unrotate;
use super::simulate::{Program, Step, Workspace, at, permute};
use crate::parallel::Threads;

/// Adds to `gradient` the derivatives of `sum_z f(z) |psi(z)|^2` by the parameters.
///
/// In `room`, `psi` is the state that [`Program::run`] left, with the same `all_phases`, and
/// `lambda` is the cotangent times it. Both are used up.
pub fn adjoint<T: Real>(
    program: &Program,
    params: &[f64],
    room: &mut Workspace<T>,
    gradient: &mut [f64],
    all_phases: bool,
    threads: Threads,
) {
    let n = program.plan().n_qubits();
    let Workspace { psi, lambda, spare } = room;
    if all_phases {
        // The first stage is met below as the real product that it left.
        let phase = -program.plan().global().at(params);
        lambda.turn(phase);
        psi.turn(phase);
    }
    for (i, step) in program.steps().iter().enumerate().rev() {
        match step {
            // Nothing is read below the first stage, so its rotations need not be undone.
            Step::Rotate(turns) if i == 0 => {
                let derivatives = program.first(params).derivatives(&lambda.re, threads);
                turns.iter().for_each(|(q, turn)| turn.pull_back(derivatives[*q], gradient));
            }
            Step::Rotate(turns) => {
                let rotations = at(turns, params);
                let mut derivatives = vec![0.0; rotations.len()];
                for (p, l) in psi.parts().zip(lambda.parts()) {
                    unrotate(p, l, &rotations, &mut derivatives, threads);
                }
                for ((_, turn), derivative) in turns.iter().zip(derivatives) {
                    turn.pull_back(derivative, gradient);
                }
            }
            Step::Phase(polynomial) => {
                if !program.matters(i, all_phases) {
                    continue;
                }
                let phases = Phases::new(polynomial, params, n);
                let mut derivatives = vec![0.0; phases.n_angles()];
                let psi = [&mut psi.re[..], &mut psi.im[..]];
                let lambda = [&mut lambda.re[..], &mut lambda.im[..]];
                phases.unapply(psi, lambda, &mut derivatives, threads);
                // A phase that no rotation follows commutes with the measurement.
                if program.matters(i, false) {
                    let turns = polynomial.linear.iter().map(|x| &x.1);
                    let turns = turns.chain(polynomial.pairs.iter().map(|x| &x.1));
                    turns.zip(derivatives).for_each(|(turn, d)| turn.pull_back(d, gradient));
                }
            }
            Step::Permute { backward, .. } => {
                permute(backward, psi, spare, threads);
                permute(backward, lambda, spare, threads);
            }
        }
    }
}

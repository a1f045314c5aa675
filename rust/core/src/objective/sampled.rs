//! Objectives from a finite number of measured networks, as a device would give them.
//!
//! A score-function estimator: shot i pulls along grad log q(w_i) with the strength f_i less a
//! baseline b_i that is made of the other shots, so that value and baseline are independent and the
//! gradient is unbiased (the mean over all shots as baseline would shrink it by (N-1)/N).

use super::exact::check;
use super::{Divergence, Evaluation, Objective, Problem};
use crate::bits::PackedBits;
use crate::mmd::{mean_embedding, prior_self_similarity, row_sums};
use crate::parallel::{map_batch, side_by_side};
use crate::rng::{Purpose, generator};
use crate::state::{Program, Workspace, adjoint, sample};
use crate::{Error, Result, memory};

/// Which shots to draw: initialisation `first_init + i` draws its own stream for row i.
#[derive(Debug, Clone, Copy)]
pub struct Shots {
    /// Shots for each row, at least three.
    pub shots: usize,
    /// The seed of the whole run.
    pub seed: u64,
    /// The first row's initialisation.
    pub first_init: u64,
    /// The training step.
    pub step: u64,
}

/// Estimates of value and gradient for every row of `params`.
pub fn sampled(
    program: &Program,
    problem: &Problem,
    objective: &Objective,
    params: &[f64],
    draw: Shots,
) -> Result<Vec<Evaluation>> {
    let n_params = program.plan().n_params();
    let batch = check(program, problem, objective, params)?;
    if draw.shots < 3 {
        let expected = "at least 3 for an unbiased gradient from samples";
        return Err(Error::invalid("shots", expected, draw.shots));
    }
    let n = problem.n_weights();
    // A handful of numbers for each shot.
    memory::check(
        "a step of so many shots",
        (draw.shots as u64).saturating_mul(128),
        "take fewer shots",
    )?;
    let at_once = side_by_side(batch, program.is_small());
    program.check_memory::<f64>("a gradient for each thread", 3.0 * at_once as f64)?;
    let room = || (Workspace::<f64>::new(program), vec![0.0; 1 << n]);
    map_batch(batch, program.is_small(), room, |(states, q), i, threads| {
        let params = &params[i * n_params..(i + 1) * n_params];
        program.run(params, &mut states.psi, &mut states.rooms, false, threads);
        states.psi.probabilities(q, threads);
        let mut rng = generator(draw.seed, Purpose::Shots, draw.first_init + i as u64, draw.step);
        let drawn = sample(q, draw.shots, &mut rng);
        let (expected_cost, divergence, pulls) = pulls(problem, objective, q, &drawn)?;

        let Workspace { psi, lambda, .. } = states;
        lambda.is_real = psi.is_real;
        for (part, from) in lambda.parts().zip(psi.parts()) {
            part.fill(0.0);
            for (z, pull) in drawn.iter().map(|z| *z as usize).zip(&pulls) {
                part[z] += pull / (draw.shots as f64 * q[z]) * from[z];
            }
        }
        let mut gradient = vec![0.0; params.len()];
        adjoint(program, params, states, &mut gradient, false, threads);
        Ok(Evaluation { expected_cost, divergence, gradient })
    })
    .into_iter()
    .collect()
}

/// Estimates of E_q[C] and of the divergence, and each shot's f_i - b_i.
fn pulls(
    problem: &Problem,
    objective: &Objective,
    q: &[f64],
    drawn: &[u64],
) -> Result<(f64, f64, Vec<f64>)> {
    let n_shots = drawn.len() as f64;
    let weight = objective.weight;
    let mean = |values: &[f64]| values.iter().sum::<f64>() / n_shots;
    let mut linear: Vec<f64> = drawn.iter().map(|z| problem.cost[*z as usize]).collect();
    let expected_cost = mean(&linear);
    let mut attraction = vec![0.0; drawn.len()];
    let divergence = match &objective.divergence {
        Divergence::None => 0.0,
        Divergence::Kl => {
            let gap = |z: &u64| q[*z as usize].ln() - problem.log_prior[*z as usize];
            let gaps: Vec<f64> = drawn.iter().map(gap).collect();
            linear.iter_mut().zip(&gaps).for_each(|(l, gap)| *l += weight * gap);
            mean(&gaps)
        }
        Divergence::Mmd(kernel) => {
            let rows = PackedBits::from_indices(drawn.iter().copied(), problem.n_weights());
            let to_prior = mean_embedding(&rows, problem.p_plus(), kernel)?;
            linear.iter_mut().zip(&to_prior).for_each(|(l, kp)| *l -= 2.0 * weight * kp);
            attraction = row_sums(&rows, kernel)?;
            attraction.iter().sum::<f64>() / (n_shots * (n_shots - 1.0)) - 2.0 * mean(&to_prior)
                + prior_self_similarity(problem.p_plus(), kernel)
        }
    };
    let linear_sum: f64 = linear.iter().sum();
    let attraction_sum: f64 = attraction.iter().sum();
    let pulls = linear.iter().zip(&attraction).map(|(l, r)| {
        let value = l + 2.0 * weight * r / (n_shots - 1.0);
        let others = (attraction_sum - 2.0 * r) / ((n_shots - 1.0) * (n_shots - 2.0));
        value - ((linear_sum - l) / (n_shots - 1.0) + 2.0 * weight * others)
    });
    Ok((expected_cost, divergence, pulls.collect()))
}

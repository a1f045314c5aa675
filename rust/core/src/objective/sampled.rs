//! Objectives from a finite number of measured networks, as a device would give them.
//!
//! A score-function estimator: shot i pulls along grad log q(w_i) with the strength f_i less a
//! baseline b_i that is made of the other shots, so that value and baseline are independent and the
//! gradient is unbiased (the mean over all shots as baseline would shrink it by (N-1)/N).

use super::exact::check;
use super::product::Product;
use super::sampled_product::evaluate_product;
use super::tables::{Tables, Terms};
use super::{Evaluations, Objective, Problem};
use crate::parallel::{Threads, map_batch, side_by_side};
use crate::rng::{Purpose, generator};
use crate::state::{Array, Evolution, Program, Start, Workspace, sample};
use crate::{Error, Result, memory};
use rand_chacha::ChaCha8Rng;

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

impl Shots {
    fn stream(&self, row: usize) -> ChaCha8Rng {
        generator(self.seed, Purpose::Shots, self.first_init + row as u64, self.step)
    }
}

/// Estimates of value and gradient for every row of `params`.
pub fn sampled(
    program: &Program,
    problem: &Problem,
    objective: &Objective,
    params: &[f64],
    draw: Shots,
) -> Result<Evaluations> {
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
    let is_small = program.is_small();
    let row = |i: usize| &params[i * n_params..(i + 1) * n_params];
    let weight = objective.weight;
    let measured = program.measured();
    let tables = problem.tables(&measured.relabelling, &objective.divergence)?;
    if let Some(product) = Product::of(measured) {
        return Ok(map_batch(
            batch,
            is_small,
            || (),
            |(), i, _| {
                evaluate_product(&product, &tables, weight, row(i), draw.shots, &mut draw.stream(i))
            },
        )
        .into_iter()
        .collect());
    }
    let program = &measured.program;
    let at_once = side_by_side(batch, is_small);
    program.check_memory::<f64>("a gradient for each thread", 3.0 * at_once as f64)?;
    let room = || (Workspace::<f64>::new(program), Array::<f64>::new(1 << n));
    Ok(map_batch(batch, is_small, room, |(states, q), i, threads| {
        let evolution = program.at(row(i), false);
        evolution.run(&mut states.psi, &mut states.rooms, threads);
        program.probabilities(&states.psi, q, threads);
        let drawn = sample(q, draw.shots, &mut draw.stream(i));
        evaluate(&evolution, &tables, weight, n_params, &drawn, q, states, threads)
    })
    .into_iter()
    .collect())
}

/// One row of parameters from what its distribution `q` gave.
#[allow(clippy::too_many_arguments)]
fn evaluate(
    evolution: &Evolution<'_, f64>,
    tables: &Tables,
    weight: f64,
    n_params: usize,
    drawn: &[u32],
    q: &[f64],
    states: &mut Workspace<f64>,
    threads: Threads,
) -> Evaluations {
    let estimate =
        estimate(tables, weight, drawn, || drawn.iter().map(|z| q[*z as usize].ln()).collect());
    let Workspace { psi, lambda, .. } = states;
    lambda.is_real = psi.is_real;
    for (part, from) in lambda.parts().zip(psi.parts()) {
        part.fill(0.0);
        for (z, pull) in drawn.iter().map(|z| *z as usize).zip(&estimate.pulls) {
            part[z] += pull / (drawn.len() as f64 * q[z]) * from[z];
        }
    }
    let mut gradient = vec![0.0; n_params];
    evolution.adjoint(Start::Room, states, &mut gradient, threads);
    let Estimate { expected_cost, divergence, .. } = estimate;
    Evaluations::one(expected_cost, weight * divergence, gradient)
}

/// What shots say of an objective.
pub struct Estimate {
    /// Of E_q[C].
    pub expected_cost: f64,
    /// Of the divergence.
    pub divergence: f64,
    /// f_i - b_i of each shot.
    pub pulls: Vec<f64>,
}

/// Estimates from outcomes, before relabelling, and their log q, which only the KL asks for.
pub fn estimate(
    tables: &Tables,
    weight: f64,
    drawn: &[u32],
    log_q: impl FnOnce() -> Vec<f64>,
) -> Estimate {
    let n_shots = drawn.len() as f64;
    let mean = |values: &[f64]| values.iter().sum::<f64>() / n_shots;
    let mut linear: Vec<f64> = drawn.iter().map(|z| tables.cost.at(*z as usize)).collect();
    let expected_cost = mean(&linear);
    let mut attraction = vec![0.0; drawn.len()];
    let divergence = match &tables.terms {
        Terms::None => 0.0,
        Terms::Kl { minus_log_prior } => {
            let mut gaps = log_q();
            let prior = drawn.iter().map(|z| minus_log_prior.at(*z as usize));
            gaps.iter_mut().zip(prior).for_each(|(gap, l)| *gap += l);
            linear.iter_mut().zip(&gaps).for_each(|(l, gap)| *l += weight * gap);
            mean(&gaps)
        }
        Terms::Mmd { embedding, self_similarity, attraction: between, .. } => {
            let to_prior: Vec<f64> = drawn.iter().map(|z| embedding.at(*z as usize)).collect();
            linear.iter_mut().zip(&to_prior).for_each(|(l, kp)| *l -= 2.0 * weight * kp);
            let measured: Vec<u32> = drawn.iter().map(|z| tables.outcomes[*z as usize]).collect();
            attraction = between.sums(&measured);
            attraction.iter().sum::<f64>() / (n_shots * (n_shots - 1.0)) - 2.0 * mean(&to_prior)
                + self_similarity
        }
    };
    let linear_sum: f64 = linear.iter().sum();
    let attraction_sum: f64 = attraction.iter().sum();
    let pulls = linear.iter().zip(&attraction).map(|(l, r)| {
        let value = l + 2.0 * weight * r / (n_shots - 1.0);
        let others = (attraction_sum - 2.0 * r) / ((n_shots - 1.0) * (n_shots - 2.0));
        value - ((linear_sum - l) / (n_shots - 1.0) + 2.0 * weight * others)
    });
    Estimate { expected_cost, divergence, pulls: pulls.collect() }
}

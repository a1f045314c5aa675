//! Objectives from a finite number of measured networks, as a device would give them.
//!
//! A score-function estimator: shot i pulls along grad log q(w_i) with the strength f_i less a
//! baseline b_i that is made of the other shots, so that value and baseline are independent and the
//! gradient is unbiased (the mean over all shots as baseline would shrink it by (N-1)/N).

use std::sync::Arc;

use super::groups::{Asked, Way};
use super::tables::{Tables, Terms};
use super::{Divergence, Evaluations, Problem};
use crate::circuit::LinearMap;
use crate::parallel::{Threads, side_by_side};
use crate::rng::{Purpose, generator};
use crate::state::{Array, Program, Read, Start, Workspace, sample};
use crate::{Error, Result, memory};
use rand_chacha::ChaCha8Rng;

/// Which shots to draw: initialisation `first_init + i` draws its own stream for row i and each step.
#[derive(Debug, Clone, Copy)]
pub struct Shots {
    /// Shots for each row, at least three.
    pub shots: usize,
    /// The seed of the whole run.
    pub seed: u64,
    /// The first row's initialisation.
    pub first_init: u64,
}

impl Shots {
    /// The stream of a group of one row.
    pub(super) fn stream(&self, asked: Asked<'_>) -> ChaCha8Rng {
        let init = self.first_init + asked.first as u64;
        generator(self.seed, Purpose::Shots, init, asked.step)
    }
}

/// From shots of states, one after the other.
pub struct Drawn<'a> {
    /// The program before the relabelling that the tables' order makes up for.
    program: &'a Program,
    tables: Arc<Tables>,
    shots: Shots,
}

impl<'a> Drawn<'a> {
    /// For so many rows.
    pub fn new(
        program: &'a Program,
        problem: &Problem,
        divergence: &Divergence,
        shots: Shots,
        n_rows: usize,
    ) -> Result<Self> {
        let measured = program.measured();
        let tables = tables(problem, &measured.relabelling, divergence, shots)?;
        let program = &measured.program;
        let at_once = side_by_side(n_rows, program.is_small());
        // Probabilities, and unless it can be read without it the state with its cotangent.
        let n_vectors = if program.is_direct() { 0.5 } else { 3.0 };
        program.check_memory::<f64>("a gradient for each thread", n_vectors * at_once as f64)?;
        Ok(Self { program, tables, shots })
    }
}

/// The tables for so many shots, which are checked.
pub fn tables(
    problem: &Problem,
    relabelling: &LinearMap,
    divergence: &Divergence,
    Shots { shots, .. }: Shots,
) -> Result<Arc<Tables>> {
    if shots < 3 {
        let expected = "at least 3 for an unbiased gradient from samples";
        return Err(Error::invalid("shots", expected, shots));
    }
    // A handful of numbers for each shot.
    let bytes = (shots as u64).saturating_mul(128);
    memory::check("a step of so many shots", bytes, "take fewer shots")?;
    problem.tables(relabelling, divergence)
}

impl Way for Drawn<'_> {
    /// No state where it can be read without being written.
    type Room = (Option<Workspace<f64>>, Array<f64>);

    fn rows(&self) -> usize {
        1
    }

    fn is_small(&self) -> bool {
        self.program.is_small()
    }

    fn room(&self) -> Self::Room {
        let states = (!self.program.is_direct()).then(|| Workspace::new(self.program));
        (states, Array::new(1 << self.program.plan().n_qubits()))
    }

    fn evaluate(
        &self,
        asked: Asked<'_>,
        (states, q): &mut Self::Room,
        threads: Threads,
        found: &mut Evaluations,
    ) -> Result<()> {
        let Self { program, tables, shots } = self;
        let Asked { params, weight, .. } = asked;
        let evolution = program.at(params, false);
        match states {
            Some(states) => {
                evolution.run(&mut states.psi, &mut states.rooms, threads);
                program.probabilities(&states.psi, q, threads);
            }
            None => evolution.read(Read::Probabilities(q), threads),
        }
        let drawn = sample(q, shots.shots, &mut shots.stream(asked));
        let log_q = || drawn.iter().map(|z| q[*z as usize].ln()).collect();
        let Estimate { expected_cost, divergence, pulls } = estimate(tables, weight, &drawn, log_q);
        let n_shots = drawn.len() as f64;
        let cotangent = drawn.iter().zip(pulls).map(|(z, pull)| pull / (n_shots * q[*z as usize]));
        let cotangent: Vec<f64> = cotangent.collect();
        let gradient = found.add(expected_cost, weight * divergence, params.len());
        let Some(states) = states else {
            let asked = Read::GradientAt { outcomes: &drawn, cotangent: &cotangent, gradient };
            evolution.read(asked, threads);
            return Ok(());
        };
        let Workspace { psi, lambda, .. } = states;
        lambda.is_real = psi.is_real;
        for (part, from) in lambda.parts().zip(psi.parts()) {
            part.fill(0.0);
            for (z, f) in drawn.iter().map(|z| *z as usize).zip(&cotangent) {
                part[z] += f * from[z];
            }
        }
        evolution.adjoint(Start::Room, states, gradient, threads);
        Ok(())
    }
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

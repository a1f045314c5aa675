//! Objectives from the whole outcome distribution.

use super::exact_abreast::exact_abreast;
use super::exact_product::{self, exact_product};
use super::problem::Outcomes;
use super::product::Product;
use super::{Divergence, Evaluations, Objective, Problem};
use crate::logarithm::log_ratio;
use crate::mmd::witness;
use crate::parallel::{Threads, map_batch, side_by_side, sum_pieces};
use crate::simd::{kernel, one_turn_at_a_time};
use crate::state::abreast::Abreast;
use crate::state::{Array, Program, Start, Workspace, check_params, fma};
use crate::{Error, Result};

struct Room {
    states: Workspace<f64>,
    q: Array<f64>,
    cotangent: Array<f64>,
}

/// Whether [`exact`] is done with these rows before another thread has woken up: it then stays on the
/// thread that it is called on, which need not be one of the pool's.
pub fn is_short(program: &Program, params: &[f64]) -> bool {
    Product::of(program.measured()).is_some() && exact_product::is_short(program, params)
}

/// Value and gradient for every row of `params`, from one forward and one backward pass each.
pub fn exact(
    program: &Program,
    problem: &Problem,
    objective: &Objective,
    params: &[f64],
) -> Result<Evaluations> {
    let n_params = program.plan().n_params();
    let batch = check(program, problem, objective, params)?;
    let measured = program.measured();
    if let Some(product) = Product::of(measured) {
        return exact_product(program, &product, problem, objective, params);
    }
    if let Some(plan) = Abreast::of(measured) {
        return exact_abreast(&plan, program, problem, objective, params);
    }
    let (program, outcomes) = match objective.divergence {
        // Its kernel knows outcomes as they are measured.
        Divergence::Mmd(_) => (program, problem.outcomes.clone()),
        _ => (&measured.program, problem.outcomes_before(&measured.relabelling)?),
    };
    let n = problem.n_weights();
    let at_once = side_by_side(batch, program.is_small());
    program.check_memory::<f64>("a gradient for each thread", 3.5 * at_once as f64)?;
    let room = || Room {
        states: Workspace::new(program),
        q: Array::new(1 << n),
        cotangent: Array::new(1 << n),
    };
    map_batch(batch, program.is_small(), room, |room, i, threads| {
        let params = &params[i * n_params..(i + 1) * n_params];
        evaluate(program, &outcomes, problem, objective, params, room, threads)
    })
    .into_iter()
    .collect()
}

/// Checks that the parts belong together and returns the batch's size.
pub(super) fn check(
    program: &Program,
    problem: &Problem,
    objective: &Objective,
    params: &[f64],
) -> Result<usize> {
    let (n_qubits, n_weights) = (program.plan().n_qubits(), problem.n_weights());
    if n_qubits != n_weights {
        return Err(Error::invalid(
            "circuit",
            format!("{n_weights} qubits, one for each of the network's weights"),
            format!("{n_qubits} qubits"),
        ));
    }
    if !(objective.weight.is_finite() && objective.weight >= 0.0) {
        return Err(Error::invalid("weight", "a finite number of at least 0", objective.weight));
    }
    check_params(params, program.plan().n_params())
}

fn evaluate(
    program: &Program,
    outcomes: &Outcomes,
    problem: &Problem,
    objective: &Objective,
    params: &[f64],
    room: &mut Room,
    threads: Threads,
) -> Result<Evaluations> {
    let Room { states, q, cotangent } = room;
    let evolution = program.at(params, false);
    evolution.run(&mut states.psi, &mut states.rooms, threads);
    program.probabilities(&states.psi, q, threads);
    let cost = &outcomes.cost;
    let weight = objective.weight;
    let expected_cost = dot(q, cost, threads);
    let divergence = match &objective.divergence {
        Divergence::None => {
            cotangent.copy_from_slice(cost);
            0.0
        }
        Divergence::Kl => {
            log_ratio(q, &outcomes.log_prior, cotangent);
            let kl = dot(q, cotangent, threads);
            // An outcome that cannot happen pulls nowhere.
            pull_where_possible(cotangent, cost, q, weight);
            kl
        }
        Divergence::Mmd(kernel) => {
            let mmd2 = witness(q, &problem.prior, kernel, cotangent)?;
            pull(cotangent, cost, 2.0 * weight);
            mmd2
        }
    };
    // A constant has no gradient, but its rounding errors would.
    let mean = dot(q, cotangent, threads);
    let start = Start::State { psi: None, cotangent, shift: mean };
    let mut gradient = vec![0.0; params.len()];
    evolution.adjoint(start, states, &mut gradient, threads);
    Ok(Evaluations::one(expected_cost, weight * divergence, gradient))
}

kernel! {
    /// f = cost + weight * f.
    pub(super) fn pull(f: &mut [f64], cost: &[f64], weight: f64) {
        for (f, c) in f.iter_mut().zip(cost) {
            *f = fma::<f64, FMA>(weight, *f, *c);
        }
    }
}

kernel! {
    /// The same, but 0 where q is.
    pub(super) fn pull_where_possible(f: &mut [f64], cost: &[f64], q: &[f64], weight: f64) {
        for ((f, c), q) in f.iter_mut().zip(cost).zip(q) {
            *f = if *q > 0.0 { fma::<f64, FMA>(weight, *f, *c) } else { 0.0 };
        }
    }
}

fn dot(a: &[f64], b: &[f64], threads: Threads) -> f64 {
    sum_pieces(threads, a.len(), |range| dot_piece(&a[range.clone()], &b[range]))
}

kernel! {
    /// A dot product in eight interleaved sums.
    fn dot_piece(a: &[f64], b: &[f64]) -> f64 {
        let mut sums = [0.0; 8];
        let (chunks, rest) = a.as_chunks::<8>();
        let (others, other_rest) = b.as_chunks::<8>();
        for (x, y) in chunks.iter().zip(others) {
            one_turn_at_a_time();
            for k in 0..8 {
                sums[k] = fma::<f64, FMA>(x[k], y[k], sums[k]);
            }
        }
        let end: f64 = rest.iter().zip(other_rest).map(|(x, y)| x * y).sum();
        sums.iter().sum::<f64>() + end
    }
}

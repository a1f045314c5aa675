//! Objectives from the whole outcome distribution.

use super::{Divergence, Evaluation, Objective, Problem};
use crate::mmd::apply_kernel;
use crate::parallel::{Threads, map_batch, sum_pieces};
use crate::state::{Program, Workspace, adjoint, check_params};
use crate::{Error, Result};

struct Room {
    states: Workspace<f64>,
    q: Vec<f64>,
    cotangent: Vec<f64>,
}

/// Value and gradient for every row of `params`, from one forward and one backward pass each.
pub fn exact(
    program: &Program,
    problem: &Problem,
    objective: &Objective,
    params: &[f64],
) -> Result<Vec<Evaluation>> {
    let n_params = program.plan().n_params();
    let batch = check(program, problem, objective, params)?;
    let n = problem.n_weights();
    let at_once = if program.is_small() { rayon::current_num_threads() } else { 1 };
    program.check_memory::<f64>("a gradient", 3.5 * at_once.min(batch) as f64)?;
    let room =
        || Room { states: Workspace::new(n), q: vec![0.0; 1 << n], cotangent: vec![0.0; 1 << n] };
    map_batch(batch, program.is_small(), room, |room, i, threads| {
        let params = &params[i * n_params..(i + 1) * n_params];
        evaluate(program, problem, objective, params, room, threads)
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
    problem: &Problem,
    objective: &Objective,
    params: &[f64],
    room: &mut Room,
    threads: Threads,
) -> Result<Evaluation> {
    let Room { states, q, cotangent } = room;
    program.run(params, &mut states.psi, &mut states.spare, false, threads);
    states.psi.probabilities(q, threads);
    let cost = &problem.cost;
    let weight = objective.weight;
    let expected_cost = dot(q, cost, threads);
    let divergence = match &objective.divergence {
        Divergence::None => {
            cotangent.copy_from_slice(cost);
            0.0
        }
        Divergence::Kl => {
            let mut kl = 0.0;
            for z in 0..q.len() {
                // q log q -> 0 as q -> 0, and an outcome that cannot happen pulls nowhere.
                let gap = if q[z] > 0.0 { q[z].ln() - problem.log_prior[z] } else { 0.0 };
                kl += q[z] * gap;
                cotangent[z] = if q[z] > 0.0 { cost[z] + weight * gap } else { 0.0 };
            }
            kl
        }
        Divergence::Mmd(kernel) => {
            let difference = |(d, (q, p)): (&mut f64, (&f64, &f64))| *d = q - p;
            cotangent.iter_mut().zip(q.iter().zip(&problem.prior)).for_each(difference);
            apply_kernel(cotangent, kernel)?;
            let mut mmd2 = 0.0;
            for (z, f) in cotangent.iter_mut().enumerate() {
                mmd2 += (q[z] - problem.prior[z]) * *f;
                *f = cost[z] + 2.0 * weight * *f;
            }
            mmd2
        }
    };
    // A constant has no gradient, but its rounding errors would.
    let mean = dot(q, cotangent, threads);
    let (psi, lambda) = (&mut states.psi, &mut states.lambda);
    for (part, from) in [(&mut lambda.re, &psi.re), (&mut lambda.im, &psi.im)] {
        for (l, (p, f)) in part.iter_mut().zip(from.iter().zip(cotangent.iter())) {
            *l = (f - mean) * p;
        }
    }
    let mut gradient = vec![0.0; params.len()];
    adjoint(program, params, states, &mut gradient, false, threads);
    Ok(Evaluation { expected_cost, divergence, gradient })
}

fn dot(a: &[f64], b: &[f64], threads: Threads) -> f64 {
    sum_pieces(threads, a.len(), |range| {
        a[range.clone()].iter().zip(&b[range]).map(|(x, y)| x * y).sum()
    })
}

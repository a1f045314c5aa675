//! Objectives of small states, several side by side.

use super::exact::{pull, pull_where_possible};
use super::{Divergence, Evaluations, Objective, Problem};
use crate::Result;
use crate::logarithm::log_ratio;
use crate::mmd::witness;
use crate::parallel::{map_batch, side_by_side};
use crate::state::abreast::{Abreast, Room, dots, n_abreast};
use crate::state::{Array, Program};

/// Value and gradient for every row of `params`. A group that is not full is filled up with its first
/// row, so that no result depends on a row's place in the batch.
pub fn exact_abreast(
    plan: &Abreast<'_>,
    program: &Program,
    problem: &Problem,
    objective: &Objective,
    params: &[f64],
) -> Result<Evaluations> {
    let (half, n_params) = (n_abreast(), program.plan().n_params());
    let groups: Vec<&[f64]> = params.chunks(half * n_params).collect();
    let n_states = plan.n_states() * side_by_side(groups.len(), true) * half;
    program.check_memory::<f64>("the states between layers for each thread", n_states as f64)?;
    let tables = Tables::new(plan, problem);
    let room =
        || (Room::new(plan), [0, 2].map(|quarter| Array::beside(quarter, plan.n_rows() * half)));
    let parts = map_batch(groups.len(), true, room, |(room, [q, f]), i, _| {
        let mut rows: Vec<&[f64]> = groups[i].chunks_exact(n_params).collect();
        let n_rows = rows.len();
        rows.resize(half, rows[0]);
        plan.run(&rows, room);
        room.probabilities(q);
        let mut expected_cost = dots(q, &tables.cost);
        let mut divergence = tables.cotangent(plan, problem, objective, q, f)?;
        // A constant has no gradient, but its rounding errors would.
        let mean = dots(q, f);
        let mut gradient = vec![0.0; groups[i].len()];
        plan.adjoint(room, f, &mean, &mut gradient);
        expected_cost.truncate(n_rows);
        divergence.truncate(n_rows);
        let regularizer = divergence.into_iter().map(|d| objective.weight * d).collect();
        Ok(Evaluations { expected_cost, regularizer, gradient })
    });
    parts.into_iter().collect()
}

/// A problem's tables in the order of rows, once for each state beside the others.
struct Tables {
    cost: Vec<f64>,
    log_prior: Vec<f64>,
}

impl Tables {
    fn new(plan: &Abreast<'_>, problem: &Problem) -> Self {
        let half = n_abreast();
        let spread = |values: &[f64]| {
            let mut rows = vec![0.0; plan.n_rows() * half];
            let each = rows.chunks_exact_mut(half).enumerate();
            each.for_each(|(i, row)| row.fill(values[plan.outcome(i)]));
            rows
        };
        let outcomes = &problem.outcomes;
        Self { cost: spread(&outcomes.cost), log_prior: spread(&outcomes.log_prior) }
    }

    /// Writes what the objective's gradient is the expectation's of, and returns the divergences.
    fn cotangent(
        &self,
        plan: &Abreast<'_>,
        problem: &Problem,
        objective: &Objective,
        q: &[f64],
        f: &mut [f64],
    ) -> Result<Vec<f64>> {
        let (half, weight) = (n_abreast(), objective.weight);
        match &objective.divergence {
            Divergence::None => {
                f.copy_from_slice(&self.cost);
                Ok(vec![0.0; half])
            }
            Divergence::Kl => {
                log_ratio(q, &self.log_prior, f);
                let kl = dots(q, f);
                // An outcome that cannot happen pulls nowhere.
                pull_where_possible(f, &self.cost, q, weight);
                Ok(kl)
            }
            Divergence::Mmd(kernel) => {
                let mut mmd2 = vec![0.0; half];
                let [mut own, mut own_f] = [(); 2].map(|()| vec![0.0; plan.n_rows()]);
                for (k, mmd2) in mmd2.iter_mut().enumerate() {
                    let q = q.iter().skip(k).step_by(half);
                    q.enumerate().for_each(|(row, q)| own[plan.outcome(row)] = *q);
                    *mmd2 = witness(&own, &problem.prior, kernel, &mut own_f)?;
                    let f = f.iter_mut().skip(k).step_by(half);
                    f.enumerate().for_each(|(row, f)| *f = own_f[plan.outcome(row)]);
                }
                pull(f, &self.cost, 2.0 * weight);
                Ok(mmd2)
            }
        }
    }
}

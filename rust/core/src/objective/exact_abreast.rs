//! Objectives of small states, several side by side.

use super::exact::{pull, pull_where_possible};
use super::groups::{Asked, Way};
use super::{Divergence, Evaluations, Problem};
use crate::Result;
use crate::logarithm::log_ratio;
use crate::mmd::witness;
use crate::parallel::{Threads, side_by_side};
use crate::state::abreast::{self, Abreast, dots, n_abreast};
use crate::state::{Array, Program};

/// From states side by side.
pub struct WholeAbreast<'a> {
    program: &'a Program,
    plan: Abreast<'a>,
    tables: Tables,
    problem: &'a Problem,
    divergence: &'a Divergence,
}

/// Where states are evaluated, and probabilities and cotangents of all of them.
pub struct Room {
    states: abreast::Room,
    q: Array<f64>,
    cotangent: Array<f64>,
}

impl<'a> WholeAbreast<'a> {
    /// For so many rows.
    pub fn new(
        program: &'a Program,
        plan: Abreast<'a>,
        problem: &'a Problem,
        divergence: &'a Divergence,
        n_rows: usize,
    ) -> Result<Self> {
        let half = n_abreast();
        let n_states = plan.n_states() * side_by_side(n_rows.div_ceil(half), true) * half;
        program
            .check_memory::<f64>("the states between layers for each thread", n_states as f64)?;
        let tables = Tables::new(&plan, problem);
        Ok(Self { program, plan, tables, problem, divergence })
    }
}

impl Way for WholeAbreast<'_> {
    type Room = Room;

    fn rows(&self) -> usize {
        n_abreast()
    }

    fn is_small(&self) -> bool {
        true
    }

    fn room(&self) -> Room {
        let array = |quarter| Array::beside(quarter, self.plan.n_rows() * n_abreast());
        Room { states: abreast::Room::new(&self.plan), q: array(0), cotangent: array(2) }
    }

    /// A group that is not full is filled up with its first row, so that no result depends on a row's
    /// place in the batch.
    fn evaluate(
        &self,
        asked: Asked<'_>,
        room: &mut Room,
        _: Threads,
        found: &mut Evaluations,
    ) -> Result<()> {
        let Self { program, plan, tables, .. } = self;
        let Asked { params, weight, .. } = asked;
        let Room { states, q, cotangent } = room;
        let mut rows: Vec<&[f64]> = params.chunks_exact(program.plan().n_params()).collect();
        let n_rows = rows.len();
        rows.resize(n_abreast(), rows[0]);
        plan.run(&rows, states);
        states.probabilities(q);
        let expected_cost = dots(q, &tables.cost);
        let divergence = self.cotangent(weight, q, cotangent)?;
        // A constant has no gradient, but its rounding errors would.
        let mean = dots(q, cotangent);
        let regularizer = divergence[..n_rows].iter().map(|d| weight * d);
        let gradient = found.add_all(&expected_cost[..n_rows], regularizer, params.len());
        plan.adjoint(states, cotangent, &mean, gradient);
        Ok(())
    }
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
}

impl WholeAbreast<'_> {
    /// Writes what the objective's gradient is the expectation's of, and returns the divergences.
    fn cotangent(&self, weight: f64, q: &[f64], f: &mut [f64]) -> Result<Vec<f64>> {
        let Self { plan, tables, problem, divergence, .. } = self;
        let half = n_abreast();
        match divergence {
            Divergence::None => {
                f.copy_from_slice(&tables.cost);
                Ok(vec![0.0; half])
            }
            Divergence::Kl => {
                log_ratio(q, &tables.log_prior, f);
                let kl = dots(q, f);
                // An outcome that cannot happen pulls nowhere.
                pull_where_possible(f, &tables.cost, q, weight);
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
                pull(f, &tables.cost, 2.0 * weight);
                Ok(mmd2)
            }
        }
    }
}

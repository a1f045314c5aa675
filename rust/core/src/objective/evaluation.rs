//! An objective at many parameter vectors.

use super::groups::{Asked, Source, in_groups};
use super::{Objective, Problem};
use crate::state::{Program, check_params};
use crate::{Error, Result};

/// An objective at each of some parameter vectors.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Evaluations {
    /// E_q[C] in nats.
    pub expected_cost: Vec<f64>,
    /// The divergence times its weight.
    pub regularizer: Vec<f64>,
    /// The derivatives of the sum of both, one vector after the other.
    pub gradient: Vec<f64>,
}

impl Evaluations {
    /// Adds a vector's; its gradient, of zeros yet, is returned.
    pub(super) fn add(&mut self, cost: f64, regularizer: f64, n_params: usize) -> &mut [f64] {
        self.add_all(&[cost], [regularizer], n_params)
    }

    /// Adds those of several vectors; their gradients, of zeros yet, are returned.
    pub(super) fn add_all(
        &mut self,
        expected_cost: &[f64],
        regularizer: impl IntoIterator<Item = f64>,
        n_params: usize,
    ) -> &mut [f64] {
        self.expected_cost.extend_from_slice(expected_cost);
        self.regularizer.extend(regularizer);
        let known = self.gradient.len();
        self.gradient.resize(known + n_params, 0.0);
        &mut self.gradient[known..]
    }

    /// Forgets all of them.
    pub(super) fn clear(&mut self) {
        self.expected_cost.clear();
        self.regularizer.clear();
        self.gradient.clear();
    }
}

impl FromIterator<Evaluations> for Evaluations {
    /// One after the other.
    fn from_iter<I: IntoIterator<Item = Self>>(parts: I) -> Self {
        parts.into_iter().fold(Self::default(), |mut all, part| {
            all.expected_cost.extend(part.expected_cost);
            all.regularizer.extend(part.regularizer);
            all.gradient.extend(part.gradient);
            all
        })
    }
}

/// Value and gradient for every row of `params`, or estimates of them at a step of training.
pub fn evaluate(
    program: &Program,
    problem: &Problem,
    objective: &Objective,
    source: Source,
    params: &[f64],
    step: u64,
) -> Result<Evaluations> {
    let n_params = program.plan().n_params();
    let n_rows = check_params(params, n_params)?;
    let Objective { divergence, weight } = objective;
    check_weight(*weight)?;
    let groups = in_groups(program, problem, divergence, source, [n_rows, 1], |evaluate, rows| {
        let params = &params[rows.start * n_params..rows.end * n_params];
        let mut found = Evaluations::default();
        evaluate(Asked { first: rows.start, params, weight: *weight, step }, &mut found)?;
        Ok(found)
    })?;
    groups.into_iter().collect()
}

/// Checks the weight of a divergence.
pub(super) fn check_weight(weight: f64) -> Result<()> {
    if weight.is_finite() && weight >= 0.0 {
        return Ok(());
    }
    Err(Error::invalid("weight", "a finite number of at least 0", weight))
}

//! Several steps of training in one call: each group of initialisations goes its whole way on one
//! thread, with no word to the others or to Python in between.

use std::sync::atomic::{AtomicBool, Ordering};

use super::evaluation::check_weight;
use super::groups::{Asked, Evaluate, Source, in_groups};
use super::{Divergence, Evaluations, Problem};
use crate::Result;
use crate::adam::{Adam, adam};
use crate::error::{all_finite, check_len};
use crate::history::{ROWS, record};
use crate::state::{Program, check_params};

/// How to go.
#[derive(Debug, Clone, Copy)]
pub struct Course<'a> {
    /// How many steps came before.
    pub first_step: u64,
    /// The divergence's weight at each step.
    pub weights: &'a [f64],
    /// How Adam moves at each step.
    pub moves: &'a [Adam],
}

/// Some initialisations on their way, each array with a row for each of them.
#[derive(Debug)]
pub struct Descent<'a> {
    /// Where they are.
    pub params: &'a mut [f64],
    /// Adam's running mean of the gradient.
    pub mean: &'a mut [f64],
    /// Adam's running mean of its square.
    pub square: &'a mut [f64],
    /// For each step what [`record`] writes.
    pub history: &'a mut [f64],
}

/// Takes all steps of a course. Where a number on the way is not finite nothing is changed, and the
/// answer is false.
pub fn descend(
    program: &Program,
    problem: &Problem,
    divergence: &Divergence,
    source: Source,
    course: Course<'_>,
    descent: Descent<'_>,
) -> Result<bool> {
    let n_params = program.plan().n_params();
    let Descent { params, mean, square, history } = descent;
    let (n_rows, n_steps) = (check_params(params, n_params)?, course.moves.len());
    check_len("mean", params.len(), mean.len())?;
    check_len("square", params.len(), square.len())?;
    check_len("weights", n_steps, course.weights.len())?;
    check_len("history", n_steps * ROWS * n_rows, history.len())?;
    course.weights.iter().try_for_each(|weight| check_weight(*weight))?;
    if n_steps == 0 {
        return Ok(true);
    }
    let is_lost = AtomicBool::new(false);
    let go = |evaluate: &mut Evaluate<'_>, rows: std::ops::Range<usize>| {
        let own = rows.start * n_params..rows.end * n_params;
        let mut group = Group {
            state: [&params[own.clone()], &mean[own.clone()], &square[own]].map(<[f64]>::to_vec),
            history: vec![0.0; n_steps * ROWS * rows.len()],
        };
        group.go(evaluate, rows.start, course, &is_lost)?;
        Ok(group)
    };
    let groups = in_groups(program, problem, divergence, source, [n_rows, n_steps], go)?;
    let groups: Vec<Group> = groups.into_iter().collect::<Result<_>>()?;
    if is_lost.into_inner() {
        return Ok(false);
    }
    let mut first = 0;
    for Group { state, history: own } in groups {
        let n_own = state[0].len() / n_params;
        let range = first * n_params..(first + n_own) * n_params;
        for (to, from) in [&mut *params, mean, square].into_iter().zip(&state) {
            to[range.clone()].copy_from_slice(from);
        }
        for (row, from) in history.chunks_exact_mut(n_rows).zip(own.chunks_exact(n_own)) {
            row[first..first + n_own].copy_from_slice(from);
        }
        first += n_own;
    }
    Ok(true)
}

/// A group's own parameters, running means and history.
struct Group {
    state: [Vec<f64>; 3],
    history: Vec<f64>,
}

impl Group {
    fn go(
        &mut self,
        evaluate: &mut Evaluate<'_>,
        first: usize,
        course: Course<'_>,
        is_lost: &AtomicBool,
    ) -> Result<()> {
        let [params, mean, square] = &mut self.state;
        let mut found = Evaluations::default();
        let n_recorded = self.history.len() / course.moves.len();
        let rows = self.history.chunks_exact_mut(n_recorded);
        let steps = course.weights.iter().zip(course.moves).zip(course.first_step..);
        for (row, ((weight, settings), step)) in rows.zip(steps) {
            found.clear();
            evaluate(Asked { first, params, weight: *weight, step }, &mut found)?;
            let Evaluations { expected_cost, regularizer, gradient } = &found;
            let is_finite = record(row, expected_cost, regularizer, gradient, true);
            adam(*settings, gradient, mean, square, params);
            if !(is_finite && all_finite(params)) {
                is_lost.store(true, Ordering::Relaxed);
            }
            // Whoever is lost takes the others along: nobody's steps will be kept.
            if is_lost.load(Ordering::Relaxed) {
                break;
            }
        }
        Ok(())
    }
}

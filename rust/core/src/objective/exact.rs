//! Objectives from the whole outcome distribution.

use std::sync::Arc;

use super::groups::{Asked, Way};
use super::problem::Outcomes;
use super::{Divergence, Evaluations, Problem};
use crate::Result;
use crate::logarithm::log_ratio;
use crate::mmd::witness;
use crate::parallel::{Threads, side_by_side, sum_pieces};
use crate::simd::{kernel, one_turn_at_a_time};
use crate::state::{Array, Program, Read, Start, Workspace, fma};

/// From states, one after the other.
pub struct Whole<'a> {
    /// The program whose outcomes have the costs.
    program: &'a Program,
    outcomes: Arc<Outcomes>,
    problem: &'a Problem,
    divergence: &'a Divergence,
}

/// Where states are evaluated.
pub struct Room {
    /// None where states can be read without being written.
    states: Option<Workspace<f64>>,
    q: Array<f64>,
    cotangent: Array<f64>,
}

impl<'a> Whole<'a> {
    /// For so many rows.
    pub fn new(
        program: &'a Program,
        problem: &'a Problem,
        divergence: &'a Divergence,
        n_rows: usize,
    ) -> Result<Self> {
        let measured = program.measured();
        let (program, outcomes) = match divergence {
            // Its kernel knows outcomes as they are measured.
            Divergence::Mmd(_) => (program, problem.outcomes.clone()),
            _ => (&measured.program, problem.outcomes_before(&measured.relabelling)?),
        };
        let at_once = side_by_side(n_rows, program.is_small());
        // Probabilities and the cotangent, and unless it can be read without it the state with its own.
        let n_vectors = if program.is_direct() { 1.0 } else { 3.5 };
        program.check_memory::<f64>("a gradient for each thread", n_vectors * at_once as f64)?;
        Ok(Self { program, outcomes, problem, divergence })
    }
}

impl Way for Whole<'_> {
    type Room = Room;

    fn rows(&self) -> usize {
        1
    }

    fn is_small(&self) -> bool {
        self.program.is_small()
    }

    fn room(&self) -> Room {
        let array = || Array::new(1 << self.problem.n_weights());
        let states = (!self.program.is_direct()).then(|| Workspace::new(self.program));
        Room { states, q: array(), cotangent: array() }
    }

    /// One forward and one backward pass.
    fn evaluate(
        &self,
        asked: Asked<'_>,
        room: &mut Room,
        threads: Threads,
        found: &mut Evaluations,
    ) -> Result<()> {
        let Self { program, outcomes, problem, divergence } = self;
        let Asked { params, weight, .. } = asked;
        let Room { states, q, cotangent } = room;
        let evolution = program.at(params, false);
        match states {
            Some(states) => {
                evolution.run(&mut states.psi, &mut states.rooms, threads);
                program.probabilities(&states.psi, q, threads);
            }
            None => evolution.read(Read::Probabilities(q), threads),
        }
        let cost = &outcomes.cost;
        let expected_cost = dot(q, cost, threads);
        let divergence = match divergence {
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
        let gradient = found.add(expected_cost, weight * divergence, params.len());
        match states {
            Some(states) => {
                let start = Start::State { psi: None, cotangent, shift: mean };
                evolution.adjoint(start, states, gradient, threads);
            }
            None => evolution.read(Read::Gradient { cotangent, shift: mean, gradient }, threads),
        }
        Ok(())
    }
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

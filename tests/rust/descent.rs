//! Several steps of training in one call against the same steps one by one.

use qhypernet_core::circuit::{Angle, Circuit, Gate};
use qhypernet_core::mmd::HammingKernel;
use qhypernet_core::objective::{
    Course, Descent, Divergence, Evaluations, Objective, Problem, Shots, Source, descend, evaluate,
};
use qhypernet_core::state::Program;
use qhypernet_core::{Adam, adam, record};

/// More than are evaluated side by side.
const N_STARTS: usize = 11;

fn layers(n: usize, n_layers: usize) -> Program {
    let mut circuit = Circuit::new(n, 0).unwrap();
    for _ in 0..n_layers {
        for (q, gate) in (0..n).flat_map(|q| [(q, Gate::Ry), (q, Gate::Rz)]) {
            circuit.push(gate, &[q], Some(Angle::Param(circuit.n_params()))).unwrap();
        }
        (1..n).for_each(|q| circuit.push(Gate::Cx, &[q - 1, q], None).unwrap());
    }
    Program::new(&circuit).unwrap()
}

fn problem(n: usize) -> Problem {
    let table: Vec<f64> = (0..1 << n).map(|z| -0.01 * (z * 7919 % 1009) as f64).collect();
    let p_plus: Vec<f64> = (0..n).map(|i| 0.15 + 0.08 * i as f64).collect();
    Problem::new(&table, &p_plus).unwrap()
}

fn divergences() -> [Divergence; 3] {
    [Divergence::None, Divergence::Kl, Divergence::Mmd(HammingKernel::new(&[0.9, 2.3]).unwrap())]
}

/// Starts on their way: parameters, both running means, and what was recorded.
#[derive(Debug, Clone, PartialEq)]
struct Way {
    state: [Vec<f64>; 3],
    history: Vec<f64>,
}

impl Way {
    fn new(program: &Program) -> Self {
        let n = N_STARTS * program.plan().n_params();
        let params = (0..n).map(|i| (i * 37 % 101) as f64 * 0.06 - 3.0).collect();
        let none = vec![0.0; n];
        Self { state: [params, none.clone(), none], history: Vec::new() }
    }

    fn step(
        &mut self,
        program: &Program,
        problem: &Problem,
        objective: &Objective,
        source: Source,
        settings: Adam,
        step: u64,
    ) {
        let mut row = vec![0.0; 4 * N_STARTS];
        let [params, mean, square] = &mut self.state;
        let found = evaluate(program, problem, objective, source, params, step).unwrap();
        let Evaluations { expected_cost, regularizer, gradient } = found;
        assert!(record(&mut row, &expected_cost, &regularizer, &gradient, true));
        adam(settings, &gradient, mean, square, params);
        self.history.extend(row);
    }

    fn descend(
        &mut self,
        program: &Program,
        problem: &Problem,
        divergence: &Divergence,
        source: Source,
        course: Course<'_>,
    ) -> bool {
        let mut rows = vec![0.0; 4 * N_STARTS * course.moves.len()];
        let [params, mean, square] = &mut self.state;
        let descent = Descent { params, mean, square, history: &mut rows };
        let is_done = descend(program, problem, divergence, source, course, descent).unwrap();
        self.history.extend(rows.iter().filter(|_| is_done));
        is_done
    }
}

/// Of each way to evaluate, whatever the lengths of calls and the number of threads.
#[test]
fn steps_in_one_call_are_those_one_by_one() {
    let pools = [1, 3].map(|n| rayon::ThreadPoolBuilder::new().num_threads(n).build().unwrap());
    let sources = [Source::Exact, Source::Sampled(Shots { shots: 5, seed: 8, first_init: 3 })];
    for (n, n_layers) in [(3, 1), (3, 3), (9, 1), (10, 2)] {
        let (program, problem) = (layers(n, n_layers), problem(n));
        let start = Way::new(&program);
        let weights: Vec<f64> = (0..6).map(|t| 3.0 - 0.4 * f64::from(t)).collect();
        let move_at = |t: i32| Adam {
            beta1: 0.9,
            beta2: 0.99,
            epsilon: 1e-8,
            rate: 0.1,
            scale: f64::from(t),
        };
        let moves: Vec<Adam> = (1..=6).map(move_at).collect();
        for (source, divergence) in
            sources.into_iter().flat_map(|source| divergences().map(|d| (source, d)))
        {
            let mut expected = start.clone();
            for (i, (weight, settings)) in weights.iter().zip(&moves).enumerate() {
                let objective = Objective { divergence: divergence.clone(), weight: *weight };
                expected.step(&program, &problem, &objective, source, *settings, 20 + i as u64);
            }
            for (pool, first) in pools.iter().flat_map(|pool| [0, 1, 4].map(|k| (pool, k))) {
                let mut found = start.clone();
                for part in [0..first, first..6] {
                    let (weights, moves) = (&weights[part.clone()], &moves[part.clone()]);
                    let course = Course { first_step: 20 + part.start as u64, weights, moves };
                    let is_done = pool
                        .install(|| found.descend(&program, &problem, &divergence, source, course));
                    assert!(is_done);
                }
                assert_eq!(found, expected, "{n}, {n_layers}, {source:?}, {divergence:?}, {first}");
            }
        }
    }
}

/// Only the last of some starts is lost, and only at the third step.
#[test]
fn nothing_is_changed_where_a_start_is_lost_on_the_way() {
    for (n, n_layers) in [(3, 1), (3, 3), (10, 2)] {
        let (program, problem) = (layers(n, n_layers), problem(n));
        let mut start = Way::new(&program);
        start.state[1].iter_mut().rev().take(program.plan().n_params()).for_each(|m| *m = 1e9);
        let step = Adam { beta1: 0.9, beta2: 0.9, epsilon: 1.0, rate: 0.1, scale: 1.0 };
        let leap = Adam { epsilon: 1e-8, rate: 1e305, ..step };
        let descend = |way: &mut Way, moves: &[Adam]| {
            let course = Course { first_step: 0, weights: &[1.0; 3][..moves.len()], moves };
            way.descend(&program, &problem, &Divergence::Kl, Source::Exact, course)
        };
        let mut found = start.clone();
        assert!(!descend(&mut found, &[step, step, leap]));
        assert_eq!(found, start);
        assert!(descend(&mut found, &[step, step]));
        assert_ne!(found, start);
    }
}

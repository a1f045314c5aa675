//! Objectives of states, against their definitions.

use qhypernet_core::mmd::HammingKernel;
use qhypernet_core::objective::{Divergence, Objective, Problem, Source, evaluate};

use super::*;

/// The same of costs of some ten nats and weights of some ten, and of logarithms.
const OBJECTIVE_TOLERANCE: f64 = 1e-10;

/// An objective from its definition: its two parts, and what its gradient is the expectation's of.
fn naive_objective(
    q: &[f64],
    table: &[f64],
    p_plus: &[f64],
    objective: &Objective,
) -> ([f64; 2], Vec<f64>) {
    let prior = |z: usize| -> f64 {
        let bits = p_plus.iter().enumerate();
        bits.map(|(i, p)| if z >> i & 1 == 0 { *p } else { 1.0 - p }).product()
    };
    let p: Vec<f64> = (0..q.len()).map(prior).collect();
    let pull: Vec<f64> = match &objective.divergence {
        Divergence::None => vec![0.0; q.len()],
        Divergence::Kl => {
            let ratio = |(q, p): (&f64, &f64)| if *q > 0.0 { (q / p).ln() } else { 0.0 };
            q.iter().zip(&p).map(ratio).collect()
        }
        Divergence::Mmd(kernel) => {
            let values = kernel.table(p_plus.len());
            let term = |z: usize, w: usize| values[(z ^ w).count_ones() as usize] * (q[w] - p[w]);
            (0..q.len()).map(|z| (0..q.len()).map(|w| term(z, w)).sum()).collect()
        }
    };
    let is_mmd = matches!(objective.divergence, Divergence::Mmd(_));
    let mass = |z: usize| if is_mmd { q[z] - p[z] } else { q[z] };
    let divergence: f64 = (0..q.len()).map(|z| mass(z) * pull[z]).sum();
    let expected_cost: f64 = q.iter().zip(table).map(|(q, l)| -q * l).sum();
    let times = objective.weight * if is_mmd { 2.0 } else { 1.0 };
    let f = table.iter().zip(&pull).map(|(l, x)| times * x - l).collect();
    ([expected_cost, objective.weight * divergence], f)
}

fn some_objectives() -> [Objective; 3] {
    let kernel = HammingKernel::new(&[0.9, 2.3]).unwrap();
    [(Divergence::None, 1.0), (Divergence::Kl, 0.7), (Divergence::Mmd(kernel), 30.0)]
        .map(|(divergence, weight)| Objective { divergence, weight })
}

fn some_problem(n: usize) -> (Problem, Vec<f64>, Vec<f64>) {
    let table: Vec<f64> = some_cotangent(n).iter().map(|f| 10.0 * f - 12.0).collect();
    let p_plus: Vec<f64> = (0..n).map(|i| 0.15 + 0.06 * i as f64).collect();
    (Problem::new(&table, &p_plus).unwrap(), table, p_plus)
}

/// Checks a batch of some starts against the definitions, and each of its results against that of the
/// start alone, bit for bit.
fn check_objectives(circuit: &Circuit, params: &[f64], every: usize) {
    let n_params = circuit.n_params();
    let program = Program::new(circuit).unwrap();
    let (problem, table, p_plus) = some_problem(circuit.n_qubits());
    for objective in some_objectives() {
        let exact =
            |params| evaluate(&program, &problem, &objective, Source::Exact, params, 0).unwrap();
        let all = exact(params);
        for (k, params) in params.chunks_exact(n_params).enumerate() {
            let gradient = &all.gradient[k * n_params..(k + 1) * n_params];
            let alone = exact(params);
            let values = [all.expected_cost[k], all.regularizer[k]];
            assert_eq!([alone.expected_cost[0], alone.regularizer[0]], values);
            assert_eq!(alone.gradient, gradient);
            if k % every != 0 {
                continue;
            }
            let q: Vec<f64> = dense(circuit, params).iter().map(|a| a.norm_sqr()).collect();
            let (expected, f) = naive_objective(&q, &table, &p_plus, &objective);
            for (value, expected) in values.iter().zip(expected) {
                assert!((value - expected).abs() < GRADIENT_TOLERANCE, "{objective:?}");
            }
            for (i, found) in gradient.iter().enumerate().step_by(1 + n_params / 6) {
                let expected = by_parameter_shift(circuit, params, &f, i);
                assert!((found - expected).abs() < OBJECTIVE_TOLERANCE, "{objective:?}, {i}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn objectives_are_those_of_the_definitions_at_any_place_of_a_batch(
        n in 1..8usize, picks in picks(40), batch in 1..18usize,
    ) {
        let circuit = random_circuit(n, &picks);
        prop_assume!(circuit.n_params() > 0);
        check_objectives(&circuit, &some_params(batch * circuit.n_params()), 5);
    }
}

/// Sizes on both sides of where states are run side by side, with every qubit turned, linear phases and
/// pairs of bits, near and far entanglers, and angles at which tangents have no bound; and one layer,
/// which leaves a product, with more starts than are taken at once.
#[test]
fn objectives_of_layers_are_right_at_every_size() {
    let entanglers = [gate::Gate::Cx, gate::Gate::Cz, gate::Gate::Rzz];
    for n in 1..=12 {
        let few = entanglers.into_iter().flat_map(|e| [(e, 1), (e, 3)]);
        // With many layers most are run on whole states.
        let many = (n >= 11).then_some((gate::Gate::Cx, 9));
        for (entangler, n_layers) in few.chain(many) {
            let mut circuit = Circuit::new(n, 0).unwrap();
            circuit.push(gate::Gate::X, &[n / 2], None).unwrap();
            let next = |circuit: &Circuit| Some(Angle::Param(circuit.n_params()));
            for layer in 0..n_layers {
                for q in (0..n).filter(|q| layer != 1 || q % 3 != 1) {
                    circuit.push(gate::Gate::Ry, &[q], next(&circuit)).unwrap();
                    circuit.push(gate::Gate::Rz, &[q], next(&circuit)).unwrap();
                }
                for q in 0..n - 1 {
                    let pair = [q, (q + 1 + layer * 2) % n];
                    let angle = entangler.spec().generator.and_then(|_| next(&circuit));
                    if pair[0] != pair[1] {
                        circuit.push(entangler, &pair, angle).unwrap();
                    }
                }
            }
            let n_starts = if n_layers == 1 { 11 } else { 5 };
            let mut params = some_params(n_starts * circuit.n_params());
            let near = [PI, -PI, PI + 1e-9, 3.0 * PI - 1e-5];
            let second = params[circuit.n_params()..].iter_mut().take(circuit.n_params());
            second.enumerate().for_each(|(i, x)| *x = near[i * 3 % near.len()]);
            check_objectives(&circuit, &params, if n < 9 { 1 } else { 4 });
        }
    }
}

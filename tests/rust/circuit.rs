//! The simulator against a dense one that applies each gate's matrix, amplitude by amplitude.

mod objectives;

use std::f64::consts::{FRAC_PI_2, PI};

use num_complex::{Complex, Complex64};
use proptest::prelude::*;
use qhypernet_core::circuit::{Angle, Circuit, gate};
use qhypernet_core::parallel::Threads;
use qhypernet_core::state::{Program, Read, Real, Start, Workspace};

/// Rounding of a few hundred operations on numbers of at most 1.
const AMPLITUDE_TOLERANCE: f64 = 1e-13;
/// The same in single precision, where one rounding is 6e-8 of an amplitude of at most 1.
const SINGLE_TOLERANCE: f64 = 5e-6;
/// Rounding of expectations, summed over the gates that share a parameter.
const GRADIENT_TOLERANCE: f64 = 1e-11;

/// Random gates over the whole table, with free, shared, scaled and fixed angles.
fn random_circuit(n: usize, picks: &[(usize, usize, usize, u8)]) -> Circuit {
    let mut circuit = Circuit::new(n, 0).unwrap();
    for &(which, first, second, kind) in picks {
        let spec = &gate::TABLE[which % gate::TABLE.len()];
        if spec.n_qubits > n {
            continue;
        }
        let a = first % n;
        let b = (a + 1 + second % (n - 1).max(1)) % n;
        let qubits = [a, b];
        let angle = spec.generator.map(|_| match kind % 4 {
            0 if circuit.n_params() > 0 => Angle::Param(first % circuit.n_params()),
            1 => Angle::Fixed(f64::from(kind) * 0.1 - 5.0),
            2 => Angle::Scaled(first % (circuit.n_params() + 1), f64::from(kind) * 0.02 - 1.5),
            _ => Angle::Param(circuit.n_params()),
        });
        circuit.push(spec.gate, &qubits[..spec.n_qubits], angle).unwrap();
    }
    circuit
}

fn dense(circuit: &Circuit, params: &[f64]) -> Vec<Complex64> {
    dense_with_shift(circuit, params, 0, 0.0)
}

/// The state with the angle of one instruction moved.
fn dense_with_shift(circuit: &Circuit, params: &[f64], moved: usize, by: f64) -> Vec<Complex64> {
    let mut state = vec![Complex64::default(); 1 << circuit.n_qubits()];
    state[0] = 1.0.into();
    for (k, instruction) in circuit.instructions().iter().enumerate() {
        let theta = match instruction.angle {
            Some(Angle::Param(i)) => params[i],
            Some(Angle::Scaled(i, scale)) => scale * params[i],
            Some(Angle::Fixed(value)) => value,
            None => 0.0,
        };
        let shift = if k == moved { by } else { 0.0 };
        let matrix = (instruction.gate.spec().matrix)(theta + shift);
        let k = instruction.qubits.len();
        let row = |z: usize| (0..k).fold(0, |r, i| r | (z >> instruction.qubits[i] & 1) << i);
        let mut next = vec![Complex64::default(); state.len()];
        for (z, amplitude) in state.iter().enumerate() {
            for r in 0..1 << k {
                let mut to = z;
                for (i, &q) in instruction.qubits.iter().enumerate() {
                    to = to & !(1 << q) | (r >> i & 1) << q;
                }
                next[to] += matrix[r << k | row(z)] * amplitude;
            }
        }
        state = next;
    }
    state
}

/// A circuit's state, and the program that left it stage by stage. The one that need not go stage by
/// stage is held against it.
fn simulate<T: Real>(
    circuit: &Circuit,
    params: &[f64],
    threads: Threads,
) -> (Program, Workspace<T>) {
    let run = |program: Program| {
        let mut room = Workspace::new(&program);
        program.at(params, true).run(&mut room.psi, &mut room.rooms, threads);
        (program, room)
    };
    let state = run(Program::in_stages(circuit).unwrap());
    let other = run(Program::new(circuit).unwrap());
    let expected = amplitudes(&state);
    assert_near(&amplitudes(&other), &expected);
    if other.0.is_direct() {
        let evolution = other.0.at(params, true);
        let mut found = vec![Complex::new(T::ZERO, T::ZERO); expected.len()];
        evolution.read(Read::Amplitudes(&mut found), threads);
        assert_near(&found, &expected);
        let mut q = vec![0.0; expected.len()];
        evolution.read(Read::Probabilities(&mut q), threads);
        for (z, q) in found.iter().zip(q) {
            assert!((z.re.to_f64().powi(2) + z.im.to_f64().powi(2) - q).abs() < SINGLE_TOLERANCE);
        }
    }
    state
}

fn assert_near<T: Real>(found: &[Complex<T>], expected: &[Complex<T>]) {
    let tolerance = if size_of::<T>() == 4 { SINGLE_TOLERANCE } else { AMPLITUDE_TOLERANCE };
    for (a, b) in found.iter().zip(expected) {
        let [x, y] = [a.re.to_f64() - b.re.to_f64(), a.im.to_f64() - b.im.to_f64()];
        assert!(x.hypot(y) < tolerance);
    }
}

fn amplitudes<T: Real>((program, room): &(Program, Workspace<T>)) -> Vec<Complex<T>> {
    let zero = Complex::new(T::ZERO, T::ZERO);
    let mut out = vec![zero; room.psi.re.len()];
    program.amplitudes(&room.psi, &mut out, Threads::Pool);
    // Probabilities are read out in the same way, on one thread or several.
    for threads in [Threads::One, Threads::Pool] {
        let mut q = vec![0.0; out.len()];
        program.probabilities(&room.psi, &mut q, threads);
        for (z, q) in out.iter().zip(q) {
            let norm = Complex64::new(z.re.to_f64(), z.im.to_f64()).norm_sqr();
            assert!((norm - q).abs() < SINGLE_TOLERANCE);
        }
    }
    out
}

/// An expectation's derivatives, stage by stage, which the other ways are held against.
fn gradient<T: Real>(circuit: &Circuit, params: &[f64], cotangent: &[f64], all: bool) -> Vec<f64> {
    let expected = gradient_of::<T>(&Program::in_stages(circuit).unwrap(), params, cotangent, all);
    let program = Program::new(circuit).unwrap();
    let mut found = gradient_of::<T>(&program, params, cotangent, all);
    if program.is_direct() {
        let mut direct = vec![0.0; params.len()];
        let asked = Read::Gradient { cotangent, shift: 0.5, gradient: &mut direct };
        program.at::<T>(params, all).read(asked, Threads::Pool);
        found.extend(direct);
    }
    let largest = expected.iter().fold(1.0, |m: f64, g| m.max(g.abs()));
    let single = size_of::<T>() == 4;
    let tolerance = if single { 100.0 * SINGLE_TOLERANCE * largest } else { GRADIENT_TOLERANCE };
    for (found, expected) in found.iter().zip(expected.iter().cycle()) {
        assert!((found - expected).abs() < tolerance);
    }
    expected
}

fn gradient_of<T: Real>(
    program: &Program,
    params: &[f64],
    cotangent: &[f64],
    all: bool,
) -> Vec<f64> {
    let mut room = Workspace::<T>::new(program);
    let evolution = program.at(params, all);
    evolution.run(&mut room.psi, &mut room.rooms, Threads::Pool);
    let mut gradient = vec![0.0; params.len()];
    // From a state that stays as it is, and from the one in the room: the same bits.
    let mut held = Workspace::<T>::new(program);
    evolution.run(&mut held.psi, &mut held.rooms, Threads::Pool);
    let start = Start::State { psi: Some(&held.psi), cotangent, shift: 0.0 };
    evolution.adjoint(start, &mut Workspace::new(program), &mut gradient, Threads::Pool);
    assert_eq!(held.psi.re[..], room.psi.re[..]);
    assert!(room.psi.is_real || held.psi.im[..] == room.psi.im[..]);
    let mut again = vec![0.0; params.len()];
    let start = Start::State { psi: None, cotangent, shift: 0.0 };
    evolution.adjoint(start, &mut room, &mut again, Threads::Pool);
    assert_eq!(gradient, again);
    gradient
}

fn some_params(n: usize) -> Vec<f64> {
    (0..n).map(|i| (i as f64 * 1.7 + 0.4).sin() * 3.0).collect()
}

fn some_cotangent(n: usize) -> Vec<f64> {
    (0..1usize << n).map(|z| ((z * 7919 % 1009) as f64 / 500.0) - 1.0).collect()
}

/// The derivative by the parameter-shift rule, exact as no generator has more than two eigenvalues, 1
/// apart: for each gate of the parameter, half the difference of two expectations, pi apart.
fn by_parameter_shift(circuit: &Circuit, params: &[f64], cotangent: &[f64], index: usize) -> f64 {
    let expectation = |moved: usize, by: f64| -> f64 {
        let state = dense_with_shift(circuit, params, moved, by);
        state.iter().zip(cotangent).map(|(a, f)| f * a.norm_sqr()).sum()
    };
    let of_gate = |(k, angle): (usize, Option<Angle>)| {
        let scale = match angle {
            Some(Angle::Param(i)) if i == index => 1.0,
            Some(Angle::Scaled(i, scale)) if i == index => scale,
            _ => return 0.0,
        };
        scale * (expectation(k, FRAC_PI_2) - expectation(k, -FRAC_PI_2)) / 2.0
    };
    circuit.instructions().iter().map(|i| i.angle).enumerate().map(of_gate).sum()
}

fn picks(len: usize) -> impl Strategy<Value = Vec<(usize, usize, usize, u8)>> {
    prop::collection::vec((0..1000usize, 0..1000usize, 0..1000usize, any::<u8>()), len)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn amplitudes_are_those_of_the_gates_one_by_one(n in 1..9usize, picks in picks(60)) {
        let circuit = random_circuit(n, &picks);
        let params = some_params(circuit.n_params());
        let expected = dense(&circuit, &params);
        let double = simulate::<f64>(&circuit, &params, Threads::One);
        let single = simulate::<f32>(&circuit, &params, Threads::One);
        for ((e, d), s) in expected.iter().zip(amplitudes(&double)).zip(amplitudes(&single)) {
            prop_assert!((e - d).norm() < AMPLITUDE_TOLERANCE);
            prop_assert!((e - Complex64::new(s.re.to_f64(), s.im.to_f64())).norm() < SINGLE_TOLERANCE);
        }
    }

    #[test]
    fn gradients_are_those_of_the_parameter_shift_rule(n in 1..7usize, picks in picks(40)) {
        let circuit = random_circuit(n, &picks);
        let params = some_params(circuit.n_params());
        let cotangent = some_cotangent(n);
        let exact = gradient::<f64>(&circuit, &params, &cotangent, true);
        let without_last_phases = gradient::<f64>(&circuit, &params, &cotangent, false);
        for i in 0..params.len() {
            let expected = by_parameter_shift(&circuit, &params, &cotangent, i);
            prop_assert!((expected - exact[i]).abs() < GRADIENT_TOLERANCE);
            prop_assert!((exact[i] - without_last_phases[i]).abs() < AMPLITUDE_TOLERANCE * 10.0);
        }
    }
}

/// Without phases a state is real, and the first rotations leave a product: both have ways of their
/// own, for one tile and for several.
#[test]
fn real_states_and_products_have_the_same_gradients() {
    for (n, layers) in [(1, 1), (3, 1), (5, 2), (13, 1), (14, 2)] {
        let mut circuit = Circuit::new(n, 0).unwrap();
        circuit.push(gate::Gate::X, &[0], None).unwrap();
        for layer in 0..layers {
            for q in 0..n {
                circuit.push(gate::Gate::Ry, &[q], Some(Angle::Param(layer * n + q))).unwrap();
            }
            for q in 1..n {
                circuit.push(gate::Gate::Cx, &[q, q - 1], None).unwrap();
            }
        }
        let params = some_params(circuit.n_params());
        let state = simulate::<f64>(&circuit, &params, Threads::Pool);
        assert!(state.1.psi.is_real);
        for (e, d) in dense(&circuit, &params).iter().zip(amplitudes(&state)) {
            assert!((e - d).norm() < AMPLITUDE_TOLERANCE);
        }
        let cotangent = some_cotangent(n);
        let exact = gradient::<f64>(&circuit, &params, &cotangent, false);
        for i in [0, n / 2, params.len() - 1] {
            let expected = by_parameter_shift(&circuit, &params, &cotangent, i);
            assert!((expected - exact[i]).abs() < GRADIENT_TOLERANCE, "n = {n}, {i}");
        }
    }
}

/// High qubits that start alike whatever the parameters, and that gates come to one after the other.
#[test]
fn qubits_that_wait_for_their_first_gate_are_right() {
    for (n, order) in [(7, [0, 1]), (8, [1, 0]), (9, [0, 1])] {
        let mut circuit = Circuit::new(n, 0).unwrap();
        for q in 5..n {
            let (gate, angle) = [
                (gate::Gate::H, None),
                (gate::Gate::Ry, Some(Angle::Fixed(-0.7))),
                (gate::Gate::X, None),
            ][(q + order[0]) % 3];
            circuit.push(gate, &[q], angle).unwrap();
        }
        for top in 5..=n {
            for q in 0..top.min(n) {
                // The highest so far has a parameter only at the end.
                let angle =
                    if q < 5 { Angle::Param(circuit.n_params()) } else { Angle::Fixed(0.3) };
                if q < 5 || top == n {
                    circuit.push(gate::Gate::Ry, &[q], Some(angle)).unwrap();
                }
                circuit.push(gate::Gate::Rz, &[q], Some(angle)).unwrap();
            }
            if top < n {
                let ends = [top, top - 3];
                circuit.push(gate::Gate::Cx, &order.map(|end| ends[end]), None).unwrap();
                let next = Some(Angle::Param(circuit.n_params()));
                circuit.push(gate::Gate::Rzz, &[1, top], next).unwrap();
            }
        }
        let params = some_params(circuit.n_params());
        let (program, mut room) = simulate::<f64>(&circuit, &params, Threads::One);
        let expected = dense(&circuit, &params);
        let cotangent = some_cotangent(n);
        let exact = gradient::<f64>(&circuit, &params, &cotangent, true);
        for i in 0..params.len() {
            let shifted = by_parameter_shift(&circuit, &params, &cotangent, i);
            assert!((shifted - exact[i]).abs() < GRADIENT_TOLERANCE, "n = {n}, {i}");
        }
        // Room that has been used for a gradient is as good as new.
        for _ in 0..2 {
            let evolution = program.at(&params, true);
            evolution.run(&mut room.psi, &mut room.rooms, Threads::One);
            let mut found = vec![Complex64::default(); expected.len()];
            program.amplitudes(&room.psi, &mut found, Threads::One);
            assert_near(&found, &expected);
            let mut again = vec![0.0; params.len()];
            let start = Start::State { psi: None, cotangent: &cotangent, shift: 0.0 };
            evolution.adjoint(start, &mut room, &mut again, Threads::One);
            assert_eq!(again, exact);
        }
    }
}

/// States large enough for several tiles, tables and tasks, with gates on every qubit.
#[test]
fn large_states_are_right_and_the_same_on_any_number_of_threads() {
    for n in [12, 13, 14, 15, 17] {
        let picks: Vec<_> =
            (0..90).map(|i| (i * 31 + 7, i * 17, i * 5 + 3, (i * 11) as u8)).collect();
        let mut circuit = random_circuit(n, &picks);
        for q in 0..n {
            circuit.push(gate::Gate::Ry, &[q], Some(Angle::Param(circuit.n_params()))).unwrap();
        }
        let params = some_params(circuit.n_params());
        let expected = dense(&circuit, &params);
        let one = simulate::<f64>(&circuit, &params, Threads::One);
        for (e, d) in expected.iter().zip(amplitudes(&one)) {
            assert!((e - d).norm() < AMPLITUDE_TOLERANCE, "n = {n}");
        }
        let cotangent = some_cotangent(n);
        let mut results = Vec::new();
        for threads in [1, 2, 3, 4] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            results.push(pool.install(|| {
                let state = simulate::<f64>(&circuit, &params, Threads::Pool);
                (state.1.psi.re.to_vec(), gradient::<f64>(&circuit, &params, &cotangent, true))
            }));
        }
        assert!(results[0].0 == one.1.psi.re.to_vec());
        assert!(results.iter().all(|r| *r == results[0]), "n = {n}");
        for i in [0, params.len() / 2, params.len() - 1] {
            let expected = by_parameter_shift(&circuit, &params, &cotangent, i);
            assert!((expected - results[0].1[i]).abs() < GRADIENT_TOLERANCE, "n = {n}, {i}");
        }
    }
}

/// States that caches do not hold are written past them, relabelled or not.
#[test]
fn states_larger_than_caches_are_right() {
    let n = 19;
    let mut circuit = Circuit::new(n, 0).unwrap();
    for _ in 0..2 {
        for q in 0..n {
            let next = Some(Angle::Param(circuit.n_params()));
            circuit.push(gate::Gate::Ry, &[q], next).unwrap();
        }
        circuit.push(gate::Gate::T, &[n - 2], None).unwrap();
        for q in 0..n - 1 {
            circuit.push(gate::Gate::Cx, &[q, q + 1], None).unwrap();
        }
    }
    let params = some_params(circuit.n_params());
    assert!(Program::in_stages(&circuit).unwrap().n_sweeps() > 1);
    let state = simulate::<f64>(&circuit, &params, Threads::Pool);
    for (e, d) in dense(&circuit, &params).iter().zip(amplitudes(&state)) {
        assert!((e - d).norm() < AMPLITUDE_TOLERANCE);
    }
    let cotangent = some_cotangent(n);
    let gradient = gradient::<f64>(&circuit, &params, &cotangent, true);
    for i in [3, n + 1] {
        let expected = by_parameter_shift(&circuit, &params, &cotangent, i);
        assert!((expected - gradient[i]).abs() < GRADIENT_TOLERANCE, "{i}");
    }
}

/// A chain's state need not be written to be read, on any number of threads with the same bits.
#[test]
fn chains_are_read_without_being_written() {
    for (n, is_real) in [(12, false), (14, true), (16, false), (18, false)] {
        let mut circuit = Circuit::new(n, 0).unwrap();
        for _ in 0..3 {
            for q in 0..n {
                let next = |circuit: &Circuit| Some(Angle::Param(circuit.n_params()));
                circuit.push(gate::Gate::Ry, &[q], next(&circuit)).unwrap();
                if !is_real {
                    circuit.push(gate::Gate::Rz, &[q], next(&circuit)).unwrap();
                }
            }
            for q in 0..n - 1 {
                circuit.push(gate::Gate::Cx, &[q, q + 1], None).unwrap();
            }
        }
        for q in [1, n - 2] {
            circuit.push(gate::Gate::X, &[q], None).unwrap();
        }
        let params = some_params(circuit.n_params());
        let program = Program::new(&circuit).unwrap();
        assert!(program.is_direct(), "n = {n}");
        let expected = dense(&circuit, &params);
        let state = simulate::<f64>(&circuit, &params, Threads::Pool);
        for (e, d) in expected.iter().zip(amplitudes(&state)) {
            assert!((e - d).norm() < AMPLITUDE_TOLERANCE, "n = {n}");
        }
        simulate::<f32>(&circuit, &params, Threads::One);
        let cotangent = some_cotangent(n);
        let mut results = Vec::new();
        for threads in [1, 2, 3, 4] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            results.push(pool.install(|| {
                let evolution = program.at::<f64>(&params, true);
                let mut amplitudes = vec![Complex64::default(); 1 << n];
                evolution.read(Read::Amplitudes(&mut amplitudes), Threads::Pool);
                let mut slopes = vec![0.0; params.len()];
                let asked =
                    Read::Gradient { cotangent: &cotangent, shift: 0.5, gradient: &mut slopes };
                evolution.read(asked, Threads::Pool);
                (amplitudes, slopes)
            }));
        }
        assert!(results.iter().all(|r| *r == results[0]), "n = {n}");
        let slopes = gradient::<f64>(&circuit, &params, &cotangent, true);
        gradient::<f32>(&circuit, &params, &cotangent, true);
        for i in [0, n, params.len() - 1] {
            let expected = by_parameter_shift(&circuit, &params, &cotangent, i);
            assert!((expected - slopes[i]).abs() < GRADIENT_TOLERANCE, "n = {n}, {i}");
        }
    }
}

/// Every number of qubits that a tile or the lanes treat in a way of their own, every qubit turned,
/// and entanglers between near and far ones.
#[test]
fn every_size_and_every_place_of_a_gate_is_right() {
    for n in 1..=16 {
        let mut circuit = Circuit::new(n, 0).unwrap();
        let next = |circuit: &Circuit| Some(Angle::Param(circuit.n_params()));
        for layer in 0..3 {
            for q in (0..n).filter(|q| (q * 7 + layer) % 3 != 0) {
                circuit.push(gate::Gate::Ry, &[q], next(&circuit)).unwrap();
            }
            for q in (0..n).filter(|q| (q * 5 + layer) % 4 != 0) {
                circuit.push(gate::Gate::Rz, &[q], next(&circuit)).unwrap();
            }
            for q in 0..n {
                let other = (q + 1 + layer * 3) % n;
                if other != q && layer == 1 {
                    circuit.push(gate::Gate::Rzz, &[q, other], next(&circuit)).unwrap();
                } else if other != q {
                    circuit.push(gate::Gate::Cx, &[q, other], None).unwrap();
                }
            }
        }
        // The last relabelling moves outcome 0, too, inside a tile and outside.
        for q in [n / 3, n - 1] {
            circuit.push(gate::Gate::X, &[q], None).unwrap();
        }
        let params = some_params(circuit.n_params());
        let expected = dense(&circuit, &params);
        let double = simulate::<f64>(&circuit, &params, Threads::Pool);
        let single = simulate::<f32>(&circuit, &params, Threads::Pool);
        for ((e, d), s) in expected.iter().zip(amplitudes(&double)).zip(amplitudes(&single)) {
            assert!((e - d).norm() < AMPLITUDE_TOLERANCE, "n = {n}");
            let s = Complex64::new(s.re.to_f64(), s.im.to_f64());
            assert!((e - s).norm() < SINGLE_TOLERANCE, "n = {n}");
        }
        let cotangent = some_cotangent(n);
        let double = gradient::<f64>(&circuit, &params, &cotangent, true);
        let single = gradient::<f32>(&circuit, &params, &cotangent, true);
        let largest = double.iter().fold(0.0, |m: f64, g| m.max(g.abs()));
        for (i, (d, s)) in double.iter().zip(single).enumerate() {
            assert!((d - s).abs() < 100.0 * SINGLE_TOLERANCE * largest.max(1.0), "n = {n}, {i}");
        }
        for i in (0..params.len()).step_by(1 + params.len() / 4) {
            let expected = by_parameter_shift(&circuit, &params, &cotangent, i);
            assert!((expected - double[i]).abs() < GRADIENT_TOLERANCE, "n = {n}, {i}");
        }
    }
}

/// The tangent of half an angle has no bound at pi.
#[test]
fn rotations_by_pi_and_close_to_it_are_as_good_as_others() {
    let near = [PI, -PI, 3.0 * PI, PI + 1e-9, PI - 1e-5, PI + 1e-3, PI - 0.03];
    for n in [2, 5, 9, 13] {
        let mut circuit = Circuit::new(n, 0).unwrap();
        for _ in 0..2 {
            for q in 0..n {
                let next = Some(Angle::Param(circuit.n_params()));
                circuit.push(gate::Gate::Ry, &[q], next).unwrap();
                circuit.push(gate::Gate::T, &[q], None).unwrap();
            }
            for q in 1..n {
                circuit.push(gate::Gate::Cx, &[q - 1, q], None).unwrap();
            }
        }
        let params: Vec<f64> = (0..2 * n).map(|i| near[i * 3 % near.len()]).collect();
        let expected = dense(&circuit, &params);
        let double = amplitudes(&simulate::<f64>(&circuit, &params, Threads::One));
        let single = amplitudes(&simulate::<f32>(&circuit, &params, Threads::One));
        for ((e, d), s) in expected.iter().zip(double).zip(single) {
            assert!((e - d).norm() < AMPLITUDE_TOLERANCE, "n = {n}");
            let s = Complex64::new(s.re.to_f64(), s.im.to_f64());
            assert!((e - s).norm() < SINGLE_TOLERANCE, "n = {n}");
        }
        let cotangent = some_cotangent(n);
        let exact = gradient::<f64>(&circuit, &params, &cotangent, true);
        for (i, exact) in exact.iter().enumerate() {
            let expected = by_parameter_shift(&circuit, &params, &cotangent, i);
            assert!((expected - exact).abs() < GRADIENT_TOLERANCE, "n = {n}, {i}");
        }
    }
}

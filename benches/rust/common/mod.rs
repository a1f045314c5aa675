//! What the benches of circuits share.

use qhypernet_core::circuit::{Angle, Circuit, Gate};
use qhypernet_core::state::Program;

/// Layers of RY and RZ on every qubit, each followed by a chain of CX.
pub fn chain(n_qubits: usize, n_layers: usize) -> Program {
    let mut circuit = Circuit::new(n_qubits, 0).expect("at least one qubit");
    let mut push = |gate, qubits: &[usize], param| {
        circuit.push(gate, qubits, param).expect("a valid gate");
    };
    for layer in 0..n_layers {
        for q in 0..n_qubits {
            let first = 2 * (layer * n_qubits + q);
            push(Gate::Ry, &[q], Some(Angle::Param(first)));
            push(Gate::Rz, &[q], Some(Angle::Param(first + 1)));
        }
        for q in 0..n_qubits - 1 {
            push(Gate::Cx, &[q, q + 1], None);
        }
    }
    Program::new(&circuit).expect("few enough qubits")
}

/// Angles without a pattern, in radians.
pub fn angles(n: usize) -> Vec<f64> {
    (0..n).map(|i| (i as f64 * 1.7 + 0.4).sin() * 3.0).collect()
}

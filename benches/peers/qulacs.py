"""Qulacs: C++ with SIMD and OpenMP; gates may be fused beforehand."""

from __future__ import annotations

import numpy as np
import qulacs
from qulacs.circuit import QuantumCircuitOptimizer

from peers.task import Task, Work

PACKAGES = ("qulacs",)
FIXED = {
    "h": "H", "x": "X", "y": "Y", "z": "Z", "s": "S", "sdg": "Sdag", "t": "T", "tdg": "Tdag",
    "sx": "sqrtX", "sxdg": "sqrtXdag", "cx": "CNOT", "cz": "CZ", "swap": "SWAP",
}  # fmt: skip
# Rotations of qulacs turn the other way: exp(+i angle/2 P).
PAULIS = {"rx": [1], "ry": [2], "rz": [3], "rxx": [1, 1], "ryy": [2, 2], "rzz": [3, 3]}
KINDS = {*FIXED, *PAULIS}


def forward(task: Task) -> dict[str, Work]:
    task.need(KINDS)
    task.need_double()
    state = qulacs.QuantumState(task.n_qubits)

    def work(circuit: qulacs.QuantumCircuit) -> Work:
        def run() -> np.ndarray:
            state.set_zero_state()
            circuit.update_quantum_state(state)
            return state.get_vector()

        return run

    ways = {"gates as they are": work(_circuit(task, parametric=False))}
    for size in (1, 2, 3, 4):
        fused = _circuit(task, parametric=False)
        QuantumCircuitOptimizer().optimize(fused, size)
        ways[f"fused to {size} qubits"] = work(fused)
    return ways


def gradient(task: Task) -> dict[str, Work]:
    """Of the sum of all Z."""
    task.need(KINDS)
    task.need_double()
    circuit = _circuit(task, parametric=True)
    observable = qulacs.Observable(task.n_qubits)
    for qubit in range(task.n_qubits):
        observable.add_operator(1.0, f"Z {qubit}")
    diagonal = task.n_qubits - 2.0 * np.bitwise_count(np.arange(2**task.n_qubits))
    params = [gate.param for gate in task.gates if gate.param is not None]
    ket = qulacs.QuantumState(task.n_qubits)
    bra = qulacs.QuantumState(task.n_qubits)

    def by_parameter(derivatives: list[float]) -> np.ndarray:
        total = np.zeros(task.n_params)
        np.add.at(total, params, derivatives)
        return total

    def by_observable() -> np.ndarray:
        return -by_parameter(circuit.backprop(observable))

    def by_diagonal() -> np.ndarray:
        ket.set_zero_state()
        circuit.update_quantum_state(ket)
        bra.load(diagonal * ket.get_vector())
        # It differentiates <bra|ket> with the bra held fixed: half of an expectation's derivative.
        return -2 * by_parameter(circuit.backprop_inner_product(bra))

    return {"backprop, sum of Z": by_observable, "inner product, diagonal": by_diagonal}


def _circuit(task: Task, *, parametric: bool) -> qulacs.ParametricQuantumCircuit:
    circuit = qulacs.ParametricQuantumCircuit(task.n_qubits)
    for gate in task.gates:
        if gate.name in FIXED:
            getattr(circuit, f"add_{FIXED[gate.name]}_gate")(*gate.qubits)
        elif len(gate.qubits) == 1:
            kind = "parametric_" if parametric and gate.param is not None else ""
            add = getattr(circuit, f"add_{kind}{gate.name.upper()}_gate")
            add(*gate.qubits, -gate.angle)
        else:
            kind = "parametric_" if parametric and gate.param is not None else ""
            add = getattr(circuit, f"add_{kind}multi_Pauli_rotation_gate")
            add(list(gate.qubits), PAULIS[gate.name], -gate.angle)
    return circuit

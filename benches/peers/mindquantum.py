"""MindQuantum's full-state simulator: C++ with AVX and OpenMP."""

from __future__ import annotations

import mindquantum as mq
import numpy as np
import scipy.sparse
from mindquantum.core import gates as g
from mindquantum.core.circuit import Circuit
from mindquantum.core.operators import Hamiltonian, QubitOperator
from mindquantum.simulator import Simulator

from peers.task import Gate, Task, Work

PACKAGES = ("mindquantum",)
FIXED = {"h": g.H, "x": g.X, "y": g.Y, "z": g.Z, "s": g.S, "t": g.T, "swap": g.SWAP}
ROTATIONS = {
    "rx": g.RX, "ry": g.RY, "rz": g.RZ, "p": g.PhaseShift, "rxx": g.Rxx, "ryy": g.Ryy, "rzz": g.Rzz
}  # fmt: skip
KINDS = {*FIXED, *ROTATIONS, "cx", "cz"}


def forward(task: Task) -> Work:
    task.need(KINDS)
    simulator = _simulator(task)
    circuit = Circuit([_gate(gate, gate.angle) for gate in task.gates])

    def run() -> np.ndarray:
        simulator.reset()
        simulator.apply_circuit(circuit)
        return simulator.get_qs()

    return run


def gradient(task: Task) -> dict[str, Work]:
    """Of the sum of all Z."""
    task.need(KINDS)
    circuit = Circuit(
        [_gate(gate, gate.angle if gate.param is None else f"p{gate.param}") for gate in task.gates]
    )
    order = [int(name[1:]) for name in circuit.params_name]
    values = task.params[order]

    def work(hamiltonian: Hamiltonian) -> Work:
        function = _simulator(task).get_expectation_with_grad(hamiltonian, circuit)

        def run() -> np.ndarray:
            _, derivatives = function(values)
            result = np.empty(task.n_params)
            result[order] = np.real(derivatives[0, 0])
            return result

        return run

    terms = sum((QubitOperator(f"Z{qubit}") for qubit in range(task.n_qubits)), QubitOperator())
    diagonal = task.n_qubits - 2.0 * np.bitwise_count(np.arange(2**task.n_qubits))
    matrix = scipy.sparse.csr_matrix(scipy.sparse.diags(diagonal.astype(complex)))
    return {
        "sum of Z": work(Hamiltonian(terms)),
        "sparse diagonal": work(Hamiltonian(matrix)),
    }


def _simulator(task: Task) -> Simulator:
    return Simulator(
        "mqvector", task.n_qubits, dtype=mq.complex64 if task.single else mq.complex128
    )


def _gate(gate: Gate, angle: float | str | None) -> g.BasicGate:
    *controls, target = gate.qubits
    if gate.name in ("cx", "cz"):
        return (g.X if gate.name == "cx" else g.Z).on(target, controls)
    kind = FIXED.get(gate.name) or ROTATIONS[gate.name](angle)
    return kind.on(list(gate.qubits))

"""PennyLane's lightning.qubit: C++ with AVX-512 and OpenMP, called below PennyLane's tapes."""

from __future__ import annotations

import numpy as np
from pennylane_lightning import lightning_qubit_ops as ops
from pennylane_lightning.lightning_qubit_ops import algorithms, observables

from peers.task import Task, Work

PACKAGES = ("pennylane-lightning",)
NAMES = {
    "h": "Hadamard", "x": "PauliX", "y": "PauliY", "z": "PauliZ", "s": "S", "t": "T", "cx": "CNOT",
    "cz": "CZ", "swap": "SWAP", "rx": "RX", "ry": "RY", "rz": "RZ", "p": "PhaseShift",
    "rxx": "IsingXX", "ryy": "IsingYY", "rzz": "IsingZZ",
}  # fmt: skip


def forward(task: Task) -> Work:
    task.need(set(NAMES))
    state = (ops.StateVectorC64 if task.single else ops.StateVectorC128)(task.n_qubits)
    calls = [
        (getattr(state, NAMES[name]), _wires(task, qubits), [] if angle is None else [angle])
        for name, qubits, _, angle in task.gates
    ]
    result = np.empty(2**task.n_qubits, np.complex64 if task.single else np.complex128)

    def run() -> np.ndarray:
        state.resetStateVector()
        for apply, wires, angles in calls:
            apply(wires, False, angles)
        state.getState(result)
        return result

    return run


def gradient(task: Task) -> dict[str, Work]:
    """Of the sum of all Z, by the adjoint method, forward pass included."""
    task.need(set(NAMES))
    task.need_double()
    state = ops.StateVectorC128(task.n_qubits)
    gates = task.gates
    calls = [
        (getattr(state, NAMES[name]), _wires(task, qubits), [] if angle is None else [angle])
        for name, qubits, _, angle in gates
    ]
    n = len(gates)
    operations = algorithms.create_ops_listC128(
        [NAMES[gate.name] for gate in gates],
        [angles for _, _, angles in calls],
        [wires for _, wires, _ in calls],
        [False] * n,
        [np.zeros(0, complex)] * n,
        [[]] * n,
        [[]] * n,
    )
    # Which of the operations' angles are free, and which parameter each of them is.
    angles = [gate.param for gate in gates if gate.angle is not None]
    free = [i for i, param in enumerate(angles) if param is not None]
    jacobian = algorithms.AdjointJacobianC128()

    def work(observable: observables.ObservableC128) -> Work:
        def run() -> np.ndarray:
            state.resetStateVector()
            for apply, wires, values in calls:
                apply(wires, False, values)
            derivatives = jacobian(state, [observable], operations, free)
            result = np.zeros(task.n_params)
            np.add.at(result, [angles[i] for i in free], np.ravel(derivatives))
            return result

        return run

    terms = [observables.NamedObsC128("PauliZ", [wire]) for wire in range(task.n_qubits)]
    diagonal = task.n_qubits - 2.0 * np.bitwise_count(np.arange(2**task.n_qubits))
    index = np.arange(len(diagonal) + 1)
    sparse = observables.SparseHamiltonianC128(
        diagonal.astype(complex), index[:-1], index, list(range(task.n_qubits))
    )
    return {
        "sum of Z": work(observables.HamiltonianC128(np.ones(task.n_qubits), terms)),
        "sparse diagonal": work(sparse),
    }


def _wires(task: Task, qubits: tuple[int, ...]) -> list[int]:
    # Wire 0 is the most significant bit of an outcome's index.
    return [task.n_qubits - 1 - qubit for qubit in qubits]

"""PennyLane's lightning.qubit as PennyLane calls it: a tape on the device, without a QNode."""

from __future__ import annotations

import numpy as np
import pennylane as qml
from pennylane.tape import QuantumScript

from peers.task import Task, Work

PACKAGES = ("pennylane", "pennylane-lightning")
CLASSES = {
    "h": qml.Hadamard, "x": qml.X, "y": qml.Y, "z": qml.Z, "s": qml.S, "t": qml.T, "cx": qml.CNOT,
    "cz": qml.CZ, "swap": qml.SWAP, "rx": qml.RX, "ry": qml.RY, "rz": qml.RZ, "p": qml.PhaseShift,
    "rxx": qml.IsingXX, "ryy": qml.IsingYY, "rzz": qml.IsingZZ,
}  # fmt: skip


def forward(task: Task) -> Work:
    device = _device(task)
    tape = QuantumScript(_operations(task), [qml.state()])
    return lambda: device.execute(tape)


def gradient(task: Task) -> Work:
    """Of the sum of all Z, by the adjoint method."""
    device = _device(task)
    wires = range(task.n_qubits)
    observable = qml.Hamiltonian(np.ones(task.n_qubits), [qml.Z(wire) for wire in wires])
    tape = QuantumScript(_operations(task), [qml.expval(observable)])
    # Which of the angles are free, and which parameter each is; the observable's coefficients come
    # after the angles, and are not asked for.
    params = [gate.param for gate in task.gates if gate.angle is not None]
    free = [i for i, param in enumerate(params) if param is not None]
    tape.trainable_params = free

    def run() -> np.ndarray:
        result = np.zeros(task.n_params)
        np.add.at(result, [params[i] for i in free], np.ravel(device.compute_derivatives(tape)))
        return result

    return run


def _device(task: Task) -> qml.devices.Device:
    task.need(set(CLASSES))
    dtype = np.complex64 if task.single else np.complex128
    return qml.device("lightning.qubit", wires=task.n_qubits, c_dtype=dtype)


def _operations(task: Task) -> list[qml.operation.Operator]:
    # Wire 0 is the most significant bit of an outcome's index.
    return [
        CLASSES[name](
            *([] if angle is None else [angle]),
            wires=[task.n_qubits - 1 - qubit for qubit in qubits],
        )
        for name, qubits, _, angle in task.gates
    ]

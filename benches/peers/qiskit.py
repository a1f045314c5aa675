"""Qiskit's reference Statevector: NumPy and Rust, one gate after the other."""

from __future__ import annotations

import numpy as np
from qiskit import QuantumCircuit
from qiskit.quantum_info import Statevector

from peers.task import Task, Work

PACKAGES = ("qiskit",)


def forward(task: Task) -> Work:
    task.need_double()
    circuit = QuantumCircuit(task.n_qubits)
    for gate in task.gates:
        angle = [] if gate.angle is None else [gate.angle]
        getattr(circuit, gate.name)(*angle, *gate.qubits)

    def run() -> np.ndarray:
        return Statevector.from_instruction(circuit).data

    return run

"""Qevedo (qvd): Rust with AVX2 kernels and gate fusion of its own."""

from __future__ import annotations

import os

import numpy as np
from qevedo.simulator import Circuit, _statevector_bytes, statevector

from peers.task import Task, Work

PACKAGES = ("qevedo-simulator",)
# Gates whose methods take the angle before the qubits.
ROTATIONS = {"rx", "ry", "rz", "p", "rxx", "rzz"}
KINDS = {*ROTATIONS, "h", "x", "y", "z", "s", "sdg", "t", "tdg", "sx", "sxdg", "cx", "cz", "swap"}


def forward(task: Task) -> dict[str, Work]:
    task.need(KINDS)
    task.need_double()
    threads = int(os.environ["RAYON_NUM_THREADS"])
    circuit = Circuit(task.n_qubits)
    for gate in task.gates:
        angle = [gate.angle] if gate.name in ROTATIONS else []
        getattr(circuit, gate.name)(*angle, *gate.qubits)
    return {
        "statevector": lambda: statevector(circuit, threads=threads),
        # The same without the copy at its end.
        "view": lambda: np.frombuffer(_statevector_bytes(circuit, threads=threads), complex),
    }

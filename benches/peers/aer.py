"""Qiskit Aer's statevector: C++ with AVX2 and OpenMP, fused gates."""

from __future__ import annotations

import os

import numpy as np
from qiskit import QuantumCircuit, transpile
from qiskit_aer import AerSimulator
from qiskit_aer.quantum_info.states.aer_state import AerState

from peers.task import Task, Work

PACKAGES = ("qiskit-aer", "qiskit")
KINDS = {
    "h", "x", "y", "z", "s", "sdg", "t", "tdg", "sx", "sxdg", "cx", "cz", "swap",
    "rx", "ry", "rz", "p", "rxx", "ryy", "rzz",
}  # fmt: skip


def forward(task: Task) -> dict[str, Work]:
    task.need(KINDS)
    circuit = QuantumCircuit(task.n_qubits)
    for gate in task.gates:
        angle = [] if gate.angle is None else [gate.angle]
        getattr(circuit, gate.name)(*angle, *gate.qubits)
    ways = {"gate by gate": _direct(task)} if _is_simple(task) else {}
    circuit.save_statevector()
    for size in (2, 3, 5):
        ways[f"fused to {size} qubits"] = _simulator(task, circuit, size)
    return ways


def _simulator(task: Task, circuit: QuantumCircuit, fused: int) -> Work:
    simulator = AerSimulator(
        method="statevector",
        precision="single" if task.single else "double",
        max_parallel_threads=int(os.environ["OMP_NUM_THREADS"]),
        fusion_threshold=1,
        fusion_max_qubit=fused,
    )
    ready = transpile(circuit, simulator, optimization_level=0)
    return lambda: np.asarray(simulator.run(ready).result().data()["statevector"])


def _is_simple(task: Task) -> bool:
    # In single precision that state's array comes out empty.
    names = {"ry", "rz", "rx", "cx", "cz", "h", "x"}
    return not task.single and all(gate.name in names for gate in task.gates)


def _direct(task: Task) -> Work:
    """The state that Aer keeps for itself, without a job's overhead, which is milliseconds."""

    def run() -> np.ndarray:
        state = AerState(
            method="statevector",
            max_parallel_threads=int(os.environ["OMP_NUM_THREADS"]),
            fusion_enable=True,
        )
        state.allocate_qubits(task.n_qubits)
        state.initialize()
        for name, qubits, _, angle in task.gates:
            if name == "ry":
                state.apply_u(qubits[0], angle, 0.0, 0.0)
            elif name == "rx":
                state.apply_u(qubits[0], angle, -np.pi / 2, np.pi / 2)
            elif name == "rz":
                state.apply_diagonal(qubits, np.exp([-0.5j * angle, 0.5j * angle]))
            elif name == "cx":
                state.apply_mcx([qubits[0]], qubits[1])
            elif name == "cz":
                state.apply_mcphase([qubits[0]], qubits[1], np.pi)
            else:
                getattr(state, f"apply_{name}")(qubits[0])
        state.flush()
        result = state.move_to_ndarray()
        state.close()
        return result

    return run

"""Google's qsim through qsimcirq: C++ with AVX-512 and OpenMP, fused gates, single precision."""

from __future__ import annotations

import os

import cirq
import numpy as np
import qsimcirq

from peers.task import Task, UnsupportedError, Work

PACKAGES = ("qsimcirq", "cirq-core")
FIXED = {
    "h": cirq.H, "x": cirq.X, "y": cirq.Y, "z": cirq.Z, "s": cirq.S, "t": cirq.T,
    "cx": cirq.CNOT, "cz": cirq.CZ, "swap": cirq.SWAP,
}  # fmt: skip
ROTATIONS = {"rx": cirq.rx, "ry": cirq.ry, "rz": cirq.rz}
KINDS = {*FIXED, *ROTATIONS, "rzz"}


def forward(task: Task) -> dict[str, Work]:
    task.need(KINDS)
    if not task.single:
        raise UnsupportedError("single precision only")
    # cirq's first qubit is the most significant bit of an outcome's index.
    lines = [cirq.LineQubit(task.n_qubits - 1 - qubit) for qubit in range(task.n_qubits)]
    circuit = cirq.Circuit()
    for gate in task.gates:
        on = [lines[qubit] for qubit in gate.qubits]
        if gate.name in FIXED:
            circuit.append(FIXED[gate.name](*on))
        elif gate.name == "rzz":
            # Up to a global phase, which the shift puts right.
            circuit.append(cirq.ZZPowGate(exponent=gate.angle / np.pi, global_shift=-0.5)(*on))
        else:
            circuit.append(ROTATIONS[gate.name](gate.angle)(*on))
    order = sorted(lines)
    translated = qsimcirq.QSimCircuit(circuit).translate_cirq_to_qsim(order)
    translated = translated[0] if isinstance(translated, tuple) else translated

    def work(fused: int) -> Work:
        options = qsimcirq.QSimOptions(
            max_fused_gate_size=fused, cpu_threads=int(os.environ["OMP_NUM_THREADS"])
        )
        simulator = qsimcirq.QSimSimulator(options)
        # Past cirq's translation of the circuit and its wrapping of the result.
        request = {**simulator.qsim_options, "c": translated, "s": 0}
        run = simulator._sim_module.qsim_simulate_fullstate
        return lambda: run(request, 0).view(np.complex64)

    return {f"fused to {size} qubits": work(size) for size in (2, 3, 4)}

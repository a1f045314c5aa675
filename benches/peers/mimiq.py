"""MIMIQ's exaqt: Rust with SIMD; gates one by one, or fused beforehand."""

from __future__ import annotations

import mimiqcircuits as mc
import numpy as np
from exaqt import ExaqtSV

from peers.task import Gate, Task, Work

PACKAGES = ("mimiq-exaqt",)
FIXED = {
    "h": mc.GateH, "x": mc.GateX, "y": mc.GateY, "z": mc.GateZ, "s": mc.GateS, "sdg": mc.GateSDG,
    "t": mc.GateT, "tdg": mc.GateTDG, "sx": mc.GateSX, "cx": mc.GateCX, "cz": mc.GateCZ,
    "swap": mc.GateSWAP,
}  # fmt: skip
ROTATIONS = {
    "rx": mc.GateRX, "ry": mc.GateRY, "rz": mc.GateRZ, "p": mc.GateP, "rxx": mc.GateRXX,
    "ryy": mc.GateRYY, "rzz": mc.GateRZZ,
}  # fmt: skip


def forward(task: Task) -> dict[str, Work]:
    task.need({*FIXED, *ROTATIONS})
    task.need_double()
    circuit = mc.Circuit()
    for gate in task.gates:
        circuit.push(_operation(gate), *gate.qubits)
    ways = {"gate by gate": _work(task, _native(task))}
    for size in (2, 3):
        fused = mc.fuse_circuit(circuit, max_support=size, max_diagonal_support=10)
        ways[f"fused to {size} qubits"] = _work(task, _blocks(fused))
    return ways


def _work(task: Task, calls: list[tuple[str, tuple[object, ...]]]) -> Work:
    state = ExaqtSV.zero(task.n_qubits)
    bound = [(getattr(state, name), arguments) for name, arguments in calls]

    def run() -> np.ndarray:
        state.reset_to_zero()
        for apply, arguments in bound:
            apply(*arguments)
        return state.amplitudes()

    return run


def _native(task: Task) -> list[tuple[str, tuple[object, ...]]]:
    return [
        (f"apply_{name}", qubits if angle is None else (angle, *qubits))
        for name, qubits, _, angle in task.gates
    ]


def _blocks(circuit: mc.Circuit) -> list[tuple[str, tuple[object, ...]]]:
    """Fused gates, their matrices worked out."""
    calls: list[tuple[str, tuple[object, ...]]] = []
    for instruction in circuit.instructions:
        operation, qubits = instruction.operation, list(instruction.qubits)
        if isinstance(operation, mc.GateCustomDiagonal):
            calls.append(("apply_diag_kq", (operation.unwrappeddiagonal(), qubits)))
            continue
        matrix = np.ascontiguousarray(np.asarray(operation.unwrappedmatrix(), complex))
        if len(qubits) <= 2:
            calls.append((f"apply_gate_{len(qubits)}q", (matrix, *qubits)))
        else:
            calls.append(("apply_gate_kq", (matrix, qubits)))
    return calls


def _operation(gate: Gate) -> mc.Operation:
    if gate.angle is None:
        return FIXED[gate.name]()
    return ROTATIONS[gate.name](gate.angle)

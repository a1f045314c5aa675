"""A circuit's free angles one gate at a time, and which of them can matter."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from qhypernet._gates import PERMUTATIONS, PHASES
from qhypernet.circuits import Circuit, Instruction


@dataclass(frozen=True)
class Occurrences:
    """The circuit again, with a parameter of its own for each gate that has a free angle."""

    circuit: Circuit
    owners: NDArray[np.int64]
    """The parameter that each gate's angle was, shape (gates,)."""
    scales: NDArray[np.float64]
    """How many times that parameter the angle was, shape (gates,)."""
    active: NDArray[np.int64]
    """Gates whose angle can change a probability, shape (G,)."""


def occurrences(circuit: Circuit) -> Occurrences:
    """The unshared copy of a circuit, made once."""
    return _occurrences(circuit, len(circuit))


def inactive_parameters(circuit: Circuit) -> list[int]:
    """Parameters that provably change no probability, in order.

    Those of no gate, and those of phase gates alone whose turns no later gate makes a probability
    of (an RZ just before measurement), or which act where every qubit is still 0 or 1.

    Example:
        >>> import qhypernet as qh
        >>> qh.gradients.inactive_parameters(qh.ansatz.brickwork(3, 1))  # its RZs
        [3, 4, 5]
    """
    found = occurrences(circuit)
    return sorted(set(range(circuit.n_params)) - set(found.owners[found.active].tolist()))


@lru_cache(maxsize=8)
def _occurrences(circuit: Circuit, n_gates: int) -> Occurrences:
    # A circuit grows by gates alone, so the same one of the same length is the same circuit.
    del n_gates
    gates = list(circuit)
    apart = Circuit(circuit.n_qubits)
    owners, scales = [], []
    for gate in gates:
        if gate.param is not None:
            apart.append(gate.gate, *gate.qubits)
            owners.append(gate.param)
            scales.append(gate.scale)
        else:
            apart.append(gate.gate, *gate.qubits, angle=gate.angle)
    seen, sharp = _seen(circuit.n_qubits, gates), _sharp(circuit.n_qubits, gates)
    matters = [
        gate.gate not in PHASES or (is_seen and not is_sharp)
        for gate, is_seen, is_sharp in zip(gates, seen, sharp, strict=True)
        if gate.param is not None
    ]
    return Occurrences(
        apart, np.array(owners, dtype=np.int64), np.array(scales), np.flatnonzero(matters)
    )


def _seen(n_qubits: int, gates: list[Instruction]) -> list[bool]:
    """Whether a later gate could turn a phase on each gate's qubits into a probability."""
    mixed = [False] * n_qubits  # whether such a gate comes, walking from the end
    seen = []
    for gate in reversed(gates):
        seen.append(any(mixed[q] for q in gate.qubits))
        if gate.gate == "cx":  # A phase of the target's bit becomes one of both bits' parity.
            control, target = gate.qubits
            mixed[target] |= mixed[control]
        elif gate.gate == "swap":
            _exchange(mixed, gate.qubits)
        elif gate.gate not in PERMUTATIONS + PHASES:
            for q in gate.qubits:
                mixed[q] = True
    return seen[::-1]


def _sharp(n_qubits: int, gates: list[Instruction]) -> list[bool]:
    """Whether all of each gate's qubits are still 0 or 1, so that a phase is one of the state."""
    blurred = [False] * n_qubits
    sharp = []
    for gate in gates:
        sharp.append(not any(blurred[q] for q in gate.qubits))
        if gate.gate == "cx":
            control, target = gate.qubits
            blurred[target] |= blurred[control]
        elif gate.gate == "swap":
            _exchange(blurred, gate.qubits)
        elif gate.gate not in PERMUTATIONS + PHASES:
            for q in gate.qubits:
                blurred[q] = True
    return sharp


def _exchange(flags: list[bool], qubits: Iterable[int]) -> None:
    a, b = qubits
    flags[a], flags[b] = flags[b], flags[a]

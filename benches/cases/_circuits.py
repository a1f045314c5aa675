"""Circuits as plain data, and the peers that simulate them."""

from __future__ import annotations

from typing import Any

import numpy as np
from _case import OURS, Contender
from _worker import cores
from numpy.typing import NDArray

import qhypernet as qh

N_LAYERS = 4
# Rounding of a few hundred gates on amplitudes, and of 2^n of them in a gradient.
TOLERANCE = {"double": 1e-10, "single": 1e-4}


def chain(n_qubits: int, n_layers: int = N_LAYERS) -> qh.Circuit:
    """Layers of RY and RZ on every qubit and a chain of CX."""
    return qh.ansatz.hardware_efficient(n_qubits, n_layers)


def described(circuit: qh.Circuit, dtype: str = "double") -> dict[str, Any]:
    """The options of a task on this circuit."""
    gates = [[gate.gate, gate.qubits, gate.param, gate.angle] for gate in circuit]
    return {"n_qubits": circuit.n_qubits, "gates": gates, "dtype": dtype}


def angles(circuit: qh.Circuit, batch: int | None = None) -> dict[str, NDArray[np.float64]]:
    """The arrays of a task: parameters, one vector or a batch of them."""
    shape = (circuit.n_params,) if batch is None else (batch, circuit.n_params)
    rng = np.random.default_rng(circuit.n_qubits)
    return {"params": rng.uniform(-np.pi, np.pi, shape)}


def contenders(peers: tuple[str, ...]) -> tuple[Contender, ...]:
    """Ours and these; JAX shares its work out by itself, and is slow to compile it twice."""
    return (
        Contender(OURS),
        *(Contender(peer, cores() if peer == "jax" else None) for peer in peers),
    )

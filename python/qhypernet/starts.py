"""Where training starts."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from qhypernet import _check, _core
from qhypernet._gates import PERMUTATIONS, PHASES
from qhypernet.circuits import Circuit

NAMES = ("random", "near_uniform", "near_identity")
"""random: angles uniform over the circle. near_uniform: a state near the uniform superposition.
near_identity: all angles near 0."""

_SPREAD = 0.1
"""Half the width, in radians, of the interval around a start that is near something."""


_KEEP_UNIFORM = frozenset(PERMUTATIONS + PHASES)
"""Gates that permute outcomes or turn their phases: a uniform distribution stays uniform."""


def start(
    circuit: Circuit, name: str, n_inits: int, seed: int, first_init: int = 0
) -> NDArray[np.float64]:
    """Starting parameters, shape (n_inits, P), radians.

    Each initialisation draws from a stream of its own, named by seed and position, so the first ten
    of a hundred are those of ten, and ten from ``first_init = 90`` on are the last of them.

    Raises:
        ValueError: An unknown name, or "near_uniform" for a circuit in which some qubit has no free
            RX or RY to turn it into a superposition, nor an H.
    """
    _check.choice("start", name, NAMES)
    around = 2 * _core.uniforms(seed, first_init, n_inits, circuit.n_params) - 1
    if name == "random":
        return math.pi * around
    centre = _uniform(circuit) if name == "near_uniform" else np.zeros(circuit.n_params)
    return centre + _SPREAD * around


def _uniform(circuit: Circuit) -> NDArray[np.float64]:
    """Parameters at which all outcomes are equally probable.

    The first gate that can tilt a qubit makes it an equal superposition; permutations and phases
    keep the distribution uniform, and all other angles are 0.
    """
    params = np.zeros(circuit.n_params)
    tilted: set[int] = set()
    others = []
    for gate in circuit:
        qubit = gate.qubits[0]
        free = gate.gate in ("rx", "ry") and gate.param is not None and gate.scale != 0
        if qubit not in tilted and (free or gate.gate in ("h", "sx", "sxdg")):
            tilted.add(qubit)
            if gate.param is not None:
                params[gate.param] = math.pi / 2 / gate.scale
        else:
            others.append(gate)
    expected = "start: expected a free rx or ry, or an h, on every qubit for 'near_uniform'"
    if missing := sorted(set(range(circuit.n_qubits)) - tilted):
        raise ValueError(f"{expected}, got none on qubits {missing}; use another start")
    for gate in others:
        angle = gate.angle if gate.param is None else gate.scale * params[gate.param]
        if gate.gate not in _KEEP_UNIFORM and angle != 0:
            raise ValueError(
                f"{expected} and nothing after it that turns it back, got {gate.gate} on qubits "
                f"{list(gate.qubits)}; use another start"
            )
    return params

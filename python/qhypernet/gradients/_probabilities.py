"""Objectives that are worked out in NumPy from the probabilities of all outcomes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qhypernet import _core
from qhypernet.circuits import Circuit
from qhypernet.gradients._base import Evaluation, Term

_BLOCK_BYTES = 2**26
_TABLES = 8
"""Tables of 2**n numbers for each row that a divergence may hold at a time."""


def from_probabilities(circuit: Circuit, term: Term, params: NDArray[np.float64]) -> Evaluation:
    """Value and gradient of any function of the probabilities, for every row of ``params``.

    Circuit to q, q to value and cotangent in NumPy, cotangent back to angles: in blocks of rows, so
    that memory stays bounded. A row whose value or cotangent is not finite has a gradient of NaN.
    """
    row = 8 * 2**circuit.n_qubits
    _core.check_memory("an objective of all outcomes", _TABLES * row)
    at_once = max(1, _BLOCK_BYTES // (_TABLES * row))
    blocks = [
        _block(circuit, term, params[first : first + at_once])
        for first in range(0, len(params), at_once)
    ]
    return Evaluation(*(np.concatenate(parts) for parts in zip(*blocks, strict=True)))


def _block(
    circuit: Circuit, term: Term, params: NDArray[np.float64]
) -> tuple[NDArray[np.float64], ...]:
    state = circuit.simulate(params)
    q = state.probabilities()
    value, slope = term.objective.value_and_cotangent(q, term.target)
    if np.shape(value) != (len(q),) or np.shape(slope) != q.shape:
        raise ValueError(
            f"objective: expected values of shape {(len(q),)} and cotangents of shape {q.shape} "
            f"from {term.objective!r}, got {np.shape(value)} and {np.shape(slope)}"
        )
    cotangent = term.weight * slope
    if term.objective.has_expected_nll:
        cotangent = cotangent + term.target.cost
    # psi * f is 0 where psi is, and a constant has no gradient, but its rounding errors would.
    cotangent = np.where(q > 0, cotangent, 0.0)
    lost = ~(np.isfinite(value) & np.isfinite(cotangent).all(axis=1))
    cotangent[lost] = 0.0
    cotangent -= (q * cotangent).sum(axis=1, keepdims=True)
    gradient = state.gradient(cotangent)
    gradient[lost] = np.nan
    # Not q @ cost: how a matrix product rounds depends on the other rows, and on BLAS's threads.
    nll = (q * term.target.cost).sum(axis=1)
    return nll, term.weight * np.asarray(value), gradient

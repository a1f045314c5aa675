"""Gradient descent on a batch of initialisations, each on its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qhypernet.baselines._base import Floats
from qhypernet.optimizers import Rule


class Step(NamedTuple):
    """An objective at the parameters of b initialisations."""

    expected_nll: Floats
    """E_q[C] in nats, shape (b,)."""
    regularizer: Floats
    """beta * KL(q || prior) in nats, shape (b,)."""
    gradient: Floats
    """Derivatives of the sum, shape (b, P)."""


class Descent(NamedTuple):
    """Where it ended."""

    params: Floats
    history: dict[str, Floats]
    failed: NDArray[np.bool_]


def descend(
    evaluate: Callable[[Floats, int], Step],
    params: Floats,
    optimizer: Rule,
    n_steps: int,
    project: Callable[[Floats], Floats] = lambda params: params,
) -> Descent:
    """Takes ``n_steps`` steps; a row that is no longer finite stays where it last was finite.

    Args:
        evaluate: Objective and gradient at parameters (b, P) and a step.
        params: Where to start, shape (b, P).
        optimizer: The optimiser.
        n_steps: Number of steps.
        project: Brings parameters back to where they may be, after each step.
    """
    names = ("objective", "expected_nll", "regularizer", "gradient_norm")
    history = {name: np.full((len(params), n_steps), np.nan) for name in names}
    failed = np.zeros(len(params), dtype=bool)
    state = optimizer.start(params)
    for step in range(n_steps):
        found = evaluate(params, step)
        norm = np.sqrt((found.gradient**2).sum(axis=1))
        objective = found.expected_nll + found.regularizer
        moved, state = optimizer.step(params, found.gradient, state, step, n_steps)
        failed |= ~(np.isfinite(moved).all(axis=1) & np.isfinite(objective))
        columns = (objective, found.expected_nll, found.regularizer, norm)
        for name, column in zip(names, columns, strict=True):
            history[name][~failed, step] = column[~failed]
        params = np.where(failed[:, None], params, project(moved))
    return Descent(params, history, failed)

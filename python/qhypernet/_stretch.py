"""Several steps of training in one call of the core, and nothing of Python's between them."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from qhypernet import _core, schedules
from qhypernet.circuits import Circuit
from qhypernet.gradients import Gradient
from qhypernet.objectives import Objective
from qhypernet.optimizers import Adam, Arrays, Optimizer

MOST = 2**20
"""Steps of a call at most; if only 1, each step is left to Python."""
# Long enough that a call costs nothing beside it, short enough for a progress bar and Ctrl-C.
_SECONDS = 0.05
_FASTER = 4


@dataclass
class Stretches:
    """Steps of Adam that the core can take by itself. How many it takes at once changes no bit."""

    circuit: Circuit
    problem: _core.Problem
    objective: Objective
    bandwidths: list[float]
    shots: int | None
    optimizer: Adam
    n_steps: int
    seed: int
    first_init: int
    _length: int = field(default=1, init=False)

    def take(
        self,
        params: NDArray[np.float64],
        state: Arrays,
        history: NDArray[np.float64],
        done: int,
        at_most: int,
    ) -> int:
        """Takes some steps from the one after ``done`` on.

        Args:
            params: Angles of all initialisations, shape (n_inits, P); written over.
            state: Adam's running means; written over.
            history: What is remembered of all steps, shape (n_steps, 4, n_inits); the rows of these
                steps are written.
            done: Steps so far.
            at_most: Where to stop, counted from ``done``.

        Returns:
            How many; 0, and nothing changed, where Python is to take the next one, because an
            initialisation would have to be set aside.
        """
        if MOST < 2:
            return 0
        n = min(self._length, MOST, at_most)
        steps, began = range(done, done + n), time.perf_counter()
        are_finite = _core.descend(
            self.circuit._core,
            self.problem,
            params,
            self.objective.divergence,
            self.bandwidths,
            [schedules.at(self.objective.weight, step, self.n_steps) for step in steps],
            self.shots,
            self.seed,
            self.first_init,
            done,
            state["mean"],
            state["square"],
            self.optimizer.beta1,
            self.optimizer.beta2,
            self.optimizer.epsilon,
            [self.optimizer.move(step, self.n_steps) for step in steps],
            history[done : done + n],
        )
        if not are_finite:
            self._length = 1
            return 0
        in_time = _SECONDS * n / max(time.perf_counter() - began, 1e-9)
        self._length = max(1, min(_FASTER * n, int(in_time)))
        return n


def stretches(
    circuit: Circuit,
    problem: _core.Problem,
    objective: Objective,
    gradient: Gradient,
    optimizer: Optimizer,
    *,
    n_steps: int,
    seed: int,
    first_init: int,
) -> Stretches | None:
    """A training's stretches, or None if its steps need Python."""
    found = gradient.in_core()
    # What derives from Adam may move in a way of its own.
    if found is None or type(optimizer) is not Adam:
        return None
    if not (objective.divergence and objective.has_expected_nll):
        return None
    bandwidths = list(objective.bandwidths(circuit.n_qubits))
    return Stretches(
        circuit, problem, objective, bandwidths, found.shots, optimizer, n_steps, seed, first_init
    )

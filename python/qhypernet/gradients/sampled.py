"""From a finite number of shots, drawn from the simulated state."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qhypernet import _check, _core
from qhypernet.circuits import Circuit
from qhypernet.gradients._base import Evaluation, Gradient, InCore, Term
from qhypernet.objectives import Objective


@dataclass(frozen=True)
class Sampled(Gradient):
    """Score function with a leave-one-out baseline: unbiased at any number of shots from 3 on.

    Objective and regulariser are estimates from the same shots; the MMD's is unbiased and can be
    negative. Shots come from the stream (seed, initialisation, step).
    """

    name = "sampled"
    min_shots = 3

    shots: int

    def __post_init__(self) -> None:
        _check.integer("shots", self.shots, self.min_shots)

    @classmethod
    def refusal(cls, objective: Objective) -> str:
        """Divergences whose score-function estimate would be biased."""
        return "" if objective.divergence else "it has no unbiased estimate from one set of shots"

    def settings(self, circuit: Circuit) -> int:
        """One."""
        del circuit
        return 1

    def in_core(self) -> InCore | None:
        """From so many shots; what derives from this may do it in a way of its own."""
        return InCore(self.shots) if type(self) is Sampled else None

    def __call__(
        self,
        circuit: Circuit,
        problem: _core.Problem,
        term: Term,
        params: NDArray[np.float64],
        *,
        seed: int,
        step: int,
        first_init: int = 0,
    ) -> Evaluation:
        """Evaluates the objective for every row of ``params``."""
        found = _core.evaluate(
            circuit._core,
            problem,
            params,
            term.objective.divergence,
            term.bandwidths,
            term.weight,
            self.shots,
            seed,
            first_init,
            step,
        )
        return Evaluation(*found)

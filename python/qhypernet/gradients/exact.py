"""From the whole outcome distribution."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qhypernet import _core
from qhypernet.circuits import Circuit
from qhypernet.gradients._base import Evaluation, Gradient, InCore, Term
from qhypernet.gradients._probabilities import from_probabilities
from qhypernet.objectives import Objective


@dataclass(frozen=True)
class Exact(Gradient):
    """One forward and one adjoint pass for each parameter vector; no randomness."""

    name = "exact"

    @classmethod
    def refusal(cls, objective: Objective) -> str:
        """Nothing: it has q of every outcome."""
        del objective
        return ""

    def settings(self, circuit: Circuit) -> int:
        """None."""
        del circuit
        return 0

    def in_core(self) -> InCore | None:
        """From the whole distribution; what derives from this may do it in a way of its own."""
        return InCore(shots=None) if type(self) is Exact else None

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
        del seed, step, first_init
        core = term.objective.divergence
        if not core:
            return from_probabilities(circuit, term, params)
        found = _core.evaluate(circuit._core, problem, params, core, term.bandwidths, term.weight)
        return Evaluation(*found)

"""From the whole outcome distribution."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qhypernet import _core
from qhypernet.gradients._base import Evaluation, Term


@dataclass(frozen=True)
class Exact:
    """One forward and one adjoint pass for each parameter vector; no randomness."""

    def __call__(
        self,
        circuit: _core.Circuit,
        problem: _core.Problem,
        term: Term,
        params: NDArray[np.float64],
        *,
        seed: int,
        step: int,
    ) -> Evaluation:
        """Evaluates the objective for every row of ``params``."""
        del seed, step
        expected, divergence, gradient = _core.evaluate_exact(
            circuit, problem, params, term.divergence, list(term.bandwidths), term.weight
        )
        return Evaluation(expected, term.weight * divergence, gradient)

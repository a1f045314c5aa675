"""What every gradient gives the training loop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from qhypernet import _core
from qhypernet.circuits import Circuit
from qhypernet.objectives import Objective, Target


@dataclass(frozen=True)
class Evaluation:
    """An objective for a batch of B parameter vectors, all in nats."""

    expected_nll: NDArray[np.float64]
    """E_q[C], shape (B,)."""
    regularizer: NDArray[np.float64]
    """weight * D(q, prior), shape (B,)."""
    gradient: NDArray[np.float64]
    """Derivatives of the sum of both, shape (B, P)."""


@dataclass(frozen=True)
class Term:
    """An objective at one step."""

    objective: Objective
    target: Target
    weight: float
    """The objective's weight at this step."""

    @property
    def bandwidths(self) -> list[float]:
        """Those of the objective's kernel."""
        return list(self.objective.bandwidths(self.target.prior.n))


class Gradient(Protocol):
    """A way to evaluate objectives."""

    def __call__(
        self,
        circuit: Circuit,
        problem: _core.Problem,
        term: Term,
        params: NDArray[np.float64],
        *,
        seed: int,
        step: int,
    ) -> Evaluation:
        """Evaluates the objective for every row of ``params``, shape (B, P)."""

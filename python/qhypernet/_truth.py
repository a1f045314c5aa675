"""The distance to the exact posterior on the way."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from qhypernet.circuits import Circuit
from qhypernet.posterior import exact_posterior
from qhypernet.priors import BernoulliPrior

_BLOCK_BYTES = 2**26
DISTANCES = ("kl", "total_variation")


def distributions(circuit: Circuit, params: NDArray[np.float64]) -> Iterator[NDArray[np.float64]]:
    """Distributions at ``params`` (B, P) in blocks of shape (m, 2**n) that take little memory."""
    at_once = max(1, _BLOCK_BYTES // 2 ** (circuit.n_qubits + 3))
    for first in range(0, len(params), at_once):
        yield circuit.simulate(params[first : first + at_once]).probabilities()


class GroundTruth:
    """Distances to the exact posterior at every ``every``-th step, from 0, and after the last."""

    def __init__(self, table: NDArray[np.float64], prior: BernoulliPrior, every: int) -> None:
        self._posterior = exact_posterior(table, prior)
        self._every = every
        self.steps: list[int] = []
        self.values: list[NDArray[np.float64]] = []
        """At each of the steps, shape (distances, n_inits)."""

    def next(self, step: int) -> int:
        """The next step after ``step`` at which it is time."""
        return step + self._every - step % self._every

    def look(
        self, circuit: Circuit, params: NDArray[np.float64], step: int, *, last: bool = False
    ) -> None:
        """Looks at the distributions after ``step`` updates, if it is time."""
        if (step % self._every and not last) or step in self.steps[-1:]:
            return
        blocks = [
            [self._posterior.kl_from(q), self._posterior.total_variation(q)]
            for q in distributions(circuit, params)
        ]
        self.steps.append(step)
        self.values.append(np.concatenate(blocks, axis=1))

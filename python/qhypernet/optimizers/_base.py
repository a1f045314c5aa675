"""What every optimiser gives the training loop."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, TypeAlias

import numpy as np
from numpy.typing import NDArray

from qhypernet.schedules import Schedule

Floats: TypeAlias = NDArray[np.float64]
Arrays: TypeAlias = dict[str, Floats]
"""Arrays by name, first axis B."""


class Descent(ABC):
    """A batch of B parameter vectors on their way down, each on its own."""

    arrays: Arrays
    """All that is needed to go on from here; first axis B."""
    finished: NDArray[np.bool_]
    """Rows that have nowhere better to go, shape (B,)."""

    @abstractmethod
    def step(self, params: Floats, objective: Floats, gradient: Floats, step: int) -> Floats:
        """Where to look next.

        Args:
            params: Where objective and gradient were found, shape (B, P).
            objective: Values (B,). Those of a row that has failed are NaN from then on.
            gradient: Derivatives (B, P).
            step: Counts from 0.
        """

    @abstractmethod
    def resume(self, arrays: Arrays, steps: int) -> None:
        """Goes on from ``arrays`` as they were after so many steps."""

    def forget(self, rows: NDArray[np.bool_]) -> None:
        """Some rows have failed: what is remembered of them must not spread."""
        del rows

    def result(self, params: Floats) -> Floats:
        """The parameters to keep, where those to look at next are ``params``."""
        return params


class Optimizer(ABC):
    """A way down. Its ``repr`` shows all that decides the result."""

    name: ClassVar[str]
    is_noise_proof: ClassVar[bool] = True
    """Whether objective and gradient may be estimates, and change their weights on the way."""

    @property
    def rate(self) -> float | Schedule | None:
        """The learning rate, if there is one."""
        return None

    @abstractmethod
    def begin(self, params: Floats, n_steps: int) -> Descent:
        """Begins at ``params``, shape (B, P), for at most ``n_steps`` steps."""


class Rule(Optimizer):
    """An optimiser that moves by the gradient alone."""

    learning_rate: float | Schedule

    @property
    def rate(self) -> float | Schedule:
        """The learning rate."""
        return self.learning_rate

    def begin(self, params: Floats, n_steps: int) -> Descent:
        """Begins at ``params``, shape (B, P), for ``n_steps`` steps."""
        return _ByRule(self, params, n_steps)

    @abstractmethod
    def start(self, params: Floats) -> Arrays:
        """The state before the first step: arrays, so that it can be saved."""

    @abstractmethod
    def step(
        self, params: Floats, gradient: Floats, state: Arrays, step: int, n_steps: int
    ) -> tuple[Floats, Arrays]:
        """The next parameters and state; ``step`` counts from 0.

        The state's arrays are written over: at a hundred starts of a small circuit, taking new ones
        would cost as much as the arithmetic.
        """


class _ByRule(Descent):
    def __init__(self, rule: Rule, params: Floats, n_steps: int) -> None:
        self._rule, self._n_steps = rule, n_steps
        self.arrays = rule.start(params)
        self.finished = np.zeros(len(params), dtype=bool)

    def step(self, params: Floats, objective: Floats, gradient: Floats, step: int) -> Floats:
        del objective
        moved, self.arrays = self._rule.step(params, gradient, self.arrays, step, self._n_steps)
        return moved

    def resume(self, arrays: Arrays, steps: int) -> None:
        del steps
        self.arrays = arrays

    def forget(self, rows: NDArray[np.bool_]) -> None:
        for values in self.arrays.values():
            values[rows] = 0.0

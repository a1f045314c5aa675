"""Gradient descent with momentum."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qhypernet import _check, schedules
from qhypernet.optimizers._base import Arrays, Floats, Rule
from qhypernet.schedules import Schedule


@dataclass(frozen=True)
class SGD(Rule):
    """Stochastic gradient descent with momentum: ``v = momentum v + g``, ``theta -= rate v``.

    Polyak 1964 (USSR Comput. Math. Math. Phys. 4, 1). Objectives are in nats of the whole data set,
    so gradients are large and rates small. With ``gradient="spsa"`` it is Spall's optimiser.

    Args:
        learning_rate: A number above 0 or a :class:`Schedule`.
        momentum: From 0 to below 1.

    Example:
        >>> import qhypernet as qh
        >>> qh.SGD(0.01, momentum=0.9)
        SGD(learning_rate=0.01, momentum=0.9)
    """

    name = "sgd"

    learning_rate: float | Schedule = 0.001
    momentum: float = 0.9

    def __post_init__(self) -> None:
        rate = schedules.checked("learning_rate", self.learning_rate, above=0)
        object.__setattr__(self, "learning_rate", rate)
        _check.number("momentum", self.momentum, minimum=0, below=1)

    def start(self, params: Floats) -> Arrays:
        """No velocity."""
        return {"velocity": np.zeros_like(params)}

    def step(
        self, params: Floats, gradient: Floats, state: Arrays, step: int, n_steps: int
    ) -> tuple[Floats, Arrays]:
        """The next parameters and state."""
        velocity = state["velocity"]
        velocity *= self.momentum
        velocity += gradient
        return params - schedules.at(self.learning_rate, step, n_steps) * velocity, state

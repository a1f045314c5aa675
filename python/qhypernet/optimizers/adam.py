"""Adam."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from qhypernet import _check, _core, schedules
from qhypernet.optimizers._base import Arrays, Floats, Rule
from qhypernet.schedules import Schedule


@dataclass(frozen=True)
class Adam(Rule):
    """Adam (Kingma & Ba 2015, arXiv 1412.6980).

    Args:
        learning_rate: A number above 0 or a :class:`Schedule`.
        beta1: Decay of the gradient's running mean.
        beta2: Decay of the running mean of its square.
        epsilon: Keeps the step finite where gradients vanish.

    Example:
        >>> import qhypernet as qh
        >>> qh.Adam(0.1).learning_rate
        0.1
    """

    name = "adam"

    learning_rate: float | Schedule = 0.1
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8

    def __post_init__(self) -> None:
        rate = schedules.checked("learning_rate", self.learning_rate, above=0)
        object.__setattr__(self, "learning_rate", rate)
        _check.number("beta1", self.beta1, minimum=0, below=1)
        _check.number("beta2", self.beta2, minimum=0, below=1)
        _check.number("epsilon", self.epsilon, above=0)

    def start(self, params: Floats) -> Arrays:
        """No running means."""
        return {"mean": np.zeros_like(params), "square": np.zeros_like(params)}

    def move(self, step: int, n_steps: int) -> tuple[float, float]:
        """What a step multiplies the mean and the square's root by: both lack some at first."""
        rate = schedules.at(self.learning_rate, step, n_steps) / (1 - self.beta1 ** (step + 1))
        return rate, 1 / math.sqrt(1 - self.beta2 ** (step + 1))

    def step(
        self, params: Floats, gradient: Floats, state: Arrays, step: int, n_steps: int
    ) -> tuple[Floats, Arrays]:
        """The next parameters and state."""
        rate, scale = self.move(step, n_steps)
        moved = _core.adam_step(
            params,
            np.ascontiguousarray(gradient, dtype=np.float64),
            state["mean"],
            state["square"],
            self.beta1,
            self.beta2,
            self.epsilon,
            rate,
            scale,
        )
        return moved, state

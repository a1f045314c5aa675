"""What the divergences to the prior have in common."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np

from qhypernet import schedules
from qhypernet.objectives._base import Floats, Objective, Target
from qhypernet.schedules import Schedule


class PriorDivergence(Objective):
    """``E_q[C] + weight * D(q, prior)``.

    Args:
        weight: Nats per unit of D, at least 0: a number or a :class:`Schedule`.
    """

    def __init__(self, weight: float | Schedule = 1.0) -> None:
        self._weight = schedules.checked("weight", weight, minimum=0)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(weight={self._weight})"

    @property
    def weight(self) -> float | Schedule:
        """Nats per unit of D."""
        return self._weight

    def value_and_cotangent(self, q: Floats, target: Target) -> tuple[Floats, Floats]:
        """D and dD/dq, values (B,) and cotangents (B, 2**n), of q (B, 2**n)."""
        return self.between(q, target.prior_probabilities)

    @abstractmethod
    def between(self, q: Floats, p: Floats) -> tuple[Floats, Floats]:
        """D(q, p) and dD/dq of distributions q (B, N) and p (N,); cotangent 0 where q is 0."""


def safe_log(values: Floats) -> Floats:
    """log, with 0 in the place of log 0."""
    return np.asarray(np.log(np.where(values > 0, values, 1.0)))


def where_possible(q: Floats, values: Floats) -> Floats:
    """A cotangent with 0 where q is 0: psi * f is 0 there, whatever the limit of f."""
    return np.where(q > 0, values, 0.0)

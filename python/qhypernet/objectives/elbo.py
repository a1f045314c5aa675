"""The evidence lower bound."""

from __future__ import annotations

from qhypernet import schedules
from qhypernet.objectives._base import Objective
from qhypernet.schedules import Schedule


class ELBO(Objective):
    """``E_q[C] + beta * KL(q || prior)``: with beta = 1, minus the evidence lower bound.

    Then ``log p(D) + objective = KL(q || posterior)``, so the exact posterior is its minimiser. It
    needs log q, which only a simulation has.

    Args:
        beta: Weight of the KL, at least 0: a number or a :class:`Schedule` (above 1 is a tempered,
            hotter posterior that is easier to find).

    Example:
        >>> import qhypernet as qh
        >>> qh.ELBO(beta=qh.Schedule(50, 1))
        ELBO(beta=50 to 1 (geometric))
    """

    name = "elbo"
    divergence = "kl"

    def __init__(self, beta: float | Schedule = 1.0) -> None:
        self.beta = schedules.checked("beta", beta, minimum=0)

    def __repr__(self) -> str:
        return f"ELBO(beta={self.beta})"

    @property
    def weight(self) -> float | Schedule:
        """beta."""
        return self.beta

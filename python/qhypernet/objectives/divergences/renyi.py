"""The Rényi divergence."""

from __future__ import annotations

import numpy as np

from qhypernet import _check
from qhypernet.objectives._base import Floats
from qhypernet.objectives.divergences._base import PriorDivergence, safe_log, where_possible
from qhypernet.schedules import Schedule


class Renyi(PriorDivergence):
    """``D_a(q, p) = log(sum_w q^a p^(1-a)) / (a - 1)`` in nats (Rényi 1961).

    Cotangent ``a/(a-1) q^(a-1) p^(1-a) / sum q^a p^(1-a)``; for a < 1/2 it pulls without bound
    where q goes to 0. As a goes to 1 it becomes KL(q, p), which :class:`ELBO` has.

    Args:
        weight: Nats per nat, at least 0: a number or a :class:`Schedule`.
        alpha: The order a, above 0 and not 1.

    Example:
        >>> import numpy as np, qhypernet as qh
        >>> half = qh.Renyi(alpha=0.5)
        >>> half.between(np.array([[1.0, 0.0]]), np.array([0.25, 0.75]))[0].round(4)
        array([1.3863])
    """

    name = "renyi"

    def __init__(self, weight: float | Schedule = 1.0, alpha: float = 0.5) -> None:
        super().__init__(weight)
        self.alpha = _check.number("alpha", alpha, above=0)
        if self.alpha == 1:
            raise ValueError("alpha: expected an order other than 1, got 1; that one is ELBO")

    def __repr__(self) -> str:
        return f"Renyi(weight={self._weight}, alpha={self.alpha})"

    def between(self, q: Floats, p: Floats) -> tuple[Floats, Floats]:
        """D_alpha(q, p) and its cotangent."""
        a, log_p = self.alpha, safe_log(p)
        both = (q > 0) & (p > 0)
        terms = np.where(both, a * safe_log(q) + (1 - a) * log_p, -np.inf)
        largest = terms.max(axis=1, keepdims=True)
        floor = np.where(np.isfinite(largest), largest, 0.0)
        with np.errstate(divide="ignore", over="ignore"):
            log_sum = floor + np.log(np.exp(terms - floor).sum(axis=1, keepdims=True))
            value = log_sum[:, 0] / (a - 1)
            power = np.where(both, (a - 1) * (safe_log(q) - log_p) - log_sum, -np.inf)
            slope = a / (a - 1) * np.exp(power)
        if a > 1:  # Mass where the prior has none.
            value = np.where(((q > 0) & (p <= 0)).any(axis=1), np.inf, value)
        return value, where_possible(q, slope)

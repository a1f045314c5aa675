"""The Jensen-Shannon divergence."""

from __future__ import annotations

from qhypernet.objectives._base import Floats
from qhypernet.objectives.divergences._base import PriorDivergence, safe_log, where_possible


class JensenShannon(PriorDivergence):
    """``JS(q, p) = (KL(q, m) + KL(p, m)) / 2``, m = (q + p) / 2, in nats (Lin 1991).

    Cotangent ``log(2q / (p + q)) / 2``. It is finite for all q and p, at most log 2.

    Args:
        weight: Nats per nat, at least 0: a number or a :class:`Schedule`.

    Example:
        >>> import numpy as np, qhypernet as qh
        >>> qh.JensenShannon().between(np.array([[1.0, 0.0]]), np.array([0.0, 1.0]))[0].round(4)
        array([0.6931])
    """

    name = "jensen_shannon"

    def between(self, q: Floats, p: Floats) -> tuple[Floats, Floats]:
        """JS(q, p) and its cotangent."""
        log_mean = safe_log((q + p) / 2)
        excess = safe_log(q) - log_mean
        value = (q * excess).sum(axis=1) + (p * (safe_log(p) - log_mean)).sum(axis=1)
        return value / 2, where_possible(q, excess / 2)

"""The Kullback-Leibler divergence the other way round."""

from __future__ import annotations

import numpy as np

from qhypernet.objectives._base import Floats
from qhypernet.objectives.divergences._base import PriorDivergence, safe_log, where_possible


class ForwardKL(PriorDivergence):
    """``KL(p, q) = sum_w p log(p / q)`` in nats; cotangent ``-p / q`` (Kullback & Leibler 1951).

    It covers the prior's mass instead of seeking a mode, and is infinite where q = 0 < p: start
    from "near_uniform"; a start at a state with impossible outcomes is set aside.

    Args:
        weight: Nats per nat, at least 0: a number or a :class:`Schedule`.

    Example:
        >>> import numpy as np, qhypernet as qh
        >>> value, f = qh.ForwardKL().between(np.array([[0.5, 0.5]]), np.array([0.25, 0.75]))
        >>> value.round(4), f
        (array([0.1308]), array([[-0.5, -1.5]]))
    """

    name = "forward_kl"

    def between(self, q: Floats, p: Floats) -> tuple[Floats, Floats]:
        """KL(p, q) and its cotangent."""
        lost = ((q <= 0) & (p > 0)).any(axis=1)
        ratios = np.divide(p, q, out=np.zeros_like(q), where=q > 0)
        value = (p * (safe_log(p) - safe_log(q))).sum(axis=1)
        return np.where(lost, np.inf, value), where_possible(q, -ratios)

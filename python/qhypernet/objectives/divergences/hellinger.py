"""The squared Hellinger distance."""

from __future__ import annotations

import numpy as np

from qhypernet.objectives._base import Floats
from qhypernet.objectives.divergences._base import PriorDivergence, where_possible


class SquaredHellinger(PriorDivergence):
    """``H^2(q, p) = 1 - sum_w sqrt(q p)``, from 0 to 1; cotangent ``-sqrt(p / q) / 2``.

    Hellinger 1909; see Le Cam 1986. In amplitudes it is the overlap of two states of real, positive
    amplitudes.

    Args:
        weight: Nats per unit, at least 0: a number or a :class:`Schedule`.

    Example:
        >>> import numpy as np, qhypernet as qh
        >>> qh.SquaredHellinger().between(np.array([[1.0, 0.0]]), np.array([0.25, 0.75]))
        (array([0.5]), array([[-0.25,  0.  ]]))
    """

    name = "hellinger"

    def between(self, q: Floats, p: Floats) -> tuple[Floats, Floats]:
        """H^2(q, p) and its cotangent."""
        ratios = np.divide(p, q, out=np.zeros_like(q), where=q > 0)
        return 1 - np.sqrt(q * p).sum(axis=1), where_possible(q, -np.sqrt(ratios) / 2)

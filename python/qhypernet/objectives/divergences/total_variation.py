"""The total variation distance."""

from __future__ import annotations

import numpy as np

from qhypernet.objectives._base import Floats
from qhypernet.objectives.divergences._base import PriorDivergence, where_possible


class TotalVariation(PriorDivergence):
    """``TV(q, p) = sum_w |q - p| / 2``, from 0 to 1; cotangent ``sign(q - p) / 2``.

    A subgradient: where q = p it is 0, and near there training with a constant learning rate
    hovers. See Levin, Peres & Wilmer, Markov Chains and Mixing Times, section 4.1.

    Args:
        weight: Nats per unit, at least 0: a number or a :class:`Schedule`.

    Example:
        >>> import numpy as np, qhypernet as qh
        >>> qh.TotalVariation().between(np.array([[0.5, 0.5]]), np.array([0.25, 0.75]))
        (array([0.25]), array([[ 0.5, -0.5]]))
    """

    name = "total_variation"

    def between(self, q: Floats, p: Floats) -> tuple[Floats, Floats]:
        """TV(q, p) and a subgradient."""
        difference = q - p
        return abs(difference).sum(axis=1) / 2, where_possible(q, np.sign(difference) / 2)

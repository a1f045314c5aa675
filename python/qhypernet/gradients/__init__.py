"""How an objective and its gradient are found, one way a file."""

from __future__ import annotations

from qhypernet import _check
from qhypernet.gradients._base import Evaluation, Gradient
from qhypernet.gradients.exact import Exact
from qhypernet.gradients.sampled import Sampled
from qhypernet.objectives import Objective

__all__ = ["Evaluation", "Exact", "Gradient", "Sampled", "named"]


def named(name: str, shots: int | None, objective: Objective) -> Gradient:
    """The gradient of that name: "exact" takes no shots, "sampled" needs them.

    Raises:
        ValueError: No such gradient, shots that do not fit it, or an objective that it cannot do.
    """
    if _check.choice("gradient", name, ("exact", "sampled")) == "exact":
        if shots is not None:
            raise ValueError(f'shots: expected None with gradient="exact", got {shots}')
        return Exact()
    if shots is None:
        raise ValueError('shots: expected a number of shots with gradient="sampled", got None')
    if not objective.divergence:
        kind = type(objective).__name__
        raise ValueError(f'gradient: expected "exact" with {kind}, got "{name}"')
    return Sampled(shots)

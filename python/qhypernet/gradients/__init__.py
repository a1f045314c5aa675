"""How an objective and its gradient are found, one way a file."""

from __future__ import annotations

from qhypernet import _check
from qhypernet.gradients._base import Evaluation, Gradient
from qhypernet.gradients._occurrences import inactive_parameters
from qhypernet.gradients.exact import Exact
from qhypernet.gradients.parameter_shift import ParameterShift
from qhypernet.gradients.sampled import Sampled
from qhypernet.gradients.spsa import SPSA
from qhypernet.objectives import Objective

GRADIENTS: dict[str, type[Gradient]] = {
    gradient.name: gradient for gradient in (Exact, Sampled, ParameterShift, SPSA)
}
"""The gradients by name."""

__all__ = [
    "GRADIENTS",
    "SPSA",
    "Evaluation",
    "Exact",
    "Gradient",
    "ParameterShift",
    "Sampled",
    "chosen",
    "inactive_parameters",
]


def chosen(gradient: str | Gradient, shots: int | None, objective: Objective) -> Gradient:
    """A gradient by name, with shots where it measures, or as it is.

    Raises:
        ValueError: No such gradient, shots that do not fit it, or an objective that it cannot do.
    """
    if isinstance(gradient, Gradient):
        if shots is not None:
            raise ValueError(f"shots: expected None with {gradient!r}, which has them, got {shots}")
        found = gradient
    else:
        found = _named(_check.choice("gradient", gradient, GRADIENTS), shots)
    if reason := found.refusal(objective):
        able = [f'"{name}"' for name, other in GRADIENTS.items() if not other.refusal(objective)]
        raise ValueError(
            f"gradient: expected {' or '.join(able)} with {type(objective).__name__}, "
            f'got "{found.name}": {reason}'
        )
    return found


def _named(name: str, shots: int | None) -> Gradient:
    kind = GRADIENTS[name]
    if kind.min_shots is None:
        if shots is not None:
            raise ValueError(f'shots: expected None with gradient="{name}", got {shots}')
        return kind()
    if shots is None:
        raise ValueError(f'shots: expected a number of shots with gradient="{name}", got None')
    return kind(shots)  # type: ignore[call-arg]

"""Numbers that change during training: weights, beta, learning rates."""

from __future__ import annotations

import math
from dataclasses import dataclass

from qhypernet import _check

_SHAPES = ("geometric", "linear", "cosine")


@dataclass(frozen=True)
class Schedule:
    """From ``start`` to ``end`` over the first ``fraction`` of the steps, then constant.

    Args:
        start: Value at the first step.
        end: Value from the end of the way on.
        shape: "geometric" (equal factors; both values above 0), "linear" or "cosine".
        fraction: Share of the steps that the way takes, in (0, 1].
        warmup: Share of the steps, less than 1, over which the value is also scaled up, evenly from
            nothing.

    Example:
        >>> import qhypernet as qh
        >>> anneal = qh.Schedule(3000, 30)
        >>> [round(anneal.at(step, 201)) for step in (0, 100, 200)]
        [3000, 300, 30]
    """

    start: float
    end: float
    shape: str = "geometric"
    fraction: float = 1.0
    warmup: float = 0.0

    def __post_init__(self) -> None:
        _check.choice("shape", self.shape, _SHAPES)
        bound = {"above": 0.0} if self.shape == "geometric" else {}
        object.__setattr__(self, "start", _check.number("start", self.start, **bound))
        object.__setattr__(self, "end", _check.number("end", self.end, **bound))
        fraction = _check.number("fraction", self.fraction, above=0)
        if fraction > 1:
            raise ValueError(f"fraction: expected a number from 0 to 1, got {fraction}")
        object.__setattr__(self, "fraction", fraction)
        warmup = _check.number("warmup", self.warmup, minimum=0, below=1)
        object.__setattr__(self, "warmup", warmup)

    def __str__(self) -> str:
        return f"{self.start:g} to {self.end:g} ({self.shape})"

    def at(self, step: int, n_steps: int) -> float:
        """The value at ``step`` of ``n_steps``, counted from 0."""
        warm = min((step + 1) / max(self.warmup * n_steps, 1.0), 1.0)
        progress = min(step / self._length(n_steps), 1.0)
        if self.shape == "geometric":
            return warm * self.start * math.pow(self.end / self.start, progress)
        if self.shape == "cosine":
            progress = (1 - math.cos(math.pi * progress)) / 2
        return warm * (self.start + (self.end - self.start) * progress)

    def has_ended(self, step: int, n_steps: int) -> bool:
        """Whether the value stays as it is from ``step`` on."""
        return step >= max(self._length(n_steps), self.warmup * n_steps)

    def _length(self, n_steps: int) -> float:
        return max(self.fraction * (n_steps - 1), 1.0)


def at(value: float | Schedule, step: int, n_steps: int) -> float:
    """A number that may be scheduled, at ``step`` of ``n_steps``."""
    return value.at(step, n_steps) if isinstance(value, Schedule) else value


def has_ended(value: float | Schedule | None, step: int, n_steps: int) -> bool:
    """Whether a number that may be scheduled stays as it is from ``step`` on."""
    return not isinstance(value, Schedule) or value.has_ended(step, n_steps)


def checked(
    name: str,
    value: float | Schedule,
    *,
    above: float | None = None,
    minimum: float | None = None,
) -> float | Schedule:
    """A number or schedule whose values are inside their bounds."""
    if not isinstance(value, Schedule):
        return _check.number(name, value, above=above, minimum=minimum)
    for end in (value.start, value.end):
        _check.number(name, end, above=above, minimum=minimum)
    return value

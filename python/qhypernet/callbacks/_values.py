"""What logs hold of a step."""

from __future__ import annotations

from typing import Any

from qhypernet._step import TrainingStep

BY_INIT = ("objective", "expected_nll", "regularizer", "gradient_norm")
BY_STEP = ("weight", "learning_rate")


def values(step: TrainingStep, metrics_every: int | None) -> dict[str, Any]:
    """Arrays by initialisation, numbers, and, where they are due, metrics by part of the data.

    Metrics are due at the first step, the last one, and every so many.
    """
    found: dict[str, Any] = {name: getattr(step, name) for name in (*BY_INIT, *BY_STEP)}
    at_an_end = step.step in (1, step.n_steps)
    if metrics_every is not None and (at_an_end or step.step % metrics_every == 0):
        found |= {part: step.metrics(part) for part in step.data}
    return {name: value for name, value in found.items() if value is not None}

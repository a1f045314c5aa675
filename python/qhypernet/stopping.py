"""When an initialisation has trained enough."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qhypernet import _check


@dataclass(frozen=True)
class EarlyStopping:
    """Stops an initialisation whose objective has not fallen for some time.

    Each initialisation stops on its own and then stays where it is; training ends when all have
    stopped. Schedules of weight and learning rate are waited for: while an objective changes, it
    says nothing.

    Args:
        patience: Steps without a fall.
        min_delta: What counts as a fall, in nats.

    Example:
        >>> import qhypernet as qh
        >>> qh.EarlyStopping(patience=20)
        EarlyStopping(patience=20, min_delta=0.001)
    """

    patience: int
    min_delta: float = 1e-3

    def __post_init__(self) -> None:
        _check.integer("patience", self.patience, 1)
        _check.number("min_delta", self.min_delta, minimum=0)


class Watch:
    """The lowest objectives so far, and for how long nothing was lower."""

    def __init__(self, rule: EarlyStopping, n_inits: int) -> None:
        self._rule = rule
        self.lowest = np.full(n_inits, np.inf)
        self.waited = np.zeros(n_inits)

    def stops(self, objective: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Which initialisations stop at these values, shape (n_inits,)."""
        lower = objective < self.lowest - self._rule.min_delta
        self.lowest[lower] = objective[lower]
        self.waited = np.where(lower, 0.0, self.waited + 1)
        return np.asarray(self.waited >= self._rule.patience)

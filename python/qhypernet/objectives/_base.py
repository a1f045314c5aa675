"""What every objective tells the training loop."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from qhypernet.schedules import Schedule


class Objective(ABC):
    """``E_q[C] + weight * D(q, prior)``, minimised; C is minus the log-likelihood in nats."""

    name: ClassVar[str]
    divergence: ClassVar[str]
    """The core's name of D: "none", "kl" or "mmd"."""

    @property
    @abstractmethod
    def weight(self) -> float | Schedule:
        """The weight of D, at least 0."""

    def bandwidths(self, n_weights: int) -> tuple[float, ...]:
        """Bandwidths of the kernel, for a D that has one."""
        del n_weights
        return ()

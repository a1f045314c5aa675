"""What every gradient gives the training loop."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from qhypernet import _core
from qhypernet.circuits import Circuit
from qhypernet.objectives import Objective, Target

Floats: TypeAlias = NDArray[np.float64]
Value: TypeAlias = Callable[[Floats], Floats]
"""The exact objective (B,) at parameters (B, P)."""


class Evaluation(NamedTuple):
    """An objective for a batch of B parameter vectors, all in nats."""

    expected_nll: NDArray[np.float64]
    """E_q[C], shape (B,)."""
    regularizer: NDArray[np.float64]
    """weight * D(q, prior), shape (B,)."""
    gradient: NDArray[np.float64]
    """Derivatives of the sum of both, shape (B, P)."""


class InCore(NamedTuple):
    """How the core evaluates an objective without Python."""

    shots: int | None
    """For each parameter vector; None takes the whole distribution."""


@dataclass(frozen=True)
class Term:
    """An objective at one step."""

    objective: Objective
    target: Target
    weight: float
    """The objective's weight at this step."""

    @cached_property
    def bandwidths(self) -> list[float]:
        """Those of the objective's kernel."""
        return list(self.objective.bandwidths(self.target.prior.n))


class Gradient(ABC):
    """A way to evaluate objectives. Its ``repr`` shows all that decides the result."""

    name: ClassVar[str]
    min_shots: ClassVar[int | None] = None
    """The fewest shots; None if it takes none. They are its first argument."""
    bias: ClassVar[str] = ""
    """How far its mean is from the gradient, in words; empty where it is not."""

    @classmethod
    @abstractmethod
    def refusal(cls, objective: Objective) -> str:
        """Why it cannot do an objective; empty if it can."""

    @abstractmethod
    def settings(self, circuit: Circuit) -> int:
        """How many settings of the angles a step measures for one initialisation; 0 if none."""

    def in_core(self) -> InCore | None:
        """How the core does the same by itself, for objectives that it knows; None if it cannot."""
        return None

    def mean(self, circuit: Circuit, value: Value, exact: Floats, params: Floats) -> Floats:
        """Its mean at ``params`` (P,), where ``value`` is the objective and ``exact`` its gradient.

        The exact gradient itself but for one that has a ``bias``.
        """
        del circuit, value, params
        return exact

    @abstractmethod
    def __call__(
        self,
        circuit: Circuit,
        problem: _core.Problem,
        term: Term,
        params: NDArray[np.float64],
        *,
        seed: int,
        step: int,
        first_init: int = 0,
    ) -> Evaluation:
        """Evaluates the objective for every row of ``params``, shape (B, P).

        Random numbers of row i come from streams named (seed, ``first_init + i``, step), so that a
        row has the same in any batch.
        """

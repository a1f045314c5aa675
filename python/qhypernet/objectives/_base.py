"""What every objective tells the training loop, and how to bring one of your own."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from qhypernet.priors import BernoulliPrior
from qhypernet.schedules import Schedule

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Target:
    """What a distribution over all networks is held against."""

    cost: Floats
    """C, minus the log-likelihood of every network in nats, shape (2**n,)."""
    prior: BernoulliPrior

    @cached_property
    def log_prior(self) -> Floats:
        """log p of every network in nats, shape (2**n,)."""
        return self.prior.log_probabilities()

    @cached_property
    def prior_probabilities(self) -> Floats:
        """p of every network, shape (2**n,)."""
        return np.exp(self.log_prior)


class Objective(ABC):
    """``E_q[C] + weight * D(q)``, minimised; C is minus the log-likelihood in nats.

    Every function F(q) of the probabilities can be trained on: its gradient in the angles is that
    of the diagonal observable ``f = dF/dq`` held fixed, the *cotangent*. For an objective of your
    own derive from this class and give ``name``, ``weight`` and :meth:`value_and_cotangent`, in
    NumPy; training with ``gradient="exact"`` does the rest. Its ``repr`` should show all that
    decides the result: checkpoints are told apart by it.

    Example:
        The distance of the distribution's mean outcome from a wish:

        >>> import numpy as np, qhypernet as qh
        >>> class Wish(qh.Objective):
        ...     name = "wish"
        ...     weight = 1.0
        ...     has_expected_nll = False
        ...     def value_and_cotangent(self, q, target):
        ...         outcomes = np.arange(q.shape[1])
        ...         miss = q @ outcomes - 2.5
        ...         return miss**2, 2 * miss[:, None] * outcomes
        >>> r = qh.train(qh.ansatz.brickwork(2, 1), np.zeros(4), Wish(), n_inits=1, n_steps=100)
        >>> float(r.probabilities()[0] @ np.arange(4))
        2.50
    """

    name: ClassVar[str]
    divergence: ClassVar[str] = ""
    """The core's name of D: "none", "kl" or "mmd"; empty where D is worked out in NumPy."""
    needs_probabilities: ClassVar[bool] = True
    """Whether samples are not enough: D needs q(w) itself."""
    has_expected_nll: ClassVar[bool] = True
    """Whether E_q[C] is part of the objective; if not, it is only told."""
    takes_minibatches: ClassVar[bool] = True
    """Whether its mean over minibatches is the objective of all points."""

    @property
    @abstractmethod
    def weight(self) -> float | Schedule:
        """The weight of D, at least 0."""

    def bandwidths(self, n_weights: int) -> tuple[float, ...]:
        """Bandwidths of the kernel, for a D that has one."""
        del n_weights
        return ()

    def value_and_cotangent(self, q: Floats, target: Target) -> tuple[Floats, Floats]:
        """D and dD/dq, without the weight, of B distributions at once.

        Args:
            q: Probabilities, shape (B, 2**n); outcomes that are impossible have 0.
            target: Costs and prior.

        Returns:
            Values (B,) and cotangents (B, 2**n). A constant in a cotangent changes nothing; where
            q is 0 it is not looked at. Values or cotangents that are not finite set that row aside.
        """
        raise NotImplementedError(f"{type(self).__name__}.value_and_cotangent")

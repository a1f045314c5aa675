"""Ground truth: the exact posterior over all networks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qhypernet import _check
from qhypernet._logs import entropy_terms, log_sum_exp
from qhypernet.priors import BernoulliPrior


@dataclass(frozen=True)
class ExactPosterior:
    """The posterior of all 2**n networks, by enumeration."""

    log_probabilities: NDArray[np.float64]
    """log p(w | D) by outcome index, nats, shape (2**n,)."""
    log_evidence: float
    """log p(D), nats."""

    @property
    def probabilities(self) -> NDArray[np.float64]:
        """p(w | D) by outcome index, shape (2**n,)."""
        return np.exp(self.log_probabilities)

    def kl_from(self, q: ArrayLike) -> NDArray[np.float64]:
        """KL(q || posterior) in nats for q of shape (..., 2**n)."""
        q = self._distributions(q)
        return np.asarray((entropy_terms(q) - q * self.log_probabilities).sum(axis=-1))

    def total_variation(self, q: ArrayLike) -> NDArray[np.float64]:
        """Half the sum of ``|q - posterior|``, from 0 to 1, for q of shape (..., 2**n)."""
        q = self._distributions(q)
        return np.asarray(np.abs(q - self.probabilities).sum(axis=-1) / 2)

    def _distributions(self, q: ArrayLike) -> NDArray[np.float64]:
        values = _check.distributions("q", q)
        if values.shape[-1:] != self.log_probabilities.shape:
            expected = self.log_probabilities.shape
            raise ValueError(f"q: expected a last axis of {expected[0]}, got shape {values.shape}")
        return values


def exact_posterior(table: ArrayLike, prior: BernoulliPrior | None = None) -> ExactPosterior:
    """The exact posterior ``softmax(log_lik + log prior)`` and the evidence.

    Args:
        table: Log-likelihood of all 2**n networks in nats, as
            :meth:`BinaryNetwork.log_likelihood_table` gives it.
        prior: None is the uniform prior.

    Example:
        >>> import qhypernet as qh
        >>> posterior = qh.exact_posterior([0.0, -1.0])
        >>> posterior.probabilities.round(3), round(posterior.log_evidence, 3)
        (array([0.731, 0.269]), -0.38)
    """
    values = _table(table)
    n = values.size.bit_length() - 1
    prior = BernoulliPrior(n) if prior is None else prior
    if not isinstance(prior, BernoulliPrior):
        raise TypeError(f"prior: expected a BernoulliPrior or None, got {prior!r}")
    if prior.n != n:
        raise ValueError(f"prior: expected {n} weights as in the table, got {prior.n}")
    joint = values + prior.log_probabilities()
    log_evidence = log_sum_exp(joint)
    return ExactPosterior(joint - log_evidence, log_evidence)


def best_network(table: ArrayLike) -> int:
    """The index of the most likely network: the lowest within 1e-9 nats of the best (ties)."""
    values = _table(table)
    return int(np.argmax(values >= values.max() - 1e-9))


def _table(table: ArrayLike) -> NDArray[np.float64]:
    values = _check.floats("table", table)
    if values.ndim != 1 or values.size < 2 or values.size & (values.size - 1):
        raise ValueError(f"table: expected shape (2**n,), got {values.shape}")
    return values

"""What an objective can reach at best: its minimum over all distributions, circuit or not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qhypernet import _core, schedules
from qhypernet.objectives import Objective, Target
from qhypernet.objectives._butterfly import kernel_product
from qhypernet.posterior import ExactPosterior, exact_posterior
from qhypernet.priors import BernoulliPrior
from qhypernet.problems import Problem, table_of

Floats = NDArray[np.float64]

_CLOSE = 1e-9
"""Nats from the minimum that need no further search."""
_LEAST = 1e-15
"""Share of the most probable network's probability that every network keeps: a cotangent means
nothing where q is 0, and so little changes no digit that is told."""
_EVALUATIONS = 2000
_MEMORY = 20
_TABLES = 2 * _MEMORY + 20
"""Vectors of 2**n numbers that the search holds."""


@dataclass(frozen=True)
class Floor:
    """The distribution over all networks that minimises an objective."""

    probabilities: Floats
    """By outcome index, shape (2**n,)."""
    value: float
    """The objective there, nats."""
    gap: float
    """``E_q f - min f`` with f the objective's cotangent, nats: for a convex objective, no
    distribution's value is lower than this one's by more. 0 is exactly optimal."""
    kl: float
    """KL to the exact posterior, nats: how far from it the objective leads even where it is
    minimised in full."""


def floor(
    objective: Objective,
    table_or_problem: ArrayLike | Problem,
    prior: BernoulliPrior | None = None,
) -> Floor:
    """Minimises an objective over all distributions, by SciPy's L-BFGS-B.

    Only the ELBO with beta = 1 and the Stein discrepancy have the exact posterior as minimiser;
    for the others this is how near to it they can lead. The objectives here are convex in q but for
    Renyi's divergence with alpha above 1, whose gap bounds nothing. The search needs a smooth
    objective: with the total variation the gap stays large.

    Args:
        objective: A weight that changes is taken at its end.
        table_or_problem: The log-likelihood of every network in nats, shape (2**n,), or a
            :class:`Problem`.
        prior: None is the uniform prior.

    Raises:
        MemoryError: The search does not fit.

    Example:
        >>> import numpy as np, qhypernet as qh
        >>> table = np.log([0.4, 0.3, 0.2, 0.1])
        >>> float(qh.floor(qh.ELBO(), table).kl)
        0.000
        >>> qh.floor(qh.SELBO(weight=1.0), table).probabilities.round(2)
        array([0.5 , 0.35, 0.15, 0.  ])
    """
    if not isinstance(objective, Objective):
        raise TypeError(f"objective: expected one such as SELBO(), got {objective!r}")
    table = table_of(table_or_problem)
    posterior = exact_posterior(table, prior)
    n = table.size.bit_length() - 1
    target = Target(-table, BernoulliPrior(n) if prior is None else prior)
    weight = schedules.at(objective.weight, 1, 1)
    _core.check_memory("the search for an objective's floor", _TABLES * 8 * table.size)

    # The minimiser of the ELBO of this weight: spread about as widely as the one that is sought.
    q = _softmax((table + weight * target.log_prior) / max(weight, 1.0))
    best = _found(objective, weight, q, target, posterior)
    for search in (_by_log_odds, _by_mass):
        if best.gap < _CLOSE:
            break
        q = search(objective, weight, best.probabilities, target)
        best = min(best, _found(objective, weight, q, target, posterior), key=lambda f: f.gap)
    return best


def _by_log_odds(objective: Objective, weight: float, start: Floats, target: Target) -> Floats:
    """For minimisers that leave no network out: any log-odds are a distribution."""

    def evaluate(logits: Floats) -> tuple[float, Floats]:
        q = _softmax(logits)
        value, f = _objective(objective, weight, q, target)
        return value, q * (f - q @ f)

    return _softmax(_minimum(evaluate, np.log(start), None))


def _by_mass(objective: Objective, weight: float, start: Floats, target: Target) -> Floats:
    """For those that do, where log-odds would have to go to infinity: masses of at least 0."""

    def evaluate(mass: Floats) -> tuple[float, Floats]:
        total = mass.sum()
        q = mass / total
        value, f = _objective(objective, weight, q, target)
        return value, (f - q @ f) / total

    mass = _minimum(evaluate, start / start.max(), _LEAST)
    return np.asarray(mass / mass.sum())


def _minimum(
    evaluate: Callable[[Floats], tuple[float, Floats]], start: Floats, least: float | None
) -> Floats:
    from scipy.optimize import minimize

    options = {
        "maxcor": _MEMORY,
        "maxfun": _EVALUATIONS,
        "maxiter": _EVALUATIONS,
        "ftol": 0.0,
        "gtol": 1e-12,
    }
    bounds = None if least is None else [(least, None)] * start.size
    return np.asarray(
        minimize(evaluate, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options).x
    )


def _found(
    objective: Objective, weight: float, q: Floats, target: Target, posterior: ExactPosterior
) -> Floor:
    value, f = _objective(objective, weight, q, target)
    return Floor(q, value, float(q @ f - f.min()), float(posterior.kl_from(q)))


def _softmax(logits: Floats) -> Floats:
    q = np.maximum(np.exp(logits - logits.max()), _LEAST)
    return np.asarray(q / q.sum())


def _objective(
    objective: Objective, weight: float, q: Floats, target: Target
) -> tuple[float, Floats]:
    """Value and cotangent (2**n,) of one distribution."""
    value, f = _divergence(objective, q, target)
    value, f = weight * value, weight * f
    if objective.has_expected_nll:
        value, f = value + float(q @ target.cost), f + target.cost
    return value, f


def _divergence(objective: Objective, q: Floats, target: Target) -> tuple[float, Floats]:
    """D and dD/dq; those of the core's own objectives are written out here."""
    if objective.divergence == "none":
        return 0.0, np.zeros_like(q)
    if objective.divergence == "kl":
        log_ratio = np.log(q) - target.log_prior
        return float(q @ log_ratio), log_ratio
    if objective.divergence == "mmd":
        difference = q - target.prior_probabilities
        pull = kernel_product(difference[None], objective.bandwidths(target.prior.n))[0]
        return float(difference @ pull), 2 * pull
    values, slopes = objective.value_and_cotangent(q[None], target)
    return float(values[0]), slopes[0]

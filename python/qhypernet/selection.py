"""Which of many starts to keep."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qhypernet import _check, schedules
from qhypernet.gradients import _samples
from qhypernet.gradients._base import Term
from qhypernet.objectives import Objective, Target
from qhypernet.posterior import exact_posterior
from qhypernet.priors import BernoulliPrior
from qhypernet.problems import Problem, table_of
from qhypernet.samplers import Sampler, StatevectorSampler, Streams
from qhypernet.training import TrainingResult

_FRESH = 2**31 - 1
"""A step that no training takes: its shots have not been trained on."""


@dataclass(frozen=True)
class Selection:
    """The start to keep, and what speaks for it."""

    init: int
    """Its index."""
    scores: NDArray[np.float64]
    """Of every start in nats, higher is better, shape (n_inits,); NaN where one diverged."""


def select(
    result: TrainingResult,
    table_or_problem: ArrayLike | Problem,
    *,
    prior: BernoulliPrior | None = None,
    objective: Objective | None = None,
    shots: int | None = None,
    sampler: Sampler | None = None,
    seed: int = 0,
) -> Selection:
    """Selects a start by its exact ELBO, or by the objective on fresh samples.

    Training's own last values are no guide: with shots they are noise that was trained on. The
    exact ELBO is the evidence less KL(q || posterior), so its best start is the one nearest to the
    posterior. Without q, on a device or for more weights than fit, the objective that was trained
    is estimated from ``shots`` new measurements of each start.

    Args:
        result: What training left.
        table_or_problem: The log-likelihood of every network, shape (2**n,), or a :class:`Problem`.
        prior: None is the uniform prior.
        objective: With ``shots``: the one that was trained, which must have a form for samples.
        shots: None selects by the exact ELBO.
        sampler: Where shots come from; the simulated state if not given.
        seed: Of the shots.

    Raises:
        ValueError: Arguments that do not go together.

    Example:
        >>> import numpy as np, qhypernet as qh
        >>> table = np.log([1, 2, 3, 4])
        >>> r = qh.train(qh.ansatz.brickwork(2, 1), table, qh.ELBO(), n_inits=3, n_steps=60)
        >>> best = qh.select(r, table)
        >>> bool(best.scores[best.init] == best.scores.max())
        True
    """
    n = result.circuit.n_qubits
    table = table_of(table_or_problem)
    prior = BernoulliPrior(n) if prior is None else prior
    if shots is None:
        if objective is not None or sampler is not None:
            raise ValueError("shots: expected a number with an objective or a sampler, got None")
        posterior = exact_posterior(table, prior)
        kl = np.concatenate([posterior.kl_from(q) for q in result.distributions()])
        return _best(posterior.log_evidence - kl, result)
    if objective is None:
        raise ValueError("objective: expected the one that was trained with shots, got None")
    if reason := _samples.refusal(objective):
        raise ValueError(f"objective: expected one for samples, got {objective!r}: {reason}")
    shots = _check.integer("shots", shots, 2)
    rows = np.arange(len(result.params))
    streams = Streams(_check.seed(seed), _FRESH, rows, 0 * rows)
    source = StatevectorSampler() if sampler is None else sampler
    bits = source.sample(result.circuit, result.params, shots, streams)
    term = Term(objective, Target(-table, prior), schedules.at(objective.weight, 1, 1))
    return _best(-np.array([sum(_samples.estimate(term, row)) for row in bits]), result)


def _best(scores: NDArray[np.float64], result: TrainingResult) -> Selection:
    scores = np.where(result.failed, np.nan, scores)
    return Selection(int(np.nanargmax(scores)), scores)

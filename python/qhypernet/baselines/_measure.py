"""Metrics of fitted distributions: against the exact posterior, or from samples."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike

from qhypernet import _check
from qhypernet.baselines._base import BaselineResult, Floats, Samples, Task
from qhypernet.datasets import Dataset
from qhypernet.evaluation import evaluate, metrics, predictive_metrics
from qhypernet.posterior import exact_posterior
from qhypernet.priors import BernoulliPrior
from qhypernet.problems import Problem


@runtime_checkable
class Distributed(Protocol):
    """What training and baselines leave."""

    def distributions(self) -> Iterator[Floats]:
        """Distributions over all networks in blocks, shapes (m, 2**n)."""


@dataclass
class Row:
    """A method's metrics, shape (starts, metrics), NaN where a start failed."""

    values: Floats
    seconds: float = float("nan")
    failed: int = 0


def from_tables(
    problem: Problem,
    X: Floats,
    y: Floats,
    prior: BernoulliPrior,
    results: Mapping[str, Distributed | ArrayLike],
) -> dict[str, Row]:
    """By :func:`qhypernet.evaluation.evaluate`, with its ground truth in the last rows."""
    y_train, y_test = ((v.astype(np.int64) if problem.net.n_classes else v) for v in (problem.y, y))
    names = tuple(f"x{i}" for i in range(X.shape[1]))
    classes = tuple(str(k) for k in range(problem.net.n_classes))
    data = Dataset("comparison", problem.X, y_train, X, y_test, names, classes)
    posterior = exact_posterior(problem.table, prior)
    good: dict[str, list[bool]] = {name: [] for name in results}

    def blocks() -> Iterator[Floats]:
        for name, result in results.items():
            for q in _distributions(name, result, problem.table.size):
                finite = np.asarray(np.isfinite(q).all(axis=1))
                good[name] += map(bool, finite)
                if finite.any():
                    yield q[finite]
        yield posterior.probabilities[None]  # so that there is one, whatever failed

    evaluation = evaluate(problem.net, data, blocks(), posterior, problem.table, prior)
    n_metrics = len(evaluation["metric"])
    kl = metrics(problem.net).index("kl")

    def with_elbo(values: Floats) -> Floats:
        return np.column_stack([values, posterior.log_evidence - values[:, kl]])

    trained, start, rows = evaluation["trained"].values, 0, {}
    for name, result in results.items():
        values = np.full((len(good[name]), n_metrics + 1), np.nan)
        count = sum(good[name])
        values[good[name]] = with_elbo(trained[start : start + count])
        start += count
        rows[name] = _row(values, result, len(values) - count)
    truth = evaluation["ground_truth"]
    for name in truth.coords["reference"].values:
        rows[str(name)] = Row(with_elbo(truth.sel(reference=name).values[None]))
    return rows


def from_samples(
    problem: Problem,
    X: Floats,
    y: Floats,
    prior: BernoulliPrior,
    results: Mapping[str, Distributed | ArrayLike],
    n_samples: int,
    seed: int,
) -> dict[str, Row]:
    """From samples of each distribution, and of the prior in the last row."""
    task = Task(problem, prior, seed, range(0))
    rows = {}
    for name, result in results.items():
        if not isinstance(result, BaselineResult):
            raise ValueError(
                f"trained: expected a baseline's result, whose samples can be compared, for a "
                f"network of {prior.n} weights, got {type(result).__name__} as {name!r}"
            )
        samples = result.samples(n_samples)
        parts = [
            _of_samples(task, X, y, Samples(*(part[i] for part in samples)))
            for i in range(len(samples.bits))
        ]
        rows[name] = _row(np.array(parts), result, int(result.failed.sum()))
    bits = prior.sample(n_samples, seed=seed)
    log_p = task.log_joint(bits) - task.log_likelihood(bits)
    draws = Samples(bits, np.full(n_samples, 1 / n_samples), log_p)
    return rows | {"prior": Row(_of_samples(task, X, y, draws)[None])}


def _of_samples(task: Task, X: Floats, y: Floats, samples: Samples) -> Floats:
    """Metrics of one distribution from its samples; all NaN if they have no weights."""
    net = task.problem.net
    names = metrics(net)
    if not np.isfinite(samples.weights).all():
        return np.full(len(names) + 1, np.nan)
    test = net.log_likelihood(samples.bits, X, y)
    seen = predictive_metrics(net, X, y, samples.weights[None], samples.bits)
    values = {name: float(value[0]) for name, value in seen.items()}
    values["expected_nll"] = -(samples.weights * test).sum() / len(y)
    elbo = (samples.weights * (task.log_joint(samples.bits) - samples.log_q)).sum()
    return np.array([*(values.get(name, np.nan) for name in names), elbo], dtype=np.float64)


def _distributions(name: str, result: Distributed | ArrayLike, n_networks: int) -> Iterator[Floats]:
    """Distributions over all networks, in blocks."""
    if isinstance(result, BaselineResult):
        yield from result.distributions()
        return
    blocks = result.distributions() if isinstance(result, Distributed) else [result]
    failed = getattr(result, "failed", None)
    first = 0
    for block in blocks:
        q = _check.distributions("trained", block, 2)
        if q.shape[-1] != n_networks:
            raise ValueError(
                f"trained: expected distributions over {n_networks} networks, got shape {q.shape} "
                f"as {name!r}"
            )
        q = np.atleast_2d(q)
        if failed is not None:  # Their last parameters mean nothing.
            q = np.where(failed[first : first + len(q), None], np.nan, q)
            first += len(q)
        yield q


def _row(values: Floats, result: object, failed: int) -> Row:
    return Row(values, getattr(result, "seconds", float("nan")), failed)

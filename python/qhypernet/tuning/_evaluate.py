"""One trial: train a batch of initialisations, and say how good they are on held-out points."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qhypernet import runs
from qhypernet._truth import distributions
from qhypernet.config import NetworkConfig, RunConfig
from qhypernet.datasets import Dataset
from qhypernet.datasets._dataset import regression_split, stratified_split
from qhypernet.evaluation import METRICS, measure, metrics
from qhypernet.networks import BinaryNetwork
from qhypernet.posterior import ExactPosterior, exact_posterior
from qhypernet.problems import Problem
from qhypernet.training import TrainingStep
from qhypernet.tuning._config import MINIMISED, Tune, TuneConfig

Look = Callable[[int, float], None]
"""Told the step and the first metric there; may raise to end the trial."""


@dataclass(frozen=True)
class Scores:
    """What a trial found."""

    mean: dict[str, float]
    """Every metric's mean over starts."""
    spread: dict[str, float]
    """The standard deviation over starts."""
    exact: dict[str, float]
    """The same metrics of the exact posterior."""
    n_failed: int
    """Starts that diverged; they count with the last parameters that were finite."""


@dataclass(frozen=True)
class _Ground:
    """What does not change from trial to trial while the network stays the same."""

    net: BinaryNetwork
    problem: Problem
    posterior: ExactPosterior
    table: NDArray[np.float64]
    """Log-likelihood of all networks on the validation points."""
    exact: dict[str, float]


class Evaluator:
    """Scores descriptions on a part of the training data; the test part is never looked at."""

    def __init__(self, config: TuneConfig) -> None:
        data = config.load_data()
        self._tune: Tune = config.tune
        self._data: Dataset = data
        split: Callable[..., Any] = stratified_split if data.n_classes else regression_split
        self.X, self.X_held, self.y, self.y_held = split(
            data.X_train, data.y_train, config.tune.validation, config.tune.seed
        )
        self.fingerprint = _hash(data.X_train, data.y_train)
        """Of the data that are tuned on."""
        self._grounds: dict[NetworkConfig, _Ground] = {}

    def check(self, run: RunConfig) -> None:
        """Refuses a description that does not fit the data, before any work is done."""
        net = run.build_network(self._data)
        runs.check(run, net)
        able = metrics(net)
        success = self._tune.success
        for name in (*self._tune.metrics, *([success.metric] if success else [])):
            if name in METRICS and name not in able:
                raise ValueError(f"tune.metrics: expected one of {', '.join(able)}, got {name}")
        run.build_circuit(net)

    def __call__(self, run: RunConfig, look: Look) -> Scores:
        """Trains what ``run`` describes, and scores it; ``look`` is told how it comes on."""
        self.check(run)
        ground = self._ground(run)
        circuit = run.build_circuit(ground.net)

        def glance(step: TrainingStep) -> None:
            if step.step % every == 0 and step.step < step.n_steps:
                q = distributions(circuit, step.params)
                mean, _ = self._scores(ground, q, np.zeros(len(step.params)))
                look(step.step, mean[self._tune.metrics[0]])

        every = self._tune.prune_every or 0
        trained = runs.train_as_described(
            run, circuit, ground.problem, progress=False, callback=glance if every else None
        )
        shots = run.build_gradient().settings(circuit) * (run.training.shots or 0)
        cost = trained.history["steps_taken"].values * float(shots)
        mean, spread = self._scores(ground, trained.distributions(), cost)
        return Scores(mean, spread, ground.exact, int(trained.failed.sum()))

    def _scores(
        self,
        ground: _Ground,
        distributions: Iterable[NDArray[np.float64]],
        circuit_runs: NDArray[np.float64],
    ) -> tuple[dict[str, float], dict[str, float]]:
        """Mean and spread of every metric over starts."""
        held = (ground.net, self.X_held, self.y_held)
        values = np.concatenate(
            [measure(*held, q, ground.table, ground.posterior) for q in distributions]
        )
        columns = dict(zip(metrics(ground.net), values.T, strict=True)) | {
            "circuit_runs": circuit_runs
        }
        if self._tune.success is not None:
            name, threshold = self._tune.success.metric, self._tune.success.threshold
            lower = MINIMISED[name]
            good = columns[name] <= threshold if lower else columns[name] >= threshold
            columns["success_rate"] = good.astype(np.float64)
        return (
            {name: float(column.mean()) for name, column in columns.items()},
            {name: float(column.std()) for name, column in columns.items()},
        )

    def _ground(self, run: RunConfig) -> _Ground:
        if run.network not in self._grounds:
            self._grounds.clear()  # Tables of large networks are large.
            net = run.build_network(self._data)
            problem = Problem(net, self.X, self.y)
            posterior = exact_posterior(problem.table, run.build_prior(net))
            table = net.log_likelihood_table(self.X_held, self.y_held)
            q = posterior.probabilities[None]
            best = measure(net, self.X_held, self.y_held, q, table, posterior)[0]
            exact = dict(zip(metrics(net), map(float, best), strict=True))
            self._grounds[run.network] = _Ground(net, problem, posterior, table, exact)
        return self._grounds[run.network]


def _hash(*arrays: NDArray[Any]) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(repr(array.shape).encode() + np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()

"""Optuna's samplers, with a stream of random numbers for each trial."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.samplers import BaseSampler, CmaEsSampler, GPSampler, GridSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState

from qhypernet.tuning._config import Tune, TuneConfig
from qhypernet.tuning._storage import WORKER


def distributions(config: TuneConfig) -> dict[str, BaseDistribution]:
    """The ranges as Optuna takes them."""
    return {name: _distribution(config, name) for name in config.tune.ranges}


def _distribution(config: TuneConfig, name: str) -> BaseDistribution:
    values = config.tune.ranges[name]
    if values.choices is not None:
        return CategoricalDistribution(values.labels)
    low, high, step = values.low, values.high, values.step
    assert low is not None
    assert high is not None
    if config.is_whole(name):
        return IntDistribution(int(low), int(high), log=values.log, step=int(step or 1))
    return FloatDistribution(low, high, log=values.log, step=step)


def grid(config: TuneConfig) -> dict[str, Sequence[Any]]:
    """The points of a grid, by the name of the field."""
    return {name: _points(found) for name, found in distributions(config).items()}


def _points(found: BaseDistribution) -> Sequence[Any]:
    if isinstance(found, CategoricalDistribution):
        return found.choices
    assert isinstance(found, IntDistribution | FloatDistribution)
    assert found.step is not None
    steps = round((found.high - found.low) / found.step)
    return [found.low + i * found.step for i in range(steps + 1)]


class SeededSampler(BaseSampler):
    """A fresh sampler for every trial, seeded by the study's seed and the trial's number.

    What it proposes follows from these and from the trials that are done, so a study that was
    killed and goes on proposes what it would have proposed anyway: also where it was killed between
    two values of a trial, since each that is not drawn with the others has a stream of its own. The
    first trials are those that the study names itself.
    """

    def __init__(self, config: TuneConfig, worker: str) -> None:
        self._worker = worker
        self._tune = config.tune
        self._make = _maker(config)
        self._sampler = self._fresh(0)
        self._known: dict[str, Any] = {}

    def before_trial(self, study: optuna.Study, trial: FrozenTrial) -> None:
        """Notes who runs the trial, and starts its own stream."""
        study._storage.set_trial_user_attr(trial._trial_id, WORKER, self._worker)
        self._sampler = self._fresh(trial.number)
        self._known = known(self._tune, trial.number)
        self._sampler.before_trial(study, trial)

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """What is drawn together."""
        return self._sampler.infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Draws it."""
        drawn = self._sampler.sample_relative(study, trial, search_space)
        return drawn | {name: value for name, value in self._known.items() if name in drawn}

    def sample_independent(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Draws what is not drawn together."""
        if param_name in self._known:
            return self._known[param_name]
        place = 1 + list(self._tune.ranges).index(param_name)
        sampler = self._fresh(trial.number, place)
        return sampler.sample_independent(study, trial, param_name, param_distribution)

    def after_trial(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        state: TrialState,
        values: Sequence[float] | None,
    ) -> None:
        """Nothing: samplers end with their trial."""

    def _fresh(self, *of: int) -> BaseSampler:
        """A sampler with the stream of a trial, or of one value in it."""
        sequence = np.random.SeedSequence([self._tune.seed, *of])
        return self._make(int(sequence.generate_state(1)[0]))


def known(tune: Tune, number: int) -> dict[str, Any]:
    """The settings that a trial was told to try, as they are stored; empty for most."""
    settings = tune.known[number] if number < len(tune.known) else {}
    return {name: tune.ranges[name].stored(name, value) for name, value in settings.items()}


def _maker(config: TuneConfig) -> Callable[[int], BaseSampler]:
    name = config.tune.sampler
    if name == "random":
        return lambda seed: optuna.samplers.RandomSampler(seed=seed)
    if name == "grid":
        # One order for all trials: a trial's number is its place on the grid.
        points = GridSampler(grid(config), seed=config.tune.seed % 2**32)
        return lambda seed: points
    if name == "gp":
        _require("torch", "gp")
        return lambda seed: GPSampler(seed=seed, warn_independent_sampling=False)
    if name == "cmaes":
        _require("cmaes", "cmaes")
        return lambda seed: _CmaEs(seed=seed, warn_independent_sampling=False)
    return lambda seed: TPESampler(seed=seed, multivariate=True)


def _require(package: str, extra: str) -> None:
    import importlib.util

    if importlib.util.find_spec(package) is None:
        raise ValueError(
            f"tune.sampler: expected {package} to be installed for {extra}; "
            f"get it with: pip install 'qhypernet[{extra}]'"
        )


class _CmaEs(CmaEsSampler):
    """CMA-ES whose state is worked out again from the trials that are done.

    Optuna keeps it in the storage as a pickle, which runs whatever code another wrote there.
    """

    def _restore_optimizer(self, completed_trials: list[FrozenTrial]) -> None:
        self._completed = completed_trials

    def _init_optimizer(self, trans: Any, direction: optuna.study.StudyDirection) -> Any:
        optimizer = super()._init_optimizer(trans, direction)
        sign = 1 if direction == optuna.study.StudyDirection.MINIMIZE else -1
        while True:
            told = self._get_solution_trials(self._completed, optimizer.generation)
            if len(told) < optimizer.population_size:
                return optimizer
            generation = told[: optimizer.population_size]
            found = [(trans.transform(t.params), sign * t.values[0]) for t in generation]
            optimizer.tell(found)

    def _split_optimizer_str(self, optimizer_str: str) -> dict[str, str]:
        return {}

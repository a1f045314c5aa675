"""The loop of a study: ask for values, train, tell how good they were."""

from __future__ import annotations

import logging
import math
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import optuna
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from qhypernet.training import Interrupted
from qhypernet.tuning import _samplers, _storage, _study
from qhypernet.tuning._config import TuneConfig
from qhypernet.tuning._evaluate import Evaluator
from qhypernet.tuning._progress import StudyProgress
from qhypernet.tuning._study import Study

_STARTUP_TRIALS = 10
"""Trials that are not pruned, so that there is a median."""


def run(config: TuneConfig, folder: Path, url: str | None, progress: bool | None) -> Study:
    """What :func:`qhypernet.tune` does."""
    config.check()
    evaluate = Evaluator(config)
    evaluate.check(config.run())
    sampler = _samplers.SeededSampler(config, _storage.worker(folder))
    _claim(folder, config, url)
    folder.mkdir(parents=True, exist_ok=True)
    with _quiet(), _storage.in_use(folder, url, _study.study_name(config)) as storage:
        _study.store_config(folder, config)
        study = Study(folder, config, _create(config, storage, sampler, evaluate))
        try:
            _loop(study, storage, evaluate, progress)
        except KeyboardInterrupt:
            raise Interrupted(
                f"stopped after {len(study.trials)} of {_length(config)} trials, which are kept in "
                f"{folder}; the same call goes on from there"
            ) from None
        finally:
            study.write_best()
    if not study.count(TrialState.COMPLETE):
        errors = [trial.user_attrs.get(_study.ERROR, "") for trial in study.trials]
        raise ValueError(
            f"tune: all {len(errors)} trials failed, the first with: {errors[0]}; they are kept in "
            f"{folder}"
        )
    return study


def _length(config: TuneConfig) -> int:
    """How many trials there are to be: no more than there are points on a grid."""
    if config.tune.sampler != "grid":
        return config.tune.trials
    points = math.prod(len(values) for values in _samplers.grid(config).values())
    return min(config.tune.trials, points)


def _claim(folder: Path, config: TuneConfig, url: str | None) -> None:
    """Refuses a folder, or a storage, that holds something else; writes nothing."""
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"out: expected a folder, got {folder}, which is a file")
    stored = _study.stored_config(folder)
    if stored is None and folder.is_dir() and any(_others(folder)):
        raise ValueError(f"out: expected an empty folder or a study, got {folder} with other files")
    journal = _storage.has_journal(folder)
    if stored is not None and journal == (url is not None):
        where = "in the folder: give no address" if journal else "elsewhere: give their address"
        raise ValueError(f"storage: the trials of {folder} are kept {where}")
    if stored is not None:
        _study.check_identity(stored.identity(), config, str(folder))
    if url is not None:
        name = _study.study_name(config)
        storage = _storage.connect(folder, url)
        for other in optuna.get_all_study_summaries(storage, include_best_trial=False):
            if other.study_name == name:
                _study.check_identity(other.user_attrs.get(_study.DESCRIPTION), config, name)


def _others(folder: Path) -> Iterator[Path]:
    """The files of a folder that a study does not begin with."""
    return (path for path in folder.iterdir() if path.name not in _storage.FILES)


def _create(
    config: TuneConfig,
    storage: BaseStorage,
    sampler: _samplers.SeededSampler,
    evaluate: Evaluator,
) -> optuna.Study:
    """The study, new or as it was left."""
    name, pruner = _study.study_name(config), optuna.pruners.MedianPruner(_STARTUP_TRIALS)
    found = optuna.create_study(
        study_name=name,
        storage=storage,
        sampler=sampler,
        pruner=pruner,
        directions=_study.directions(config),
        load_if_exists=True,
    )
    _study.check_identity(found.user_attrs.get(_study.DESCRIPTION), config, name)
    if found.user_attrs.get(_study.DATA, evaluate.fingerprint) != evaluate.fingerprint:
        raise ValueError(
            f"study: {name} is of other data: {config.data.source} has changed since; "
            "name another folder"
        )
    if _study.DESCRIPTION not in found.user_attrs:
        found.set_metric_names(list(config.tune.metrics))
        found.set_user_attr(_study.DATA, evaluate.fingerprint)
        found.set_user_attr(_study.DESCRIPTION, config.identity())
    return found


def _loop(study: Study, storage: BaseStorage, evaluate: Evaluator, progress: bool | None) -> None:
    """Trials until there are enough, with those of other processes."""
    n_trials = _length(study.config)
    found = _samplers.distributions(study.config)
    written: list[int] = []
    with StudyProgress(progress, n_trials, len(study.trials)) as bar:
        while _begun(study) < n_trials:
            trial = study.optuna.ask(found)
            try:
                _finish(study, trial, evaluate)
            except KeyboardInterrupt:
                _storage.put_back(storage, trial._trial_id)
                raise
            best = study.best
            bar.update(len(study.trials), _best(study.config, best))
            if [trial.number for trial in best] != written:
                written = [trial.number for trial in best]
                study.write_best()


def _begun(study: Study) -> int:
    trials = study.optuna.get_trials(deepcopy=False)
    return sum(trial.state != TrialState.WAITING for trial in trials)


def _finish(study: Study, trial: optuna.Trial, evaluate: Evaluator) -> None:
    """Trains and tells; a failure is kept, and ends this trial only."""

    def look(step: int, value: float) -> None:
        if step not in told:  # By a process before this one.
            trial.report(value, step)
        if trial.should_prune():
            raise optuna.TrialPruned

    metrics = study.config.tune.metrics
    told = study.optuna.get_trials(deepcopy=False)[trial.number].intermediate_values
    try:
        scores = evaluate(study.description(trial), look)
        trial.set_user_attr(_study.SCORES, asdict(scores))
        values = [scores.mean[name] for name in metrics]
        if not all(map(math.isfinite, values)):
            raise ValueError(f"expected finite {' and '.join(metrics)}, got {values}")
    except optuna.TrialPruned:
        study.optuna.tell(trial, state=TrialState.PRUNED)
    except Exception as error:
        trial.set_user_attr(_study.ERROR, f"{type(error).__name__}: {error}")
        study.optuna.tell(trial, state=TrialState.FAIL)
    else:
        study.optuna.tell(trial, values)


def _best(config: TuneConfig, best: Sequence[FrozenTrial]) -> str:
    if len(best) != 1:
        return f"{len(best)} best" if best else ""
    values = zip(config.tune.metrics, best[0].values, strict=True)
    return "best " + ", ".join(f"{name} {value:.4g}" for name, value in values)


@contextmanager
def _quiet() -> Iterator[None]:
    """Optuna's notes on every trial are in the study, so they are not printed."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(logging.ERROR)
    try:
        with warnings.catch_warnings():
            # Names of metrics are for those who look at the study with Optuna's own tools.
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            yield
    finally:
        optuna.logging.set_verbosity(before)

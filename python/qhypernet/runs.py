"""A run in a folder: its description, its result, and a checkpoint while it is under way."""

from __future__ import annotations

import json
import os
import platform
import tomllib
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from qhypernet import _check, _core, callbacks, storage
from qhypernet._callbacks import Together
from qhypernet._checkpoint import UnlessUsed
from qhypernet._step import Callback
from qhypernet.circuits import Circuit
from qhypernet.config import RunConfig
from qhypernet.datasets import Dataset
from qhypernet.evaluation import evaluate
from qhypernet.networks import BinaryNetwork
from qhypernet.posterior import ExactPosterior, exact_posterior
from qhypernet.problems import Problem
from qhypernet.samplers import Sampler
from qhypernet.training import TrainingResult, train

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Run", "execute", "read"]

_CONFIG, _RESULT, _CHECKPOINT = "config.toml", "result.nc", "checkpoint.nc"
_ARRAYS = ("X_train", "y_train", "X_test", "y_test")
_LOGS: dict[str, tuple[str, Callable[[Path], Callback]]] = {
    "jsonl": ("log.jsonl", callbacks.JSONLines),
    "tensorboard": ("tensorboard", callbacks.TensorBoard),
}
"""Names in a run's folder, and what writes there."""


@dataclass(frozen=True)
class Run:
    """A run that is done, read back from its folder."""

    folder: Path
    config: RunConfig
    data: Dataset
    net: BinaryNetwork
    result: xr.Dataset
    """History, final ``params`` (init, param), metrics as :func:`evaluate` gives them, and the data
    themselves; attributes name versions, seed and the resolved configuration."""

    @property
    def params(self) -> NDArray[np.float64]:
        """Trained angles, shape (n_inits, P)."""
        values: NDArray[np.float64] = self.result["params"].values
        return values

    def best_init(self) -> int:
        """The start whose distribution is nearest to the exact posterior: the best exact ELBO."""
        kl = self.result["trained"].sel(metric="kl").values
        return int(np.argmin(np.where(self.failed, np.inf, kl)))

    @property
    def failed(self) -> NDArray[np.bool_]:
        """Which starts diverged and were set aside, shape (n_inits,)."""
        if "failed" not in self.result:  # Written before starts could be set aside.
            return np.zeros(len(self.params), dtype=bool)
        return np.asarray(self.result["failed"].values, dtype=bool)

    @property
    def failed_note(self) -> str:
        """What must be said of starts that were set aside; empty if there are none."""
        if not self.failed.any():
            return ""
        return (
            f"{self.failed.sum()} of {len(self.failed)} starts diverged and were set aside: "
            f"{np.flatnonzero(self.failed).tolist()}; a lower learning rate or weight keeps them."
        )

    def probabilities(self, init: int) -> NDArray[np.float64]:
        """A trained distribution over networks, shape (2**n,)."""
        circuit = self.config.build_circuit(self.net)
        return circuit.simulate(self.params[init]).probabilities()

    def problem(self) -> Problem:
        """The network and the training part of the data."""
        return Problem(self.net, self.data.X_train, self.data.y_train)

    def posterior(self) -> ExactPosterior:
        """The exact posterior."""
        return exact_posterior(self.problem().table, self.config.build_prior(self.net))


def execute(
    config: RunConfig,
    folder: Path,
    *,
    sampler: Sampler | None = None,
    logs: Iterable[str] = (),
    progress: bool | None = None,
) -> Run:
    """Trains what ``config`` describes into ``folder``, going on where an earlier attempt stopped.

    A folder that already holds this run's result is read, not run again. A run on hardware takes
    its samples from ``sampler``. ``logs`` are of "jsonl" and "tensorboard", with metrics on the
    training and the test part; those that an earlier attempt began are gone on with.

    Raises:
        ValueError: The folder holds something else, or the description does not fit the data.
        MemoryError: The simulation does not fit.
        Interrupted: Ctrl-C; the same call goes on from the step that was finished.
    """
    asked = [_check.choice("log", name, _LOGS) for name in logs]
    _claim(folder, config)
    data = config.load_data()
    if is_done(folder):
        return _unchanged(read(folder), data)
    if config.hardware is not None and sampler is None:
        raise ValueError(f"out: {folder} is a run on hardware; use qhypernet hardware resume")
    net = config.build_network(data)
    circuit = config.build_circuit(net)
    check(config, net)
    problem = Problem(net, data.X_train, data.y_train)
    begun = [name for name, (file, _) in _LOGS.items() if (folder / file).exists()]
    written = [kind(folder / file) for name, (file, kind) in _LOGS.items() if name in asked + begun]
    parts = {"train": problem, "test": Problem(net, data.X_test, data.y_test)} if written else {}
    with UnlessUsed(folder / _CHECKPOINT) as checkpoint:
        with _claimed(folder, config):
            trained = train_as_described(
                config,
                circuit,
                problem,
                sampler=sampler,
                progress=progress,
                checkpoint=checkpoint,
                callback=Together(written, data=parts),
            )
        result = _result(config, data, problem, trained)
        storage.write_dataset(folder / _RESULT, result)
    (folder / _CHECKPOINT).unlink(missing_ok=True)
    return Run(folder, config, data, net, result)


def _result(
    config: RunConfig, data: Dataset, problem: Problem, trained: TrainingResult
) -> xr.Dataset:
    """All that a run's file holds."""
    net, prior = problem.net, config.build_prior(problem.net)
    posterior = exact_posterior(problem.table, prior)
    metrics = evaluate(net, data, trained.distributions(), posterior, problem.table, prior)
    result = trained.history.merge(metrics).assign(
        params=(("init", "param"), trained.params),
        X_train=(("train_point", "feature"), data.X_train),
        y_train=(("train_point",), data.y_train),
        X_test=(("test_point", "feature"), data.X_test),
        y_test=(("test_point",), data.y_test),
    )
    result.attrs = {
        "qhypernet": _core.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
        "config": config.to_toml(),
        "seed": str(trained.seed),
        "log_evidence": posterior.log_evidence,
        "dataset": json.dumps(
            {
                "name": data.name,
                "feature_names": data.feature_names,
                "class_names": data.class_names,
                "image_shape": data.image_shape,
                "target_name": data.target_name,
            }
        ),
    }
    return result


def check(config: RunConfig, net: BinaryNetwork) -> None:
    """Refuses a description that does not fit together, before any work is done.

    Raises:
        ValueError: Names what does not fit.
    """
    config.build_objective()
    config.build_optimizer()
    config.build_gradient()
    if net.n_weights > 30:
        raise ValueError(
            f"network: expected at most 30 binary weights, one qubit each, for exact simulation, "
            f"got {net.n_weights} for layers {net.layers}; take fewer features (digits and "
            "breast_cancer take n_features) or hidden units"
        )


def train_as_described(
    config: RunConfig,
    circuit: Circuit,
    problem: Problem,
    *,
    first_init: int = 0,
    sampler: Sampler | None = None,
    progress: bool | None = None,
    checkpoint: os.PathLike[str] | None = None,
    callback: Callback | None = None,
) -> TrainingResult:
    """:func:`qhypernet.train` with everything that a description says.

    A run on hardware takes its samples from ``sampler``. Starts that diverge are set aside without
    a warning: the result tells which.

    Raises:
        ValueError: A run on hardware without a sampler.
    """
    if config.hardware is not None and sampler is None:
        raise ValueError("hardware: expected none here; use qhypernet hardware train")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="training diverged", category=RuntimeWarning)
        return train(
            circuit,
            problem,
            config.build_objective(),
            n_inits=config.training.inits,
            first_init=first_init,
            n_steps=config.training.steps,
            optimizer=config.build_optimizer(),
            gradient=config.build_gradient(sampler),
            start=config.training.start,
            prior=config.build_prior(problem.net),
            seed=config.training.seed,
            batch_size=config.training.batch_size,
            stopping=config.build_stopping(),
            ground_truth=config.training.ground_truth,
            callback=callback,
            progress=progress,
            checkpoint=checkpoint,
        )


def read(folder: Path) -> Run:
    """Reads a run that is done.

    Raises:
        ValueError: The folder holds no result; says whether training can go on.
    """
    if not is_done(folder):
        hint = "there is no such folder"
        if (folder / _CONFIG).is_file():
            stored = stored_config(folder)
            on_hardware = stored is not None and stored.hardware is not None
            again = "hardware resume" if on_hardware else "train --out"
            hint = f"training has not ended; go on with: qhypernet {again} {folder}"
        elif folder.is_dir():
            hint = "the folder holds no run"
        raise ValueError(f"run: expected a folder with a result, got {folder}: {hint}")
    result = storage.read_dataset(folder / _RESULT)
    config = RunConfig.parse(tomllib.loads(result.attrs["config"]), str(folder / _RESULT))
    if stored_config(folder) not in (None, config):
        raise ValueError(
            f"run: expected {folder / _CONFIG} to describe the result beside it, but it has been "
            "edited since; put it back or train into another folder"
        )
    labels = json.loads(result.attrs["dataset"])
    data = Dataset(
        name=labels["name"],
        feature_names=tuple(labels["feature_names"]),
        class_names=tuple(labels["class_names"]),
        image_shape=labels["image_shape"] and tuple(labels["image_shape"]),
        target_name=labels.get("target_name", "y"),  # Older results have none.
        **{name: result[name].values for name in _ARRAYS},
    )
    return Run(folder, config, data, config.build_network(data), result)


def is_done(folder: Path) -> bool:
    """Whether a folder holds a result."""
    return (folder / _RESULT).is_file()


def stored_config(folder: Path) -> RunConfig | None:
    """The description of the run that a folder holds; None where there is none."""
    path = folder / _CONFIG
    return RunConfig.parse(RunConfig.read(path), str(path)) if path.is_file() else None


def _claim(folder: Path, config: RunConfig) -> None:
    """Refuses a folder that holds something else."""
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"out: expected a folder, got {folder}, which is a file")
    stored = stored_config(folder)
    if stored is None:
        files = {file for file, _ in _LOGS.values()}
        if folder.is_dir() and any(path.name not in files for path in folder.iterdir()):
            raise ValueError(
                f"out: expected an empty folder or a run, got {folder} with other files"
            )
        return
    if stored != config:
        ours, theirs = (
            {name: values or {} for name, values in each.model_dump().items()}
            for each in (config, stored)
        )
        fields = [
            f"{section}.{name} = {theirs[section].get(name)!r} "
            f"(asked for: {ours[section].get(name)!r})"
            for section in ours
            for name in ours[section] | theirs[section]
            if ours[section].get(name) != theirs[section].get(name)
        ]
        raise ValueError(
            f"out: {folder} already holds another run, with {', '.join(fields)}; "
            "name another folder with --out"
        )


@contextmanager
def _claimed(folder: Path, config: RunConfig) -> Iterator[None]:
    """Marks a folder as this run's; takes the mark back if training fails with nothing saved, so
    that it does not stand in the way of the next attempt."""
    is_new = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    storage.write_text(folder / _CONFIG, config.to_toml())
    try:
        yield
    except Exception:
        if not (folder / _CHECKPOINT).exists():
            (folder / _CONFIG).unlink()
            if is_new and not any(folder.iterdir()):
                folder.rmdir()
        raise


def _unchanged(run: Run, data: Dataset) -> Run:
    """Refuses a result whose data file has been edited since."""
    for name in _ARRAYS:
        if not np.array_equal(getattr(run.data, name), getattr(data, name)):
            raise ValueError(
                f"out: {run.folder} holds a result for other data: {run.config.data.source} has "
                "changed since; name another folder with --out"
            )
    return run

"""The work of one unit, in whatever process it runs."""

from __future__ import annotations

import functools
import platform
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from qhypernet import _core, runs, storage, threads
from qhypernet.config import RunConfig
from qhypernet.datasets import Dataset
from qhypernet.evaluation import evaluate
from qhypernet.posterior import ExactPosterior, exact_posterior
from qhypernet.priors import BernoulliPrior
from qhypernet.problems import Problem
from qhypernet.sweeps._plan import Options, Unit, data_digest, load
from qhypernet.training import DivergedError, TrainingResult

if TYPE_CHECKING:
    import xarray as xr

HISTORY = ("objective", "expected_nll", "regularizer", "gradient_norm")

LAYOUT: dict[str, tuple[str, ...]] = {
    "init": ("init",),
    "metric": ("metric",),
    "reference": ("reference",),
    "step": ("step",),
    "trained": ("init", "metric"),
    "mode": ("init", "metric"),
    "ground_truth": ("reference", "metric"),
    "log_evidence": (),
    "failed": ("init",),
    "params": ("init", "param"),
    **dict.fromkeys(HISTORY, ("init", "step")),
}
"""The variables of a unit's file, with their dimensions."""

_REFUSALS = (ValueError, TypeError, ArithmeticError, MemoryError, RuntimeError)
"""What a configuration can bring on itself: recorded, while the sweep goes on."""


@dataclass(frozen=True)
class Workplace:
    """Where units are written, and how they are worked on."""

    folder: Path
    """The sweep's, absolute."""
    base: Path
    """Where relative paths of data start."""
    options: Options
    threads: int | None = None
    """Threads of the core, to be set in a process of its own; None leaves them."""

    def file(self, unit: Unit) -> Path:
        """The unit's result."""
        return self.folder / "units" / f"{unit.name}.nc"

    def note(self, unit: Unit) -> Path:
        """What went wrong with the unit the last time."""
        return self.folder / "units" / f"{unit.name}.error"


class Outcome(NamedTuple):
    """What became of a unit."""

    name: str
    error: str
    """Why it has no result; empty if it has one."""


Write = Callable[[Path, "xr.Dataset"], None]


def work(unit: Unit, workplace: Workplace, write: Write = storage.write_dataset) -> Outcome:
    """Does a unit and writes its file, unless another process has written it meanwhile.

    Raises:
        OSError: The file cannot be written.
    """
    if workplace.threads is not None:
        _settle(workplace.threads)
    if workplace.file(unit).exists():
        return Outcome(unit.name, "")
    note = workplace.note(unit)
    try:
        dataset = result(unit, workplace)
    except _REFUSALS as error:
        message = f"{type(error).__name__}: {error}"
        storage.write_text(note, message + "\n")
        return Outcome(unit.name, message)
    try:
        write(workplace.file(unit), dataset)
    except OSError:
        # Another machine may have written it meanwhile, and tidied up after all that were at it.
        if not workplace.file(unit).exists():
            raise
    note.unlink(missing_ok=True)
    return Outcome(unit.name, "")


def result(unit: Unit, workplace: Workplace) -> xr.Dataset:
    """What a unit's file holds: metrics, ground truth, parameters and history, dims (init, ...)."""
    config = unit.config
    if data_digest(config, workplace.base) != unit.data:
        raise ValueError(f"data: {config.data.source} has changed since the sweep began")
    alone = RunConfig(data=config.data, network=config.network)
    problem = _problem(alone, workplace.base, unit.data)
    trained = _train(unit, problem)
    table = problem.fitted.table
    metrics = evaluate(
        problem.fitted.net,
        problem.data,
        trained.distributions(),
        problem.posterior,
        table,
        problem.prior,
    )
    inits = np.arange(unit.first_init, unit.first_init + unit.n_inits)
    dataset = metrics.assign_coords(init=inits).assign(
        failed=("init", trained.failed),
        params=(("init", "param"), trained.params),
        log_evidence=((), problem.posterior.log_evidence),
    )
    if steps := workplace.options.steps(config.training.steps):
        # Where all have stopped before the last step they stay as they are: a chunk of them says
        # no less than all of them together would.
        history = trained.history[list(HISTORY)].reindex(step=steps, method="ffill")
        with np.errstate(over="ignore"):  # What single precision cannot hold is infinite.
            dataset = dataset.merge(history.astype(workplace.options.history_dtype))
    dataset.attrs = {
        "qhypernet": _core.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
        "config": config.to_toml(),
        "seed": str(config.training.seed),
        "data": unit.data,
    }
    return dataset


def _train(unit: Unit, problem: _Problem) -> TrainingResult:
    part = unit.config.replace({"training.inits": unit.n_inits, "training.ground_truth": None})
    circuit = part.build_circuit(problem.fitted.net)
    try:
        return runs.train_as_described(
            part, circuit, problem.fitted, first_init=unit.first_init, progress=False
        )
    except DivergedError as error:
        # That none of a chunk is left says nothing of the configuration's other chunks.
        return error.result


class _Problem(NamedTuple):
    """What units that differ in circuit, objective or training only have in common."""

    data: Dataset
    fitted: Problem
    prior: BernoulliPrior
    posterior: ExactPosterior


@functools.lru_cache(maxsize=4)
def _problem(config: RunConfig, base: Path, digest: str) -> _Problem:
    del digest  # It is there for the cache: a file may have changed.
    data = load(config, base)
    net = config.build_network(data)
    prior = config.build_prior(net)
    fitted = Problem(net, data.X_train, data.y_train)
    return _Problem(data, fitted, prior, exact_posterior(fitted.table, prior))


def _settle(n_threads: int) -> None:
    """Makes a worker's process use so many threads, and BLAS one."""
    if threads.num_threads() != n_threads:
        threads.set_num_threads(n_threads)
    _settle_blas()


@functools.cache
def _settle_blas() -> None:
    from threadpoolctl import threadpool_limits

    threadpool_limits(1, user_api="blas")

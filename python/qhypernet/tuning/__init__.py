"""Tuning: search the settings of a run with Optuna.

Optuna and pydantic are imported when a study begins, so that importing this module stays fast.
"""

from __future__ import annotations

import importlib
import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from qhypernet.tuning._config import TuneConfig
    from qhypernet.tuning._study import Study

__all__ = ["CONFIG", "Study", "is_study", "read_study", "tune"]

CONFIG = "study.toml"
"""The description in a study's folder."""


def tune(
    config: TuneConfig | Mapping[str, Any] | str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    storage: str | None = None,
    progress: bool | None = None,
) -> Study:
    """Searches the settings of a run, and writes the best where ``qhypernet train`` finds them.

    A trial trains a batch of initialisations on one part of the training data in one call of the
    core, and is scored on the other part by the mean over them; the test part is never looked at.
    With one process, a study that is killed and started again proposes what it would have proposed
    anyway: each trial's sampler is seeded by the study's seed and the trial's number.

    Args:
        config: A description as ``qhypernet tune`` takes it: the path of a TOML file, the same as a
            mapping, or a ``TuneConfig``.
        out: A folder for the study; one that holds it already is gone on with.
        storage: The address of a database that several processes and machines share, such as
            ``postgresql://user@host/name``; None keeps the trials in a journal in the folder.
        progress: Whether to show a progress bar; None shows it where someone can see it.

    Raises:
        ValueError: A description that does not fit, a folder or storage of something else, a
            storage that cannot be reached, or no trial that did not fail.
        OSError: The folder cannot be written.
        Interrupted: Ctrl-C; the same call goes on.

    Example:
        >>> import tempfile
        >>> import qhypernet as qh
        >>> description = {
        ...     "data": {"source": "moons", "n_samples": 40},
        ...     "training": {"inits": 2, "steps": 5},
        ...     "tune": {
        ...         "trials": 3,
        ...         "ranges": {"objective.weight": {"low": 1, "high": 1000, "log": True}},
        ...     },
        ... }
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     study = qh.tune(description, folder)
        ...     len(study.trials), study.description(study.best[0]).training.steps
        (3, 5)
    """
    _import_optuna()
    from qhypernet.tuning._config import TuneConfig
    from qhypernet.tuning._tune import run

    if isinstance(config, str | os.PathLike):
        config = TuneConfig.parse(TuneConfig.read(Path(config)), str(config))
    elif not isinstance(config, TuneConfig):
        config = TuneConfig.parse(dict(config), "config")
    return run(config, Path(out), storage, progress)


def read_study(folder: str | os.PathLike[str], storage: str | None = None) -> Study:
    """Reads a study back.

    Args:
        folder: Where it is.
        storage: The address of its trials, if they are not in the folder.

    Raises:
        ValueError: There is no study, or its storage cannot be reached.
    """
    _import_optuna()
    from qhypernet.tuning import _study

    return _study.read_study(Path(folder), storage)


def is_study(folder: Path) -> bool:
    """Whether a folder holds a study."""
    return (folder / CONFIG).is_file()


def _import_optuna() -> None:
    """Optuna tells notebooks to install what a progress bar needs that is never shown here."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="IProgress not found")
        importlib.import_module("optuna")


def __getattr__(name: str) -> object:
    if name == "Study":
        _import_optuna()
        from qhypernet.tuning._study import Study

        return Study
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

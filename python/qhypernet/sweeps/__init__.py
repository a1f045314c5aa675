"""Sweeps: many configurations and initialisations, on one machine or many.

pydantic, joblib and others are imported when a sweep begins, so that importing this module stays
fast.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from qhypernet.sweeps._plan import Plan
    from qhypernet.sweeps._sweep import Sweep

__all__ = ["INDEX", "Sweep", "is_sweep", "read_sweep", "sweep"]

INDEX = "units.json"
"""The list of units in a sweep's folder."""


def sweep(
    description: Plan | Mapping[str, Any] | str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    jobs: int | None = None,
    threads: int | None = None,
    dask: str | None = None,
    shard: str | None = None,
    progress: bool | None = None,
) -> Sweep:
    """Trains and evaluates every configuration of a sweep, and keeps what is done.

    The description is that of a run and ``[sweep]``: lists of values by the name of their field, of
    which every combination is trained, and ``[[sweep.cases]]`` for those that go together.

    A unit of work is some initialisations of one configuration, enough to take about a second
    (or ``sweep.chunk`` of them). Its result is one file, named by a hash of what decides its
    numbers, that is there whole or not at all. So the same call does only what is missing, any
    number of machines may share a folder, and however the work was divided, interrupted or
    repeated, the files are the same bit for bit. A unit that fails is recorded, tried again by the
    next call, and stops nothing.

    Args:
        description: The path of a TOML file, or the same as a mapping.
        out: A folder for the sweep; one that holds it already is gone on with.
        jobs: Processes on this machine; if not given one a core, as far as memory allows and there
            is work enough for them. With ``dask="slurm"``, jobs of the queue.
        threads: Threads of the core in each process; if not given the cores are shared out, with
            ``dask`` one for each thread of a worker.
        dask: The address of a dask scheduler, the path of its scheduler file (``.json``), or
            "slurm" for a cluster as dask-jobqueue's configuration describes it.
        shard: "i/N" does the i-th of N parts in this process alone, as a job array wants it.
        progress: Whether to show a progress bar; None shows it where someone can see it, and else
            now and then a line.

    Raises:
        ValueError: A description that does not fit, or a folder of something else.
        OSError: A folder that cannot be written, or a scheduler that cannot be reached.
        Interrupted: Ctrl-C; the same call goes on.

    Example:
        >>> import tempfile
        >>> import qhypernet as qh
        >>> description = {
        ...     "data": {"source": "moons", "n_samples": 40},
        ...     "training": {"inits": 4, "steps": 5},
        ...     "sweep": {"objective.weight": [10, 30], "data.seed": [0, 1, 2]},
        ... }
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     sweep = qh.sweep(description, folder, jobs=1)
        ...     accuracy = sweep.collect()["trained"].sel(metric="accuracy").load()
        >>> dict(accuracy.sizes)
        {'objective.weight': 2, 'data.seed': 3, 'init': 4}
    """
    from qhypernet.sweeps import _sweep

    options = {"jobs": jobs, "threads": threads, "dask": dask, "shard": shard}
    return _sweep.run(description, out, progress=progress, **options)  # type: ignore[arg-type]


def read_sweep(folder: str | os.PathLike[str]) -> Sweep:
    """A sweep that has begun, whoever is at work on it, read from its folder.

    Raises:
        ValueError: The folder holds no sweep.
    """
    from qhypernet.sweeps import _sweep

    return _sweep.read(folder)


def is_sweep(folder: Path) -> bool:
    """Whether a folder holds a sweep."""
    return (folder / INDEX).is_file()


def __getattr__(name: str) -> object:
    if name == "Sweep":
        from qhypernet.sweeps._sweep import Sweep

        return Sweep
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

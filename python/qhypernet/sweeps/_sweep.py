"""A sweep in a folder: its description, the list of its units, and their results."""

from __future__ import annotations

import json
import os
import random
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from qhypernet import _check, storage
from qhypernet._interrupt import Interrupts
from qhypernet.sweeps import INDEX, _engines, is_sweep
from qhypernet.sweeps._plan import Plan, Unit
from qhypernet.sweeps._progress import UnitProgress
from qhypernet.sweeps._unit import Workplace
from qhypernet.training import Interrupted

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

_PLAN = "sweep.toml"
_RECENT = 600.0
"""Seconds without a new result after which nobody seems to be at work."""


class Entry(NamedTuple):
    """A line of the list of units."""

    name: str
    place: tuple[int, ...]
    first_init: int
    n_inits: int
    n_params: int


@dataclass(frozen=True)
class Status:
    """How far a sweep has come."""

    total: int
    done: int
    errors: dict[str, str]
    """Units without a result that have failed, and why."""
    rate: float
    """Units a second of late; 0 where nobody is at work."""

    @property
    def seconds_left(self) -> float:
        """At this rate; infinite where nobody is at work."""
        left = self.total - self.done
        return left / self.rate if self.rate else (float("inf") if left else 0.0)


@dataclass(frozen=True)
class Sweep:
    """A sweep that has begun; everything is read from its folder when it is asked for."""

    folder: Path
    plan: Plan

    @cached_property
    def entries(self) -> list[Entry]:
        """All units, in the order of the axes."""
        rows = json.loads((self.folder / INDEX).read_text(encoding="utf-8"))
        return [Entry(row[0], tuple(row[1]), *row[2:]) for row in rows]

    def file(self, entry: Entry) -> Path:
        """A unit's result."""
        return self.folder / "units" / f"{entry.name}.nc"

    def status(self) -> Status:
        """How much is done, what failed, and how fast it goes."""
        with os.scandir(self.folder / "units") as found:
            files = {file.name: file.stat().st_mtime for file in found}
        times = [files[f"{e.name}.nc"] for e in self.entries if f"{e.name}.nc" in files]
        failed = [
            e.name
            for e in self.entries
            if f"{e.name}.error" in files and f"{e.name}.nc" not in files
        ]
        notes = {name: self.folder / "units" / f"{name}.error" for name in failed}
        errors = {name: path.read_text(encoding="utf-8").strip() for name, path in notes.items()}
        return Status(len(self.entries), len(times), errors, _rate(sorted(times)))

    def collect(self, path: str | os.PathLike[str] | None = None) -> xr.Dataset:
        """All results as one data set, lazily: numbers are read when they are looked at.

        Args:
            path: The NetCDF file to put them into; ``collected.nc`` in the folder if not given.

        Returns:
            Its dims are the axes, ``init``, and ``metric``, ``reference``, ``step`` or ``param``.
            NaN where there is no result yet, which ``done`` tells.
        """
        from qhypernet.sweeps._collect import collect

        return collect(self, Path(path) if path is not None else self.folder / "collected.nc")

    def table(self) -> pd.DataFrame:
        """Metrics of each initialisation of each configuration that is done, one a row."""
        from qhypernet.sweeps._collect import table

        return table(self)

    def report(
        self, path: str | os.PathLike[str] | None = None, metrics: Sequence[str] = ()
    ) -> Path:
        """Writes a page of small multiples: metrics over each axis, with their spread."""
        from qhypernet.sweeps._report import write_report

        return write_report(self, Path(path or self.folder / "report.html"), metrics)


def run(
    description: Plan | Mapping[str, Any] | str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    jobs: int | None = None,
    threads: int | None = None,
    dask: str | None = None,
    shard: str | None = None,
    progress: bool | None = None,
) -> Sweep:
    """What :func:`qhypernet.sweep` does."""
    plan = _plan(description)
    jobs = None if jobs is None else _check.integer("jobs", jobs, 1)
    threads = None if threads is None else _check.integer("threads", threads, 1, 2**32)
    part, n_parts = (1, 1) if shard is None else _shard(shard)
    if dask is not None and shard is not None:
        raise ValueError("shard: expected none with dask, which divides the work itself")
    folder, base = Path(os.path.abspath(out)), Path.cwd()
    _refuse_others(folder, plan)
    units = plan.units(base)
    sweep = _claim(folder, plan, units)
    workplace = Workplace(folder, base, plan.options, threads)
    own = units[part - 1 :: n_parts]
    missing = [unit for unit in own if not workplace.file(unit).exists()]
    # In any order the results are the same. At random, machines that share a folder do not do the
    # same units at the same time, and the time left is that of a fair sample.
    random.SystemRandom().shuffle(missing)
    bar = UnitProgress(progress, len(own), len(own) - len(missing))
    done = len(own) - len(missing)
    try:
        # A KeyboardInterrupt in the midst of a process pool's own work can get lost in it.
        with bar, Interrupts() if dask is None else nullcontext() as interrupts:
            for outcome in _outcomes(missing, workplace, jobs, dask, shard):
                done += not outcome.error
                bar.update(outcome.error)
                if interrupts is not None and interrupts.asked:
                    raise KeyboardInterrupt
    except KeyboardInterrupt:
        message = f"stopped with {done} of {len(own)} units done; the same call goes on from there"
        raise Interrupted(message) from None
    if done == len(units):
        _tidy(folder)
    return sweep


def read(folder: str | os.PathLike[str]) -> Sweep:
    """What :func:`qhypernet.read_sweep` does."""
    path = Path(folder)
    if not is_sweep(path):
        hint = "the folder holds no sweep" if path.is_dir() else "there is no such folder"
        raise ValueError(f"sweep: expected the folder of a sweep, got {folder}: {hint}")
    return Sweep(path, Plan.of_toml((path / _PLAN).read_text(encoding="utf-8"), str(path / _PLAN)))


def _plan(description: Plan | Mapping[str, Any] | str | os.PathLike[str]) -> Plan:
    if isinstance(description, Plan):
        return description
    if isinstance(description, Mapping):
        return Plan.parse(description, "description")
    return Plan.read(Path(description))


def _shard(text: str) -> tuple[int, int]:
    """Which of how many parts, both from 1."""
    part, _, n_parts = text.partition("/")
    try:
        i, n = int(part), int(n_parts)
    except ValueError:
        i, n = 0, 0
    if not 1 <= i <= n:
        raise ValueError(f"shard: expected i/N with i from 1 to N, such as 3/10, got {text!r}")
    return i, n


def _outcomes(
    units: list[Unit], workplace: Workplace, jobs: int | None, dask: str | None, shard: str | None
) -> Any:
    if not units:
        return iter(())
    if dask is not None:
        return _engines.on_dask(units, workplace, dask, jobs)
    if shard is not None and jobs is None:
        return _engines.serial(units, workplace)
    jobs, workplace = _engines.spread(units, jobs, workplace)
    return _engines.local(units, workplace, jobs) if jobs > 1 else _engines.serial(units, workplace)


def _refuse_others(folder: Path, plan: Plan) -> None:
    """Refuses a folder that holds something else."""
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"out: expected a folder, got {folder}, which is a file")
    path = folder / _PLAN
    if path.is_file():
        stored = Plan.of_toml(path.read_text(encoding="utf-8"), str(path))
        if stored != plan:
            raise ValueError(
                f"out: {folder} already holds another sweep, with {_difference(plan, stored)}; "
                "name another folder"
            )
    elif folder.is_dir() and any(folder.iterdir()):
        raise ValueError(f"out: expected an empty folder or a sweep, got {folder} with other files")


def _difference(ours: Plan, theirs: Plan) -> str:
    """What is otherwise in a stored plan."""

    def fields(plan: Plan) -> dict[str, Any]:
        content = plan.base.model_dump(mode="json") | {"sweep": plan.options.model_dump()}
        tables = {name: values for name, values in content.items() if values is not None}
        named = {f"{table}.{k}": v for table, values in tables.items() for k, v in values.items()}
        return named | {f"sweep.{name}": values for name, values in plan.axes.items()}

    asked, stored = fields(ours), fields(theirs)
    names = [name for name in asked | stored if asked.get(name) != stored.get(name)]
    return ", ".join(f"{n} = {stored.get(n)!r} (asked for: {asked.get(n)!r})" for n in names)


def _claim(folder: Path, plan: Plan, units: Sequence[Unit]) -> Sweep:
    """Writes what the folder is for; machines that share it write the same."""
    index = json.dumps([[u.name, u.place, u.first_init, u.n_inits, u.n_params] for u in units])
    path = folder / INDEX
    if path.is_file():
        if path.read_text(encoding="utf-8") != index:
            raise ValueError(
                f"out: {folder} holds results for other data or of another version of qhypernet; "
                "name another folder"
            )
    else:
        (folder / "units").mkdir(parents=True, exist_ok=True)
        storage.write_text(folder / _PLAN, plan.to_toml())
        storage.write_text(path, index)
    return Sweep(folder, plan)


def _tidy(folder: Path) -> None:
    """Removes what workers that were killed while writing have left, once all units are there."""
    for path in (folder / "units").glob(".*.nc.*"):
        path.unlink(missing_ok=True)


def _rate(times: list[float]) -> float:
    recent = times[-200:]
    if len(recent) < 2 or time.time() - recent[-1] > _RECENT:
        return 0.0
    return (len(recent) - 1) / max(time.time() - recent[0], 1e-9)

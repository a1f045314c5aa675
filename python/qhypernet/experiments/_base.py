"""What an experiment is: a question, the runs that answer it, and what they found."""

from __future__ import annotations

import hashlib
import json
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from qhypernet import _core, runs, storage
from qhypernet.config import RunConfig

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Findings:
    """What an experiment leaves."""

    text: str
    """What it shows, and where it does not show what was hoped for: paragraphs."""
    tables: dict[str, pd.DataFrame] = field(default_factory=dict)
    """By caption, as they are printed: the index names the rows."""
    figures: dict[str, Figure] = field(default_factory=dict)
    """By caption."""
    data: pd.DataFrame | None = None
    """The numbers behind it, for the CSV file."""


class Experiment(ABC):
    """One figure or table."""

    name: ClassVar[str]
    title: ClassVar[str]
    about: ClassVar[str]
    """What it does, in a line."""

    @abstractmethod
    def run(self, work: Work) -> Findings:
        """Does what is not done yet, and says what it shows."""


@dataclass
class Work:
    """Where runs are kept, so that none is done twice, and how large they are."""

    folder: Path
    quick: bool
    say: Callable[[str], None]
    """Takes a line of progress."""

    def __post_init__(self) -> None:
        self.seconds = 0.0
        """Time that the runs took, with those of earlier attempts."""

    @property
    def inits(self) -> int:
        """Initialisations of each method."""
        return 16 if self.quick else 100

    def run(self, config: RunConfig) -> runs.Run:
        """Trains what ``config`` describes, or goes on with it, or reads it."""
        folder = self.folder / "runs" / _digest(config.to_toml())
        clock = folder.with_suffix(".seconds")
        if not (runs.is_done(folder) and clock.is_file()):
            self.say(_line(config))
            folder.parent.mkdir(parents=True, exist_ok=True)
            began = time.perf_counter()
            runs.execute(config, folder)
            # A result is the same whenever it is made, so its time stands beside it.
            storage.write_text(clock, f"{time.perf_counter() - began:.3f}\n")
        self.seconds += float(clock.read_text())
        return runs.read(folder)

    def cached(
        self, key: dict[str, object], find: Callable[[], xr.Dataset], settings: str = ""
    ) -> xr.Dataset:
        """What ``find`` gives, kept under everything that decides it.

        Args:
            key: What tells it from others, as progress says it.
            find: Works it out.
            settings: What decides it besides, and is too long to be said.
        """
        whole = key | {"version": _core.__version__, "settings": settings}
        digest = _digest(json.dumps(whole, sort_keys=True))
        path = self.folder / "runs" / f"{digest}.nc"
        if not path.is_file():
            self.say(", ".join(str(value) for value in key.values()))
            path.parent.mkdir(parents=True, exist_ok=True)
            began = time.perf_counter()
            found = find()
            seconds = time.perf_counter() - began
            storage.write_dataset(path, found.assign_attrs({"elapsed": seconds}))
        dataset = storage.read_dataset(path)
        self.seconds += float(dataset.attrs["elapsed"])
        return dataset


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _line(config: RunConfig) -> str:
    objective, training = config.objective, config.training
    weight = "" if objective.weight is None else f" {objective.weight}"
    return (
        f"{config.data.source} (data seed {config.data.seed}), {config.circuit.ansatz} "
        f"x {config.circuit.layers}, {objective.name}{weight}, {training.inits} starts, "
        f"{training.steps} steps"
    )

"""The progress bar of training."""

from __future__ import annotations

import sys
import time

import numpy as np
from numpy.typing import NDArray

_SECONDS_BETWEEN_UPDATES = 0.1


class TrainingProgress:
    """Shows step, rate, time left and the objective's median over initialisations."""

    def __init__(self, show: bool | None, n_steps: int, done: int) -> None:
        self._show = sys.stderr.isatty() if show is None else show
        self._n_steps = n_steps
        self._done = done
        self._shown = self._began = time.monotonic()
        self._first = done

    def __enter__(self) -> TrainingProgress:
        if self._show:
            from rich.console import Console
            from rich.progress import (
                BarColumn,
                MofNCompleteColumn,
                Progress,
                TextColumn,
                TimeRemainingColumn,
            )

            self._bar = Progress(
                TextColumn("training"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[rate]} steps/s"),
                TimeRemainingColumn(),
                TextColumn("objective {task.fields[objective]}"),
                console=Console(stderr=True),
            )
            self._task = self._bar.add_task(
                "", total=self._n_steps, completed=self._done, rate="-", objective="-"
            )
            self._bar.start()
        return self

    def update(self, done: int, objective: NDArray[np.float64], failed: NDArray[np.bool_]) -> None:
        """So many steps are done, with these objectives where none has failed."""
        if not self._show:
            return
        self._done = done
        now = time.monotonic()
        last = self._done == self._n_steps
        if now - self._shown < _SECONDS_BETWEEN_UPDATES and not last:
            return
        self._shown = now
        rate = (self._done - self._first) / max(now - self._began, 1e-9)
        objective = objective[~failed]
        text = f"{np.median(objective):.4g} (best {np.min(objective):.4g})"
        self._bar.update(self._task, completed=self._done, rate=f"{rate:.3g}", objective=text)

    def __exit__(self, *exception: object) -> None:
        if self._show:
            self._bar.stop()

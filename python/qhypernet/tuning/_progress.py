"""The progress bar of a study."""

from __future__ import annotations

import sys
import time


class StudyProgress:
    """Shows trials, rate, time left and the best value."""

    def __init__(self, show: bool | None, n_trials: int, done: int) -> None:
        self._show = sys.stderr.isatty() if show is None else show
        self._n_trials = n_trials
        self._first = done
        self._began = time.monotonic()

    def __enter__(self) -> StudyProgress:
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
                TextColumn("tuning"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[rate]} trials/s"),
                TimeRemainingColumn(),
                TextColumn("{task.fields[best]}"),
                console=Console(stderr=True),
            )
            self._task = self._bar.add_task(
                "", total=self._n_trials, completed=self._first, rate="-", best=""
            )
            self._bar.start()
        return self

    def update(self, done: int, best: str) -> None:
        """So many trials have ended; ``best`` says how good the best is."""
        if self._show:
            rate = (done - self._first) / max(time.monotonic() - self._began, 1e-9)
            self._bar.update(self._task, completed=done, rate=f"{rate:.3g}", best=best)

    def __exit__(self, *exception: object) -> None:
        if self._show:
            self._bar.stop()

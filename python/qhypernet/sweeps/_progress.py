"""The progress of a sweep: a bar where someone watches, now and then a line in a log."""

from __future__ import annotations

import sys
import time

_SECONDS_BETWEEN_LINES = 30.0


class UnitProgress:
    """Shows units done, rate, time left, and how many have failed."""

    def __init__(self, show: bool | None, total: int, done: int) -> None:
        self._quiet = show is False
        self._bar_wanted = sys.stderr.isatty() if show is None else show
        self._total, self._done, self._failed = total, done, 0
        self._first = done
        self._began = self._shown = time.monotonic()

    def __enter__(self) -> UnitProgress:
        if self._bar_wanted:
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

            self._bar = Progress(
                TextColumn("sweep"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.description}"),
                console=Console(stderr=True),
            )
            self._task = self._bar.add_task("", total=self._total, completed=self._done)
            self._bar.start()
        return self

    def update(self, error: str) -> None:
        """One unit more, or one that failed with ``error``."""
        self._done += not error
        self._failed += bool(error)
        if self._bar_wanted:
            self._bar.update(self._task, completed=self._done, description=self.text())
        elif not self._quiet and time.monotonic() - self._shown > _SECONDS_BETWEEN_LINES:
            self._shown = time.monotonic()
            text = f"sweep: {self._done} of {self._total} units, {self.text()}"
            print(text, file=sys.stderr, flush=True)

    def text(self) -> str:
        """Rate, time left and failures."""
        seconds = max(time.monotonic() - self._began, 1e-9)
        rate = (self._done - self._first) / seconds
        left = self._total - self._done - self._failed
        parts = [f"{rate:.3g} units/s"]
        if rate:
            parts.append(f"{duration(left / rate)} left")
        if self._failed:
            parts.append(f"{self._failed} failed")
        return ", ".join(parts)

    def __exit__(self, *exception: object) -> None:
        if self._bar_wanted:
            self._bar.stop()


def duration(seconds: float) -> str:
    """Seconds in words.

    Example:
        >>> duration(59), duration(3 * 3600 + 59)
        ('59 s', '3 h 0 min')
    """
    minutes = int(seconds) // 60
    if minutes >= 60:
        return f"{minutes // 60} h {minutes % 60} min"
    return f"{minutes} min" if minutes else f"{seconds:.0f} s"

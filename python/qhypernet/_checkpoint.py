"""Where a training is saved to, and when at its end."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

Save = Callable[[Path], None]


class Checkpoint(os.PathLike[str]):
    """A file that a training is saved to now and then, when it is interrupted, and at its end."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)

    def __fspath__(self) -> str:
        return str(self.path)

    def end(self, save: Save) -> None:
        """The training has ended; ``save`` saves it."""
        save(self.path)


class UnlessUsed(Checkpoint):
    """The same, but its context makes a result of the training: only where that fails is the
    training saved at its end. A short one takes less time than the file."""

    _save: Save | None = None

    def end(self, save: Save) -> None:
        """The training has ended; ``save`` saves it."""
        self._save = save

    def __enter__(self) -> UnlessUsed:
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        if kind is not None and self._save is not None:
            self._save(self.path)

"""A training's steps as lines of JSON."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from qhypernet import _check
from qhypernet._step import TrainingStep
from qhypernet.callbacks._values import values

_HEAD = b'{"step": '
_LINE = re.compile(rb'\{"step": (\d+), .*\}\n')


@dataclass
class JSONLines:
    """Writes one JSON object a line for every step, whole and at once.

    A line has ``step``, from 1; ``objective``, ``expected_nll``, ``regularizer`` and
    ``gradient_norm``, a list with a number for each initialisation; ``weight`` and
    ``learning_rate``; and, where metrics are due, for each part of the data (``train``,
    ``validation``) an object of such lists, as :meth:`TrainingStep.metrics` has them. What is not a
    finite number is null. ``pandas.read_json(path, lines=True)`` reads it.

    A training that goes on from a checkpoint goes on here, too: lines of steps that are taken again
    are taken away first, and so is a line that was cut short. The file is then that of a training
    that was never interrupted, byte for byte. So a training from the start replaces what is there,
    and every training wants a file of its own.

    Args:
        path: The file.
        metrics_every: Metrics on the data take longer than a step; they are worked out every so
            many steps, at the first and at the last. None is never.

    Raises:
        ValueError: When training begins: no folder for the file, or a file with other content,
            which is left as it is.

    Example:
        >>> import json, pathlib, tempfile, qhypernet as qh
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder) / "log.jsonl"
        ...     r = qh.train(qh.ansatz.brickwork(2, 1), [-1.0, -2.0, -3.0, -4.0], qh.ELBO(),
        ...                  n_inits=2, n_steps=5, callback=qh.callbacks.JSONLines(path))
        ...     lines = [json.loads(line) for line in path.read_text().splitlines()]
        >>> [line["step"] for line in lines], len(lines[0]["objective"])
        ([1, 2, 3, 4, 5], 2)
    """

    path: str | os.PathLike[str]
    metrics_every: int | None = 10
    _last: int = field(default=0, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.metrics_every is not None:
            _check.integer("metrics_every", self.metrics_every, 1)

    def __enter__(self) -> JSONLines:
        path = Path(self.path)
        if path.is_dir() or not path.parent.is_dir():
            raise ValueError(f"path: expected a file in a folder that exists, got {path}")
        return self

    def __exit__(self, *exception: object) -> None:
        """Nothing is open between two steps."""

    def __call__(self, step: TrainingStep) -> None:
        """Writes a step's line."""
        if step.step == 1 or step.step != self._last + 1:
            _cut(Path(self.path), step.step)
        content = {"step": step.step} | values(step, self.metrics_every)
        line = json.dumps(content, default=_plain, allow_nan=False)
        with open(self.path, "ab") as file:
            file.write(line.encode() + b"\n")
        self._last = step.step


def _plain(array: np.ndarray[Any, Any]) -> list[float | None]:
    return [float(value) if np.isfinite(value) else None for value in array]


def _cut(path: Path, first: int) -> None:
    """Takes away the lines from step ``first`` on, and a last one that was cut short."""
    if not path.exists():
        return
    kept = 0
    with open(path, "rb+") as file:
        for number, line in enumerate(file, 1):
            match = _LINE.fullmatch(line)
            is_short = not line.endswith(b"\n")
            if not match and not (is_short and (line.startswith(_HEAD) or _HEAD.startswith(line))):
                raise ValueError(
                    f"path: expected a log of training or no file yet, got {path}, whose line "
                    f"{number} is none; name another file or remove that one"
                )
            if match and int(match[1]) < first:
                kept += len(line)
        file.truncate(kept)

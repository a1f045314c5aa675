"""A training's steps for TensorBoard."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from qhypernet import _check, _extras
from qhypernet._step import TrainingStep
from qhypernet.callbacks._values import values


@dataclass
class TensorBoard:
    """Writes scalars that TensorBoard shows: ``tensorboard --logdir FOLDER``.

    Of ``objective``, ``expected_nll``, ``regularizer``, ``gradient_norm`` and, where they are due,
    metrics such as ``train/accuracy`` and ``validation/nll``, two each: ``.../median`` over the
    initialisations that have not diverged, and ``.../best``, that of the initialisation whose
    objective is lowest at this step. ``weight`` and ``learning_rate`` are one each.

    A training that goes on from a checkpoint goes on here, too: TensorBoard is told to forget what
    it has of steps that are taken again. Every training wants a folder of its own.

    Args:
        folder: Where to write; made if it is not there.
        metrics_every: Metrics on the data take longer than a step; they are worked out every so
            many steps, at the first and at the last. None is never.

    Raises:
        ModuleNotFoundError: The package tensorboard is missing; says how to install it.
    """

    folder: str | os.PathLike[str]
    metrics_every: int | None = 10
    _last: int = field(default=0, init=False, repr=False, compare=False)
    _writer: Any = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.metrics_every is not None:
            _check.integer("metrics_every", self.metrics_every, 1)
        _writers()

    def __enter__(self) -> TensorBoard:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def __call__(self, step: TrainingStep) -> None:
        """Writes a step's scalars, which are in the file when this returns."""
        writers, events = _writers()
        if self._writer is None or step.step != self._last + 1:
            self.__exit__()
            _wait_for_a_later_name(self.folder)
            self._writer = writers.EventFileWriter(os.fspath(self.folder))
            begun = events.SessionLog(status=events.SessionLog.START)
            # What was seen of this step and later ones is out of date.
            self._writer.add_event(
                events.Event(wall_time=time.time(), step=step.step, session_log=begun)
            )
        event = events.Event(wall_time=time.time(), step=step.step)
        for tag, value in _scalars(step, self.metrics_every):
            event.summary.value.add(tag=tag, simple_value=value)
        self._writer.add_event(event)
        self._writer.flush()
        self._last = step.step


def _wait_for_a_later_name(folder: str | os.PathLike[str]) -> None:
    """TensorBoard reads the files of a folder in the order of their names, which begin with the
    second: two of one second may change places."""
    now = time.time()
    if any(Path(folder).glob(f"events.out.tfevents.{int(now)}.*")):
        time.sleep(int(now) + 1 - now)


def _scalars(step: TrainingStep, metrics_every: int | None) -> Iterator[tuple[str, float]]:
    best = int(np.nanargmin(step.objective))
    for name, value in values(step, metrics_every).items():
        of_metrics = {f"{name}/{k}": v for k, v in value.items()} if isinstance(value, dict) else {}
        for tag, numbers in (of_metrics or {name: value}).items():
            if np.ndim(numbers):
                yield f"{tag}/median", float(np.nanmedian(numbers))
                yield f"{tag}/best", float(numbers[best])
            else:
                yield tag, float(numbers)


def _writers() -> tuple[Any, Any]:
    """TensorBoard's own writer and events."""
    return (
        _extras.module("tensorboard.summary.writer.event_file_writer", "tensorboard"),
        _extras.module("tensorboard.compat.proto.event_pb2", "tensorboard"),
    )

"""Samplers that hand work in and collect it later."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from qhypernet import _check
from qhypernet.circuits import Circuit
from qhypernet.samplers._base import Streams
from qhypernet.samplers._compiled import Compiled


@dataclass(frozen=True)
class Limits:
    """What one job may hold at most; more is split into several jobs.

    Args:
        executions: Settings times shots; the default is IBM's.
        megabytes: Size of the input in 10^6 bytes; the default is IBM's.
    """

    executions: int = 10_000_000
    megabytes: float = 300.0

    def __post_init__(self) -> None:
        _check.integer("executions", self.executions, 1)
        _check.number("megabytes", self.megabytes, above=0)

    def parts(self, n_settings: int, n_params: int, shots: int) -> list[slice]:
        """Runs of settings that fit into a job each.

        Raises:
            ValueError: A single setting does not fit.
        """
        # A number takes 8 bytes, and at most 25 characters once it is sent as text.
        rows = min(self.executions // shots, int(self.megabytes * 1e6 / (25 * max(n_params, 1))))
        if not rows:
            raise ValueError(
                f"shots: expected at most {self.executions} for one setting in a job, got {shots}"
            )
        return [slice(first, first + rows) for first in range(0, n_settings, rows)]


class Job(Protocol):
    """Work that was handed in."""

    @property
    def id(self) -> str:
        """What the service calls it."""

    def state(self) -> str:
        """What the service says of it, such as QUEUED or DONE."""

    def bits(self) -> NDArray[np.uint8]:
        """Waits for its bits (B, S, n).

        Raises:
            Paused: They cannot be had now.
            JobError: They cannot be had at all.
        """

    def seconds(self) -> float | None:
        """Seconds of a quantum processor that it was charged for; None if nobody knows."""


class JobError(RuntimeError):
    """A job that ended without its bits."""


class JobSampler(ABC):
    """A sampler whose jobs have a life of their own."""

    limits: Limits

    @abstractmethod
    def compiled(self, circuit: Circuit) -> Compiled:
        """The circuit as it will be run."""

    def check(self, compiled: Compiled, shots: int) -> None:
        """Refuses what the backend cannot run, before anything is submitted."""
        del compiled, shots

    def on(self, qubits: list[int]) -> JobSampler:
        """The same sampler, with circuits on these qubits of the backend; itself if it has none."""
        del qubits
        return self

    @abstractmethod
    def submit(
        self, compiled: Compiled, params: NDArray[np.float64], shots: int, seed: int, tag: str
    ) -> Job:
        """Hands in one PUB with settings (B, P); returns as soon as the job has an id."""

    def job(self, id: str, compiled: Compiled, shape: tuple[int, int]) -> Job | None:
        """A job handed in earlier, with settings and shots ``shape``; None if it did not outlive
        the program that did."""
        del id, compiled, shape
        return None

    def find(self, tag: str, compiled: Compiled, shape: tuple[int, int]) -> Job | None:
        """A job handed in earlier, by its tag."""
        del tag, compiled, shape
        return None

    def seconds(self, compiled: Compiled, executions: int) -> float:
        """Estimated seconds of a quantum processor; 0 where there is none."""
        del compiled, executions
        return 0.0

    def sample(
        self, circuit: Circuit, params: NDArray[np.float64], shots: int, streams: Streams
    ) -> NDArray[np.uint8]:
        """Bits of shape (B, S, n) at params (B, P): all jobs are handed in before any is waited
        for."""
        compiled = self.compiled(circuit)
        self.check(compiled, shots)
        jobs = [
            self.submit(compiled, params[rows], shots, streams.part(rows).job_seed(), "qhypernet")
            for rows in self.limits.parts(len(params), len(compiled.columns), shots)
        ]
        return np.concatenate([job.bits() for job in jobs])

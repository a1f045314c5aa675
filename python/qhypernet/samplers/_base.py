"""What a source of samples has to do."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from qhypernet.circuits import Circuit


class Paused(RuntimeError):  # noqa: N818, it is no error
    """There are no more samples for now; the message says why. What was measured is kept."""


@dataclass(frozen=True)
class Streams:
    """Names of the random streams of B settings: (seed, settings, init, step and setting)."""

    seed: int
    step: int
    inits: NDArray[np.int64]
    """Initialisation that each row belongs to, shape (B,)."""
    settings: NDArray[np.int64]
    """Which of its initialisation's settings each row is, shape (B,)."""

    def names(self) -> list[tuple[int, int]]:
        """(init, step and setting in one word) of each row."""
        words = (self.step << 32) + self.settings
        return list(zip(self.inits.tolist(), words.tolist(), strict=True))

    def part(self, rows: slice) -> Streams:
        """The names of some rows."""
        return replace(self, inits=self.inits[rows], settings=self.settings[rows])

    def job_seed(self) -> int:
        """A seed below 2**31 for a simulator that takes one for all rows together.

        A simulator that is given the same seed twice draws the same samples twice, so each job
        has a seed of its own.
        """
        text = repr((self.seed, self.step, self.inits.tolist(), self.settings.tolist()))
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") % 2**31


class Sampler(Protocol):
    """A backend that has samples, and nothing else.

    Its ``repr`` tells checkpoints apart, so it should show what decides the result.
    """

    def sample(
        self, circuit: Circuit, params: NDArray[np.float64], shots: int, streams: Streams
    ) -> NDArray[np.uint8]:
        """Measures every setting.

        Args:
            circuit: The circuit.
            params: Angles in radians, shape (B, P): one batch.
            shots: Measurements of each setting.
            streams: Names of each row's random numbers, for a sampler that draws its own: equal
                names give equal bits. A device has no use for them.

        Returns:
            Bits of shape (B, S, n), qubit i in column i. S is ``shots``, or a little more where a
            service rounds up (twirling does).

        Raises:
            Paused: No samples for now; the same call later goes on from what is there.
        """

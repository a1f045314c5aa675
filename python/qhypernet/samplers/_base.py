"""What a source of samples has to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from qhypernet.circuits import Circuit


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
            params: Angles in radians, shape (B, P): one batch, one job.
            shots: Measurements of each setting.
            streams: Names of each row's random numbers, for a sampler that draws its own: equal
                names give equal bits in any batch. A device has no use for them.

        Returns:
            Bits of shape (B, shots, n): column i is qubit i.
        """

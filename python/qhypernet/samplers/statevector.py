"""Samples of the simulated state."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qhypernet.circuits import Circuit
from qhypernet.samplers._base import Streams


@dataclass(frozen=True)
class StatevectorSampler:
    """Exact simulation, measured: no more states are held at a time than there are threads.

    Example:
        >>> import numpy as np, qhypernet as qh
        >>> circuit = qh.ansatz.brickwork(3, 1)
        >>> rows = np.arange(2)
        >>> streams = qh.samplers.Streams(seed=0, step=0, inits=rows, settings=0 * rows)
        >>> qh.samplers.StatevectorSampler().sample(circuit, np.zeros((2, 6)), 4, streams).shape
        (2, 4, 3)
    """

    def sample(
        self, circuit: Circuit, params: NDArray[np.float64], shots: int, streams: Streams
    ) -> NDArray[np.uint8]:
        """Bits of shape (B, shots, n) at params (B, P)."""
        return circuit._core.sample(params, shots, streams.seed, streams.names())

"""Readout correction: what each shot counts for, once it is known how qubits are misread."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from qhypernet import _check, _extras
from qhypernet.circuits import Circuit
from qhypernet.samplers import JobSampler, Ledger, Sampler, Streams

Floats: TypeAlias = NDArray[np.float64]
Bits: TypeAlias = NDArray[np.uint8]
Weigh: TypeAlias = Callable[[Bits], Floats]
"""Shots (B, S, n) to what each counts for, (B, S): a row sums to 1 and may hold negative values."""

__all__ = ["Mitigation", "ReadoutMitigation", "Weigh"]

_CALIBRATION_STEP = 2**30
"""Step of the streams of calibrations, far from any training's."""


class Mitigation(Protocol):
    """A correction of measured distributions. Its ``repr`` shows what decides the result."""

    def calibrated(self, sampler: Sampler, circuit: Circuit, seed: int) -> Weigh:
        """Learns how the qubits that the circuit is measured on are misread."""


@dataclass(frozen=True)
class ReadoutMitigation:
    """Correction of independent readout errors by M3 (Nation et al. 2021, arXiv 2108.12518).

    Experimental, and needs the extra "mitigation". What comes out are quasi-probabilities, some of
    them negative: they weigh expectations, and are never sampled from. Errors of several qubits
    together are not seen.

    Args:
        shots: Measurements of each prepared pattern of bits, of which there are about 2 log2(n).

    Example:
        >>> import numpy as np, qhypernet as qh
        >>> sampler = qh.samplers.IBMRuntimeSampler("fake_manila")
        >>> circuit = qh.ansatz.brickwork(2, 1)
        >>> weigh = qh.mitigation.ReadoutMitigation(1000).calibrated(sampler, circuit, seed=0)
        >>> streams = qh.samplers.Streams(0, 0, inits=np.zeros(1, int), settings=np.zeros(1, int))
        >>> weights = weigh(sampler.sample(circuit, np.zeros((1, 4)), 100, streams))
        >>> weights.shape, bool(abs(weights.sum() - 1) < 1e-6)
        ((1, 100), True)
    """

    shots: int = 10_000
    _known: dict[tuple[str, str, int], Weigh] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        _check.integer("shots", self.shots, 1)

    def calibrated(self, sampler: Sampler, circuit: Circuit, seed: int) -> Weigh:
        """Measures prepared patterns of bits, once."""
        name = (repr(sampler), circuit.fingerprint, seed)
        if name not in self._known:
            self._known[name] = self._learned(sampler, circuit, seed)
        return self._known[name]

    def n_settings(self, n_qubits: int) -> int:
        """Patterns that a calibration prepares."""
        return len(patterns(n_qubits))

    def _learned(self, sampler: Sampler, circuit: Circuit, seed: int) -> Weigh:
        m3 = _extras.module("mthree", "mitigation")
        n = circuit.n_qubits
        prepare = Circuit(n)
        for qubit in range(n):
            prepare.rx(qubit)
        if isinstance(sampler, Ledger | JobSampler):
            sampler = sampler.on(sampler.compiled(circuit).qubits)
        prepared = patterns(n)
        angles = np.pi * prepared.astype(np.float64)
        rows = np.arange(len(prepared))
        streams = Streams(seed, _CALIBRATION_STEP, 0 * rows, rows)
        read = sampler.sample(prepare, angles, self.shots, streams).mean(axis=1)
        matrices = []
        for qubit in range(n):
            ones = [read[prepared[:, qubit] == bit, qubit].mean() for bit in (0, 1)]
            matrices.append(np.array([[1 - one for one in ones], ones], dtype=np.float32))
        corrector = m3.M3Mitigation()
        corrector.cals_from_matrices(matrices)
        return lambda bits: weights(corrector, bits)


def patterns(n_qubits: int) -> NDArray[np.int64]:
    """Patterns of bits in which every qubit, and every pair of them, is 0 and 1 equally often.

    Pattern j of qubit i is the parity of i + 1 and j: rows of a Hadamard matrix. Shape (K, n).
    """
    n_patterns = 1 << max(1, n_qubits.bit_length())
    both = np.arange(n_patterns)[:, None] & np.arange(1, n_qubits + 1)
    return np.array([[int(value).bit_count() % 2 for value in row] for row in both])


def weights(corrector: Any, bits: Bits) -> Floats:
    """What each shot (B, S, n) counts for by an M3 corrector, shape (B, S)."""
    n = bits.shape[-1]
    index = bits.astype(np.int64) @ (1 << np.arange(n, dtype=np.int64))
    found = np.empty(index.shape)
    for i, row in enumerate(index):
        seen, where, counts = np.unique(row, return_inverse=True, return_counts=True)
        named = {f"{z:0{n}b}": int(count) for z, count in zip(seen, counts, strict=True)}
        quasi = corrector.apply_correction(named, list(range(n)), distance=n)
        of_outcome = np.array([quasi[f"{z:0{n}b}"] for z in seen], dtype=np.float64)
        of_outcome /= of_outcome.sum()  # M3 works in single precision.
        found[i] = (of_outcome / counts)[where]
    return found

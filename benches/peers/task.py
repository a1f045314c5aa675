"""A task as a peer gets it: plain numbers, nothing of any library."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

Work = Callable[[], Any]


class UnsupportedError(Exception):
    """The peer cannot do this; says why."""


class Gate(NamedTuple):
    """One gate: ``angle`` is in radians, None where there is none; ``param`` is its parameter."""

    name: str
    qubits: tuple[int, ...]
    param: int | None
    angle: float | None


@dataclass(frozen=True)
class Task:
    """What to do. Qubit i is bit i of an outcome's index, qubit 0 the least significant."""

    options: Mapping[str, Any]
    arrays: Mapping[str, np.ndarray]

    @property
    def single(self) -> bool:
        """Whether amplitudes are in single precision."""
        return self.options.get("dtype") == "single"

    @property
    def n_qubits(self) -> int:
        return self.options["n_qubits"]

    @property
    def n_params(self) -> int:
        return self.arrays["params"].shape[-1]

    @property
    def params(self) -> np.ndarray:
        """Shape (P,), for a batch (B, P)."""
        return self.arrays["params"]

    @property
    def gates(self) -> list[Gate]:
        """In order; parameters are bound to the first parameter vector."""
        values = np.atleast_2d(self.params)[0].tolist()
        return [
            Gate(name, tuple(qubits), param, angle if param is None else values[param])
            for name, qubits, param, angle in self.options["gates"]
        ]

    def need(self, kinds: set[str]) -> None:
        """Raises where a gate is none of these kinds."""
        missing = sorted({gate.name for gate in self.gates} - kinds)
        if missing:
            raise UnsupportedError(f"no gate {', '.join(missing)}")

    def need_double(self) -> None:
        """Raises for a task in single precision."""
        if self.single:
            raise UnsupportedError("double precision only")


@dataclass(frozen=True)
class Part:
    """Work that does 1/``scale`` of the task; seconds are multiplied by it.

    Its result is that of the task's first entries.
    """

    work: Work
    scale: float


@dataclass(frozen=True)
class Measured:
    """Work that takes its own time, where one call is not what is asked for."""

    result: Work
    seconds: Callable[[], float]

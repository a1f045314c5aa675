"""Samples from any of Qiskit's samplers: Aer's, Qiskit's own, vendors' plugins."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from qhypernet import _extras
from qhypernet.circuits import Circuit
from qhypernet.samplers._compiled import Compiled, IncompleteError, measured, measured_bits
from qhypernet.samplers._jobs import JobError, JobSampler, Limits

if TYPE_CHECKING:
    from qiskit.primitives import BaseSamplerV2
    from qiskit.transpiler import PassManager


class QiskitSampler(JobSampler):
    """Any ``BaseSamplerV2``.

    Args:
        sampler: A function from a seed to a sampler, so that each job has a seed of its own and the
            same seed gives the same bits; or a sampler, for one that has no seed to give.
        name: What tells checkpoints apart; the sampler's type if not given. Name what decides its
            results besides: a noise model, a method.
        pass_manager: Compiles circuits for a backend behind the sampler; None leaves them.
        limits: What a job may hold.

    Raises:
        TypeError: Not a sampler.
        ValueError: A sampler with a fixed seed: it would draw the same samples at every step, or
            for equal settings of one job.

    Example:
        >>> import numpy as np, qhypernet as qh
        >>> from qiskit.primitives import StatevectorSampler
        >>> def seeded(seed):
        ...     return StatevectorSampler(seed=np.random.default_rng(seed))
        >>> sampler = qh.samplers.QiskitSampler(seeded)
        >>> streams = qh.samplers.Streams(0, 0, inits=np.zeros(1, int), settings=np.zeros(1, int))
        >>> sampler.sample(qh.ansatz.brickwork(3, 1), np.zeros((1, 6)), 4, streams).shape
        (1, 4, 3)
    """

    def __init__(
        self,
        sampler: BaseSamplerV2 | Callable[[int], BaseSamplerV2],
        *,
        name: str | None = None,
        pass_manager: PassManager | None = None,
        limits: Limits | None = None,
    ) -> None:
        primitives = _extras.module("qiskit.primitives", "ibm")
        base = primitives.BaseSamplerV2
        instance = sampler
        if not isinstance(sampler, base) and callable(sampler):
            instance = sampler(0)
        if not isinstance(instance, base):
            raise TypeError(
                "sampler: expected a Qiskit sampler (BaseSamplerV2) or a function from a seed to "
                f"one, got {sampler!r}"
            )
        if instance is sampler and getattr(sampler, "seed", None) is not None:
            raise ValueError(
                "sampler: expected a sampler without a fixed seed, or a function from a seed to a "
                f"sampler, got one with seed {sampler.seed}, which repeats its samples"
            )
        repeats = isinstance(instance, primitives.StatevectorSampler)
        if repeats and isinstance(instance.seed, int):
            raise ValueError(
                "sampler: expected StatevectorSampler(seed=np.random.default_rng(seed)), got one "
                "with a number as its seed, which gives equal settings of a job equal samples"
            )
        self.limits = limits or Limits()
        self._make: Callable[[int], Any] = (
            (lambda seed: sampler) if instance is sampler else sampler
        )
        kind = type(instance)
        self._name = name or f"{kind.__module__}.{kind.__qualname__}"
        self._pass_manager = pass_manager
        self._compile = lru_cache(maxsize=8)(self._compiled)

    def __repr__(self) -> str:
        return f"QiskitSampler({self._name!r}, limits={self.limits})"

    def compiled(self, circuit: Circuit) -> Compiled:
        """With a measurement, and compiled by the pass manager if there is one."""
        return self._compile(circuit, len(circuit))

    def submit(
        self, compiled: Compiled, params: NDArray[np.float64], shots: int, seed: int, tag: str
    ) -> PrimitiveJob:
        """Runs one PUB with settings (B, P)."""
        del tag
        job = self._make(seed).run([compiled.pub(params)], shots=shots)
        return PrimitiveJob(job, (len(params), shots), compiled.circuit.num_clbits)

    def _compiled(self, circuit: Circuit, n_gates: int) -> Compiled:
        # A circuit grows by gates alone, so the same one of the same length is the same circuit.
        del n_gates
        found = measured(circuit.to_qiskit())
        return Compiled(self._pass_manager.run(found) if self._pass_manager else found)


@dataclass(frozen=True)
class PrimitiveJob:
    """A job of one of Qiskit's samplers, in this process or near it."""

    job: Any
    shape: tuple[int, int]
    n_qubits: int

    @property
    def id(self) -> str:
        """What the sampler calls it."""
        return str(self.job.job_id())

    def state(self) -> str:
        """What the sampler says of it."""
        status = self.job.status()
        return str(getattr(status, "name", status))

    def bits(self) -> NDArray[np.uint8]:
        """Waits for its bits."""
        try:
            return measured_bits(self.job.result(), self.shape, self.n_qubits)
        except IncompleteError as error:
            raise JobError(f"job {self.id}: {error}") from None

    def seconds(self) -> float | None:
        """None: no processor charges for it."""
        return None

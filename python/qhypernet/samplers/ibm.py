"""Samples from IBM's devices, or from local noisy stand-ins for them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from qhypernet import _check, _extras
from qhypernet.circuits import Circuit
from qhypernet.samplers._base import Paused
from qhypernet.samplers._compiled import Compiled, IncompleteError, measured, measured_bits
from qhypernet.samplers._jobs import JobError, JobSampler, Limits
from qhypernet.samplers._service import LocalService, Service, explained, service_of

if TYPE_CHECKING:
    from qiskit.providers import BackendV2

MODES = ("job", "batch", "session")
SEQUENCES = ("XX", "XpXm", "XY4")

_SECONDS_A_JOB = 2.0
"""What IBM counts for loading a job, beside the time of its executions."""
_REPETITION_DELAY = 250e-6


class IBMRuntimeSampler(JobSampler):
    """A device of IBM's, by the executor-based client of qiskit-ibm-runtime.

    A circuit is compiled once; its layout is kept. In local mode, with the names ``fake_...`` and
    ``aer``, jobs are simulated here with the device's noise, and a seed gives its bits.

    Args:
        backend: A name: of a device, ``least_busy``, a fake backend such as ``fake_manila``, or
            ``aer`` for no noise at all; or a Qiskit backend.
        mode: How jobs are queued: "job" by itself, "batch" together, "session" on a device held
            open, which bills the wall clock and which the Open Plan lacks.
        dynamical_decoupling: A sequence, "XX", "XpXm" or "XY4", for idle qubits; None is none.
        twirling: Whether gates and measurements are twirled with random Paulis. IBM rounds shots up
            to whole randomisations then.
        optimization_level: Effort of the compilation, 0 to 3.
        transpiler_seed: Seed of the compilation.
        wait: Seconds to wait for a job until :class:`Paused` is raised; None waits on.
        limits: What a job may hold.
        service: Where to find backends and jobs; None follows from the name.

    Raises:
        ValueError: No such backend, or no account for a device.

    Example:
        >>> import numpy as np, qhypernet as qh
        >>> sampler = qh.samplers.IBMRuntimeSampler("fake_manila")
        >>> streams = qh.samplers.Streams(0, 0, inits=np.zeros(1, int), settings=np.zeros(1, int))
        >>> sampler.sample(qh.ansatz.brickwork(3, 1), np.zeros((1, 6)), 4, streams).shape
        (1, 4, 3)
    """

    def __init__(
        self,
        backend: str | BackendV2 = "least_busy",
        *,
        mode: str = "job",
        dynamical_decoupling: str | None = None,
        twirling: bool = False,
        optimization_level: int = 3,
        transpiler_seed: int = 0,
        wait: float | None = None,
        limits: Limits | None = None,
        service: Service | None = None,
    ) -> None:
        self.mode = _check.choice("mode", mode, MODES)
        if dynamical_decoupling is not None:
            _check.choice("dynamical_decoupling", dynamical_decoupling, SEQUENCES)
        self.dynamical_decoupling = dynamical_decoupling
        self.twirling = bool(twirling)
        self.optimization_level = _check.integer("optimization_level", optimization_level, 0, 3)
        self.transpiler_seed = _check.integer("transpiler_seed", transpiler_seed, 0, 2**31 - 1)
        self.wait = None if wait is None else _check.number("wait", wait, minimum=0)
        self.limits = limits or Limits()
        self.service = service or (
            service_of(backend) if isinstance(backend, str) else _of(backend)
        )
        self.backend = self.service.backend(backend) if isinstance(backend, str) else backend
        self._layout: tuple[int, ...] | None = None
        self._compile = lru_cache(maxsize=8)(self._compiled)
        self._opened: Any = None

    def __repr__(self) -> str:
        on = "" if self._layout is None else f", qubits={list(self._layout)}"
        return (
            f"IBMRuntimeSampler({self.backend.name!r}, "
            f"dynamical_decoupling={self.dynamical_decoupling!r}, twirling={self.twirling}, "
            f"optimization_level={self.optimization_level}, "
            f"transpiler_seed={self.transpiler_seed}, limits={self.limits}{on})"
        )

    def on(self, qubits: list[int]) -> IBMRuntimeSampler:
        """The same sampler, with circuits placed on these qubits of the device."""
        placed = object.__new__(IBMRuntimeSampler)
        placed.__dict__.update(self.__dict__)
        placed._layout = tuple(qubits)
        placed._compile = lru_cache(maxsize=8)(placed._compiled)
        return placed

    def compiled(self, circuit: Circuit) -> Compiled:
        """In the device's own gates, on its qubits.

        Raises:
            ValueError: More qubits than the device has.
        """
        return self._compile(circuit, len(circuit))

    def check(self, compiled: Compiled, shots: int) -> None:
        """Refuses shots over the device's limit, and gates that it does not have."""
        most = getattr(self.backend, "max_shots", None)
        if most is None and hasattr(self.backend, "configuration"):
            most = getattr(self.backend.configuration(), "max_shots", None)
        if most is not None and shots > most:
            raise ValueError(f"shots: expected at most {most} for {self.backend.name}, got {shots}")
        runtime = _extras.module("qiskit_ibm_runtime.utils", "ibm")
        errors = _extras.module("qiskit_ibm_runtime.exceptions", "ibm")
        try:
            runtime.validate_isa_circuits([compiled.circuit], self.backend.target)
        except errors.IBMInputValueError as error:
            raise ValueError(
                f"circuit: {self.backend.name} cannot run it as it was compiled: {error}"
            ) from None

    def submit(
        self, compiled: Compiled, params: NDArray[np.float64], shots: int, seed: int, tag: str
    ) -> RuntimeJob:
        """Hands in one PUB with settings (B, P)."""
        options: dict[str, Any] = {"environment": {"job_tags": [tag]}}
        if self.dynamical_decoupling is not None:
            options["dynamical_decoupling"] = {
                "enable": True,
                "sequence_type": self.dynamical_decoupling,
            }
        if self.twirling:
            options["twirling"] = {"enable_gates": True, "enable_measure": True}
        if self.service.is_local:
            options["simulator"] = {"seed_simulator": seed}
        untwirled = _extras.module("samplomatic.exceptions", "ibm").BuildError
        try:
            with explained():
                job = self.service.run(self._mode(), options, compiled.pub(params), shots)
        except untwirled as error:
            raise ValueError(f"twirling: the circuit's gates do not allow it: {error}") from None
        return self._job(job, compiled, (len(params), shots))

    def job(self, id: str, compiled: Compiled, shape: tuple[int, int]) -> RuntimeJob | None:
        """A job handed in earlier; None in local mode."""
        found = self.service.job(id)
        return None if found is None else self._job(found, compiled, shape)

    def find(self, tag: str, compiled: Compiled, shape: tuple[int, int]) -> RuntimeJob | None:
        """A job handed in earlier, by its tag."""
        found = self.service.find(tag)
        return None if found is None else self._job(found, compiled, shape)

    def seconds(self, compiled: Compiled, executions: int) -> float:
        """IBM's estimate: so many times the circuit and the delay after it, and 2 s for a job."""
        if self.backend.name.startswith("aer"):
            return 0.0
        try:
            duration = compiled.circuit.estimate_duration(self.backend.target)
        except Exception:  # Not all devices tell the durations of all gates.
            duration = 0.0
        delay = getattr(self.backend, "default_rep_delay", None) or _REPETITION_DELAY
        return float(_SECONDS_A_JOB + executions * (delay + duration))

    def close(self) -> None:
        """Ends the batch or session, if there is one."""
        if self._opened is not None:
            with explained():
                self._opened.close()
            self._opened = None

    def _compiled(self, circuit: Circuit, n_gates: int) -> Compiled:
        # A circuit grows by gates alone, so the same one of the same length is the same circuit.
        del n_gates
        if circuit.n_qubits > self.backend.num_qubits:
            raise ValueError(
                f"circuit: expected at most {self.backend.num_qubits} qubits, those of "
                f"{self.backend.name}, got {circuit.n_qubits}"
            )
        transpiler = _extras.module("qiskit.transpiler", "ibm")
        manager = transpiler.generate_preset_pass_manager(
            optimization_level=self.optimization_level,
            backend=self.backend,
            seed_transpiler=self.transpiler_seed,
            initial_layout=None if self._layout is None else list(self._layout),
        )
        # The client takes fixed angles of RZZ from 0 to pi/2 only, and the compiler makes others.
        basis = _extras.module("qiskit_ibm_runtime.transpiler.passes.basis", "ibm")
        manager.post_optimization = transpiler.PassManager([basis.FoldRzzAngle()])
        return Compiled(manager.run(measured(circuit.to_qiskit())))

    def _mode(self) -> Any:
        """What the client wants to know about where and how."""
        if self.service.is_local:
            # Decoupling reads the timing of a device, which its simulator does not have.
            return self.backend if self.dynamical_decoupling else _simulator(self.backend)
        if self.mode == "job":
            return self.backend
        if self._opened is None:
            runtime = _extras.module("qiskit_ibm_runtime", "ibm")
            kind = runtime.Batch if self.mode == "batch" else runtime.Session
            self._opened = kind(backend=self.backend)
        return self._opened

    def _job(self, job: Any, compiled: Compiled, shape: tuple[int, int]) -> RuntimeJob:
        wait = None if self.service.is_local else self.wait
        return RuntimeJob(job, shape, compiled.circuit.num_clbits, wait)


@dataclass(frozen=True)
class RuntimeJob:
    """A job at IBM's service, or a local one that looks like it."""

    job: Any
    shape: tuple[int, int]
    n_qubits: int
    wait: float | None = None

    @property
    def id(self) -> str:
        """The service's name for it."""
        return str(self.job.job_id())

    def state(self) -> str:
        """INITIALIZING, QUEUED, RUNNING, DONE, CANCELLED or ERROR."""
        with explained():
            status = self.job.status()
        return str(getattr(status, "name", status))

    def bits(self) -> NDArray[np.uint8]:
        """Waits for its bits."""
        errors = _extras.module("qiskit_ibm_runtime.exceptions", "ibm")
        lost = (
            errors.RuntimeJobFailureError,
            errors.RuntimeInvalidStateError,
            errors.RuntimeJobMaxTimeoutError,
        )
        with explained():
            try:
                timeout = {} if self.wait is None else {"timeout": self.wait}
                result = self.job.result(**timeout)
                return measured_bits(result, self.shape, self.n_qubits)
            except errors.RuntimeJobTimeoutError:
                raise Paused(f"job {self.id} has not ended after {self.wait:g} seconds") from None
            except (*lost, IncompleteError) as error:
                text = getattr(error, "message", error)  # Qiskit's own text puts it into quotes.
                raise JobError(f"job {self.id}: {text}") from None

    def seconds(self) -> float | None:
        """Seconds that the service charges; None until it knows."""
        with explained():
            charged = self.job.usage()
        return float(charged) if charged else None


@lru_cache(maxsize=4)
def _simulator(backend: Any) -> Any:
    """A backend's noise model in a simulator, made once: it takes longer than most jobs."""
    simulator = _extras.module("qiskit_aer", "ibm").AerSimulator
    return backend if isinstance(backend, simulator) else simulator.from_backend(backend)


def _of(backend: Any) -> Service:
    """The service that a backend object belongs to."""
    base = _extras.module("qiskit.providers", "ibm").BackendV2
    if not isinstance(backend, base):
        raise TypeError(f"backend: expected a name or a Qiskit backend, got {backend!r}")
    from qhypernet.samplers._service import CloudService

    client = getattr(backend, "service", None)
    return LocalService() if client is None else CloudService(client)

"""A record on disk of every job, so that none is lost and none is paid for twice."""

from __future__ import annotations

import hashlib
import io
import json
import os
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

try:
    import fcntl
except ImportError:  # Windows has none.
    fcntl = None  # type: ignore[assignment]

import numpy as np
from numpy.typing import NDArray

from qhypernet import _check, storage
from qhypernet.circuits import Circuit
from qhypernet.samplers._base import Paused, Streams
from qhypernet.samplers._compiled import Compiled
from qhypernet.samplers._jobs import Job, JobError, JobSampler

_REQUEST, _JOB, _BITS, _FAILED = "request.npz", "job.json", "bits.npz", "*.failed.json"
_OPEN = ("intended", "pending")


@dataclass(frozen=True)
class Budget:
    """What may be spent; None is no bound.

    Args:
        executions: Settings times shots, over all jobs.
        qpu_seconds: Seconds of a quantum processor: those charged, or estimated where nobody has
            said yet what was.
    """

    executions: int | None = None
    qpu_seconds: float | None = None

    def __post_init__(self) -> None:
        if self.executions is not None:
            _check.integer("max_executions", self.executions, 0)
        if self.qpu_seconds is not None:
            _check.number("max_qpu_seconds", self.qpu_seconds, minimum=0)


@dataclass(frozen=True)
class Record:
    """What is on disk about a job."""

    name: str
    """Step, part and a hash of what was asked."""
    state: str
    """"intended", "pending", "done" or "failed"."""
    id: str
    """The service's name for it; empty if it is not known."""
    executions: int
    qpu_seconds: float
    """Charged, or estimated."""


class Ledger:
    """A sampler that keeps a record of another one's jobs.

    Before a job is handed in its parameters, seed and tag are on disk; before its result is awaited
    so is its id; its bits are there before anything is made of them. Asked for the same samples
    again, it reads them from disk, waits for a job that is pending, or looks for one with the tag,
    in case the program ended between handing in and writing the id. Only a job that failed, or that
    is certainly not there, is handed in (again).

    Args:
        sampler: Where samples come from.
        folder: Where the record is; made if it is not there.
        budget: What may be spent.
    """

    def __init__(self, sampler: JobSampler, folder: Path, budget: Budget | None = None) -> None:
        self.sampler = sampler
        self.folder = folder
        self.budget = budget or Budget()
        self._ended: dict[str, Record] = {}
        self._lock: _Lock | None = None

    def __repr__(self) -> str:
        return repr(self.sampler)

    def on(self, qubits: list[int]) -> Ledger:
        """The same ledger, for circuits placed on these qubits of the backend."""
        placed = Ledger(self.sampler.on(qubits), self.folder, self.budget)
        placed._lock = self.hold()
        return placed

    def compiled(self, circuit: Circuit) -> Compiled:
        """The circuit as it was compiled first: a device's calibration changes by the day, and a
        layout with it."""
        text = f"{self.sampler!r} {circuit.fingerprint}"
        path = self.folder / f"circuit-{_short(text)}.qpy"
        if path.is_file():
            return Compiled.from_bytes(path.read_bytes())
        compiled = self.sampler.compiled(circuit)
        self.folder.mkdir(parents=True, exist_ok=True)
        storage.write_bytes(path, compiled.to_bytes())
        return compiled

    def sample(
        self, circuit: Circuit, params: NDArray[np.float64], shots: int, streams: Streams
    ) -> NDArray[np.uint8]:
        """Bits of shape (B, S, n) at params (B, P).

        Raises:
            Paused: The budget does not reach, or the service has no result for now.
        """
        self.hold()
        compiled = self.compiled(circuit)
        self.sampler.check(compiled, shots)
        slices = self.sampler.limits.parts(len(params), len(compiled.columns), shots)
        parts = [
            self._part(circuit, compiled, params[rows], shots, streams.part(rows), i)
            for i, rows in enumerate(slices)
        ]
        self._afford([part for part in parts if not part.is_paid()])
        jobs = [part.handed_in() for part in parts]
        return np.concatenate([part.bits(job) for part, job in zip(parts, jobs, strict=True)])

    def hold(self) -> _Lock | None:
        """Keeps other programs from handing in the same jobs, until this one ends.

        Raises:
            ValueError: Another program has come first.
        """
        if self._lock is None and fcntl is not None:
            self.folder.mkdir(parents=True, exist_ok=True)
            place = (self.folder / "lock").resolve()
            self._lock = _LOCKS.get(place)
            if self._lock is None:
                self._lock = _LOCKS[place] = _Lock(place)
        return self._lock

    def records(self) -> list[Record]:
        """All jobs so far, in order."""
        for path in sorted(self.folder.glob(f"*.{_REQUEST}")) + sorted(self.folder.glob(_FAILED)):
            if path.name not in self._ended or self._ended[path.name].state in _OPEN:
                self._ended[path.name] = _record(path)
        return sorted(self._ended.values(), key=lambda record: record.name)

    def _part(
        self,
        circuit: Circuit,
        compiled: Compiled,
        params: NDArray[np.float64],
        shots: int,
        streams: Streams,
        index: int,
    ) -> _Part:
        asked = (repr(self.sampler), circuit.fingerprint, shots, streams.seed, streams.names())
        digest = hashlib.sha256(repr(asked).encode() + params.tobytes()).hexdigest()
        name = f"{streams.step:010d}-{index:04d}-{digest[:12]}"
        return _Part(self, compiled, params, shots, streams.job_seed(), name)

    def _afford(self, parts: list[_Part]) -> None:
        """Refuses to begin what the budget does not cover."""
        if not parts or self.budget == Budget():
            return
        records = self.records()
        paid = [record for record in records if record.state != "intended"]
        spent = sum(record.executions for record in paid)
        wanted = sum(part.executions for part in parts)
        most = self.budget.executions
        if most is not None and spent + wanted > most:
            raise Paused(
                f"max_executions: {spent} of {most} executions are spent, and the next "
                f"{wanted} are more than is left"
            )
        used = sum(record.qpu_seconds for record in paid)
        estimate = sum(part.qpu_seconds for part in parts)
        longest = self.budget.qpu_seconds
        if longest is not None and used + estimate > longest:
            raise Paused(
                f"max_qpu_seconds: {used:.1f} of {longest:g} seconds are spent, and the next, "
                f"about {estimate:.1f}, are more than is left"
            )


class _Lock:
    """A locked file, until its last user in this program is gone."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o666)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ValueError(
                f"out: another program is at work in {path.parent.parent}; wait for it to end"
            ) from None

    def __del__(self) -> None:
        os.close(self._descriptor)


_LOCKS: WeakValueDictionary[Path, _Lock] = WeakValueDictionary()


@dataclass(frozen=True)
class _Part:
    """A job's worth of settings, and its files."""

    ledger: Ledger
    compiled: Compiled
    params: NDArray[np.float64]
    shots: int
    seed: int
    name: str

    @property
    def executions(self) -> int:
        return len(self.params) * self.shots

    @property
    def qpu_seconds(self) -> float:
        return self.ledger.sampler.seconds(self.compiled, self.executions)

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.params), self.shots

    def is_paid(self) -> bool:
        """Whether its bits are here or a job is under way."""
        return self._path(_BITS).is_file() or self._path(_JOB).is_file()

    def handed_in(self) -> Job | None:
        """Its job, handed in now if it never was; None if its bits are here already."""
        if self._path(_BITS).is_file():
            return None
        sampler, path = self.ledger.sampler, self._path(_JOB)
        if path.is_file():
            id = json.loads(path.read_text(encoding="utf-8"))["id"]
            if (job := sampler.job(id, self.compiled, self.shape)) is not None:
                return job
        tag = self._intended()
        job = sampler.find(tag, self.compiled, self.shape)
        if job is None:
            job = sampler.submit(self.compiled, self.params, self.shots, self.seed, tag)
        when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        storage.write_text(path, json.dumps({"id": job.id, "tag": tag, "handed_in": when}))
        return job

    def bits(self, job: Job | None) -> NDArray[np.uint8]:
        """Its bits, waited for and kept."""
        path = self._path(_BITS)
        if job is not None:
            try:
                bits = job.bits()
            except JobError as error:
                self._failed(str(error))
                raise Paused(
                    f"{error}; nothing was made of it, and the next attempt hands it in again"
                ) from None
            try:
                charged = job.seconds()
            except Paused:  # The bits are worth more than the bill.
                charged = None
            _write(
                path,
                np.packbits(bits, axis=-1),
                n_qubits=bits.shape[-1],
                qpu_seconds=self.qpu_seconds if charged is None else charged,
            )
            return bits
        packed, told = _read(path)
        return np.unpackbits(packed, axis=-1, count=told["n_qubits"])

    def _intended(self) -> str:
        """The tag of the attempt that is about to be made, on disk with all that was asked."""
        path = self._path(_REQUEST)
        if path.is_file():
            return str(_read(path)[1]["tag"])
        tag = f"qhypernet-{uuid.uuid4().hex[:16]}"
        self.ledger.folder.mkdir(parents=True, exist_ok=True)
        _write(
            path,
            self.params,
            tag=tag,
            shots=self.shots,
            seed=self.seed,
            sampler=repr(self.ledger.sampler),
            executions=self.executions,
            qpu_seconds=self.qpu_seconds,
        )
        return tag

    def _failed(self, reason: str) -> None:
        """Sets an attempt aside, so that the next one is a new job."""
        told = json.loads(self._path(_JOB).read_text(encoding="utf-8")) | {
            "reason": reason,
            "executions": self.executions,
            "qpu_seconds": self.qpu_seconds,
        }
        # By its tag, so that being ended here and doing this again leaves one file.
        storage.write_text(self._path(f"{told['tag']}.failed.json"), json.dumps(told))
        self._path(_REQUEST).unlink(missing_ok=True)
        self._path(_JOB).unlink()

    def _path(self, suffix: str) -> Path:
        return self.ledger.folder / f"{self.name}.{suffix}"


def _record(path: Path) -> Record:
    """What a file and those beside it say."""
    if path.name.endswith(_FAILED.removeprefix("*")):
        told = json.loads(path.read_text(encoding="utf-8"))
        name = path.name.partition(".")[0]
        return Record(name, "failed", told["id"], told["executions"], told["qpu_seconds"])
    name = path.name.removesuffix(f".{_REQUEST}")
    asked = _read(path)[1]
    job, bits = (path.with_name(f"{name}.{suffix}") for suffix in (_JOB, _BITS))
    state, seconds = ("pending" if job.is_file() else "intended"), asked["qpu_seconds"]
    if bits.is_file():
        state, seconds = "done", _read(bits)[1]["qpu_seconds"]
    id = json.loads(job.read_text(encoding="utf-8"))["id"] if job.is_file() else ""
    return Record(name, state, id, int(asked["executions"]), float(seconds))


def _write(path: Path, array: NDArray[Any], **told: Any) -> None:
    """An array and what is to be said of it. NetCDF would take longer than many a job."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, array=array, told=np.array(json.dumps(told)))
    storage.write_bytes(path, buffer.getvalue())


def _read(path: Path) -> tuple[NDArray[Any], dict[str, Any]]:
    """What :func:`_write` wrote.

    Raises:
        ValueError: The file is damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            return file["array"], json.loads(str(file["told"]))
    except Exception as error:
        raise ValueError(f"{path}: expected a record of qhypernet's, got {error}") from None


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]

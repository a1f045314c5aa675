"""A service that keeps its jobs in a folder, and does what services do on bad days."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from qiskit.primitives import StatevectorSampler
from qiskit_ibm_runtime.exceptions import (
    IBMNotAuthorizedError,
    IBMRuntimeError,
    RuntimeInvalidStateError,
    RuntimeJobFailureError,
    RuntimeJobTimeoutError,
)

from qhypernet.samplers._service import LocalService


class FakeService(LocalService):
    """Jobs outlive the program that hands them in: they are files.

    The device always measures the same bits for the same angles. ``days`` says what happens to the
    jobs in turn: "good", or a trouble; the last one stays.
    """

    is_local = False

    def __init__(self, folder: Path, days: tuple[str, ...] = ("good",)) -> None:
        self.folder = folder
        self.days = days
        self.modes: list[Any] = []
        folder.mkdir(exist_ok=True)

    def jobs(self) -> list[dict[str, Any]]:
        """What was handed in, in order."""
        files = sorted(self.folder.glob("*.json"))
        return [json.loads(path.read_text()) for path in files]

    def run(self, mode: Any, options: dict[str, Any], pub: Any, shots: int) -> FakeJob:
        self.modes.append(mode)
        number = len(self.jobs())
        day = self.days[min(number, len(self.days) - 1)]
        if day == "no token":
            raise IBMNotAuthorizedError("401: token eyJhbGci was refused")
        circuit, values = pub
        seed = int.from_bytes(hashlib.sha256(values.tobytes()).digest()[:4], "big")
        sampler = StatevectorSampler(seed=np.random.default_rng(seed))
        bits = sampler.run([(circuit, values)], shots=shots).result()[0].data.meas
        if day == "partial":
            bits = bits[: len(values) // 2]
        job = {"id": f"job-{number:03d}", "tag": options["environment"]["job_tags"][0], "day": day}
        np.save(self.folder / f"{job['id']}.npy", bits.array)
        job |= {"n_bits": bits.num_bits, "executions": shots * len(values)}
        beside = self.folder / "new"
        beside.write_text(json.dumps(job))
        os.replace(beside, self.folder / f"{job['id']}.json")
        if day == "lost on the way":
            raise IBMRuntimeError("Failed to run program: connection reset by token eyJhbGci")
        return FakeJob(self.folder, job)

    def job(self, id: str) -> FakeJob | None:
        found = [job for job in self.jobs() if job["id"] == id]
        if not found:
            raise ValueError(f"job {id}: not found by this account")
        return FakeJob(self.folder, found[0])

    def find(self, tag: str) -> FakeJob | None:
        found = [job for job in self.jobs() if job["tag"] == tag]
        return FakeJob(self.folder, found[0]) if found else None


class FakeJob:
    """A job of the service."""

    def __init__(self, folder: Path, job: dict[str, Any]) -> None:
        self._folder = folder
        self._job = job

    def job_id(self) -> str:
        return str(self._job["id"])

    def status(self) -> str:
        return {"failed": "ERROR", "queued": "QUEUED"}.get(self._job["day"], "DONE")

    def usage(self) -> float:
        return 1.5

    def result(self, timeout: float | None = None) -> Any:
        from qiskit.primitives import BitArray

        day = self._job["day"]
        if day == "failed":
            raise RuntimeJobFailureError("Unable to retrieve job result. Error 9999; too hot")
        if day == "cancelled":
            raise RuntimeInvalidStateError("Job was cancelled.")
        if day == "queued" and not (self._folder / "morning").exists():
            raise RuntimeJobTimeoutError(f"Timed out after {timeout} secs.")
        array = np.load(self._folder / f"{self._job['id']}.npy")
        bits = BitArray(array, self._job["n_bits"])
        return [SimpleNamespace(data=SimpleNamespace(meas=bits))]

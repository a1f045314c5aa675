"""Peers in processes of their own."""

from __future__ import annotations

import json
import os
import select
import subprocess
from pathlib import Path
from typing import Any

from _environments import python_of

HERE = Path(__file__).parent
THREAD_VARIABLES = (
    "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS",
    "QULACS_NUM_THREADS", "QHYPERNET_NUM_THREADS",
)  # fmt: skip
# Between two calls a peer must leave the cores to the others: no OpenMP thread may go on spinning.
QUIET = {"OMP_WAIT_POLICY": "passive", "TF_CPP_MIN_LOG_LEVEL": "3"}


class PeerError(Exception):
    """A peer that cannot do what it was asked to; says why."""


class Worker:
    """One peer's process, started with a number of threads."""

    def __init__(self, peer: str, threads: int, log: Path, timeout: float) -> None:
        python = python_of(peer)
        if not Path(python).exists():
            # Said without the path: reports are published.
            raise PeerError("not installed")
        environment = os.environ | dict.fromkeys(THREAD_VARIABLES, str(threads))
        with log.open("a") as errors:
            self.process = subprocess.Popen(
                [python, str(HERE / "_serve.py"), peer],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env={**QUIET, **environment},
                text=True,
            )
        self.versions: dict[str, str] = self._answer(timeout)["versions"]

    def ask(self, timeout: float, do: str, **request: Any) -> dict[str, Any]:
        """Sends a request and waits for its answer."""
        try:
            self.process.stdin.write(json.dumps({"do": do, **request}) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            raise PeerError(self._end()) from None
        return self._answer(timeout)

    def stop(self) -> None:
        """Ends the process."""
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()

    @property
    def is_alive(self) -> bool:
        """Whether it can be asked."""
        return self.process.poll() is None

    def _answer(self, timeout: float) -> dict[str, Any]:
        ready, _, _ = select.select([self.process.stdout], [], [], timeout)
        if not ready:
            self.stop()
            raise PeerError(f"took more than {timeout:.0f} s")
        line = self.process.stdout.readline()
        if not line:
            raise PeerError(self._end())
        answer = json.loads(line)
        for key in ("unsupported", "error"):
            if key in answer:
                raise PeerError(answer[key])
        return answer

    def _end(self) -> str:
        code = self.process.wait()
        self.stop()
        return f"its process ended ({'signal' if code < 0 else 'status'} {abs(code)})"


class Pool:
    """All workers, each started when it is first asked for."""

    def __init__(self, folder: Path, logs: Path, timeout: float) -> None:
        self.folder, self.logs, self.timeout = folder, logs, timeout
        self.workers: dict[tuple[str, int], Worker] = {}
        self.broken: dict[str, str] = {}
        self.versions: dict[str, str] = {}
        self.used: set[Worker] = set()

    def get(self, peer: str, threads: int) -> Worker:
        """The worker, anew where the last one has ended."""
        if peer in self.broken:
            raise PeerError(self.broken[peer])
        worker = self.workers.get((peer, threads))
        if worker is None or not worker.is_alive:
            try:
                worker = Worker(peer, threads, self.logs / f"{peer}.log", self.timeout)
            except (PeerError, OSError) as reason:
                self.broken[peer] = f"does not start: {reason}"
                raise PeerError(self.broken[peer]) from None
            self.workers[peer, threads] = worker
            self.versions |= worker.versions
        self.used.add(worker)
        return worker

    def drop(self) -> None:
        """Frees what the workers hold that were asked for since the last time."""
        for worker in self.used:
            if worker.is_alive:
                worker.ask(self.timeout, "drop", slot=None)
        self.used.clear()

    def close(self) -> None:
        """Ends all workers."""
        for worker in self.workers.values():
            worker.stop()


def cores() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

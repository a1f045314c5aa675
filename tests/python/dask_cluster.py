"""A real dask cluster of processes on this machine, for tests and benchmarks."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path


class Cluster:
    """A scheduler and workers of one thread each, which can be killed and come back."""

    def __init__(self, folder: Path, n_workers: int) -> None:
        self.file = folder / "scheduler.json"
        self._folder, self._n_workers = folder, n_workers

    def __enter__(self) -> Cluster:
        # Port 0: any that is free, so that tests may run side by side.
        options = ["--port", "0", "--scheduler-file", str(self.file), "--no-dashboard"]
        self.scheduler = self._start("dask_scheduler", *options)
        deadline = time.monotonic() + 60
        while not self.file.exists():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        self.workers = [self._worker() for _ in range(self._n_workers)]
        return self

    def kill(self, worker: int) -> None:
        """Kills a worker as the system would for want of memory, and starts another."""
        self.workers[worker].send_signal(signal.SIGKILL)
        self.workers[worker].wait()
        self.workers[worker] = self._worker()

    def __exit__(self, *exception: object) -> None:
        for process in (*self.workers, self.scheduler):
            process.kill()
            process.wait()

    def _worker(self) -> subprocess.Popen[bytes]:
        options = ["--scheduler-file", str(self.file), "--nthreads", "1", "--no-nanny"]
        options += ["--no-dashboard", "--local-directory", str(self._folder), "--death-timeout"]
        return self._start("dask_worker", *options, "60")

    def _start(self, module: str, *options: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", f"distributed.cli.{module}", *options],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONWARNINGS": "default"},
            cwd=self._folder,
        )

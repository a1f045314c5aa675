"""Who does the units: this process, joblib's workers, or a dask cluster. None of our own.

Each engine takes units and yields outcomes as they come, in any order. A worker that dies takes
nothing along but the units that it was working on, and these are done again.
"""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from qhypernet import storage, threads
from qhypernet.sweeps._plan import Unit
from qhypernet.sweeps._unit import Outcome, Workplace, work

if TYPE_CHECKING:
    import xarray as xr
    from distributed import Client

_PROCESS_BYTES, _WEIGHT_BYTES = 2**28, 128
"""What a worker takes for itself, and for each of the 2**n networks."""
_WORTHWHILE, _AROUND = 4 * 10**9, 3 * 10**8
"""Nanoseconds of work that are worth starting a process for, and what evaluation and file of a unit
take beside its training."""
_SECONDS_TO_CONNECT = 10
_ATTEMPTS = 5
"""How often a unit may take its worker with it."""


def serial(units: Sequence[Unit], workplace: Workplace) -> Iterator[Outcome]:
    """One after the other in this process, whose number of threads is then what it was."""
    from threadpoolctl import threadpool_limits

    before = threads.num_threads()
    try:
        with threadpool_limits(1, user_api="blas"):
            for unit in units:
                yield work(unit, workplace)
    finally:
        if workplace.threads is not None:
            threads.set_num_threads(before)


def local(units: Sequence[Unit], workplace: Workplace, jobs: int) -> Iterator[Outcome]:
    """On ``jobs`` processes of this machine (joblib's loky).

    Raises:
        RuntimeError: Workers die again and again, and nothing gets done.
    """
    import joblib
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    left = {unit.name: unit for unit in units}
    attempts = 0
    while left:
        before = len(left)
        try:
            pool = joblib.Parallel(
                n_jobs=jobs,
                backend="loky",
                return_as="generator_unordered",
                initializer=_leave_interrupts,
            )
            task = joblib.delayed(work)
            for outcome in pool(task(unit, workplace) for unit in list(left.values())):
                del left[outcome.name]
                yield outcome
        except TerminatedWorkerError:
            # The pool is broken when one worker is: what it had not given back comes again.
            attempts = attempts + 1 if len(left) == before else 0
            if attempts == _ATTEMPTS:
                raise RuntimeError(
                    f"sweep: workers were killed {attempts} times in a row and nothing got done; "
                    "if memory is short, take fewer --jobs"
                ) from None


def _leave_interrupts() -> None:
    """Leaves Ctrl-C, which a terminal sends to its workers too, to the process that ends them: one
    between two units would say so in a traceback."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def on_dask(
    units: Sequence[Unit], workplace: Workplace, address: str, jobs: int | None
) -> Iterator[Outcome]:
    """On the workers of a dask cluster: a scheduler's address or file, or "slurm".

    Raises:
        ImportError: The extra is not installed.
        OSError: There is no scheduler at that address.
        RuntimeError: The scheduler has gone, or a unit kills every worker that it meets.
    """
    try:
        from distributed.client import FutureCancelledError
        from distributed.comm import CommClosedError
    except ImportError:
        raise ImportError(
            "dask: expected the package distributed; install it with pip install 'qhypernet[dask]'"
        ) from None
    with _cluster(address, jobs) as client:
        scheduler = client.scheduler.address
        try:
            yield from _submitted(client, units, workplace)
        except (CommClosedError, FutureCancelledError):
            raise RuntimeError(
                f"dask: the scheduler at {scheduler} has gone; what is done is kept, and the same "
                "call goes on from there"
            ) from None


def _submitted(client: Client, units: Sequence[Unit], workplace: Workplace) -> Iterator[Outcome]:
    """All units at the cluster at once, and again those that lost their worker too often for the
    scheduler to try once more."""
    import distributed

    waiting = {client.submit(_at_dask, unit, workplace, pure=False): unit for unit in units}
    queue = distributed.as_completed(waiting, raise_errors=False)
    attempts: dict[str, int] = {}
    for future in queue:
        unit = waiting.pop(future)
        error = future.exception() if future.status == "error" else None
        if not isinstance(error, distributed.KilledWorker):
            yield future.result()
            continue
        attempts[unit.name] = attempts.get(unit.name, 0) + 1
        if attempts[unit.name] == _ATTEMPTS:
            raise RuntimeError(
                f"sweep: unit {unit.name} lost its worker again and again; if memory is short, "
                "start fewer workers on a machine"
            )
        again = client.submit(_at_dask, unit, workplace, pure=False)
        waiting[again] = unit
        queue.add(again)


def _at_dask(unit: Unit, workplace: Workplace) -> Outcome:
    """A unit on a worker of a cluster, on as many threads as the worker has tasks at a time."""
    import distributed

    if workplace.threads is None:
        workplace = replace(workplace, threads=distributed.get_worker().state.nthreads)
    return work(unit, workplace, _write)


def _write(path: Path, dataset: xr.Dataset) -> None:
    """Writes a file that is nobody else's: without the lock that xarray would take for it from the
    scheduler, over the network, wherever it finds dask at work.

    In a thread of its own: dask's profiler looks at the worker's, and holds for a moment what it is
    at. An object that HDF5 is to drop meanwhile keeps its place, and the next one gets another: the
    same numbers, but not the same bytes.
    """
    import dask

    with (
        _WRITING,
        dask.config.set(scheduler="synchronous"),
        ThreadPoolExecutor(1) as thread,
    ):
        thread.submit(storage.write_dataset, path, dataset).result()


_WRITING = threading.Lock()


@contextmanager
def _cluster(address: str, jobs: int | None) -> Iterator[Client]:
    import distributed

    if address != "slurm":
        try:
            if address.endswith(".json"):
                address = json.loads(Path(address).read_text(encoding="utf-8"))["address"]
            client = distributed.Client(address, timeout=_SECONDS_TO_CONNECT)
        except (OSError, ValueError, KeyError) as error:
            raise OSError(f"dask: expected a scheduler at {address}, got {error}") from None
        with client:
            yield client
        return
    try:
        from dask_jobqueue import SLURMCluster
    except ImportError:
        raise ImportError(
            "dask: expected the package dask-jobqueue; install it with "
            "pip install 'qhypernet[dask]'"
        ) from None
    with SLURMCluster() as cluster, distributed.Client(cluster) as client:
        cluster.scale(jobs=jobs or 1)
        yield client


def spread(units: Sequence[Unit], jobs: int | None, workplace: Workplace) -> tuple[int, Workplace]:
    """How many processes at most, with the cores and the memory shared among them."""
    import joblib

    from qhypernet import _core

    cores = joblib.cpu_count()
    if jobs is None:
        largest = _PROCESS_BYTES + _WEIGHT_BYTES * 2 ** max(unit.n_weights for unit in units)
        work = sum(unit.nanoseconds + _AROUND for unit in units)
        most = min(cores, len(units), work // _WORTHWHILE)
        jobs = max(1, min(most, _core.available_memory() // largest))
    if workplace.threads is None and jobs > 1:
        workplace = replace(workplace, threads=max(1, cores // jobs))
    return jobs, workplace

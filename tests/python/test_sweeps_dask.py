"""Sweeps on a dask cluster: real schedulers and workers, and what kills them."""

from __future__ import annotations

import os
import stat
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from dask_cluster import Cluster

import qhypernet as qh
from qhypernet.sweeps import _engines
from qhypernet.sweeps._sweep import Sweep

N_UNITS = 14
DESCRIPTION = {
    "data": {"source": "moons"},
    "network": {"hidden": [3], "activation": "tanh"},
    "circuit": {"layers": 4},
    "training": {"inits": 2, "steps": 60},
    "sweep": {"training.seed": list(range(N_UNITS)), "chunk": 2},
}

pytestmark = pytest.mark.filterwarnings("default")  # Those of dask are not ours.


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def files(sweep: Sweep) -> dict[str, bytes]:
    """Everything in the folder of results."""
    return {path.name: path.read_bytes() for path in (sweep.folder / "units").iterdir()}


def started(**options: object) -> tuple[threading.Thread, list[Sweep | BaseException]]:
    """A sweep under way in another thread, and what it ends with."""
    ends: list[Sweep | BaseException] = []

    def run() -> None:
        try:
            ends.append(qh.sweep(DESCRIPTION, "o", progress=False, **options))  # type: ignore[arg-type]
        except BaseException as error:
            ends.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, ends


def wait_for_units(n: int) -> None:
    deadline = time.monotonic() + 90
    while len(list(Path("o").glob("units/*.nc"))) < n:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_workers_that_are_killed_lose_nothing(tmp_path: Path) -> None:
    serial = qh.sweep(DESCRIPTION, "s", jobs=1)
    with Cluster(tmp_path, 2) as cluster:
        thread, ends = started(dask=str(cluster.file))
        for kill in range(3):
            wait_for_units(1 + 3 * kill)
            cluster.kill(kill % 2)
        thread.join(timeout=120)
        assert isinstance(ends[0], Sweep), ends
        assert files(ends[0]) == files(serial)

        # A scheduler that dies takes nothing with it that was written.
        for entry in ends[0].entries[4:]:
            ends[0].file(entry).unlink()
        thread, ends = started(dask=str(cluster.file))
        wait_for_units(6)
        cluster.scheduler.kill()
        thread.join(timeout=90)
        assert isinstance(ends[0], RuntimeError), ends
        assert "the scheduler at tcp://" in str(ends[0])
        assert "has gone" in str(ends[0])
    assert 6 <= qh.read_sweep("o").status().done < N_UNITS
    assert files(qh.sweep(DESCRIPTION, "o", jobs=1)) == files(serial)


def test_a_cluster_of_slurm_jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """dask-jobqueue itself; the queue is one script that starts a job at once."""
    import dask
    import dask_jobqueue  # noqa: F401 - its settings come with it

    (tmp_path / "bin").mkdir()
    for name, script in (
        # As the real one, it keeps a copy: the script is gone as soon as it returns.
        (
            "sbatch",
            f'cp "$1" {tmp_path}/job.sh\nbash {tmp_path}/job.sh >{tmp_path}/job.log 2>&1 &\n'
            'echo "Submitted batch job $!"',
        ),
        ("scancel", 'kill "$@"'),
    ):
        path = tmp_path / "bin" / name
        path.write_text(f"#!/bin/bash\n{script}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    job = {"cores": 1, "memory": "1GB", "python": sys.executable, "log-directory": None}
    small = DESCRIPTION | {"sweep": {"training.seed": [0, 1], "chunk": 2}}
    with dask.config.set({"jobqueue.slurm": dask.config.get("jobqueue.slurm") | job}):
        sweep = qh.sweep(small, "o", dask="slurm", jobs=1)
    assert "distributed.worker" in (tmp_path / "job.log").read_text()
    assert files(sweep) == files(qh.sweep(small, "s", jobs=1))


def test_workers_take_as_many_threads_as_tasks(tmp_path: Path, restored_threads: None) -> None:
    """A worker in this process shows which."""
    import distributed

    small = DESCRIPTION | {"sweep": {"training.seed": [0], "chunk": 2}}
    options = {"processes": False, "n_workers": 1, "dashboard_address": None}
    with distributed.LocalCluster(**options, threads_per_worker=3) as cluster:
        address = cluster.scheduler_address
        qh.set_num_threads(1)
        qh.sweep(small, "a", dask=address)
        assert qh.num_threads() == 3
        qh.sweep(small, "b", dask=address, threads=2)
        assert qh.num_threads() == 2


def test_files_are_the_same_bytes_while_a_profiler_looks_on(tmp_path: Path) -> None:
    """dask's samples the frames of a worker's thread, and so keeps alive what they hold."""
    here, done = threading.get_ident(), threading.Event()

    def look() -> None:
        while not done.is_set():
            frame, held = sys._current_frames()[here], []
            while frame is not None:
                held.append(frame)
                frame = frame.f_back
            time.sleep(3e-4)
            del held
            time.sleep(3e-4)

    dataset = xr.Dataset(
        {"a": (("x", "y"), np.ones((2, 3))), "b": ("y", np.arange(3)), "c": ((), 1.0)},
        coords={"x": ["one", "two"], "y": ["u", "v", "w"]},
    )
    profiler = threading.Thread(target=look)
    profiler.start()
    try:
        for i in range(100):
            _engines._write(tmp_path / f"{i}.nc", dataset)
    finally:
        done.set()
        profiler.join()
    assert len({path.read_bytes() for path in tmp_path.glob("*.nc")}) == 1


def test_a_scheduler_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_engines, "_SECONDS_TO_CONNECT", 1)
    for address in ("tcp://127.0.0.1:9", "nowhere.json"):
        with pytest.raises(OSError, match=r"dask: expected a scheduler at .*, got"):
            qh.sweep(DESCRIPTION, "o", dask=address)
    assert qh.read_sweep("o").status().done == 0


def test_without_the_extra_its_name_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed.client", None)
    with pytest.raises(ImportError, match=r"pip install 'qhypernet\[dask\]'"):
        qh.sweep(DESCRIPTION, "o", dask="tcp://127.0.0.1:9")

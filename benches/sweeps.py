"""Times sweeps: fan-out on this machine and on a dask cluster, survival of killed workers, and the
collection of many units.

    python benches/sweeps.py fanout --units 200   # units of about a second, four ways
    python benches/sweeps.py kill --units 1000    # a worker killed every few seconds
    python benches/sweeps.py collect --units 10000

Fan-out is stated as a speed-up over the same units in one process with one thread; close other
programs first. The dask cluster is a scheduler and two workers, processes on this machine.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

import qhypernet as qh
from qhypernet import storage
from qhypernet.sweeps._plan import Plan
from qhypernet.sweeps._sweep import Sweep

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "python"))
from dask_cluster import Cluster

SECONDS_BETWEEN_KILLS = 5.0
"""A worker lives for two of these, less the seconds that it takes to start: give a busy machine
more."""


STEPS = 700
"""A unit takes about a second."""


def description(n_units: int, steps: int) -> dict[str, Any]:
    """Units of one initialisation of a 2-3-1 network on 13 qubits: about 3.5 ms a step."""
    return {
        "data": {"source": "moons"},
        "network": {"hidden": [3], "activation": "tanh"},
        "circuit": {"layers": 4},
        "training": {"inits": 4, "steps": steps},
        "sweep": {"training.seed": list(range(n_units)), "chunk": 4},
    }


def fanout(folder: Path, n_units: int) -> None:
    """The same units in one process, on loky, and on dask."""
    seconds = {}
    ways: dict[str, dict[str, Any]] = {"serial": {"jobs": 1}, "loky, 2 workers": {"jobs": 2}}
    qh.sweep(description(4, 10), folder / "warm", jobs=2, progress=False)  # Starts the workers.
    with Cluster(folder, 2) as cluster:
        ways["dask, 2 workers"] = {"dask": str(cluster.file)}
        qh.sweep(description(4, 10), folder / "warm2", dask=str(cluster.file), progress=False)
        for name, options in ways.items():
            options |= {"threads": 1, "progress": False}
            seconds[name] = [
                _seconds(description(n_units, steps), folder / f"{name} {steps}", options)
                for steps in (1, STEPS)
            ]
    print(f"{n_units} units of {STEPS} steps; a unit of one step is all but training")
    for name, (short, long) in seconds.items():
        print(
            f"  {name:16} {long:7.1f} s   {seconds['serial'][1] / long:.2f}x serial, "
            f"{long / n_units:.2f} s a unit; of one step {short / n_units * 1e3:.0f} ms"
        )


def _seconds(plan: dict[str, Any], folder: Path, options: dict[str, Any]) -> float:
    began = time.perf_counter()
    qh.sweep(plan, folder, **options)
    return time.perf_counter() - began


def kill(folder: Path, n_units: int) -> None:
    """A cluster whose workers are killed, against one process."""
    plan = description(n_units, 20)
    began = time.perf_counter()
    serial = qh.sweep(plan, folder / "serial", jobs=1, progress=False)
    print(f"serial: {time.perf_counter() - began:.0f} s")
    ends: list[Sweep] = []
    with Cluster(folder, 2) as cluster:
        began = time.perf_counter()
        options = {"dask": str(cluster.file), "progress": False}
        thread = threading.Thread(
            target=lambda: ends.append(qh.sweep(plan, folder / "d", **options))
        )
        thread.start()
        killed = 0
        while thread.is_alive():
            time.sleep(SECONDS_BETWEEN_KILLS)
            cluster.kill(killed % 2)
            killed += 1
        print(f"dask: {time.perf_counter() - began:.0f} s, {killed} workers killed")
    expected, found = (_contents(folder / name / "units") for name in ("serial", "d"))
    others = sorted(set(expected) ^ set(found))
    differ = [name for name in set(expected) & set(found) if expected[name] != found[name]]
    print(
        f"{ends[0].status().done} of {n_units} units done, files equal bit for bit: "
        f"{not (others or differ)} (only on one side: {others}; other bytes: {differ})"
    )
    assert serial.status().done == n_units


def _contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def collect(folder: Path, n_units: int) -> None:
    """Many units of ten initialisations and 200 steps; their numbers are those of one of them."""
    content = description(1, 200)
    content["training"]["inits"] = 10
    content["sweep"]["chunk"] = 10
    one = qh.sweep(content, folder / "one", jobs=1, progress=False)
    content["sweep"] = {"training.seed": list(range(n_units)), "chunk": 10}
    sweep = Sweep(folder / "many", Plan.parse(content, "bench"))
    (sweep.folder / "units").mkdir(parents=True)
    units = sweep.plan.units(Path.cwd())
    index = str([[u.name, list(u.place), u.first_init, u.n_inits, u.n_params] for u in units])
    storage.write_text(sweep.folder / "units.json", index.replace("'", '"'))
    source = one.file(one.entries[0])
    for entry in sweep.entries:
        os.link(source, sweep.file(entry))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.perf_counter()
    found = sweep.collect()
    taken = time.perf_counter() - began
    kl = found["trained"].sel(metric="kl").median().item()
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    size = sum(variable.nbytes for variable in found.variables.values())
    print(
        f"{n_units} units, {size / 2**30:.2f} GiB of numbers: {taken:.0f} s, "
        f"{taken / n_units * 1e3:.1f} ms a unit; memory at most {after / 2**20:.2f} GiB, "
        f"{(after - before) / 2**20:.2f} GiB more than before; median KL {kl:.3f}"
    )
    assert np.isfinite(kl)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parts = {"fanout": (fanout, 200), "kill": (kill, 1000), "collect": (collect, 10_000)}
    parser.add_argument("part", choices=parts)
    parser.add_argument("--units", type=int, default=None)
    options = parser.parse_args()
    run, default = parts[options.part]
    folder = Path(tempfile.mkdtemp(prefix="qhypernet-sweep-"))
    try:
        run(folder, options.units or default)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()

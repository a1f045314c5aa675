"""What is measured from outside: the machine itself, the memory and the command line of ours."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, product
from pathlib import Path

import numpy as np

from peers.task import Measured, Task, Work

PACKAGES = ("numpy",)

# The gradient of all parameters, in a process that has done a small one before, so that what the
# interpreter and the libraries take is there already. Prints by how many bytes the peak exceeds
# what was held before. Linux's own counters come first: what getrusage says there includes the
# process that this one was started from.
MEMORY = """
import pathlib, resource, sys
import numpy as np
import qhypernet as qh

def held(counter):
    status = pathlib.Path("/proc/self/status")
    if status.exists():
        lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return 1024 * int(lines[counter].split()[0])
    scale = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale

def gradient(n):
    circuit = qh.ansatz.hardware_efficient(n, 4)
    params = np.linspace(-3, 3, circuit.n_params)
    cotangent = np.ones(2**n, np.float64)
    before = held("VmRSS")
    circuit.simulate(params).gradient(cotangent)
    return held("VmHWM") - before

gradient(14)
print(gradient(int(sys.argv[1])))
"""

DATA = ("gaussian", "moons", "rings")
OBJECTIVES = ("mle", "elbo", "selbo")


def memory(task: Task) -> Measured:
    """Peak memory of a gradient over 16 * 2^n bytes, the size of a state; the cotangent, half of
    that, is the caller's and does not count."""
    n_qubits = task.n_qubits

    def run() -> float:
        command = [sys.executable, "-c", MEMORY, str(n_qubits)]
        rise = int(subprocess.run(command, capture_output=True, check=True, text=True).stdout)
        return rise / (16 * 2**n_qubits)

    return Measured(lambda: 0.0, run)


# The paper's: 3 data sets x 3 objectives x 100 starts x 200 steps, n = 13, one layer.
SWEEP = """
[data]
source = "moons"

[network]
hidden = [3]
activation = "tanh"

[circuit]
layers = 1

[training]
inits = 100
steps = 200
{shots}
[sweep]
data.source = ["gaussian", "moons", "rings"]
objective.name = ["mle", "elbo", "selbo"]
"""


def workload(task: Task) -> Measured:
    """The paper's, from one command."""
    shots = task.options["shots"]

    def run(folder: Path) -> None:
        description = folder / "paper.toml"
        description.write_text(SWEEP.format(shots=f"shots = {shots}\n" if shots else ""))
        _command("sweep", description, "--out", folder / "sweep")

    return _seconds(run)


def commands(task: Task) -> Measured:
    """The paper's, from nine commands one after the other."""
    shots = task.options["shots"]

    def run(folder: Path) -> None:
        for data, objective in product(DATA, OBJECTIVES):
            options = {
                "hidden": 3, "activation": "tanh", "layers": 1, "objective": objective,
                "inits": 100, "steps": 200, "out": folder / f"{data}-{objective}",
            }  # fmt: skip
            if shots:
                options["shots"] = shots
            given = ((f"--{name}", value) for name, value in options.items())
            _command("train", data, *chain.from_iterable(given))

    return _seconds(run)


def _seconds(run: Callable[[Path], None]) -> Measured:
    def seconds() -> float:
        with tempfile.TemporaryDirectory() as folder:
            start = time.perf_counter()
            run(Path(folder))
            return time.perf_counter() - start

    return Measured(lambda: 0.0, seconds)


def _command(*arguments: object) -> None:
    command = [str(Path(sys.executable).parent / "qhypernet"), *map(str, arguments)]
    # Where Python may not keep what it compiles, a command would be all compilation.
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command[1:])}: {done.stderr.strip()}")


def copy(task: Task) -> Work:
    """STREAM's copy, an array beyond all caches, on all cores."""
    a, b = _arrays(task, 2)
    return _shared([lambda i=i: np.copyto(b[i], a[i]) for i in range(len(a))])


def add(task: Task) -> Work:
    """STREAM's add, the sum of two arrays into a third; its triad would be two passes in NumPy."""
    a, b, c = _arrays(task, 3)
    return _shared([lambda i=i: np.add(a[i], b[i], out=c[i]) for i in range(len(a))])


def multiply(task: Task) -> Work:
    """A product of square matrices: as near to the peak of arithmetic as a library comes."""
    side = task.options["side"]
    a, b, c = (np.ones((side, side)) for _ in range(3))
    return lambda: np.matmul(a, b, out=c)


def _arrays(task: Task, n: int) -> list[list[np.ndarray]]:
    threads = int(os.environ["OMP_NUM_THREADS"])
    return [np.array_split(np.ones(task.options["length"]), threads) for _ in range(n)]


def _shared(works: list[Work]) -> Work:
    pool = ThreadPoolExecutor(len(works))
    return lambda: [future.result() for future in [pool.submit(work) for work in works]]

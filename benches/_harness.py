"""How two programs are timed against each other."""

from __future__ import annotations

import gc
import os
import platform
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from qhypernet import _core

# A shorter sample is mostly the clock and the interpreter.
SHORTEST_SAMPLE = 1e-2
# Quartiles of fewer rounds say nothing.
FEWEST_ROUNDS = 5
MOST_ROUNDS = 51

Work = Callable[[], object]


@dataclass(frozen=True)
class Case:
    """The same work done by qhypernet and by its peers.

    ``amount`` is how many ``unit`` one call handles; a peer's result may differ from ours by
    ``tolerance``, relative to the largest entry.
    """

    name: str
    amount: float
    unit: str
    ours: Work
    peers: Mapping[str, Work]
    tolerance: float


@dataclass(frozen=True)
class Row:
    """One peer beside us: seconds a call in each round."""

    case: Case
    peer: str
    ours: NDArray[np.float64]
    theirs: NDArray[np.float64]


def measure(case: Case, budget: float) -> list[Row]:
    """Checks every peer's result, then times all in turn for about ``budget`` seconds."""
    print(case.name, file=sys.stderr)
    contenders = {"": case.ours, **case.peers}
    # The first call also warms caches, thread pools and compiled circuits.
    results = {name: np.asarray(work()) for name, work in contenders.items()}
    for peer in case.peers:
        _check(case, peer, results[""], results[peer])
    del results

    calls = {name: _calls(work) for name, work in contenders.items()}
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    order = list(contenders)
    gc.disable()
    start = time.perf_counter()
    for n_rounds in range(1, MOST_ROUNDS + 1):
        for name in order:
            seconds[name].append(_seconds(contenders[name], calls[name]))
        # A load that rises or falls during a round favours nobody in two.
        order.reverse()
        if n_rounds >= FEWEST_ROUNDS and time.perf_counter() - start > budget:
            break
    gc.enable()
    ours = np.array(seconds[""])
    return [Row(case, peer, ours, np.array(seconds[peer])) for peer in case.peers]


def _check(case: Case, peer: str, ours: NDArray[np.generic], theirs: NDArray[np.generic]) -> None:
    if ours.shape != theirs.shape:
        raise SystemExit(f"{case.name}: {peer} gives shape {theirs.shape}, we give {ours.shape}")
    difference = float(np.abs(ours - theirs).max() / np.abs(theirs).max())
    # Written so that a difference that is not a number fails too.
    if not difference <= case.tolerance:
        raise SystemExit(f"{case.name}: {peer} and we differ by {difference:.1e} of the largest")


def _calls(work: Work) -> int:
    """How many calls make one sample."""
    once = _seconds(work, 1)
    return max(1, int(np.ceil(SHORTEST_SAMPLE / once)))


def _seconds(work: Work, calls: int) -> float:
    if calls > 1:
        # Not counted: the caches are as the last contender left them.
        work()
    start = time.perf_counter()
    for _ in range(calls):
        work()
    return (time.perf_counter() - start) / calls


def machine() -> str:
    """What the numbers were measured with, as a Markdown list."""
    packages = ("numpy", "scipy", "qiskit", "pennylane", "pennylane-lightning")
    versions = ", ".join(f"{name} {version(name)}" for name in packages)
    variables = ("OMP_NUM_THREADS", "OMP_WAIT_POLICY", "OPENBLAS_NUM_THREADS")
    settings = ", ".join(f"{name}={os.environ.get(name, '(not set)')}" for name in variables)
    load = f"; load average {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    return "\n".join(
        [
            f"- {_processor()}, {os.cpu_count()} cores, {platform.system()}{load}",
            f"- qhypernet {_core.__version__}: {_core.simd_level()}, {_core.num_threads()} threads",
            f"- Python {platform.python_version()}, {versions}",
            f"- {settings}",
        ]
    )


def _processor() -> str:
    path = Path("/proc/cpuinfo")
    for line in path.read_text().splitlines() if path.exists() else ():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def render(rows: list[Row]) -> str:
    """The Markdown table."""
    lines = [
        "| case | qhypernet | throughput | peer | peer's time | peer / qhypernet |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        rate = row.case.amount / np.median(row.ours)
        cells = [
            row.case.name,
            _spread(row.ours, _duration),
            f"{rate:.2g} {row.case.unit}/s",
            row.peer,
            _spread(row.theirs, _duration),
            _spread(row.theirs / row.ours, lambda ratio: f"{ratio:.3g}x"),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _spread(values: NDArray[np.float64], show: Callable[[float], str]) -> str:
    low, middle, high = np.quantile(values, [0.25, 0.5, 0.75])
    return f"{show(middle)} [{show(low)}, {show(high)}]"


def _duration(seconds: float) -> str:
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-6:.3g} µs"

"""``qhypernet info``."""

from __future__ import annotations

import math
import platform

from rich.console import Console
from rich.table import Table

from qhypernet import _core


def info() -> None:
    """Show version, instruction set, threads, and the largest circuit that fits in memory."""
    available = _core.available_memory()
    table = Table(show_header=False, box=None)
    table.add_row("qhypernet", _core.__version__)
    table.add_row("Python", f"{platform.python_version()} on {platform.machine()}")
    table.add_row("instruction set", f"{_core.simd_level()} (lower it with QHYPERNET_SIMD)")
    table.add_row("threads", f"{_core.num_threads()} (set them with QHYPERNET_NUM_THREADS)")
    table.add_row("memory available", f"{available / 2**30:.1f} GiB")
    for label, vectors, size in (
        ("one state, double", 1.5, 16),
        ("one state, single", 1.5, 8),
        ("training with exact gradients", 5.0, 16),
    ):
        largest = int(math.log2(available / (vectors * size)))
        table.add_row(f"largest n, {label}", f"{min(largest, 32)} qubits")
    Console().print(table)

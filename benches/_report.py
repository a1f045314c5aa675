"""The Markdown that a run leaves."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from _case import OURS, Row, ratios
from _worker import cores
from numpy.typing import NDArray

from qhypernet import _core


def machine(versions: dict[str, str]) -> str:
    """What the numbers were measured with, as a list."""
    listed = ", ".join(f"{name} {version}" for name, version in sorted(versions.items()))
    load = f"; load average {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    return "\n".join(
        [
            f"- {_processor()}, {cores()} cores, {platform.system()}{load}",
            f"- Python {platform.python_version()}; ours: {_core.simd_level()}, {cores()} threads",
            f"- {listed}",
        ]
    )


def _processor() -> str:
    path = Path("/proc/cpuinfo")
    for line in path.read_text().splitlines() if path.exists() else ():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def tables(rows: list[Row]) -> str:
    """One table a group: our time, and how many times as long each peer takes."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row.group, []).append(row)
    return "\n\n".join(_table(group, members) for group, members in groups.items())


def _table(group: str, rows: list[Row]) -> str:
    cases: dict[str, dict[str, Row]] = {}
    for row in rows:
        cases.setdefault(row.case, {})[row.contender] = row
    contenders = list(dict.fromkeys(row.contender for row in rows))
    # Whoever comes first in a case is what the others are compared with.
    ours = OURS if OURS in contenders else contenders[0]
    peers = [name for name in contenders if name != ours]
    lines = [[group, ours, "throughput", *(f"{peer} / ours" for peer in peers)]]
    notes: list[str] = []
    for case, found in cases.items():
        first = found[ours]
        rate = f"{first.amount / first.median:.2g} {first.unit}/s" if first.unit else ""
        cells = [_ratio(found.get(peer), first, notes) for peer in peers]
        lines.append([_short(case, group), _spread(first.seconds, shown(first)), rate, *cells])
    return "\n".join([*markdown(lines), *(["", *notes] if notes else [])])


def _short(case: str, group: str) -> str:
    return case.removeprefix(f"{group}, ")


def _ratio(row: Row | None, ours: Row, notes: list[str]) -> str:
    if row is None:
        return ""
    if row.reason:
        note = f"- {row.case}: {row.contender}: {row.reason}"
        notes.append(note)
        return "–"
    return _spread(ratios(row, ours), lambda ratio: f"{ratio:.3g}") + f" ({row.threads})"


def details(rows: list[Row]) -> str:
    """Every time measured, with the way and the threads that were best."""
    lines = [["case", "contender", "threads", "way", "time", "rounds"]]
    for row in rows:
        time = _spread(row.seconds, shown(row)) if row.seconds else row.reason
        cells = [row.case, row.contender, str(row.threads), row.way, time, str(len(row.seconds))]
        lines.append(cells)
    return "\n".join(markdown(lines))


def markdown(lines: list[list[str]]) -> Iterable[str]:
    """A table, its first line the head."""
    head, *body = lines
    yield f"| {' | '.join(head)} |"
    yield f"| {' | '.join(['---'] * len(head))} |"
    for cells in body:
        yield f"| {' | '.join(cells)} |"


def _spread(values: Iterable[float], show: Callable[[float], str]) -> str:
    found: NDArray[np.float64] = np.array(list(values))
    low, middle, high = np.quantile(found, [0.25, 0.5, 0.75])
    return show(middle) if len(found) < 3 else f"{show(middle)} [{show(low)}, {show(high)}]"


def shown(row: Row) -> Callable[[float], str]:
    """How a row's values are written."""
    return duration if row.quantity == "seconds" else lambda value: f"{value:.3g}"


def duration(seconds: float) -> str:
    """With a unit that suits it."""
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-6:.3g} µs"

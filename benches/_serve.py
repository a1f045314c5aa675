"""Runs one peer: reads requests from standard input, answers on standard output, JSON lines.

    {"do": "prepare", "slot": s, "kind": ..., "options": {}, "arrays": path, "way": name or null}
        makes a task ready, in the fastest way  -> {"seconds", "wall", "way", "partial"}
    {"do": "save", "slot": s, "path": ...}
        the result of the first call            -> {}
    {"do": "time", "slot": s, "calls": k}
        one call, as the mean of k              -> {"seconds", "wall"}
    {"do": "drop", "slot": s or null}
        frees what is ready, null: all          -> {}

It starts with {"versions": {...}}. An answer with "unsupported" or "error" says why there is none.
A peer waits for its turn in a blocking read, so it takes nothing from the others' time.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import sys
import time
import traceback
from collections.abc import Callable
from importlib.metadata import version
from typing import Any, NamedTuple

import numpy as np
from peers.task import Measured, Part, Task, UnsupportedError, Work

# Ways to do a task are compared by the fastest of so many calls, or of one where it is slow.
TRIALS = 4
SLOW = 0.3


class Server:
    """Holds the prepared work between requests."""

    def __init__(self, name: str) -> None:
        self.module = importlib.import_module(f"peers.{name}")
        self.ready: dict[str, Work | Part | Measured] = {}
        self.results: dict[str, Any] = {}

    def versions(self) -> dict[str, Any]:
        """What runs here."""
        return {"versions": {name: version(name) for name in self.module.PACKAGES}}

    def prepare(
        self,
        slot: str,
        kind: str,
        options: dict[str, Any],
        arrays: str | None,
        way: str | None,
    ) -> dict[str, Any]:
        """Makes the task ready, in the way named or the fastest one."""
        function: Callable[[Task], Any] | None = getattr(self.module, kind, None)
        if function is None:
            raise UnsupportedError("does not do this")
        ways = function(Task(options, dict(np.load(arrays)) if arrays else {}))
        if not isinstance(ways, dict):
            ways = {"": ways}
        if way in ways:
            ways = {way: ways[way]}
        best, chosen = None, None
        for name, candidate in ways.items():
            # The first call compiles, warms caches and starts threads.
            result, took = _once(candidate)
            if not isinstance(candidate, Measured):
                for _ in range(TRIALS if took.wall < SLOW else 1):
                    took = min(took, _timed(candidate, 1))
            if best is None or took.seconds < best.seconds:
                best, chosen = took, name
                self.ready[slot], self.results[slot] = candidate, result
        # What is here to stay need not be looked through whenever rubbish is collected.
        gc.collect()
        gc.freeze()
        return {**best._asdict(), "way": chosen, "partial": isinstance(self.ready[slot], Part)}

    def save(self, slot: str, path: str) -> dict[str, Any]:
        """The result of the first call, to be compared with ours."""
        np.save(path, np.asarray(self.results.pop(slot)))
        return {}

    def time(self, slot: str, calls: int) -> dict[str, Any]:
        """Seconds a call."""
        return _timed(self.ready[slot], calls)._asdict()

    def drop(self, slot: str | None) -> dict[str, Any]:
        """Frees what was prepared."""
        for held in (self.ready, self.results):
            if slot is None:
                held.clear()
            else:
                held.pop(slot, None)
        gc.unfreeze()
        gc.collect()
        return {}


class Took(NamedTuple):
    """A call's seconds for the whole task, and what the clock on the wall said."""

    seconds: float
    wall: float


def _once(way: Work | Part | Measured) -> tuple[Any, Took]:
    start = time.perf_counter()
    if isinstance(way, Measured):
        return way.result(), _timed(way, 1)
    result = way.work() if isinstance(way, Part) else way()
    wall = time.perf_counter() - start
    return result, Took(wall * (way.scale if isinstance(way, Part) else 1.0), wall)


def _timed(way: Work | Part | Measured, calls: int) -> Took:
    """One call, as the mean of so many one after the other."""
    if isinstance(way, Measured):
        start = time.perf_counter()
        return Took(way.seconds(), time.perf_counter() - start)
    work, scale = (way.work, way.scale) if isinstance(way, Part) else (way, 1.0)
    if calls > 1:
        # Not counted: the caches are as the last contender left them.
        work()
    gc.disable()
    start = time.perf_counter()
    for _ in range(calls):
        work()
    wall = (time.perf_counter() - start) / calls
    gc.enable()
    return Took(wall * scale, wall)


def main() -> None:
    """Serves until standard input ends."""
    # What libraries print goes to standard error: standard output carries the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def answer(function: Callable[..., dict[str, Any]], **request: Any) -> None:
        try:
            content = function(**request)
        except UnsupportedError as reason:
            content = {"unsupported": str(reason)}
        except BaseException as error:  # some libraries' errors are not Exceptions
            traceback.print_exc()
            content = {"error": f"{type(error).__name__}: {error}".partition("\n")[0][:200]}
        answers.write(json.dumps(content) + "\n")
        answers.flush()

    server: Server | None = None

    def start() -> dict[str, Any]:
        nonlocal server
        server = Server(sys.argv[1])
        return server.versions()

    answer(start)
    for line in sys.stdin:
        request = json.loads(line)
        answer(getattr(server, request.pop("do")), **request)


if __name__ == "__main__":
    main()

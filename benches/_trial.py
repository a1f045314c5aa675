"""Makes a contender ready: its best threads and way, and a result that agrees with ours."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from _case import Case, Contender
from _worker import PeerError, Pool, Worker, cores

# Where one call takes longer, a peer's threads and way are those that were best before,
WORTH_A_TRIAL = 0.25
# and a peer that took so long, and so many times as long as the fastest one, is left out of larger
# cases: it decides nothing, and takes most of a run's time.
TOO_LONG, FAR_BEHIND = 1.0, 3.0


@dataclass
class Ready:
    """A contender that is prepared and has given the right result."""

    contender: Contender
    worker: Worker
    threads: int
    way: str
    estimate: float
    """Seconds a call of the whole task."""
    wall: float
    """Seconds that one call really takes, where only a part is done or one call is a series."""
    seconds: list[float] = field(default_factory=list)
    reason: str = ""

    def time(self, timeout: float, calls: int) -> float:
        """Seconds a call, as the mean of so many."""
        request = {"slot": self.contender.name, "calls": calls}
        return self.worker.ask(timeout, "time", **request)["seconds"]


@dataclass
class _Memory:
    """What was best for a peer in the last case of a series."""

    threads: int = 0
    way: str = ""
    wall: float = 0.0


class Trials:
    """Prepares the contenders of one case after the other."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.memory: dict[tuple[str, tuple[object, ...]], _Memory] = {}

    def ready(self, case: Case, contender: Contender) -> Ready:
        """Prepares, compares, and chooses threads. The case's first contender is the reference.

        Raises:
            PeerError: It cannot, or its result is another.
        """
        last = self.memory.get((contender.name, case.series), _Memory())
        slow = last.wall > TOO_LONG and last.wall > FAR_BEHIND * self._fastest(case)
        if slow and case.fastest is None and not contender.is_ours:
            raise PeerError(f"left out: far behind, a smaller case took {last.wall:.1f} s")
        known = last.wall > WORTH_A_TRIAL
        found = [
            self._prepared(case, contender, threads, last.way if known else None)
            for threads in self._choices(contender, last.threads if known else None)
        ]
        best = min(found, key=lambda entry: entry.estimate)
        for entry in found:
            if entry is not best:
                entry.worker.ask(self.pool.timeout, "drop", slot=contender.name)
        self.memory[contender.name, case.series] = _Memory(best.threads, best.way, best.wall)
        return best

    def _fastest(self, case: Case) -> float:
        """Seconds of the fastest peer in the last case of this series."""
        peers = {contender.name for contender in case.contenders if not contender.is_ours}
        walls = [
            last.wall
            for (name, series), last in self.memory.items()
            if series == case.series and name in peers
        ]
        return min(walls, default=0.0)

    @staticmethod
    def _choices(contender: Contender, known: int | None) -> list[int]:
        if contender.threads is not None:
            return [contender.threads]
        if contender.is_ours:
            # What we advise, not what a trial finds.
            return [cores()]
        return sorted({1, cores()}) if known is None else [known]

    def _prepared(self, case: Case, contender: Contender, threads: int, way: str | None) -> Ready:
        worker = self.pool.get(contender.peer, threads)
        ask = {"slot": contender.name, "kind": contender.kind or case.kind, "way": way}
        if case.checked_as is not None:
            options, arrays = case.checked_as
            self._ask(worker, ask, {**options, **contender.options}, arrays)
            self._compare(case, contender, worker, partial=False)
        options = {**case.options, **contender.options}
        answer = self._ask(worker, ask, options, case.arrays)
        if case.tolerance is not None and case.checked_as is None and not contender.kind:
            self._compare(case, contender, worker, partial=answer["partial"])
        return Ready(contender, worker, threads, answer["way"], answer["seconds"], answer["wall"])

    def _ask(
        self, worker: Worker, ask: dict[str, Any], options: dict[str, Any], arrays: Any
    ) -> dict[str, Any]:
        path = self.pool.folder / "arrays.npz"
        if arrays:
            np.savez(path, **arrays)
        stored = str(path) if arrays else None
        return worker.ask(self.pool.timeout, "prepare", options=options, arrays=stored, **ask)

    def _compare(self, case: Case, contender: Contender, worker: Worker, *, partial: bool) -> None:
        is_reference = contender is case.contenders[0]
        reference, result = self.pool.folder / "reference.npy", self.pool.folder / "result.npy"
        path = reference if is_reference else result
        worker.ask(self.pool.timeout, "save", slot=contender.name, path=str(path))
        if is_reference:
            return
        ours, theirs = _loaded(reference), _loaded(result)
        if partial and ours.ndim:
            ours = ours[: len(theirs)]
        if ours.shape != theirs.shape or not ours.size:
            raise PeerError(f"another result: shape {theirs.shape}, ours {ours.shape}")
        difference = float(np.abs(ours - theirs).max() / np.abs(ours).max())
        # Written so that a difference that is not a number fails too.
        if not difference <= (case.tolerance or 0.0):
            raise PeerError(f"another result: differs by {difference:.1e} of the largest entry")


def _loaded(path: Path) -> np.ndarray:
    return np.load(path, mmap_mode="r")

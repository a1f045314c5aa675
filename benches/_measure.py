"""How contenders are timed: checked first, then all in turn, round after round."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from _case import Case, Contender, Row
from _trial import Ready, Trials
from _worker import HERE, PeerError, Pool

# Users call the same thing thousands of times: after another process has had its turn, the first
# calls find cold caches and threads asleep.
SHORTEST_SAMPLE = 20e-3
MOST_ROUNDS = 31
FEWEST_ROUNDS = 3
# A call that takes longer is not repeated: its trial must do.
LONGEST = 4.0


class Bench:
    """Measures one case after the other."""

    def __init__(self, pool: Pool, budget: float) -> None:
        self.pool, self.budget = pool, budget
        self.trials = Trials(pool)
        self.rows: list[Row] = []

    def measure(self, case: Case) -> list[Row]:
        """All contenders of the case; those that fail get a row that says why."""
        print(case.name, end=" ", file=sys.stderr, flush=True)
        start = time.perf_counter()
        ready: list[Ready] = []
        rows: list[Row] = []
        with _loaded(case.load):
            for contender in self._chosen(case):
                try:
                    ready.append(self.trials.ready(case, contender))
                except PeerError as reason:
                    rows.append(_row(case, contender, reason=str(reason)))
                    if contender is case.contenders[0]:
                        # Nothing to compare with.
                        break
            if ready and ready[0].contender is case.contenders[0]:
                self._rounds(ready)
        rows = [_measured(case, entry) for entry in ready] + rows
        self.pool.drop()
        self.rows += rows
        print(f"({time.perf_counter() - start:.1f} s)", file=sys.stderr)
        return rows

    def _chosen(self, case: Case) -> tuple[Contender, ...]:
        """All, or those that were the fastest where the case says so."""
        if case.fastest is None:
            return case.contenders
        ours, *peers = case.contenders
        before = {
            row.contender: row.median
            for row in self.rows
            if row.seconds
            and row.group == case.tags["ranked_by"]
            and row.tags.get("n") == case.tags["n"]
        }
        if not before:
            return case.contenders
        peers.sort(key=lambda peer: before.get(peer.name, np.inf))
        return (ours, *peers[: case.fastest])

    def _rounds(self, ready: list[Ready]) -> None:
        """Interleaved; those that take long have fewer rounds."""
        share = self.budget / len(ready)
        plan = [(entry, *_plan(entry, share)) for entry in ready]
        for number in range(max(rounds for _, rounds, _ in plan)):
            for entry, rounds, calls in plan:
                if number < rounds and not entry.reason:
                    try:
                        entry.seconds.append(entry.time(self.pool.timeout, calls))
                    except PeerError as reason:
                        entry.reason = str(reason)
            # A load that rises or falls during a round favours nobody in two.
            plan.reverse()


def _plan(entry: Ready, share: float) -> tuple[int, int]:
    """Rounds, and calls in each."""
    calls = max(1, int(np.ceil(SHORTEST_SAMPLE / entry.wall)))
    cost = entry.wall * (calls + (calls > 1))
    if cost > LONGEST:
        entry.seconds.append(entry.estimate)
        return 0, 1
    return int(np.clip(share / cost, FEWEST_ROUNDS, MOST_ROUNDS)), calls


def _measured(case: Case, entry: Ready) -> Row:
    return _row(
        case,
        entry.contender,
        seconds=() if entry.reason else tuple(entry.seconds),
        threads=entry.threads,
        way=entry.way,
        reason=entry.reason,
    )


def _row(case: Case, contender: Contender, **found: Any) -> Row:
    if found.get("reason"):
        print(f"[{contender.name}: {found['reason']}]", end=" ", file=sys.stderr, flush=True)
    return Row(
        group=case.group,
        case=case.name,
        tags=dict(case.tags),
        amount=case.amount,
        unit=case.unit,
        quantity=case.quantity,
        contender=contender.name,
        **found,
    )


@contextmanager
def _loaded(share: float) -> Iterator[None]:
    """Another process that takes this share of one core."""
    if not share:
        yield
        return
    burner = subprocess.Popen([sys.executable, str(HERE / "_load.py"), str(share)])
    try:
        yield
    finally:
        burner.kill()
        burner.wait()

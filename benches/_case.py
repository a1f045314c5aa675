"""What is compared: a case, its contenders, and the row that each of them becomes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

OURS = "qhypernet"


@dataclass(frozen=True)
class Contender:
    """A file of ``peers/`` with the number of threads and the options it runs with."""

    peer: str
    threads: int | None = None
    """None is the better one of one thread and all cores; for ours it is all cores."""
    options: Mapping[str, Any] = field(default_factory=dict)
    label: str = ""
    kind: str = ""
    """Where it is other work, to be set beside ours: what kind; its result is not compared."""

    @property
    def name(self) -> str:
        """As shown."""
        return self.label or self.peer

    @property
    def is_ours(self) -> bool:
        """Whether it runs qhypernet or looks at it from outside."""
        return self.peer in (OURS, "system")


@dataclass(frozen=True)
class Case:
    """The same work for all contenders, ours first.

    ``group`` and ``tags`` are what goals and plots look for. One call handles ``amount`` of
    ``unit``. A result may differ from ours by ``tolerance``, relative to the largest entry; None
    compares nothing, for contenders that are other settings of ours or other work of equal size.
    """

    group: str
    name: str
    kind: str
    contenders: tuple[Contender, ...]
    amount: float
    unit: str
    tags: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    arrays: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    tolerance: float | None = None
    checked_as: tuple[Mapping[str, Any], Mapping[str, NDArray[Any]]] | None = None
    """Options and arrays of a smaller task on which results are compared instead."""
    fastest: int | None = None
    """Only so many of the peers, those that were the fastest at this size before."""
    quantity: str = "seconds"
    """What is measured: "seconds" a call, or something without a unit, as "share"."""
    load: float = 0.0
    """Share of one core that another process takes meanwhile."""

    @property
    def series(self) -> tuple[object, ...]:
        """What cases that differ in nothing but their size have in common."""
        return self.group, *(value for name, value in self.tags.items() if name != "n")

    def beside(self, peers: set[str]) -> Case:
        """With these peers only."""
        ours, *others = self.contenders
        chosen = [entry for entry in others if entry.peer in peers | {OURS}]
        return replace(self, contenders=(ours, *chosen))


@dataclass(frozen=True)
class Row:
    """One contender in one case: seconds a call in each round, or why there are none."""

    group: str
    case: str
    tags: Mapping[str, Any]
    amount: float
    unit: str
    quantity: str
    contender: str
    seconds: tuple[float, ...] = ()
    threads: int = 0
    way: str = ""
    reason: str = ""

    @property
    def median(self) -> float:
        """Seconds a call; not a number where there are none."""
        return float(np.median(self.seconds)) if self.seconds else float("nan")


def ratios(row: Row, ours: Row) -> NDArray[np.float64]:
    """How many times as long as ours it took, round by round."""
    n = min(len(row.seconds), len(ours.seconds))
    return np.array(row.seconds[:n]) / np.array(ours.seconds[:n])

"""The goals for speed and memory, and whether a run reaches them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from _case import OURS, Row, ratios

# A figure, and the case that it comes from.
Figure = tuple[float, str]
Figures = Callable[["Rows"], Iterable[Figure]]


class Rows:
    """A run's rows by group and case."""

    def __init__(self, rows: list[Row]) -> None:
        self.rows = [row for row in rows if row.seconds]

    def cases(self, group: str, **tags: Iterable[object]) -> Iterator[dict[str, Row]]:
        """Rows by contender of each case whose group begins so and whose tags are among these."""
        found: dict[str, dict[str, Row]] = {}
        for row in self.rows:
            if row.group.startswith(group) and all(row.tags[k] in v for k, v in tags.items()):
                found.setdefault(row.case, {})[row.contender] = row
        yield from found.values()


@dataclass(frozen=True)
class Goal:
    """A bound on the worst of some figures; without a bound they are only told."""

    number: int
    text: str
    figures: Figures
    at_least: float | None = None
    at_most: float | None = None
    form: str = "{:.3g}x"

    def line(self, rows: Rows) -> list[str]:
        """A line of the table."""
        found = list(self.figures(rows))
        bound = self.at_least if self.at_most is None else self.at_most
        sign = "" if bound is None else ("≥ " if self.at_most is None else "≤ ")
        target = sign + (self.form.format(bound) if bound is not None else "–")
        if not found:
            return [str(self.number), self.text, target, "not measured", "", "–"]
        figure, case = (max if self.at_most is not None else min)(found)
        if bound is None:
            verdict = "–"
        else:
            reached = figure <= bound if self.at_most is not None else figure >= bound
            verdict = "reached" if reached else "**not reached**"
        return [str(self.number), self.text, target, self.form.format(figure), case, verdict]


def beside(group: str, *peers: str, **tags: Iterable[object]) -> Figures:
    """How many times as long as ours the fastest peer takes, or the fastest of those named."""

    def figures(rows: Rows) -> Iterator[Figure]:
        for case in rows.cases(group, **tags):
            ours = case.get(OURS)
            others = [row for name, row in case.items() if _is_peer(name, peers)]
            if ours and others:
                yield min(
                    (float(np.median(ratios(row, ours))), f"{row.case}: {row.contender}")
                    for row in others
                )

    return figures


def _is_peer(name: str, peers: tuple[str, ...]) -> bool:
    return name in peers if peers else name not in (OURS, "own forward")


def of(group: str, slower: str, faster: str, **tags: Iterable[object]) -> Figures:
    """How many times as long one contender takes as another."""

    def figures(rows: Rows) -> Iterator[Figure]:
        for case in rows.cases(group, **tags):
            if slower in case and faster in case:
                ratio = float(np.median(ratios(case[slower], case[faster])))
                yield ratio, case[slower].case

    return figures


def value(group: str, **tags: Iterable[object]) -> Figures:
    """What was measured itself."""

    def figures(rows: Rows) -> Iterator[Figure]:
        for case in rows.cases(group, **tags):
            for row in case.values():
                yield row.median, row.case

    return figures


def spread(group: str) -> Figures:
    """The largest cost of a unit of work over the smallest."""

    def figures(rows: Rows) -> Iterator[Figure]:
        costs = {
            row.median / row.amount: f"n = {row.tags['n']}"
            for case in rows.cases(group)
            for row in case.values()
        }
        if len(costs) > 1:
            low, high = min(costs), max(costs)
            yield high / low, f"{group}, {costs[high]} over {costs[low]}"

    return figures


SMALL, LARGE = range(10, 17), range(18, 25)
FORWARD, GRADIENT = "forward double", "gradient double"
OTHER = "other circuits"

GOALS = (
    Goal(1, "forward, n = 10..16", beside(FORWARD, n=SMALL), 10),
    Goal(1, "forward, n = 18..24", beside(FORWARD, n=LARGE), 6),
    Goal(1, "single, n = 10..16, qsimcirq", beside("forward single", "qsim", n=SMALL), 10),
    Goal(1, "single, n = 18..24, qsimcirq", beside("forward single", "qsim", n=LARGE), 4),
    Goal(1, "gradient, n = 10..16", beside(GRADIENT, n=SMALL), 20),
    Goal(1, "gradient, n = 18..24", beside(GRADIENT, n=LARGE), 12),
    Goal(
        1,
        "gradient over our forward, n ≤ 14",
        of(GRADIENT, OURS, "own forward", n=range(15)),
        at_most=3.5,
    ),
    Goal(
        1,
        "gradient over our forward, n > 14",
        of(GRADIENT, OURS, "own forward", n=range(15, 40)),
        at_most=4.5,
    ),
    Goal(1, "other circuits, forward, n ≤ 16", beside(f"{OTHER}, forward", n=SMALL), 5),
    Goal(1, "other circuits, forward, n = 20", beside(f"{OTHER}, forward", n=LARGE), 3),
    Goal(1, "other circuits, gradient, n ≤ 16", beside(f"{OTHER}, gradient", n=SMALL), 10),
    Goal(1, "other circuits, gradient, n = 20", beside(f"{OTHER}, gradient", n=LARGE), 6),
    Goal(2, "training step, 1 layer, jax", beside("training step", layers=(1,)), 100),
    Goal(2, "training step, 2 to 16 layers, jax", beside("training step", layers=range(2, 17)), 50),
    Goal(2, "Python's share of a step", value("share of Python"), at_most=0.2, form="{:.0%}"),
    Goal(
        3,
        "paper's workload, exact",
        value("workload", shots=(None,)),
        at_most=10,
        form="{:.3g} s",
    ),
    Goal(
        3,
        "paper's workload, sampled",
        value("workload", shots=(100,)),
        at_most=30,
        form="{:.3g} s",
    ),
    Goal(3, "as nine commands, exact", value("nine commands", shots=(None,)), form="{:.3g} s"),
    Goal(3, "as nine commands, sampled", value("nine commands", shots=(100,)), form="{:.3g} s"),
    Goal(4, "table, sign", beside("table", activation=("sign",)), 1000),
    Goal(4, "table, tanh", beside("table", activation=("tanh",)), 50),
    Goal(4, "sampled networks, sign", beside("sampled networks", activation=("sign",)), 50),
    Goal(4, "sampled networks, tanh", beside("sampled networks", activation=("tanh",)), 5),
    Goal(4, "64-64-10, one sgemm of the same shape", beside("matrix product", "sgemm"), 1),
    Goal(4, "64-64-10, a square sgemm", beside("matrix product", "square sgemm")),
    Goal(
        5,
        "sample MMD², SciPy cdist and NumPy matrix product",
        beside("sample MMD²", "SciPy cdist", "NumPy matrix product"),
        50,
    ),
    Goal(5, "sample MMD², NumPy popcount", beside("sample MMD²", "NumPy popcount")),
    Goal(5, "exact MMD²", beside("exact MMD²"), 20),
    Goal(6, "single over double", of("precision", "double", "single", n=range(16, 40)), 1.8),
    Goal(6, "peak memory of a gradient over a state's", value("memory"), at_most=2.6),
    Goal(7, "two threads, n ≥ 18", of("threads, forward", "1 thread", "2 threads", n=LARGE), 1.7),
    Goal(
        7,
        "two threads, gradient, n ≥ 18",
        of("threads, gradient", "1 thread", "2 threads", n=LARGE),
        1.7,
    ),
    Goal(7, "two threads, batch", of("threads, batch", "1 thread", "2 threads"), 1.7),
    Goal(7, "two threads, n = 16", of("threads, forward", "1 thread", "2 threads", n=(16,)), 1.5),
    Goal(
        7,
        "two threads, gradient, n = 16",
        of("threads, gradient", "1 thread", "2 threads", n=(16,)),
        1.5,
    ),
    Goal(7, "two threads beside a neighbour", of("threads, 50%", "1 thread", "2 threads", n=LARGE)),
    Goal(7, "cost of an amplitude, forward, over n", spread("cost, forward"), at_most=1.7),
    Goal(7, "cost of an amplitude, gradient, over n", spread("cost, gradient"), at_most=1.7),
)


def table(rows: list[Row]) -> list[list[str]]:
    """Lines for a Markdown table, the head first."""
    found = Rows(rows)
    head = ["", "goal", "target", "measured (the worst)", "where", ""]
    return [head, *(goal.line(found) for goal in GOALS)]

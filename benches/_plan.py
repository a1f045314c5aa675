"""Which cases a run has."""

from __future__ import annotations

from collections.abc import Iterator

from _case import Case
from cases import batches, circuits, mmd, networks, settings, states, system


def full(largest: int = 22) -> Iterator[Case]:
    """All cases, each made when its turn comes: what the last one needed is then free."""
    sizes = tuple(n for n in (10, 13, 16, 18, 20, 22, 24) if n <= largest)
    yield from system.limits()
    yield from states.forward(sizes)
    yield from states.single(sizes)
    yield from states.gradient((8, *sizes))
    yield from circuits.other((13, 16, 20))
    yield from batches.steps((9, 13), (1,))
    yield from batches.steps((9, 11, 13), (2, 4, 16))
    yield from batches.shares((9, 13), (1, 4))
    yield from networks.tables((2, 5, 1))
    yield from networks.sampled((2, 8, 8, 1), 10_000)
    yield from networks.product((64, 64, 10), 1000)
    yield from mmd.samples(20_000)
    yield from mmd.exact(20)
    yield from settings.precision((16, 20, 22))
    yield from settings.threads((16, 18, 20))
    yield from settings.cost((14, 16, 18, 20, 22, 24, 26))
    yield from system.memory((22, 24))
    yield from system.workload()


def quick() -> Iterator[Case]:
    """Of each sort a small one."""
    yield from states.forward((10, 13))
    yield from states.single((13,))
    yield from states.gradient((13,))
    yield from batches.steps((9,), (1,))
    yield from batches.shares((9,), (1,))
    yield from networks.tables((2, 3, 1))
    yield from networks.sampled((2, 8, 8, 1), 1000)
    yield from mmd.samples(1000)
    yield from mmd.exact(13)


def huge() -> Iterator[Case]:
    """28 qubits, which want 24 GB."""
    yield from system.memory((28,))
    yield from settings.cost((28,))

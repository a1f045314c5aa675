"""The machine's own limits, our memory, and the paper's workload from the command line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from _case import OURS, Case, Contender
from _worker import cores

# 256 MiB an array: beyond all caches.
LENGTH = 2**25
SIDE = 2000
SHOTS = 100


def limits() -> Iterator[Case]:
    """Bandwidth and arithmetic, for the roofline."""
    for kind, n_arrays in (("copy", 2), ("add", 3)):
        yield _case("machine", kind, 8.0 * n_arrays * LENGTH, "bytes", {"length": LENGTH})
    yield _case("machine", "multiply", 2.0 * SIDE**3, "FLOP", {"side": SIDE})


def memory(sizes: tuple[int, ...]) -> Iterator[Case]:
    """Peak of a gradient, over the size of a state."""
    for n_qubits in sizes:
        options = {"n_qubits": n_qubits}
        yield _case("memory", "memory", 1.0, "", options, "share", f"n = {n_qubits}")


def workload() -> Iterator[Case]:
    """The paper's as one command and as nine, with exact gradients and with sampled ones."""
    for group, kind in (("workload", "workload"), ("nine commands", "commands")):
        yield _case(group, kind, 1.0, "", {"shots": None}, label="exact")
        yield _case(group, kind, 1.0, "", {"shots": SHOTS}, label=f"sampled, {SHOTS} shots")


def _case(
    group: str,
    kind: str,
    amount: float,
    unit: str,
    options: dict[str, Any],
    quantity: str = "seconds",
    label: str = "",
) -> Case:
    return Case(
        group=group,
        name=f"{group}, {label or kind}",
        kind=kind,
        contenders=(Contender("system", cores(), label="NumPy" if unit else OURS),),
        amount=amount,
        unit=unit,
        quantity=quantity,
        tags={"n": options.get("n_qubits"), "shots": options.get("shots")},
        options=options,
    )

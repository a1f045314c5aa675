"""Ours beside ourselves: single and double, one thread and two, and the cost of an amplitude."""

from __future__ import annotations

from collections.abc import Iterator

from _case import OURS, Case, Contender

from cases._circuits import N_LAYERS, angles, chain, described

# What a neighbour takes of one core where a machine is not ours alone.
LOAD = 0.5
BATCH = (13, 100)


def precision(sizes: tuple[int, ...]) -> Iterator[Case]:
    """Single beside double."""
    members = tuple(
        Contender(OURS, options={"dtype": dtype}, label=dtype) for dtype in ("single", "double")
    )
    for n_qubits in sizes:
        for kind in ("forward", "gradient"):
            yield _case(f"precision, {kind}", kind, n_qubits, members)


def threads(sizes: tuple[int, ...]) -> Iterator[Case]:
    """One thread beside two, with the machine to ourselves and with a neighbour."""
    members = tuple(Contender(OURS, n, label=f"{n} thread{'s'[: n - 1]}") for n in (2, 1))
    for load in (0.0, LOAD):
        group = f"threads, {LOAD:.0%} of a core taken" if load else "threads"
        for kind in ("forward", "gradient"):
            for n_qubits in sizes:
                yield _case(f"{group}, {kind}", kind, n_qubits, members, load=load)
        n_qubits, batch = BATCH
        yield _case(f"{group}, batch of {batch}", "batched", n_qubits, members, batch, load)


def cost(sizes: tuple[int, ...]) -> Iterator[Case]:
    """Time an amplitude, qubit and layer."""
    for n_qubits in sizes:
        for kind in ("forward", "gradient"):
            yield _case(f"cost, {kind}", kind, n_qubits, (Contender(OURS),))


def _case(
    group: str,
    kind: str,
    n_qubits: int,
    members: tuple[Contender, ...],
    batch: int | None = None,
    load: float = 0.0,
) -> Case:
    circuit = chain(n_qubits)
    return Case(
        group=group,
        name=f"{group}, n = {n_qubits}",
        kind=kind,
        contenders=members,
        amount=2.0**n_qubits * n_qubits * N_LAYERS * (batch or 1),
        unit="amplitudes x qubits x layers",
        tags={"n": n_qubits, "load": load},
        options=described(circuit),
        arrays=angles(circuit, batch),
        load=load,
    )

"""A training step of 100 initialisations at once, beside JAX's vmap of a compiled gradient."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from _case import OURS, Case, Contender

from cases._circuits import TOLERANCE, angles, chain, contenders, described

N_INITS = 100


def steps(sizes: tuple[int, ...], layers: tuple[int, ...]) -> Iterator[Case]:
    """Ours has the objective, Adam and the history in it; JAX's is value and gradient alone."""
    for n_layers in layers:
        for n_qubits in sizes:
            yield _case("batch", "training step", n_qubits, n_layers, contenders(("jax",)))


def shares(sizes: tuple[int, ...], layers: tuple[int, ...]) -> Iterator[Case]:
    """What of a step is spent outside the core."""
    for n_layers in layers:
        for n_qubits in sizes:
            yield _case("share", "share of Python", n_qubits, n_layers, (Contender(OURS),))


def _case(
    kind: str, group: str, n_qubits: int, n_layers: int, members: tuple[Contender, ...]
) -> Case:
    circuit = chain(n_qubits, n_layers)
    # Log-likelihoods of the size that a few hundred points give.
    table = np.random.default_rng(0).uniform(-100, 0, 2**n_qubits)
    layers = f"{n_layers} layer{'s' if n_layers > 1 else ''}"
    is_step = kind == "batch"
    return Case(
        group=f"{group}, {N_INITS} initialisations",
        name=f"{group}, {N_INITS} initialisations, n = {n_qubits}, {layers}",
        kind=kind,
        contenders=members,
        amount=N_INITS * 2.0**n_qubits if is_step else 1.0,
        unit="amplitudes" if is_step else "",
        quantity="seconds" if is_step else "share",
        tags={"n": n_qubits, "layers": n_layers},
        options=described(circuit),
        arrays={**angles(circuit, N_INITS), "table": table},
        tolerance=TOLERANCE["double"] if is_step else None,
    )

"""Other circuits than the chain, beside the two peers that were the fastest on the chain."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from _case import Case

import qhypernet as qh
from cases._circuits import N_LAYERS, TOLERANCE, angles, contenders, described
from cases.states import FORWARD_PEERS, GRADIENT_PEERS


def _random(n_qubits: int) -> qh.Circuit:
    """As many gates as the chain has, each of a random kind on random qubits."""
    rng = np.random.default_rng(n_qubits)
    circuit = qh.Circuit(n_qubits)
    kinds = {"rx": 1, "ry": 1, "rz": 1, "cx": 2, "cz": 2, "rzz": 2}
    for name in rng.choice(list(kinds), 3 * N_LAYERS * n_qubits):
        circuit.append(str(name), *rng.permutation(n_qubits)[: kinds[name]].tolist())
    return circuit


def _layers(entangler: str, topology: str) -> Callable[[int], qh.Circuit]:
    return lambda n_qubits: qh.ansatz.hardware_efficient(
        n_qubits, N_LAYERS, entangler=entangler, topology=topology
    )


CIRCUITS: dict[str, Callable[[int], qh.Circuit]] = {
    "brickwork": lambda n_qubits: qh.ansatz.brickwork(n_qubits, N_LAYERS),
    "circular CX": _layers("cx", "circular"),
    "full CX": _layers("cx", "full"),
    "linear CZ": _layers("cz", "linear"),
    "linear RZZ": _layers("rzz", "linear"),
    "random": _random,
}


def other(sizes: tuple[int, ...]) -> Iterator[Case]:
    """Forward and gradient of each."""
    for kind, peers in (("forward", FORWARD_PEERS), ("gradient", GRADIENT_PEERS)):
        for name, make in CIRCUITS.items():
            for n_qubits in sizes:
                circuit = make(n_qubits)
                # JAX takes minutes to compile a program without repetition.
                able = [peer for peer in peers if not (name == "random" and peer == "jax")]
                yield Case(
                    group=f"other circuits, {kind}",
                    name=f"other circuits, {kind}, {name}, n = {n_qubits}",
                    kind=kind,
                    contenders=contenders(tuple(able)),
                    amount=2.0**n_qubits,
                    unit="amplitudes",
                    tags={"n": n_qubits, "circuit": name, "ranked_by": f"{kind} double"},
                    options=described(circuit),
                    arrays=angles(circuit),
                    tolerance=TOLERANCE["double"],
                    fastest=2,
                )

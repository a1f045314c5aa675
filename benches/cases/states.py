"""Forward and gradient of four layers of RY and RZ and a chain of CX, double and single."""

from __future__ import annotations

from collections.abc import Iterator

from _case import OURS, Case, Contender

from cases._circuits import TOLERANCE, angles, chain, contenders, described

FORWARD_PEERS = (
    "qevedo", "mimiq", "qulacs", "lightning", "pennylane", "mindquantum", "aer", "qiskit", "jax",
)  # fmt: skip
SINGLE_PEERS = ("qsim", "lightning", "mindquantum", "aer")
GRADIENT_PEERS = ("mindquantum", "qulacs", "jax", "lightning", "pennylane")


def forward(sizes: tuple[int, ...]) -> Iterator[Case]:
    """To complex amplitudes in a NumPy array."""
    for n_qubits in sizes:
        yield _case("forward", "double", n_qubits, FORWARD_PEERS)


def single(sizes: tuple[int, ...]) -> Iterator[Case]:
    """The same in single precision."""
    for n_qubits in sizes:
        yield _case("forward", "single", n_qubits, SINGLE_PEERS)


def gradient(sizes: tuple[int, ...]) -> Iterator[Case]:
    """Of all parameters of the expectation of the sum of all Z, beside our own forward pass."""
    for n_qubits in sizes:
        yield _case("gradient", "double", n_qubits, GRADIENT_PEERS)


def _case(kind: str, dtype: str, n_qubits: int, peers: tuple[str, ...]) -> Case:
    circuit = chain(n_qubits)
    group = f"{kind} {dtype}"
    members = contenders(peers)
    if kind == "gradient":
        members = (*members, Contender(OURS, label="own forward", kind="forward"))
    return Case(
        group=group,
        name=f"{group}, n = {n_qubits}",
        kind=kind,
        contenders=members,
        amount=2.0**n_qubits,
        unit="amplitudes",
        tags={"n": n_qubits},
        options=described(circuit, dtype),
        arrays=angles(circuit),
        tolerance=TOLERANCE[dtype],
    )

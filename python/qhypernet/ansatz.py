"""Ready circuits whose measured bits are the weights of a binary network."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

from qhypernet import _check
from qhypernet._symmetry import sign_flips
from qhypernet.circuits import Circuit
from qhypernet.networks import BinaryNetwork

_ROTATIONS = ("rx", "ry", "rz", "p")
_ENTANGLERS = ("cx", "cz", "rxx", "ryy", "rzz")
_TOPOLOGIES = ("linear", "circular", "full")


def hardware_efficient(
    n_qubits: int,
    n_layers: int,
    rotations: Sequence[str] = ("ry", "rz"),
    entangler: str = "cx",
    topology: str = "linear",
) -> Circuit:
    """Layers of single-qubit rotations, each followed by entanglers.

    In a layer each qubit has its rotations in order (parameters qubit-major), then come the
    entanglers: "linear" joins i and i+1, "circular" also the last and the first, "full" every pair.
    Entanglers with an angle (rxx, ryy, rzz) have a parameter each.

    One layer with CX is classical: a product distribution whose outcomes the chain relabels.

    Example:
        >>> import qhypernet as qh
        >>> qh.ansatz.hardware_efficient(13, 1)
        <Circuit: 13 qubits, 26 parameters, 38 gates>
    """
    circuit = Circuit(n_qubits)
    _append_layers(circuit, range(n_qubits), n_layers, rotations, entangler, topology)
    return circuit


def brickwork(n_qubits: int, n_layers: int) -> Circuit:
    """The predecessor's circuit (Carrasquilla et al. 2023, arXiv 2301.08292).

    Layer d = 1..L: CX(j, j+1) for j = 1 + d%2, 3 + d%2, ... (qubits counted from 1), then RY on all
    qubits, then RZ on all. Parameters: the RY of all layers, then the RZ of all layers.

    One layer is exactly mean field: the state is a product.

    Example:
        >>> import qhypernet as qh
        >>> qh.ansatz.brickwork(17, 4).n_params
        136
    """
    n_layers = _check.integer("n_layers", n_layers, 1)
    n_angles = _check.integer("n_qubits", n_qubits, 1) * n_layers
    circuit = Circuit(n_qubits, n_params=2 * n_angles)
    for layer in range(n_layers):
        for qubit in range((layer + 1) % 2, n_qubits - 1, 2):
            circuit.cx(qubit, qubit + 1)
        for qubit in range(n_qubits):
            circuit.ry(qubit, param=layer * n_qubits + qubit)
        for qubit in range(n_qubits):
            circuit.rz(qubit, param=n_angles + layer * n_qubits + qubit)
    return circuit


def sign_symmetric(net: BinaryNetwork, n_layers: int) -> Circuit:
    """A circuit whose distribution has the network's own sign symmetry, whatever its parameters.

    With an odd activation, flipping all weights into and out of a hidden unit, and its bias, leaves
    the network's function as it is. So each hidden unit's first out-weight is left out of a
    hardware-efficient circuit on the other bits; then it is put into an equal superposition, and a
    CX from it flips the rest of its unit along. Exact for odd activations (sign(0) = +1 breaks the
    symmetry only at ties).

    Raises:
        ValueError: The activation is not odd.

    Example:
        >>> import qhypernet as qh
        >>> net = qh.BinaryNetwork((2, 3, 1), activation="tanh")
        >>> qh.ansatz.sign_symmetric(net, 2).n_params  # 10 of 13 bits, RY and RZ, 2 layers
        40
    """
    flips = sign_flips(net)
    references = {reference for reference, _ in flips}
    circuit = Circuit(net.n_weights)
    others = [q for q in range(net.n_weights) if q not in references]
    _append_layers(circuit, others, n_layers, ("ry", "rz"), "cx", "linear")
    # First layers first: a deeper unit's flip moves the references of the units before it, which
    # have done their part by then.
    for reference, targets in flips:
        circuit.h(reference)
        for target in targets:
            circuit.cx(reference, target)
    return circuit


def _append_layers(
    circuit: Circuit,
    qubits: Iterable[int],
    n_layers: int,
    rotations: Sequence[str],
    entangler: str,
    topology: str,
) -> None:
    qubits = list(qubits)
    if isinstance(rotations, str):
        raise TypeError(f"rotations: expected a sequence of names, got the string {rotations!r}")
    rotations = [_check.choice("rotations", name, _ROTATIONS) for name in rotations]
    entangler = _check.choice("entangler", entangler, _ENTANGLERS)
    pairs = _pairs(qubits, _check.choice("topology", topology, _TOPOLOGIES))
    for _ in range(_check.integer("n_layers", n_layers, 1)):
        for qubit in qubits:
            for rotation in rotations:
                circuit.append(rotation, qubit)
        for a, b in pairs:
            circuit.append(entangler, a, b)


def _pairs(qubits: Sequence[int], topology: str) -> list[tuple[int, int]]:
    if topology == "full":
        return [(a, b) for i, a in enumerate(qubits) for b in qubits[i + 1 :]]
    chain = list(pairwise(qubits))
    if topology == "circular" and len(qubits) > 2:
        chain.append((qubits[-1], qubits[0]))
    return chain

"""The sign symmetry of networks with an odd activation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qhypernet.networks import BinaryNetwork

_ODD = ("sign", "tanh", "identity")
_SAME = 1e-12
"""Relative: log-likelihoods of networks that are the same function differ by rounding at most."""


class Flip(NamedTuple):
    """The weights of one hidden unit: flipping all of them leaves the network's function as it is.

    Attributes:
        reference: Position of the unit's first out-weight.
        others: Positions of the rest: in-weights, bias, other out-weights.
    """

    reference: int
    others: tuple[int, ...]


def is_odd(net: BinaryNetwork) -> bool:
    """Whether the network's activation is odd, so that it has the symmetry."""
    return all(activation in _ODD for activation in net.activations)


def sign_flips(net: BinaryNetwork) -> list[Flip]:
    """One flip for each hidden unit, first layers first.

    A reference is in no flip before its own but may be in one of a deeper layer, so references
    are brought to +1 from the last flip to the first.

    Raises:
        ValueError: The activation is not odd.
    """
    if not is_odd(net):
        raise ValueError(
            f"net: expected an odd activation ({', '.join(_ODD)}), whose hidden units have a sign "
            f"symmetry, got {net.activation!r}"
        )
    flips = []
    for (matrix, bias), (out, _) in zip(net.layout, net.layout[1:], strict=False):
        for unit in range(matrix.shape[1]):
            own = [*matrix[:, unit], *([] if bias is None else [bias[unit]])]
            reference, *others = out[unit]
            flips.append(Flip(int(reference), tuple(int(q) for q in [*own, *others])))
    return flips


def masks(flips: Sequence[Flip], n: int) -> NDArray[np.uint8]:
    """The bits that each flip turns, shape (len(flips), n)."""
    turned = np.zeros((len(flips), n), dtype=np.uint8)
    for row, (reference, others) in zip(turned, flips, strict=True):
        row[[reference, *others]] = 1
    return turned


def quotient(net: BinaryNetwork, table: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """A table's entries with all references at +1, by setting of the other bits in their order.

    None if the table is not symmetric, as that of a network with sign units whose inputs tie.

    Raises:
        ValueError: The activation is not odd.
    """
    flips = sign_flips(net)
    indices = np.arange(table.size)
    for turned in masks(flips, net.n_weights):
        moved = table[indices ^ sum(1 << int(i) for i in np.flatnonzero(turned))]
        if not np.allclose(moved, table, rtol=_SAME, atol=0):
            return None
    references = sum(1 << reference for reference, _ in flips)
    return np.asarray(table[indices & references == 0])

"""The Hamming kernel on vectors over all outcomes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def kernel_product(values: Floats, bandwidths: Sequence[float]) -> Floats:
    """K v of each row v of values, shape (B, 2**n): a butterfly a bit and bandwidth.

    A bandwidth's kernel is a product over bits of [[1, e], [e, 1]], e = exp(-2 / s^2).
    """
    total = np.zeros_like(values)
    for s in bandwidths:
        e, part, width = np.exp(-2 / s**2), values, 1
        while width < values.shape[1]:
            pairs = part.reshape(len(values), -1, 2, width)
            part = (pairs + e * pairs[:, :, ::-1]).reshape(values.shape)
            width *= 2
        total += part
    return total / len(bandwidths)


def flipped(values: Floats, bit: int) -> Floats:
    """``values[..., w with the bit flipped]``, for arrays over all outcomes w in the last axis."""
    pairs = values.reshape(*values.shape[:-1], -1, 2, 2**bit)
    return pairs[..., ::-1, :].reshape(values.shape)

"""Checks of the arrays that are to be drawn."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


def as_floats(name: str, value: ArrayLike, *shape: int | str) -> NDArray[np.float64]:
    """Return ``value`` as float64 if it has the shape; a letter stands for any length but zero."""
    array = np.asarray(value, dtype=np.float64)
    fits = array.ndim == len(shape) and all(
        have == want if isinstance(want, int) else have > 0
        for have, want in zip(array.shape, shape, strict=True)
    )
    if not fits:
        wanted = ", ".join(str(want) for want in shape) + ("," if len(shape) == 1 else "")
        raise ValueError(f"{name} must have shape ({wanted}), got {array.shape}")
    return array


def as_probabilities(name: str, value: ArrayLike, *shape: int | str) -> NDArray[np.float64]:
    """Like :func:`as_floats`, and every value in [0, 1] up to rounding."""
    array = as_floats(name, value, *shape)
    # Single-precision sums over many terms pass 1 by this much at most.
    if not (np.all(array >= -1e-6) and np.all(array <= 1 + 1e-6)):
        raise ValueError(
            f"{name} must be probabilities in [0, 1], got values from {array.min()} to "
            f"{array.max()}"
        )
    return np.clip(array, 0.0, 1.0)


def as_class_indices(name: str, value: ArrayLike, length: int, n_classes: int) -> NDArray[Any]:
    """Return ``value`` as integer class indices in 0..n_classes-1, shape ``(length,)``."""
    array = as_floats(name, value, length)
    indices = array.astype(np.int64)
    if np.any(indices != array) or indices.min() < 0 or indices.max() >= n_classes:
        raise ValueError(
            f"{name} must be class indices in 0..{n_classes - 1}, got values from {array.min()} "
            f"to {array.max()}"
        )
    return indices

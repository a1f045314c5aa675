"""From a table's columns to a network's inputs: standardised, and projected where they are many."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_NO_SPREAD = 1e-12
"""Principal variances below this share of the largest are rounding."""


@dataclass(frozen=True)
class Projection:
    """``(X - mean) / scale``, then, if there are any, onto components."""

    mean: Floats
    """Shape (F,)."""
    scale: Floats
    """Shape (F,)."""
    components: Floats | None
    """Directions, shape (F, C), such that the training points' projections have unit variance."""

    @property
    def n_inputs(self) -> int:
        """Inputs of the network."""
        return len(self.mean) if self.components is None else self.components.shape[1]

    @property
    def matrix(self) -> Floats:
        """The map without its shift, shape (F, inputs): inputs are ``(X - mean) @ matrix``."""
        if self.components is None:
            return np.diag(1 / self.scale)
        return self.components / self.scale[:, None]

    def __call__(self, X: Floats) -> Floats:
        """Inputs of shape (D, n_inputs) from features of shape (D, F)."""
        inputs = (X - self.mean) / self.scale
        return inputs if self.components is None else inputs @ self.components


def fit(X: Floats, weights: Floats, *, standardize: bool, n_components: int | None) -> Projection:
    """Mean, scale and principal components of weighted points.

    A point of weight 2 counts as two. A constant column is shifted only.

    Args:
        X: Points, shape (D, F).
        weights: Shape (D,).
        standardize: If False columns are left as they are.
        n_components: Principal components to keep; None keeps the columns. Fewer are kept where
            the points do not spread into so many directions.
    """
    mean, scale = np.zeros(X.shape[1]), np.ones(X.shape[1])
    if standardize:
        mean, scale = moments(X, weights)
    if n_components is None:
        return Projection(mean, scale, None)
    from threadpoolctl import threadpool_limits

    inputs = (X - mean) / scale
    centre = np.average(inputs, axis=0, weights=weights)
    # Sums of BLAS can depend on its number of threads.
    with threadpool_limits(1):
        around = inputs - centre
        covariance = (around * (weights / weights.sum())[:, None]).T @ around
        variances, directions = np.linalg.eigh(covariance)
    largest_first = np.argsort(variances)[::-1][:n_components]
    variances, directions = variances[largest_first], directions[:, largest_first]
    real = variances > _NO_SPREAD * max(variances[0], np.finfo(float).tiny)
    real[0] = True
    directions = directions[:, real]
    # An eigenvector's sign is free: its largest entry is made positive.
    largest = np.take_along_axis(directions, np.abs(directions).argmax(axis=0)[None], axis=0)
    spread = np.sqrt(np.where(variances[real] > 0, variances[real], 1.0))
    components = np.ascontiguousarray(directions * np.sign(largest) / spread)
    return Projection(mean + scale * centre, scale, components)


def moments(values: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Weighted mean and standard deviation of each column; the latter 1 for a constant one."""
    mean = np.average(values, axis=0, weights=weights)
    constant = values.max(axis=0) == values.min(axis=0)
    deviation = np.sqrt(np.average((values - mean) ** 2, axis=0, weights=weights))
    return mean, np.where(constant, 1.0, deviation)

"""Full-precision linear regression, the classical baseline beside binary regression networks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_LEAST_NOISE = 1e-6
"""Of a fit without residuals, so that densities stay finite."""


def fit_predict(
    X: NDArray[np.float64], y: NDArray[np.float64], X_new: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Least squares with an intercept.

    Args:
        X: Points, shape (N, F).
        y: Their targets, shape (N,) or (N, K).
        X_new: Points, shape (D, F).

    Returns:
        Means at the new points, shape (D, K), and the standard deviation of the noise, shape (K,),
        from the residuals and the degrees of freedom that the fit leaves.
    """
    design, design_new = (np.column_stack([part, np.ones(len(part))]) for part in (X, X_new))
    targets = y.reshape(len(X), -1)
    weights, _, rank, _ = np.linalg.lstsq(design, targets, rcond=None)
    squares = ((targets - design @ weights) ** 2).sum(axis=0)
    noise = np.sqrt(squares / max(len(X) - rank, 1))
    return design_new @ weights, np.maximum(noise, _LEAST_NOISE)

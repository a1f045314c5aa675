"""Full-precision logistic regression, the classical baseline beside binary networks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_MAX_NEWTON_STEPS = 100
_MAX_HALVINGS = 30
_TOLERANCE = 1e-8
"""Of the gradient's largest entry, in nats; one point pulls with up to 1."""
_RIDGE = 1e-9
"""Keeps the intercepts of several classes apart, which are free up to a common constant."""


def fit_predict(
    X: NDArray[np.float64], y: NDArray[np.int64], X_new: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Class probabilities at new points, shape (D, K).

    Minimises ``sum_d -log p(y_d | x_d) + |weights|^2 / 2``, intercepts free: what scikit-learn's
    ``LogisticRegression`` does by default (and what importing it alone takes longer than). Newton's
    method with halved steps; the loss is convex.

    Args:
        X: Points, shape (N, F).
        y: Their classes, 0..K-1.
        X_new: Points, shape (D, F).

    Raises:
        ArithmeticError: No convergence.
    """
    n_classes = int(y.max()) + 1
    # Two classes have one logit, that of class 1.
    n_logits = n_classes if n_classes > 2 else 1
    design = np.column_stack([X, np.ones(len(X))])
    n_columns = design.shape[1]
    penalty = np.full((n_columns, n_logits), 1.0)
    penalty[-1] = _RIDGE if n_logits > 1 else 0.0
    labels = np.eye(n_classes)[y]
    own = labels[:, -n_logits:]

    def loss(weights: NDArray[np.float64]) -> float:
        log_p = np.log(np.maximum(_softmax(design @ weights), np.finfo(float).tiny))
        return float(-(labels * log_p).sum() + (penalty * weights**2).sum() / 2)

    weights = np.zeros((n_columns, n_logits))
    for _ in range(_MAX_NEWTON_STEPS):
        p = _softmax(design @ weights)[:, -n_logits:]
        gradient = design.T @ (p - own) + penalty * weights
        if np.abs(gradient).max() < _TOLERANCE:
            return _softmax(np.column_stack([X_new, np.ones(len(X_new))]) @ weights)
        # d p_k / d logit_l = p_k (delta_kl - p_l), rows by column and logit.
        curvature = p[:, :, None] * (np.eye(n_logits) - p[:, None, :])
        hessian = np.einsum("na,nkl,nb->akbl", design, curvature, design, optimize=True)
        hessian = hessian.reshape(weights.size, weights.size) + np.diag(penalty.ravel())
        step = np.linalg.solve(hessian, gradient.ravel()).reshape(weights.shape)
        here, decrease = loss(weights), float((gradient * step).sum())
        size = 1.0
        for _ in range(_MAX_HALVINGS):
            if loss(weights - size * step) <= here - 1e-4 * size * decrease:
                break
            size /= 2
        else:
            size = 1.0  # So near the minimum that the loss is rounding: Newton's own step.
        weights = weights - size * step
    raise ArithmeticError("logistic regression: Newton's method did not converge")


def _softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Class probabilities; a single logit is that of the second of two classes."""
    if logits.shape[1] == 1:
        logits = np.column_stack([np.zeros(len(logits)), logits])
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(exponentials / exponentials.sum(axis=1, keepdims=True))

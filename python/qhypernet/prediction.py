"""What a distribution over networks predicts, and how good that is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qhypernet import _check
from qhypernet._logs import entropy_terms
from qhypernet.networks import BinaryNetwork


@dataclass(frozen=True)
class Prediction:
    """Predictions of M distributions for D points and K classes; a single one has no first axis."""

    probabilities: NDArray[np.float64]
    """The posterior predictive ``p(y = k | x) = E_q[p(y = k | x, w)]``, shape (M, D, K)."""
    votes: NDArray[np.float64]
    """Probability under q that a network's own most probable class is k, shape (M, D, K)."""
    aleatoric: NDArray[np.float64]
    """``E_q[entropy of p(y | x, w)]`` in nats, shape (M, D): noise that more data cannot remove."""

    @property
    def classes(self) -> NDArray[np.int64]:
        """The most probable class, shape (M, D)."""
        return np.asarray(self.probabilities.argmax(axis=-1))

    @property
    def entropy(self) -> NDArray[np.float64]:
        """Entropy of the posterior predictive in nats, shape (M, D)."""
        return np.asarray(-entropy_terms(self.probabilities).sum(axis=-1))

    @property
    def epistemic(self) -> NDArray[np.float64]:
        """Mutual information of label and weights in nats, shape (M, D): what more data removes."""
        return np.maximum(self.entropy - self.aleatoric, 0.0)


def predict(
    net: BinaryNetwork,
    X: ArrayLike,
    q: ArrayLike,
    *,
    bits: ArrayLike | None = None,
) -> Prediction:
    """The posterior predictive of classifiers, exactly or from samples.

    Args:
        net: A network for classification.
        X: Points, shape (D, inputs).
        q: Probabilities of networks, shape (S,) or (M, S): of all S = 2**n networks by outcome
            index, or, with ``bits``, of the S networks given there.
        bits: S networks, shape (S, n_weights).

    Example:
        >>> import qhypernet as qh
        >>> net = qh.BinaryNetwork((1, 1), bias=False)
        >>> qh.predict(net, [[2.0]], [0.9, 0.1]).probabilities.round(3)  # 90 % weight +1
        array([[0.195, 0.805]])
    """
    if not net.n_classes:
        raise ValueError(
            "net: expected a classifier, got a network with Gaussian likelihood, "
            "which qhypernet.regress is for"
        )
    return Prediction(*net.averages(X, q, bits))


def accuracy(probabilities: ArrayLike, y: ArrayLike) -> NDArray[np.float64]:
    """Share of points whose most probable class is right, for probabilities (..., D, K)."""
    p, labels = _predictions(probabilities, y)
    return np.asarray((p.argmax(axis=-1) == labels).mean(axis=-1))


def nll(probabilities: ArrayLike, y: ArrayLike) -> NDArray[np.float64]:
    """Mean of ``-log p(y)`` in nats, for probabilities (..., D, K).

    Example:
        >>> import qhypernet as qh
        >>> float(qh.prediction.nll([[0.5, 0.5]], [1]))
        0.6931
    """
    p, labels = _predictions(probabilities, y)
    own = np.take_along_axis(p, np.broadcast_to(labels[..., None], (*p.shape[:-1], 1)), axis=-1)
    # A probability that is rounded to zero is at most the smallest there is.
    return np.asarray(-np.log(np.maximum(own[..., 0], np.finfo(float).tiny)).mean(axis=-1))


def brier(probabilities: ArrayLike, y: ArrayLike) -> NDArray[np.float64]:
    """Mean squared distance from the certain right answer, 0 to 2 (Brier 1950), for (..., D, K)."""
    p, labels = _predictions(probabilities, y)
    right = np.eye(p.shape[-1])[labels]
    return np.asarray(((p - right) ** 2).sum(axis=-1).mean(axis=-1))


def calibration_error(
    probabilities: ArrayLike, y: ArrayLike, n_bins: int = 10
) -> NDArray[np.float64]:
    """Expected calibration error (Guo et al. 2017, arXiv 1706.04599), for (..., D, K).

    Points are put into ``n_bins`` equal bins by the probability of their most probable class; the
    error is the mean over points of ``|accuracy - mean confidence|`` of their bin.
    """
    p, labels = _predictions(probabilities, y)
    confidence = p.max(axis=-1)
    right = (p.argmax(axis=-1) == labels).astype(float)
    n_bins = _check.integer("n_bins", n_bins, 1)
    inside = np.minimum((confidence * n_bins).astype(int), n_bins - 1)
    error = np.zeros(confidence.shape[:-1])
    for index in range(n_bins):
        members = inside == index
        error += np.abs((members * (right - confidence)).sum(axis=-1))
    return np.asarray(error / confidence.shape[-1])


def _predictions(
    probabilities: ArrayLike, y: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    p = _check.floats("probabilities", probabilities, shape="(..., D, K)")
    labels = np.asarray(y)
    if p.ndim < 2 or labels.shape != p.shape[-2:-1]:
        raise ValueError(
            f"y: expected one label for each of the points of probabilities {p.shape}, "
            f"got shape {labels.shape}"
        )
    if not (np.isin(labels, np.arange(p.shape[-1]))).all():
        raise ValueError(f"y: expected labels 0..{p.shape[-1] - 1}, got {np.unique(labels)}")
    return p, labels.astype(np.int64)

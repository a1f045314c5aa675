"""What a distribution over regression networks predicts, and how good that is.

The predictive distribution is a mixture of Gaussians, one a network:
``p(y | x) = sum_w q(w) N(y; f(x, w), noise**2)``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qhypernet import _check
from qhypernet.networks import BinaryNetwork

Floats = NDArray[np.float64]

_BLOCK = 2**20
"""Outputs that are worked on together."""
_BINS = 40
"""Of a histogram of outputs, in a standard deviation of the noise."""


@dataclass(frozen=True)
class Regression:
    """Predictions of M distributions for D points and K outputs; a single one has no first axis."""

    mean: Floats
    """Mean of the predictive distribution, shape (M, D, K)."""
    epistemic: Floats
    """Standard deviation under q of the networks' outputs, shape (M, D, K): what more data
    removes."""
    noise: float
    """Standard deviation of the noise: what more data cannot remove."""

    @property
    def sd(self) -> Floats:
        """Standard deviation of the predictive distribution, shape (M, D, K)."""
        return np.asarray(np.hypot(self.epistemic, self.noise))


def regress(
    net: BinaryNetwork, X: ArrayLike, q: ArrayLike, *, bits: ArrayLike | None = None
) -> Regression:
    """Mean and spread of the predictive distribution, exactly or from samples.

    Args:
        net: A network with Gaussian likelihood.
        X: Points, shape (D, inputs).
        q: Probabilities of networks, shape (S,) or (M, S): of all S = 2**n networks by outcome
            index, or, with ``bits``, of the S networks given there.
        bits: S networks, shape (S, n_weights).

    Example:
        >>> import qhypernet as qh
        >>> net = qh.BinaryNetwork((1, 1), bias=False, likelihood="gaussian", noise=0.5)
        >>> found = qh.regress(net, [[2.0]], [0.9, 0.1])  # 90 % weight +1
        >>> found.mean.round(3), found.epistemic.round(3), found.sd.round(3)
        (array([[1.6]]), array([[1.2]]), array([[1.3]]))
    """
    _check_net(net)
    mean, square, _ = net.averages(X, q, bits)
    return Regression(mean, np.sqrt(np.maximum(square - mean**2, 0.0)), net.noise)


def mixture(
    net: BinaryNetwork, X: ArrayLike, y: ArrayLike, q: ArrayLike, *, bits: ArrayLike | None = None
) -> tuple[Floats, Floats]:
    """Log density and cumulative probability of the predictive distribution at targets.

    Args:
        net, X, q, bits: As for :func:`regress`.
        y: Targets, shape (D,) or (D, K).

    Returns:
        ``log p(y | x)`` of all outputs together in nats, shape (M, D), and ``P(Y <= y | x)`` of
        each, shape (M, D, K); without M for a single q.
    """
    from scipy.special import ndtr
    from threadpoolctl import threadpool_limits

    _check_net(net)
    x = _check.features(X, net.layers[0])
    targets = net.check_targets(y, len(x)).reshape(len(x), -1)
    rows, weights = net.check_distributions(q, bits)
    n_points, n_outputs = targets.shape
    log_density = np.full((len(weights), n_points), -np.inf)
    cumulative = np.zeros((len(weights), n_points * n_outputs))
    # Sums of BLAS can depend on its number of threads.
    with threadpool_limits(1):
        for share, outputs in _outputs(net, x, rows, weights):
            residuals = (targets - outputs) / net.noise
            log_p = -(residuals**2).sum(axis=2) / 2
            largest = log_p.max(axis=0)
            sums = share @ np.exp(log_p - largest)
            with np.errstate(divide="ignore"):
                part = largest + np.log(sums)
            for m, d in np.argwhere((sums == 0) & (share.max(axis=1) > 0)[:, None]):
                # All that this q knows of is far less likely than what it gives no probability.
                known = share[m] > 0
                part[m, d] = np.logaddexp.reduce(np.log(share[m, known]) + log_p[known, d])
            log_density = np.logaddexp(log_density, part)
            cumulative += share @ ndtr(residuals).reshape(len(outputs), -1)
    log_density -= n_outputs * np.log(net.noise * np.sqrt(2 * np.pi))
    below = np.clip(cumulative, 0.0, 1.0).reshape(len(weights), n_points, n_outputs)
    return (log_density, below) if np.ndim(q) == 2 else (log_density[0], below[0])


def interval(
    net: BinaryNetwork,
    X: ArrayLike,
    q: ArrayLike,
    level: float = 0.9,
    *,
    bits: ArrayLike | None = None,
) -> tuple[Floats, Floats]:
    """The central interval of the predictive distribution: to within a fortieth of the noise.

    Args:
        net, X, bits: As for :func:`regress`.
        q: One distribution, shape (S,).
        level: Probability inside, between 0 and 1.

    Returns:
        Lower and upper end, shapes (D, K).
    """
    from scipy.special import ndtr

    _check_net(net)
    level = _check.number("level", level, above=0, below=1)
    x = _check.features(X, net.layers[0])
    rows, weights = net.check_distributions(_check.distributions("q", q, 1), bits)
    width = net.noise / _BINS
    ends = np.zeros((2, len(x), net.layers[-1]))
    known = np.flatnonzero(weights[0])
    kept = weights[0, known]
    kept_rows = _bits_of(known, net.n_weights) if rows is None else rows[known]
    # What the noise adds to an output, up to 6 standard deviations.
    noise = np.diff(ndtr(np.arange(-6 * _BINS - 0.5, 6 * _BINS + 1) / _BINS))
    at_once = max(1, _BLOCK // (len(known) * net.layers[-1]))
    for start in range(0, len(x), at_once):
        outputs = net.logits(kept_rows, x[start : start + at_once])
        for d, k in np.ndindex(outputs.shape[1:]):
            bins = np.rint(outputs[:, d, k] / width).astype(np.int64)
            first = bins.min()
            mass = np.convolve(np.bincount(bins - first, weights=kept), noise)
            below = np.cumsum(mass) / mass.sum()
            edges = (first - 6 * _BINS + np.arange(len(below)) + 0.5) * width
            ends[:, start + d, k] = np.interp([(1 - level) / 2, (1 + level) / 2], below, edges)
    return ends[0], ends[1]


def of_gaussians(mean: Floats, sd: Floats, y: Floats) -> dict[str, Floats]:
    """Metrics of predictions that are single Gaussians: means (D, K) and their sd, shape (K,)."""
    from scipy.special import ndtr

    residuals = (y.reshape(mean.shape) - mean) / sd
    log_density = -(residuals**2) / 2 - np.log(sd * np.sqrt(2 * np.pi))
    return {
        "rmse": rmse(mean, y),
        "nll": -log_density.sum(axis=1).mean(),
        "coverage": coverage(ndtr(residuals)),
    }


def rmse(mean: ArrayLike, y: ArrayLike) -> Floats:
    """Root of the mean squared error over points and outputs, for means (..., D, K).

    Example:
        >>> import qhypernet as qh
        >>> float(qh.regression.rmse([[1.0], [2.0]], [1.0, 4.0]))
        1.414
    """
    values = _check.floats("mean", mean, shape="(..., D, K)")
    targets = _check.floats("y", y)
    if values.ndim < 2 or targets.size != np.prod(values.shape[-2:]):
        raise ValueError(
            f"y: expected one target for each of the points and outputs of means {values.shape}, "
            f"got shape {targets.shape}"
        )
    errors = values - targets.reshape(values.shape[-2:])
    return np.asarray(np.sqrt((errors**2).mean(axis=(-2, -1))))


def coverage(cumulative: ArrayLike, level: float = 0.9) -> Floats:
    """Share of targets inside the central interval, for cumulative probabilities (..., D, K).

    Args:
        cumulative: ``P(Y <= y | x)`` at the targets, as :func:`mixture` gives it.
        level: Probability of the interval: what the share is where the uncertainty is right.

    Example:
        >>> import qhypernet as qh
        >>> float(qh.regression.coverage([[0.5], [0.99], [0.2], [0.8]]))
        0.75
    """
    values = _check.floats("cumulative", cumulative, shape="(..., D, K)")
    level = _check.number("level", level, above=0, below=1)
    inside = np.abs(values - 0.5) <= level / 2
    return np.asarray(inside.mean(axis=(-2, -1)))


def _outputs(
    net: BinaryNetwork, x: Floats, rows: NDArray[np.uint8] | None, weights: Floats
) -> Iterator[tuple[Floats, Floats]]:
    """Networks in blocks: their probabilities (M, s) and their outputs (s, D, K)."""
    known = np.flatnonzero(weights.max(axis=0))
    at_once = max(1, _BLOCK // (len(x) * net.layers[-1]))
    for start in range(0, len(known), at_once):
        own = known[start : start + at_once]
        bits = _bits_of(own, net.n_weights) if rows is None else rows[own]
        yield weights[:, own], net.logits(bits, x)


def _bits_of(indices: NDArray[np.intp], n: int) -> NDArray[np.uint8]:
    """Bits (s, n) of outcome indices below 2**32."""
    octets = indices.astype("<u4")[:, None].view(np.uint8)
    return np.unpackbits(octets, axis=1, bitorder="little")[:, :n]


def _check_net(net: BinaryNetwork) -> None:
    if net.n_classes:
        raise ValueError(
            f"net: expected a network with Gaussian likelihood, got one of {net.n_classes} "
            "classes, which qhypernet.predict is for"
        )

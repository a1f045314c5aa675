"""Log-likelihoods of networks with real weights, and their derivatives."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.special import expit, log_expit, log_softmax

from qhypernet.baselines._base import Floats
from qhypernet.networks import BinaryNetwork
from qhypernet.problems import Problem


def log_likelihood(
    net: BinaryNetwork, weights: Floats, X: Floats, y: Floats
) -> tuple[Floats, Floats]:
    """``sum_d log p(y_d | x_d, w)`` in nats and its derivatives in w.

    The derivative of a sign activation is taken as 1 where its input is in [-1, 1] and 0 elsewhere
    (the straight-through estimator of Hubara et al. 2016, arXiv 1602.02830); that of relu at 0 is
    0. All others are exact.

    Args:
        net: The network.
        weights: b settings of real weights in the flat order, shape (b, n).
        X: Points, shape (D, inputs).
        y: Labels or targets, as :meth:`BinaryNetwork.check_targets` gives them.

    Returns:
        Shapes (b,) and (b, n).

    Raises:
        ValueError: The network has bits that choose its architecture.
    """
    if net.n_architecture:
        raise ValueError(
            f"net: expected a network of fixed architecture, whose likelihood has derivatives in "
            f"all bits, got {net!r}"
        )
    (activation,) = net.activations
    units = np.broadcast_to(X, (len(weights), *X.shape))
    layers = []
    for index, (matrix, bias) in enumerate(net.layout):
        w = weights[:, matrix]
        inputs = units @ w
        if bias is not None:
            inputs = inputs + weights[:, None, bias]
        layers.append((units, w, inputs))
        if index < len(net.layout) - 1:
            units = _ACTIVATIONS[activation][0](inputs)
    values, slope = _likelihood(net, net.logit_scale * layers[-1][2], y)
    slope = net.logit_scale * slope
    gradient = np.empty_like(weights)
    for index in reversed(range(len(layers))):
        units, w, inputs = layers[index]
        if index < len(layers) - 1:
            slope = slope * _ACTIVATIONS[activation][1](inputs)
        matrix, bias = net.layout[index]
        gradient[:, matrix] = units.swapaxes(1, 2) @ slope
        if bias is not None:
            gradient[:, bias] = slope.sum(axis=1)
        slope = slope @ w.swapaxes(1, 2)
    return values, gradient


def bytes_of_a_pass(problem: Problem) -> int:
    """Memory of a forward and a backward pass of one network, in bytes."""
    return 32 * len(problem.X) * sum(problem.net.layers)


def _likelihood(net: BinaryNetwork, logits: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Log-likelihoods (b,) and their derivatives in the logits (b, D, K)."""
    if net.likelihood == "bernoulli":
        signs = (2 * y - 1)[:, None]
        terms, slope = log_expit(signs * logits), signs * expit(-signs * logits)
    elif net.likelihood == "categorical":
        log_p = log_softmax(logits, axis=2)
        own = np.eye(logits.shape[2])[y.astype(np.int64)]
        terms, slope = log_p * own, own - np.exp(log_p)
    else:
        residuals = y.reshape(logits.shape[1:]) - logits
        variance = net.noise**2
        terms = -(residuals**2) / (2 * variance) - np.log(2 * np.pi * variance) / 2
        slope = residuals / variance
    return terms.sum(axis=(1, 2)), slope


_Function = Callable[[Floats], Floats]
_ACTIVATIONS: dict[str, tuple[_Function, _Function]] = {
    "sign": (lambda a: np.where(a >= 0, 1.0, -1.0), lambda a: (np.abs(a) <= 1).astype(np.float64)),
    "tanh": (np.tanh, lambda a: 1 - np.tanh(a) ** 2),
    "relu": (lambda a: np.maximum(a, 0.0), lambda a: (a > 0).astype(np.float64)),
    "sigmoid": (expit, lambda a: expit(a) * expit(-a)),
    "identity": (lambda a: a, np.ones_like),
}
"""Each with its derivative."""

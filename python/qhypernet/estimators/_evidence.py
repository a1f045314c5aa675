"""Numbers of the network that the exact evidence chooses before training."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from qhypernet._logs import log_sum_exp
from qhypernet.networks import BinaryNetwork
from qhypernet.priors import BernoulliPrior

Floats = NDArray[np.float64]

_SCALES = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
"""Scales of the logits that are tried; for regression relative to 1/sqrt(inputs of an output)."""
_NOISES = np.geomspace(0.05, 2.0, 24)
"""Noises that are tried, in standard deviations of the target."""


def choose(
    net: BinaryNetwork,
    X: Floats,
    y: Floats,
    weights: Floats | None,
    prior: BernoulliPrior,
    *,
    logit_scale: float | None,
    noise: float | None,
) -> tuple[BinaryNetwork, Floats]:
    """The network with the scale and noise that explain the data best, and its table.

    What is None is chosen by the exact evidence ``log sum_w p(w) p(y | X, w)``, the lowest of
    equals (MacKay 1992, "Bayesian interpolation").

    Args:
        net: Layers, activation and likelihood.
        X: Inputs, shape (D, inputs).
        y: Labels or targets, shape (D,).
        weights: Of the points, or None.
        prior: Of the network's weights.
        logit_scale: A scale, or None.
        noise: For regression: a noise, or None.
    """
    unit = 1.0 if net.n_classes else 1 / math.sqrt(net.layers[-2] + net.bias)
    scales = [unit * s for s in _SCALES] if logit_scale is None else [logit_scale]
    log_prior = prior.log_probabilities()
    noises = [1.0] if net.n_classes else list(_NOISES) if noise is None else [noise]
    total = float(len(y) if weights is None else weights.sum())
    best, best_evidence = (net, np.zeros(0)), -math.inf
    for scale in scales:
        unit_table = _with(net, scale, 1.0).log_likelihood_table(X, y, sample_weight=weights)
        for sigma in noises:
            table = unit_table if net.n_classes else _of_noise(unit_table, total, float(sigma))
            evidence = log_sum_exp(table + log_prior)
            if evidence > best_evidence:
                best, best_evidence = (_with(net, scale, float(sigma)), table), evidence
    return best


def _with(net: BinaryNetwork, logit_scale: float, noise: float) -> BinaryNetwork:
    return BinaryNetwork(
        net.layers,
        net.activation,
        net.bias,
        logit_scale=logit_scale,
        likelihood=net.likelihood,
        noise=noise,
        removable=net.removable,
    )


def _of_noise(table: Floats, total: float, noise: float) -> Floats:
    """A Gaussian table for another noise, from that of noise 1 and ``total`` points."""
    squares = table + total * math.log(math.tau) / 2
    return squares / noise**2 - total * (math.log(noise) + math.log(math.tau) / 2)

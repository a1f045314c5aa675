"""How good a measured distribution over networks is."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from qhypernet import prediction
from qhypernet.gradients._samples import outcomes
from qhypernet.kernels import HammingKernel
from qhypernet.mitigation import Weigh
from qhypernet.networks import BinaryNetwork
from qhypernet.objectives._butterfly import kernel_product

Floats = NDArray[np.float64]

MEASURES = {
    "accuracy": "accuracy of the posterior predictive on the test part",
    "nll": "mean -log p(y) of the posterior predictive in nats",
    "expected_nll": "expected -log p(y) of one network drawn from the distribution, nats",
    "mmd2": "squared MMD to the ideal distribution, without bias: it can be negative",
}
"""What is measured; the first two for classifiers only."""


def measures(net: BinaryNetwork) -> list[str]:
    """Names of the measures of the network's kind of task."""
    return [name for name in MEASURES if net.n_classes or name not in ("accuracy", "nll")]


def of_distribution(net: BinaryNetwork, X: Floats, y: NDArray[Any], q: Floats) -> Floats:
    """The measures of a distribution that is its own ideal, shape (measures,)."""
    return _values(net, X, y, q, 0.0)


def of_shots(
    net: BinaryNetwork,
    X: Floats,
    y: NDArray[Any],
    bits: NDArray[np.uint8],
    ideal: Floats,
    weigh: Weigh | None = None,
) -> Floats:
    """The measures of shots, shape (measures,).

    Args:
        net: The network.
        X, y: The test part.
        bits: Shots, shape (S, n), at least 2.
        ideal: The distribution without noise, shape (2**n,).
        weigh: What shots count for, if not all alike.
    """
    half = len(bits) // 2
    halves = bits[: 2 * half].reshape(2, half, -1)
    shares = np.full((2, half), 1 / half) if weigh is None else weigh(halves)
    # Two halves, each corrected by itself, so that no shot meets itself: MMD^2 has no bias.
    a, b = (
        np.bincount(index, weights=share, minlength=len(ideal))
        for index, share in zip(outcomes(halves), shares, strict=True)
    )
    bandwidths = HammingKernel.for_weights(net.n_weights).bandwidths
    mmd2 = float(kernel_product((a - ideal)[None], bandwidths)[0] @ (b - ideal))
    return _values(net, X, y, (a + b) / 2, mmd2)


def _values(net: BinaryNetwork, X: Floats, y: NDArray[Any], q: Floats, mmd2: float) -> Floats:
    table = net.log_likelihood_table(X, y)
    values = {"expected_nll": -float((q * table).sum()) / len(y), "mmd2": mmd2}
    if net.n_classes:
        p = _predictive(net, X, q)
        values["accuracy"] = float(prediction.accuracy(p, y))
        values["nll"] = float(prediction.nll(p, y))
    return np.array([values[name] for name in measures(net)])


def _predictive(net: BinaryNetwork, X: Floats, q: Floats) -> Floats:
    """``sum_w q(w) p(y = k | x, w)``, shape (D, K), also where some of q is negative."""
    parts = np.stack([np.maximum(q, 0), np.maximum(-q, 0)])
    sizes = parts.sum(axis=1)
    there = sizes > 0
    found = prediction.predict(net, X, parts[there] / sizes[there, None]).probabilities
    signs = np.array([1.0, -1.0])[there] * sizes[there]
    # What is left of readout errors can push a probability slightly out of its range.
    p = np.clip(np.tensordot(signs, found, axes=1), 0, None)
    return np.asarray(p / p.sum(axis=-1, keepdims=True))

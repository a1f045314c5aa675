"""Log-likelihood tables beside a vectorised NumPy evaluation in chunks of networks."""

from __future__ import annotations

import numpy as np
from _harness import Case
from numpy.typing import NDArray

import qhypernet as qh

N_POINTS = 252
# Networks at a time, so that a chunk's activations stay in the second-level cache: the fastest of
# the powers of two from 32 to 4096.
CHUNK = 128
# Rounding of the sum over a few hundred points.
TOLERANCE = 1e-11


def table(layers: tuple[int, ...], activation: str) -> Case:
    """The log-likelihood of all networks of this shape."""
    net = qh.BinaryNetwork(layers, activation=activation)
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N_POINTS, layers[0]))
    y = rng.integers(0, 2, size=N_POINTS).astype(np.float64)
    shape = "-".join(map(str, layers)) + (f" {activation}" if len(layers) > 2 else "")
    return Case(
        name=f"table {shape}, 2^{net.n_weights} networks x {N_POINTS} points",
        amount=2.0**net.n_weights * N_POINTS,
        unit="networks x points",
        ours=lambda: net.log_likelihood_table(X, y),
        peers={"NumPy in chunks": lambda: _numpy_table(net, X, y)},
        tolerance=TOLERANCE,
    )


def _numpy_table(
    net: qh.BinaryNetwork, X: NDArray[np.float64], y: NDArray[np.float64]
) -> NDArray[np.float64]:
    values = np.empty(2**net.n_weights)
    columns = np.ascontiguousarray(X.T)
    signs = 1 - 2 * y
    for start in range(0, len(values), CHUNK):
        chunk = slice(start, min(start + CHUNK, len(values)))
        indices = np.arange(chunk.start, chunk.stop)
        weights = 1.0 - 2.0 * (indices[:, None] >> np.arange(net.n_weights) & 1)
        margins = signs * _logits(net, weights, columns)
        # log(1 + e^t) as max(t, 0) + log(1 + e^-|t|): NumPy's logaddexp is several times slower.
        softplus = np.maximum(margins, 0) + np.log1p(np.exp(-np.abs(margins)))
        values[chunk] = -softplus.sum(axis=1)
    return values


def _logits(
    net: qh.BinaryNetwork, weights: NDArray[np.float64], columns: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Of one output, shape (networks, points); ``columns`` has the shape (inputs, points)."""
    values = columns
    for i, (matrix, bias) in enumerate(net.layout):
        if i == 0:
            # All networks have the same inputs: one matrix product for all units of all of them.
            rows = weights[:, matrix.T].reshape(-1, len(columns))
            values = (rows @ columns).reshape(len(weights), matrix.shape[1], -1)
        else:
            values = np.einsum("nio,nid->nod", weights[:, matrix], values)
        if bias is not None:
            values += weights[:, bias, None]
        if i + 1 < len(net.layout):
            values = np.tanh(values) if net.activation == "tanh" else np.where(values >= 0, 1.0, -1)
    return values[:, 0]

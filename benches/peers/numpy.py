"""NumPy and SciPy, vectorised, in chunks that stay in cache; a part of what would take minutes."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
from scipy.spatial.distance import cdist

from peers.task import Part, Task, Work

PACKAGES = ("numpy", "scipy")
# Networks at a time, so that a chunk's activations stay in the second-level cache.
CHUNKS = (32, 128)
# Of large tasks, the part that is done: networks, and rows of a matrix of distances.
NETWORKS = 2**13
ROWS = 1000
ROWS_AT_ONCE = 100

Matrix = np.ndarray


def table(task: Task) -> dict[str, Part]:
    """The log-likelihood of the first networks, scaled to all."""
    n_weights = task.options["n_weights"]
    indices = np.arange(min(2**n_weights, NETWORKS))
    bits = (indices[:, None] >> np.arange(n_weights) & 1).astype(np.uint8)
    return _networks(task, bits, 2**n_weights)


def inference(task: Task) -> dict[str, Part]:
    """The log-likelihood of the first of the sampled networks, scaled to all."""
    bits = task.arrays["bits"]
    return _networks(task, bits[:NETWORKS], len(bits))


def _networks(task: Task, bits: Matrix, n_networks: int) -> dict[str, Part]:
    columns = np.ascontiguousarray(task.arrays["X"].T)
    signs = 1 - 2 * task.arrays["y"]
    weights = 1.0 - 2.0 * bits

    def work(chunk: int) -> Part:
        def run() -> np.ndarray:
            values = np.empty(len(weights))
            for start in range(0, len(weights), chunk):
                rows = weights[start : start + chunk]
                margins = signs * _logits(task, rows, columns)
                # log(1 + e^t) as max(t, 0) + log(1 + e^-|t|): logaddexp is several times slower.
                softplus = np.maximum(margins, 0) + np.log1p(np.exp(-np.abs(margins)))
                values[start : start + chunk] = -softplus.sum(axis=1)
            return values

        return Part(run, n_networks / len(weights))

    return {f"chunks of {chunk}": work(chunk) for chunk in CHUNKS}


def _logits(task: Task, weights: Matrix, columns: Matrix) -> Matrix:
    """Of one output, shape (networks, points); ``columns`` has the shape (inputs, points)."""
    sizes, values, start = task.options["layers"], columns, 0
    for i, (n_in, n_out) in enumerate(pairwise(sizes)):
        matrix = weights[:, start : start + n_in * n_out].reshape(-1, n_in, n_out)
        start += n_in * n_out
        bias = weights[:, start : start + n_out, None]
        start += n_out
        turned = matrix.transpose(0, 2, 1)
        if i == 0:
            # All networks have the same inputs: one matrix product for all units of all of them.
            rows = np.ascontiguousarray(turned).reshape(-1, n_in)
            values = (rows @ columns).reshape(len(weights), n_out, -1)
        else:
            values = turned @ values
        values += bias
        if i + 2 < len(sizes):
            values = _activated(values, task.options["activation"])
    return values[:, 0]


def _activated(values: Matrix, activation: str) -> Matrix:
    return np.tanh(values, out=values) if activation == "tanh" else np.where(values >= 0, 1.0, -1.0)


def product(task: Task) -> dict[str, Work]:
    """Matrix products in single precision, of as many multiplications as the networks have."""
    m, k, n = task.options["shape"]
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(m, k)).astype(np.float32), rng.normal(size=(k, n)).astype(np.float32)
    out = np.empty((m, n), np.float32)
    return {"sgemm": lambda: np.matmul(a, b, out=out)}


def samples(task: Task) -> dict[str, Part | Work]:
    """The unbiased squared MMD. Of a large task the first rows against all are done, and scaled."""
    q, p = task.arrays["q"], task.arrays["p"]
    n_bits = q.shape[1]
    rate = 2 / task.options["bandwidth"] ** 2
    only = task.options["distances"]

    def scipy_distances(a: Matrix, b: Matrix) -> Matrix:
        return cdist(a, b, "hamming") * n_bits

    def product_distances(a: Matrix, b: Matrix) -> Matrix:
        # The product is a whole number, exact in single precision; the exponential would not be.
        return (n_bits - (a @ b.T).astype(np.float64)) / 2

    def counted_distances(a: Matrix, b: Matrix) -> Matrix:
        return np.bitwise_count(a ^ b.T).astype(np.float64)

    def packed(bits: Matrix) -> Matrix:
        return np.packbits(bits, axis=1).view(np.uint64)

    # Each has the samples in the type that is fastest for it.
    ways = {
        "cdist": (q.astype(bool), p.astype(bool), scipy_distances),
        "product": (1 - 2 * q.astype(np.float32), 1 - 2 * p.astype(np.float32), product_distances),
        "popcount": (packed(q), packed(p), counted_distances),
    }
    a, b, distances = ways[only]
    rows = min(len(a), ROWS)
    work = lambda: _unbiased(a, b, distances, rate, rows)  # noqa: E731
    return {only: Part(work, len(a) / rows)}


def _unbiased(
    q: Matrix, p: Matrix, distances: Callable[[Matrix, Matrix], Matrix], rate: float, n_rows: int
) -> float:
    def mean_kernel(a: Matrix, b: Matrix, n_skipped: int) -> float:
        total = 0.0
        for start in range(0, n_rows, ROWS_AT_ONCE):
            k = distances(a[start : min(start + ROWS_AT_ONCE, n_rows)], b)
            k *= -rate
            total += np.exp(k, out=k).sum()
        # Less the pairs of a row with itself, at distance 0, where the kernel is 1.
        return (total - n_skipped) / (n_rows * len(b) - n_skipped)

    return mean_kernel(q, q, n_rows) + mean_kernel(p, p, n_rows) - 2 * mean_kernel(q, p, 0)


def exact(task: Task) -> Work:
    """By the Walsh-Hadamard transform, under which the kernel is diagonal."""
    q, p = task.arrays["q"], task.arrays["p"]
    n_bits = len(q).bit_length() - 1
    e = np.exp(-2 / task.options["bandwidth"] ** 2)
    sizes = np.arange(n_bits + 1)
    eigenvalues = ((1 + e) / 2) ** (n_bits - sizes) * ((1 - e) / 2) ** sizes
    weights = eigenvalues[np.bitwise_count(np.arange(len(q)))]

    def run() -> float:
        moments = q - p
        for bit in range(n_bits):
            pairs = moments.reshape(-1, 2, 2**bit)
            difference = pairs[:, 0] - pairs[:, 1]
            pairs[:, 0] += pairs[:, 1]
            pairs[:, 1] = difference
        return float(weights @ moments**2)

    return run

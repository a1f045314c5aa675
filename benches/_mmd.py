"""Squared MMD, from samples beside SciPy and NumPy, from probabilities beside NumPy."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from _harness import Case
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

import qhypernet as qh

N_BITS = 64
# A difference of means of millions of pairs, where samples differ enough for a value of about 0.1.
TOLERANCE = 1e-9

Matrix = NDArray[np.generic]


def samples(n_samples: int) -> Case:
    """The unbiased estimate between two samples of 64 bits."""
    q = qh.BernoulliPrior(N_BITS, 0.4).sample(n_samples, seed=1)
    p = qh.BernoulliPrior(N_BITS, 0.6).sample(n_samples, seed=2)
    kernel = qh.HammingKernel.for_weights(N_BITS)
    rate = 2 / kernel.bandwidths[0] ** 2

    def scipy_distances(a: Matrix, b: Matrix) -> NDArray[np.float64]:
        return cdist(a, b, "hamming") * N_BITS

    def numpy_distances(a: Matrix, b: Matrix) -> NDArray[np.float64]:
        # The product is a whole number, exact in single precision; the exponential would not be.
        return (N_BITS - (a @ b.T).astype(np.float64)) / 2

    # Each peer has the samples in the type that is fastest for it.
    booleans = q.astype(bool), p.astype(bool)
    signs = 1 - 2 * q.astype(np.float32), 1 - 2 * p.astype(np.float32)
    return Case(
        name=f"sample MMD², {n_samples} x {n_samples} x {N_BITS} bits",
        amount=3.0 * n_samples**2,
        unit="pairs",
        ours=lambda: qh.mmd2(q, p, kernel),
        peers={
            "SciPy cdist": lambda: _unbiased(*booleans, scipy_distances, rate),
            "NumPy matrix product": lambda: _unbiased(*signs, numpy_distances, rate),
        },
        tolerance=TOLERANCE,
    )


def _unbiased(
    q: Matrix, p: Matrix, distances: Callable[[Matrix, Matrix], NDArray[np.float64]], rate: float
) -> float:
    def mean_kernel(a: Matrix, b: Matrix, n_skipped: int) -> float:
        k = distances(a, b)
        k *= -rate
        np.exp(k, out=k)
        # The pairs of a row with itself, at distance 0, where the kernel is 1.
        return float((k.sum(dtype=np.float64) - n_skipped) / (k.size - n_skipped))

    return mean_kernel(q, q, len(q)) + mean_kernel(p, p, len(p)) - 2 * mean_kernel(q, p, 0)


def exact(n_bits: int) -> Case:
    """Between two probability vectors of length 2^n."""
    rng = np.random.default_rng(0)
    q, p = (values / values.sum() for values in rng.uniform(size=(2, 2**n_bits)))
    kernel = qh.HammingKernel.for_weights(n_bits)
    return Case(
        name=f"exact MMD², n = {n_bits}",
        amount=2.0**n_bits,
        unit="entries",
        ours=lambda: qh.mmd2_exact(q, p, kernel),
        peers={"NumPy butterfly": lambda: _butterfly(q, p, kernel.bandwidths[0])},
        tolerance=TOLERANCE,
    )


def _butterfly(q: NDArray[np.float64], p: NDArray[np.float64], bandwidth: float) -> float:
    """By the Walsh-Hadamard transform, under which the kernel is diagonal."""
    n_bits = len(q).bit_length() - 1
    moments = q - p
    for bit in range(n_bits):
        pairs = moments.reshape(-1, 2, 2**bit)
        difference = pairs[:, 0] - pairs[:, 1]
        pairs[:, 0] += pairs[:, 1]
        pairs[:, 1] = difference
    e = np.exp(-2 / bandwidth**2)
    sizes = np.arange(n_bits + 1)
    eigenvalues = ((1 + e) / 2) ** (n_bits - sizes) * ((1 - e) / 2) ** sizes
    return float(eigenvalues[np.bitwise_count(np.arange(len(q)))] @ moments**2)

"""Squared MMD, from samples and from probabilities."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from _case import OURS, Case, Contender

import qhypernet as qh

N_BITS = 64
# A difference of means of millions of pairs, where samples differ enough for a value of about 0.1.
TOLERANCE = 1e-9
# Results are compared on so many samples, which the peers do whole.
CHECKED = 1000
DISTANCES = {
    "SciPy cdist": "cdist",
    "NumPy matrix product": "product",
    "NumPy popcount": "popcount",
}


def samples(n_samples: int) -> Iterator[Case]:
    """The unbiased estimate; the peers do a part of the rows, scaled to all."""
    bandwidth = qh.HammingKernel.for_weights(N_BITS).bandwidths[0]
    options = {"bandwidth": bandwidth}
    peers = [
        Contender("numpy", options={"distances": distances}, label=label)
        for label, distances in DISTANCES.items()
    ]
    yield Case(
        group="sample MMD²",
        name=f"sample MMD², {n_samples} x {n_samples} x {N_BITS} bits",
        kind="samples",
        contenders=(Contender(OURS), *peers),
        amount=3.0 * n_samples**2,
        unit="pairs",
        options=options,
        arrays=_drawn(n_samples),
        tolerance=TOLERANCE,
        checked_as=(options, _drawn(CHECKED)),
    )


def exact(n_bits: int) -> Iterator[Case]:
    """Between two probability vectors of length 2^n."""
    rng = np.random.default_rng(0)
    q, p = (values / values.sum() for values in rng.uniform(size=(2, 2**n_bits)))
    yield Case(
        group="exact MMD²",
        name=f"exact MMD², n = {n_bits}",
        kind="exact",
        contenders=(Contender(OURS), Contender("numpy", label="NumPy butterfly")),
        amount=2.0**n_bits,
        unit="entries",
        tags={"n": n_bits},
        options={"bandwidth": qh.HammingKernel.for_weights(n_bits).bandwidths[0]},
        arrays={"q": q, "p": p},
        tolerance=TOLERANCE,
    )


def _drawn(n_samples: int) -> dict[str, Any]:
    return {
        name: qh.BernoulliPrior(N_BITS, p_plus).sample(n_samples, seed=seed)
        for name, p_plus, seed in (("q", 0.4, 1), ("p", 0.6, 2))
    }

"""Objectives from measured bits alone."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from qhypernet import _core
from qhypernet.gradients._base import Term
from qhypernet.objectives import ELBO, MLE, SELBO, Objective, RootMMD

Floats = NDArray[np.float64]
Bits = NDArray[np.uint8]

Weigh = Callable[[Bits], Floats]

_MATRIX_ENTRIES = 2**21


def refusal(objective: Objective) -> str:
    """Why samples are not enough for an objective; empty if they are."""
    if isinstance(objective, MLE | SELBO | RootMMD):
        return ""
    if isinstance(objective, ELBO):
        return (
            "a device does not know log q, and estimated from shots at shifted angles it can be "
            "infinite; SELBO needs samples only"
        )
    return "it has no form for samples; SELBO, RootMMD and MLE have one"


def estimate(term: Term, bits: Bits, weigh: Weigh | None = None) -> tuple[float, float]:
    """E_q[C], and D with its weight, from shots (S, n).

    MMD^2 is the U-statistic, without bias; its root is taken of the V-statistic, which is never
    negative, and so is biased upwards. Where shots are weighed, MMD^2 is that of two halves that
    are corrected each by itself, <K(a - p), b - p>: no shot meets itself. It can be negative.
    """
    if weigh is not None:
        return _weighed(term, bits, weigh)
    cost = float(term.target.cost[outcomes(bits)].mean())
    if isinstance(term.objective, MLE):
        return cost, 0.0
    is_root = isinstance(term.objective, RootMMD)
    mmd2 = _core.mmd2_to_prior(
        bits, term.target.prior.p_plus.tolist(), term.bandwidths, not is_root
    )
    return cost, term.weight * (mmd2**0.5 if is_root else mmd2)


def pulls(term: Term, bits: Bits, unshifted: Bits, weigh: Weigh | None = None) -> Floats:
    """Mean over each setting's shots of what the gradient shifts, shape (settings,).

    ``C(x) + 2 weight (mean_y k(x, y) - (K p)(x))`` for MMD^2, with y the unshifted shots: half its
    difference between two shifts is the gradient, as Liu & Wang 2018 (arXiv 1804.04168) have it.
    For the root, weight / (2 MMD) is in the place of the weight.

    Args:
        term: MLE, SELBO or RootMMD.
        bits: Shots at each setting, shape (settings, S, n).
        unshifted: Independent shots y, shape (S, n).
        weigh: What shots count for, if not all alike.
    """
    found, where = np.unique(outcomes(bits), return_inverse=True)
    pull = term.target.cost[found]
    weight = term.weight
    if isinstance(term.objective, RootMMD):
        root = estimate(term, unshifted, weigh)[1] / weight if weight else 0.0
        weight = weight / (2 * root) if root else 0.0
    if not isinstance(term.objective, MLE) and weight:
        x = ((found[:, None] >> np.arange(bits.shape[-1])) & 1).astype(np.uint8)
        shares = None
        if weigh is not None:
            shares, unshifted = _gathered(weigh(unshifted[None])[0], unshifted)
        near = mean_kernel(x, unshifted, term.bandwidths, shares)
        pull = pull + 2 * weight * (near - prior_embedding(x, term))
    by_shot = pull[where.reshape(bits.shape[:-1])]
    return np.asarray(by_shot.mean(axis=-1) if weigh is None else (weigh(bits) * by_shot).sum(-1))


def outcomes(bits: Bits) -> NDArray[np.int64]:
    """Outcome indices of bits (..., n): qubit 0 is the least significant bit."""
    return np.asarray(bits.astype(np.int64) @ (1 << np.arange(bits.shape[-1], dtype=np.int64)))


def mean_kernel(x: Bits, y: Bits, bandwidths: list[float], shares: Floats | None = None) -> Floats:
    """mean_y k(x, y) of each row of x, or the sum with shares (len(y),), a bounded matrix at a
    time."""
    rows = max(1, _MATRIX_ENTRIES // len(y))
    blocks = (
        _core.kernel_matrix(x[first : first + rows], y, bandwidths)
        for first in range(0, len(x), rows)
    )
    return np.concatenate([k.mean(axis=1) if shares is None else k @ shares for k in blocks])


def prior_embedding(x: Bits, term: Term) -> Floats:
    """(K p)(x) = mean_s prod_i (p_i(x_i) + e_s (1 - p_i(x_i))) of each row of x."""
    plus = term.target.prior.p_plus
    p = np.where(x == 0, plus, 1 - plus)
    factors = [np.exp(-2 / s**2) for s in term.bandwidths]
    return np.asarray(np.mean([(p + e * (1 - p)).prod(axis=1) for e in factors], axis=0))


def _weighed(term: Term, bits: Bits, weigh: Weigh) -> tuple[float, float]:
    half = len(bits) // 2
    parts = bits[: 2 * half].reshape(2, half, -1)
    shares = weigh(parts)
    cost = float((shares * term.target.cost[outcomes(parts)]).sum() / 2)
    if isinstance(term.objective, MLE):
        return cost, 0.0
    (a, x), (b, y) = map(_gathered, shares, parts)
    across = a @ mean_kernel(x, y, term.bandwidths, b)
    to_prior = a @ prior_embedding(x, term) + b @ prior_embedding(y, term)
    mmd2 = float(across - to_prior + _prior_to_prior(term))
    if isinstance(term.objective, RootMMD):
        return cost, term.weight * max(mmd2, 0.0) ** 0.5
    return cost, term.weight * mmd2


def _gathered(shares: Floats, bits: Bits) -> tuple[Floats, Bits]:
    """What different outcomes count for together, and their bits."""
    found, where = np.unique(outcomes(bits), return_inverse=True)
    rows = ((found[:, None] >> np.arange(bits.shape[-1])) & 1).astype(np.uint8)
    return np.asarray(np.bincount(where, weights=shares), dtype=np.float64), rows


def _prior_to_prior(term: Term) -> float:
    """p'Kp = mean_s prod_i (p_i^2 + (1 - p_i)^2 + 2 e_s p_i (1 - p_i))."""
    p = term.target.prior.p_plus
    factors = [np.exp(-2 / s**2) for s in term.bandwidths]
    return float(np.mean([(1 - 2 * (1 - e) * p * (1 - p)).prod() for e in factors]))

"""Products of independent bits: expectations over all outcomes by folding one bit at a time."""

from __future__ import annotations

import numpy as np
from scipy.special import expit, log_expit

from qhypernet.baselines._base import Bits, Floats


def expectation(table: Floats, p_plus: Floats) -> tuple[Floats, Floats]:
    """``E_q[f]`` of product distributions and its derivatives in ``p_plus``.

    The expectation is the multilinear extension of f: each fold replaces two halves by their mean
    over the highest bit left. Its derivative in p_i is E[f | w_i = +1] - E[f | w_i = -1].

    Args:
        table: f, shape (2**n,) or (b, 2**n).
        p_plus: P(bit i = 0), shape (b, n).

    Returns:
        Shapes (b,) and (b, n).
    """
    n = p_plus.shape[1]
    differences = []
    values = np.broadcast_to(table, (1 if table.ndim == 1 else len(p_plus), 2**n))
    for i in reversed(range(n)):
        lower, upper = values[:, : 2**i], values[:, 2**i :]
        differences.append(lower - upper)
        values = upper + p_plus[:, i, None] * differences[-1]
    gradient = np.empty_like(p_plus)
    q = np.ones((len(p_plus), 1))  # of the bits below i
    for i, difference in enumerate(reversed(differences)):
        gradient[:, i] = (q * difference).sum(axis=1)
        if i < n - 1:
            p = p_plus[:, i, None]
            q = np.concatenate([q * p, q * (1 - p)], axis=1)
    return values[:, 0], gradient


def table(logits: Floats) -> Floats:
    """q of all outcomes for log-odds (b, n) of +1, shape (b, 2**n)."""
    q = np.ones((len(logits), 1))
    for logit in logits.T:
        column = logit[:, None]
        q = np.concatenate([q * expit(column), q * expit(-column)], axis=1)
    return q


def log_table(logits: Floats) -> Floats:
    """log q of all outcomes for log-odds (b, n) of +1, shape (b, 2**n)."""
    log_q = np.zeros((len(logits), 1))
    for logit in logits.T:
        column = logit[:, None]
        log_q = np.concatenate([log_q + log_expit(column), log_q + log_expit(-column)], axis=1)
    return log_q


def log_probability(logits: Floats, bits: Bits) -> Floats:
    """log q of settings (b, N, n) for log-odds (b, n), shape (b, N)."""
    signs = 1.0 - 2.0 * bits
    return np.asarray(log_expit(signs * logits[:, None]).sum(axis=-1))


def uniforms(streams: list[np.random.Generator], *shape: int) -> Floats:
    """Draws from [0, 1), one stream a row, shape (b, *shape)."""
    return np.stack([stream.random(shape) for stream in streams])

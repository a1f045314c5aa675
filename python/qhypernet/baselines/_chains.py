"""Markov chains that flip one weight at a time, all chains side by side."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from qhypernet import _check
from qhypernet.baselines._base import Bits, Floats, Task
from qhypernet.baselines._product import uniforms

RULES = ("gibbs", "metropolis")


def acceptance(rule: str, difference: Floats) -> Floats:
    """Probability to take a flip that changes the log of the target by ``difference``.

    "gibbs" draws the weight from its conditional, 1 / (1 + exp(-difference)) (Geman & Geman 1984);
    "metropolis" takes every flip up, and exp(difference) of those down (Metropolis et al. 1953).
    """
    if _check.choice("rule", rule, RULES) == "gibbs":
        return np.asarray(expit(difference))
    return np.asarray(np.exp(np.minimum(difference, 0.0)))


def start(task: Task, streams: list[np.random.Generator]) -> Bits:
    """A draw from the prior for each chain, shape (b, n)."""
    return np.asarray(uniforms(streams, task.prior.n) >= task.prior.p_plus, dtype=np.uint8)


def sweep(
    task: Task,
    bits: Bits,
    values: Floats,
    streams: list[np.random.Generator],
    rule: str,
    temperature: float = 1.0,
    seen: Callable[[Bits, Floats], None] = lambda bits, values: None,
) -> Floats:
    """Offers every chain a flip of each weight in turn, and changes bits and values in place.

    Args:
        task: Whose posterior is the target, raised to 1 / temperature.
        bits: Where the chains are, shape (b, n).
        values: Their log-likelihood plus log prior, nats, shape (b,).
        streams: One a chain.
        rule: "gibbs" or "metropolis".
        temperature: Above 0.
        seen: Told of bits and values after each flip.

    Returns:
        The share of flips that each chain took, shape (b,).
    """
    n = bits.shape[1]
    u = uniforms(streams, n)
    taken = np.zeros(len(bits))
    for i in range(n):
        flip = np.zeros(n, dtype=np.uint8)
        flip[i] = 1
        taken += _offer(task, bits, values, flip[None], u[:, i], rule, temperature)
        seen(bits, values)
    return np.asarray(taken / n)


def turn_units(
    task: Task, bits: Bits, values: Floats, streams: list[np.random.Generator], flips: Bits
) -> None:
    """Offers every chain a random element of the sign symmetry, in place.

    ``flips`` are its generators as masks of bits, shape (hidden units, n).

    Where the likelihood has the symmetry and the prior is uniform, all are taken; what is left
    (ties of sign activations, other priors) the Metropolis rule sets right.
    """
    u = uniforms(streams, len(flips) + 1)
    chosen = ((u[:, :-1] < 0.5)[..., None] * flips).sum(axis=1) % 2
    _offer(task, bits, values, chosen.astype(np.uint8), u[:, -1], "metropolis", 1.0)


def _offer(
    task: Task,
    bits: Bits,
    values: Floats,
    flip: Bits,
    u: Floats,
    rule: str,
    temperature: float,
) -> NDArray[np.bool_]:
    proposed = bits ^ flip
    others = task.log_joint(proposed)
    taken = u < acceptance(rule, (others - values) / temperature)
    bits[taken], values[taken] = proposed[taken], others[taken]
    return taken

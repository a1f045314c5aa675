"""What a variational distribution is fitted to: the weights, or their quotient by the symmetry."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from qhypernet._symmetry import masks, sign_flips
from qhypernet.baselines._base import Bits, Floats, Task
from qhypernet.priors import BernoulliPrior
from qhypernet.problems import Problem


class Target:
    """Cost and prior over m free bits.

    Without symmetry those are all bits. With it, the references of all hidden units are held at
    +1, ``q0`` lives on the other bits, and the distribution over networks is its average over the
    symmetry group G, as that of :func:`qhypernet.ansatz.sign_symmetric`:
    ``q(w) = q0(w') / |G|`` for w = g w'. Then

    ``E_q[C] = E_q0[mean_g C(g w')]`` and ``KL(q || p) = KL(q0 || p0) + offset``

    with p0 the prior on the free bits, 1/2 for every bit that some g flips, and
    ``offset = sum of -(log p_i + log(1 - p_i)) / 2 - log 2`` over all bits that some g flips.
    """

    def __init__(self, problem: Problem, prior: BernoulliPrior, symmetric: bool) -> None:
        self.problem = problem
        self.n = prior.n
        flips = sign_flips(problem.net) if symmetric else []
        self._masks = masks(flips, self.n)
        references = {flip.reference for flip in flips}
        self.free = np.array([i for i in range(self.n) if i not in references])
        moved = self._masks.any(axis=0)
        log_odds = np.log(prior.p_plus) - np.log1p(-prior.p_plus)
        self.prior_logits: Floats = np.where(moved, 0.0, log_odds)[self.free]
        """log p0(+1) / p0(-1) of the free bits, shape (m,)."""
        p = prior.p_plus[moved]
        self.offset = float((-(np.log(p) + np.log1p(-p)) / 2 - np.log(2)).sum())

    @property
    def m(self) -> int:
        """Number of free bits."""
        return len(self.free)

    @cached_property
    def cost(self) -> Floats:
        """``mean_g C`` of all settings of the free bits, nats, shape (2**m,)."""
        table = self.problem.table
        total = np.zeros(2**self.m)
        for shift in self._group:
            total -= table[self._canonical ^ shift]
        return total / len(self._group)

    def lift(self, q0: Floats) -> Floats:
        """Distributions (b, 2**m) over the free bits as ones over all bits, (b, 2**n)."""
        q = np.empty((len(q0), 2**self.n))
        for shift in self._group:
            q[:, self._canonical ^ shift] = q0 / len(self._group)
        return q

    def lift_bits(self, bits: Bits, streams: list[np.random.Generator]) -> Bits:
        """Settings (b, N, m) of the free bits as networks (b, N, n), each moved by a random g."""
        full = np.zeros((*bits.shape[:-1], self.n), dtype=np.uint8)
        full[..., self.free] = bits
        for mask in self._masks:
            coins = np.stack([stream.random(bits.shape[1]) < 0.5 for stream in streams])
            full ^= coins[..., None] * mask
        return full

    def log_group(self) -> float:
        """log |G|, nats."""
        return len(self._masks) * float(np.log(2))

    def sampled_cost(self, task: Task, bits: Bits, streams: list[np.random.Generator]) -> Floats:
        """C of settings (b, N, m) of the free bits, each moved by a random g, shape (b, N)."""
        return -task.log_likelihood(self.lift_bits(bits, streams))

    @cached_property
    def _canonical(self) -> NDArray[np.int64]:
        """Indices of the networks whose references are all +1, by setting of the free bits."""
        indices = np.zeros(1, dtype=np.int64)
        for position in self.free:
            indices = np.concatenate([indices, indices | (1 << int(position))])
        return indices

    @cached_property
    def _group(self) -> list[int]:
        """All elements of G, as masks of indices."""
        group = [0]
        for mask in self._masks:
            bits = sum(1 << int(i) for i in np.flatnonzero(mask))
            group += [element ^ bits for element in group]
        return group

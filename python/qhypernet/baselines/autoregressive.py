"""Each weight given the ones before it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from scipy.special import expit, log_expit

from qhypernet import _check
from qhypernet.baselines._base import Bits, Floats
from qhypernet.baselines._parametric import Pullback
from qhypernet.baselines._product import uniforms
from qhypernet.baselines._variational import Variational
from qhypernet.problems import Problem

Affine = Callable[[Floats, Floats], tuple[Floats, Callable[[Floats], tuple[Floats, Floats]]]]


@dataclass(frozen=True)
class Autoregressive(Variational):
    """``q(w) = prod_i q(w_i | w_1 ... w_{i-1})``, sampled weight by weight.

    The log-odds of w_i = +1 are a logistic regression on the earlier weights,
    ``b_i + sum_j A_ij w_j`` (a fully visible belief network; Frey et al. 1995), or, with ``hidden``
    = h > 0, a small network of its own, ``b_i + v_i . tanh(c_i + A_i w_{<i})`` with h units
    (Bengio & Bengio 2000). As variational distribution: Wu et al. 2019, arXiv 1809.10606.
    Without shots all 2**n outcomes are worked out, in O(2**n) a step. Other settings are those of
    :class:`Variational`.

    Attributes:
        hidden: Hidden units of each conditional; 0 is logistic regression.
        spread: Parameters start uniformly between minus and plus this.

    Example:
        >>> import qhypernet as qh
        >>> problem = qh.Problem(qh.BinaryNetwork((2, 1)), [[0.0, 1.0], [1.0, 0.0]], [0, 1])
        >>> r = qh.baselines.Autoregressive(n_steps=300).fit(problem, n_inits=2)
        >>> kl = qh.exact_posterior(problem.table).kl_from(r.probabilities())
        >>> bool((kl < 0.01).all())
        True
    """

    hidden: int = 0
    spread: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        _check.integer("hidden", self.hidden, 0)
        object.__setattr__(self, "spread", _check.number("spread", self.spread, minimum=0))

    def _start(self, stream: np.random.Generator, m: int) -> Floats:
        # Hidden units all alike would stay so: their weights start wider than their outputs.
        sizes = list(self._sizes(m))
        draws: Floats = 2 * stream.random(sum(map(sum, sizes))) - 1
        scales = [
            np.repeat([1.0, 1.0, self.spread] if self.hidden else [self.spread] * 3, size)
            for size in sizes
        ]
        return np.asarray(draws * np.concatenate(scales))

    def _sizes(self, m: int) -> Iterator[tuple[int, int, int]]:
        """For each conditional the number of parameters A, c and (v, b); linear has A and c."""
        h = max(self.hidden, 1)
        for i in range(m):
            yield i * h, h, self.hidden + 1 if self.hidden else 0

    def _logits(self, params: Floats, m: int, affine: Affine) -> Iterator[tuple[Floats, Pullback]]:
        """For each bit the log-odds (b, R) in R contexts, and how derivatives go back (b, P_i)."""
        start, h = 0, max(self.hidden, 1)
        for i, sizes in enumerate(self._sizes(m)):
            a, c, out = np.split(params[:, start : start + sum(sizes)], np.cumsum(sizes[:2]), 1)
            start += sum(sizes)
            values, back = affine(a.reshape(len(a), i, h), c)
            units = np.tanh(values) if self.hidden else values
            v = out[:, None, :-1] if self.hidden else np.ones((1, 1, 1))
            logits = (units * v).sum(axis=-1) + (out[:, -1:] if self.hidden else 0.0)

            def pullback(
                g: Floats, units: Floats = units, v: Floats = v, back: _Back = back
            ) -> Floats:
                g = g[..., None]
                slope = (1 - units**2) if self.hidden else 1.0
                by_a, by_c = back(g * v * slope)
                parts = [by_a.reshape(len(g), -1), by_c]
                if self.hidden:
                    parts += [(g * units).sum(axis=1), g.sum(axis=1)]
                return np.concatenate(parts, axis=1)

            yield logits, pullback

    def _table(self, params: Floats, m: int) -> tuple[Floats, Pullback]:
        levels = []
        log_q = np.zeros((len(params), 1))
        for logits, back in self._logits(params, m, _all_contexts):
            levels.append((log_q, logits, back))
            log_q = np.concatenate([log_q + log_expit(logits), log_q + log_expit(-logits)], axis=1)

        def pullback(f: Floats) -> Floats:
            gradients = []
            for log_context, logits, back in reversed(levels):
                half = logits.shape[1]
                p, difference = expit(logits), f[:, :half] - f[:, half:]
                gradients.append(back(np.exp(log_context) * p * expit(-logits) * difference))
                f = f[:, half:] + p * difference  # E[f | the bits below]
            return np.concatenate(gradients[::-1], axis=1)

        return log_q, pullback

    def _log_prob(self, params: Floats, bits: Bits) -> tuple[Floats, Pullback]:
        signs = np.asarray(1.0 - 2.0 * bits, dtype=np.float64)
        log_q = np.zeros(bits.shape[:2])
        backs = []
        levels = self._logits(params, bits.shape[-1], _contexts(signs))
        for i, (logits, back) in enumerate(levels):
            log_q += log_expit(signs[..., i] * logits)
            backs.append((signs[..., i] * expit(-signs[..., i] * logits), back))

        def pullback(coefficients: Floats) -> Floats:
            return np.concatenate([back(coefficients * slope) for slope, back in backs], axis=1)

        return log_q, pullback

    def _draw(self, params: Floats, m: int, n: int, streams: list[np.random.Generator]) -> Bits:
        u = uniforms(streams, n, m)
        bits = np.zeros(u.shape, dtype=np.uint8)
        signs = np.asarray(1.0 - 2.0 * bits, dtype=np.float64)
        for i, (logits, _) in enumerate(self._logits(params, m, _contexts(signs))):
            bits[..., i] = u[..., i] >= expit(logits)
            signs[..., i] = 1.0 - 2.0 * bits[..., i]  # seen by the conditionals that follow
        return bits

    def _bytes(self, problem: Problem) -> int:
        return super()._bytes(problem) * (1 + self.hidden)


_Back = Callable[[Floats], tuple[Floats, Floats]]


def _all_contexts(a: Floats, c: Floats) -> tuple[Floats, _Back]:
    """``c + sum_j w_j a_j`` in all 2**i settings of i earlier weights, shape (b, 2**i, h).

    The last weight's sum and difference double it, so it costs O(2**i) and not O(i 2**i).
    """
    values = c[:, None]
    for j in range(a.shape[1]):
        column = a[:, j, None]
        values = np.concatenate([values + column, values - column], axis=1)

    def back(g: Floats) -> tuple[Floats, Floats]:
        by_a = np.empty_like(a)
        for j in reversed(range(a.shape[1])):
            plus, minus = np.split(g, 2, axis=1)
            by_a[:, j] = (plus - minus).sum(axis=1)
            g = plus + minus
        return by_a, g[:, 0]

    return values, back


def _contexts(signs: Floats) -> Affine:
    """The same in given settings (b, N, n), of which the first i weights count."""

    def affine(a: Floats, c: Floats) -> tuple[Floats, _Back]:
        earlier = signs[..., : a.shape[1]]

        def back(g: Floats) -> tuple[Floats, Floats]:
            return earlier.swapaxes(1, 2) @ g, g.sum(axis=1)

        return earlier @ a + c[:, None], back

    return affine

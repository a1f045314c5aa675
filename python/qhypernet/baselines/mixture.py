"""A mixture of mean fields."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit, log_softmax

from qhypernet import _check
from qhypernet.baselines._base import Bits, Floats
from qhypernet.baselines._parametric import Pullback, score
from qhypernet.baselines._product import expectation, log_probability, table, uniforms
from qhypernet.baselines._variational import Variational
from qhypernet.problems import Problem


@dataclass(frozen=True)
class Mixture(Variational):
    """``q(w) = sum_k pi_k prod_i Bernoulli_ki``, trained as one distribution.

    Its entropy is exact too: of the whole mixture, not of its components. With enough components
    it is any distribution. The parameters are K log-weights (softmax), then K times the log-odds
    of +1. Other settings are those of :class:`Variational`.

    Attributes:
        components: K, at least 1.
        spread: Log-odds start uniformly between minus and plus this; weights start equal.

    Source: Jaakkola & Jordan 1998, "Improving the mean field approximation via the use of mixture
    distributions".

    Example:
        >>> import qhypernet as qh
        >>> problem = qh.Problem(qh.BinaryNetwork((2, 1)), [[0.0, 1.0], [1.0, 0.0]], [0, 1])
        >>> r = qh.baselines.Mixture(components=3, n_steps=100).fit(problem, n_inits=2)
        >>> r.probabilities().shape
        (2, 8)
    """

    components: int = 8
    spread: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        _check.integer("components", self.components, 1)
        object.__setattr__(self, "spread", _check.number("spread", self.spread, minimum=0))

    def _start(self, stream: np.random.Generator, m: int) -> Floats:
        logits = self.spread * (2 * stream.random(self.components * m) - 1)
        return np.concatenate([np.zeros(self.components), logits])

    def _split(self, params: Floats, m: int) -> tuple[Floats, Floats]:
        """Log-weights (b, K) and log-odds (b, K, m)."""
        k = self.components
        return log_softmax(params[:, :k], axis=1), params[:, k:].reshape(-1, k, m)

    def _table(self, params: Floats, m: int) -> tuple[Floats, Pullback]:
        log_pi, logits = self._split(params, m)
        q = np.zeros((len(params), 2**m))
        for k in range(self.components):
            q += np.exp(log_pi[:, k, None]) * table(logits[:, k])
        # Outcomes below the smallest number count for nothing.
        log_q = np.log(np.maximum(q, np.finfo(np.float64).tiny))

        def pullback(f: Floats) -> Floats:
            pi, p = np.exp(log_pi), expit(logits)
            parts = [expectation(f, p[:, k]) for k in range(self.components)]
            values = np.stack([value for value, _ in parts], axis=1)
            slopes = np.stack([slope for _, slope in parts], axis=1)
            by_weight = pi * (values - (pi * values).sum(axis=1, keepdims=True))
            by_logit = pi[..., None] * p * (1 - p) * slopes
            return np.concatenate([by_weight, by_logit.reshape(len(params), -1)], axis=1)

        return log_q, pullback

    def _log_prob(self, params: Floats, bits: Bits) -> tuple[Floats, Pullback]:
        log_pi, logits = self._split(params, bits.shape[-1])
        parts = [
            log_pi[:, k, None] + log_probability(logits[:, k], bits) for k in range(self.components)
        ]
        log_q: Floats = np.logaddexp.reduce(parts, axis=0)

        def pullback(coefficients: Floats) -> Floats:
            shares = [coefficients * np.exp(part - log_q) for part in parts]
            total = coefficients.sum(axis=1)
            by_weight = [
                share.sum(axis=1) - np.exp(log_pi[:, k]) * total for k, share in enumerate(shares)
            ]
            by_logit = [score(share, logits[:, k], bits) for k, share in enumerate(shares)]
            return np.concatenate([np.stack(by_weight, axis=1), *by_logit], axis=1)

        return log_q, pullback

    def _draw(self, params: Floats, m: int, n: int, streams: list[np.random.Generator]) -> Bits:
        log_pi, logits = self._split(params, m)
        u = uniforms(streams, n, m + 1)
        ends = np.cumsum(np.exp(log_pi), axis=1)[:, None, :-1]
        chosen = (u[..., :1] >= ends).sum(axis=-1)
        p = np.take_along_axis(expit(logits), chosen[..., None], axis=1)
        return (u[..., 1:] >= p).astype(np.uint8)

    def _bytes(self, problem: Problem) -> int:
        return super()._bytes(problem) * (self.components if self.shots is not None else 1)

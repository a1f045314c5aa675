"""Distributions with parameters, whose log q is known."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from qhypernet._streams import stream
from qhypernet.baselines._base import Baseline, BaselineResult, Bits, Floats, Samples
from qhypernet.baselines._product import expectation, log_probability, log_table, uniforms
from qhypernet.baselines._target import Target
from qhypernet.priors import BernoulliPrior
from qhypernet.problems import Problem

Pullback = Callable[[Floats], Floats]


class Parametric(Baseline):
    """A baseline that leaves parameters (b, P) of a distribution over the m bits of a target."""

    def _target(self, problem: Problem, prior: BernoulliPrior) -> Target:
        return Target(problem, prior, symmetric=False)

    @abstractmethod
    def _table(self, params: Floats, m: int) -> tuple[Floats, Pullback]:
        """log q of all outcomes, shape (b, 2**m), and the map from f of that shape to the
        derivatives of ``sum_w q(w) f(w)``, f held fixed, shape (b, P)."""

    @abstractmethod
    def _log_prob(self, params: Floats, bits: Bits) -> tuple[Floats, Pullback]:
        """log q of bits (b, N, m), shape (b, N), and the map from coefficients c of that shape to
        the derivatives of ``sum_n c_n log q(w_n)``, shape (b, P)."""

    @abstractmethod
    def _draw(self, params: Floats, m: int, n: int, streams: list[np.random.Generator]) -> Bits:
        """n draws of each row, shape (b, n, m)."""

    @property
    def _name(self) -> str:
        return type(self).__name__

    def _probabilities(
        self, arrays: dict[str, NDArray[np.generic]], problem: Problem, prior: BernoulliPrior
    ) -> Floats:
        target = self._target(problem, prior)
        params = arrays["params"].astype(np.float64)
        return target.lift(np.exp(self._table(params, target.m)[0]))

    def _samples(self, result: BaselineResult, n_samples: int) -> Samples:
        target = self._target(result.problem, result.prior)
        params = result.arrays["params"].astype(np.float64)
        streams = [stream(result.seed, f"{self._name} result", i) for i in range(len(params))]
        bits = self._draw(params, target.m, n_samples, streams)
        log_q = self._log_prob(params, bits)[0] - target.log_group()
        weights = np.full(log_q.shape, 1 / n_samples)
        return Samples(target.lift_bits(bits, streams), weights, log_q)


class Independent(Parametric):
    """Independent bits; the parameters are the log-odds of +1, shape (b, m)."""

    def _table(self, params: Floats, m: int) -> tuple[Floats, Pullback]:
        del m
        p = expit(params)
        return log_table(params), lambda f: p * expit(-params) * expectation(f, p)[1]

    def _log_prob(self, params: Floats, bits: Bits) -> tuple[Floats, Pullback]:
        return log_probability(params, bits), lambda c: score(c, params, bits)

    def _draw(self, params: Floats, m: int, n: int, streams: list[np.random.Generator]) -> Bits:
        minus = uniforms(streams, n, m) >= expit(params)[:, None]
        return np.asarray(minus, dtype=np.uint8)


def score(coefficients: Floats, logits: Floats, bits: Bits) -> Floats:
    """``sum_n c_n d log q(w_n) / d logits`` of independent bits, shape (b, m).

    Args:
        coefficients: c, shape (b, N).
        logits: Log-odds of +1, shape (b, m).
        bits: Shape (b, N, m).
    """
    residuals = (1.0 - bits) - expit(logits)[:, None]
    return np.asarray((coefficients[..., None] * residuals).sum(axis=1))

"""Prior distributions over binary weights."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qhypernet import _check, _core


class BernoulliPrior:
    """Independent weights: weight i is +1 (bit 0) with probability ``p_plus[i]``.

    Args:
        n: Number of weights.
        p_plus: One probability for all weights or one for each, strictly between 0 and 1. The
            default, 0.5, is the uniform prior.

    Example:
        >>> import qhypernet as qh
        >>> qh.BernoulliPrior(2, p_plus=0.75).probabilities()
        array([0.5625, 0.1875, 0.1875, 0.0625])
    """

    def __init__(self, n: int, p_plus: ArrayLike = 0.5) -> None:
        self.n = _check.integer("n", n, 1)
        values = _check.floats("p_plus", p_plus, shape=f"({n},) or a single number")
        if values.shape not in ((), (1,), (self.n,)):
            raise ValueError(
                f"p_plus: expected a single number or shape ({self.n},), got shape {values.shape}"
            )
        if not ((values > 0) & (values < 1)).all():
            bad = values[~((values > 0) & (values < 1))].flat[0]
            raise ValueError(f"p_plus: expected probabilities strictly between 0 and 1, got {bad}")
        self.p_plus: NDArray[np.float64] = np.broadcast_to(values, (self.n,)).copy()

    def __repr__(self) -> str:
        p = self.p_plus[0] if (self.p_plus == self.p_plus[0]).all() else self.p_plus
        return f"BernoulliPrior({self.n}, p_plus={p})"

    def log_probabilities(self) -> NDArray[np.float64]:
        """log p of all 2**n weight settings, in nats, by outcome index."""
        _core.check_memory(f"a prior over {self.n} weights", 24 * 2 ** min(self.n, 58))
        log_p = np.zeros(1)
        for p in self.p_plus:
            log_p = np.concatenate([log_p + np.log(p), log_p + np.log1p(-p)])
        return log_p

    def probabilities(self) -> NDArray[np.float64]:
        """p of all 2**n weight settings, by outcome index."""
        return np.exp(self.log_probabilities())

    def sample(self, n_samples: int, *, seed: int | None = 0) -> NDArray[np.uint8]:
        """Bits of ``n_samples`` independent draws, shape (n_samples, n)."""
        n_samples = _check.integer("n_samples", n_samples, 1)
        return _core.sample_prior(_check.seed(seed), self.p_plus.tolist(), n_samples)

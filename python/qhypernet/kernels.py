"""The kernel on binary weights, and the maximum mean discrepancy (MMD) that it defines.

Gretton et al. 2012 for MMD; Liu & Wang 2018 (arXiv 1804.04168) for its use on circuits.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qhypernet import _check, _core
from qhypernet.priors import BernoulliPrior

_ESTIMATORS = ("unbiased", "biased")


class HammingKernel:
    """``k(w, w') = mean over bandwidths s of exp(-|w - w'|^2 / (2 s^2))`` on weights of +1 and -1.

    As ``|w - w'|^2`` is four times the Hamming distance d, this is ``mean_s exp(-2 d / s^2)``.

    Args:
        bandwidths: One s or several, above 0.

    Example:
        >>> import qhypernet as qh
        >>> k = qh.HammingKernel(bandwidths=(1.0, 2.0))
        >>> k([[0, 0]], [[0, 0], [0, 1], [1, 1]]).round(4)
        array([[1.    , 0.3709, 0.1931]])
    """

    def __init__(self, bandwidths: float | Iterable[float]) -> None:
        values = [bandwidths] if np.ndim(bandwidths) == 0 else list(bandwidths)  # type: ignore[arg-type]
        self.bandwidths = tuple(_check.number("bandwidths", s, above=0) for s in values)
        if not self.bandwidths:
            raise ValueError("bandwidths: expected at least one, got none")

    def __init_subclass__(cls) -> None:
        # What a subclass says of pairs would be ignored: the core works with bandwidths.
        raise TypeError(
            f"{cls.__name__}: expected no kernel derived from HammingKernel, which its bandwidths "
            "decide; for a kernel of another kind write an Objective of your own"
        )

    def __repr__(self) -> str:
        return f"HammingKernel(bandwidths={self.bandwidths})"

    def __call__(self, bits_a: ArrayLike, bits_b: ArrayLike) -> NDArray[np.float64]:
        """k of every pair of rows, shape (A, B)."""
        a, b = _pair("bits_a", bits_a, "bits_b", bits_b)
        return _core.kernel_matrix(a, b, list(self.bandwidths))

    @classmethod
    def for_weights(cls, n_weights: int) -> HammingKernel:
        """The default for n weights, ``s^2 = n / 2``.

        A bandwidth that stays fixed as n grows makes a loss of many bodies, which is flat almost
        everywhere (arXiv 2305.02881); one that grows with n does not.
        """
        return cls((_check.integer("n_weights", n_weights, 1) / 2) ** 0.5)

    @classmethod
    def median_heuristic(cls, prior: BernoulliPrior) -> HammingKernel:
        """``s^2 = 4 * median Hamming distance`` of two draws from the prior, never 0."""
        return cls(_core.median_heuristic(prior.p_plus.tolist()))


def mmd2(
    bits_q: ArrayLike, bits_p: ArrayLike, k: HammingKernel, estimator: str = "unbiased"
) -> float:
    """Squared MMD between the distributions of two samples; memory linear in their sizes.

    Args:
        bits_q: Shape (samples, n), 0 or 1.
        bits_p: Shape (samples, n).
        estimator: "unbiased" (U-statistic, can be negative, needs two samples of each) or "biased"
            (V-statistic, never negative).

    Example:
        >>> import qhypernet as qh
        >>> k = qh.HammingKernel(1.0)
        >>> a = qh.BernoulliPrior(8, 0.9).sample(500, seed=1)
        >>> b = qh.BernoulliPrior(8, 0.1).sample(500, seed=2)
        >>> qh.mmd2(a, b, k) > qh.mmd2(a[:250], a[250:], k)
        True
    """
    q, p = _pair("bits_q", bits_q, "bits_p", bits_p)
    return _core.mmd2(q, p, _bandwidths(k), _unbiased(estimator))


def mmd2_to_prior(
    bits_q: ArrayLike, prior: BernoulliPrior, k: HammingKernel, estimator: str = "unbiased"
) -> float:
    """Squared MMD between a sample's distribution and a prior, which needs no samples of its own.

    The prior's mean embedding is a closed form: a mean over bandwidths of products over bits.
    """
    if not isinstance(prior, BernoulliPrior):
        raise TypeError(f"prior: expected a BernoulliPrior, got {prior!r}")
    q = _check.bits("bits_q", bits_q, prior.n)
    return _core.mmd2_to_prior(q, prior.p_plus.tolist(), _bandwidths(k), _unbiased(estimator))


def mmd2_exact(q: ArrayLike, p: ArrayLike, k: HammingKernel) -> float:
    """Squared MMD ``(q - p)' K (q - p)`` of two probability vectors of length 2**n."""
    return _core.mmd2_exact(_vector("q", q), _vector("p", p), _bandwidths(k))


def _vector(name: str, value: ArrayLike) -> NDArray[np.float64]:
    # The core checks probabilities while it reads them; looking here too would take longer than all
    # the rest, so only what is no vector of doubles yet is looked at.
    if isinstance(value, np.ndarray) and value.dtype == np.float64 and value.ndim == 1:
        return np.ascontiguousarray(value)
    return _check.distributions(name, value, 1)


def checked_kernel(kernel: HammingKernel | None) -> HammingKernel | None:
    """A kernel, or None for the default one."""
    if kernel is not None and not isinstance(kernel, HammingKernel):
        raise TypeError(f"kernel: expected a HammingKernel or None, got {kernel!r}")
    return kernel


def _bandwidths(k: HammingKernel) -> list[float]:
    if not isinstance(k, HammingKernel):
        raise TypeError(f"k: expected a HammingKernel, got {k!r}")
    return list(k.bandwidths)


def _unbiased(estimator: str) -> bool:
    return _check.choice("estimator", estimator, _ESTIMATORS) == "unbiased"


def _pair(
    name_a: str, a: ArrayLike, name_b: str, b: ArrayLike
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    n_bits = np.shape(a)[-1] if np.ndim(a) == 2 else 0
    first = _check.bits(name_a, a, n_bits)
    return first, _check.bits(name_b, b, n_bits)

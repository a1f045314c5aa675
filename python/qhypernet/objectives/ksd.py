"""The kernelised Stein discrepancy to the posterior."""

from __future__ import annotations

import numpy as np

from qhypernet import schedules
from qhypernet.kernels import HammingKernel, checked_kernel
from qhypernet.objectives._base import Floats, Objective, Target
from qhypernet.objectives._butterfly import flipped, kernel_product
from qhypernet.schedules import Schedule


class KSD(Objective):
    """``weight * KSD^2``, the distance of q from the *posterior*, without its normalisation.

    ``KSD^2 = q' H q``, ``f = 2 H q``, ``H = A K A'`` with the Glauber operator ``(A g)(w) =
    sum_i sigma(C(w) - C(w^i) + log p(w^i) - log p(w)) (g(w^i) - g(w))``, w^i being w with bit i
    flipped. Glauber dynamics leave the posterior as it is, so ``A' posterior = 0``. Operators of
    Markov chains are after Barbour 1990, the discrete discrepancy after Yang et al. 2018 (PMLR 80,
    5561).

    It stands alone: E_q[C] is told, but is no part of it. It hardly sees the relative weight of
    separated modes, and a minibatch's cost biases it.

    Args:
        weight: Nats per unit of KSD^2, at least 0: a number or a :class:`Schedule`.
        kernel: None takes :meth:`HammingKernel.for_weights`.

    Example:
        >>> import numpy as np, qhypernet as qh
        >>> table = np.log([0.4, 0.3, 0.2, 0.1])
        >>> r = qh.train(qh.ansatz.brickwork(2, 2), table, qh.KSD(10.0), n_inits=2, n_steps=300)
        >>> r.probabilities()[0].round(2)
        array([0.4, 0.3, 0.2, 0.1])
    """

    name = "ksd"
    has_expected_nll = False
    takes_minibatches = False

    def __init__(self, weight: float | Schedule = 1.0, kernel: HammingKernel | None = None) -> None:
        self._weight = schedules.checked("weight", weight, minimum=0)
        self.kernel = checked_kernel(kernel)

    def __repr__(self) -> str:
        kernel = f", kernel={self.kernel}" if self.kernel else ""
        return f"KSD(weight={self._weight}{kernel})"

    @property
    def weight(self) -> float | Schedule:
        """Nats per unit of KSD^2."""
        return self._weight

    def bandwidths(self, n_weights: int) -> tuple[float, ...]:
        """The kernel's, or those of the default kernel for so many weights."""
        return (self.kernel or HammingKernel.for_weights(n_weights)).bandwidths

    def value_and_cotangent(self, q: Floats, target: Target) -> tuple[Floats, Floats]:
        """KSD^2 and 2 H q, values (B,) and cotangents (B, 2**n), of q (B, 2**n)."""
        n = target.prior.n
        log_joint = target.log_prior - target.cost
        flow = np.zeros_like(q)  # A' q: what one small step of Glauber dynamics adds to q
        for bit in range(n):
            leaving = _rates(log_joint, bit) * q
            flow += flipped(leaving, bit) - leaving
        smooth = kernel_product(flow, self.bandwidths(n))
        pull = np.zeros_like(q)
        for bit in range(n):
            pull += _rates(log_joint, bit) * (flipped(smooth, bit) - smooth)
        return (flow * smooth).sum(axis=1), 2 * pull


def _rates(log_joint: Floats, bit: int) -> Floats:
    """sigma(log of the posterior's ratio of w^i to w), shape (2**n,), without overflow."""
    return np.asarray((1 + np.tanh((flipped(log_joint, bit) - log_joint) / 2)) / 2)

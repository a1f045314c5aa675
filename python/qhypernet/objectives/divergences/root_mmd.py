"""The maximum mean discrepancy itself, not its square."""

from __future__ import annotations

import numpy as np

from qhypernet.kernels import HammingKernel, checked_kernel
from qhypernet.objectives._base import Floats
from qhypernet.objectives._butterfly import kernel_product
from qhypernet.objectives.divergences._base import PriorDivergence, where_possible
from qhypernet.schedules import Schedule


class RootMMD(PriorDivergence):
    """``MMD(q, p) = sqrt((q - p)' K (q - p))`` (Gretton et al. 2012).

    Cotangent ``K(q - p) / MMD``, taken as 0 where the MMD is 0 and has no derivative. It does not
    fade as q nears the prior, as the square of :class:`SELBO` does.

    Args:
        weight: Nats per unit, at least 0: a number or a :class:`Schedule`.
        kernel: None takes :meth:`HammingKernel.for_weights`.

    Example:
        >>> import numpy as np, qhypernet as qh
        >>> root = qh.RootMMD(kernel=qh.HammingKernel(1.0))
        >>> value, f = root.between(np.array([[1.0, 0.0]]), np.array([0.5, 0.5]))
        >>> value.round(4), f.round(4)
        (array([0.6575]), array([[0.6575, 0.    ]]))
    """

    name = "root_mmd"
    needs_probabilities = False

    def __init__(self, weight: float | Schedule = 1.0, kernel: HammingKernel | None = None) -> None:
        super().__init__(weight)
        self.kernel = checked_kernel(kernel)

    def __repr__(self) -> str:
        kernel = f", kernel={self.kernel}" if self.kernel else ""
        return f"RootMMD(weight={self._weight}{kernel})"

    def bandwidths(self, n_weights: int) -> tuple[float, ...]:
        """The kernel's, or those of the default kernel for so many weights."""
        return (self.kernel or HammingKernel.for_weights(n_weights)).bandwidths

    def between(self, q: Floats, p: Floats) -> tuple[Floats, Floats]:
        """MMD(q, p) and its cotangent."""
        difference = q - p
        pull = kernel_product(difference, self.bandwidths(q.shape[1].bit_length() - 1))
        mmd = np.sqrt(np.maximum((difference * pull).sum(axis=1), 0.0))
        slope = np.divide(pull, mmd[:, None], out=np.zeros_like(pull), where=mmd[:, None] > 0)
        return mmd, where_possible(q, slope)

"""The surrogate evidence lower bound."""

from __future__ import annotations

from qhypernet import schedules
from qhypernet.kernels import HammingKernel, checked_kernel
from qhypernet.objectives._base import Objective
from qhypernet.schedules import Schedule


class SELBO(Objective):
    """``E_q[C] + weight * MMD^2(q, prior)`` (Nepote et al. 2025, arXiv 2506.05888).

    It needs samples only, so it runs on hardware. Its minimiser is *not* the posterior: on the 2-D
    data the best q of all is still 0.1 to 0.5 nats from it.

    Args:
        weight: Nats per unit of MMD^2, at least 0: a number or a :class:`Schedule`.
        kernel: The kernel of the MMD; None takes :meth:`HammingKernel.for_weights`.

    Example:
        >>> import qhypernet as qh
        >>> qh.SELBO(weight=30.0)
        SELBO(weight=30.0)
    """

    name = "selbo"
    divergence = "mmd"
    needs_probabilities = False

    def __init__(
        self, weight: float | Schedule = 30.0, kernel: HammingKernel | None = None
    ) -> None:
        self._weight = schedules.checked("weight", weight, minimum=0)
        self.kernel = checked_kernel(kernel)

    def __repr__(self) -> str:
        kernel = f", kernel={self.kernel}" if self.kernel else ""
        return f"SELBO(weight={self.weight}{kernel})"

    @property
    def weight(self) -> float | Schedule:
        """Nats per unit of MMD^2."""
        return self._weight

    def bandwidths(self, n_weights: int) -> tuple[float, ...]:
        """The kernel's, or those of the default kernel for so many weights."""
        kernel = self.kernel or HammingKernel.for_weights(n_weights)
        return kernel.bandwidths

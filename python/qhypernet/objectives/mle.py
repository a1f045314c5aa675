"""Maximum likelihood."""

from __future__ import annotations

from qhypernet.objectives._base import Objective


class MLE(Objective):
    """``E_q[C]``: the expected cost alone, blind to the prior. Its minimiser is a single network.

    Example:
        >>> import qhypernet as qh
        >>> qh.MLE()
        MLE()
    """

    name = "mle"
    divergence = "none"
    needs_probabilities = False

    def __repr__(self) -> str:
        return "MLE()"

    @property
    def weight(self) -> float:
        """0: there is no divergence."""
        return 0.0

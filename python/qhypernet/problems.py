"""A network and the data that it is to explain."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qhypernet import _check
from qhypernet.networks import BinaryNetwork


class Problem:
    """A binary network with data.

    Args:
        net: The network.
        X: Inputs, shape (D, inputs).
        y: Labels or targets, shape (D,).

    Raises:
        ValueError: Shapes that do not fit the network, or labels of one class only.

    Example:
        >>> import qhypernet as qh
        >>> net = qh.BinaryNetwork((2, 1))
        >>> problem = qh.Problem(net, [[0.0, 1.0], [1.0, 0.0]], [0, 1])
        >>> problem.table.shape
        (8,)
    """

    def __init__(self, net: BinaryNetwork, X: ArrayLike, y: ArrayLike) -> None:
        self.net = net
        self.X = _check.features(X, net.layers[0])
        self.y = net.check_targets(y, len(self.X))
        if net.n_classes and len(np.unique(self.y)) < 2:
            raise ValueError(
                f"y: expected labels of at least two classes, got only {np.unique(self.y)}"
            )

    @cached_property
    def table(self) -> NDArray[np.float64]:
        """The log-likelihood of all 2**n networks in nats."""
        return self.net.log_likelihood_table(self.X, self.y)


def table_of(table_or_problem: ArrayLike | Problem) -> NDArray[np.float64]:
    """The log-likelihood of all networks, given or worked out, shape (2**n,)."""
    if isinstance(table_or_problem, Problem):
        return table_or_problem.table
    return _check.floats("table", table_or_problem, shape="(2**n,)")

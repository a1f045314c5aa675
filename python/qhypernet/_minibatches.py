"""Points of a step, drawn apart from everything else that is random."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qhypernet._streams import stream
from qhypernet.problems import Problem


def minibatch_table(problem: Problem, size: int, seed: int, step: int) -> NDArray[np.float64]:
    """Log-likelihoods of all networks on ``size`` points drawn without replacement, scaled up.

    Times (points / size), so that its mean over draws is the whole table: shape (2**n,), nats.
    """
    n_points = len(problem.X)
    rows = stream(seed, "minibatch", step).choice(n_points, size, replace=False, shuffle=False)
    table = problem.net.log_likelihood_table(problem.X[rows], problem.y[rows])
    return table * (n_points / size)

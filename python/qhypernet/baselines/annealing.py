"""Simulated annealing: one good network a chain."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qhypernet import _check, schedules
from qhypernet.baselines import _chains
from qhypernet.baselines._base import Baseline, Bits, Fit, Floats, Task
from qhypernet.schedules import Schedule


@dataclass(frozen=True)
class SimulatedAnnealing(Baseline):
    """Flips weights at a falling temperature T and keeps the most probable network it sees.

    A sweep offers each weight a flip, taken with probability
    ``min(1, exp(change of (log-likelihood + log prior) / T))`` (Kirkpatrick et al. 1983). Under a
    uniform prior the most probable network is the most likely one. As a distribution it is a
    point mass: its KL to the posterior is ``-log posterior(w)``.

    Attributes:
        n_sweeps: Offers of a flip to every weight.
        temperature: In nats, above 0: a number or a :class:`Schedule`.

    Example:
        >>> import qhypernet as qh
        >>> data = qh.datasets.moons()
        >>> net = qh.BinaryNetwork((2, 3, 1), activation="tanh")
        >>> problem = qh.Problem(net, data.X_train, data.y_train)
        >>> r = qh.baselines.SimulatedAnnealing().fit(problem, n_inits=3)
        >>> found = r.probabilities().argmax(axis=1)
        >>> (problem.table.max() - problem.table[found]).round(6)
        array([0., 0., 0.])
    """

    n_sweeps: int = 200
    temperature: float | Schedule = Schedule(20, 0.05)  # noqa: RUF009 - it is frozen

    def __post_init__(self) -> None:
        _check.integer("n_sweeps", self.n_sweeps, 1)
        temperature = schedules.checked("temperature", self.temperature, above=0)
        object.__setattr__(self, "temperature", temperature)

    def _fit(self, task: Task) -> Fit:
        streams = task.streams("SimulatedAnnealing")
        bits = _chains.start(task, streams)
        values = task.log_joint(bits)
        best, best_value = bits.copy(), values.copy()

        def keep(bits: Bits, values: Floats) -> None:
            better = values > best_value
            best[better], best_value[better] = bits[better], values[better]

        history = {name: np.empty((len(bits), self.n_sweeps)) for name in _HISTORY}
        for step in range(self.n_sweeps):
            temperature = schedules.at(self.temperature, step, self.n_sweeps)
            taken = _chains.sweep(task, bits, values, streams, "metropolis", temperature, keep)
            for name, column in zip(_HISTORY, (values, best_value, taken), strict=True):
                history[name][:, step] = column
        weights = np.ones((len(bits), 1))
        failed = ~np.isfinite(best_value)
        return Fit({"bits": best[:, None], "weights": weights}, history, failed)


_HISTORY = ("log_joint", "best", "acceptance")

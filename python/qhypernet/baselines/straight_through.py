"""Training one binary network with the straight-through estimator."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qhypernet import _check
from qhypernet.baselines._backprop import bytes_of_a_pass, log_likelihood
from qhypernet.baselines._base import Baseline, Fit, Floats, Task
from qhypernet.baselines._optimise import Step, descend
from qhypernet.baselines._product import uniforms
from qhypernet.optimizers import Adam
from qhypernet.problems import Problem


@dataclass(frozen=True)
class StraightThrough(Baseline):
    """Latent real weights u in [-1, 1], whose signs are the network's; the usual way to a BiNN.

    The gradient of C at ``w = sign(u)`` is taken as that at u, and Adam moves u, which is then
    clipped to [-1, 1] (Courbariaux et al. 2015, arXiv 1511.00363; Hubara et al. 2016, arXiv
    1602.02830). C is minus the log-likelihood, over all data in every step; the prior takes no
    part. As a distribution it is a point mass: its KL to the posterior is ``-log posterior(w)``.

    Attributes:
        n_steps: Updates.
        optimizer: Of the latent weights.
        keep_best: Whether to keep the most likely network of all steps, or the last one.

    Example:
        >>> import qhypernet as qh
        >>> data = qh.datasets.moons()
        >>> net = qh.BinaryNetwork((2, 3, 1), activation="tanh")
        >>> problem = qh.Problem(net, data.X_train, data.y_train)
        >>> r = qh.baselines.StraightThrough().fit(problem, n_inits=3)
        >>> r.samples().bits.shape
        (3, 1, 13)
    """

    n_steps: int = 500
    optimizer: Adam = Adam(0.1)  # noqa: RUF009 - it is frozen
    keep_best: bool = True

    def __post_init__(self) -> None:
        _check.integer("n_steps", self.n_steps, 1)
        if not isinstance(self.optimizer, Adam):
            raise TypeError(f"optimizer: expected Adam(...), got {self.optimizer!r}")
        if not isinstance(self.keep_best, bool):
            raise TypeError(f"keep_best: expected True or False, got {self.keep_best!r}")

    def _fit(self, task: Task) -> Fit:
        problem = task.problem
        latent = 2 * uniforms(task.streams("StraightThrough"), task.prior.n) - 1
        best, best_value = latent, np.full(len(latent), -np.inf)

        def evaluate(latent: Floats, step: int) -> Step:
            nonlocal best, best_value
            del step
            values, slope = log_likelihood(problem.net, _signs(latent), problem.X, problem.y)
            better = values > best_value
            best = np.where(better[:, None], latent, best)
            best_value = np.where(better, values, best_value)
            return Step(-values, np.zeros_like(values), -slope)

        end = descend(
            evaluate, latent, self.optimizer, self.n_steps, lambda moved: np.clip(moved, -1, 1)
        )
        evaluate(end.params, self.n_steps)
        bits = (_signs(best if self.keep_best else end.params) < 0).astype(np.uint8)
        weights = np.ones((len(bits), 1))
        return Fit({"bits": bits[:, None], "weights": weights}, end.history, end.failed)

    def _bytes(self, problem: Problem) -> int:
        return bytes_of_a_pass(problem)


def _signs(latent: Floats) -> Floats:
    return np.where(latent >= 0, 1.0, -1.0)

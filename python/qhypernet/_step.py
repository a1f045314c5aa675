"""What callbacks are shown of a training."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from qhypernet import _check, evaluation
from qhypernet._truth import distributions
from qhypernet.circuits import Circuit
from qhypernet.problems import Problem

Metrics = dict[str, NDArray[np.float64]]


@dataclass(frozen=True)
class TrainingStep:
    """What a callback is shown after each step; its arrays are not to be written to."""

    step: int
    """Updates so far, from 1."""
    n_steps: int
    params: NDArray[np.float64]
    """Angles after the update, shape (n_inits, P)."""
    objective: NDArray[np.float64]
    """The objective before the update, nats, shape (n_inits,); NaN where one diverged."""
    expected_nll: NDArray[np.float64]
    """Its first part, shape (n_inits,)."""
    regularizer: NDArray[np.float64]
    """Its second part, with its weight, shape (n_inits,)."""
    gradient_norm: NDArray[np.float64]
    """Euclidean norm of its gradient, shape (n_inits,)."""
    weight: float
    """The objective's weight before the update."""
    learning_rate: float | None
    """The optimiser's, if it has one."""
    circuit: Circuit
    """The circuit that the angles belong to."""
    data: Mapping[str, Problem]
    """Points that :meth:`metrics` can be taken on, by name: "train" and "validation", as far as
    training was given any."""
    _found: dict[str, Metrics] = field(default_factory=dict, init=False, repr=False, compare=False)

    def metrics(self, part: str) -> Metrics:
        """How well every initialisation predicts now, each metric of shape (n_inits,).

        Worked out when asked for, once a step, from the exact distributions at ``params``: without
        shots or noise, however the gradient is found, and without any influence on the training.

        Args:
            part: A name in ``data``.

        Returns:
            For classes ``accuracy``, ``nll``, ``brier``, ``ece`` and ``expected_accuracy``; for
            regression ``rmse``, ``nll``, ``coverage`` and ``expected_rmse``, as
            :data:`qhypernet.evaluation.METRICS` describes them. NaN where one diverged.

        Raises:
            ValueError: There are no such points.

        Example:
            >>> import qhypernet as qh
            >>> data = qh.datasets.moons()
            >>> net = qh.BinaryNetwork((2, 1))
            >>> problem = qh.Problem(net, data.X_train, data.y_train)
            >>> held_out = qh.Problem(net, data.X_test, data.y_test)
            >>> def show(step):
            ...     if step.step == step.n_steps:
            ...         print(step.metrics("validation")["accuracy"].round(2))
            >>> circuit = qh.ansatz.hardware_efficient(3, n_layers=2)
            >>> r = qh.train(circuit, problem, qh.ELBO(), n_inits=2, n_steps=60, callback=show,
            ...              validation=held_out)
            [0.85 0.85]
        """
        if not self.data:
            raise ValueError(
                f"part: expected none, as training was given a table without points, got {part!r}; "
                "give a Problem, or points to validate on"
            )
        _check.choice("part", part, self.data)
        if part not in self._found:
            self._found[part] = self._metrics(self.data[part])
        return self._found[part]

    def _metrics(self, problem: Problem) -> Metrics:
        blocks = [
            evaluation.predictive_metrics(problem.net, problem.X, problem.y, q)
            for q in distributions(self.circuit, self.params)
        ]
        failed = np.isnan(self.objective)
        return {
            name: np.where(failed, np.nan, np.concatenate([block[name] for block in blocks]))
            for name in blocks[0]
        }


Callback = Callable[[TrainingStep], object]
"""Called with a :class:`TrainingStep` after each step; training ends where it returns True."""

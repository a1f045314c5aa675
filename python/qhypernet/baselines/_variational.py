"""Variational inference with a distribution whose log q is known."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from qhypernet import _check, _core, schedules
from qhypernet.baselines._base import Baseline, Fit, Floats, Task
from qhypernet.baselines._optimise import Step, descend
from qhypernet.baselines._parametric import Parametric
from qhypernet.baselines._product import log_probability, log_table
from qhypernet.baselines._target import Target
from qhypernet.optimizers import Adam
from qhypernet.priors import BernoulliPrior
from qhypernet.problems import Problem
from qhypernet.schedules import Schedule

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True)
class Variational(Parametric):
    """Minimises ``E_q[C] + beta * KL(q || prior)``, C minus the log-likelihood in nats.

    Attributes:
        beta: Weight of the KL, at least 0: a number or a :class:`Schedule`. At 1 the objective is
            minus the evidence lower bound; a way down to 1 finds better optima.
        n_steps: Updates.
        optimizer: Of the parameters.
        shots: None takes expectations over all networks exactly. A number, at least 3, takes them
            from so many draws a step, by the score function with a leave-one-out baseline:
            unbiased, and what a circuit with as many shots is to be held against.
        symmetric: Whether q is its own average over the sign symmetry of the hidden units, as that
            of :func:`qhypernet.ansatz.sign_symmetric`; for odd activations.
    """

    beta: float | Schedule = Schedule(50, 1)  # noqa: RUF009 - it is frozen
    n_steps: int = 500
    optimizer: Adam = Adam(0.1)  # noqa: RUF009 - it is frozen
    shots: int | None = None
    symmetric: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "beta", schedules.checked("beta", self.beta, minimum=0))
        _check.integer("n_steps", self.n_steps, 1)
        if not isinstance(self.optimizer, Adam):
            raise TypeError(f"optimizer: expected Adam(...), got {self.optimizer!r}")
        if self.shots is not None:
            _check.integer("shots", self.shots, 3)
        if not isinstance(self.symmetric, bool):
            raise TypeError(f"symmetric: expected True or False, got {self.symmetric!r}")

    @abstractmethod
    def _start(self, stream: np.random.Generator, m: int) -> Floats:
        """Starting parameters of a distribution over m bits, shape (P,)."""

    def _target(self, problem: Problem, prior: BernoulliPrior) -> Target:
        return Target(problem, prior, self.symmetric)

    def _fit(self, task: Task) -> Fit:
        target = self._target(task.problem, task.prior)
        starts = [self._start(s, target.m) for s in task.streams(f"{self._name} start")]
        streams = task.streams(f"{self._name} shots")

        def evaluate(params: Floats, step: int) -> Step:
            beta = schedules.at(self.beta, step, self.n_steps)
            if self.shots is None:
                return self._exact(params, target, beta)
            return self._sampled(params, target, beta, task, streams)

        end = descend(evaluate, np.stack(starts), self.optimizer, self.n_steps)
        return Fit({"params": end.params}, end.history, end.failed)

    def _exact(self, params: Floats, target: Target, beta: float) -> Step:
        log_q, pullback = self._table(params, target.m)
        log_ratio = log_q - log_table(target.prior_logits[None])
        q = np.exp(log_q)
        expected = (q * target.cost).sum(axis=1)
        kl = (q * log_ratio).sum(axis=1) + target.offset
        f = target.cost + beta * log_ratio
        # A constant changes no gradient; this one takes the large part of the rounding away.
        f -= (expected + beta * kl)[:, None]
        return Step(expected, beta * kl, pullback(f))

    def _sampled(
        self,
        params: Floats,
        target: Target,
        beta: float,
        task: Task,
        streams: list[np.random.Generator],
    ) -> Step:
        assert self.shots is not None
        bits = self._draw(params, target.m, self.shots, streams)
        cost = target.sampled_cost(task, bits, streams)
        log_q, pullback = self._log_prob(params, bits)
        log_p = log_probability(target.prior_logits[None], bits)
        divergence = beta * (log_q - log_p + target.offset)
        f = cost + divergence
        # f minus its mean over the other draws, over N.
        coefficients = (f - f.mean(axis=1, keepdims=True)) / (self.shots - 1)
        return Step(cost.mean(axis=1), divergence.mean(axis=1), pullback(coefficients))

    def _bytes(self, problem: Problem) -> int:
        """Six tables of the free bits."""
        n = problem.net.n_weights
        if self.shots is not None:
            return 8 * self.shots * n
        _core.check_memory(f"a distribution over {n} weights", 48 * 2 ** min(n, 57))
        return int(48 * 2**n)

    def _dataset(self, fit: Fit) -> xr.Dataset:
        steps = range(self.n_steps)
        weight = [schedules.at(self.beta, t, self.n_steps) for t in steps]
        rate = [schedules.at(self.optimizer.learning_rate, t, self.n_steps) for t in steps]
        return super()._dataset(fit).assign(weight=("step", weight), learning_rate=("step", rate))


def with_shots(baseline: Baseline, shots: int) -> Baseline:
    """The same baseline, for networks too large for exact expectations."""
    if isinstance(baseline, Variational) and baseline.shots is None:
        return replace(baseline, shots=shots)
    return baseline

"""Variational inference by the Bayesian learning rule, with relaxed weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import expit, log_expit, logit

from qhypernet import _check, schedules
from qhypernet.baselines._backprop import bytes_of_a_pass, log_likelihood
from qhypernet.baselines._base import Fit, Floats, Task
from qhypernet.baselines._optimise import Step, descend
from qhypernet.baselines._parametric import Independent
from qhypernet.baselines._product import uniforms
from qhypernet.optimizers import Arrays, Rule
from qhypernet.problems import Problem
from qhypernet.schedules import Schedule

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True)
class BayesBiNN(Independent):
    """Mean field trained through the network's own gradient (Meng, Bachmann & Khan 2020).

    With natural parameters l, so that ``q(w_i) ~ exp(l_i w_i)`` and its mean is tanh(l_i), a weight
    is relaxed to ``w = tanh((l + d) / tau)``, ``d = log(u / (1 - u)) / 2`` with uniform u, and

    ``l <- l - rate (s dC/dw + beta (l - l_0))``, ``s = (1 - w^2) / (tau (1 - tanh(l)^2))``,

    a natural-gradient step on ``E_q[C] + beta KL(q || prior)`` whose first part is a running mean
    with ``momentum``. It needs no table, and one pass of the network a draw. The relaxation biases
    it: real-valued weights have other likelihoods than binary ones. arXiv 2002.10778.

    ``history`` has ``expected_nll`` at the relaxed weights.

    Attributes:
        beta: Weight of the KL, at least 0: a number or a :class:`Schedule`.
        n_steps: Updates.
        learning_rate: Above 0: a number or a :class:`Schedule`.
        momentum: Decay of the running mean of ``s dC/dw``, at least 0 and below 1.
        temperature: tau, above 0: small is nearer to binary weights and noisier.
        draws: Relaxed networks a step.
        spread: l starts uniformly between minus and plus this.

    Example:
        >>> import qhypernet as qh
        >>> data = qh.datasets.moons()
        >>> net = qh.BinaryNetwork((2, 3, 1), activation="tanh")
        >>> problem = qh.Problem(net, data.X_train, data.y_train)
        >>> r = qh.baselines.BayesBiNN(n_steps=50).fit(problem, n_inits=3)
        >>> r.samples(100).bits.shape
        (3, 100, 13)
    """

    beta: float | Schedule = 1.0
    n_steps: int = 1000
    learning_rate: float | Schedule = Schedule(0.03, 0.001)  # noqa: RUF009 - it is frozen
    momentum: float = 0.9
    temperature: float = 0.5
    draws: int = 5
    spread: float = 0.5

    def __post_init__(self) -> None:
        object.__setattr__(self, "beta", schedules.checked("beta", self.beta, minimum=0))
        _check.integer("n_steps", self.n_steps, 1)
        rate = schedules.checked("learning_rate", self.learning_rate, above=0)
        object.__setattr__(self, "learning_rate", rate)
        momentum = _check.number("momentum", self.momentum, minimum=0, below=1)
        object.__setattr__(self, "momentum", momentum)
        temperature = _check.number("temperature", self.temperature, above=0)
        object.__setattr__(self, "temperature", temperature)
        _check.integer("draws", self.draws, 1)
        object.__setattr__(self, "spread", _check.number("spread", self.spread, minimum=0))

    def _fit(self, task: Task) -> Fit:
        problem, log_odds = task.problem, logit(task.prior.p_plus)
        start = uniforms(task.streams("BayesBiNN start"), task.prior.n)
        streams = task.streams("BayesBiNN noise")

        def evaluate(logits: Floats, step: int) -> Step:
            u = uniforms(streams, self.draws, task.prior.n)
            cost, slope = relaxed_gradient(problem, logits / 2, u, self.temperature)
            beta = schedules.at(self.beta, step, self.n_steps)
            kl = expit(logits) * (log_expit(logits) - log_expit(log_odds))
            kl += expit(-logits) * (log_expit(-logits) - log_expit(-log_odds))
            return Step(cost, beta * kl.sum(axis=1), slope)

        # Log-odds are twice the natural parameters.
        rule = _BayesianRule(self, log_odds)
        end = descend(evaluate, 2 * self.spread * (2 * start - 1), rule, self.n_steps)
        return Fit({"params": end.params}, end.history, end.failed)

    def _bytes(self, problem: Problem) -> int:
        return self.draws * bytes_of_a_pass(problem)

    def _dataset(self, fit: Fit) -> xr.Dataset:
        steps = range(self.n_steps)
        weight = [schedules.at(self.beta, t, self.n_steps) for t in steps]
        rate = [schedules.at(self.learning_rate, t, self.n_steps) for t in steps]
        return super()._dataset(fit).assign(weight=("step", weight), learning_rate=("step", rate))


@dataclass(frozen=True)
class _BayesianRule(Rule):
    """The Bayesian learning rule on log-odds."""

    settings: BayesBiNN
    log_odds: Floats

    def start(self, params: Floats) -> Arrays:
        return {"mean": np.zeros_like(params)}

    def step(
        self, params: Floats, gradient: Floats, state: Arrays, step: int, n_steps: int
    ) -> tuple[Floats, Arrays]:
        settings = self.settings
        mean = settings.momentum * state["mean"] + (1 - settings.momentum) * gradient
        unbiased = mean / (1 - settings.momentum ** (step + 1))
        rate = schedules.at(settings.learning_rate, step, n_steps)
        beta = schedules.at(settings.beta, step, n_steps)
        moved = params - rate * (2 * unbiased + beta * (params - self.log_odds))
        return moved, {"mean": mean}


def relaxed_gradient(
    problem: Problem, natural: Floats, u: Floats, temperature: float
) -> tuple[Floats, Floats]:
    """Mean over draws of C at relaxed weights, and of its derivatives in the weights' means.

    Args:
        problem: Network and data.
        natural: Natural parameters l, shape (b, n).
        u: Uniform draws, shape (b, draws, n).
        temperature: tau.

    Returns:
        Shapes (b,) and (b, n): C in nats, and ``s dC/dw``, the derivative in tanh(l).
    """
    noise = logit(u) / 2
    w = np.tanh((natural[:, None] + noise) / temperature)
    values, slope = log_likelihood(problem.net, w.reshape(-1, w.shape[2]), problem.X, problem.y)
    # As in the authors' code, so that a weight that is settled does not divide 0 by 0.
    variance = 1 - np.tanh(natural)[:, None] ** 2 + _SETTLED
    scale = (1 - w**2 + _SETTLED) / (temperature * variance)
    return -values.reshape(w.shape[:2]).mean(axis=1), -(scale * slope.reshape(w.shape)).mean(axis=1)


_SETTLED = 1e-10

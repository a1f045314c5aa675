"""Mean field: independent weights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit, log_expit

from qhypernet import _check
from qhypernet.baselines._base import Floats
from qhypernet.baselines._optimise import Step
from qhypernet.baselines._parametric import Independent
from qhypernet.baselines._product import expectation
from qhypernet.baselines._target import Target
from qhypernet.baselines._variational import Variational
from qhypernet.optimizers import Adam
from qhypernet.schedules import Schedule


@dataclass(frozen=True)
class MeanField(Independent, Variational):
    """``q(w) = prod_i Bernoulli``: mean-field variational inference.

    A circuit of one layer is this (:func:`qhypernet.ansatz.brickwork`), or this up to a relabelling
    of outcomes, so mean field with the same optimiser and shots is its control. For another
    divergence than the KL train that circuit.

    The parameters are log-odds of +1. Without shots, ``E_q[C]`` is the multilinear extension of
    the table of all networks, and the KL a sum over weights. With ``symmetric`` it is mean field on
    the quotient by the sign symmetry (see :class:`Variational` for all other settings).

    Attributes:
        spread: Log-odds start uniformly between minus and plus this.
        beta: As in :class:`Variational`; the default is 1 throughout, since all restarts follow a
            way down from the uniform distribution into one and the same local optimum.

    Source: Jordan et al. 1999, Machine Learning 37, 183; score function with shots: Ranganath et
    al. 2014, arXiv 1401.0118.

    Example:
        >>> import qhypernet as qh
        >>> data = qh.datasets.moons()
        >>> net = qh.BinaryNetwork((2, 3, 1), activation="tanh")
        >>> problem = qh.Problem(net, data.X_train, data.y_train)
        >>> r = qh.baselines.MeanField(symmetric=True).fit(problem, n_inits=4)
        >>> kl = qh.exact_posterior(problem.table).kl_from(r.probabilities())
        >>> bool(kl.min() < 2.5)
        True
    """

    beta: float | Schedule = 1.0
    optimizer: Adam = Adam(0.3)  # noqa: RUF009 - it is frozen
    spread: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "spread", _check.number("spread", self.spread, minimum=0))

    def _start(self, stream: np.random.Generator, m: int) -> Floats:
        return np.asarray(self.spread * (2 * stream.random(m) - 1))

    def _exact(self, params: Floats, target: Target, beta: float) -> Step:
        p, minus = expit(params), expit(-params)
        expected, slope = expectation(target.cost, p)
        prior = target.prior_logits
        kl = p * (log_expit(params) - log_expit(prior))
        kl += minus * (log_expit(-params) - log_expit(-prior))
        gradient = p * minus * (slope + beta * (params - prior))
        return Step(expected, beta * (kl.sum(axis=1) + target.offset), gradient)

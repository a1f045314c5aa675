"""Markov chain Monte Carlo over the weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from qhypernet import _check
from qhypernet._symmetry import masks, sign_flips
from qhypernet.baselines import _chains
from qhypernet.baselines._base import Baseline, Fit, Task
from qhypernet.baselines._diagnostics import effective_sample_size, r_hat
from qhypernet.problems import Problem
from qhypernet.schedules import Schedule

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True)
class MarkovChain(Baseline):
    """Gibbs or Metropolis sampling of the posterior, a flip at a time; exact in the long run.

    Each initialisation is a chain that starts at a draw from the prior; its distribution is that
    of the networks after each kept sweep. ``history`` has log_joint and acceptance of all sweeps,
    with the burn-in, and of the rest the effective sample size of log_joint, ``ess``, and
    ``r_hat``: the largest split R-hat of log_joint and of all weights. At a value well above 1.01
    the chains have not found the same distribution, which is common: modes are far apart.

    Attributes:
        n_sweeps: Sweeps that are kept; each offers a flip to every weight.
        burn_in: Sweeps before those.
        start_temperature: The burn-in samples the posterior to the power 1 / T, with T falling
            geometrically from this, above 0, to 1; 1 is a plain burn-in.
        rule: "gibbs" or "metropolis".
        symmetric: Whether each sweep ends with the offer of random flips of whole hidden units,
            which leave the network's function as it is; for odd activations.

    Source: Geman & Geman 1984; Metropolis et al. 1953.

    Example:
        >>> import qhypernet as qh
        >>> problem = qh.Problem(qh.BinaryNetwork((2, 1)), [[0.0, 1.0], [1.0, 0.0]], [0, 1])
        >>> r = qh.baselines.MarkovChain().fit(problem, n_inits=4)
        >>> bool(r.history["r_hat"] < 1.01)
        True
    """

    n_sweeps: int = 1000
    burn_in: int = 200
    start_temperature: float = 20.0
    rule: str = "gibbs"
    symmetric: bool = False

    def __post_init__(self) -> None:
        _check.integer("n_sweeps", self.n_sweeps, 1)
        _check.integer("burn_in", self.burn_in, 0)
        hot = _check.number("start_temperature", self.start_temperature, above=0)
        object.__setattr__(self, "start_temperature", hot)
        _check.choice("rule", self.rule, _chains.RULES)
        if not isinstance(self.symmetric, bool):
            raise TypeError(f"symmetric: expected True or False, got {self.symmetric!r}")

    def _fit(self, task: Task) -> Fit:
        flips = masks(sign_flips(task.problem.net), task.prior.n) if self.symmetric else None
        streams = task.streams("MarkovChain")
        bits = _chains.start(task, streams)
        values = task.log_joint(bits)
        total = self.burn_in + self.n_sweeps
        kept = np.empty((len(bits), self.n_sweeps, task.prior.n), dtype=np.uint8)
        log_joint, accepted = np.empty((len(bits), total)), np.empty((len(bits), total))
        cooling = Schedule(self.start_temperature, 1.0)
        for step in range(total):
            temperature = cooling.at(step, self.burn_in) if step < self.burn_in else 1.0
            taken = _chains.sweep(task, bits, values, streams, self.rule, temperature)
            accepted[:, step] = taken
            if flips is not None:
                _chains.turn_units(task, bits, values, streams, flips)
            log_joint[:, step] = values
            if step >= self.burn_in:
                kept[:, step - self.burn_in] = bits
        weights = np.full((len(bits), self.n_sweeps), 1 / self.n_sweeps)
        ess = effective_sample_size(log_joint[:, self.burn_in :])
        history = {"log_joint": log_joint, "acceptance": accepted, "ess": ess}
        return Fit({"bits": kept, "weights": weights}, history, ~np.isfinite(values))

    def _bytes(self, problem: Problem) -> int:
        return self.n_sweeps * problem.net.n_weights + 16 * (self.burn_in + self.n_sweeps)

    def _dataset(self, fit: Fit) -> xr.Dataset:
        signs = 1.0 - 2.0 * fit.arrays["bits"].astype(np.float64)
        chains = [fit.history["log_joint"][:, self.burn_in :], *np.moveaxis(signs, 2, 0)]
        worst = max(r_hat(chain[~fit.failed]) for chain in chains)
        return super()._dataset(fit).assign(r_hat=((), worst))

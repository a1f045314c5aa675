"""From samples at two settings, whatever the number of parameters."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from qhypernet import _check, _core
from qhypernet.circuits import Circuit
from qhypernet.gradients import _samples
from qhypernet.gradients._base import Evaluation, Floats, Gradient, Term, Value
from qhypernet.gradients._occurrences import inactive_parameters
from qhypernet.mitigation import Mitigation
from qhypernet.objectives import Objective
from qhypernet.samplers import Sampler, StatevectorSampler, Streams


@dataclass(frozen=True)
class SPSA(Gradient):
    """Simultaneous perturbation: ``(F(t + c d) - F(t - c d)) / (2c) d`` for random signs d.

    Spall 1992 (IEEE Trans. Autom. Control 37, 332). F is estimated from independent shots at both
    settings, MMD^2 by its U-statistic. The gradient's bias is O(c^2), from F's third derivatives;
    with RootMMD there is one of O(1/shots) besides. Its variance grows with the parameters and as
    1/c^2. Parameters that cannot matter are left as they are.

    Objective and regulariser are means of the two settings, so these too are off by O(c^2).

    Args:
        shots: Measurements of each setting, at least 2.
        step_size: c, in radians.
        sampler: Where they come from; the simulated state if not given.
        mitigation: Correction of misread qubits; None is none.
    """

    name = "spsa"
    min_shots = 2
    bias = "O(c^2) in the step size c, from third derivatives of the objective"

    shots: int
    step_size: float = 0.1
    sampler: Sampler = field(default_factory=StatevectorSampler)
    mitigation: Mitigation | None = None

    def __post_init__(self) -> None:
        _check.integer("shots", self.shots, self.min_shots)
        _check.number("step_size", self.step_size, above=0)

    @classmethod
    def refusal(cls, objective: Objective) -> str:
        """ELBO and other divergences that need q itself."""
        return _samples.refusal(objective)

    def measured(self, circuit: Circuit) -> Circuit:
        """The circuit that is measured."""
        return circuit

    def settings(self, circuit: Circuit) -> int:
        """Two."""
        del circuit
        return 2

    def mean(self, circuit: Circuit, value: Value, exact: Floats, params: Floats) -> Floats:
        """Over all directions, of which there must not be too many: at most 2**16."""
        del exact
        active = sorted(set(range(circuit.n_params)) - set(inactive_parameters(circuit)))
        _check.integer("parameters that matter", len(active), 1, 16)
        directions = np.zeros((2 ** len(active), circuit.n_params))
        directions[:, active] = list(itertools.product((1.0, -1.0), repeat=len(active)))
        moved = self.step_size * directions
        slopes = (value(params + moved) - value(params - moved)) / (2 * self.step_size)
        return np.asarray((slopes[:, None] * directions).mean(axis=0))

    def __call__(
        self,
        circuit: Circuit,
        problem: _core.Problem,
        term: Term,
        params: NDArray[np.float64],
        *,
        seed: int,
        step: int,
        first_init: int = 0,
    ) -> Evaluation:
        """Evaluates the objective for every row of ``params``."""
        del problem
        n_inits = len(params)
        bytes_a_shot = 2 * n_inits * (circuit.n_qubits + 40)
        _core.check_memory(
            f"{2 * n_inits} settings of {self.shots} shots", bytes_a_shot * self.shots
        )
        directions = _core.directions(seed, step, first_init, n_inits, circuit.n_params)
        directions[:, inactive_parameters(circuit)] = 0.0
        moved = self.step_size * directions
        batch = np.stack([params + moved, params - moved], axis=1).reshape(-1, circuit.n_params)
        inits = first_init + np.arange(n_inits)
        streams = Streams(seed, step, np.repeat(inits, 2), np.tile([0, 1], n_inits))
        weigh = None
        if self.mitigation is not None:
            weigh = self.mitigation.calibrated(self.sampler, circuit, seed)
        bits = self.sampler.sample(circuit, batch, self.shots, streams)
        estimates = [_samples.estimate(term, rows, weigh) for rows in bits]
        found = np.array(estimates).reshape(n_inits, 2, 2)
        part = found if term.objective.has_expected_nll else found[:, :, 1:]
        ahead, behind = part.sum(axis=2).T
        gradient = ((ahead - behind) / (2 * self.step_size))[:, None] * directions
        nll, regularizer = found.mean(axis=1).T
        return Evaluation(nll, regularizer, gradient)

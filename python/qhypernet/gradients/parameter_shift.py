"""From samples at shifted angles, as a device can give them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from qhypernet import _check, _core
from qhypernet.circuits import Circuit
from qhypernet.gradients import _samples
from qhypernet.gradients._base import Evaluation, Gradient, Term
from qhypernet.gradients._occurrences import occurrences
from qhypernet.mitigation import Mitigation
from qhypernet.objectives import Objective
from qhypernet.samplers import Sampler, StatevectorSampler, Streams

_BLOCK_BYTES = 2**26


@dataclass(frozen=True)
class ParameterShift(Gradient):
    """Each gate's angle shifted by +pi/2 and -pi/2, one gate at a time: 2G + 1 measured settings.

    Liu & Wang 2018 (arXiv 1804.04168). G counts the gates with a free angle that can matter; a
    shared parameter sums over its gates. Setting 0 is unshifted: it gives the objective's value and
    the independent shots that MMD^2 needs. All settings of many initialisations are one batch.

    Unbiased for MLE and SELBO. With RootMMD the unbiased gradient of MMD^2 is divided by twice the
    root of the unshifted shots' V-statistic, and so is biased by O(1/shots).

    Args:
        shots: Measurements of each setting, at least 2.
        sampler: Where they come from; the simulated state if not given.
        mitigation: Correction of misread qubits; None is none.
    """

    name = "parameter_shift"
    min_shots = 2

    shots: int
    sampler: Sampler = field(default_factory=StatevectorSampler)
    mitigation: Mitigation | None = None

    def __post_init__(self) -> None:
        _check.integer("shots", self.shots, self.min_shots)

    @classmethod
    def refusal(cls, objective: Objective) -> str:
        """ELBO and other divergences that need q itself."""
        return _samples.refusal(objective)

    def measured(self, circuit: Circuit) -> Circuit:
        """The circuit that is measured."""
        return occurrences(circuit).circuit

    def settings(self, circuit: Circuit) -> int:
        """Two for each gate that can matter, and one more."""
        return 2 * len(occurrences(circuit).active) + 1

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
        apart = occurrences(circuit)
        n_settings, n_gates = 2 * len(apart.active) + 1, len(apart.owners)
        shifts = np.zeros((n_settings, n_gates))
        for i, gate in enumerate(apart.active):
            shifts[2 * i + 1, gate], shifts[2 * i + 2, gate] = np.pi / 2, -np.pi / 2
        # Angles, and a shot's bits with what NumPy makes of its outcome.
        one = n_settings * (8 * n_gates + self.shots * (circuit.n_qubits + 40))
        _core.check_memory(f"{n_settings} settings of {self.shots} shots", one)
        at_once = max(1, _BLOCK_BYTES // one)
        weigh = None
        if self.mitigation is not None:
            weigh = self.mitigation.calibrated(self.sampler, apart.circuit, seed)
        nll, regularizer = np.empty(len(params)), np.empty(len(params))
        gradient = np.zeros_like(params)
        for first in range(0, len(params), at_once):
            unshifted = params[first : first + at_once, None, apart.owners] * apart.scales
            angles = unshifted + shifts
            streams = Streams(
                seed,
                step,
                np.repeat(first_init + np.arange(first, first + len(angles)), n_settings),
                np.tile(np.arange(n_settings), len(angles)),
            )
            batch = angles.reshape(-1, n_gates)
            bits = self.sampler.sample(apart.circuit, batch, self.shots, streams)
            bits = bits.reshape(len(angles), n_settings, -1, circuit.n_qubits)
            for i, (unshifted, *_), shifted in zip(
                range(first, len(params)), bits, bits[:, 1:], strict=False
            ):
                nll[i], regularizer[i] = _samples.estimate(term, unshifted, weigh)
                pulls = _samples.pulls(term, shifted, unshifted, weigh)
                ahead, behind = pulls.reshape(-1, 2).T
                slopes = apart.scales[apart.active] * (ahead - behind) / 2
                np.add.at(gradient[i], apart.owners[apart.active], slopes)
        return Evaluation(nll, regularizer, gradient)

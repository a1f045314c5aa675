"""Training: all initialisations in one batch."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qhypernet import _check, gradients
from qhypernet._callbacks import Together, parts
from qhypernet._checkpoint import Checkpoint
from qhypernet._loop import Interrupted, Loop
from qhypernet._step import Callback, TrainingStep
from qhypernet._truth import distributions
from qhypernet.circuits import Circuit, State
from qhypernet.objectives import Objective
from qhypernet.optimizers import Adam, Optimizer
from qhypernet.priors import BernoulliPrior
from qhypernet.problems import Problem, table_of
from qhypernet.schedules import Schedule
from qhypernet.stopping import EarlyStopping

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Callback", "DivergedError", "Interrupted", "TrainingResult", "TrainingStep", "train"]


class DivergedError(ValueError):
    """No initialisation is left that has not diverged.

    ``result`` holds what there is: the last parameters that were finite, and the history up to
    there.
    """

    def __init__(self, message: str, result: TrainingResult) -> None:
        super().__init__(message)
        self.result = result


@dataclass(frozen=True)
class TrainingResult:
    """What training leaves: parameters and their history."""

    circuit: Circuit
    params: NDArray[np.float64]
    """Final angles in radians, shape (n_inits, P)."""
    history: xr.Dataset
    """Dims (init, step), nats: ``objective``, its parts ``expected_nll`` and ``regularizer`` (with
    its weight), the Euclidean ``gradient_norm``; dim (step): ``weight`` and ``learning_rate``; dim
    (init): ``failed``, ``steps_taken``. Values at step t are those before the t-th update, NaN from
    the step on at which an initialisation failed. With ``ground_truth`` also dims (init,
    truth_step): ``kl`` to the exact posterior in nats, which is the ELBO's gap to the evidence, and
    ``total_variation``, after ``truth_step`` updates."""
    seed: int
    """The seed, drawn if none was given."""
    failed: NDArray[np.bool_]
    """Initialisations that diverged and were set aside, shape (n_inits,): their ``params`` are the
    last that were finite."""
    seconds: float
    """Time that the steps took, with those before an interruption."""

    def simulate(self) -> State:
        """The trained states, a batch of n_inits."""
        return self.circuit.simulate(self.params)

    def probabilities(self) -> NDArray[np.float64]:
        """The trained distributions over networks, shape (n_inits, 2**n)."""
        return self.simulate().probabilities()

    def distributions(self) -> Iterator[NDArray[np.float64]]:
        """The same in blocks of starts, shapes (m, 2**n), of which each takes little memory."""
        return distributions(self.circuit, self.params)


def train(
    circuit: Circuit,
    table_or_problem: ArrayLike | Problem,
    objective: Objective,
    *,
    n_inits: int = 100,
    n_steps: int = 200,
    optimizer: Optimizer | None = None,
    gradient: str | gradients.Gradient = "exact",
    shots: int | None = None,
    start: str | ArrayLike = "random",
    prior: BernoulliPrior | None = None,
    seed: int | None = 0,
    first_init: int = 0,
    batch_size: int | None = None,
    stopping: EarlyStopping | None = None,
    ground_truth: int | None = None,
    callback: Callback | Iterable[Callback] | None = None,
    validation: Problem | None = None,
    progress: bool | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
) -> TrainingResult:
    """Trains a circuit's angles from many starts at once.

    Args:
        circuit: As many qubits as there are weights.
        table_or_problem: The log-likelihood of every network in nats, shape (2**n,), or a
            :class:`Problem`, whose table is then worked out.
        objective: :class:`MLE`, :class:`ELBO`, :class:`SELBO`, another divergence to the prior in
            their place (:mod:`qhypernet.objectives`), or an :class:`Objective` of your own.
        n_inits: Independent initialisations, trained as one batch.
        n_steps: Updates, at most; :class:`LBFGSB` counts evaluations.
        optimizer: :class:`Adam`, :class:`SGD` or :class:`LBFGSB`; None is ``Adam(0.1)``.
        gradient: "exact", "sampled" from ``shots`` simulated measurements a step,
            "parameter_shift" or "spsa" from ``shots`` measurements of each setting as a device
            would give them, or one of :mod:`qhypernet.gradients` with its own arguments.
        shots: For the name of a gradient that measures; at least 3 if sampled, else 2.
        start: "random", "near_uniform", "near_identity", or parameters of shape (n_inits, P).
        prior: None is the uniform prior.
        seed: The same seed gives the same bits on any number of threads. None draws one, which the
            result tells.
        first_init: The first initialisation's number. Starts and shots are named by seed and
            number, so 6 initialisations from the fourth on are the last of 10, bit for bit.
        batch_size: Points of a step, drawn anew each time and weighted so that the objective's mean
            is that of all points; None takes all. Needs a :class:`Problem`.
        stopping: When an initialisation has trained enough; None trains all steps.
        ground_truth: Look how far the exact posterior is after every so many steps, from none to
            the last.
        callback: Called with a :class:`TrainingStep` after each step, or several in a list
            (:mod:`qhypernet.callbacks`); training ends where one returns True.
        validation: Points that are not trained on, for callbacks to look at.
        progress: Whether to show a progress bar; None shows it where someone can see it.
        checkpoint: A file to save to now and then, when interrupted, and at the end. If it is there
            already and belongs to the same training, training goes on from it, bit for bit as if
            it had never stopped.

    Returns:
        Parameters and history. An initialisation whose objective, gradient or parameters are no
        longer finite is set aside with a warning; the others go on, bit for bit as if it had not
        been there.

    Raises:
        ValueError: Arguments that do not fit together, or a checkpoint of another training.
        DivergedError: No initialisation is left that has not diverged.
        MemoryError: The simulation does not fit.
        Interrupted: Ctrl-C, after the step that was under way; or a sampler has no more samples for
            now. With ``checkpoint`` all steps so far are saved.

    Example:
        >>> import qhypernet as qh
        >>> X, y = [[0.0], [1.0]], [0, 1]
        >>> net = qh.BinaryNetwork((1, 1))
        >>> circuit = qh.ansatz.hardware_efficient(net.n_weights, n_layers=2)
        >>> r = qh.train(circuit, qh.Problem(net, X, y), qh.ELBO(), n_inits=3, n_steps=50)
        >>> r.params.shape, dict(r.history.sizes)
        ((3, 8), {'init': 3, 'step': 50})
    """
    table = table_of(table_or_problem)
    if not isinstance(objective, Objective):
        raise TypeError(
            f"objective: expected an objective such as ELBO() or SELBO(), got {objective!r}"
        )
    if not isinstance(circuit, Circuit):
        raise TypeError(f"circuit: expected a Circuit, got {circuit!r}")
    optimizer = Adam() if optimizer is None else optimizer
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"optimizer: expected one such as Adam(0.1) or None, got {optimizer!r}")
    if stopping is not None and not isinstance(stopping, EarlyStopping):
        raise TypeError(f"stopping: expected EarlyStopping(...) or None, got {stopping!r}")
    if table.shape != (2**circuit.n_qubits,):
        raise ValueError(
            f"circuit: expected as many qubits as weights, a table of {2**circuit.n_qubits} "
            f"entries for {circuit.n_qubits} qubits, got a table of shape {table.shape}"
        )
    if not circuit.n_params:
        raise ValueError("circuit: expected at least one free parameter to train, got none")
    prior = BernoulliPrior(circuit.n_qubits) if prior is None else prior
    if not isinstance(prior, BernoulliPrior):
        raise TypeError(f"prior: expected a BernoulliPrior or None, got {prior!r}")
    if prior.n != circuit.n_qubits:
        raise ValueError(f"prior: expected {circuit.n_qubits} weights, got {prior.n}")
    kept = None if checkpoint is None else _checkpoint(checkpoint)
    if ground_truth is not None:
        _check.integer("ground_truth", ground_truth, 1)
    callbacks = callback if isinstance(callback, Together) else Together(callback)
    found = gradients.chosen(gradient, shots, objective)
    problem = table_or_problem if isinstance(table_or_problem, Problem) else None
    if batch_size is not None:
        _check_batches(batch_size, problem, objective)
    if not optimizer.is_noise_proof:
        _check_exact(optimizer, objective, found, batch_size)
    loop = Loop(
        circuit=circuit,
        table=table,
        problem=problem,
        prior=prior,
        objective=objective,
        optimizer=optimizer,
        gradient=found,
        n_inits=_check.integer("n_inits", n_inits, 1),
        n_steps=_check.integer("n_steps", n_steps, 1),
        start=start,
        seed=_check.seed(seed),
        first_init=_check.integer("first_init", first_init, 0, 2**53),
        batch_size=batch_size,
        stopping=stopping,
        ground_truth=ground_truth,
        data=parts(circuit, problem, validation),
    )
    loop.run(progress, kept, callbacks)
    result = TrainingResult(
        circuit, loop.result(), loop.dataset(), loop.seed, loop.failed, loop.seconds
    )
    if loop.failed.all():
        raise DivergedError(loop.all_lost(), result)
    if loop.failed.any():
        warnings.warn(loop.lost(), RuntimeWarning, stacklevel=2)
    return result


def _checkpoint(path: str | os.PathLike[str]) -> Checkpoint:
    kept = path if isinstance(path, Checkpoint) else Checkpoint(path)
    if kept.path.is_dir() or not kept.path.parent.is_dir():
        raise ValueError(f"checkpoint: expected a file in a folder that exists, got {kept.path}")
    return kept


def _check_batches(size: int, problem: Problem | None, objective: Objective) -> None:
    if problem is None:
        raise ValueError(
            "batch_size: expected None with a table, which has no points, or a Problem in its place"
        )
    _check.integer("batch_size", size, 1, len(problem.X))
    if not objective.takes_minibatches:
        raise ValueError(
            f"batch_size: expected None with {type(objective).__name__}, which minibatches bias, "
            f"got {size}"
        )


def _check_exact(
    optimizer: Optimizer,
    objective: Objective,
    gradient: gradients.Gradient,
    batch_size: int | None,
) -> None:
    name = type(optimizer).__name__
    if gradient.min_shots is not None or batch_size is not None:
        source = f'gradient="{gradient.name}"' if batch_size is None else f"batch_size={batch_size}"
        raise ValueError(
            f"optimizer: expected Adam or SGD with {source}, got {name}, whose line searches need "
            "the exact objective"
        )
    if isinstance(objective.weight, Schedule):
        raise ValueError(
            f"optimizer: expected Adam or SGD with a weight that changes, {objective.weight}, got "
            f"{name}, whose line searches need one that stays; train first with Adam and go on "
            "from there with start=r.params"
        )

"""The training loop: all initialisations in one batch."""

from __future__ import annotations

import hashlib
import json
import math
import os
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qhypernet import _check, _core, gradients, schedules, starts, storage
from qhypernet._interrupt import Interrupts
from qhypernet._progress import TrainingProgress
from qhypernet.circuits import Circuit, State
from qhypernet.gradients._base import Term
from qhypernet.objectives import Objective, Target
from qhypernet.optimizers import Adam, Arrays
from qhypernet.priors import BernoulliPrior
from qhypernet.problems import Problem

if TYPE_CHECKING:
    import xarray as xr

_HISTORY = ("objective", "expected_nll", "regularizer", "gradient_norm")
_SECONDS_BETWEEN_CHECKPOINTS = 20.0
_BLOCK_BYTES = 2**26


class Interrupted(KeyboardInterrupt):
    """Training was asked to stop; the message says what was saved and how to go on."""


@dataclass(frozen=True)
class TrainingResult:
    """What training leaves: parameters and their history."""

    circuit: Circuit
    params: NDArray[np.float64]
    """Final angles in radians, shape (n_inits, P)."""
    history: xr.Dataset
    """Dims (init, step), nats: ``objective``, its parts ``expected_nll`` and ``regularizer`` (with
    its weight), the Euclidean ``gradient_norm``; dim (step): ``weight`` and ``learning_rate``; dim
    (init): ``failed``. Values at step t are those before the t-th update, NaN from the step on at
    which an initialisation failed."""
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
        at_once = max(1, _BLOCK_BYTES // 2 ** (self.circuit.n_qubits + 3))
        for first in range(0, len(self.params), at_once):
            block = self.params[first : first + at_once]
            yield self.circuit.simulate(block).probabilities()


def train(
    circuit: Circuit,
    table_or_problem: ArrayLike | Problem,
    objective: Objective,
    *,
    n_inits: int = 100,
    n_steps: int = 200,
    optimizer: Adam | None = None,
    gradient: str | gradients.Gradient = "exact",
    shots: int | None = None,
    start: str | ArrayLike = "random",
    prior: BernoulliPrior | None = None,
    seed: int | None = 0,
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
        n_steps: Updates.
        optimizer: None is ``Adam(0.1)``.
        gradient: "exact", "sampled" from ``shots`` simulated measurements a step,
            "parameter_shift" or "spsa" from ``shots`` measurements of each setting as a device
            would give them, or one of :mod:`qhypernet.gradients` with its own arguments.
        shots: For the name of a gradient that measures; at least 3 if sampled, else 2.
        start: "random", "near_uniform", "near_identity", or parameters of shape (n_inits, P).
        prior: None is the uniform prior.
        seed: The same seed gives the same bits on any number of threads. None draws one, which the
            result tells.
        progress: Whether to show a progress bar; None shows it where someone can see it.
        checkpoint: A file to save to now and then, when interrupted, and at the end. If it is there
            already and belongs to the same training, training goes on from it, bit for bit as if
            it had never stopped.

    Returns:
        Parameters and history. An initialisation whose objective, gradient or parameters are no
        longer finite is set aside with a warning; the others go on, bit for bit as if it had not
        been there.

    Raises:
        ValueError: Arguments that do not fit together, a checkpoint of another training, or no
            initialisation left that has not diverged.
        MemoryError: The simulation does not fit.
        Interrupted: Ctrl-C; the step was finished and, with ``checkpoint``, saved.

    Example:
        >>> import qhypernet as qh
        >>> X, y = [[0.0], [1.0]], [0, 1]
        >>> net = qh.BinaryNetwork((1, 1))
        >>> circuit = qh.ansatz.hardware_efficient(net.n_weights, n_layers=2)
        >>> r = qh.train(circuit, qh.Problem(net, X, y), qh.ELBO(), n_inits=3, n_steps=50)
        >>> r.params.shape, dict(r.history.sizes)
        ((3, 8), {'init': 3, 'step': 50})
    """
    if isinstance(table_or_problem, Problem):
        table = table_or_problem.table
    else:
        table = _check.floats("table", table_or_problem, shape="(2**n,)")
    if not isinstance(objective, Objective):
        raise TypeError(
            f"objective: expected an objective such as ELBO() or SELBO(), got {objective!r}"
        )
    if not isinstance(circuit, Circuit):
        raise TypeError(f"circuit: expected a Circuit, got {circuit!r}")
    if optimizer is not None and not isinstance(optimizer, Adam):
        raise TypeError(f"optimizer: expected Adam(...) or None, got {optimizer!r}")
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
    path = None if checkpoint is None else Path(checkpoint)
    if path is not None and (path.is_dir() or not path.parent.is_dir()):
        raise ValueError(f"checkpoint: expected a file in a folder that exists, got {path}")
    loop = _Loop(
        circuit=circuit,
        table=table,
        prior=prior,
        objective=objective,
        optimizer=optimizer or Adam(),
        gradient=gradients.chosen(gradient, shots, objective),
        n_inits=_check.integer("n_inits", n_inits, 1),
        n_steps=_check.integer("n_steps", n_steps, 1),
        start=start,
        seed=_check.seed(seed),
    )
    loop.run(progress, path)
    if loop.failed.any():
        warnings.warn(loop.lost(), RuntimeWarning, stacklevel=2)
    return TrainingResult(
        circuit, loop.params, loop.dataset(), loop.seed, loop.failed, loop.seconds
    )


@dataclass
class _Loop:
    """A training under way: what it was asked for, and how far it has come."""

    circuit: Circuit
    table: NDArray[np.float64]
    prior: BernoulliPrior
    objective: Objective
    optimizer: Adam
    gradient: gradients.Gradient
    n_inits: int
    n_steps: int
    start: str | ArrayLike
    seed: int

    def __post_init__(self) -> None:
        shape = (self.n_inits, self.circuit.n_params)
        if isinstance(self.start, str):
            self.params = starts.start(self.circuit, self.start, self.n_inits, self.seed)
        else:
            self.params = _check.floats("start", self.start, shape=str(shape)).copy()
            if self.params.shape != shape:
                raise ValueError(f"start: expected shape {shape}, got {self.params.shape}")
        self.fingerprint = self._fingerprint()
        n_values = self.n_inits * self.n_steps * len(_HISTORY)
        _core.check_memory("the history", 8 * min(n_values, 2**58))
        self.state: Arrays = self.optimizer.start(self.params)
        # Step by step, so that each step writes one place; labelled the other way round.
        self.history = np.full((self.n_steps, len(_HISTORY), self.n_inits), np.nan)
        self.failed = np.zeros(self.n_inits, dtype=bool)
        self.seconds = 0.0
        self.done = 0

    def run(self, progress: bool | None, checkpoint: Path | None) -> None:
        """Runs the steps that are left."""
        if checkpoint is not None and checkpoint.exists():
            self._restore(checkpoint)
        problem = _core.Problem(self.table, self.prior.p_plus)
        target = Target(-self.table, self.prior)
        bar = TrainingProgress(progress, self.n_steps, self.done)
        saved = time.monotonic()
        self._began = saved - self.seconds
        # Overflow is looked for after each step, and reported with it.
        quiet = np.errstate(over="ignore", invalid="ignore")
        with Interrupts() as interrupts, bar, quiet:
            while self.done < self.n_steps:
                weight = schedules.at(self.objective.weight, self.done, self.n_steps)
                self._step(problem, Term(self.objective, target, weight))
                bar.update(self.history[self.done - 1, 0, ~self.failed])
                if interrupts.asked:
                    raise Interrupted(self._stop(checkpoint))
                due = time.monotonic() - saved > _SECONDS_BETWEEN_CHECKPOINTS
                if checkpoint is not None and due:
                    self._save(checkpoint)
                    saved = time.monotonic()
        self.seconds = time.monotonic() - self._began
        if checkpoint is not None:
            self._save(checkpoint)

    def lost(self) -> str:
        """Which initialisations have failed, and what to do about it."""
        which = np.flatnonzero(self.failed).tolist()
        return (
            f"training diverged in {len(which)} of {self.n_inits} initialisations, which were set "
            f"aside: {which}; lower the learning rate or the weight"
        )

    def dataset(self) -> xr.Dataset:
        """The history, labelled."""
        import xarray as xr

        steps = range(self.n_steps)
        by_step = {
            "weight": [schedules.at(self.objective.weight, t, self.n_steps) for t in steps],
            "learning_rate": [
                schedules.at(self.optimizer.learning_rate, t, self.n_steps) for t in steps
            ],
        }
        dataset = xr.Dataset(
            self._labelled_history()
            | {name: (("step",), values) for name, values in by_step.items()}
            | {"failed": (("init",), self.failed)},
            coords={"init": np.arange(self.n_inits), "step": np.arange(self.n_steps)},
        )
        for name in ("objective", "expected_nll", "regularizer"):
            dataset[name].attrs["units"] = "nats"
        return dataset

    def _step(self, problem: _core.Problem, term: Term) -> None:
        found = self.gradient(
            self.circuit, problem, term, self.params, seed=self.seed, step=self.done
        )
        objective, expected_nll, regularizer, gradient_norm = self.history[self.done]
        part = found.expected_nll if self.objective.has_expected_nll else 0.0
        np.add(part, found.regularizer, out=objective)
        expected_nll[:] = found.expected_nll
        regularizer[:] = found.regularizer
        np.sqrt((found.gradient * found.gradient).sum(axis=1), out=gradient_norm)
        moved, self.state = self.optimizer.step(
            self.params, found.gradient, self.state, self.done, self.n_steps
        )
        # A sum is quicker than a look at each, and finite only if all are.
        if not math.isfinite(objective.sum() + gradient_norm.sum() + moved.sum()):
            finite = np.isfinite(objective) & np.isfinite(gradient_norm)
            self.failed |= ~(finite & np.isfinite(moved).all(axis=1))
            if self.failed.all():
                raise ValueError(
                    f"training diverged at step {self.done + 1} in all {self.n_inits} "
                    "initialisations; lower the learning rate or the weight"
                )
        if self.failed.any():  # Rows that are set aside stay where they are.
            moved[self.failed] = self.params[self.failed]
            for values in self.state.values():
                values[self.failed] = 0.0
            self.history[self.done][:, self.failed] = np.nan
        self.params = moved
        self.done += 1

    def _labelled_history(self) -> dict[str, tuple[tuple[str, str], NDArray[np.float64]]]:
        """The history of the steps that are done: dims and values."""
        done = self.history[: self.done]
        return {
            name: (("init", "step"), np.ascontiguousarray(done[:, i].T))
            for i, name in enumerate(_HISTORY)
        }

    def _stop(self, checkpoint: Path | None) -> str:
        if checkpoint is None:
            return f"stopped after step {self.done} of {self.n_steps}; nothing was saved"
        self._save(checkpoint)
        return (
            f"stopped after step {self.done} of {self.n_steps} and saved to {checkpoint}; "
            "the same call goes on from there"
        )

    def _fingerprint(self) -> str:
        """A hash of everything that decides the result."""
        parts = {
            "version": _core.__version__,
            "circuit": self.circuit.fingerprint,
            "table": hashlib.sha256(self.table.tobytes()).hexdigest(),
            "prior": self.prior.p_plus.tolist(),
            "objective": repr(self.objective),
            "bandwidths": self.objective.bandwidths(self.prior.n),
            "weight": repr(self.objective.weight),
            "optimizer": repr(self.optimizer),
            "gradient": repr(self.gradient),
            "start": hashlib.sha256(self.params.tobytes()).hexdigest(),
            "steps": self.n_steps,
            "seed": self.seed,
        }
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    def _save(self, path: Path) -> None:
        import xarray as xr

        arrays = {"params": self.params, **{f"state_{k}": v for k, v in self.state.items()}}
        dataset = xr.Dataset(
            {name: (("init", "param"), values) for name, values in arrays.items()}
            | self._labelled_history()
            | {"failed": (("init",), self.failed)},
            attrs={"fingerprint": self.fingerprint, "seconds": time.monotonic() - self._began},
        )
        storage.write_dataset(path, dataset)

    def _restore(self, path: Path) -> None:
        try:
            saved = storage.read_dataset(path)
        except ValueError as error:
            raise ValueError(f"checkpoint: {error}; remove it to start again") from None
        if saved.attrs.get("fingerprint") != self.fingerprint:
            raise ValueError(
                f"checkpoint: expected {path} to hold this training, got one of another "
                "configuration, data, seed or version; name another file or remove that one"
            )
        self.params = saved["params"].values
        self.state = {name: saved[f"state_{name}"].values for name in self.state}
        self.failed = saved["failed"].values.astype(bool)
        self.seconds = float(saved.attrs["seconds"])
        self.done = saved.sizes["step"]
        for i, name in enumerate(_HISTORY):
            self.history[: self.done, i] = saved[name].values.T

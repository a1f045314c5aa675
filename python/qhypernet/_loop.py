"""A training under way: its steps, what it remembers of them, and its checkpoint."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qhypernet import _check, _core, schedules, starts, storage
from qhypernet._callbacks import Together
from qhypernet._checkpoint import Checkpoint
from qhypernet._interrupt import Interrupts
from qhypernet._minibatches import minibatch_table
from qhypernet._progress import TrainingProgress
from qhypernet._step import TrainingStep
from qhypernet._stretch import Stretches, stretches
from qhypernet._truth import DISTANCES, GroundTruth
from qhypernet.circuits import Circuit
from qhypernet.gradients import Evaluation, Gradient
from qhypernet.gradients._base import Term
from qhypernet.objectives import Objective, Target
from qhypernet.optimizers import Optimizer
from qhypernet.priors import BernoulliPrior
from qhypernet.problems import Problem
from qhypernet.samplers import Paused
from qhypernet.stopping import EarlyStopping, Watch

if TYPE_CHECKING:
    import xarray as xr

_HISTORY = ("objective", "expected_nll", "regularizer", "gradient_norm")
_SECONDS_BETWEEN_CHECKPOINTS = 20.0


class Interrupted(KeyboardInterrupt):
    """Training was asked to stop; the message says what was saved and how to go on."""


@dataclass
class Loop:
    """A training: what it was asked for, and how far it has come."""

    circuit: Circuit
    table: NDArray[np.float64]
    problem: Problem | None
    prior: BernoulliPrior
    objective: Objective
    optimizer: Optimizer
    gradient: Gradient
    n_inits: int
    n_steps: int
    start: str | ArrayLike
    seed: int
    first_init: int
    batch_size: int | None
    stopping: EarlyStopping | None
    ground_truth: int | None
    data: dict[str, Problem]

    def __post_init__(self) -> None:
        shape = (self.n_inits, self.circuit.n_params)
        if isinstance(self.start, str):
            self.params = starts.start(
                self.circuit, self.start, self.n_inits, self.seed, self.first_init
            )
        else:
            self.params = _check.floats("start", self.start, shape=str(shape)).copy()
            if self.params.shape != shape:
                raise ValueError(f"start: expected shape {shape}, got {self.params.shape}")
        self.fingerprint = self._fingerprint()
        n_values = self.n_inits * self.n_steps * len(_HISTORY)
        _core.check_memory("the history", 8 * min(n_values, 2**58))
        self.descent = self.optimizer.begin(self.params, self.n_steps)
        # Step by step, so that each step writes one place; labelled the other way round.
        self.history = np.full((self.n_steps, len(_HISTORY), self.n_inits), np.nan)
        self.failed = np.zeros(self.n_inits, dtype=bool)
        self.stopped = np.zeros(self.n_inits, dtype=bool)
        # Neither failed nor stopped; the others came to rest after so many steps.
        self.live, self.n_live = np.ones(self.n_inits, dtype=bool), self.n_inits
        self.rested = np.zeros(self.n_inits, dtype=np.int64)
        self.watch = Watch(self.stopping, self.n_inits) if self.stopping else None
        every = self.ground_truth
        self.truth = None if every is None else GroundTruth(self.table, self.prior, every)
        self.seconds = 0.0
        self._ended: float | None = None
        self.done = 0

    def run(
        self, progress: bool | None, checkpoint: Checkpoint | None, callbacks: Together
    ) -> None:
        """Runs the steps that are left."""
        if checkpoint is not None and checkpoint.path.exists():
            self._restore(checkpoint.path)
        self._whole = self._target(self.table)
        weight = schedules.at(self.objective.weight, self.done, self.n_steps)
        self._term = Term(self.objective, self._whole[0], weight)
        self._stretches = self._begin_stretches(callbacks)
        bar = TrainingProgress(progress, self.n_steps, self.done)
        saved = time.monotonic()
        self._began = saved - self.seconds
        enough = False
        # Overflow is looked for after each step, and reported with it.
        quiet = np.errstate(over="ignore", invalid="ignore")
        with Interrupts() as interrupts, bar, quiet, callbacks:
            while self.done < self.n_steps and self.n_live and not enough:
                if self.truth is not None:
                    self.truth.look(self.circuit, self.result(), self.done)
                try:
                    self._advance()
                except Paused as pause:
                    raise Interrupted(f"{pause}; {self._stop(checkpoint)}") from pause
                if not self.n_live and self.failed.all():
                    return
                bar.update(self.done, self.history[self.done - 1, 0], self.failed)
                enough = bool(callbacks) and callbacks(self._shown())
                if interrupts.asked:
                    raise Interrupted(self._stop(checkpoint))
                now = time.monotonic()
                if checkpoint is not None and now - saved > _SECONDS_BETWEEN_CHECKPOINTS:
                    self._save(checkpoint.path)
                    saved = time.monotonic()
            if self.truth is not None:
                self.truth.look(self.circuit, self.result(), self.done, last=True)
        self._ended = time.monotonic()
        self.seconds = self._elapsed()
        if checkpoint is not None:
            checkpoint.end(self._save)

    def result(self) -> NDArray[np.float64]:
        """Angles after the steps so far, shape (n_inits, P)."""
        return self.descent.result(self.params)

    def all_lost(self) -> str:
        """What to say where no initialisation is left."""
        return (
            f"training diverged at step {self.done} in all {self.n_inits} initialisations; lower "
            "the learning rate or the weight"
        )

    def lost(self) -> str:
        """Which initialisations have failed, and what to do about it."""
        which = (self.first_init + np.flatnonzero(self.failed)).tolist()
        return (
            f"training diverged in {len(which)} of {self.n_inits} initialisations, which were set "
            f"aside: {which}; lower the learning rate or the weight"
        )

    def dataset(self) -> xr.Dataset:
        """The history, labelled."""
        import xarray as xr

        steps = range(self.done)
        by_step = {"weight": self.objective.weight, "learning_rate": self.optimizer.rate}
        dataset = xr.Dataset(
            self._labelled_history()
            | {
                name: (("step",), [schedules.at(value, t, self.n_steps) for t in steps])
                for name, value in by_step.items()
                if value is not None
            },
            coords={
                "init": np.arange(self.first_init, self.first_init + self.n_inits),
                "step": np.arange(self.done),
            },
        )
        for name in {"objective", "expected_nll", "regularizer", "kl"} & set(dataset):
            dataset[name].attrs["units"] = "nats"
        return dataset

    def _begin_stretches(self, callbacks: Together) -> Stretches | None:
        """Steps that the core may take by itself, if nobody asks for each of them."""
        if callbacks or self.watch is not None or self.batch_size is not None:
            return None
        return stretches(
            self.circuit,
            self._whole[1],
            self.objective,
            self.gradient,
            self.optimizer,
            n_steps=self.n_steps,
            seed=self.seed,
            first_init=self.first_init,
        )

    def _advance(self) -> None:
        """Several steps, or one where that is not possible."""
        taken = 0
        if self._stretches is not None and self.n_live == self.n_inits:
            end = self.n_steps if self.truth is None else self.truth.next(self.done)
            at_most = min(end, self.n_steps) - self.done
            taken = self._stretches.take(
                self.params, self.descent.arrays, self.history, self.done, at_most
            )
        if taken:
            self.done += taken
        else:
            self._step()

    def _step(self) -> None:
        found = self._evaluate()
        now = self.history[self.done]
        is_finite = _core.record(now, *found, self.objective.has_expected_nll)
        are_all_live = self.n_live == self.n_inits
        if not are_all_live:  # Rows at rest stay as they are, and where they are.
            now[:, ~self.live] = self.history[self.done - 1][:, ~self.live]
        objective = now[0]
        moved = self.descent.step(self.params, objective, found.gradient, self.done)
        if not (are_all_live and is_finite and _core.all_finite(moved)):
            self._set_aside(now, moved)
        if self.watch is not None and self._is_settled():
            self.stopped |= self.watch.stops(objective)
        if self.watch is not None or np.count_nonzero(self.descent.finished):
            self._rest()
        self.params = moved
        self.done += 1

    def _set_aside(self, now: NDArray[np.float64], moved: NDArray[np.float64]) -> None:
        """Gives up rows that are no longer finite; whoever is at rest stays in its place."""
        objective, _, _, gradient_norm = now
        finite = np.isfinite(objective) & np.isfinite(gradient_norm)
        self.failed |= ~(finite & np.isfinite(moved).all(axis=1))
        self.descent.forget(self.failed)
        now[:, self.failed] = np.nan
        still = self.failed | ~self.live
        moved[still] = self.params[still]
        self._rest()

    def _rest(self) -> None:
        """Notes which rows come to rest with this step."""
        self.stopped |= self.descent.finished
        live = ~(self.failed | self.stopped)
        self.rested[self.live & ~live] = self.done + 1
        self.live, self.n_live = live, int(np.count_nonzero(live))

    def _evaluate(self) -> Evaluation:
        """The objective for every row; without those at rest where no stream names rows."""
        target, problem = self._whole
        if self.problem is not None and self.batch_size is not None:
            table = minibatch_table(self.problem, self.batch_size, self.seed, self.done)
            target, problem = self._target(table)
        weight = schedules.at(self.objective.weight, self.done, self.n_steps)
        if self._term.weight != weight or self._term.target is not target:
            self._term = Term(self.objective, target, weight)
        of, live = self.params, self.live
        is_part = self.n_live < self.n_inits and self.gradient.min_shots is None
        found = self.gradient(
            self.circuit,
            problem,
            self._term,
            of[live] if is_part else of,
            seed=self.seed,
            step=self.done,
            first_init=self.first_init,
        )
        if not is_part:
            return found
        nll, regularizer, gradient = np.zeros(len(of)), np.zeros(len(of)), np.zeros_like(of)
        nll[live], regularizer[live] = found.expected_nll, found.regularizer
        gradient[live] = found.gradient
        return Evaluation(nll, regularizer, gradient)

    def _target(self, table: NDArray[np.float64]) -> tuple[Target, _core.Problem]:
        return Target(-table, self.prior), _core.Problem(table, self.prior.p_plus)

    def _is_settled(self) -> bool:
        """Whether neither weight nor learning rate will change from here on."""
        changing = (self.objective.weight, self.optimizer.rate)
        return all(schedules.has_ended(value, self.done, self.n_steps) for value in changing)

    def _shown(self) -> TrainingStep:
        rate = self.optimizer.rate
        objective, expected_nll, regularizer, gradient_norm = self.history[self.done - 1]
        return TrainingStep(
            step=self.done,
            n_steps=self.n_steps,
            params=self.params,
            objective=objective,
            expected_nll=expected_nll,
            regularizer=regularizer,
            gradient_norm=gradient_norm,
            weight=schedules.at(self.objective.weight, self.done - 1, self.n_steps),
            learning_rate=None if rate is None else schedules.at(rate, self.done - 1, self.n_steps),
            circuit=self.circuit,
            data=self.data,
        )

    def _labelled_history(self) -> dict[str, Any]:
        """What is known of the steps that are done: dims and values."""
        done = self.history[: self.done]
        by_name: dict[str, Any] = {
            name: (("init", "step"), np.ascontiguousarray(done[:, i].T))
            for i, name in enumerate(_HISTORY)
        }
        steps_taken = np.where(self.live, self.done, self.rested)
        by_init = {"failed": self.failed, "steps_taken": steps_taken}
        by_name |= {name: (("init",), values) for name, values in by_init.items()}
        if self.truth is not None:
            values = np.array(self.truth.values).reshape(-1, len(DISTANCES), self.n_inits)
            for i, name in enumerate(DISTANCES):
                by_name[name] = (("init", "truth_step"), np.ascontiguousarray(values[:, i].T))
            by_name["truth_step"] = (("truth_step",), np.array(self.truth.steps, dtype=np.int64))
        return by_name

    def _elapsed(self) -> float:
        return (time.monotonic() if self._ended is None else self._ended) - self._began

    def _stop(self, checkpoint: Checkpoint | None) -> str:
        if checkpoint is None:
            return f"stopped after step {self.done} of {self.n_steps}; nothing was saved"
        self._save(checkpoint.path)
        return (
            f"stopped after step {self.done} of {self.n_steps} and saved to {checkpoint.path}; "
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
            "first init": self.first_init,
            "batch size": self.batch_size,
            "stopping": repr(self.stopping),
            "ground truth": self.ground_truth,
        }
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    def _save(self, path: Path) -> None:
        import xarray as xr

        arrays = {f"state_{k}": v for k, v in self.descent.arrays.items()}
        arrays |= {"params": self.params, "stopped": self.stopped}
        if self.watch is not None:
            arrays |= {"lowest": self.watch.lowest, "waited": self.watch.waited}
        dataset = xr.Dataset(
            {
                name: (("init", *(f"{name}_{i}" for i in range(1, values.ndim))), values)
                for name, values in arrays.items()
            }
            | self._labelled_history(),
            attrs={"fingerprint": self.fingerprint, "seconds": self._elapsed()},
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
        self.done = saved.sizes["step"]
        arrays = {name: saved[f"state_{name}"].values for name in self.descent.arrays}
        self.descent.resume(arrays, self.done)
        self.params = saved["params"].values
        self.failed, self.stopped = (saved[k].values.astype(bool) for k in ("failed", "stopped"))
        self.live = ~(self.failed | self.stopped)
        self.n_live = int(np.count_nonzero(self.live))
        self.rested = saved["steps_taken"].values
        if self.watch is not None:
            self.watch.lowest, self.watch.waited = saved["lowest"].values, saved["waited"].values
        if self.truth is not None:
            self.truth.steps = saved["truth_step"].values.tolist()
            self.truth.values = list(np.stack([saved[k].values.T for k in DISTANCES], axis=1))
        self.seconds = float(saved.attrs["seconds"])
        for i, name in enumerate(_HISTORY):
            self.history[: self.done, i] = saved[name].values.T

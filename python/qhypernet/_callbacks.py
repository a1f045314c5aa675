"""Several callbacks as one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from typing import Any

import numpy as np

from qhypernet._step import Callback, TrainingStep
from qhypernet.circuits import Circuit
from qhypernet.problems import Problem


class Together:
    """Calls all of them; training ends where one of them returns True.

    Args:
        callbacks: One, several or none.
        circuit, data: What they are shown in the place of the training's own, if given.

    Raises:
        TypeError: Something that cannot be called.
    """

    def __init__(
        self,
        callbacks: Callback | Iterable[Callback] | None,
        *,
        circuit: Circuit | None = None,
        data: Mapping[str, Problem] | None = None,
    ) -> None:
        if callbacks is None:
            callbacks = ()
        given = [callbacks] if callable(callbacks) else callbacks
        self._callbacks = list(given) if isinstance(given, Iterable) else [given]
        for callback in self._callbacks:
            if not callable(callback) or isinstance(callback, type):
                raise TypeError(
                    "callback: expected a function of a TrainingStep, several in a list or None, "
                    f"got {callback!r}"
                )
        self._circuit, self._data = circuit, data

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self._callbacks)

    def __enter__(self) -> Together:
        with ExitStack() as stack:
            for callback in self._callbacks:
                if isinstance(callback, AbstractContextManager):
                    stack.enter_context(callback)
            self._left = stack.pop_all()
        return self

    def __exit__(self, *exception: Any) -> None:
        self._left.__exit__(*exception)

    def __call__(self, step: TrainingStep) -> bool:
        """Shows all of them the step; whether one of them has had enough."""
        circuit = step.circuit if self._circuit is None else self._circuit
        step = replace(step, circuit=circuit, data=step.data if self._data is None else self._data)
        answers = [callback(step) for callback in self._callbacks]
        # A comparison of NumPy's gives its own kind of True.
        return any(isinstance(answer, bool | np.bool_) and answer for answer in answers)


def parts(
    circuit: Circuit, train: Problem | None, validation: Problem | None
) -> dict[str, Problem]:
    """The points that callbacks can look at, as far as there are any.

    Raises:
        TypeError, ValueError: Points to validate on that do not fit the circuit.
    """
    if validation is not None:
        if not isinstance(validation, Problem):
            raise TypeError(f"validation: expected a Problem or None, got {validation!r}")
        if validation.net.n_weights != circuit.n_qubits:
            raise ValueError(
                f"validation: expected a network of {circuit.n_qubits} weights, one a qubit, got "
                f"one of {validation.net.n_weights}"
            )
    found = {"train": train, "validation": validation}
    return {name: problem for name, problem in found.items() if problem is not None}

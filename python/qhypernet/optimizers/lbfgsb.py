"""L-BFGS-B from SciPy, all initialisations in step."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from queue import SimpleQueue

import numpy as np

from qhypernet import _check, _core
from qhypernet.optimizers._base import Arrays, Descent, Floats, Optimizer


@dataclass(frozen=True)
class LBFGSB(Optimizer):
    """The quasi-Newton method of SciPy (Byrd et al. 1995, SIAM J. Sci. Comput. 16, 1190).

    It needs the exact objective and a weight that stays as it is. A training step is one
    evaluation of all initialisations that still search; some of them are trials along a line, so
    the objective goes up now and then, and what is kept is the best that was seen. A search ends by
    itself where a step gains less than ``tolerance`` of the objective.

    Args:
        memory: How many steps the curvature is remembered for.
        tolerance: SciPy's ``ftol``, relative.

    Example:
        >>> import numpy as np, qhypernet as qh
        >>> circuit = qh.ansatz.hardware_efficient(3, n_layers=3)
        >>> table = np.log([1, 2, 3, 4, 4, 3, 2, 1])
        >>> r = qh.train(circuit, table, qh.ELBO(), n_inits=2, n_steps=99, optimizer=qh.LBFGSB())
        >>> bool((qh.exact_posterior(table).kl_from(r.probabilities()) < 1e-6).all())
        True
    """

    name = "lbfgsb"
    is_noise_proof = False

    memory: int = 10
    tolerance: float = 1e-10

    def __post_init__(self) -> None:
        _check.integer("memory", self.memory, 1)
        _check.number("tolerance", self.tolerance, minimum=0)

    def begin(self, params: Floats, n_steps: int) -> Descent:
        """Begins at ``params``, shape (B, P), for at most ``n_steps`` evaluations."""
        return _Searches(self, params, n_steps)


class _Searches(Descent):
    """SciPy's loops, one a row, each of which waits where it wants to know a value.

    A loop keeps its memory to itself, so what is saved is what it was told: told the same again, it
    is where it was, bit for bit.
    """

    def __init__(self, optimizer: LBFGSB, params: Floats, n_steps: int) -> None:
        n_rows, n_params = params.shape
        bytes_needed = 8 * n_rows * n_steps * (n_params + 1)
        _core.check_memory("the values that L-BFGS-B was told", min(bytes_needed, 2**62))
        self._searches = [_Search(optimizer, row) for row in params]
        self.arrays = {
            "values": np.full((n_rows, n_steps), np.nan),
            "slopes": np.full((n_rows, n_steps, n_params), np.nan),
        }
        self.finished = np.zeros(n_rows, dtype=bool)
        self._best = params.copy()
        self._lowest = np.full(n_rows, np.inf)
        self._at = params.copy()

    def __del__(self) -> None:
        for search in getattr(self, "_searches", ()):
            search.stop()

    def step(self, params: Floats, objective: Floats, gradient: Floats, step: int) -> Floats:
        del params
        self.arrays["values"][:, step] = objective
        self.arrays["slopes"][:, step] = gradient
        for i, (value, slope) in enumerate(zip(objective, gradient, strict=True)):
            if self.finished[i] or not np.isfinite(value):
                continue
            if value < self._lowest[i]:
                self._lowest[i], self._best[i] = value, self._at[i]
            where = self._searches[i].tell(float(value), slope)
            self.finished[i] = where is None
            self._at[i] = self._best[i] if where is None else where
        return self._at.copy()

    def resume(self, arrays: Arrays, steps: int) -> None:
        told = {name: values.copy() for name, values in arrays.items()}
        for step in range(steps):
            self.step(self._at, told["values"][:, step], told["slopes"][:, step], step)

    def result(self, params: Floats) -> Floats:
        # A row that failed before it had a value is left where it is.
        return np.where(np.isfinite(self._lowest)[:, None], self._best, params)


class _Stop(Exception):  # noqa: N818 - nothing is wrong
    """The search is no longer wanted."""


class _Search:
    """One of SciPy's loops, in a thread of its own that runs only while it is being told."""

    def __init__(self, optimizer: LBFGSB, start: Floats) -> None:
        self._told: SimpleQueue[tuple[float, Floats] | None] = SimpleQueue()
        self._wanted: SimpleQueue[Floats | BaseException | None] = SimpleQueue()
        self._optimizer, self._start = optimizer, start.copy()
        threading.Thread(target=self._run, daemon=True).start()
        self._next()

    def tell(self, value: float, gradient: Floats) -> Floats | None:
        """Answers the search; returns where it looks next, or None if it has ended."""
        self._told.put((value, gradient.copy()))
        return self._next()

    def stop(self) -> None:
        """Ends the thread."""
        self._told.put(None)

    def _next(self) -> Floats | None:
        wanted = self._wanted.get()
        if isinstance(wanted, BaseException):
            raise wanted
        return wanted

    def _ask(self, x: Floats) -> tuple[float, Floats]:
        self._wanted.put(x.copy())
        told = self._told.get()
        if told is None:
            raise _Stop
        return told

    def _run(self) -> None:
        from scipy.optimize import minimize

        options = {
            "maxcor": self._optimizer.memory,
            "ftol": self._optimizer.tolerance,
            "gtol": 0.0,
            "maxiter": 2**31 - 1,
            "maxfun": 2**31 - 1,
        }
        try:
            minimize(self._ask, self._start, jac=True, method="L-BFGS-B", options=options)
            self._wanted.put(None)
        except _Stop:
            pass
        except BaseException as error:
            self._wanted.put(error)

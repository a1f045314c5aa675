"""What all baselines have in common: how they are called, and what they leave."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from qhypernet import _check, _core
from qhypernet._streams import stream
from qhypernet.priors import BernoulliPrior
from qhypernet.problems import Problem

if TYPE_CHECKING:
    import xarray as xr

Floats = NDArray[np.float64]
Bits = NDArray[np.uint8]

TABLE_WEIGHTS = 20
"""Networks of so many weights are looked up in the table of all; larger ones are worked out."""
_BLOCK_BYTES = 2**22


class Samples(NamedTuple):
    """Weighted networks of each initialisation."""

    bits: Bits
    """Shape (n_inits, S, n)."""
    weights: Floats
    """They sum to 1; shape (n_inits, S), NaN for an initialisation that failed."""
    log_q: Floats
    """log q of each in nats, shape (n_inits, S); NaN where the method does not know it."""


@dataclass(frozen=True)
class Task:
    """What a block of initialisations is fitted to."""

    problem: Problem
    prior: BernoulliPrior
    seed: int
    inits: range

    def streams(self, purpose: str) -> list[np.random.Generator]:
        """A random stream for each initialisation."""
        return [stream(self.seed, purpose, init) for init in self.inits]

    def log_likelihood(self, bits: Bits) -> Floats:
        """Of networks (..., n), in nats."""
        n = bits.shape[-1]
        if n <= TABLE_WEIGHTS:
            return np.asarray(self.problem.table[indices_of(bits)])
        rows = bits.reshape(-1, n)
        values = self.problem.net.log_likelihood(rows, self.problem.X, self.problem.y)
        return values.reshape(bits.shape[:-1])

    def log_joint(self, bits: Bits) -> Floats:
        """Log-likelihood plus log prior of networks (..., n), in nats."""
        p = self.prior.p_plus
        log_prior = np.where(bits == 0, np.log(p), np.log1p(-p)).sum(axis=-1)
        return np.asarray(self.log_likelihood(bits) + log_prior)


@dataclass(frozen=True)
class Fit:
    """What a block of initialisations leaves; every first axis is theirs."""

    arrays: dict[str, NDArray[np.generic]]
    """``params`` of a distribution, or ``bits`` and ``weights`` of networks."""
    history: dict[str, Floats]
    """Shape (b, steps), or (b,) for what there is one of."""
    failed: NDArray[np.bool_]


class Baseline(ABC):
    """A classical way to a distribution over networks; its fields are its settings."""

    def fit(
        self,
        problem: Problem,
        *,
        n_inits: int = 12,
        seed: int | None = 0,
        prior: BernoulliPrior | None = None,
    ) -> BaselineResult:
        """Fits ``n_inits`` independent initialisations.

        Initialisation i depends on the seed and on i only. One whose numbers are no longer finite
        is set aside: ``failed`` says so, and the others go on.

        Args:
            problem: Network and data.
            n_inits: Independent initialisations (restarts, chains).
            seed: The same seed gives the same bits on any number of threads. None draws one, which
                the result tells.
            prior: None is the uniform prior.

        Raises:
            ValueError: Settings that do not fit the problem.
            MemoryError: The table of all networks is needed and does not fit.
        """
        if not isinstance(problem, Problem):
            raise TypeError(f"problem: expected a Problem, got {problem!r}")
        n = problem.net.n_weights
        prior = BernoulliPrior(n) if prior is None else prior
        if not isinstance(prior, BernoulliPrior):
            raise TypeError(f"prior: expected a BernoulliPrior or None, got {prior!r}")
        if prior.n != n:
            raise ValueError(f"prior: expected {n} weights as in the network, got {prior.n}")
        n_inits = _check.integer("n_inits", n_inits, 1)
        seed = _check.seed(seed)
        from threadpoolctl import threadpool_limits

        began = time.perf_counter()
        at_once = max(1, _BLOCK_BYTES // self._bytes(problem))
        blocks = [
            range(first, min(first + at_once, n_inits)) for first in range(0, n_inits, at_once)
        ]
        # Sums of BLAS can depend on its number of threads. Overflow is looked for in results.
        with threadpool_limits(1), np.errstate(over="ignore", invalid="ignore"):
            fits = [self._fit(Task(problem, prior, seed, inits)) for inits in blocks]
        fit = Fit(
            {k: np.concatenate([f.arrays[k] for f in fits]) for k in fits[0].arrays},
            {k: np.concatenate([f.history[k] for f in fits]) for k in fits[0].history},
            np.concatenate([f.failed for f in fits]),
        )
        history = self._dataset(fit)
        seconds = time.perf_counter() - began
        return BaselineResult(self, problem, prior, seed, history, fit.failed, seconds, fit.arrays)

    @abstractmethod
    def _fit(self, task: Task) -> Fit:
        """Fits a block of initialisations."""

    def _bytes(self, problem: Problem) -> int:
        """Memory that one initialisation takes, which bounds the size of a block."""
        return 8 * problem.net.n_weights

    def _dataset(self, fit: Fit) -> xr.Dataset:
        """The history, labelled."""
        import xarray as xr

        dataset = xr.Dataset(
            {k: (("init", "step")[: v.ndim], v) for k, v in fit.history.items()}
            | {"failed": (("init",), fit.failed)}
        )
        dataset = dataset.assign_coords({d: np.arange(n) for d, n in dataset.sizes.items()})
        for name in ("objective", "expected_nll", "regularizer", "log_joint", "best"):
            if name in dataset:
                dataset[name].attrs["units"] = "nats"
        return dataset.assign_attrs(baseline=repr(self))

    def _probabilities(
        self, arrays: dict[str, NDArray[np.generic]], problem: Problem, prior: BernoulliPrior
    ) -> Floats:
        """The distributions of a block over all networks, shape (b, 2**n)."""
        del prior
        n = problem.net.n_weights
        bits, weights = arrays["bits"].astype(np.uint8), arrays["weights"].astype(np.float64)
        rows = zip(indices_of(bits), weights, strict=True)
        return np.stack([np.bincount(i, weights=w, minlength=2**n) for i, w in rows])

    def _samples(self, result: BaselineResult, n_samples: int) -> Samples:
        """Weighted networks of all initialisations."""
        del n_samples
        bits, weights = (result.arrays[name] for name in ("bits", "weights"))
        known = 0.0 if bits.shape[1] == 1 else np.nan
        return Samples(
            bits.astype(np.uint8), weights.astype(np.float64), np.full(weights.shape, known)
        )


@dataclass(frozen=True, eq=False)
class BaselineResult:
    """What a baseline leaves: a distribution over networks for each initialisation."""

    baseline: Baseline
    """The method with its settings."""
    problem: Problem
    prior: BernoulliPrior
    seed: int
    """The seed, drawn if none was given."""
    history: xr.Dataset
    """Dims (init, step); NaN from the step on at which an initialisation failed."""
    failed: NDArray[np.bool_]
    """Which initialisations were set aside, shape (n_inits,)."""
    seconds: float
    """Wall-clock time of the fit, the table's first calculation included."""
    arrays: dict[str, NDArray[np.generic]]
    """``params`` (n_inits, P) of a distribution, or ``bits`` (n_inits, S, n) of networks and their
    ``weights`` (n_inits, S)."""

    def probabilities(self) -> Floats:
        """The distributions over all networks, shape (n_inits, 2**n); NaN where a start failed.

        Raises:
            MemoryError: They do not fit.
        """
        n = self.problem.net.n_weights
        _core.check_memory(
            f"{len(self.failed)} distributions over {n} weights",
            len(self.failed) * 2 ** min(n + 5, 58),
        )
        return np.concatenate(list(self.distributions()))

    def distributions(self) -> Iterator[Floats]:
        """The same in blocks of starts, shapes (m, 2**n), of which each takes little memory."""
        at_once = max(1, _BLOCK_BYTES // 2 ** (self.problem.net.n_weights + 3))
        for first in range(0, len(self.failed), at_once):
            rows = slice(first, first + at_once)
            block = {name: values[rows] for name, values in self.arrays.items()}
            q = self.baseline._probabilities(block, self.problem, self.prior)
            q[self.failed[rows]] = np.nan
            yield q

    def samples(self, n_samples: int = 1000) -> Samples:
        """Weighted networks: those that the method found, or ``n_samples`` draws from its q."""
        samples = self.baseline._samples(self, _check.integer("n_samples", n_samples, 1))
        samples.weights[self.failed] = np.nan
        return samples


def indices_of(bits: Bits) -> NDArray[np.int64]:
    """Outcome indices of bits (..., n)."""
    return np.asarray((bits.astype(np.int64) << np.arange(bits.shape[-1])).sum(axis=-1))

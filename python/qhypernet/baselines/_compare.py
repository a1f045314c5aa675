"""Many methods on one problem, beside the ground truth."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from qhypernet import _check
from qhypernet._symmetry import is_odd
from qhypernet.baselines._base import TABLE_WEIGHTS, Baseline
from qhypernet.baselines._measure import Distributed, Row, from_samples, from_tables
from qhypernet.baselines._methods import METHODS
from qhypernet.baselines._variational import with_shots
from qhypernet.baselines.bayesbinn import BayesBiNN
from qhypernet.baselines.straight_through import StraightThrough
from qhypernet.evaluation import metrics, worst
from qhypernet.priors import BernoulliPrior
from qhypernet.problems import Problem

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr


def compare(
    problem: Problem,
    X_test: ArrayLike,
    y_test: ArrayLike,
    *,
    trained: Mapping[str, Distributed | ArrayLike] | None = None,
    methods: Mapping[str, Baseline] | Iterable[str] | None = None,
    prior: BernoulliPrior | None = None,
    n_inits: int = 8,
    n_samples: int = 1000,
    seed: int | None = 0,
) -> xr.Dataset:
    """Does a trained circuit earn its keep? Its metrics beside those of every classical method.

    Up to 20 weights all distributions are compared with the exact posterior; for larger networks
    metrics come from samples, exact expectations become ones over 100 shots, and there is no KL.

    Args:
        problem: Network and training data.
        X_test: Test points, shape (D, inputs).
        y_test: Their labels or targets, shape (D,).
        trained: What to hold against the baselines, by name: results of :func:`qhypernet.train` or
            of a baseline, or probabilities of all networks, shape (n_inits, 2**n).
        methods: Names from :data:`METHODS`, or baselines by names of one's own. None is all of
            them, those with the sign symmetry for odd activations only, and those with derivatives
            in the weights for a fixed architecture only.
        prior: None is the uniform prior.
        n_inits: Initialisations of each baseline.
        n_samples: Networks drawn from each distribution where there are more than 20 weights.
        seed: Of the baselines.

    Returns:
        Dims (model, init, metric). ``values``, NaN where a start failed or there is none;
        ``median`` and ``worst`` over starts; ``selected``, the start with the best evidence lower
        bound; ``seconds`` and the number of ``failed`` starts. Metrics are those of
        :mod:`qhypernet.evaluation` and ``elbo`` in nats, with the exact log p(D) in the row of the
        exact posterior.

    Example:
        >>> import qhypernet as qh
        >>> data = qh.datasets.moons()
        >>> net = qh.BinaryNetwork((2, 2, 1), activation="tanh")
        >>> problem = qh.Problem(net, data.X_train, data.y_train)
        >>> comparison = qh.baselines.compare(
        ...     problem, data.X_test, data.y_test, methods=["mean field", "Gibbs sampling"]
        ... )
        >>> list(qh.baselines.frame(comparison).index)[:3]
        ['mean field', 'Gibbs sampling', 'exact posterior']
        >>> kl = comparison["median"].sel(metric="kl")
        >>> bool(kl.sel(model="Gibbs sampling") < kl.sel(model="prior"))
        True
    """
    if not isinstance(problem, Problem):
        raise TypeError(f"problem: expected a Problem, got {problem!r}")
    net = problem.net
    try:
        X = _check.features(X_test, net.layers[0])
        y = net.check_targets(y_test, len(X))
    except (ValueError, TypeError) as error:
        name, rest = str(error).split(":", 1)  # they call them X and y
        raise type(error)(f"{name}_test:{rest}") from None
    prior = BernoulliPrior(net.n_weights) if prior is None else prior
    seed = _check.seed(seed)
    small = net.n_weights <= TABLE_WEIGHTS
    if small:
        problem.table  # noqa: B018 - worked out before clocks run
    fitted = {
        name: method.fit(problem, n_inits=n_inits, seed=seed, prior=prior)
        for name, method in _named(methods, problem).items()
    }
    known = dict(trained or {})
    if twice := sorted(fitted.keys() & known.keys()):
        raise ValueError(f"trained: expected names that no method has, got {twice}")
    results = known | fitted
    if small:
        rows = from_tables(problem, X, y, prior, results)
    else:
        n_samples = _check.integer("n_samples", n_samples, 1)
        rows = from_samples(problem, X, y, prior, results, n_samples, seed)
    return _dataset(rows, [*metrics(net), "elbo"])


def frame(comparison: xr.Dataset) -> pd.DataFrame:
    """A comparison as text: median over starts, and the worst one in brackets.

    Args:
        comparison: What :func:`compare` returned.

    Returns:
        A row for each model, a column for each metric and one for the seconds.
    """
    import pandas as pd

    found = {}
    for model in map(str, comparison["model"].values):
        row = comparison.sel(model=model)
        several = int(row["values"].notnull().any("metric").sum()) > 1
        cells = {}
        for metric in comparison["metric"].values:
            median, worst = (float(row[s].sel(metric=metric)) for s in ("median", "worst"))
            text = "-" if np.isnan(median) else f"{median:.3f}"
            cells[metric] = f"{text} ({worst:.3f})" if several and text != "-" else text
        seconds = float(row["seconds"])
        found[model] = cells | {"seconds": "-" if np.isnan(seconds) else f"{seconds:.2f}"}
    return pd.DataFrame.from_dict(found, orient="index")


def _named(
    methods: Mapping[str, Baseline] | Iterable[str] | None, problem: Problem
) -> dict[str, Baseline]:
    """The baselines asked for, by name."""
    large = problem.net.n_weights > TABLE_WEIGHTS
    if isinstance(methods, str):
        raise TypeError(f"methods: expected names or a mapping, got the string {methods!r}")
    if isinstance(methods, Mapping):
        for name, method in methods.items():
            if not isinstance(method, Baseline):
                raise TypeError(f"methods: expected baselines, got {method!r} as {name!r}")
        return dict(methods)
    if methods is None:
        odd = is_odd(problem.net)
        names = [k for k, v in METHODS.items() if odd or not getattr(v, "symmetric", False)]
        if problem.net.n_architecture:
            names = [k for k in names if not isinstance(METHODS[k], BayesBiNN | StraightThrough)]
    else:
        names = [_check.choice("methods", name, METHODS) for name in methods]
    return {k: with_shots(METHODS[k], 100) if large else METHODS[k] for k in names}


def _dataset(rows: dict[str, Row], names: list[str]) -> xr.Dataset:
    import xarray as xr

    n_starts = max(len(row.values) for row in rows.values())
    shape = (len(rows), len(names))
    values = np.full((len(rows), n_starts, len(names)), np.nan)
    median, least, selected = (np.full(shape, np.nan) for _ in range(3))
    for i, row in enumerate(rows.values()):
        values[i, : len(row.values)] = row.values
        good = row.values[np.isfinite(row.values).any(axis=1)]
        if len(good):
            median[i] = np.median(good, axis=0)
            least[i] = worst(names, good)
            elbo = good[:, -1]
            if np.isfinite(elbo).any():
                selected[i] = good[np.nanargmax(elbo)]
    return xr.Dataset(
        {
            "values": (("model", "init", "metric"), values),
            "median": (("model", "metric"), median),
            "worst": (("model", "metric"), least),
            "selected": (("model", "metric"), selected),
            "seconds": ("model", [row.seconds for row in rows.values()]),
            "failed": ("model", [row.failed for row in rows.values()]),
        },
        coords={"model": list(rows), "metric": names, "init": np.arange(n_starts)},
    )

"""How good trained distributions are, beside the ground truth."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qhypernet import linear, logistic, prediction, regression
from qhypernet.datasets import Dataset
from qhypernet.networks import BinaryNetwork
from qhypernet.posterior import ExactPosterior, best_network
from qhypernet.priors import BernoulliPrior

if TYPE_CHECKING:
    import xarray as xr

__all__ = [
    "METRICS",
    "Metric",
    "evaluate",
    "measure",
    "metrics",
    "predictive_metrics",
    "summary",
    "worst",
]


class Metric(NamedTuple):
    """What is measured of a distribution over networks."""

    title: str
    """Its name in tables."""
    meaning: str
    best: float = -np.inf
    """Values are the better the nearer they are to this."""

    def distance(self, values: ArrayLike) -> NDArray[np.float64]:
        """How far values are from the best, in an order that suits comparisons only."""
        values = np.asarray(values, dtype=np.float64)
        return values if np.isinf(self.best) else np.abs(values - self.best)


METRICS = {
    "accuracy": Metric("accuracy", "accuracy of the posterior predictive", 1.0),
    "rmse": Metric("RMSE", "root of the mean squared error of the predictive mean"),
    "nll": Metric("NLL", "mean -log p(y) of the posterior predictive in nats"),
    "brier": Metric("Brier", "its Brier score, 0 to 2"),
    "ece": Metric("ECE", "its expected calibration error"),
    "coverage": Metric("coverage", "share of targets in its central 90 % interval", 0.9),
    "kl": Metric("KL", "KL(q || exact posterior) in nats"),
    "tv": Metric("TV", "total variation to the exact posterior"),
    "expected_accuracy": Metric(
        "expected accuracy", "expected accuracy of one network drawn from the distribution", 1.0
    ),
    "expected_rmse": Metric(
        "expected RMSE", "root of the expected squared error of one such network"
    ),
    "expected_nll": Metric("expected NLL", "expected -log p(y) of one such network, nats"),
}
"""All metrics; those of predictions are taken on the test part."""

_CLASSIFICATION = ("accuracy", "nll", "brier", "ece", "kl", "tv", "expected_accuracy")
_REGRESSION = ("rmse", "nll", "coverage", "kl", "tv", "expected_rmse")


def metrics(net: BinaryNetwork) -> tuple[str, ...]:
    """Names of the metrics of the network's kind of task.

    Example:
        >>> import qhypernet as qh
        >>> qh.evaluation.metrics(qh.BinaryNetwork((1, 1), likelihood="gaussian"))
        ('rmse', 'nll', 'coverage', 'kl', 'tv', 'expected_rmse', 'expected_nll')
    """
    return (*(_CLASSIFICATION if net.n_classes else _REGRESSION), "expected_nll")


_TOGETHER = 2**20
"""Networks up to which distributions are put side by side in memory."""


def evaluate(
    net: BinaryNetwork,
    data: Dataset,
    distributions: Iterable[NDArray[np.float64]],
    posterior: ExactPosterior,
    table: NDArray[np.float64],
    prior: BernoulliPrior,
) -> xr.Dataset:
    """Metrics of trained distributions beside their ground truth.

    Args:
        net: The network.
        data: The data that it was trained on, with their test part.
        distributions: Trained distributions over all networks, in blocks of shape (m, 2**n).
        posterior: The exact posterior of the training part.
        table: Log-likelihood of all networks on the training part.
        prior: The prior.

    Returns:
        ``trained`` and ``mode`` (the most probable single network of each), dims (init, metric),
        and ``ground_truth``, dims (reference, metric): the exact posterior, the best single
        network, the prior, and as the classical baseline full-precision logistic regression, or
        linear regression. Metrics are those of :func:`metrics`.
    """
    import xarray as xr

    names = metrics(net)
    test_table = net.log_likelihood_table(data.X_test, data.y_test)

    def of_distributions(q: NDArray[np.float64]) -> NDArray[np.float64]:
        return measure(net, data.X_test, data.y_test, q, test_table, posterior)

    def of_networks(indices: list[int]) -> NDArray[np.float64]:
        bits = np.array(indices)[:, None] >> np.arange(net.n_weights) & 1
        log_probability = posterior.log_probabilities[indices]
        q = np.eye(len(indices))
        values = predictive_metrics(net, data.X_test, data.y_test, q, bits) | {
            "expected_nll": -test_table[indices] / len(data.y_test),
            "kl": -log_probability,
            "tv": 1 - np.exp(log_probability),
        }
        return np.stack([values[name] for name in names], axis=1)

    trained, modes = [], []
    for q in distributions:
        trained.append(of_distributions(q))
        modes += q.argmax(axis=1).tolist()
    both = [posterior.probabilities[None], prior.probabilities()[None]]
    if table.size <= _TOGETHER:
        # Most of the work is that of evaluating all networks, once for all distributions.
        both = [np.concatenate(both)]
    exact, at_random = np.concatenate([of_distributions(q) for q in both])
    best = of_networks([best_network(table)])[0]
    method, classical = _classical(net, data)
    truth = [exact, best, at_random, [classical.get(name, np.nan) for name in names]]
    references = ["exact posterior", "best single network", "prior", method]
    return xr.Dataset(
        {
            "trained": (("init", "metric"), np.concatenate(trained)),
            "mode": (("init", "metric"), of_networks(modes)),
            "ground_truth": (("reference", "metric"), np.stack(truth)),
        },
        coords={"metric": list(names), "reference": references, "init": np.arange(len(modes))},
    )


def measure(
    net: BinaryNetwork,
    X: NDArray[np.float64],
    y: NDArray[Any],
    q: NDArray[np.float64],
    table: NDArray[np.float64],
    posterior: ExactPosterior,
) -> NDArray[np.float64]:
    """Metrics of distributions on points that were not trained on, those of :func:`metrics`.

    Args:
        net: The network.
        X, y: The points, shape (D, inputs), and their labels or targets.
        q: Distributions over all networks, shape (M, 2**n).
        table: Log-likelihood of all networks on these points, shape (2**n,).
        posterior: The exact posterior of the points that were trained on.

    Returns:
        Shape (M, metrics).
    """
    values = predictive_metrics(net, X, y, q) | {
        # Not q @ table: how that rounds depends on the other rows, and on BLAS's threads.
        "expected_nll": -(q * table).sum(axis=1) / len(y),
        "kl": posterior.kl_from(q),
        "tv": posterior.total_variation(q),
    }
    return np.stack([values[name] for name in metrics(net)], axis=1)


def summary(evaluation: xr.Dataset) -> tuple[list[str], NDArray[np.float64]]:
    """Names and metrics, shape (rows, metrics), of the rows that a table shows.

    The median and the worst start are taken metric by metric, without starts that failed.
    """
    trained, mode = evaluation["trained"].values, evaluation["mode"].values
    aside = ""
    if "failed" in evaluation and evaluation["failed"].values.any():
        good = ~evaluation["failed"].values.astype(bool)
        trained, mode = trained[good], mode[good]
        aside = f" ({(~good).sum()} diverged)"
    rows = {f"trained{aside}": trained[0]}
    if len(trained) > 1:
        rows = {
            f"trained, median of {len(trained)} starts{aside}": np.median(trained, axis=0),
            f"trained, worst of {len(trained)} starts{aside}": worst(
                list(evaluation["metric"].values), trained
            ),
        }
    rows["most probable network"] = np.median(mode, axis=0)
    truth = evaluation["ground_truth"]
    references = zip(truth.coords["reference"].values, truth.values, strict=True)
    rows |= {str(name): values for name, values in references}
    return list(rows), np.array(list(rows.values()))


def worst(names: Iterable[str], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """For each metric the value that is farthest from the best, of values (starts, metrics).

    A name that is not in :data:`METRICS` counts as the better the higher it is.
    """
    columns = zip(names, values.T, strict=True)
    return np.array(
        [v[np.argmax(METRICS[name].distance(v) if name in METRICS else -v)] for name, v in columns]
    )


def predictive_metrics(
    net: BinaryNetwork,
    X: NDArray[np.float64],
    y: NDArray[Any],
    q: NDArray[np.float64],
    bits: NDArray[np.integer[Any]] | None = None,
) -> dict[str, NDArray[np.float64]]:
    """The metrics that come from predictions alone, each of shape (M,).

    Args:
        net: The network.
        X, y: Test points, shape (D, inputs), and their labels or targets.
        q: Distributions, shape (M, S), as for :meth:`BinaryNetwork.averages`.
        bits: The S networks, shape (S, n); None is all of them.
    """
    if net.n_classes:
        labels = y.astype(np.int64)
        seen = prediction.predict(net, X, q, bits=bits)
        own = np.take_along_axis(seen.votes, labels[None, :, None], axis=2)[..., 0]
        return _of_classes(seen.probabilities, labels) | {"expected_accuracy": own.mean(axis=1)}
    found = regression.regress(net, X, q, bits=bits)
    log_density, cumulative = regression.mixture(net, X, y, q, bits=bits)
    error = regression.rmse(found.mean, y)
    return {
        "rmse": error,
        "nll": -log_density.mean(axis=1),
        "coverage": regression.coverage(cumulative),
        "expected_rmse": np.sqrt(error**2 + (found.epistemic**2).mean(axis=(1, 2))),
    }


def _of_classes(
    probabilities: NDArray[np.float64], y: NDArray[np.int64]
) -> dict[str, NDArray[np.float64]]:
    return {
        "accuracy": prediction.accuracy(probabilities, y),
        "nll": prediction.nll(probabilities, y),
        "brier": prediction.brier(probabilities, y),
        "ece": prediction.calibration_error(probabilities, y),
    }


def _classical(net: BinaryNetwork, data: Dataset) -> tuple[str, dict[str, float]]:
    """Name and metrics of a full-precision linear model on the same split.

    It is a single network, so what is expected of it is what it does.
    """
    if net.n_classes:
        name = "logistic regression"
        fitted = logistic.fit_predict(data.X_train, data.y_train, data.X_test)
        values = _of_classes(fitted, data.y_test)
    else:
        name = "linear regression"
        mean, noise = linear.fit_predict(data.X_train, data.y_train, data.X_test)
        values = regression.of_gaussians(mean, noise, data.y_test)
    expected = {f"expected_{k}": v for k, v in values.items()}
    return name, {k: float(v) for k, v in (values | expected).items()}

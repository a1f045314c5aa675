"""How good trained distributions are, beside the ground truth."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from qhypernet import logistic, prediction
from qhypernet.datasets import Dataset
from qhypernet.networks import BinaryNetwork
from qhypernet.posterior import ExactPosterior, best_network
from qhypernet.priors import BernoulliPrior

if TYPE_CHECKING:
    import xarray as xr

METRICS = {
    "accuracy": "accuracy of the posterior predictive on the test part",
    "nll": "its mean -log p(y) in nats",
    "brier": "its Brier score, 0 to 2",
    "ece": "its expected calibration error",
    "expected_accuracy": "expected accuracy of one network drawn from the distribution",
    "expected_nll": "expected -log p(y) of one such network, nats",
    "kl": "KL(q || exact posterior) in nats",
    "tv": "total variation to the exact posterior",
}
"""What is measured; the first six on the test part."""

LOWER_IS_BETTER = {name: "accuracy" not in name for name in METRICS}


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
        network, the prior, and full-precision logistic regression as the classical baseline.
    """
    import xarray as xr

    test_table = net.log_likelihood_table(data.X_test, data.y_test)

    def of_distributions(q: NDArray[np.float64]) -> NDArray[np.float64]:
        predicted = prediction.predict(net, data.X_test, q)
        return _metrics(
            predicted,
            data.y_test,
            expected_nll=-(q @ test_table) / len(data.y_test),
            kl=posterior.kl_from(q),
            tv=posterior.total_variation(q),
        )

    def of_networks(indices: list[int]) -> NDArray[np.float64]:
        bits = np.array(indices)[:, None] >> np.arange(net.n_weights) & 1
        predicted = prediction.predict(net, data.X_test, np.eye(len(indices)), bits=bits)
        log_probability = posterior.log_probabilities[indices]
        return _metrics(
            predicted,
            data.y_test,
            expected_nll=-test_table[indices] / len(data.y_test),
            kl=-log_probability,
            tv=1 - np.exp(log_probability),
        )

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
    truth = [exact, best, at_random, _logistic_regression(data)]
    names = ["exact posterior", "best single network", "prior", "logistic regression"]
    return xr.Dataset(
        {
            "trained": (("init", "metric"), np.concatenate(trained)),
            "mode": (("init", "metric"), of_networks(modes)),
            "ground_truth": (("reference", "metric"), np.stack(truth)),
        },
        coords={"metric": list(METRICS), "reference": names, "init": np.arange(len(modes))},
    )


def summary(evaluation: xr.Dataset) -> tuple[list[str], NDArray[np.float64]]:
    """Names and metrics, shape (rows, len(METRICS)), of the rows that a table shows.

    The median and the worst start are taken metric by metric, without starts that failed.
    """
    trained, mode = evaluation["trained"].values, evaluation["mode"].values
    aside = ""
    if "failed" in evaluation and evaluation["failed"].values.any():
        good = ~evaluation["failed"].values.astype(bool)
        trained, mode = trained[good], mode[good]
        aside = f" ({(~good).sum()} diverged)"
    lower = np.array([LOWER_IS_BETTER[name] for name in METRICS])
    rows = {f"trained{aside}": trained[0]}
    if len(trained) > 1:
        worst = np.where(lower, trained.max(axis=0), trained.min(axis=0))
        rows = {
            f"trained, median of {len(trained)} starts{aside}": np.median(trained, axis=0),
            f"trained, worst of {len(trained)} starts{aside}": worst,
        }
    rows["most probable network"] = np.median(mode, axis=0)
    truth = evaluation["ground_truth"]
    references = zip(truth.coords["reference"].values, truth.values, strict=True)
    rows |= {str(name): values for name, values in references}
    return list(rows), np.array(list(rows.values()))


def _metrics(
    predicted: prediction.Prediction, y: NDArray[np.int64], **others: NDArray[np.float64]
) -> NDArray[np.float64]:
    """All metrics of M distributions, shape (M, len(METRICS))."""
    own = np.take_along_axis(predicted.votes, y[None, :, None], axis=2)[..., 0]
    values = _predictive_metrics(predicted.probabilities, y) | others
    values["expected_accuracy"] = own.mean(axis=1)
    return np.stack([values[name] for name in METRICS], axis=1)


def _predictive_metrics(
    probabilities: NDArray[np.float64], y: NDArray[np.int64]
) -> dict[str, NDArray[np.float64]]:
    return {
        "accuracy": prediction.accuracy(probabilities, y),
        "nll": prediction.nll(probabilities, y),
        "brier": prediction.brier(probabilities, y),
        "ece": prediction.calibration_error(probabilities, y),
    }


def _logistic_regression(data: Dataset) -> NDArray[np.float64]:
    """Metrics of logistic regression on the same split."""
    probabilities = logistic.fit_predict(data.X_train, data.y_train, data.X_test)
    own = _predictive_metrics(probabilities, data.y_test)
    # It is a single network, so what is expected of it is what it does.
    own |= {"expected_accuracy": own["accuracy"], "expected_nll": own["nll"]}
    return np.array([own.get(name, np.nan) for name in METRICS], dtype=np.float64)

"""Handwritten digits and breast cancer: the estimator beside what needs no qubits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from qhypernet import baselines, datasets, logistic, prediction
from qhypernet.experiments._base import Experiment, Findings, Work
from qhypernet.networks import BinaryNetwork
from qhypernet.posterior import ExactPosterior, exact_posterior
from qhypernet.priors import BernoulliPrior
from qhypernet.problems import Problem
from qhypernet.schedules import Schedule

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

Floats = NDArray[np.float64]

_METRICS = {"accuracy": "accuracy", "nll": "NLL", "ece": "ECE", "kl": "KL to the posterior"}
_METHODS = (
    "QHN, annealed ELBO",
    "QHN, SELBO",
    "exact posterior",
    "straight-through, one network",
    "logistic regression",
)
_INITS = 2
"""Initialisations of each method, of which it keeps the best by its own measure."""


class RealData(Experiment):
    """The estimator with two objectives, the exact posterior, and two classical methods."""

    name = "real_data"
    title = "Digits and breast cancer, beside classical methods and the exact posterior"
    about = "QHNClassifier, straight-through training and logistic regression over 10 splits."

    def run(self, work: Work) -> Findings:
        """Fits every method to every split."""
        import pandas as pd

        n_seeds = 2 if work.quick else 10
        rows: list[dict[str, object]] = []
        tables: dict[str, pd.DataFrame] = {}
        for label in data_sets(work.quick):
            found = [_compared(work, label, seed) for seed in range(n_seeds)]
            values = np.stack([one["values"].values for one in found])
            sizes = f"{found[0].attrs['weights']} weights"
            caption = f"{label}, {sizes}: mean ± standard deviation over {n_seeds} splits"
            tables[caption] = _table(values)
            rows += [
                {"data": label, "seed": seed, "method": method}
                | dict(zip(_METRICS, values[seed, i], strict=True))
                for seed in range(n_seeds)
                for i, method in enumerate(_METHODS)
            ]
        frame = pd.DataFrame(rows)
        return Findings(_text(frame, n_seeds), tables, {}, frame)


def data_sets(quick: bool) -> dict[str, dict[str, object]]:
    """What :func:`load` takes, by label; quickly, digits are four principal components."""
    pixels = {"n_features": 4} if quick else {}
    return {
        "digits 0 and 1": {"classes": (0, 1), **pixels},
        "digits 3 and 8": {"classes": (3, 8), **pixels},
        "digits 4 and 9": {"classes": (4, 9), **pixels},
        # A weight for each pixel and class is more than there are qubits for.
        "digits 0, 1 and 2": {"classes": (0, 1, 2), "n_features": 4},
        "breast cancer": {"n_features": 8},
    }


def load(settings: dict[str, object], seed: int) -> datasets.Dataset:
    """A data set's split."""
    make = datasets.digits if "classes" in settings else datasets.breast_cancer
    return make(seed=seed, **settings)  # type: ignore[arg-type]


def _compared(work: Work, label: str, seed: int) -> xr.Dataset:
    settings = data_sets(work.quick)[label]
    key: dict[str, object] = {"what": "real data", "data": label, "seed": seed} | settings
    steps = 100 if work.quick else 200
    return work.cached(key | {"steps": steps}, lambda: compare(load(settings, seed), seed, steps))


def compare(data: datasets.Dataset, seed: int, n_steps: int) -> xr.Dataset:
    """Metrics of every method on a data set's test part, dims (model, metric).

    All but logistic regression have the same binary network: one layer with biases, whose scale of
    the logits has the best evidence on the training part.
    """
    import xarray as xr

    from qhypernet.estimators import QHNClassifier

    net = _network(data)
    problem = Problem(net, data.X_train, data.y_train)
    objectives = {
        "elbo": Schedule(max(float(problem.table.std()), 1.0), 1),
        "selbo": Schedule(3000, 30),
    }
    found: dict[str, Floats] = {}
    models = {}
    for method, (objective, weight) in zip(_METHODS, objectives.items(), strict=False):
        models[method] = QHNClassifier(
            objective=objective,
            weight=weight,
            logit_scale=net.logit_scale,
            standardize=False,
            n_components=None,
            n_layers=4,
            n_inits=_INITS,
            n_steps=n_steps,
            learning_rate=0.1,
            random_state=seed,
        ).fit(data.X_train, data.y_train)
    posterior = exact_posterior(problem.table)
    for method, model in models.items():
        q = model.circuit_.simulate(model.params_[model.best_init_]).probabilities()
        found[method] = _metrics(model.predict_proba(data.X_test), data, posterior.kl_from(q))
    exact = prediction.predict(net, data.X_test, posterior.probabilities).probabilities
    found["exact posterior"] = _metrics(exact, data, 0.0)
    found["straight-through, one network"] = _straight_through(problem, data, posterior, seed)
    fitted = logistic.fit_predict(data.X_train, data.y_train, data.X_test)
    found["logistic regression"] = _metrics(fitted, data, np.nan)
    return xr.Dataset(
        {"values": (("model", "metric"), np.stack([found[name] for name in _METHODS]))},
        coords={"model": list(_METHODS), "metric": list(_METRICS)},
        attrs={"weights": net.n_weights, "logit_scale": net.logit_scale},
    )


def _network(data: datasets.Dataset) -> BinaryNetwork:
    """One layer with biases, with the scale that the evidence chooses."""
    from qhypernet.estimators import _evidence

    net = BinaryNetwork((data.n_features, data.n_classes if data.n_classes > 2 else 1))
    return _evidence.choose(
        net,
        data.X_train,
        data.y_train.astype(np.float64),
        None,
        BernoulliPrior(net.n_weights),
        logit_scale=None,
        noise=None,
    )[0]


def _straight_through(
    problem: Problem, data: datasets.Dataset, posterior: ExactPosterior, seed: int
) -> Floats:
    """The likeliest of the networks that straight-through training finds."""
    net: BinaryNetwork = problem.net
    trained = baselines.StraightThrough().fit(problem, n_inits=_INITS, seed=seed)
    bits = trained.samples().bits[:, 0]
    outcomes = bits.astype(np.int64) @ (1 << np.arange(net.n_weights))
    best = int(np.argmax(problem.table[outcomes]))
    predicted = prediction.predict(net, data.X_test, [1.0], bits=bits[[best]]).probabilities
    return _metrics(predicted, data, -posterior.log_probabilities[outcomes[best]])


def _metrics(predicted: Floats, data: datasets.Dataset, kl: float | Floats) -> Floats:
    y = data.y_test
    measured = (prediction.accuracy, prediction.nll, prediction.calibration_error)
    return np.array([*(float(measure(predicted, y)) for measure in measured), float(kl)])


def _table(values: Floats) -> pd.DataFrame:
    """Mean and standard deviation over the first axis of values (seeds, methods, metrics)."""
    import pandas as pd

    mean, spread = values.mean(axis=0), values.std(axis=0, ddof=1)
    cells = [
        ["-" if np.isnan(m) else f"{m:.3f} ± {s:.3f}" for m, s in zip(*row, strict=True)]
        for row in zip(mean, spread, strict=True)
    ]
    return pd.DataFrame(cells, index=list(_METHODS), columns=list(_METRICS.values()))


def _text(frame: pd.DataFrame, n_seeds: int) -> str:
    means = frame.groupby(["data", "method"], sort=False)[["nll"]].mean()
    lines = []
    for label in dict.fromkeys(frame["data"]):
        ranked = means.loc[label, "nll"].sort_values()
        lines.append(f"{label}: {', '.join(f'{name} {nll:.3f}' for name, nll in ranked.items())}.")
    return (
        f"{n_seeds} splits of each data set into 70 % for training and 30 % for testing; the seed "
        "of the split is that of every method. The binary network has one layer and biases, all "
        "its weights are +1 or -1, and the scale of its logits has the best evidence on the "
        "training part. QHN is QHNClassifier: 4 layers, exact gradients, the better of 2 starts, "
        "1000 networks drawn from its distribution. Straight-through training keeps the likeliest "
        "of 2 networks. Logistic regression has weights of full precision and scikit-learn's "
        "default penalty: where it is ahead of the exact posterior, binary weights are what "
        "that costs, and no way of training makes up for it. The KL says how far "
        "training stayed from the posterior.\n\n"
        "Mean NLL, the lowest first.\n\n" + "\n\n".join(lines)
    )

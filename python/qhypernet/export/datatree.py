"""Posterior draws as ArviZ reads them."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qhypernet import _check, _core, storage
from qhypernet.export._ensemble import Source
from qhypernet.networks import BinaryNetwork
from qhypernet.priors import BernoulliPrior

if TYPE_CHECKING:
    import xarray as xr

    from qhypernet.estimators import QHNClassifier, QHNRegressor
    from qhypernet.runs import Run

Floats = NDArray[np.float64]
Bits = NDArray[np.uint8]


def to_datatree(
    source: Source,
    X: ArrayLike | None = None,
    y: ArrayLike | None = None,
    *,
    n_draws: int = 1000,
    starts: str = "best",
    seed: int = 0,
) -> xr.DataTree:
    """Draws from trained distributions with their log-likelihoods, for ArviZ.

    Groups: ``posterior`` with the weights ``w``, +1 and -1; ``log_likelihood`` of each point in
    nats, from which ``arviz.loo`` estimates the expected log predictive density; ``sample_stats``
    with ``lp``, the log joint probability in nats; ``observed_data``; ``constant_data``. The draws
    are independent ones from the trained distribution, which is close to the posterior only as far
    as training was good. ArviZ 1 takes the tree as it is; for ArviZ 0.2x call
    ``arviz.from_datatree``. Pareto's k is meant for continuous draws: where a few networks have
    all the probability, equal draws make it infinite, which says nothing.

    Args:
        source: A run, or a fitted estimator, whose stored networks are one chain.
        X: For an estimator: the points, shape (D, F), that it was fitted to.
        y: Their labels or targets.
        n_draws: Draws from a run's start; an estimator has its own.
        starts: "best" for one chain, from the run's start nearest to the posterior; "all" for a
            chain from each start: then R-hat says how far starts disagree, but scores such as loo
            mix good ones with bad ones.
        seed: Of the draws, or of their order.

    Example:
        >>> import qhypernet as qh
        >>> data = qh.datasets.moons()
        >>> model = qh.QHNClassifier(n_steps=20, random_state=0).fit(data.X_train, data.y_train)
        >>> tree = qh.export.to_datatree(model, data.X_train, data.y_train)
        >>> dict(tree["posterior"].sizes)
        {'chain': 1, 'draw': 1000, 'weight': 3}
    """
    seed = _check.seed(seed)
    if hasattr(source, "folder"):
        if X is not None or y is not None:
            raise ValueError("X, y: expected none with a run, which has its data")
        n_draws = _check.integer("n_draws", n_draws, 1)
        together = _check.choice("starts", starts, ("best", "all")) == "all"
        return _of_run(source, n_draws, together, seed)  # type: ignore[arg-type]
    if not hasattr(source, "network_"):
        raise TypeError(f"source: expected a run or a fitted estimator, got {source!r}")
    if X is None or y is None:
        raise ValueError("X, y: expected the points that the estimator was fitted to, got None")
    return _of_estimator(source, X, y, seed)  # type: ignore[arg-type]


def write(tree: xr.DataTree, path: str | os.PathLike[str]) -> None:
    """Writes a tree as NetCDF, whole or not at all; ``arviz.from_netcdf`` reads it."""
    with tempfile.TemporaryDirectory() as folder:
        beside = Path(folder) / "tree.nc"
        tree.to_netcdf(beside, engine="h5netcdf")
        storage.write_bytes(path, beside.read_bytes())


def _of_run(run: Run, n_draws: int, together: bool, seed: int) -> xr.DataTree:
    circuit, prior = run.config.build_circuit(run.net), run.config.build_prior(run.net)
    kept = np.flatnonzero(~run.failed) if together else np.array([run.best_init()])
    bits = circuit.simulate(run.params[kept]).sample(n_draws, seed=seed)
    data = run.data
    return _tree(run.net, prior, bits, kept, data.X_train, data.X_train, data.y_train)


def _of_estimator(
    model: QHNClassifier | QHNRegressor, X: ArrayLike, y: ArrayLike, seed: int
) -> xr.DataTree:
    counts = np.rint(model.network_weights_ * model.n_samples).astype(int)
    bits = np.repeat(model.networks_, counts, axis=0)
    # Stored networks are sorted; the order of independent draws says nothing.
    bits = np.random.default_rng(seed).permutation(bits)
    inputs = model._inputs(X)
    net = model.network_
    if net.n_classes:
        places = {label: i for i, label in enumerate(model.classes_.tolist())}
        labels = np.asarray(y).tolist()
        if unknown := set(labels) - set(places):
            raise ValueError(f"y: expected labels of {list(places)}, got {sorted(unknown)}")
        targets = np.array([places[label] for label in labels])
    else:
        targets = (np.asarray(y, dtype=np.float64) - model.target_mean_) / model.target_scale_
    prior = BernoulliPrior(net.n_weights, model.p_plus)
    chain = np.array([model.best_init_])
    return _tree(net, prior, bits[None], chain, np.asarray(X), inputs, targets)


def _tree(
    net: BinaryNetwork,
    prior: BernoulliPrior,
    bits: Bits,
    chains: NDArray[np.int64],
    features: NDArray[np.generic],
    inputs: Floats,
    targets: NDArray[np.generic],
) -> xr.DataTree:
    import xarray as xr

    shape = bits.shape[:2]
    rows, places = np.unique(bits.reshape(-1, bits.shape[-1]), axis=0, return_inverse=True)
    own = pointwise(net, rows, inputs, net.check_targets(targets, len(inputs)))
    log_prior = np.where(rows == 0, np.log(prior.p_plus), np.log1p(-prior.p_plus)).sum(axis=1)
    _core.check_memory("the log-likelihood of every draw and point", 16 * len(places) * len(inputs))
    log_likelihood = own[places].reshape(*shape, -1)
    lp = (own.sum(axis=1) + log_prior)[places].reshape(shape)
    draws = {"chain": chains, "draw": np.arange(shape[1])}
    groups = {
        "posterior": xr.Dataset(
            {"w": (("chain", "draw", "weight"), 1 - 2 * bits.astype(np.int8))},
            draws | {"weight": np.arange(net.n_weights)},
        ),
        "log_likelihood": xr.Dataset(
            {"y": (("chain", "draw", "point"), log_likelihood)},
            draws | {"point": np.arange(len(inputs))},
        ),
        "sample_stats": xr.Dataset({"lp": (("chain", "draw"), lp)}, draws),
        "observed_data": xr.Dataset({"y": (("point",), targets)}),
        "constant_data": xr.Dataset({"X": (("point", "feature"), features)}),
    }
    for name in ("log_likelihood", "sample_stats"):
        for variable in groups[name].values():
            variable.attrs["units"] = "nats"
    attributes = {"inference_library": "qhypernet", "inference_library_version": _core.__version__}
    return xr.DataTree.from_dict({k: v.assign_attrs(attributes) for k, v in groups.items()})


def pointwise(net: BinaryNetwork, bits: Bits, inputs: Floats, targets: Floats) -> Floats:
    """``log p(y_d | x_d, w)`` of every network and point in nats, shape (S, D)."""
    logits = net.logits(bits, inputs)
    if net.likelihood == "gaussian":
        standard = (targets.reshape(len(inputs), -1) - logits) / net.noise
        constant = np.log(net.noise) + np.log(2 * np.pi) / 2
        return np.asarray((-(standard**2) / 2 - constant).sum(axis=2))
    if net.likelihood == "bernoulli":
        return np.asarray(-np.logaddexp(0.0, (1 - 2 * targets) * logits[:, :, 0]))
    largest = logits.max(axis=2, keepdims=True)
    total = np.log(np.exp(logits - largest).sum(axis=2)) + largest[:, :, 0]
    return np.asarray(logits[:, np.arange(len(inputs)), targets.astype(int)] - total)

"""A fitted estimator in one NetCDF file, without pickle.

Format 1. Attributes: ``format``, ``format_version``, ``estimator``, ``qhypernet`` (the version that
wrote it), and in JSON ``parameters``, ``network``, ``circuit`` and ``fitted``. Variables:
``networks`` (sample, weight) of bits and their ``network_weights``, the trained angles ``params``,
the ``scores`` of each initialisation, the features' ``mean``, ``scale`` and, if there are any,
``components`` (feature, component), and training's history as ``history_...``. Any NetCDF or HDF5
reader opens it.
"""

from __future__ import annotations

import json
import os
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from qhypernet import _check, _core, storage
from qhypernet.estimators import _parameters
from qhypernet.estimators._features import Projection
from qhypernet.networks import BinaryNetwork

if TYPE_CHECKING:
    import xarray as xr

    from qhypernet.estimators._base import Hypernetwork

FORMAT, VERSION = "qhypernet model", 1
_HISTORY = "history_"
_SCALARS = ("seed_", "n_iter_", "best_init_", "n_features_in_")
_TARGET = ("target_mean_", "target_scale_")
_OF_TRAINING = ("callback", "checkpoint")
"""Parameters that say what a training writes, and where: what a file says of them is ignored."""


def save(model: Hypernetwork, path: str | os.PathLike[str]) -> None:
    """Writes a fitted estimator."""
    import xarray as xr

    fitted: dict[str, Any] = {name: getattr(model, name) for name in _SCALARS}
    fitted |= {name: getattr(model, name) for name in _TARGET if hasattr(model, name)}
    if hasattr(model, "feature_names_in_"):
        fitted["feature_names_in_"] = [str(name) for name in model.feature_names_in_]
    if hasattr(model, "classes_"):
        fitted["classes_"] = _labels(model.classes_)
    net, projection = model.network_, model.projection_
    network = {
        "layers": list(net.layers),
        "activation": net.activation,
        "bias": net.bias,
        "logit_scale": net.logit_scale,
        "likelihood": net.likelihood,
        "noise": net.noise,
    }
    history = model.history_.rename({name: _HISTORY + str(name) for name in model.history_})
    dataset = history.assign(
        networks=(("sample", "weight"), model.networks_),
        network_weights=(("sample",), model.network_weights_),
        params=(("init", "param"), model.params_),
        scores=(("init",), model.scores_),
        mean=(("feature",), projection.mean),
        scale=(("feature",), projection.scale),
    )
    if projection.components is not None:
        dataset = dataset.assign(components=(("feature", "component"), projection.components))
    assert isinstance(dataset, xr.Dataset)
    given = {k: v for k, v in model.get_params(deep=False).items() if k not in _OF_TRAINING}
    parameters = {name: _parameters.encoded(value) for name, value in given.items()}
    dataset.attrs = {
        "format": FORMAT,
        "format_version": VERSION,
        "estimator": type(model).__name__,
        "qhypernet": _core.__version__,
        "parameters": json.dumps(parameters),
        "network": json.dumps(network),
        "circuit": json.dumps(_parameters.of_circuit(model.circuit_)),
        "fitted": json.dumps(fitted),
    }
    storage.write_dataset(path, dataset)


def load(path: str | os.PathLike[str]) -> Hypernetwork:
    """Reads what :func:`save` wrote; see :func:`qhypernet.load`."""
    dataset = storage.read_dataset(path)
    if dataset.attrs.get("format") != FORMAT:
        raise ValueError(f"{path}: expected a model that save() wrote, got another file")
    version = dataset.attrs.get("format_version")
    if version != VERSION:
        raise ValueError(
            f"{path}: expected format {VERSION} of a model's file, got {version}, written by "
            f"qhypernet {dataset.attrs.get('qhypernet')}; read it with that version"
        )
    try:
        model, lost = _restored(dataset)
    except (LookupError, TypeError, ValueError, ArithmeticError, RecursionError) as error:
        raise ValueError(f"{path}: expected a whole model, got a damaged one: {error}") from error
    for name, text in lost.items():
        warnings.warn(
            f"{path}: {name} was {text}, which no file can hold: predictions are as before, but a "
            f"new fit takes the default, {getattr(model, name)!r}",
            UserWarning,
            stacklevel=3,
        )
    return model


def _restored(dataset: xr.Dataset) -> tuple[Hypernetwork, dict[str, str]]:
    """The estimator, and its parameters that could not be stored."""
    from qhypernet.estimators import QHNClassifier, QHNRegressor

    kinds = {kind.__name__: kind for kind in (QHNClassifier, QHNRegressor)}
    kind = kinds[_check.choice("estimator", dataset.attrs["estimator"], kinds)]
    parts = {k: json.loads(dataset.attrs[k]) for k in ("parameters", "network", "fitted")}
    stored = {k: v for k, v in parts["parameters"].items() if k not in _OF_TRAINING}
    decoded = {k: _parameters.decoded(v) for k, v in stored.items()}
    lost = {k: str(v) for k, v in decoded.items() if isinstance(v, _parameters.Lost)}
    model: Hypernetwork = kind(**{k: v for k, v in decoded.items() if k not in lost})

    network = parts["network"]
    net = BinaryNetwork(network.pop("layers"), **network)
    values = {str(name): variable.values for name, variable in dataset.data_vars.items()}
    model.network_ = net
    model.networks_ = _check.bits("networks", values["networks"], net.n_weights)
    model.network_weights_ = _check.distributions("network_weights", values["network_weights"], 1)
    _same_length("network_weights", model.network_weights_, len(model.networks_))
    model.circuit_ = _parameters.to_circuit(json.loads(dataset.attrs["circuit"]))
    model.params_ = _check.floats("params", values["params"])
    if (model.circuit_.n_qubits, *model.params_.shape[1:]) != (
        net.n_weights,
        model.circuit_.n_params,
    ):
        raise ValueError(f"params: expected those of {model.circuit_}, got {model.params_.shape}")
    model.scores_ = np.asarray(values["scores"], dtype=np.float64)

    fitted = parts["fitted"]
    for name in _SCALARS:
        setattr(model, name, _check.integer(name, fitted[name], 0))
    model.projection_ = _projection(values, model.n_features_in_, net.layers[0])
    names = {name: name.removeprefix(_HISTORY) for name in values if name.startswith(_HISTORY)}
    model.history_ = dataset[list(names)].rename(names)
    model.history_.attrs = {}
    if "feature_names_in_" in fitted:
        model.feature_names_in_ = np.array([str(f) for f in fitted["feature_names_in_"]], object)
        _same_length("feature_names_in_", model.feature_names_in_, model.n_features_in_)
    if isinstance(model, QHNClassifier):
        model.classes_ = _classes(fitted["classes_"])
        _same_length("classes_", model.classes_, net.n_classes)
    else:
        for name in _TARGET:
            setattr(model, name, _check.number(name, fitted[name]))
    return model, lost


def _projection(
    values: dict[str, NDArray[np.float64]], n_features: int, n_inputs: int
) -> Projection:
    mean, scale = (_check.floats(name, values[name]) for name in ("mean", "scale"))
    components = values.get("components")
    projection = Projection(
        mean, scale, None if components is None else _check.floats("components", components)
    )
    if projection.matrix.shape != (n_features, n_inputs):
        raise ValueError(
            f"components: expected {n_features} features and {n_inputs} inputs, "
            f"got {projection.matrix.shape}"
        )
    return projection


def _labels(classes: NDArray[np.generic]) -> dict[str, Any]:
    """Class labels as JSON: numbers, bools or strings."""
    plain = np.array(classes.tolist()) if classes.dtype.kind in "OT" else classes
    dtype = "str" if plain.dtype.kind == "U" else str(plain.dtype)
    return {"dtype": dtype, "values": plain.tolist()}


def _classes(labels: dict[str, Any]) -> NDArray[Any]:
    if labels["dtype"] == "str":
        return np.array([str(label) for label in labels["values"]])
    dtype: np.dtype[Any] = np.dtype(labels["dtype"])
    if dtype.kind not in "biuf":
        raise ValueError(f"classes: expected numbers or strings, got {dtype}")
    return np.array(labels["values"], dtype=dtype)


def _same_length(name: str, values: NDArray[Any], length: int) -> None:
    if len(values) != length:
        raise ValueError(f"{name}: expected {length} entries, got {len(values)}")

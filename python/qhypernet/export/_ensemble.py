"""What is exported: weighted networks, and the way from features to their inputs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from qhypernet import _check
from qhypernet.networks import BinaryNetwork

if TYPE_CHECKING:
    from qhypernet.estimators import QHNClassifier, QHNRegressor
    from qhypernet.runs import Run

Source: TypeAlias = "QHNClassifier | QHNRegressor | Run | Ensemble"
Floats = NDArray[np.float64]

_DRAWS = 1000
"""Networks that are drawn from a run's distribution."""


@dataclass(frozen=True, eq=False)
class Ensemble:
    """Weighted networks; a prediction is the average of what they say."""

    net: BinaryNetwork
    """Layers, activation and likelihood of all networks."""
    bits: NDArray[np.uint8]
    """Weights of the networks, 0 for +1 and 1 for -1, shape (S, n_weights)."""
    weights: Floats
    """The networks' shares, which sum to 1, shape (S,)."""
    mean: Floats
    """Taken from the features first, shape (F,)."""
    matrix: Floats
    """Networks' inputs are ``(X - mean) @ matrix``, shape (F, inputs)."""
    feature_names: tuple[str, ...]
    class_names: tuple[str, ...] = ()
    """Empty for regression."""
    target: tuple[float, float] = (0.0, 1.0)
    """For regression: targets are the first number plus the second times the networks' outputs."""

    def most_probable(self, n_networks: int) -> Ensemble:
        """The ``n_networks`` with the largest shares, which are then made to sum to 1.

        Leaving networks out makes predictions more certain than the posterior's.
        """
        n_networks = _check.integer("n_networks", n_networks, 1)
        kept = np.argsort(-self.weights, kind="stable")[:n_networks]
        weights = self.weights[kept] / self.weights[kept].sum()
        return replace(self, bits=self.bits[kept], weights=weights)

    @property
    def activation(self) -> str:
        """The hidden units' activation."""
        return self.net.activations[0]

    @property
    def layers(self) -> list[tuple[NDArray[np.uint8], NDArray[np.uint8] | None]]:
        """For each layer, bits of its matrix, (S, inputs, outputs), and biases, (S, outputs)."""
        return [
            (self.bits[:, matrix], None if bias is None else self.bits[:, bias])
            for matrix, bias in self.net.layout
        ]


def ensemble(source: Source, n_networks: int | None) -> Ensemble:
    """The networks of a fitted estimator or of a run's best start.

    Args:
        source: What was trained.
        n_networks: So many, the most probable ones; None for all that an estimator stores, and for
            1000 draws, many of them equal, from a run's distribution.
    """
    if isinstance(source, Ensemble):
        found = source
    elif hasattr(source, "folder"):
        found = _of_run(source, single=n_networks == 1)
    elif hasattr(source, "network_"):
        found = _of_estimator(source)  # type: ignore[arg-type]
    else:
        raise TypeError(
            "source: expected a fitted QHNClassifier or QHNRegressor, a run or an Ensemble, "
            f"got {source!r}"
        )
    if found.net.n_architecture:
        raise ValueError(
            f"source: expected networks of one architecture, got {found.net.units}, of which "
            "each network's last bits choose; train the one that was chosen and export that"
        )
    return found if n_networks is None else found.most_probable(n_networks)


def _of_estimator(model: QHNClassifier | QHNRegressor) -> Ensemble:
    names = getattr(model, "feature_names_in_", [f"x{i}" for i in range(model.n_features_in_)])
    return Ensemble(
        model.network_,
        model.networks_,
        model.network_weights_,
        model.projection_.mean,
        model.projection_.matrix,
        tuple(str(name) for name in names),
        tuple(str(name) for name in getattr(model, "classes_", ())),
        (getattr(model, "target_mean_", 0.0), getattr(model, "target_scale_", 1.0)),
    )


def _of_run(run: Run, *, single: bool) -> Ensemble:
    init = run.best_init()
    if single:
        outcome = int(run.probabilities(init).argmax())
        bits = np.array([[outcome >> i & 1 for i in range(run.net.n_weights)]], dtype=np.uint8)
        counts = np.ones(1, dtype=np.intp)
    else:
        circuit = run.config.build_circuit(run.net)
        drawn = circuit.simulate(run.params[init]).sample(_DRAWS, seed=int(run.result.seed))
        bits, counts = np.unique(drawn, axis=0, return_counts=True)
    return Ensemble(
        run.net,
        bits,
        counts / counts.sum(),
        np.zeros(run.data.n_features),
        np.eye(run.data.n_features),
        tuple(run.data.feature_names),
        tuple(run.data.class_names) if run.net.n_classes else (),
    )

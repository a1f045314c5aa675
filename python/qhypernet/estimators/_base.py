"""What classifier and regressor have in common: from a table to samples of trained networks."""

from __future__ import annotations

import inspect
import math
import os
import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from qhypernet import _check, _core, ansatz, gradients, recipes, schedules, training
from qhypernet._callbacks import Together
from qhypernet._step import Callback
from qhypernet._symmetry import is_odd
from qhypernet.circuits import Circuit
from qhypernet.estimators import _evidence, _features
from qhypernet.gradients import Gradient
from qhypernet.networks import BinaryNetwork
from qhypernet.objectives import OBJECTIVES, Objective
from qhypernet.optimizers import OPTIMIZERS, Adam, Optimizer
from qhypernet.priors import BernoulliPrior
from qhypernet.problems import Problem
from qhypernet.samplers import Sampler, StatevectorSampler, Streams
from qhypernet.schedules import Schedule
from qhypernet.selection import select
from qhypernet.stopping import EarlyStopping

if TYPE_CHECKING:
    import pandas as pd

Features: TypeAlias = "ArrayLike | pd.DataFrame"
Floats = NDArray[np.float64]
Points = tuple[Floats, NDArray[Any]]

ROWS: dict[str, Any] = {"dtype": np.float64, "order": "C"}
"""Tables of pandas come column by column, but the core reads rows."""

_AUTO_WEIGHTS = 16
"""Binary weights that ``n_components="auto"`` stays within."""
_MOST_WEIGHTS = 30
_TRAINING_VECTORS = 5.0
"""Complex vectors of 2**n entries that training with exact gradients holds."""

_ANSATZES = ("auto", "hardware_efficient", "brickwork", "sign_symmetric")


class Uncertainty(NamedTuple):
    """How uncertain a prediction is and why, each of shape (D,): total = aleatoric + epistemic.

    For classes these are entropies in nats, for regression variances in the target's units squared.
    """

    total: Floats
    """Of the posterior predictive."""
    aleatoric: Floats
    """What single networks leave open on average: noise that more data cannot remove."""
    epistemic: Floats
    """What the networks disagree on: what more data removes."""


class Hypernetwork(BaseEstimator):  # type: ignore[misc]
    """The parameters that classifier and regressor share, and training."""

    hidden: int | Sequence[int]
    activation: str
    bias: bool
    logit_scale: float | None
    standardize: bool
    n_components: int | str | None
    ansatz: str | Circuit | Callable[[BinaryNetwork], Circuit]
    n_layers: int
    objective: str | Objective
    weight: float | Schedule | None
    p_plus: float
    n_inits: int
    n_steps: int
    optimizer: str | Optimizer
    learning_rate: float | Schedule | None
    start: str
    gradient: str | Gradient | None
    shots: int | None
    sampler: Sampler | None
    n_samples: int
    stopping: EarlyStopping | None
    callback: Callback | Iterable[Callback] | None
    checkpoint: str | os.PathLike[str] | None
    random_state: int | np.random.RandomState | None
    verbose: bool

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the fitted model to one file, which :func:`qhypernet.load` reads.

        The file is NetCDF with a version inside, and whole or not there at all; nothing is pickled.
        Objects of one's own, such as a device or a function as ansatz, are named in it only;
        ``callback`` and ``checkpoint`` belong to training, not to the model, and are left out.

        Example:
            >>> import tempfile, pathlib, qhypernet as qh
            >>> data = qh.datasets.moons()
            >>> model = qh.QHNClassifier(n_steps=10).fit(data.X_train, data.y_train)
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     model.save(pathlib.Path(folder) / "moons.nc")
            ...     again = qh.load(pathlib.Path(folder) / "moons.nc")
            >>> bool((again.predict(data.X_test) == model.predict(data.X_test)).all())
            True
        """
        check_is_fitted(self)
        from qhypernet.estimators import _file

        _file.save(self, path)

    def _checked_weights(self, sample_weight: ArrayLike | None, X: Floats) -> Floats | None:
        if sample_weight is None:
            return None
        weights: Floats = _check_sample_weight(
            sample_weight, X, dtype=np.float64, ensure_non_negative=True
        )
        if not weights.any():
            raise ValueError("sample_weight: expected weights that are not all zero")
        return weights

    def _held_out(self, X: Features | None, y: ArrayLike | None) -> Points | None:
        """Points to validate on, if there are any: features and their labels or targets."""
        if X is None and y is None:
            return None
        if X is None or y is None:
            raise ValueError(f"X_val, y_val: expected both or none, got only {'Xy'[X is None]}_val")
        return validate_data(self, X, y, reset=False, **ROWS)  # type: ignore[no-any-return]

    def _train(
        self,
        X: Floats,
        y: Floats,
        weights: Floats | None,
        likelihood: str,
        n_outputs: int,
        held_out: Points | None,
    ) -> None:
        """Trains on features and encoded targets, and stores samples of the best distribution."""
        counts = np.ones(len(X)) if weights is None else weights
        n_components = self._n_components(X.shape[1], n_outputs)
        self.projection_ = _features.fit(
            X, counts, standardize=bool(self.standardize), n_components=n_components
        )
        inputs = self.projection_(X)
        net = self._network(inputs.shape[1], likelihood, n_outputs)
        self._check_size(net, X.shape[1])
        prior = BernoulliPrior(net.n_weights, self.p_plus)
        net, table = _evidence.choose(
            net,
            inputs,
            y,
            weights,
            prior,
            logit_scale=self.logit_scale,
            noise=self._noise(),
        )
        circuit = self._circuit(net)
        objective = self._objective(table)
        gradient = self._gradient(objective)
        data = {"train": Problem(net, inputs, y)}
        if held_out is not None:
            data["validation"] = Problem(net, self.projection_(held_out[0]), held_out[1])
        n_samples = _check.integer("n_samples", self.n_samples, 2)
        result = training.train(
            circuit,
            table,
            objective,
            n_inits=self.n_inits,
            n_steps=self.n_steps,
            optimizer=self._optimizer(circuit, gradient),
            gradient=gradient,
            start=self.start,
            prior=prior,
            seed=self._seed(),
            stopping=self.stopping,
            callback=Together(self.callback, data=data),
            checkpoint=self.checkpoint,
            progress=bool(self.verbose),
        )
        if self.sampler is None:
            selection = select(result, table, prior=prior)
        else:
            selection = select(
                result,
                table,
                prior=prior,
                objective=objective,
                shots=n_samples,
                sampler=self.sampler,
                seed=result.seed,
            )
        self.scores_, self.best_init_ = selection.scores, selection.init
        best = np.array([selection.init])
        # No step of the training has this number: these shots are fresh.
        streams = Streams(result.seed, self.n_steps, best, 0 * best)
        sampler = self.sampler or StatevectorSampler()
        kept = sampler.sample(result.circuit, result.params[best], n_samples, streams)[0]
        self.networks_, counted = np.unique(kept, axis=0, return_counts=True)
        self.network_weights_ = counted / n_samples
        self.network_, self.circuit_ = net, result.circuit
        self.params_, self.history_ = result.params, result.history
        self.seed_ = result.seed
        self.n_iter_ = int(result.history["steps_taken"].max())

    def _inputs(self, X: Features) -> Floats:
        """The network's inputs for new points, shape (D, inputs)."""
        check_is_fitted(self)
        features: Floats = validate_data(self, X, reset=False, **ROWS)
        return self.projection_(features)

    def _predictive(self, X: Features) -> tuple[Floats, Floats, Floats]:
        """Averages over the stored networks: mean, votes or second moment, aleatoric part."""
        inputs = self._inputs(X)
        return self.network_.averages(inputs, self.network_weights_, self.networks_)

    def _network(self, n_inputs: int, likelihood: str, n_outputs: int) -> BinaryNetwork:
        sizes = self.hidden
        if isinstance(sizes, str) or not isinstance(sizes, Iterable):
            sizes = (sizes,)
        hidden = [_check.integer("hidden", size, 1) for size in sizes]
        return BinaryNetwork(
            (n_inputs, *hidden, n_outputs), self.activation, self.bias, likelihood=likelihood
        )

    def _noise(self) -> float | None:
        """For regression: the one that was asked for."""
        noise = getattr(self, "noise", None)
        return None if noise is None else _check.number("noise", noise, above=0)

    def _n_components(self, n_features: int, n_outputs: int) -> int | None:
        """How many components to project onto; None for none."""
        if self.n_components is None:
            return None
        if self.n_components != "auto":
            if isinstance(self.n_components, str):
                raise ValueError(
                    f"n_components: expected a number, None or 'auto', got {self.n_components!r}"
                )
            return _check.integer("n_components", self.n_components, 1)
        sizes = [
            self._network(n, "gaussian", n_outputs).n_weights for n in range(1, n_features + 1)
        ]
        if sizes[-1] <= _AUTO_WEIGHTS:
            return None
        kept = max(1, sum(size <= _AUTO_WEIGHTS for size in sizes))
        warnings.warn(
            f"X has {n_features} features, for which the network would have {sizes[-1]} binary "
            f"weights, one qubit each: they are projected onto {kept} principal components. Set "
            "n_components to choose how many, or to None to keep all features.",
            UserWarning,
            stacklevel=4,
        )
        return kept

    def _check_size(self, net: BinaryNetwork, n_features: int) -> None:
        """Refuses networks whose weights no statevector here can hold, before any work is done."""
        vectors = _core.available_memory() / (16 * _TRAINING_VECTORS)
        most = min(_MOST_WEIGHTS, int(math.log2(vectors)))
        if net.n_weights > most:
            sizes = "-".join(map(str, net.layers))
            ways = ["lower n_components"] * (net.layers[0] > 1)
            ways += ["take fewer hidden units"] * (len(net.layers) > 2)
            ways += ["tell fewer classes apart"] * (net.layers[-1] > 1)
            ways += ["set bias=False"] * net.bias
            raise ValueError(
                f"the network {sizes} for n_features={n_features} has {net.n_weights} binary "
                f"weights, one qubit each, but a statevector of at most {most} qubits fits here; "
                f"{' or '.join(ways)}"
            )

    def _optimizer_kind(self) -> Optimizer | type[Optimizer]:
        """The optimiser that was asked for, or what the name means that was."""
        if isinstance(self.optimizer, Optimizer):
            return self.optimizer
        return OPTIMIZERS[_check.choice("optimizer", self.optimizer, OPTIMIZERS)]

    def _optimizer(self, circuit: Circuit, gradient: Gradient) -> Optimizer:
        """The one that was asked for, with a learning rate that suits it if none was."""
        kind = self._optimizer_kind()
        if not isinstance(kind, Optimizer):
            if self.learning_rate is None:
                # The recipe is one for exact gradients; early stopping waits where rates change;
                # and a circuit without angles has none.
                steady = gradient.min_shots is not None or self.stopping or not circuit.n_params
                return recipes.adam(circuit) if kind is Adam and not steady else kind()
            if "learning_rate" in inspect.signature(kind).parameters:
                return kind(learning_rate=self.learning_rate)  # type: ignore[call-arg]
        if self.learning_rate is not None:
            why = "has its own" if isinstance(kind, Optimizer) else "has none"
            raise ValueError(
                f"learning_rate: expected None with {self.optimizer!r}, which {why}, "
                f"got {self.learning_rate!r}"
            )
        assert isinstance(kind, Optimizer)
        return kind

    def _objective(self, table: Floats) -> Objective:
        """The one that was asked for; annealed, if it is named, no weight is and it may change."""
        if isinstance(self.objective, Objective):
            if self.weight is not None:
                raise ValueError(
                    f"weight: expected None with {self.objective!r}, which has its own, "
                    f"got {self.weight!r}"
                )
            return self.objective
        name = _check.choice("objective", self.objective, OBJECTIVES)
        kind = OBJECTIVES[name]
        weight = self.weight
        if weight is None and self._optimizer_kind().is_noise_proof:
            annealed = {"elbo": recipes.beta(table), "selbo": Schedule(3000, 30, fraction=0.7)}
            weight = annealed.get(name)
        if weight is None:
            return kind()
        if name == "mle":
            raise ValueError(f"weight: expected None with 'mle', which has none, got {weight!r}")
        weight = schedules.checked("weight", weight, minimum=0)
        return kind(**{"beta" if name == "elbo" else "weight": weight})

    def _gradient(self, objective: Objective) -> Gradient:
        """The one that was asked for; with a sampler, one that needs nothing but samples."""
        if self.sampler is not None and not callable(getattr(self.sampler, "sample", None)):
            raise TypeError(
                f"sampler: expected one of qhypernet.samplers, or None, got {self.sampler!r}"
            )
        if isinstance(self.gradient, Gradient):
            return gradients.chosen(self.gradient, self.shots, objective)
        if self.sampler is None:
            default = "exact" if self.shots is None else "sampled"
            return gradients.chosen(self.gradient or default, self.shots, objective)
        found = gradients.chosen(self.gradient or "spsa", self.shots or 1000, objective)
        if not isinstance(found, gradients.ParameterShift | gradients.SPSA):
            raise ValueError(
                "gradient: expected 'parameter_shift' or 'spsa' with a sampler, "
                f"got {self.gradient!r}"
            )
        return type(found)(found.shots, sampler=self.sampler)

    def _circuit(self, net: BinaryNetwork) -> Circuit:
        if isinstance(self.ansatz, Circuit):
            return self.ansatz
        if callable(self.ansatz):
            return self.ansatz(net)
        name = _check.choice("ansatz", self.ansatz, _ANSATZES)
        symmetric = is_odd(net) and len(net.layers) > 2
        if name == "sign_symmetric" or (name == "auto" and symmetric):
            return ansatz.sign_symmetric(net, self.n_layers)
        build = ansatz.brickwork if name == "brickwork" else ansatz.hardware_efficient
        return build(net.n_weights, self.n_layers)

    def _seed(self) -> int:
        if isinstance(self.random_state, np.random.RandomState):
            return int(self.random_state.randint(2**31 - 1))
        if self.random_state is None:
            return _check.seed(None)
        return _check.integer("random_state", self.random_state, 0, 2**64 - 1)

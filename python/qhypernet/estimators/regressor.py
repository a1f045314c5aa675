"""A regressor for scikit-learn."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import RegressorMixin
from sklearn.utils.validation import validate_data

from qhypernet._step import Callback
from qhypernet.circuits import Circuit
from qhypernet.estimators import _features
from qhypernet.estimators._base import ROWS, Features, Floats, Hypernetwork, Uncertainty
from qhypernet.gradients import Gradient
from qhypernet.networks import BinaryNetwork
from qhypernet.objectives import Objective
from qhypernet.optimizers import Optimizer
from qhypernet.samplers import Sampler
from qhypernet.schedules import Schedule
from qhypernet.stopping import EarlyStopping


class QHNRegressor(RegressorMixin, Hypernetwork):  # type: ignore[misc]
    """Bayesian regression with a distribution over binary networks, trained as a quantum circuit.

    Targets are normal around the network's output with a noise of fixed size; the target is shifted
    and scaled to mean 0 and standard deviation 1 first. Weights of +1 and -1 cannot leave a feature
    out, so features that say nothing about the target cost accuracy.

    Args:
        hidden: As all but two of these, as in :class:`QHNClassifier`.
        activation: Of the hidden units.
        bias: Whether units have binary biases.
        logit_scale: Factor of the outputs, in standard deviations of the target; None takes the
            one of 0.25, 0.5, 1, 2, 4, 8 over the root of an output's number of inputs whose exact
            evidence is best.
        noise: Standard deviation of the noise, in standard deviations of the target; None takes
            the one from 0.05 to 2 whose exact evidence is best, together with the scale.
        standardize: Whether to shift and scale features.
        n_components: Principal components that the features are projected onto.
        ansatz: The circuit.
        n_layers: Its layers.
        objective: What is minimised.
        weight: Of its divergence.
        p_plus: Prior probability of the weight +1.
        n_inits: Initialisations, of which the best is kept.
        n_steps: Training steps.
        optimizer: The optimiser.
        learning_rate: Of a named optimiser.
        start: Where training starts.
        gradient: How the gradient is found.
        shots: Measurements of a gradient that measures.
        sampler: A device or simulator that has samples only.
        n_samples: Networks that are drawn and stored.
        stopping: When an initialisation has trained enough.
        callback: Called after each step; metrics are in standard deviations of the target.
        checkpoint: A file to save training to, and to go on from.
        random_state: An integer, a ``RandomState``, or None for a new seed.
        verbose: Whether to show a progress bar.

    Attributes:
        target_mean_: Of the targets, in their units.
        target_scale_: Their standard deviation.
        networks_: This and all others are as :class:`QHNClassifier` has them, but ``classes_``.

    Example:
        >>> import numpy as np, qhypernet as qh
        >>> X = np.linspace(-2, 2, 40)[:, None]
        >>> y = 3 * np.sin(X[:, 0])
        >>> model = qh.QHNRegressor(hidden=(2, 2), n_steps=100, random_state=0).fit(X, y)
        >>> bool(model.score(X, y) > 0.9)
        True
    """

    def __init__(
        self,
        hidden: int | Sequence[int] = (),
        *,
        activation: str = "tanh",
        bias: bool = True,
        logit_scale: float | None = None,
        noise: float | None = None,
        standardize: bool = True,
        n_components: int | str | None = "auto",
        ansatz: str | Circuit | Callable[[BinaryNetwork], Circuit] = "auto",
        n_layers: int = 8,
        objective: str | Objective = "elbo",
        weight: float | Schedule | None = None,
        p_plus: float = 0.5,
        n_inits: int = 4,
        n_steps: int = 300,
        optimizer: str | Optimizer = "adam",
        learning_rate: float | Schedule | None = None,
        start: str = "near_uniform",
        gradient: str | Gradient | None = None,
        shots: int | None = None,
        sampler: Sampler | None = None,
        n_samples: int = 1000,
        stopping: EarlyStopping | None = None,
        callback: Callback | Iterable[Callback] | None = None,
        checkpoint: str | os.PathLike[str] | None = None,
        random_state: int | np.random.RandomState | None = None,
        verbose: bool = False,
    ) -> None:
        self.hidden = hidden
        self.activation = activation
        self.bias = bias
        self.logit_scale = logit_scale
        self.noise = noise
        self.standardize = standardize
        self.n_components = n_components
        self.ansatz = ansatz
        self.n_layers = n_layers
        self.objective = objective
        self.weight = weight
        self.p_plus = p_plus
        self.n_inits = n_inits
        self.n_steps = n_steps
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.start = start
        self.gradient = gradient
        self.shots = shots
        self.sampler = sampler
        self.n_samples = n_samples
        self.stopping = stopping
        self.callback = callback
        self.checkpoint = checkpoint
        self.random_state = random_state
        self.verbose = verbose

    def fit(
        self,
        X: Features,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        X_val: Features | None = None,
        y_val: ArrayLike | None = None,
    ) -> QHNRegressor:
        """Trains on a table.

        Args:
            X: Features, shape (D, F); a pandas table's column names are remembered.
            y: Targets, shape (D,).
            sample_weight: Factors of the points' log-likelihoods, shape (D,); None is 1 for all.
            X_val, y_val: Points that are not trained on, for callbacks to look at.

        Raises:
            ValueError: Data or parameters that do not fit, or more weights than a statevector
                holds: says what to shrink.
        """
        X_all, targets = validate_data(self, X, y, y_numeric=True, **ROWS)
        weights = self._checked_weights(sample_weight, X_all)
        if weights is not None:
            kept = weights > 0
            X_all, targets, weights = X_all[kept], targets[kept], weights[kept]
        targets = np.asarray(targets, dtype=np.float64)
        counts = np.ones(len(targets)) if weights is None else weights
        mean, scale = _features.moments(targets[:, None], counts)
        self.target_mean_, self.target_scale_ = float(mean[0]), float(scale[0])
        standard = (targets - self.target_mean_) / self.target_scale_
        held_out = self._held_out(X_val, y_val)
        if held_out is not None:
            seen = np.asarray(held_out[1], dtype=np.float64) - self.target_mean_
            held_out = held_out[0], seen / self.target_scale_
        self._train(X_all, standard, weights, "gaussian", 1, held_out)
        return self

    def predict(self, X: Features, return_std: bool = False) -> Floats | tuple[Floats, Floats]:
        """Mean of the posterior predictive, shape (D,), and, if asked for, its standard deviation.

        Noise is part of the standard deviation.
        """
        standard = self._predictive(X)[0][:, 0]
        mean = self.target_mean_ + self.target_scale_ * standard
        return (mean, np.sqrt(self.predict_uncertainty(X).total)) if return_std else mean

    def predict_uncertainty(self, X: Features) -> Uncertainty:
        """Variance of the prediction and its aleatoric (noise) and epistemic parts, shapes (D,)."""
        mean, second_moment, noise = self._predictive(X)
        unit = self.target_scale_**2
        # A variance that is a difference is negative by rounding only.
        epistemic = unit * np.maximum(second_moment[:, 0] - mean[:, 0] ** 2, 0.0)
        aleatoric = unit * noise
        return Uncertainty(aleatoric + epistemic, aleatoric, epistemic)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        # On ten features of which nine are noise, as one of the checks has it.
        tags.regressor_tags.poor_score = True
        return tags

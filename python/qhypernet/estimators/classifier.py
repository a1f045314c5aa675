"""A classifier for scikit-learn."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import validate_data

from qhypernet._logs import entropy_terms
from qhypernet._step import Callback
from qhypernet.circuits import Circuit
from qhypernet.estimators._base import ROWS, Features, Floats, Hypernetwork, Uncertainty
from qhypernet.gradients import Gradient
from qhypernet.networks import BinaryNetwork
from qhypernet.objectives import Objective
from qhypernet.optimizers import Optimizer
from qhypernet.samplers import Sampler
from qhypernet.schedules import Schedule
from qhypernet.stopping import EarlyStopping


class QHNClassifier(ClassifierMixin, Hypernetwork):  # type: ignore[misc]
    """A Bayesian classifier: a distribution over binary networks, trained as a quantum circuit.

    Every weight of the network is one qubit of a simulated circuit (or of a device's), so tables
    should have few features or be projected onto few (``n_components``). Predictions are averages
    over networks drawn from the trained distribution.

    Args:
        hidden: Hidden units, a number or one for each layer; () is none.
        activation: Of the hidden units: "sign", "tanh", "relu", "sigmoid" or "identity".
        bias: Whether units have binary biases.
        logit_scale: Factor of the outputs, which says how confident a network is; None takes the
            one of 0.25, 0.5, 1, 2, 4, 8 whose exact evidence is best.
        standardize: Whether to shift and scale features to mean 0 and standard deviation 1.
        n_components: Principal components that the features are projected onto. "auto" projects
            where the network would have more than 16 weights, with a warning; None never does.
        ansatz: "hardware_efficient", "brickwork", "sign_symmetric", a :class:`Circuit`, or a
            function that makes one for a network. "auto" is "sign_symmetric" where hidden units
            have that symmetry, else "hardware_efficient".
        n_layers: Layers of a circuit that is named; 1 is classical, and more come nearer to the
            posterior.
        objective: "elbo", "selbo", "mle" or another name of
            :data:`qhypernet.objectives.OBJECTIVES`, or an :class:`Objective`.
        weight: Of a named objective's divergence, a number or a :class:`Schedule`. None anneals it,
            for "elbo" to 1 as :func:`qhypernet.recipes.beta` does, for "selbo" from 3000 to 30, and
            is 1 for others.
        p_plus: Prior probability of the weight +1.
        n_inits: Initialisations. The best is kept: by the exact ELBO where the simulation knows q,
            else by the objective on fresh samples.
        n_steps: Training steps.
        optimizer: "adam", "sgd", "lbfgsb" or an :class:`qhypernet.optimizers.Optimizer`. With
            "lbfgsb", which needs a weight that stays as it is, nothing is annealed.
        learning_rate: Of a named optimiser, a number or a :class:`Schedule`. None is 0.001 for
            "sgd", and for "adam" that of :func:`qhypernet.recipes.adam`, which falls, or 0.1 with
            shots or ``stopping``.
        start: "random", "near_uniform" or "near_identity".
        gradient: A name or a :class:`qhypernet.gradients.Gradient`; None is "exact", "sampled" with
            ``shots``, and "spsa" with a ``sampler``.
        shots: Measurements of a gradient that measures; 1000 with a ``sampler``.
        sampler: A device or simulator that has samples only (:mod:`qhypernet.samplers`); it needs
            an objective such as "selbo". None is the exact simulation.
        n_samples: Networks that are drawn from the trained distribution and stored.
        stopping: When an initialisation has trained enough; None trains all steps.
        callback: Called with a :class:`TrainingStep` after each step, or several in a list
            (:mod:`qhypernet.callbacks`); True ends training. It can look at metrics on the points
            of ``fit``, and on those to validate on.
        checkpoint: A file that ``fit`` saves its training to now and then, and goes on from where
            it was interrupted; with a ``random_state`` only.
        random_state: An integer, a ``RandomState``, or None for a new seed, which ``seed_`` tells.
        verbose: Whether to show a progress bar.

    Attributes:
        classes_: The labels, shape (K,).
        networks_: Bits of the distinct networks drawn, shape (S, n_weights).
        network_weights_: Their shares of the draws, shape (S,).
        network_: The :class:`BinaryNetwork`, with the scale that was chosen.
        circuit_: The :class:`Circuit`.
        params_: Trained angles of all initialisations, shape (n_inits, P).
        history_: Training's history, an xarray Dataset.
        scores_: What initialisations were compared by in nats, higher is better, shape (n_inits,):
            the ELBO, or minus the objective; NaN for one that diverged.
        best_init_: The initialisation whose networks are stored.
        projection_: From features to the network's inputs.
        n_features_in_: Features of the table that it was trained on.
        feature_names_in_: Their names, if they were given as text.
        n_iter_: Steps taken.
        seed_: The seed, drawn if none was given.

    Example:
        >>> import qhypernet as qh
        >>> data = qh.datasets.moons()
        >>> model = qh.QHNClassifier(n_steps=100, random_state=0).fit(data.X_train, data.y_train)
        >>> bool(model.score(data.X_test, data.y_test) > 0.8)
        True
        >>> model.predict_proba(data.X_test).shape
        (1000, 2)
    """

    def __init__(
        self,
        hidden: int | Sequence[int] = (),
        *,
        activation: str = "tanh",
        bias: bool = True,
        logit_scale: float | None = None,
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
    ) -> QHNClassifier:
        """Trains on a table.

        Args:
            X: Features, shape (D, F); a pandas table's column names are remembered.
            y: Labels, shape (D,), of at least two classes.
            sample_weight: Factors of the points' log-likelihoods, shape (D,); None is 1 for all.
            X_val, y_val: Points that are not trained on, for callbacks to look at.

        Raises:
            ValueError: Data or parameters that do not fit, or more weights than a statevector
                holds: says what to shrink.
        """
        X_all, labels = validate_data(self, X, y, **ROWS)
        check_classification_targets(labels)
        weights = self._checked_weights(sample_weight, X_all)
        if weights is not None:
            kept = weights > 0
            X_all, labels, weights = X_all[kept], labels[kept], weights[kept]
        self.classes_, encoded = np.unique(labels, return_inverse=True)
        n_classes = len(self.classes_)
        if n_classes < 2:
            raise ValueError(
                "y: expected labels of at least two classes, got one class: "
                f"{self.classes_.tolist()[0]!r}"
            )
        likelihood, n_outputs = ("bernoulli", 1) if n_classes == 2 else ("categorical", n_classes)
        held_out = self._held_out(X_val, y_val)
        if held_out is not None:
            unknown = np.setdiff1d(held_out[1], self.classes_)
            if unknown.size:
                raise ValueError(
                    f"y_val: expected labels that y has, {self.classes_.tolist()}, "
                    f"got {unknown.tolist()[0]!r} too"
                )
            held_out = held_out[0], np.searchsorted(self.classes_, held_out[1])
        self._train(X_all, encoded.astype(np.float64), weights, likelihood, n_outputs, held_out)
        return self

    def predict_proba(self, X: Features) -> Floats:
        """The posterior predictive ``p(y = k | x)``, shape (D, K), classes as in ``classes_``."""
        return self._predictive(X)[0]

    def predict_log_proba(self, X: Features) -> Floats:
        """Its logarithm, shape (D, K)."""
        # A probability that is rounded to zero is at most the smallest there is.
        return np.asarray(np.log(np.maximum(self.predict_proba(X), np.finfo(float).tiny)))

    def decision_function(self, X: Features) -> Floats:
        """Log odds of the second of two classes, shape (D,); ``log p`` of more, shape (D, K)."""
        log_p = self.predict_log_proba(X)
        return np.asarray(log_p[:, 1] - log_p[:, 0]) if len(self.classes_) == 2 else log_p

    def predict(self, X: Features) -> NDArray[np.generic]:
        """The most probable class of each point, shape (D,)."""
        most_probable = self.predict_proba(X).argmax(axis=1)
        return np.asarray(self.classes_[most_probable])

    def predict_uncertainty(self, X: Features) -> Uncertainty:
        """Entropy of the prediction in nats, and its aleatoric and epistemic parts, shapes (D,).

        Example:
            >>> import qhypernet as qh
            >>> data = qh.datasets.moons()
            >>> model = qh.QHNClassifier(n_steps=50, random_state=0)
            >>> u = model.fit(data.X_train, data.y_train).predict_uncertainty(data.X_test)
            >>> bool(abs(u.total - u.aleatoric - u.epistemic).max() < 1e-12)
            True
        """
        probabilities, _, aleatoric = self._predictive(X)
        total = -entropy_terms(probabilities).sum(axis=1)
        # Entropy is concave, so the difference is negative by rounding only.
        aleatoric = np.minimum(aleatoric, total)
        return Uncertainty(total, aleatoric, total - aleatoric)

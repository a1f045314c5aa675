"""Binary neural networks: weights +1 and -1, one bit each."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qhypernet import _check, _core
from qhypernet._architectures import Architectures

_ACTIVATIONS = ("sign", "tanh", "relu", "sigmoid", "identity")
_LIKELIHOODS = ("bernoulli", "categorical", "gaussian")


class BinaryNetwork:
    """A fully connected network whose weights and biases are all +1 or -1.

    Bit 0 is the weight +1, bit 1 is -1. The flat order of the bits is, for each layer in turn, the
    matrix of shape (inputs, outputs) in row-major order, then the biases. The last layer is linear;
    its outputs times ``logit_scale`` are the logits.

    Args:
        layers: Sizes (inputs, hidden..., outputs).
        activation: Of the hidden units: "sign" (sign(0) = +1; weights and activations binary),
            "tanh", "relu", "sigmoid" or "identity". With 2 or 4 of them, bits choose one for each
            hidden layer.
        bias: Whether every unit has a binary bias.
        logit_scale: Factor of the outputs, above 0.
        likelihood: "bernoulli" (one output, labels 0 and 1), "categorical" (softmax over the
            outputs, labels 0..K-1) or "gaussian" (regression). None takes the first for one output
            and the second for more.
        noise: Standard deviation of a Gaussian likelihood.
        removable: Whether a bit for each hidden unit can switch it off.

    Bits that choose the architecture stand after the weights, and one circuit over all of them
    searches both (Carrasquilla et al. 2023, arXiv 2301.08292). For each hidden layer in turn they
    are the number of the activation, lowest bit first, and a bit a unit, where 1 is off.

    Example:
        >>> import numpy as np, qhypernet as qh
        >>> net = qh.BinaryNetwork((2, 3, 1), activation="tanh")
        >>> net.n_weights
        13
        >>> net.logits(np.zeros((1, 13), dtype=np.uint8), [[0.0, 0.0]]).round(3)  # all weights +1
        array([[[3.285]]])
        >>> net = qh.BinaryNetwork((2, 3, 1), activation=("sign", "tanh"), removable=True)
        >>> net.n_weights, net.n_architecture, net.architectures[1]
        (17, 4, 'tanh, 3 of 3 units')
    """

    def __init__(
        self,
        layers: Sequence[int],
        activation: str | Sequence[str] = "sign",
        bias: bool = True,
        *,
        logit_scale: float = 1.0,
        likelihood: str | None = None,
        noise: float = 1.0,
        removable: bool = False,
    ) -> None:
        self.layers = tuple(_check.integer("layers", size, 1) for size in layers)
        if len(self.layers) < 2:
            raise ValueError(f"layers: expected at least inputs and outputs, got {self.layers}")
        names = (activation,) if isinstance(activation, str) else tuple(activation)
        self.activations = tuple(_check.choice("activation", name, _ACTIVATIONS) for name in names)
        if len(names) not in (1, 2, 4) or len(set(names)) < len(names):
            raise ValueError(f"activation: expected 1, 2 or 4 different names, got {names}")
        self.bias = bool(bias)
        has_hidden = len(self.layers) > 2
        self.activations = self.activations if has_hidden else self.activations[:1]
        if not isinstance(removable, bool):
            raise TypeError(f"removable: expected True or False, got {removable!r}")
        self.removable = removable and has_hidden
        self.logit_scale = _check.number("logit_scale", logit_scale, above=0)
        if likelihood is None:
            likelihood = "bernoulli" if self.layers[-1] == 1 else "categorical"
        self.likelihood = _check.choice("likelihood", likelihood, _LIKELIHOODS)
        self.noise = _check.number("noise", noise, above=0)
        self._core: _core.Network | Architectures
        if len(self.activations) == 1 and not self.removable:
            self._core = self._fixed(self.layers, self.activations * (len(self.layers) - 2))
        else:
            self._core = Architectures(
                self.layers, self.activations, self.bias, removable, self._fixed
            )

    def _fixed(self, sizes: Sequence[int], activations: Sequence[str]) -> _core.Network:
        return _core.Network(
            list(sizes),
            list(activations),
            self.bias,
            self.logit_scale,
            self.likelihood,
            self.noise,
        )

    def __reduce__(self) -> tuple[object, ...]:
        # The core's half is built again, so that networks can be sent to other processes.
        values = self.logit_scale, self.likelihood, self.noise
        return _network, (self.layers, self.activation, self.bias, *values, self.removable)

    def __repr__(self) -> str:
        sizes = "-".join(map(str, self.layers))
        bias = "" if self.bias else ", no bias"
        return f"<BinaryNetwork {sizes}, {self.units}{bias}: {self.n_weights} weights>"

    @property
    def activation(self) -> str | tuple[str, ...]:
        """The hidden units' activation, or those to choose from."""
        return self.activations if len(self.activations) > 1 else self.activations[0]

    @property
    def units(self) -> str:
        """What the hidden units are, in words."""
        return " or ".join(self.activations) + (", removable" if self.removable else "")

    @property
    def n_weights(self) -> int:
        """Number of bits, those of biases and of the architecture included: the qubits that a
        circuit for it needs."""
        return self._core.n_weights

    @property
    def n_architecture(self) -> int:
        """Number of the bits, the last ones, that choose the architecture."""
        return self._core.n_architecture if isinstance(self._core, Architectures) else 0

    @cached_property
    def architectures(self) -> list[str]:
        """Every architecture in words, by the number that its bits are; they can say the same."""
        parts = self._core.all if isinstance(self._core, Architectures) else []
        return [self._describe(*part.shape) for part in parts] or [self.units]

    def architecture_probabilities(self, q: ArrayLike) -> dict[str, float]:
        """Probability of every architecture, in words, under one distribution over all networks.

        Args:
            q: Probabilities by outcome index, shape (2**n,).

        Example:
            >>> import qhypernet as qh
            >>> net = qh.BinaryNetwork((1, 1, 1), ("sign", "tanh"), bias=False)
            >>> net.architecture_probabilities([0.2, 0.2, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1])
            {'sign': 0.6, 'tanh': 0.4}
        """
        weights = _check.distributions("q", q, 1)
        self.check_distributions(weights, None)
        found = dict.fromkeys(self.architectures, 0.0)
        own = weights.reshape(2**self.n_architecture, -1).sum(axis=1)
        for name, probability in zip(self.architectures, own, strict=True):
            found[name] += float(probability)
        return found

    def _describe(self, sizes: tuple[int, ...], activations: tuple[str, ...]) -> str:
        hidden = zip(activations, sizes[1:-1], self.layers[1:-1], strict=True)
        units = (f", {n} of {size} units" * self.removable for _, n, size in hidden)
        return "; ".join(a + text for a, text in zip(activations, units, strict=True))

    @property
    def n_classes(self) -> int:
        """Number of classes that it tells apart; 0 for regression."""
        return {"bernoulli": 2, "categorical": self.layers[-1], "gaussian": 0}[self.likelihood]

    @cached_property
    def layout(self) -> list[tuple[NDArray[np.int64], NDArray[np.int64] | None]]:
        """For each layer, the flat positions of its matrix (inputs, outputs) and of its biases."""
        layout = []
        start = 0
        for n_in, n_out in zip(self.layers, self.layers[1:], strict=False):
            matrix = np.arange(start, start + n_in * n_out).reshape(n_in, n_out)
            start += n_in * n_out
            bias = np.arange(start, start + n_out) if self.bias else None
            start += n_out if self.bias else 0
            layout.append((matrix, bias))
        return layout

    def logits(self, bits: ArrayLike, X: ArrayLike) -> NDArray[np.float64]:
        """Outputs times ``logit_scale``, shape (S, D, K).

        Args:
            bits: S networks, shape (S, n_weights), 0 or 1.
            X: D points, shape (D, inputs).
        """
        return self._core.logits(self._bits(bits), self._features(X))

    def log_likelihood(self, bits: ArrayLike, X: ArrayLike, y: ArrayLike) -> NDArray[np.float64]:
        """``sum_d log p(y_d | x_d, w)`` of S networks, in nats, shape (S,).

        Args:
            bits: S networks, shape (S, n_weights), 0 or 1.
            X: D points, shape (D, inputs).
            y: Labels 0..K-1 of shape (D,); for regression targets of shape (D,) or (D, K).
        """
        x = self._features(X)
        return self._core.log_likelihood(self._bits(bits), x, self.check_targets(y, len(x)))

    def log_likelihood_table(
        self, X: ArrayLike, y: ArrayLike, *, sample_weight: ArrayLike | None = None
    ) -> NDArray[np.float64]:
        """The log-likelihood of all 2**n_weights networks in nats, by outcome index.

        Args:
            X: D points, shape (D, inputs).
            y: Labels or targets as :meth:`log_likelihood` takes them.
            sample_weight: Factors of the points' log-likelihoods, at least 0, shape (D,): a point
                of weight 2 counts as two points. None is 1 for all. Points of equal weight are
                evaluated together, so a few distinct weights cost no more than none.

        Raises:
            MemoryError: The table does not fit.

        Example:
            >>> import qhypernet as qh
            >>> net = qh.BinaryNetwork((1, 1), bias=False)
            >>> net.log_likelihood_table([[1.0], [2.0]], [1, 0], sample_weight=[2.0, 0.0]).round(3)
            array([-0.627, -2.627])
        """
        x = self._features(X)
        targets = self.check_targets(y, len(x))
        if sample_weight is None:
            return self._core.log_likelihood_table(x, targets)
        weights = _check.floats("sample_weight", sample_weight, shape=f"({len(x)},)")
        if weights.shape != (len(x),):
            raise ValueError(f"sample_weight: expected shape ({len(x)},), got {weights.shape}")
        if weights.min() < 0 or not weights.any():
            raise ValueError(
                "sample_weight: expected numbers of at least 0 that are not all zero, "
                f"got {weights.min():g} to {weights.max():g}"
            )
        table = np.zeros(1)
        for weight in np.unique(weights[weights > 0]):
            members = weights == weight
            table = table + weight * self._core.log_likelihood_table(x[members], targets[members])
        return table

    def averages(
        self, X: ArrayLike, q: ArrayLike, bits: ArrayLike | None = None
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """What networks say on average; :func:`qhypernet.predict` and ``regress`` give it names.

        Args:
            X: D points, shape (D, inputs).
            q: Probabilities of networks, shape (S,) or (M, S): of all S = 2**n networks by outcome
                index, or, with ``bits``, of the S networks given there.
            bits: S networks, shape (S, n_weights).

        Returns:
            Means under q, shapes (M, D, K), (M, D, K) and (M, D), without M for a single q. For
            classifiers of ``p(y = k | x, w)``, of votes for class k and of the entropy in nats; for
            regression of output k, of its square and of the noise's variance.
        """
        x = self._features(X)
        rows, batch = self.check_distributions(q, bits)
        parts = self._core.predictive(rows, batch, len(batch), x)
        return parts if np.ndim(q) == 2 else (parts[0][0], parts[1][0], parts[2][0])

    def check_distributions(
        self, q: ArrayLike, bits: ArrayLike | None
    ) -> tuple[NDArray[np.uint8] | None, NDArray[np.float64]]:
        """``bits`` and ``q`` as arrays, if they fit: None or (S, n_weights), and (M, S).

        Raises:
            ValueError: Other shapes, or no distributions.
        """
        rows = None if bits is None else self._bits(bits)
        weights = _check.distributions("q", q, 2)
        n_networks = 2**self.n_weights if rows is None else len(rows)
        if weights.shape[-1] != n_networks:
            raise ValueError(
                f"q: expected shape ({n_networks},) or (M, {n_networks}), got {weights.shape}"
            )
        return rows, np.atleast_2d(weights)

    def _bits(self, bits: ArrayLike) -> NDArray[np.uint8]:
        return _check.bits("bits", bits, self.n_weights)

    def _features(self, X: ArrayLike) -> NDArray[np.float64]:
        return _check.features(X, self.layers[0])

    def check_targets(self, y: ArrayLike, n_points: int) -> NDArray[np.float64]:
        """``y`` as an array, if it can be the labels or targets of ``n_points`` points.

        Raises:
            ValueError: Another shape, or labels other than 0..K-1.
        """
        values = _check.floats("y", y, shape=f"({n_points},)")
        shapes: list[tuple[int, ...]] = [(n_points,)]
        if self.likelihood == "gaussian":
            shapes = [(n_points, self.layers[-1])] + (shapes if self.layers[-1] == 1 else [])
        if values.shape not in shapes:
            raise ValueError(f"y: expected shape {shapes[0]}, got {values.shape}")
        wrong = values[~np.isin(values, np.arange(self.n_classes))]
        if self.n_classes and wrong.size:
            raise ValueError(f"y: expected labels 0..{self.n_classes - 1}, got {wrong[0]:g}")
        return values


def _network(
    layers: tuple[int, ...],
    activation: str | tuple[str, ...],
    bias: bool,
    logit_scale: float,
    likelihood: str,
    noise: float,
    removable: bool,
) -> BinaryNetwork:
    return BinaryNetwork(
        layers,
        activation,
        bias,
        logit_scale=logit_scale,
        likelihood=likelihood,
        noise=noise,
        removable=removable,
    )

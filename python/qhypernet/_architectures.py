"""Networks whose last bits choose their architecture, as networks of fixed architectures.

An architecture is a network with fewer units and fixed activations, so everything is worked out by
those: they are as fast as any, and architectures that differ only in which units are off share one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from qhypernet import _core

Floats = NDArray[np.float64]
Bits = NDArray[np.uint8]

Shape = tuple[tuple[int, ...], tuple[str, ...]]
"""Sizes of all layers, inputs and outputs included, and the activations of the hidden ones."""
Build = Callable[[Sequence[int], Sequence[str]], _core.Network]


@dataclass(frozen=True)
class Architecture:
    """One setting of the architecture bits."""

    shape: Shape
    positions: tuple[int, ...]
    """Of its weights among those of the whole network, in ascending order."""


class Part:
    """A network of fixed architecture, which may have lost all units of a layer.

    The layers behind a lost one see zeros: a network of one input, which is always 0, in their
    place. The weights of that input mean nothing and stay at bit 0.
    """

    def __init__(self, shape: Shape, build: Build) -> None:
        sizes, activations = shape
        lost = max((i for i, size in enumerate(sizes) if size == 0), default=None)
        self._sees_inputs = lost is None
        if lost is not None:
            sizes, activations = (1, *sizes[lost + 1 :]), activations[lost:]
        self.core = build(sizes, activations)
        self._n_dummies = 0 if lost is None else sizes[1]
        self.n_weights = self.core.n_weights - self._n_dummies

    def inputs(self, x: Floats) -> Floats:
        return x if self._sees_inputs else np.zeros((len(x), 1))

    def rows(self, bits: Bits) -> Bits:
        dummies = np.zeros((len(bits), self._n_dummies), dtype=np.uint8)
        return np.ascontiguousarray(np.concatenate([dummies, bits], axis=1))

    @property
    def own(self) -> slice:
        """Its networks among those of ``core``."""
        return slice(None, None, 2**self._n_dummies)


class Architectures:
    """Has the methods of a :class:`_core.Network`; bits after the weights choose the architecture.

    For each hidden layer in turn: bits that choose one of the activations, as a number whose lowest
    bit comes first, then, if units are removable, a bit a unit, where 1 switches it off.

    Args:
        layers: Sizes of all layers.
        activations: One name, or 2 or 4 to choose from.
        bias: Whether units have biases.
        removable: Whether units can be switched off.
        build: Makes a core network of given sizes and activations.
    """

    def __init__(
        self,
        layers: tuple[int, ...],
        activations: tuple[str, ...],
        bias: bool,
        removable: bool,
        build: Build,
    ) -> None:
        self._layers, self._activations, self._bias = layers, activations, bias
        self._removable = removable
        self._n_choice = (len(activations) - 1).bit_length()
        self._part = cache(lambda shape: Part(shape, build))
        self._whole = build(layers, [activations[0]] * (len(layers) - 2))

    @property
    def n_architecture(self) -> int:
        """Number of the bits that choose the architecture."""
        hidden = self._layers[1:-1]
        return self._n_choice * len(hidden) + (sum(hidden) if self._removable else 0)

    @property
    def n_weights(self) -> int:
        """Number of all bits."""
        return self._whole.n_weights + self.n_architecture

    @cached_property
    def all(self) -> list[Architecture]:
        """Every architecture, by the number that its bits are."""
        return [self._architecture(index) for index in range(2**self.n_architecture)]

    def logits(self, bits: Bits, x: Floats) -> Floats:
        out = np.empty((len(bits), len(x), self._layers[-1]))
        for rows, part, own in self._split(bits):
            out[rows] = part.core.logits(own, part.inputs(x))
        return out

    def log_likelihood(self, bits: Bits, x: Floats, y: Floats) -> Floats:
        out = np.empty(len(bits))
        for rows, part, own in self._split(bits):
            out[rows] = part.core.log_likelihood(own, part.inputs(x), y)
        return out

    def log_likelihood_table(self, x: Floats, y: Floats) -> Floats:
        _core.check_memory(f"a table over {self.n_weights} bits", 8 * 2 ** min(self.n_weights, 59))

        @cache
        def table(shape: Shape) -> Floats:
            part = self._part(shape)
            return part.core.log_likelihood_table(part.inputs(x), y)[part.own]

        out = np.empty((len(self.all), 2**self._whole.n_weights))
        for row, architecture in zip(out, self.all, strict=True):
            # An axis a weight, the last of them first; those that do not matter have length 1.
            axes = [1] * self._whole.n_weights
            for position in architecture.positions:
                axes[-1 - position] = 2
            row.reshape([2] * len(axes))[...] = table(architecture.shape).reshape(axes)
        return out.reshape(-1)

    def predictive(
        self, bits: Bits | None, probabilities: Floats, n_distributions: int, x: Floats
    ) -> tuple[Floats, Floats, Floats]:
        groups = self._merged(probabilities) if bits is None else self._given(bits, probabilities)
        out: list[Floats] = []
        for part, rows, q in groups:
            mass = q.sum(axis=1)
            # A distribution without this architecture: any will do, as its share is 0.
            q[mass == 0, 0] = 1.0
            shares = np.ascontiguousarray(q / q.sum(axis=1, keepdims=True))
            found = part.core.predictive(rows, shares, n_distributions, part.inputs(x))
            weighted = [mass.reshape(-1, *[1] * (v.ndim - 1)) * v for v in found]
            out = [a + b for a, b in zip(out, weighted, strict=True)] if out else weighted
        return out[0], out[1], out[2]

    def _merged(self, q: Floats) -> Iterator[tuple[Part, None, Floats]]:
        """All networks: probabilities of those of each shape, whatever the weights that are off."""
        n = self._whole.n_weights
        of_shape: dict[Shape, Floats] = {}
        for index, architecture in enumerate(self.all):
            part = self._part(architecture.shape)
            own = q[:, index << n : (index + 1) << n].reshape(len(q), *[2] * n)
            off = tuple(n - i for i in range(n) if i not in architecture.positions)
            merged = of_shape.setdefault(
                architecture.shape, np.zeros((len(q), 2**part.core.n_weights))
            )
            merged[:, part.own] += own.sum(axis=off).reshape(len(q), -1)
        for shape, merged in of_shape.items():
            yield self._part(shape), None, merged

    def _given(self, bits: Bits, q: Floats) -> Iterator[tuple[Part, Bits, Floats]]:
        for rows, part, own in self._split(bits):
            yield part, own, q[:, rows]

    def _split(self, bits: Bits) -> Iterator[tuple[NDArray[np.intp], Part, Bits]]:
        """Rows of the same architecture, and their weights as its part wants them."""
        indices = self.index(bits)
        for index in np.unique(indices):
            rows = np.flatnonzero(indices == index)
            architecture = self.all[index]
            part = self._part(architecture.shape)
            yield rows, part, part.rows(bits[np.ix_(rows, architecture.positions)])

    def index(self, bits: Bits) -> NDArray[np.int64]:
        """The number of each row's architecture."""
        own = bits[:, self._whole.n_weights :].astype(np.int64)
        return np.asarray((own << np.arange(own.shape[1])).sum(axis=1))

    def _architecture(self, index: int) -> Architecture:
        kept: list[range | list[int]] = [range(self._layers[0])]
        activations = []
        for size in self._layers[1:-1]:
            activations.append(self._activations[index & ((1 << self._n_choice) - 1)])
            index >>= self._n_choice
            kept.append([i for i in range(size) if not (self._removable and index >> i & 1)])
            index >>= size if self._removable else 0
        kept.append(range(self._layers[-1]))
        sizes = tuple(map(len, kept))
        positions, start = [], 0
        # Nothing in front of a layer without units is seen.
        lost = max((i for i, size in enumerate(sizes) if size == 0), default=0)
        for layer, (own, after) in enumerate(pairwise(kept)):
            n_in, n_out = self._layers[layer], self._layers[layer + 1]
            if layer >= lost:
                positions += [start + i * n_out + j for i in own for j in after]
            start += n_in * n_out
            if self._bias:
                positions += [start + j for j in after] if layer >= lost else []
                start += n_out
        return Architecture((sizes, tuple(activations)), tuple(positions))

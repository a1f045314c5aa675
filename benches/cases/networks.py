"""Likelihoods of binary networks: all of a shape, and sampled ones."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
from _case import OURS, Case, Contender
from numpy.typing import NDArray

import qhypernet as qh

N_POINTS = 1000
# Rounding of the sum over a thousand points.
TOLERANCE = 1e-10
ACTIVATIONS = ("sign", "tanh")


def tables(layers: tuple[int, ...]) -> Iterator[Case]:
    """The log-likelihood of all networks of this shape; NumPy does a part, scaled to all."""
    for activation in ACTIVATIONS:
        options, data = _network(layers, activation)
        yield Case(
            group="table",
            name=f"table, {_shape(layers)} {activation}, {N_POINTS} points",
            kind="table",
            contenders=(Contender(OURS), Contender("numpy")),
            amount=2.0 ** options["n_weights"] * N_POINTS,
            unit="networks x points",
            tags={"activation": activation},
            options=options,
            arrays=data,
            tolerance=TOLERANCE,
        )


def sampled(layers: tuple[int, ...], n_networks: int) -> Iterator[Case]:
    """The log-likelihood of distinct sampled networks."""
    for activation in ACTIVATIONS:
        options, data = _network(layers, activation)
        yield Case(
            group="sampled networks",
            name=f"sampled networks, {_shape(layers)} {activation}, {n_networks} x {N_POINTS}",
            kind="inference",
            contenders=(Contender(OURS), Contender("numpy")),
            amount=n_networks * N_POINTS,
            unit="networks x points",
            tags={"activation": activation},
            options=options,
            arrays={**data, "bits": _bits(n_networks, options["n_weights"])},
            tolerance=TOLERANCE,
        )


def product(layers: tuple[int, ...], n_networks: int) -> Iterator[Case]:
    """Beside one single-precision matrix product with as many multiplications."""
    options, data = _network(layers, "sign")
    multiplications = sum(a * b for a, b in pairwise(layers))
    # All units of all networks at once, as if every layer were as wide as the inputs.
    columns = n_networks * multiplications // layers[0]
    side = round((N_POINTS * multiplications * n_networks) ** (1 / 3))
    yield Case(
        group="matrix product",
        name=f"matrix product, {_shape(layers)} sign, {n_networks} x {N_POINTS}",
        kind="inference",
        contenders=(
            Contender(OURS),
            _product("sgemm", (N_POINTS, layers[0], columns)),
            _product("square sgemm", (side, side, side)),
        ),
        amount=n_networks * N_POINTS,
        unit="networks x points",
        options=options,
        arrays={**data, "bits": _bits(n_networks, options["n_weights"])},
    )


def _product(label: str, shape: tuple[int, int, int]) -> Contender:
    return Contender("numpy", options={"shape": shape}, label=label, kind="product")


def _network(
    layers: tuple[int, ...], activation: str
) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    net = qh.BinaryNetwork(layers, activation=activation)
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N_POINTS, layers[0]))
    y = rng.integers(0, max(2, layers[-1]), size=N_POINTS).astype(np.float64)
    options = {"layers": layers, "activation": activation, "n_weights": net.n_weights}
    return options, {"X": X, "y": y}


def _bits(n_networks: int, n_weights: int) -> NDArray[np.uint8]:
    """Distinct rows, for long ones all but surely."""
    rng = np.random.default_rng(1)
    rows = np.unique(rng.integers(0, 2, (n_networks + 100, n_weights), np.uint8), axis=0)
    return np.ascontiguousarray(rng.permutation(rows)[:n_networks])


def _shape(layers: tuple[int, ...]) -> str:
    return "-".join(map(str, layers))

"""The trained distribution over networks beside the exact posterior."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike, NDArray

from qhypernet.plotting._checks import as_probabilities
from qhypernet.plotting._figure import Figure
from qhypernet.plotting._style import EXACT, GREY, TRAINED, house_style, legend_below, light_grid

# Points of a cumulative curve: on a logarithmic axis more cannot be told apart.
N_RANKS = 400


def distribution(q: ArrayLike, posterior: ArrayLike, n_top: int = 20) -> Figure:
    """Draw how a trained distribution over networks compares with the exact posterior.

    Left: the probability of each of the most probable networks under the posterior, exact beside
    trained. Right: the probability mass on the best ``k`` networks as ``k`` grows; the trained
    distribution once in the posterior's order and once in its own (the highest mass that ``k``
    networks can have: where the two curves part, ``q`` has put its mass on other networks).

    Args:
        q: trained distribution over all ``2**n`` networks, sums to one.
        posterior: exact posterior, same shape and order.
        n_top: number of networks in the left panel, at least 1.

    Raises:
        ValueError: if the arrays are not two probability vectors of one length.

    Example:
        >>> len(distribution([0.1, 0.2, 0.3, 0.4], [0.0, 0.1, 0.2, 0.7]).axes)
        2
    """
    q = _distribution_vector("q", q, "2**n")
    posterior = _distribution_vector("posterior", posterior, len(q))
    if n_top < 1:
        raise ValueError(f"n_top must be at least 1, got {n_top!r}")
    # Stable: equally probable networks, which symmetry makes common, stay in order of their index.
    order = np.argsort(-posterior, kind="stable")
    with house_style():
        figure = Figure(figsize=(10.5, 3.7), layout="constrained")
        left, right = figure.subplots(1, 2)
        _draw_top(left, q[order[:n_top]], posterior[order[:n_top]])
        _draw_cumulative(right, q, posterior, order)
        legend_below(figure, right)  # the bars on the left have the same colours
    return figure


def _distribution_vector(name: str, value: ArrayLike, length: int | str) -> NDArray[np.float64]:
    vector = as_probabilities(name, value, length)
    # Single precision over 2**26 terms stays well within this.
    if abs(vector.sum() - 1.0) > 1e-3:
        raise ValueError(f"{name} must sum to 1, got {vector.sum()}")
    return vector


def _draw_top(axes: Axes, q: NDArray[np.float64], posterior: NDArray[np.float64]) -> None:
    rank = np.arange(1, len(q) + 1)
    axes.bar(rank - 0.2, posterior, 0.4, color=EXACT)
    axes.bar(rank + 0.2, q, 0.4, color=TRAINED)
    axes.set(
        title=f"The {len(q)} most probable networks",
        xlabel="network, by rank under the exact posterior",
        ylabel="probability",
    )
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.set_xlim(0.4, len(q) + 0.6)
    light_grid(axes)


def _draw_cumulative(
    axes: Axes,
    q: NDArray[np.float64],
    posterior: NDArray[np.float64],
    order: NDArray[np.intp],
) -> None:
    ranks = np.unique(np.geomspace(1, len(q), N_RANKS).round().astype(np.int64))
    curves = (
        ("exact posterior", posterior[order], EXACT, "-"),
        ("trained q", q[order], TRAINED, "-"),
        ("trained q in its own order", np.sort(q)[::-1], GREY, "--"),
    )
    for label, probabilities, colour, line in curves:
        mass = np.cumsum(probabilities)[ranks - 1]
        axes.plot(ranks, mass, color=colour, linestyle=line, label=label)
    axes.set_xscale("log")
    axes.set(
        title="Mass on the best networks",
        xlabel="number of networks",
        ylabel="cumulative probability",
        ylim=(-0.02, 1.04),
    )
    light_grid(axes)

"""What a classifier of two features says over the plane, and where it does not know."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike, NDArray

from qhypernet.plotting._checks import as_class_indices, as_floats, as_probabilities
from qhypernet.plotting._figure import Figure
from qhypernet.plotting._style import (
    CLASS_COLOURS,
    CLASS_MARKERS,
    DIVERGING_PALE,
    INK_ON_PALE,
    SEQUENTIAL,
    house_style,
    legend_below,
    plain,
)

# Below this the uncertainty panel shows a blank rather than rounding errors blown up.
MIN_UNCERTAINTY_SCALE = 1e-3


def decision_boundary(
    xx: ArrayLike,
    yy: ArrayLike,
    mean_probability: ArrayLike,
    uncertainty: ArrayLike,
    X: ArrayLike,
    y: ArrayLike,
    class_names: Sequence[str],
    feature_names: Sequence[str],
) -> Figure:
    """Draw the posterior predictive of a two-class model of two features, and its doubt.

    Left: the probability of class 1 with its 0.5 contour, and the data. Right: the epistemic
    uncertainty, the mutual information between label and weights: it is large where probable
    networks disagree, and goes away with more data.

    Args:
        xx, yy: a grid as ``numpy.meshgrid`` gives it, shape ``(G, H)`` each.
        mean_probability: p(class 1 | x) on the grid, ``(G, H)``.
        uncertainty: mutual information on the grid in nats, ``(G, H)``, from 0 to log 2.
        X: data, ``(D, 2)``.
        y: class indices 0 or 1, ``(D,)``.
        class_names: the two classes' names.
        feature_names: the two features' names.

    Raises:
        ValueError: if shapes do not fit each other, or there are not two classes and features.

    Example:
        >>> import numpy as np
        >>> xx, yy = np.meshgrid(np.linspace(-1, 1, 20), np.linspace(-1, 1, 20))
        >>> p = 1 / (1 + np.exp(-4 * xx))
        >>> X, y = [[-0.5, 0.0], [0.5, 0.2]], [0, 1]
        >>> figure = decision_boundary(xx, yy, p, 0.1 * p, X, y, ["no", "yes"], ["x1", "x2"])
        >>> figure.axes[0].get_xlabel()
        'x1'
    """
    for name, names in (("class_names", class_names), ("feature_names", feature_names)):
        if len(names) != 2:
            raise ValueError(f"{name} must be two names, got {list(names)!r}")
    class_names, feature_names = plain(class_names), plain(feature_names)
    xx = as_floats("xx", xx, "G", "H")
    yy = as_floats("yy", yy, *xx.shape)
    mean_probability = as_probabilities("mean_probability", mean_probability, *xx.shape)
    uncertainty = as_floats("uncertainty", uncertainty, *xx.shape)
    X = as_floats("X", X, "D", 2)
    y = as_class_indices("y", y, len(X), 2)
    with house_style():
        figure = Figure(figsize=(10.5, 4.4), layout="constrained")
        left, right = figure.subplots(1, 2, sharex=True, sharey=True)
        colours = left.pcolormesh(
            xx, yy, mean_probability, cmap=DIVERGING_PALE, vmin=0, vmax=1, rasterized=True
        )
        figure.colorbar(colours, ax=left, label=f"p({class_names[1]} | x)")
        left.set(title="Posterior predictive", ylabel=feature_names[1])
        most = max(float(uncertainty.max()), MIN_UNCERTAINTY_SCALE)
        colours = right.pcolormesh(
            xx, yy, uncertainty, cmap=SEQUENTIAL, vmin=0, vmax=most, rasterized=True
        )
        figure.colorbar(colours, ax=right, label="mutual information, nats")
        right.set(title="Epistemic uncertainty")
        for axes in (left, right):
            axes.set(xlabel=feature_names[0], xlim=(xx.min(), xx.max()), ylim=(yy.min(), yy.max()))
            _draw_half_contour(axes, xx, yy, mean_probability)
        _draw_points(left, X, y, class_names)
        legend_below(figure, left)
    return figure


def _draw_half_contour(
    axes: Axes, xx: NDArray[np.float64], yy: NDArray[np.float64], p: NDArray[np.float64]
) -> None:
    # matplotlib warns about a level that the data do not reach: a model that always says one class.
    if p.min() < 0.5 < p.max():
        axes.contour(xx, yy, p, levels=[0.5], colors=[INK_ON_PALE], linewidths=1.4)


def _draw_points(
    axes: Axes, X: NDArray[np.float64], y: NDArray[np.int64], class_names: Sequence[str]
) -> None:
    for k, name in enumerate(class_names):
        axes.scatter(
            X[y == k, 0],
            X[y == k, 1],
            s=22,
            color=CLASS_COLOURS[k],
            marker=CLASS_MARKERS[k],
            edgecolors="white",
            linewidths=0.6,
            label=name,
            # Beyond this many markers the SVG grows heavy.
            rasterized=len(X) > 2000,
        )

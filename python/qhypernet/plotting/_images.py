"""Figures for data whose features are the pixels of an image."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike, NDArray

from qhypernet.plotting._checks import as_class_indices, as_floats, as_probabilities
from qhypernet.plotting._figure import Figure
from qhypernet.plotting._style import DIVERGING, INK, INK_ON_PALE, VERMILLION, house_style, plain

# Larger cells than this hold a number that can be read.
MAX_PIXELS_WITH_NUMBERS = 64
IMAGES_PER_ROW = 8


def weight_map(trained: ArrayLike, posterior: ArrayLike, image_shape: tuple[int, int]) -> Figure:
    """Draw the mean weight of each pixel, trained beside the exact posterior.

    For a network without hidden layer. A mean of +1 or -1 is a weight that is certain, 0 one
    about which the data say nothing.

    Args:
        trained: mean weights under the trained distribution, ``(d,)``, in [-1, 1]; biases left out.
        posterior: mean weights under the exact posterior, same shape.
        image_shape: ``(rows, columns)`` with ``rows * columns == d``.

    Raises:
        ValueError: if shapes do not fit, or a mean is out of [-1, 1].

    Example:
        >>> figure = weight_map([0.5, -1.0, 0.0, 1.0], [0.6, -0.9, 0.1, 1.0], (2, 2))
        >>> figure.axes[0].get_title(loc="left")
        'Trained'
    """
    rows, columns = image_shape
    maps = []
    for name, value in (("trained", trained), ("posterior", posterior)):
        means = as_floats(name, value, rows * columns)
        if not np.all(np.abs(means) <= 1 + 1e-6):
            raise ValueError(
                f"{name} must be mean weights in [-1, 1], got values from {means.min()} to "
                f"{means.max()}"
            )
        maps.append(means.reshape(rows, columns))
    with house_style():
        figure = Figure(figsize=(5.6, 4.0), layout="compressed")
        all_axes = figure.subplots(1, 2)
        for axes, title, means in zip(all_axes, ("Trained", "Exact posterior"), maps, strict=True):
            image = axes.imshow(means, cmap=DIVERGING, vmin=-1, vmax=1)
            axes.set_title(title)
            _bare(axes)
            if means.size <= MAX_PIXELS_WITH_NUMBERS:
                _write_numbers(axes, means)
        figure.colorbar(
            image,
            ax=all_axes,
            label="mean weight",
            location="bottom",
            shrink=0.6,
            ticks=(-1, -0.5, 0, 0.5, 1),
        )
    return figure


def hardest_images(
    X: ArrayLike,
    y: ArrayLike,
    probability: ArrayLike,
    image_shape: tuple[int, int],
    class_names: Sequence[str],
    n: int = 8,
) -> Figure:
    """Draw the images that the model is least sure of, the least sure first.

    Above each: the predicted class, its probability, and whether that is right.

    Args:
        X: images, ``(D, d)``, drawn from the lowest value (black) to the highest (white).
        y: true class indices, ``(D,)``.
        probability: of each class, ``(D, K)``, or of class 1 of two, ``(D,)``.
        image_shape: ``(rows, columns)`` with ``rows * columns == d``.
        class_names: ``K`` names.
        n: how many images, at least 1; fewer are drawn if there are fewer.

    Raises:
        ValueError: if shapes do not fit each other or values are out of range.

    Example:
        >>> figure = hardest_images([[0, 1], [1, 0]], [1, 0], [0.9, 0.6], (1, 2), ["left", "right"])
        >>> figure.axes[0].get_title(loc="center")
        'right, p = 0.60\\nwrong, is left'
    """
    rows, columns = image_shape
    class_names = plain(class_names)
    X = as_floats("X", X, "D", rows * columns)
    y = as_class_indices("y", y, len(X), len(class_names))
    if np.ndim(probability) == 1 and len(class_names) == 2:
        of_class_1 = as_probabilities("probability", probability, len(X))
        probabilities = np.column_stack([1 - of_class_1, of_class_1])
    else:
        probabilities = as_probabilities("probability", probability, len(X), len(class_names))
    if n < 1:
        raise ValueError(f"n must be at least 1, got {n!r}")
    confidence = probabilities.max(axis=1)
    predicted = probabilities.argmax(axis=1)
    hardest = np.argsort(confidence, kind="stable")[:n]
    n_columns = min(len(hardest), IMAGES_PER_ROW)
    n_rows = -(-len(hardest) // n_columns)
    with house_style():
        figure = Figure(figsize=(1.3 * n_columns, 1.7 * n_rows), layout="constrained")
        grid = figure.subplots(n_rows, n_columns, squeeze=False).ravel()
        for axes, i in zip(grid, hardest, strict=False):
            axes.imshow(X[i].reshape(rows, columns), cmap="gray", vmin=X.min(), vmax=X.max())
            _bare(axes)
            title = f"{class_names[predicted[i]]}, p = {confidence[i]:.2f}"
            wrong = predicted[i] != y[i]
            axes.set_title(
                title + (f"\nwrong, is {class_names[y[i]]}" if wrong else "\nright"),
                loc="center",
                fontsize=9,
                color=VERMILLION if wrong else INK,
            )
        for axes in grid[len(hardest) :]:
            axes.set_visible(False)
    return figure


def _bare(axes: Axes) -> None:
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)


def _write_numbers(axes: Axes, means: NDArray[np.float64]) -> None:
    for (row, column), mean in np.ndenumerate(means):
        axes.text(
            column,
            row,
            # Adding zero turns a rounded -0.0 into 0.0.
            f"{round(mean, 2) + 0.0:+.2f}".replace("-", "\N{MINUS SIGN}"),
            ha="center",
            va="center",
            fontsize=9,
            color="white" if abs(mean) > 0.7 else INK_ON_PALE,
        )

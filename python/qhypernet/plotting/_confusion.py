"""Which classes are taken for which."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from qhypernet.plotting._checks import as_class_indices
from qhypernet.plotting._figure import Figure
from qhypernet.plotting._style import INK_ON_PALE, SEQUENTIAL, house_style, plain


def confusion(predicted: ArrayLike, y: ArrayLike, class_names: Sequence[str]) -> Figure:
    """Draw how many points of each class were predicted to be of each class.

    Args:
        predicted: predicted class indices, ``(D,)``.
        y: true class indices, ``(D,)``.
        class_names: ``K`` names.

    Raises:
        ValueError: if shapes do not fit each other or values are no class indices.

    Example:
        >>> figure = confusion([0, 1, 1], [0, 1, 0], ["no", "yes"])
        >>> [text.get_text() for text in figure.axes[0].texts]
        ['1', '1', '0', '1']
    """
    names = plain(class_names)
    y = as_class_indices("y", y, np.size(y), len(names))
    predicted = as_class_indices("predicted", predicted, len(y), len(names))
    counts = np.zeros((len(names), len(names)), dtype=np.int64)
    np.add.at(counts, (y, predicted), 1)
    with house_style():
        size = 2.4 + 0.6 * len(names)
        figure = Figure(figsize=(size, size), layout="constrained")
        axes = figure.subplots()
        axes.imshow(counts, cmap=SEQUENTIAL, vmin=0, vmax=max(int(counts.max()), 1))
        for (row, column), count in np.ndenumerate(counts):
            colour = "white" if count > 0.6 * counts.max() else INK_ON_PALE
            axes.text(column, row, str(count), ha="center", va="center", color=colour)
        ticks = range(len(names))
        axes.set(title="Confusion", xlabel="predicted class", ylabel="class")
        axes.set_xticks(ticks, names)
        axes.set_yticks(ticks, names)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
    return figure

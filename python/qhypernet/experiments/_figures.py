"""Panels that several experiments draw."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike, NDArray

from qhypernet.plotting._figure import Figure
from qhypernet.plotting._style import BLUE, GREY, VERMILLION, legend_below

COLOURS = {"MLE": GREY, "ELBO": BLUE, "SELBO": VERMILLION}
LINES = {"MLE": ":", "ELBO": "-", "SELBO": "--"}


def panels(columns: int, rows: int = 1) -> tuple[Figure, list[Axes]]:
    """Panels row by row."""
    figure = Figure(figsize=(3.6 * columns, 3.0 * rows + 0.3), layout="constrained")
    return figure, list(np.ravel(figure.subplots(rows, columns)))


def band(
    axes: Axes,
    x: ArrayLike,
    values: NDArray[np.float64],
    label: str,
    colour: str,
    line: str = "-",
) -> None:
    """The mean over initialisations (first axis), and its standard error on both sides."""
    mean = values.mean(axis=0)
    error = values.std(axis=0, ddof=1) / np.sqrt(len(values))
    axes.plot(x, mean, color=colour, linestyle=line, label=label)
    axes.fill_between(x, mean - error, mean + error, color=colour, alpha=0.2, linewidth=0)
    axes.margins(x=0.01)


def legend(figure: Figure, axes: Axes) -> None:
    """One legend for all panels."""
    legend_below(figure, axes)

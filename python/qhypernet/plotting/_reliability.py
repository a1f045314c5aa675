"""Whether a model's confidence means what it says."""

from __future__ import annotations

import numpy as np
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike

from qhypernet.plotting._checks import as_floats, as_probabilities
from qhypernet.plotting._figure import Figure
from qhypernet.plotting._style import GREY, TRAINED, VERMILLION, house_style, light_grid


def reliability(confidence: ArrayLike, correct: ArrayLike, n_bins: int = 10) -> Figure:
    """Draw a reliability diagram: how often the model is right, for each level of confidence.

    Above: the accuracy among the predictions of each bin of confidence, at their mean confidence
    (Guo et al. 2017, arXiv 1706.04599); points on the diagonal are calibrated, below it the model
    is overconfident. Error bars are one binomial standard error. Below: the number of predictions.

    Args:
        confidence: probability of the predicted class, ``(D,)``.
        correct: whether the prediction was right, ``(D,)`` booleans.
        n_bins: equal bins of [0, 1], closed on the left (the last on both sides), at least 1.

    Raises:
        ValueError: if shapes differ, are empty, or values are out of range.

    Example:
        >>> figure = reliability([0.55, 0.6, 0.95, 0.9], [True, False, True, True])
        >>> [axes.get_ylabel() for axes in figure.axes]
        ['accuracy', 'predictions']
    """
    confidence = as_probabilities("confidence", confidence, "D")
    hit = as_floats("correct", correct, len(confidence))
    if not np.all((hit == 0) | (hit == 1)):
        raise ValueError("correct must hold booleans only")
    if n_bins < 1:
        raise ValueError(f"n_bins must be at least 1, got {n_bins!r}")
    # Not linspace: its 0.6 is one rounding above the number 0.6, which then fell below its bin.
    edges = np.arange(n_bins + 1) / n_bins
    bins = np.clip(np.searchsorted(edges, confidence, side="right") - 1, 0, n_bins - 1)
    counts = np.bincount(bins, minlength=n_bins)
    used = counts > 0  # an empty bin has no accuracy
    accuracy = np.bincount(bins, hit, n_bins)[used] / counts[used]
    mean_confidence = np.bincount(bins, confidence, n_bins)[used] / counts[used]
    with house_style():
        figure = Figure(figsize=(5.2, 4.6), layout="constrained")
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
        above.plot([0, 1], [0, 1], color=GREY, linestyle="--", linewidth=1.2, label="calibrated")
        above.vlines(
            mean_confidence, mean_confidence, accuracy, color=VERMILLION, alpha=0.5, label="gap"
        )
        above.errorbar(
            mean_confidence,
            accuracy,
            yerr=np.sqrt(accuracy * (1 - accuracy) / counts[used]),
            color=TRAINED,
            marker="o",
            linestyle="-",
            elinewidth=1.0,
            label="model",
        )
        above.set(title="Reliability", ylabel="accuracy", ylim=(-0.02, 1.04))
        above.legend(loc="upper left")
        light_grid(above)
        below.bar(edges[:-1], counts, 1.0 / n_bins, align="edge", color=TRAINED, edgecolor="white")
        below.set(xlabel="confidence", ylabel="predictions", xlim=_x_range(edges[:-1][used]))
        below.yaxis.set_major_locator(MaxNLocator(nbins=3, integer=True))
        light_grid(below)
    return figure


def _x_range(used_left_edges: np.ndarray[tuple[int], np.dtype[np.float64]]) -> tuple[float, float]:
    # The largest of two class probabilities is never below 1/2: no room for an empty half.
    return min(0.5, float(used_left_edges.min())) - 0.01, 1.01

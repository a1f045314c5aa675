"""What a regression model says over a line, and whether its intervals mean what they say."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from qhypernet.plotting._checks import as_floats, as_probabilities
from qhypernet.plotting._figure import Figure
from qhypernet.plotting._style import (
    GREY,
    INK,
    TRAINED,
    house_style,
    legend_below,
    light_grid,
    plain,
)


def predictive_band(
    x: ArrayLike,
    mean: ArrayLike,
    epistemic: ArrayLike,
    lower: ArrayLike,
    upper: ArrayLike,
    X: ArrayLike,
    y: ArrayLike,
    feature_name: str = "x",
    target_name: str = "y",
) -> Figure:
    """Draw the predictive distribution of a model of one feature, and the data.

    The line is its mean; the light band its central 90 % interval, noise included; the dark one
    where the networks' own outputs lie, mean and plus or minus one standard deviation: it closes
    with more data.

    Args:
        x: points in ascending order, ``(G,)``.
        mean, epistemic, lower, upper: mean, standard deviation of the outputs and ends of the
            interval at these points, ``(G,)`` each.
        X: data, ``(D,)``.
        y: their targets, ``(D,)``.
        feature_name, target_name: names of the axes.

    Raises:
        ValueError: if shapes do not fit each other.

    Example:
        >>> figure = predictive_band([0, 1], [0, 1], [0.1, 0.1], [-1, 0], [1, 2], [0.5], [0.3])
        >>> [text.get_text() for text in figure.legends[0].get_texts()]
        ['mean', 'networks', '90 % interval', 'data']
    """
    x = as_floats("x", x, "G")
    mean = as_floats("mean", mean, len(x))
    epistemic = as_floats("epistemic", epistemic, len(x))
    lower = as_floats("lower", lower, len(x))
    upper = as_floats("upper", upper, len(x))
    X = as_floats("X", X, "D")
    y = as_floats("y", y, len(X))
    feature_name, target_name = plain([feature_name, target_name])
    with house_style():
        figure = Figure(figsize=(5.2, 4.4), layout="constrained")
        axes = figure.subplots()
        axes.plot(x, mean, color=TRAINED, label="mean")
        bands = {
            "networks": (mean - epistemic, mean + epistemic, 0.4),
            "90 % interval": (lower, upper, 0.15),
        }
        for label, (low, high, alpha) in bands.items():
            axes.fill_between(x, low, high, color=TRAINED, alpha=alpha, linewidth=0, label=label)
        axes.scatter(X, y, s=12, color=INK, edgecolors="white", linewidths=0.4, label="data")
        axes.set(
            title="Posterior predictive",
            xlabel=feature_name,
            ylabel=target_name,
            xlim=(x.min(), x.max()),
        )
        light_grid(axes)
        legend_below(figure, axes)
    return figure


def interval_calibration(cumulative: ArrayLike) -> Figure:
    """Draw how many targets each central interval holds, beside its probability.

    Intervals on the diagonal are calibrated (Kuleshov et al. 2018, arXiv 1807.00263): below it the
    model is overconfident, above it too careful.

    Args:
        cumulative: ``P(Y <= y | x)`` at targets, ``(D,)``.

    Raises:
        ValueError: if there are none or they are no probabilities.

    Example:
        >>> figure = interval_calibration([0.1, 0.4, 0.5, 0.95])
        >>> figure.axes[0].get_xlabel()
        'probability of the interval'
    """
    values = as_probabilities("cumulative", cumulative, "D")
    # A target lies in all intervals from this probability on.
    enters = np.sort(np.abs(2 * values - 1))
    levels = np.concatenate([[0.0], enters, [1.0]])
    share = np.concatenate([[0.0], np.arange(1, len(values) + 1) / len(values), [1.0]])
    with house_style():
        figure = Figure(figsize=(5.2, 4.4), layout="constrained")
        axes = figure.subplots()
        axes.plot([0, 1], [0, 1], color=GREY, linestyle="--", linewidth=1.2, label="calibrated")
        axes.step(levels, share, where="post", color=TRAINED, label="model")
        axes.set(
            title="Reliability of intervals",
            xlabel="probability of the interval",
            ylabel="share of targets inside",
            xlim=(0, 1),
            ylim=(0, 1.02),
        )
        axes.legend(loc="upper left")
        light_grid(axes)
    return figure

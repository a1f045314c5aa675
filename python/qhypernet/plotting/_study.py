"""What a search of settings has found: trial by trial, setting by setting."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter
from numpy.typing import ArrayLike, NDArray

from qhypernet.plotting._checks import as_floats
from qhypernet.plotting._figure import Figure
from qhypernet.plotting._style import (
    EXACT,
    GREY,
    SEQUENTIAL,
    TRAINED,
    house_style,
    legend_below,
    light_grid,
    plain,
)

_COLUMNS = 3


def study_history(
    numbers: ArrayLike, values: ArrayLike, metric: str, *, lower: bool, exact: float | None = None
) -> Figure:
    """Draw what each trial found, and the best until then.

    Args:
        numbers: of the trials, in their order, shape ``(T,)``.
        values: of the metric, shape ``(T,)``.
        metric: its name.
        lower: whether less of it is better.
        exact: the exact posterior's value, or None.

    Raises:
        ValueError: if shapes differ or are empty.

    Example:
        >>> figure = study_history([0, 1, 3], [0.5, 0.7, 0.4], "nll", lower=True)
        >>> figure.axes[0].lines[0].get_ydata().tolist()
        [0.5, 0.5, 0.4]
    """
    found = as_floats("values", values, "T")
    order = as_floats("numbers", numbers, len(found))
    best = (np.minimum if lower else np.maximum).accumulate(found)
    with house_style():
        figure = Figure(figsize=(5.2, 3.6), layout="constrained")
        axes = figure.subplots()
        axes.scatter(order, found, s=14, color=GREY, alpha=0.7, linewidths=0, label="trial")
        axes.step(order, best, where="post", color=TRAINED, label="best until then")
        if exact is not None:
            axes.axhline(exact, color=EXACT, linestyle="--", label="exact posterior")
        axes.set(title="Trials", xlabel="trial", ylabel=metric)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        light_grid(axes)
        legend_below(figure, axes)
    return figure


def importances(shares: Mapping[str, float]) -> Figure:
    """Draw how much of the metric's change each setting explains.

    Args:
        shares: a share in [0, 1] for each name, of one in all.

    Raises:
        ValueError: if there are none.

    Example:
        >>> len(importances({"objective.weight": 0.8, "circuit.layers": 0.2}).axes[0].patches)
        2
    """
    if not shares:
        raise ValueError("shares must have at least one setting")
    ordered = sorted(shares.items(), key=lambda item: item[1])
    with house_style():
        figure = Figure(figsize=(5.2, max(1.6, 0.9 + 0.34 * len(ordered))), layout="constrained")
        axes = figure.subplots()
        axes.barh(plain(name for name, _ in ordered), [s for _, s in ordered], color=TRAINED)
        axes.set(title="Importance of settings", xlabel="share", xlim=(0, 1))
        axes.grid(axis="x")
    return figure


def slices(
    settings: Mapping[str, Sequence[Any]],
    values: ArrayLike,
    metric: str,
    *,
    log: Collection[str] = (),
) -> Figure:
    """Draw the metric over each setting, one panel a setting; later trials are darker.

    Args:
        settings: ``T`` values for each name: numbers, or anything else as choices; None where a
            trial did not have the setting.
        values: of the metric, in the order of the trials, shape ``(T,)``.
        metric: its name.
        log: names whose numbers are drawn on a logarithmic scale.

    Raises:
        ValueError: if there are no settings, or a setting has not ``T`` values.

    Example:
        >>> figure = slices({"layers": [1, 2], "start": ["random", "uniform"]}, [0.5, 0.4], "nll")
        >>> [axes.get_xlabel() for axes in figure.axes]
        ['layers', 'start']
    """
    found = as_floats("values", values, "T")
    if not settings:
        raise ValueError("settings must have at least one setting")
    for name, column in settings.items():
        if len(column) != len(found):
            raise ValueError(f"settings[{name!r}] must have {len(found)} values, got {len(column)}")
    rows = math.ceil(len(settings) / _COLUMNS)
    with house_style():
        figure = Figure(figsize=(10.5, 0.3 + 2.9 * rows), layout="constrained")
        panels = figure.subplots(rows, _COLUMNS, sharey=True, squeeze=False)
        for axes, (name, column) in zip(panels.flat, settings.items(), strict=False):
            _slice(axes, column, found)
            axes.set_xlabel(plain([name])[0])
            if name in log:
                axes.set_xscale("log")
                _logarithmic_ticks(axes)
            light_grid(axes)
        for axes in panels[:, 0]:
            axes.set_ylabel(metric)
        for axes in panels.flat[len(settings) :]:
            axes.remove()
    return figure


def compromises(
    values: ArrayLike, metrics: Sequence[str], best: ArrayLike, exact: float | None = None
) -> Figure:
    """Draw two metrics of all trials, and those that no other is better than in both.

    Args:
        values: shape ``(T, 2)``.
        metrics: their two names.
        best: which trials are such, ``(T,)`` booleans.
        exact: the exact posterior's value of the first, or None.

    Raises:
        ValueError: if shapes do not fit.

    Example:
        >>> figure = compromises([[0.5, 9], [0.4, 20], [0.6, 30]], ("nll", "runs"), [1, 1, 0])
        >>> len(figure.axes[0].lines[0].get_xdata())
        2
    """
    found = as_floats("values", values, "T", 2)
    chosen = as_floats("best", best, len(found)) > 0
    first, second = plain(metrics)
    front = found[chosen][np.argsort(found[chosen, 0])]
    with house_style():
        figure = Figure(figsize=(5.2, 3.6), layout="constrained")
        axes = figure.subplots()
        others = found[~chosen]
        axes.scatter(
            others[:, 0], others[:, 1], s=14, color=GREY, alpha=0.7, linewidths=0, label="trial"
        )
        axes.plot(front[:, 0], front[:, 1], color=TRAINED, marker="o", label="best compromises")
        if exact is not None:
            axes.axvline(exact, color=EXACT, linestyle="--", label="exact posterior")
        axes.set(title="Compromises", xlabel=first, ylabel=second)
        light_grid(axes)
        legend_below(figure, axes)
    return figure


def _logarithmic_ticks(axes: Axes) -> None:
    """Few enough to be read: over a decade or less, matplotlib labels too many parts of it."""
    low, high = axes.get_xlim()
    if high < 1000 * low:
        few = LogLocator(subs=(1.0, 3.0)) if high >= 10 * low else MaxNLocator(4)
        axes.xaxis.set_major_locator(few)
        axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter(NullFormatter())


def _slice(axes: Axes, column: Sequence[Any], found: NDArray[np.float64]) -> None:
    """One panel: numbers as they are, all else side by side."""
    has = np.array([value is not None for value in column])
    given = [value for value in column if value is not None]
    # Later trials are drawn over earlier ones, and darker; the palest would not be seen.
    age = np.linspace(0.25, 1, len(found))[has]
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in given):
        places = np.array(given, dtype=np.float64)
        if all(isinstance(value, int) for value in given):
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    else:
        texts = [str(value) for value in given]
        names = list(dict.fromkeys(sorted(texts)))
        places = np.array([names.index(text) for text in texts], dtype=np.float64)
        # Long names side by side would run into each other.
        axes.set_xticks(range(len(names)), [name.replace("_", "_\n") for name in plain(names)])
        axes.margins(x=0.15)
    axes.scatter(places, found[has], c=age, cmap=SEQUENTIAL, vmin=0, vmax=1, s=16, linewidths=0)

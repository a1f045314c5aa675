"""Metrics over an axis of a sweep, one small panel for each metric and each value of another."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from qhypernet.plotting._figure import Figure
from qhypernet.plotting._style import EXACT, TRAINED, house_style, light_grid, plain

if TYPE_CHECKING:
    import xarray as xr

_WIDE = 30.0
"""Values that reach over such a factor are drawn on a logarithmic scale."""
_FEW = 6
"""So many values each have a tick."""


def small_multiples(
    trained: xr.DataArray,
    axis: str,
    metrics: Sequence[str],
    columns: str | None = None,
    exact: xr.DataArray | None = None,
) -> Figure:
    """Draw metrics over one axis of a sweep.

    Lines are medians, bands reach from the 10 % to the 90 % quantile, over the initialisations and
    all axes that are neither ``axis`` nor ``columns``.

    Args:
        trained: dims ``axis``, ``metric`` and any others; NaN where there is no value.
        axis: the dimension to go along.
        metrics: labels of ``metric``, one row of panels each.
        columns: a dimension with one column of panels a value, or None.
        exact: the exact posterior's metrics, without the initialisations' dimension: dashed.

    Raises:
        ValueError: if a dimension or metric is not there.

    Example:
        >>> import numpy as np, xarray as xr
        >>> trained = xr.DataArray(
        ...     np.random.default_rng(0).uniform(size=(3, 2, 5, 1)),
        ...     dims=("weight", "layers", "init", "metric"),
        ...     coords={"weight": [1, 10, 100], "layers": [1, 4], "metric": ["kl"]},
        ... )
        >>> len(small_multiples(trained, "weight", ["kl"], "layers").axes)
        2
    """
    for name in (axis, *([columns] if columns else [])):
        if name not in trained.dims:
            raise ValueError(f"axis: expected one of {', '.join(map(str, trained.dims))}: {name!r}")
    unknown = [m for m in metrics if m not in trained["metric"].values]
    if unknown or not metrics:
        raise ValueError(f"metrics: expected some of {trained['metric'].values}, got {metrics}")
    n_columns = trained.sizes[columns] if columns else 1
    with house_style():
        size = (max(4.4, 2.7 * n_columns + 0.8), 2.3 * len(metrics) + 0.5)
        figure = Figure(figsize=size, layout="constrained")
        panels = figure.subplots(len(metrics), n_columns, sharey="row", sharex=True, squeeze=False)
        for row, metric in zip(panels, metrics, strict=True):
            for i, axes in enumerate(row):
                at = {columns: i} if columns else {}
                own = trained.sel(metric=metric).isel(at)
                _panel(axes, own, axis)
                if exact is not None:
                    _reference(axes, exact.sel(metric=metric).isel(at), axis)
                light_grid(axes)
            row[0].set_ylabel(metric)
            _scale(row[0], trained.sel(metric=metric).values)
        for i, axes in enumerate(panels[0] if columns else []):
            (title,) = plain([f"{columns} = {_words(trained[columns].values[i])}"])
            axes.set_title(title)
        for axes in panels[-1]:
            axes.set_xlabel(axis)
        handles, labels = panels[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    return figure


def _panel(axes: Axes, values: xr.DataArray, axis: str) -> None:
    x = _positions(axes, values[axis].values)
    flat = values.transpose(axis, ...).values.reshape(len(x), -1)
    low, median, high = _quantiles(flat)
    if _is_number(values[axis].values):
        axes.plot(x, median, color=TRAINED, marker="o", markersize=4, label="trained, median")
        axes.fill_between(
            x, low, high, color=TRAINED, alpha=0.22, linewidth=0, label="10 % to 90 %"
        )
    else:
        axes.vlines(x, low, high, color=TRAINED, alpha=0.4, linewidth=4, label="10 % to 90 %")
        axes.plot(x, median, "o", color=TRAINED, label="trained, median")


def _reference(axes: Axes, values: xr.DataArray, axis: str) -> None:
    x = _positions(axes, values[axis].values)
    _, median, _ = _quantiles(values.transpose(axis, ...).values.reshape(len(x), -1))
    axes.plot(x, median, color=EXACT, linestyle="--", label="exact posterior")


def _positions(axes: Axes, labels: NDArray[Any]) -> NDArray[np.float64]:
    """Where values stand: numbers at themselves, names side by side."""
    if not _is_number(labels):
        axes.set_xticks(range(len(labels)), plain(_words(label) for label in labels))
        axes.margins(x=0.2)
        return np.arange(len(labels), dtype=np.float64)
    numbers = labels.astype(np.float64)
    if _is_wide(numbers):
        axes.set_xscale("log")
    if len(numbers) <= _FEW:
        axes.set_xticks(numbers, [f"{number:g}" for number in numbers])
        axes.set_xticks([], minor=True)
    return numbers


def _is_number(labels: NDArray[Any]) -> bool:
    return labels.dtype.kind in "iuf"


def _words(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float | np.floating) else str(value)


def _scale(axes: Axes, values: NDArray[np.float64]) -> None:
    found = values[np.isfinite(values)]
    if found.size and _is_wide(found):
        axes.set_yscale("log")


def _is_wide(values: NDArray[np.float64]) -> bool:
    low, high = float(values.min()), float(values.max())
    return low > 0 and high / low >= _WIDE


def _quantiles(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """10 %, 50 % and 90 % of each row, shape (3, rows), without what is not there."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="All-NaN slice")
        found: NDArray[np.float64] = np.nanquantile(values, (0.1, 0.5, 0.9), axis=1)
    return found

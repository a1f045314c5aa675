"""What happened during training: objective, its two parts, and the size of the gradient."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from qhypernet.plotting._figure import Figure
from qhypernet.plotting._style import EXACT, GREY, TRAINED, house_style, legend_below, light_grid

if TYPE_CHECKING:
    import xarray as xr

# Beyond this many steps a band's outline weighs more in the SVG than its picture.
MAX_OUTLINE_STEPS = 1000


def training_curves(history: xr.Dataset, log_evidence: float | None = None) -> Figure:
    """Draw the objective and its two parts over the training steps.

    Lines are medians over the initialisations, bands reach from the 10 % to the 90 % quantile.
    ``objective = expected_nll + regularizer``, all in nats: the regulariser has its weight in it.

    Args:
        history: dims ``(init, step)`` with ``objective``, ``expected_nll`` and ``regularizer``
            in nats; ``weight(step)``, the regulariser's weight, is drawn too where it changes.
        log_evidence: ``log p(D)`` in nats. If given, ``-log p(D)`` is drawn: no
            ELBO objective with weight 1 or above gets below it, and at weight 1 the exact
            posterior reaches it.

    Raises:
        ValueError: if the history lacks a variable or a dimension, or is empty.

    Example:
        >>> import numpy as np, xarray as xr
        >>> curves = np.exp(-np.arange(50) / 10) + np.ones((4, 1))
        >>> parts = {"objective": curves, "expected_nll": curves - 0.5, "regularizer": curves - 1.5}
        >>> history = xr.Dataset({name: (("init", "step"), v) for name, v in parts.items()})
        >>> len(training_curves(history, log_evidence=-0.9).axes)
        3
    """
    panels = (
        ("objective", "Objective"),
        ("expected_nll", "Expected negative log-likelihood"),
        ("regularizer", "Regulariser"),
    )
    curves = {name: _curves(history, name) for name, _ in panels}
    steps = _steps(history)
    with house_style():
        figure = Figure(figsize=(10.5, 3.5), layout="constrained")
        all_axes = figure.subplots(1, 3)
        for axes, (name, title) in zip(all_axes, panels, strict=True):
            _median_and_band(axes, steps, curves[name])
            axes.set(title=title, xlabel="training step")
            light_grid(axes)
        all_axes[0].set_ylabel("nats")
        if log_evidence is not None:
            all_axes[0].axhline(
                -log_evidence, color=EXACT, linestyle="--", label=r"exact: $-\log\,p(D)$"
            )
        legend_below(figure, all_axes[0])
        _draw_weight(all_axes[2], history, steps)
    return figure


def gradient_magnitude(history: xr.Dataset) -> Figure:
    """Draw the norm of the gradient over the training steps, on a logarithmic scale.

    Args:
        history: dims ``(init, step)`` with ``gradient_norm`` in nats per radian. Values that are
            not positive have no place on the scale and are left out.

    Raises:
        ValueError: if the history lacks the variable or a dimension, or is empty.

    Example:
        >>> import numpy as np, xarray as xr
        >>> norms = np.exp(-np.arange(50) / 10) * np.ones((4, 1))
        >>> history = xr.Dataset({"gradient_norm": (("init", "step"), norms)})
        >>> gradient_magnitude(history).axes[0].get_yscale()
        'log'
    """
    return _logarithmic(history, "gradient_norm", "Gradient magnitude", "norm, nats per radian")


def ground_truth(history: xr.Dataset) -> Figure:
    """Draw how far the exact posterior is on the way, on a logarithmic scale.

    Args:
        history: dims ``(init, truth_step)`` with ``kl`` in nats, as training with ``ground_truth``
            gives it. Distances that round to zero or less have no place on the scale.

    Raises:
        ValueError: if the history lacks the variable or a dimension, or is empty.

    Example:
        >>> import numpy as np, xarray as xr
        >>> kl = np.exp(-np.arange(50) / 10) * np.ones((4, 1))
        >>> ground_truth(xr.Dataset({"kl": (("init", "truth_step"), kl)})).axes[0].get_xlabel()
        'updates'
    """
    title = "Distance to the exact posterior"
    return _logarithmic(history, "kl", title, "KL(q || posterior), nats", "truth_step", "updates")


def _logarithmic(
    history: xr.Dataset,
    name: str,
    title: str,
    label: str,
    dim: str = "step",
    steps_label: str = "training step",
) -> Figure:
    curves = _curves(history, name, dim)
    positive = np.where(curves > 0, curves, np.nan)
    with house_style():
        figure = Figure(figsize=(5.2, 3.6), layout="constrained")
        axes = figure.subplots()
        axes.set(title=title, xlabel=steps_label, ylabel=label)
        light_grid(axes)
        if np.isfinite(positive).any():
            axes.set_yscale("log")
            _median_and_band(axes, np.asarray(history[dim].values), positive)
            legend_below(figure, axes)
        else:
            axes.text(0.5, 0.5, "zero at every step", transform=axes.transAxes, ha="center")
    return figure


def _curves(history: xr.Dataset, name: str, dim: str = "step") -> NDArray[np.float64]:
    """Return one variable as ``(init, dim)`` numbers, NaN where they are not finite."""
    if name not in history:
        raise ValueError(
            f"history must have the variable {name!r}, got {sorted(map(str, history.data_vars))}"
        )
    if set(history[name].dims) != {"init", dim} or 0 in history[name].shape:
        raise ValueError(
            f"history[{name!r}] must have dims (init, {dim}), neither empty, got "
            f"{dict(history[name].sizes)}"
        )
    values = np.asarray(history[name].transpose("init", dim).values, dtype=np.float64)
    return np.where(np.isfinite(values), values, np.nan)


def _steps(history: xr.Dataset) -> NDArray[Any]:
    return np.asarray(history["step"].values)  # xarray counts from 0 where there is no coordinate


def _median_and_band(axes: Axes, steps: NDArray[Any], curves: NDArray[np.float64]) -> None:
    with warnings.catch_warnings():
        # A step at which every start has diverged is a gap in the line, not a warning.
        warnings.filterwarnings("ignore", message="All-NaN slice")
        low, median, high = np.nanquantile(curves, (0.1, 0.5, 0.9), axis=0)
    # A line through one point would be invisible.
    marker = "o" if len(steps) == 1 else ""
    axes.plot(steps, median, color=TRAINED, marker=marker, label=_median_label(curves))
    if len(curves) > 1:
        axes.fill_between(
            steps,
            low,
            high,
            color=TRAINED,
            alpha=0.22,
            linewidth=0,
            rasterized=len(steps) > MAX_OUTLINE_STEPS,
            label="10 % to 90 %",
        )
    axes.margins(x=0.01)


def _median_label(curves: NDArray[np.float64]) -> str:
    n_inits = len(curves)
    if n_inits == 1:
        return "1 start"
    finite = int(np.isfinite(curves).all(axis=1).sum())
    lost = "" if finite == n_inits else f" ({n_inits - finite} with gaps)"
    return f"median of {n_inits} starts{lost}"


def _draw_weight(axes: Axes, history: xr.Dataset, steps: NDArray[Any]) -> None:
    """Add the regulariser's weight on a second scale, if it was annealed."""
    if "weight" not in history or set(history["weight"].dims) != {"step"}:
        return
    weight = np.asarray(history["weight"].values, dtype=np.float64)
    if np.ptp(weight) == 0:
        return
    scale = axes.twinx()
    scale.plot(steps, weight, color=GREY, linestyle=":")
    scale.set_ylabel("its weight (dotted)", color=GREY)
    scale.set_ylim(bottom=0)
    scale.spines["right"].set_visible(True)
